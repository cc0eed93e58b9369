// Reductions that look for a winner: max, min, argmax, and logsumexp, which is a smooth max.
#include <fmt/format.h>
#include <chainrule/autograd/kernels.hpp>
#include <chainrule/autograd/storage/vector_math.hpp>
#include <chainrule/ops/axis_loop.hpp>
#include <chainrule/ops/ops.hpp>

#include <bit>
#include <cmath>
#include <limits>

namespace chainrule {

namespace {

// axes: the mask of those reduced; flags: 1 for keepdims
Shape winner_shape(const Call& call) {
  call.expect_inputs(1);
  const Shape& shape = call.input(0);
  if (detail::reduced_count(shape, call.attributes.axes) == 0) {
    throw ShapeError(call.op, fmt::format("{}: the {} of no elements", to_string(shape), call.op),
                     call.location);
  }
  return reduced_shape(shape, call.attributes.axes, call.attributes.flags != 0);
}

template <bool largest, class T>
bool beats(T a, T b) {
  return largest ? a > b : a < b;
}

template <bool largest, class T>
void winner_kernel(const Evaluation<T>& e) {
  const TensorView<const T> x = e.input(0);
  const detail::AxisLoop loop(x.shape(), e.attributes().axes);
  loop.for_each_output([&](std::int64_t base, std::int64_t at) {
    T best = x[base];
    // A NaN takes the place, and nothing beats it.
    loop.for_each_reduced(base, [&](std::int64_t i) {
      if (beats<largest>(x[i], best) || std::isnan(x[i])) best = x[i];
    });
    e.output()[at] = best;
  });
}

template <class T>
void winner_sides(const Evaluation<T>& e, KinkSides& sides) {
  const TensorView<const T> x = e.input(0);
  const detail::AxisLoop loop(x.shape(), e.attributes().axes);
  loop.for_each_output([&](std::int64_t base, std::int64_t at) {
    loop.for_each_reduced(base, [&](std::int64_t i) { sides.add(x[i] == e.output()[at]); });
  });
}

template <class T>
Var<T> winner_adjoint(const Adjoint<T>& n, int) {
  const AxisMask mask = n.attributes().axes;
  const Var<T> x = n.input(0);
  const Shape kept = reduced_shape(x.shape(), mask, true);
  const Var<T> winners = equal(x, reshape(n.output(), kept));
  return mul(winners, div(reshape(n.cotangent(), kept), sum_to(winners, kept)));
}

template <class T>
constexpr Op<T> max_op{"max",   winner_shape,   winner_kernel<true, T>, winner_adjoint<T>,
                       nullptr, winner_sides<T>};
template <class T>
constexpr Op<T> min_op{"min",   winner_shape,   winner_kernel<false, T>, winner_adjoint<T>,
                       nullptr, winner_sides<T>};

template <class T>
constexpr Op<T> argmax_op{
    .name = "argmax",
    .shape =
        [](const Call& call) {
          const Shape shape = winner_shape(call);
          constexpr std::int64_t limit = std::int64_t{1} << std::numeric_limits<T>::digits;
          if (detail::reduced_count(call.input(0), call.attributes.axes) > limit) {
            throw ShapeError(call.op,
                             fmt::format("{}: expected an axis of at most {} entries",
                                         to_string(call.input(0)), limit),
                             call.location);
          }
          return shape;
        },
    .forward =
        [](const Evaluation<T>& e) {
          const TensorView<const T> x = e.input(0);
          const detail::AxisLoop loop(x.shape(), e.attributes().axes);
          loop.for_each_output([&](std::int64_t base, std::int64_t at) {
            T best = x[base];
            std::int64_t k = 0, place = 0;
            loop.for_each_reduced(base, [&](std::int64_t i) {
              if (x[i] > best || (std::isnan(x[i]) && !std::isnan(best))) best = x[i], place = k;
              ++k;
            });
            e.output()[at] = static_cast<T>(place);
          });
        },
    .sides =
        [](const Evaluation<T>& e, KinkSides& sides) {
          for (const T place : e.output()) {
            for (auto bits = static_cast<std::uint64_t>(place); bits > 0; bits /= 2) {
              sides.add(bits % 2 != 0);
            }
            sides.add(true);
          }
        },
    .zero_derivative = true};

/// softmax along the axes of the mask together.
template <class T>
Var<T> softmax_over(Var<T> x, AxisMask mask) {
  const Shape shape = x.shape();
  const int rank = shape.rank();
  if (rank > 0 && mask == 1u << (rank - 1)) return softmax(x);
  std::array<int, Shape::max_rank> order{}, inverse{};
  std::array<std::int64_t, Shape::max_rank> dimensions{};
  std::size_t used = 0;
  for (const bool reduced : {false, true}) {
    for (int axis = 0; axis < rank; ++axis) {
      if (((mask & (1u << axis)) != 0) != reduced) continue;
      inverse[static_cast<std::size_t>(axis)] = static_cast<int>(used);
      dimensions[used] = shape[axis];
      order[used++] = axis;
    }
  }
  const std::int64_t columns = detail::reduced_count(shape, mask);
  const Var<T> rows = reshape(transpose(x, std::span<const int>(order.data(), used)),
                              {shape.size() / columns, columns});
  const Shape transposed(std::span<const std::int64_t>(dimensions.data(), used));
  return transpose(reshape(softmax(rows), transposed), std::span<const int>(inverse.data(), used));
}

template <class T>
constexpr Op<T> logsumexp_op{"logsumexp", winner_shape,
                             [](const Evaluation<T>& e) {
                               const TensorView<const T> x = e.input(0);
                               const detail::AxisLoop loop(x.shape(), e.attributes().axes);
                               loop.for_each_output([&](std::int64_t base, std::int64_t at) {
                                 std::int64_t winner = base;
                                 bool has_nan = false;
                                 loop.for_each_reduced(base, [&](std::int64_t i) {
                                   if (x[i] > x[winner]) winner = i;
                                   has_nan = has_nan || std::isnan(x[i]);
                                 });
                                 const T best = x[winner];
                                 if (has_nan || std::isinf(best)) {
                                   e.output()[at] =
                                       has_nan ? std::numeric_limits<T>::quiet_NaN() : best;
                                   return;
                                 }
                                 // Exponentials of the others, many at once.
                                 std::array<T, 256> buffer;
                                 std::int64_t filled = 0;
                                 T others = 0;
                                 const auto flush = [&] {
                                   vector_math::exp(filled, buffer.data(), buffer.data());
                                   others += detail::sum_run(filled, buffer.data());
                                   filled = 0;
                                 };
                                 loop.for_each_reduced(base, [&](std::int64_t i) {
                                   if (i == winner) return;
                                   buffer[static_cast<std::size_t>(filled++)] = x[i] - best;
                                   if (filled == std::ssize(buffer)) flush();
                                 });
                                 flush();
                                 e.output()[at] = best + std::log1p(others);
                               });
                             },
                             [](const Adjoint<T>& n, int) {
                               const AxisMask mask = n.attributes().axes;
                               const Var<T> x = n.input(0);
                               const Shape kept = reduced_shape(x.shape(), mask, true);
                               return mul(reshape(n.cotangent(), kept), softmax_over(x, mask));
                             }};

template <class T>
Var<T> record_reduction(const Op<T>& op, Var<T> x, std::initializer_list<int> axes, bool keepdims,
                        SourceLocation location) {
  const AxisMask mask =
      axis_mask(x.shape(location), {axes.begin(), axes.size()}, op.name, location);
  return x.tape(location).record(op, {x}, {.axes = mask, .flags = keepdims}, location);
}

}  // namespace

template <class T>
Var<T> max(Var<T> x, std::initializer_list<int> axes, bool keepdims, SourceLocation location) {
  return record_reduction(max_op<T>, x, axes, keepdims, location);
}
template <class T>
Var<T> min(Var<T> x, std::initializer_list<int> axes, bool keepdims, SourceLocation location) {
  return record_reduction(min_op<T>, x, axes, keepdims, location);
}
template <class T>
Var<T> argmax(Var<T> x, int axis, bool keepdims, SourceLocation location) {
  return record_reduction(argmax_op<T>, x, {axis}, keepdims, location);
}
template <class T>
Var<T> logsumexp(Var<T> x, std::initializer_list<int> axes, bool keepdims,
                 SourceLocation location) {
  return record_reduction(logsumexp_op<T>, x, axes, keepdims, location);
}

#define CHAINRULE_INSTANTIATE(T)                                                 \
  template Var<T> max(Var<T>, std::initializer_list<int>, bool, SourceLocation); \
  template Var<T> min(Var<T>, std::initializer_list<int>, bool, SourceLocation); \
  template Var<T> argmax(Var<T>, int, bool, SourceLocation);                     \
  template Var<T> logsumexp(Var<T>, std::initializer_list<int>, bool, SourceLocation);
CHAINRULE_INSTANTIATE(float)
CHAINRULE_INSTANTIATE(double)
#undef CHAINRULE_INSTANTIATE

}  // namespace chainrule
