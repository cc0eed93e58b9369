// Along one axis: slice and pad, concat and stack.
#include <fmt/format.h>
#include <chainrule/ops/ops.hpp>

#include <algorithm>
#include <array>
#include <bit>

namespace chainrule {

namespace {

// The axis is its bit in `axes`.
int axis_of(const Attributes& attributes) { return std::countr_zero(attributes.axes); }

/// The shape with another size of one axis.
Shape with_axis(const Shape& shape, int axis, std::int64_t size) {
  std::array<std::int64_t, Shape::max_rank> dimensions{};
  std::copy(shape.dimensions().begin(), shape.dimensions().end(), dimensions.begin());
  dimensions[static_cast<std::size_t>(axis)] = size;
  return Shape(std::span<const std::int64_t>(dimensions.data(), shape.dimensions().size()));
}

/// A tensor as (before the axis) blocks of (the axis and behind it) entries.
struct Blocks {
  std::int64_t count = 1, inner = 1, size = 0;
  Blocks(const Shape& shape, int axis) {
    for (int i = 0; i < axis; ++i) count *= shape[i];
    for (int i = axis + 1; i < shape.rank(); ++i) inner *= shape[i];
    size = inner * shape[axis];
  }
};

// numbers = (begin, end)
template <class T>
constexpr Op<T> slice_op{
    "slice",
    [](const Call& call) {
      call.expect_inputs(1);
      const int axis = axis_of(call.attributes);
      const auto [begin, end] = call.attributes.numbers;
      const std::int64_t size = call.input(0)[axis];
      if (!(0 <= begin && begin <= end && end <= static_cast<double>(size))) {
        throw ShapeError(
            call.op,
            fmt::format("{} from {} to {} of axis {}: expected 0 <= begin <= end <= {}",
                        to_string(call.input(0)), begin, end, axis, size),
            call.location);
      }
      return with_axis(call.input(0), axis, static_cast<std::int64_t>(end - begin));
    },
    [](const Evaluation<T>& e) {
      const int axis = axis_of(e.attributes());
      const Blocks from(e.input(0).shape(), axis), to(e.output().shape(), axis);
      const T* x =
          e.input(0).data() + static_cast<std::int64_t>(e.attributes().numbers[0]) * from.inner;
      T* y = e.output().data();
      for (std::int64_t i = 0; i < to.count; ++i) y = std::copy_n(x + i * from.size, to.size, y);
    },
    [](const Adjoint<T>& n, int) {
      const Attributes a = n.attributes();
      const auto begin = static_cast<std::int64_t>(a.numbers[0]);
      const auto end = static_cast<std::int64_t>(a.numbers[1]);
      return pad(n.cotangent(), axis_of(a), begin, n.input(0).shape()[axis_of(a)] - end);
    }};

// numbers = (before, after)
template <class T>
constexpr Op<T> pad_op{
    "pad",
    [](const Call& call) {
      call.expect_inputs(1);
      const int axis = axis_of(call.attributes);
      const auto [before, after] = call.attributes.numbers;
      if (!(before >= 0 && after >= 0)) {
        throw ShapeError(call.op,
                         fmt::format("{} by {} and {} along axis {}: expected numbers >= 0",
                                     to_string(call.input(0)), before, after, axis),
                         call.location);
      }
      return with_axis(call.input(0), axis,
                       static_cast<std::int64_t>(before) + call.input(0)[axis] +
                           static_cast<std::int64_t>(after));
    },
    [](const Evaluation<T>& e) {
      const int axis = axis_of(e.attributes());
      const Blocks from(e.input(0).shape(), axis), to(e.output().shape(), axis);
      const std::int64_t before = static_cast<std::int64_t>(e.attributes().numbers[0]) * from.inner;
      const T* x = e.input(0).data();
      for (std::int64_t i = 0; i < to.count; ++i) {
        T* y = std::fill_n(e.output().data() + i * to.size, before, T(0));
        y = std::copy_n(x + i * from.size, from.size, y);
        std::fill_n(y, to.size - before - from.size, T(0));
      }
    },
    [](const Adjoint<T>& n, int) {
      const Attributes a = n.attributes();
      const auto before = static_cast<std::int64_t>(a.numbers[0]);
      const std::int64_t size = n.input(0).shape()[axis_of(a)];
      return slice(n.cotangent(), axis_of(a), before, before + size);
    }};

template <class T>
constexpr Op<T> concat_op{
    "concat",
    [](const Call& call) {
      const Shape& first = call.input(0);
      const int axis = axis_of(call.attributes);
      std::int64_t size = 0;
      for (const Shape* shape : call.inputs) {
        if (shape->rank() != first.rank() || with_axis(*shape, axis, first[axis]) != first) {
          throw ShapeError(call.op,
                           fmt::format("{} and {}: expected shapes that differ along axis {} alone",
                                       to_string(first), to_string(*shape), axis),
                           call.location);
        }
        size += (*shape)[axis];
      }
      return with_axis(first, axis, size);
    },
    [](const Evaluation<T>& e) {
      const int axis = axis_of(e.attributes());
      const Blocks to(e.output().shape(), axis);
      std::int64_t begin = 0;
      for (int k = 0; k < e.arity(); ++k) {
        const TensorView<const T> x = e.input(k);
        const Blocks from(x.shape(), axis);
        for (std::int64_t i = 0; i < to.count; ++i) {
          std::copy_n(x.data() + i * from.size, from.size, e.output().data() + i * to.size + begin);
        }
        begin += from.size;
      }
    },
    [](const Adjoint<T>& n, int i) {
      const int axis = axis_of(n.attributes());
      std::int64_t begin = 0;
      for (int k = 0; k < i; ++k) begin += n.input(k).shape()[axis];
      return slice(n.cotangent(), axis, begin, begin + n.input(i).shape()[axis]);
    }};

/// Records one of the above. The axis counts from the end where it is negative.
template <class T>
Var<T> record_along(const Op<T>& op, std::span<const Var<T>> inputs, int axis,
                    std::array<double, 2> numbers, SourceLocation location) {
  if (inputs.empty()) {
    throw UsageError(op.name, "nothing is given: expected at least one Var", location);
  }
  const Shape shape = inputs.front().shape(location);
  const AxisMask mask = axis_mask(shape, {&axis, 1}, op.name, location);
  return inputs.front().tape().record(op, inputs, {.axes = mask, .numbers = numbers}, location);
}

}  // namespace

template <class T>
Var<T> slice(Var<T> x, int axis, std::int64_t begin, std::int64_t end, SourceLocation location) {
  return record_along(slice_op<T>, std::span<const Var<T>>(&x, 1), axis,
                      {static_cast<double>(begin), static_cast<double>(end)}, location);
}

template <class T>
Var<T> pad(Var<T> x, int axis, std::int64_t before, std::int64_t after, SourceLocation location) {
  return record_along(pad_op<T>, std::span<const Var<T>>(&x, 1), axis,
                      {static_cast<double>(before), static_cast<double>(after)}, location);
}

template <class T>
Var<T> concat(std::span<const Var<T>> parts, int axis, SourceLocation location) {
  return record_along(concat_op<T>, parts, axis, {}, location);
}

template <class T>
Var<T> stack(std::span<const Var<T>> parts, int axis, SourceLocation location) {
  if (parts.empty()) {
    throw UsageError("stack", "nothing is given: expected at least one Var", location);
  }
  Tape<T>& tape = parts.front().tape(location);
  const Shape shape = parts.front().shape(location);
  const int rank = shape.rank();
  // All is checked before the first part is reshaped.
  for (const Var<T>& part : parts) {
    tape.expect_own(part, "stack", location);
    if (part.shape() != shape || rank == Shape::max_rank) {
      throw ShapeError("stack",
                       fmt::format("{} and {}: expected equal shapes of rank 0 to 3",
                                   to_string(shape), to_string(part.shape())),
                       location);
    }
  }
  if (axis < -rank - 1 || axis > rank) {
    throw ShapeError("stack",
                     fmt::format("axis {} is out of range for parts of shape {}: expected {} to {}",
                                 axis, to_string(shape), -rank - 1, rank),
                     location);
  }
  const int place = axis < 0 ? axis + rank + 1 : axis;
  std::array<std::int64_t, Shape::max_rank> dimensions{};
  const auto from = shape.dimensions();
  std::copy(from.begin(), from.begin() + place, dimensions.begin());
  dimensions[static_cast<std::size_t>(place)] = 1;
  std::copy(from.begin() + place, from.end(), dimensions.begin() + place + 1);
  const Shape wider(std::span<const std::int64_t>(dimensions.data(), from.size() + 1));
  std::vector<Var<T>> slabs;
  for (const Var<T>& part : parts) slabs.push_back(reshape(part, wider, location));
  return concat(std::span<const Var<T>>(slabs), place, location);
}

#define CHAINRULE_INSTANTIATE(T)                                                  \
  template Var<T> slice(Var<T>, int, std::int64_t, std::int64_t, SourceLocation); \
  template Var<T> pad(Var<T>, int, std::int64_t, std::int64_t, SourceLocation);   \
  template Var<T> concat(std::span<const Var<T>>, int, SourceLocation);           \
  template Var<T> stack(std::span<const Var<T>>, int, SourceLocation);
CHAINRULE_INSTANTIATE(float)
CHAINRULE_INSTANTIATE(double)
#undef CHAINRULE_INSTANTIATE

}  // namespace chainrule
