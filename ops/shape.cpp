// Operations that move entries and compute nothing.
#include <fmt/format.h>
#include <chainrule/ops/ops.hpp>

#include <algorithm>

namespace chainrule {

namespace {

template <class T>
constexpr Op<T> reshape_op{
    "reshape",
    [](const Call& call) {
      call.expect_inputs(1);
      const Shape &from = call.input(0), &to = call.attributes.shape;
      if (from.size() != to.size()) {
        throw ShapeError(call.op,
                         fmt::format("{} to {}: {} and {} elements", to_string(from), to_string(to),
                                     from.size(), to.size()),
                         call.location);
      }
      return to;
    },
    [](const Evaluation<T>& e) {
      std::copy(e.input(0).begin(), e.input(0).end(), e.output().begin());
    },
    [](const Adjoint<T>& n, int) { return reshape(n.cotangent(), n.input(0).shape()); }};

}  // namespace

template <class T>
Var<T> reshape(Var<T> x, const Shape& shape, SourceLocation location) {
  if (x.shape(location) == shape) return x;
  return x.tape(location).record(reshape_op<T>, {x}, {.shape = shape}, location);
}

template Var<float> reshape(Var<float>, const Shape&, SourceLocation);
template Var<double> reshape(Var<double>, const Shape&, SourceLocation);

}  // namespace chainrule
