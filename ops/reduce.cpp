// Sums, means and variances over axes.
#include <fmt/format.h>
#include <chainrule/autograd/kernels.hpp>
#include <chainrule/ops/axis_loop.hpp>
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

// axes, flags: as sum; numbers = (ddof, -)
template <class T>
constexpr Op<T> variance_op{
    "variance",
    [](const Call& call) {
      call.expect_inputs(1);
      const Shape& shape = call.input(0);
      const auto ddof = static_cast<std::int64_t>(call.attributes.numbers[0]);
      const std::int64_t count = detail::reduced_count(shape, call.attributes.axes);
      if (ddof < 0 || count <= ddof) {
        throw ShapeError(call.op,
                         fmt::format("{}: the variance of {} elements with ddof {}: expected "
                                     "0 <= ddof < elements",
                                     to_string(shape), count, ddof),
                         call.location);
      }
      return reduced_shape(shape, call.attributes.axes, call.attributes.flags != 0);
    },
    [](const Evaluation<T>& e) {
      const TensorView<const T> x = e.input(0);
      const detail::AxisLoop loop(x.shape(), e.attributes().axes);
      const T count = static_cast<T>(detail::reduced_count(x.shape(), e.attributes().axes));
      const T divisor = count - static_cast<T>(e.attributes().numbers[0]);
      loop.for_each_output([&](std::int64_t base, std::int64_t at) {
        T sum = 0;
        loop.for_each_reduced(base, [&](std::int64_t i) { sum += x[i]; });
        const T mean = sum / count;
        // The deviations' own sum, 0 but for the mean's rounding, takes that rounding out.
        T squares = 0, rest = 0;
        loop.for_each_reduced(base, [&](std::int64_t i) {
          const T deviation = x[i] - mean;
          squares += deviation * deviation;
          rest += deviation;
        });
        e.output()[at] = (squares - rest * rest / count) / divisor;
      });
    },
    [](const Adjoint<T>& n, int) {
      const Attributes a = n.attributes();
      const Var<T> x = n.input(0);
      const Shape kept = reduced_shape(x.shape(), a.axes, true);
      const T count = static_cast<T>(detail::reduced_count(x.shape(), a.axes));
      const auto centred = [&](Var<T> v) {
        const Var<T> total = v.tape().record(sum_op<T>, {v}, {.axes = a.axes, .flags = 1});
        return sub(v, scale(total, 1 / count));
      };
      // Twice: the first mean's rounding, eps |mean|, would stand in every entry alike, and what
      // shifts all x alike would get a gradient.
      const Var<T> deviation = centred(centred(x));
      const T factor = 2 / (count - static_cast<T>(a.numbers[0]));
      return mul(scale(reshape(n.cotangent(), kept), factor), deviation);
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
  const std::int64_t count = detail::reduced_count(x.shape(), mask);
  if (count == 0) {
    throw ShapeError("mean", fmt::format("{}: the mean of no elements", to_string(x.shape())),
                     location);
  }
  return scale(sum(x, axes, keepdims, location), T(1) / static_cast<T>(count), location);
}

template <class T>
Var<T> variance(Var<T> x, std::initializer_list<int> axes, bool keepdims, int ddof,
                SourceLocation location) {
  const AxisMask mask =
      axis_mask(x.shape(location), {axes.begin(), axes.size()}, "variance", location);
  return x.tape(location).record(
      variance_op<T>, {x},
      {.axes = mask, .flags = keepdims, .numbers = {static_cast<double>(ddof), 0}}, location);
}

#define CHAINRULE_INSTANTIATE(T)                                                  \
  template Var<T> sum(Var<T>, std::initializer_list<int>, bool, SourceLocation);  \
  template Var<T> mean(Var<T>, std::initializer_list<int>, bool, SourceLocation); \
  template Var<T> variance(Var<T>, std::initializer_list<int>, bool, int, SourceLocation);
CHAINRULE_INSTANTIATE(float)
CHAINRULE_INSTANTIATE(double)
#undef CHAINRULE_INSTANTIATE

}  // namespace chainrule
