// Sums and means over axes.
#include <fmt/format.h>
#include <chainrule/autograd/kernels.hpp>
#include <chainrule/ops/ops.hpp>

namespace chainrule {

namespace {

// axes: the mask of those reduced; flags: 1 for keepdims
template <class T>
constexpr Op<T> sum_op{
    "sum",
    [](const Call& call) {
      call.expect_inputs(1);
      return reduced_shape(call.input(0), call.attributes.axes, call.attributes.flags != 0);
    },
    [](const Evaluation<T>& e) {
      const TensorView<const T> x = e.input(0);
      detail::sum_into(x, e.output().data(), reduced_shape(x.shape(), e.attributes().axes, true));
    },
    [](const Adjoint<T>& n, int) {
      // A scalar stretches as it is; else the reduced axes come back as 1 first.
      const Shape shape = n.input(0).shape();
      const Var<T> g = n.cotangent();
      if (g.shape().rank() == 0) return broadcast_to(g, shape);
      return broadcast_to(reshape(g, reduced_shape(shape, n.attributes().axes, true)), shape);
    }};

}  // namespace

template <class T>
Var<T> sum(Var<T> x, std::initializer_list<int> axes, bool keepdims, SourceLocation location) {
  const AxisMask mask = axis_mask(x.shape(location), {axes.begin(), axes.size()}, "sum", location);
  return x.tape(location).record(sum_op<T>, {x}, {.axes = mask, .flags = keepdims}, location);
}

template <class T>
Var<T> mean(Var<T> x, std::initializer_list<int> axes, bool keepdims, SourceLocation location) {
  const AxisMask mask = axis_mask(x.shape(location), {axes.begin(), axes.size()}, "mean", location);
  std::int64_t count = 1;
  for (int axis = 0; axis < x.shape().rank(); ++axis) {
    if (mask & (1u << axis)) count *= x.shape()[axis];
  }
  if (count == 0) {
    throw ShapeError("mean", fmt::format("{}: the mean of no elements", to_string(x.shape())),
                     location);
  }
  return scale(sum(x, axes, keepdims, location), T(1) / static_cast<T>(count), location);
}

template Var<float> sum(Var<float>, std::initializer_list<int>, bool, SourceLocation);
template Var<double> sum(Var<double>, std::initializer_list<int>, bool, SourceLocation);
template Var<float> mean(Var<float>, std::initializer_list<int>, bool, SourceLocation);
template Var<double> mean(Var<double>, std::initializer_list<int>, bool, SourceLocation);

}  // namespace chainrule
