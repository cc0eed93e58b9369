// Arena: memory that is handed out in pieces and taken back all at once.
#pragma once

#include <chainrule/autograd/storage/memory.hpp>
#include <cstddef>
#include <cstdint>
#include <new>
#include <span>
#include <type_traits>
#include <vector>

namespace chainrule {

/// Bump allocator in chunks. Addresses stay valid until clear(), which keeps the chunks: a program
/// that repeats itself allocates nothing once warm.
class Arena {
 public:
  Arena() = default;
  Arena(const Arena&) = delete;
  Arena& operator=(const Arena&) = delete;

  /// 64-byte-aligned, uninitialised. Throws std::bad_alloc, leaving the arena as it was.
  void* allocate_bytes(std::size_t bytes);
  /// Room for `count` objects of a trivial type, uninitialised.
  template <class U>
  std::span<U> allocate(std::size_t count) {
    static_assert(std::is_trivially_destructible_v<U>);
    // NOLINTBEGIN(bugprone-sizeof-expression): U may be a pointer, and then its own size is meant
    if (count > SIZE_MAX / sizeof(U)) throw std::bad_alloc();
    return {static_cast<U*>(allocate_bytes(count * sizeof(U))), count};
    // NOLINTEND(bugprone-sizeof-expression)
  }
  /// Takes back everything and keeps the memory.
  void clear() noexcept;

  /// A point in time; rewind() takes back what was handed out since.
  struct Mark {
    std::size_t chunk = 0;  ///< the chunk that was being filled
    std::size_t used = 0;   ///< bytes used of it
  };
  /// Now.
  Mark mark() const noexcept { return {current_, used_}; }
  /// Takes back what was handed out since `mark`, which must not be older than the last clear().
  void rewind(Mark mark) noexcept { current_ = mark.chunk, used_ = mark.used; }

  /// Bytes held in all chunks.
  std::size_t capacity() const noexcept;

 private:
  struct Chunk {
    detail::Buffer<std::byte> memory;
    std::size_t size = 0;
  };
  std::vector<Chunk> chunks_;
  std::size_t current_ = 0;  // the chunk that is being filled
  std::size_t used_ = 0;     // bytes used of it
};

}  // namespace chainrule
