// Choices: absolute value, the larger and the smaller of two, clamp, where.
#include <fmt/format.h>
#include <chainrule/autograd/kernels.hpp>
#include <chainrule/ops/ops.hpp>

#include <cmath>

namespace chainrule {

namespace {

template <class T>
constexpr Op<T> abs_op{
    .name = "abs",
    .shape = detail::same_shape,
    .forward =
        [](const Evaluation<T>& e) { detail::map_unary(e, [](T x) { return std::abs(x); }); },
    .adjoint = [](const Adjoint<T>& n, int) { return mul(n.cotangent(), sign(n.input(0))); },
    .sides =
        [](const Evaluation<T>& e, KinkSides& sides) {
          for (const T x : e.input(0)) sides.add(x > 0);
        }};

/// Which of two inputs is the larger, entry by entry of the result.
template <class T>
void sides_of_pair(const Evaluation<T>& e, KinkSides& sides) {
  const Shape shape = e.output().shape();
  if (shape.size() == 0) return;
  const TensorView<const T> a = e.input(0), b = e.input(1);
  const detail::StridedLoop loop(shape, a.shape(), b.shape());
  loop.for_each_run([&](std::int64_t offset_a, std::int64_t offset_b, std::int64_t) {
    for (std::int64_t i = 0; i < loop.size[3]; ++i) {
      const T x = a[offset_a + i * loop.a[3]], y = b[offset_b + i * loop.b[3]];
      sides.add(x > y), sides.add(x == y);
    }
  });
}

/// 1 where a is above b, 1/2 where they are equal, else 0.
template <class T>
Var<T> share(Var<T> a, Var<T> b) {
  return shift(scale(sub(greater(a, b), greater(b, a)), T(0.5)), T(0.5));
}

template <class T>
constexpr Op<T> maximum_op{
    .name = "maximum",
    .shape = detail::broadcast_shapes,
    .forward =
        [](const Evaluation<T>& e) {
          // A NaN reaches the sum.
          detail::map_binary(e, [](T a, T b) { return a > b ? a : b >= a ? b : a + b; });
        },
    .adjoint =
        [](const Adjoint<T>& n, int i) {
          const Var<T> part = mul(n.cotangent(), share(n.input(i), n.input(1 - i)));
          return sum_to(part, n.input(i).shape());
        },
    .sides = sides_of_pair<T>};

template <class T>
constexpr Op<T> minimum_op{
    .name = "minimum",
    .shape = detail::broadcast_shapes,
    .forward =
        [](const Evaluation<T>& e) {
          detail::map_binary(e, [](T a, T b) { return a < b ? a : b <= a ? b : a + b; });
        },
    .adjoint =
        [](const Adjoint<T>& n, int i) {
          const Var<T> part = mul(n.cotangent(), share(n.input(1 - i), n.input(i)));
          return sum_to(part, n.input(i).shape());
        },
    .sides = sides_of_pair<T>};

// numbers = (low, high)
template <class T>
constexpr Op<T> clamp_op{
    .name = "clamp",
    .shape = detail::same_shape,
    .forward =
        [](const Evaluation<T>& e) {
          const T low = static_cast<T>(e.attributes().numbers[0]);
          const T high = static_cast<T>(e.attributes().numbers[1]);
          detail::map_unary(e, [=](T x) { return x < low ? low : x > high ? high : x; });
        },
    .adjoint =
        [](const Adjoint<T>& n, int) {
          const auto [low, high] = n.attributes().numbers;
          const Var<T> x = n.input(0);
          const Var<T> above = greater(x, x.tape().constant(static_cast<T>(low)));
          const Var<T> below = greater(x.tape().constant(static_cast<T>(high)), x);
          return mul(n.cotangent(), mul(above, below));
        },
    .sides =
        [](const Evaluation<T>& e, KinkSides& sides) {
          const T low = static_cast<T>(e.attributes().numbers[0]);
          const T high = static_cast<T>(e.attributes().numbers[1]);
          for (const T x : e.input(0)) sides.add(x > low), sides.add(x < high);
        }};

// Three inputs of one shape: where() broadcasts them before.
template <class T>
constexpr Op<T> where_op{
    .name = "where",
    .shape =
        [](const Call& call) {
          call.expect_inputs(3);
          if (call.input(0) != call.input(1) || call.input(0) != call.input(2)) {
            throw ShapeError(
                call.op,
                fmt::format("{}, {} and {}: expected equal shapes", to_string(call.input(0)),
                            to_string(call.input(1)), to_string(call.input(2))),
                call.location);
          }
          return call.input(0);
        },
    .forward =
        [](const Evaluation<T>& e) {
          const T *c = e.input(0).data(), *a = e.input(1).data(), *b = e.input(2).data();
          T* y = e.output().data();
          for (std::int64_t i = 0; i < e.output().size(); ++i) {
            y[i] = c[i] == 0 ? b[i] : std::isnan(c[i]) ? c[i] : a[i];
          }
        },
    .adjoint =
        [](const Adjoint<T>& n, int i) {
          const Var<T> g = n.cotangent(), zero = g.tape().constant(T(0), g.shape());
          if (i == 0) return zero;
          return i == 1 ? where(n.input(0), g, zero) : where(n.input(0), zero, g);
        },
    .sides =
        [](const Evaluation<T>& e, KinkSides& sides) {
          for (const T c : e.input(0)) sides.add(c != 0);
        }};

}  // namespace

template <class T>
Var<T> abs(Var<T> x, SourceLocation location) {
  return x.tape(location).record(abs_op<T>, {x}, {}, location);
}
template <class T>
Var<T> maximum(Var<T> a, Var<T> b, SourceLocation location) {
  return a.tape(location).record(maximum_op<T>, {a, b}, {}, location);
}
template <class T>
Var<T> minimum(Var<T> a, Var<T> b, SourceLocation location) {
  return a.tape(location).record(minimum_op<T>, {a, b}, {}, location);
}
template <class T>
Var<T> clamp(Var<T> x, std::type_identity_t<T> low, std::type_identity_t<T> high,
             SourceLocation location) {
  if (!(low <= high)) {
    throw UsageError("clamp", fmt::format("bounds {} and {}: expected low <= high", low, high),
                     location);
  }
  return x.tape(location).record(clamp_op<T>, {x}, {.numbers = {low, high}}, location);
}
template <class T>
Var<T> where(Var<T> condition, Var<T> a, Var<T> b, SourceLocation location) {
  Tape<T>& tape = condition.tape(location);
  for (const Var<T>& input : {condition, a, b}) tape.expect_own(input, "where", location);
  const Shape shape =
      broadcast_shape(broadcast_shape(condition.shape(), a.shape(), "where", location), b.shape(),
                      "where", location);
  return tape.record(where_op<T>,
                     {broadcast_to(condition, shape, location), broadcast_to(a, shape, location),
                      broadcast_to(b, shape, location)},
                     {}, location);
}

#define CHAINRULE_INSTANTIATE(T)                                                                   \
  template Var<T> abs(Var<T>, SourceLocation);                                                     \
  template Var<T> maximum(Var<T>, Var<T>, SourceLocation);                                         \
  template Var<T> minimum(Var<T>, Var<T>, SourceLocation);                                         \
  template Var<T> clamp(Var<T>, std::type_identity_t<T>, std::type_identity_t<T>, SourceLocation); \
  template Var<T> where(Var<T>, Var<T>, Var<T>, SourceLocation);
CHAINRULE_INSTANTIATE(float)
CHAINRULE_INSTANTIATE(double)
#undef CHAINRULE_INSTANTIATE

}  // namespace chainrule
