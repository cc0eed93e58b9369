#include <chainrule/autograd/basic_ops.hpp>

#include <fmt/format.h>
#include <chainrule/autograd/kernels.hpp>

namespace chainrule {

namespace {

template <class T>
constexpr Op<T> add_op{
    "add", detail::broadcast_shapes,
    [](const Evaluation<T>& e) { detail::map_binary(e, [](T a, T b) { return a + b; }); },
    [](const Adjoint<T>& n, int i) { return sum_to(n.cotangent(), n.input(i).shape()); }};

template <class T>
constexpr Op<T> broadcast_to_op{
    "broadcast_to",
    [](const Call& call) {
      call.expect_inputs(1);
      const Shape& target = call.attributes.shape;
      if (!broadcasts_to(call.input(0), target)) {
        throw ShapeError(call.op,
                         fmt::format("{} does not stretch to {}: each dimension, aligned at the "
                                     "last, must be equal or 1",
                                     to_string(call.input(0)), to_string(target)),
                         call.location);
      }
      return target;
    },
    [](const Evaluation<T>& e) {
      const TensorView<const T> x = e.input(0);
      const TensorView<T> y = e.output();
      if (y.size() == 0) return;
      const detail::StridedLoop loop(y.shape(), x.shape(), y.shape());
      loop.for_each_run([&](std::int64_t from, std::int64_t, std::int64_t to) {
        if (loop.a[3] == 0) {
          std::fill_n(y.data() + to, loop.size[3], x[from]);
        } else {
          std::copy_n(x.data() + from, loop.size[3], y.data() + to);
        }
      });
    },
    [](const Adjoint<T>& n, int) { return sum_to(n.cotangent(), n.input(0).shape()); }};

template <class T>
constexpr Op<T> sum_to_op{
    "sum_to",
    [](const Call& call) {
      call.expect_inputs(1);
      const Shape& target = call.attributes.shape;
      if (!broadcasts_to(target, call.input(0))) {
        throw ShapeError(call.op,
                         fmt::format("{} cannot be summed to {}, which does not stretch to it",
                                     to_string(call.input(0)), to_string(target)),
                         call.location);
      }
      return target;
    },
    [](const Evaluation<T>& e) {
      detail::sum_into(e.input(0), e.output().data(), e.output().shape());
    },
    [](const Adjoint<T>& n, int) { return broadcast_to(n.cotangent(), n.input(0).shape()); }};

// Leaves have no kernel, and their shape is given.
template <class T>
constexpr Op<T> input_leaf{"input", nullptr, nullptr};
template <class T>
constexpr Op<T> parameter_leaf{"parameter", nullptr, nullptr};
template <class T>
constexpr Op<T> constant_leaf{"constant", nullptr, nullptr};

}  // namespace

namespace detail {
template <class T>
const Op<T>& input_op() {
  return input_leaf<T>;
}
template <class T>
const Op<T>& parameter_op() {
  return parameter_leaf<T>;
}
template <class T>
const Op<T>& constant_op() {
  return constant_leaf<T>;
}

template const Op<float>& input_op();
template const Op<double>& input_op();
template const Op<float>& parameter_op();
template const Op<double>& parameter_op();
template const Op<float>& constant_op();
template const Op<double>& constant_op();
}  // namespace detail

template <class T>
Var<T> add(Var<T> a, Var<T> b, SourceLocation location) {
  return a.tape(location).record(add_op<T>, {a, b}, {}, location);
}

template <class T>
Var<T> broadcast_to(Var<T> x, const Shape& shape, SourceLocation location) {
  if (x.shape(location) == shape) return x;
  return x.tape(location).record(broadcast_to_op<T>, {x}, {.shape = shape}, location);
}

template <class T>
Var<T> sum_to(Var<T> x, const Shape& shape, SourceLocation location) {
  if (x.shape(location) == shape) return x;
  return x.tape(location).record(sum_to_op<T>, {x}, {.shape = shape}, location);
}

template Var<float> add(Var<float>, Var<float>, SourceLocation);
template Var<double> add(Var<double>, Var<double>, SourceLocation);
template Var<float> broadcast_to(Var<float>, const Shape&, SourceLocation);
template Var<double> broadcast_to(Var<double>, const Shape&, SourceLocation);
template Var<float> sum_to(Var<float>, const Shape&, SourceLocation);
template Var<double> sum_to(Var<double>, const Shape&, SourceLocation);

}  // namespace chainrule
