// Fails one allocation of ours: the n-th from now on throws std::bad_alloc. Memory that is held is
// counted, so that a leak shows without a sanitizer. For the one source file of a program.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdlib>
#include <new>

namespace {

std::atomic<long> held = 0;        ///< allocations that were not given back yet
std::atomic<long> until_failure = -1;  ///< allocations to succeed before one fails; negative: none

void* allocate(std::size_t size, std::size_t alignment) noexcept {
  if (until_failure >= 0 && until_failure-- == 0) return nullptr;
  void* memory = std::aligned_alloc(alignment, (size + alignment) / alignment * alignment);
  if (memory) ++held;
  return memory;
}
void* allocate_or_throw(std::size_t size, std::size_t alignment) {
  void* memory = allocate(size, alignment);
  if (!memory) throw std::bad_alloc();
  return memory;
}
void release(void* memory) noexcept {
  if (memory) --held;
  std::free(memory);
}
constexpr std::size_t usual = alignof(std::max_align_t);

/// Calls f() with its first allocation failing, then its second, ..., until it needs no more than
/// those that succeed. After each exception after(n) is called. Returns how many failed. (f may do
/// without memory that it did not get: std::stable_sort does.)
template <class F, class After>
long fail_every_allocation(F f, After after) {
  for (long n = 0;; ++n) {
    until_failure = n;
    try {
      f();
      const bool failed = until_failure < 0;
      until_failure = -1;
      if (!failed) return n;
      continue;
    } catch (const std::bad_alloc&) {
      until_failure = -1;
    } catch (...) {
      until_failure = -1;
      throw;
    }
    after(n);
  }
}

}  // namespace

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
void operator delete(void* p) noexcept { release(p); }
void operator delete[](void* p) noexcept { release(p); }
void operator delete(void* p, size_t) noexcept { release(p); }
void operator delete[](void* p, size_t) noexcept { release(p); }
void operator delete(void* p, align_val_t) noexcept { release(p); }
void operator delete[](void* p, align_val_t) noexcept { release(p); }
void operator delete(void* p, size_t, align_val_t) noexcept { release(p); }
void operator delete[](void* p, size_t, align_val_t) noexcept { release(p); }
void operator delete(void* p, const nothrow_t&) noexcept { release(p); }
void operator delete[](void* p, const nothrow_t&) noexcept { release(p); }
void operator delete(void* p, align_val_t, const nothrow_t&) noexcept { release(p); }
void operator delete[](void* p, align_val_t, const nothrow_t&) noexcept { release(p); }
#pragma GCC diagnostic pop
