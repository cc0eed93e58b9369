#include <chainrule/autograd/storage/memory.hpp>

#ifdef __linux__
#include <sys/mman.h>
#include <unistd.h>
#endif

#include <cstdint>
#include <new>

namespace chainrule::detail {

namespace {

constexpr std::size_t large = std::size_t{4} << 20;

void ask_for_large_pages([[maybe_unused]] void* memory, [[maybe_unused]] std::size_t bytes) {
#if defined(__linux__) && defined(MADV_HUGEPAGE)
  const auto page = static_cast<std::uintptr_t>(sysconf(_SC_PAGESIZE));
  const auto begin = reinterpret_cast<std::uintptr_t>(memory);
  const std::uintptr_t first = (begin + page - 1) / page * page,
                       last = (begin + bytes) / page * page;
  // A wish: where the kernel does not grant it, the memory is as good, and slower.
  static_cast<void>(madvise(reinterpret_cast<void*>(first), last - first, MADV_HUGEPAGE));
#endif
}

}  // namespace

void Free::operator()(void* memory) const noexcept {
  ::operator delete(memory, std::align_val_t(alignment));
}

void* allocate(std::size_t bytes) {
  void* memory = ::operator new(bytes, std::align_val_t(alignment));
  if (bytes >= large) ask_for_large_pages(memory, bytes);
  return memory;
}

}  // namespace chainrule::detail
