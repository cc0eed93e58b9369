// The arena: stable addresses, memory that is kept, and a failure that leaves it usable.
#include <algorithm>
#include <boost/test/unit_test.hpp>
#include <chainrule/autograd/storage/arena.hpp>
#include <chainrule/autograd/storage/tensor.hpp>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <limits>
#include <new>
#include <vector>

using chainrule::Arena;

namespace {

int allocations_left = std::numeric_limits<int>::max();

}  // namespace

// The aligned allocation that the arena uses, made to fail on demand and for absurd sizes (which
// some systems and the address sanitizer do not report as std::bad_alloc).
void* operator new(std::size_t size, std::align_val_t alignment) {
  const auto align = static_cast<std::size_t>(alignment);
  if (size > std::size_t{1} << 40 || allocations_left-- <= 0) throw std::bad_alloc();
  void* const memory = std::aligned_alloc(align, (size + align - 1) / align * align);
  if (!memory) throw std::bad_alloc();
  return memory;
}
void operator delete(void* memory, std::align_val_t) noexcept { std::free(memory); }
void operator delete(void* memory, std::size_t, std::align_val_t) noexcept { std::free(memory); }

namespace {

/// Pieces of many sizes, each filled with its number.
std::vector<std::span<unsigned char>> take_pieces(Arena& arena, int count) {
  std::vector<std::span<unsigned char>> pieces;
  for (int i = 0; i < count; ++i) {
    const std::size_t size = static_cast<std::size_t>(i * 7919 % 30'011);
    pieces.push_back(arena.allocate<unsigned char>(size));
    std::fill(pieces.back().begin(), pieces.back().end(), static_cast<unsigned char>(i));
  }
  return pieces;
}

bool intact(const std::vector<std::span<unsigned char>>& pieces) {
  for (std::size_t i = 0; i < pieces.size(); ++i) {
    for (const unsigned char byte : pieces[i]) {
      if (byte != static_cast<unsigned char>(i)) return false;
    }
  }
  return true;
}

}  // namespace

BOOST_AUTO_TEST_CASE(a_new_arena_holds_nothing) { BOOST_TEST(Arena().capacity() == 0u); }

BOOST_AUTO_TEST_CASE(pieces_do_not_overlap_and_stay_where_they_are) {
  Arena arena;
  const auto pieces = take_pieces(arena, 1000);
  BOOST_TEST(arena.capacity() > std::size_t{14'000'000});
  BOOST_TEST(intact(pieces));
}

BOOST_AUTO_TEST_CASE(every_piece_is_aligned_and_its_own_even_when_empty) {
  Arena arena;
  const void* last = nullptr;
  for (std::size_t bytes = 0; bytes < 300; ++bytes) {
    const void* const piece = arena.allocate_bytes(bytes);
    BOOST_TEST_REQUIRE(reinterpret_cast<std::uintptr_t>(piece) % chainrule::alignment == 0u);
    BOOST_TEST_REQUIRE(piece != last);
    last = piece;
  }
  BOOST_TEST(arena.allocate<double>(3).size() == 3u);
}

BOOST_AUTO_TEST_CASE(a_repeated_program_gets_the_same_memory) {
  Arena arena;
  const auto first = take_pieces(arena, 500);
  const std::size_t capacity = arena.capacity();
  for (int round = 0; round < 3; ++round) {
    arena.clear();
    BOOST_TEST(arena.capacity() == capacity);
    const auto again = take_pieces(arena, 500);
    BOOST_TEST(arena.capacity() == capacity);
    BOOST_TEST(intact(again));
    for (std::size_t i = 0; i < first.size(); ++i) {
      BOOST_TEST_REQUIRE(static_cast<void*>(first[i].data()) ==
                         static_cast<void*>(again[i].data()));
    }
  }
}

BOOST_AUTO_TEST_CASE(a_piece_larger_than_any_chunk_gets_its_own) {
  Arena arena;
  const auto small = arena.allocate<unsigned char>(10);
  std::fill(small.begin(), small.end(), static_cast<unsigned char>(1));
  const auto large = arena.allocate<unsigned char>(std::size_t{1} << 22);
  std::fill(large.begin(), large.end(), static_cast<unsigned char>(2));
  BOOST_TEST(small[9] == 1);
  // A cleared arena finds room for it again, also when smaller pieces come first.
  const std::size_t capacity = arena.capacity();
  arena.clear();
  arena.allocate_bytes(10);
  BOOST_TEST(static_cast<void*>(arena.allocate_bytes(std::size_t{1} << 22)) ==
             static_cast<void*>(large.data()));
  BOOST_TEST(arena.capacity() == capacity);
}

BOOST_AUTO_TEST_CASE(rewind_takes_back_what_came_after_the_mark) {
  Arena arena;
  const auto kept = take_pieces(arena, 100);
  const Arena::Mark mark = arena.mark();
  void* const next = arena.allocate_bytes(1000);
  take_pieces(arena, 200);
  arena.rewind(mark);
  BOOST_TEST(arena.allocate_bytes(1000) == next);
  std::memset(next, 0xFF, 1000);
  BOOST_TEST(intact(kept));
  const std::size_t capacity = arena.capacity();
  arena.rewind(mark);
  take_pieces(arena, 200);
  BOOST_TEST(arena.capacity() == capacity);
  BOOST_TEST(intact(kept));
}

BOOST_AUTO_TEST_CASE(a_failed_allocation_leaves_the_arena_as_it_was) {
  constexpr std::size_t most = std::numeric_limits<std::size_t>::max();
  Arena arena;
  const auto pieces = take_pieces(arena, 100);
  const std::size_t capacity = arena.capacity();
  const Arena::Mark before = arena.mark();
  BOOST_CHECK_THROW(arena.allocate_bytes(most), std::bad_alloc);
  BOOST_CHECK_THROW(arena.allocate_bytes(most / 4), std::bad_alloc);
  // 2^61 + 1 doubles: their bytes, counted modulo 2^64, would be 8.
  BOOST_CHECK_THROW(arena.allocate<double>((std::size_t{1} << 61) + 1), std::bad_alloc);
  allocations_left = 0;
  BOOST_CHECK_THROW(arena.allocate_bytes(std::size_t{1} << 22), std::bad_alloc);
  allocations_left = std::numeric_limits<int>::max();
  BOOST_TEST(arena.capacity() == capacity);
  BOOST_TEST(arena.mark().chunk == before.chunk);
  BOOST_TEST(arena.mark().used == before.used);
  const auto more = take_pieces(arena, 100);
  BOOST_TEST(intact(pieces));
  BOOST_TEST(intact(more));
}
