// Shapes of as many elements are still other shapes, for whatever is given to the tape or a plan.
#include <chainrule/ops/ops.hpp>

#include "tests/support.hpp"

using namespace chainrule;
using namespace support;

BOOST_AUTO_TEST_CASE(a_cotangent_has_the_shape_of_y) {
  Tape<double> tape;
  const Var<double> x = tape.constant(1, {2, 3}), y = exp(x);
  for (const Shape& shape : {Shape{3, 2}, Shape{6}, Shape{2, 3, 1}, Shape{1, 2, 3}}) {
    check_error<ShapeError>([&] { gradients(y, {x}, tape.constant(1, shape)); },
                            "[gradients] y has shape (2, 3) and its cotangent");
  }
}

BOOST_AUTO_TEST_CASE(a_plan_is_of_one_shape) {
  Tape<double> tape;
  Tensor<double> x({2, 3}), transposed({3, 2}), flat({6}), shorter({2, 2});
  const Var<double> leaf = tape.input(x), y = exp(leaf);
  Plan<double> p = plan({y});
  for (Tensor<double>* other : {&transposed, &flat, &shorter}) {
    check_error<ShapeError>([&] { p.rebind(leaf, *other); }, "[Plan::rebind]");
    check_error<ShapeError>([&] { p.write_to(y, TensorView<double>(*other)); }, "[Plan::write_to]");
  }
  for (const Shape& shape : {Shape{3, 2}, Shape{6}, Shape{2, 2}}) {
    x = Tensor<double>(shape);
    BOOST_CHECK_THROW(p.run(), ShapeError);
  }
  x = Tensor<double>({2, 3});
  p.run();
  BOOST_TEST(p.value(y)[5] == 1);
}

// Assigning as many entries keeps the address, so only the shape tells.
BOOST_AUTO_TEST_CASE(a_leaf_is_read_in_the_shape_that_was_recorded) {
  Tape<double> tape;
  Tensor<double> x({2, 3});
  const Var<double> leaf = tape.input(x);
  for (const Shape& shape : {Shape{3, 2}, Shape{6}, Shape{1, 2, 3}}) {
    const Tensor<double> other(shape);
    const double* const address = x.data();
    x = other;
    BOOST_REQUIRE(x.data() == address);
    check_error<UsageError>([&] { leaf.value(); }, "a bound tensor was moved into or resized");
    check_error<UsageError>([&] { exp(leaf); }, "[exp] a bound tensor was moved into or resized");
  }
  const Tensor<double> first({2, 3});
  x = first;
  BOOST_TEST(exp(leaf).value()[5] == 1);
  x = Tensor<double>({2, 3});  // the same shape at another address
  check_error<UsageError>([&] { leaf.value(); }, "a bound tensor was moved into or resized");
}
