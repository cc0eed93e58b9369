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
