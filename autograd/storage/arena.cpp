#include <chainrule/autograd/storage/arena.hpp>

#include <algorithm>
#include <new>

namespace chainrule {

namespace {
constexpr std::size_t first_chunk = std::size_t{1} << 16;
constexpr std::size_t largest_chunk = std::size_t{1} << 26;
}  // namespace

void* Arena::allocate_bytes(std::size_t bytes) {
  if (bytes > SIZE_MAX - alignment) throw std::bad_alloc();
  const std::size_t rounded = std::max(alignment, (bytes + alignment - 1) / alignment * alignment);
  // The rest of a chunk that is too small is skipped; clear() brings it back into use.
  std::size_t chunk = current_, used = used_;
  while (chunk < chunks_.size() && chunks_[chunk].size - used < rounded) ++chunk, used = 0;
  if (chunk == chunks_.size()) {
    const std::size_t last = chunks_.empty() ? first_chunk / 2 : chunks_.back().size;
    const std::size_t size = std::max(rounded, std::min(last * 2, largest_chunk));
    chunks_.reserve(chunks_.size() + 1);
    detail::Buffer<std::byte> memory(static_cast<std::byte*>(detail::allocate(size)));
    chunks_.push_back({std::move(memory), size});
  }
  current_ = chunk;
  used_ = used + rounded;
  return chunks_[chunk].memory.get() + used;
}

void Arena::clear() noexcept { current_ = 0, used_ = 0; }

std::size_t Arena::capacity() const noexcept {
  std::size_t total = 0;
  for (const Chunk& chunk : chunks_) total += chunk.size;
  return total;
}

}  // namespace chainrule
