// Memory of the buffers that the library makes: aligned, and in large pages where they are large.
#pragma once

#include <cstddef>
#include <memory>

namespace chainrule {

/// Alignment of every buffer that the library makes: one cache line, one AVX-512 register.
inline constexpr std::size_t alignment = 64;

namespace detail {

/// Gives back what allocate() made.
struct Free {
  /// Nothing happens to a null pointer.
  void operator()(void* memory) const noexcept;
};

/// Numbers or bytes that allocate() made.
template <class T>
using Buffer = std::unique_ptr<T[], Free>;

/// `bytes` of memory (0 too) at a multiple of `alignment`, not initialised; from 4 MiB on the
/// system is asked for large pages, without which reading a data set row by row waits for the
/// tables of its pages. Throws std::bad_alloc.
void* allocate(std::size_t bytes);

}  // namespace detail
}  // namespace chainrule
