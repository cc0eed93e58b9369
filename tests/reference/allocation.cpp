// Backpropagation::run and its kin allocate nothing: counted by replaced operators new.
#include <boost/test/unit_test.hpp>

#include <atomic>
#include <cstdlib>
#include <new>

#include "tests/reference/problems.hpp"

namespace {

std::atomic<long> allocations = 0;

void* counted(std::size_t size, std::size_t alignment) {
  ++allocations;
  void* memory = std::aligned_alloc(alignment, (size + alignment) / alignment * alignment);
  if (!memory) throw std::bad_alloc();
  return memory;
}

}  // namespace

void* operator new(std::size_t size) { return counted(size, alignof(std::max_align_t)); }
void* operator new(std::size_t size, std::align_val_t alignment) {
  return counted(size, static_cast<std::size_t>(alignment));
}
void operator delete(void* memory) noexcept { std::free(memory); }
void operator delete(void* memory, std::size_t) noexcept { std::free(memory); }
void operator delete(void* memory, std::align_val_t) noexcept { std::free(memory); }
void operator delete(void* memory, std::size_t, std::align_val_t) noexcept { std::free(memory); }

using namespace problems;

BOOST_AUTO_TEST_CASE(a_pass_allocates_nothing) {
  Source source(51);
  for (const Layout layout : {Layout::rows, Layout::columns}) {
    for (const Activation activation : activations) {
      const Network network{{20, 16, 12, 10}, activation, true, layout};
      Vectorised<double> v(random_problem(source, network, 8, Weights::fan_in, true, 1));
      const long before = allocations;
      v.run();
      v.backpropagation.loss(v.X, v.Y, v.w_views, v.b_views);
      v.backpropagation.forward(v.X, v.w_views, v.b_views);
      const long after = allocations;
      BOOST_TEST(after == before);
    }
  }
}

BOOST_AUTO_TEST_CASE(the_counter_counts) {
  const long before = allocations;
  const Tensor<double> tensor(Shape{3});
  const long after = allocations;
  BOOST_TEST(after == before + 1);
}
