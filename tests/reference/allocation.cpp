// Backpropagation::run and its kin allocate nothing: counted by replaced operators new.
#include <boost/test/unit_test.hpp>

#include "tests/counted_allocations.hpp"
#include "tests/reference/problems.hpp"

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
