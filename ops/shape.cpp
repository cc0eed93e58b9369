// Operations that move entries and compute nothing.
#include <fmt/format.h>
#include <fmt/ranges.h>
#include <chainrule/autograd/kernels.hpp>
#include <chainrule/ops/ops.hpp>

#include <algorithm>
#include <array>

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

template <class T>
constexpr Op<T> stop_gradient_op{.name = "stop_gradient",
                                 .shape = detail::same_shape,
                                 .forward =
                                     [](const Evaluation<T>& e) {
                                       std::copy(e.input(0).begin(), e.input(0).end(),
                                                 e.output().begin());
                                     },
                                 .zero_derivative = true};

// A permutation of up to four axes, two bits for each, as transpose's flags.
int permuted(std::uint32_t flags, int axis) { return static_cast<int>(flags >> (2 * axis) & 3u); }

template <class T>
constexpr Op<T> transpose_op{
    "transpose",
    [](const Call& call) {
      call.expect_inputs(1);
      const Shape& from = call.input(0);
      std::array<std::int64_t, Shape::max_rank> to{};
      for (int axis = 0; axis < from.rank(); ++axis) {
        to[static_cast<std::size_t>(axis)] = from[permuted(call.attributes.flags, axis)];
      }
      return Shape(std::span<const std::int64_t>(to.data(), from.dimensions().size()));
    },
    [](const Evaluation<T>& e) {
      const TensorView<const T> x = e.input(0);
      const int rank = x.shape().rank();
      std::array<std::int64_t, 4> strides{}, size{1, 1, 1, 1}, step{};
      std::int64_t stride = 1;
      for (int axis = rank; axis-- > 0;) {
        strides[static_cast<std::size_t>(axis)] = stride;
        stride *= x.shape()[axis];
      }
      for (int axis = 0; axis < rank; ++axis) {  // the last axis in the innermost loop
        const auto place = static_cast<std::size_t>(axis + 4 - rank);
        size[place] = e.output().shape()[axis];
        step[place] = strides[static_cast<std::size_t>(permuted(e.attributes().flags, axis))];
      }
      T* y = e.output().data();
      for (std::int64_t i = 0; i < size[0]; ++i) {
        for (std::int64_t j = 0; j < size[1]; ++j) {
          for (std::int64_t k = 0; k < size[2]; ++k) {
            const std::int64_t start = i * step[0] + j * step[1] + k * step[2];
            for (std::int64_t l = 0; l < size[3]; ++l) *y++ = x[start + l * step[3]];
          }
        }
      }
    },
    [](const Adjoint<T>& n, int) {
      const std::uint32_t flags = n.attributes().flags;
      const int rank = n.input(0).shape().rank();
      std::array<int, Shape::max_rank> inverse{};
      for (int axis = 0; axis < rank; ++axis) {
        inverse[static_cast<std::size_t>(permuted(flags, axis))] = axis;
      }
      return transpose(n.cotangent(), std::span<const int>(inverse.data(), std::size_t(rank)));
    }};

}  // namespace

template <class T>
Var<T> reshape(Var<T> x, const Shape& shape, SourceLocation location) {
  if (x.shape(location) == shape) return x;
  return x.tape(location).record(reshape_op<T>, {x}, {.shape = shape}, location);
}

template <class T>
Var<T> stop_gradient(Var<T> x, SourceLocation location) {
  return x.tape(location).record(stop_gradient_op<T>, {x}, {}, location);
}

template <class T>
Var<T> transpose(Var<T> x, std::span<const int> axes, SourceLocation location) {
  const Shape shape = x.shape(location);
  const int rank = shape.rank();
  std::uint32_t flags = 0, seen = 0;
  for (int k = 0; k < rank; ++k) {
    // None given: reversed. Of a wrong number, what is missing stays unseen.
    int axis = axes.empty() ? rank - 1 - k : -rank - 1;
    if (static_cast<std::size_t>(k) < axes.size()) axis = axes[static_cast<std::size_t>(k)];
    if (axis < 0) axis += rank;
    if (axis < 0 || axis >= rank) break;
    flags |= static_cast<std::uint32_t>(axis) << (2 * k);
    seen |= 1u << axis;
  }
  if (seen != (1u << rank) - 1 || (!axes.empty() && std::ssize(axes) != rank)) {
    throw ShapeError("transpose",
                     fmt::format("{} by ({}): expected each of its {} axes once", to_string(shape),
                                 fmt::join(axes, ", "), rank),
                     location);
  }
  return x.tape(location).record(transpose_op<T>, {x}, {.flags = flags}, location);
}

#define CHAINRULE_INSTANTIATE(T)                                 \
  template Var<T> reshape(Var<T>, const Shape&, SourceLocation); \
  template Var<T> stop_gradient(Var<T>, SourceLocation);         \
  template Var<T> transpose(Var<T>, std::span<const int>, SourceLocation);
CHAINRULE_INSTANTIATE(float)
CHAINRULE_INSTANTIATE(double)
#undef CHAINRULE_INSTANTIATE

}  // namespace chainrule
