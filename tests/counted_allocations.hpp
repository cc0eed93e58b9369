// Counts allocations, by replacing the operators new and delete of the program whose one source file
// includes this.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdlib>
#include <new>

namespace {

std::atomic<long> allocations = 0;

void* allocate(std::size_t size, std::size_t alignment) noexcept {
  ++allocations;
  return std::aligned_alloc(alignment, (size + alignment) / alignment * alignment);
}
void* allocate_or_throw(std::size_t size, std::size_t alignment) {
  void* memory = allocate(size, alignment);
  if (!memory) throw std::bad_alloc();
  return memory;
}
constexpr std::size_t usual = alignof(std::max_align_t);

}  // namespace

// Where gcc inlines delete into another library's new expression, it takes free() there for a mistake.
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wmismatched-new-delete"
using std::align_val_t, std::nothrow_t, std::size_t;
void* operator new(size_t n) { return allocate_or_throw(n, usual); }
void* operator new[](size_t n) { return allocate_or_throw(n, usual); }
void* operator new(size_t n, align_val_t a) { return allocate_or_throw(n, size_t(a)); }
void* operator new[](size_t n, align_val_t a) { return allocate_or_throw(n, size_t(a)); }
void* operator new(size_t n, const nothrow_t&) noexcept { return allocate(n, usual); }
void* operator new[](size_t n, const nothrow_t&) noexcept { return allocate(n, usual); }
void* operator new(size_t n, align_val_t a, const nothrow_t&) noexcept {
  return allocate(n, size_t(a));
}
void* operator new[](size_t n, align_val_t a, const nothrow_t&) noexcept {
  return allocate(n, size_t(a));
}
void operator delete(void* p) noexcept { std::free(p); }
void operator delete[](void* p) noexcept { std::free(p); }
void operator delete(void* p, size_t) noexcept { std::free(p); }
void operator delete[](void* p, size_t) noexcept { std::free(p); }
void operator delete(void* p, align_val_t) noexcept { std::free(p); }
void operator delete[](void* p, align_val_t) noexcept { std::free(p); }
void operator delete(void* p, size_t, align_val_t) noexcept { std::free(p); }
void operator delete[](void* p, size_t, align_val_t) noexcept { std::free(p); }
void operator delete(void* p, const nothrow_t&) noexcept { std::free(p); }
void operator delete[](void* p, const nothrow_t&) noexcept { std::free(p); }
void operator delete(void* p, align_val_t, const nothrow_t&) noexcept { std::free(p); }
void operator delete[](void* p, align_val_t, const nothrow_t&) noexcept { std::free(p); }
#pragma GCC diagnostic pop
