#include <chainrule/autograd/storage/shape.hpp>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <ostream>

namespace chainrule {

Shape::Shape(std::initializer_list<std::int64_t> dimensions)
    : Shape(std::span<const std::int64_t>(dimensions.begin(), dimensions.size())) {}

Shape::Shape(std::span<const std::int64_t> dimensions) {
  if (dimensions.size() > max_rank) {
    throw ShapeError("Shape", fmt::format("({}) has rank {}: at most rank {} is supported",
                                          fmt::join(dimensions, ", "), dimensions.size(), max_rank));
  }
  // Zero dimensions make the size zero, yet the others must still fit, so they are left out here.
  std::int64_t product = 1;
  bool empty = false;
  for (const std::int64_t dimension : dimensions) {
    if (dimension < 0) {
      throw ShapeError("Shape", fmt::format("({}) has the negative dimension {}",
                                            fmt::join(dimensions, ", "), dimension));
    }
    if (dimension == 0) {
      empty = true;
    } else if (__builtin_mul_overflow(product, dimension, &product) || product > (INT64_MAX >> 6)) {
      throw ShapeError("Shape", fmt::format("({}) has more elements than can be addressed",
                                            fmt::join(dimensions, ", ")));
    }
  }
  std::copy(dimensions.begin(), dimensions.end(), dimensions_.begin());
  size_ = empty ? 0 : product;
  rank_ = static_cast<int>(dimensions.size());
}

std::int64_t Shape::rows() const {
  std::int64_t rows = 1;
  for (int axis = 0; axis + 1 < rank_; ++axis) rows *= (*this)[axis];
  return rows;
}

std::string to_string(const Shape& shape) {
  if (shape.rank() == 1) return fmt::format("({},)", shape[0]);
  return fmt::format("({})", fmt::join(shape.dimensions(), ", "));
}

std::ostream& operator<<(std::ostream& out, const Shape& shape) { return out << to_string(shape); }

Shape broadcast_shape(const Shape& a, const Shape& b, std::string_view operation,
                      SourceLocation location) {
  if (a == b) return a;
  const int rank = std::max(a.rank(), b.rank());
  std::array<std::int64_t, Shape::max_rank> dimensions{};
  for (int axis = 0; axis < rank; ++axis) {
    const int in_a = axis - (rank - a.rank()), in_b = axis - (rank - b.rank());
    const std::int64_t da = in_a < 0 ? 1 : a[in_a], db = in_b < 0 ? 1 : b[in_b];
    if (da != db && da != 1 && db != 1) {
      throw ShapeError(operation,
                       fmt::format("{} and {} do not broadcast: dimensions {} and {} differ, and "
                                   "neither is 1",
                                   to_string(a), to_string(b), da, db),
                       location);
    }
    dimensions[static_cast<std::size_t>(axis)] = da == 1 ? db : da;
  }
  return Shape(std::span<const std::int64_t>(dimensions.data(), static_cast<std::size_t>(rank)));
}

bool broadcasts_to(const Shape& from, const Shape& to) {
  if (from.rank() > to.rank()) return false;
  for (int axis = 0; axis < from.rank(); ++axis) {
    const std::int64_t target = to[axis + to.rank() - from.rank()];
    if (from[axis] != target && from[axis] != 1) return false;
  }
  return true;
}

AxisMask axis_mask(const Shape& shape, std::span<const int> axes, std::string_view operation,
                   SourceLocation location) {
  if (axes.empty()) return (1u << shape.rank()) - 1;
  AxisMask mask = 0;
  for (const int given : axes) {
    const int axis = given < 0 ? given + shape.rank() : given;
    if (axis < 0 || axis >= shape.rank()) {
      throw ShapeError(operation,
                       fmt::format("axis {} is out of range for {}: rank is {}", given,
                                   to_string(shape), shape.rank()),
                       location);
    }
    if (mask & (1u << axis)) {
      throw ShapeError(operation, fmt::format("axis {} of {} is given twice", given, to_string(shape)),
                       location);
    }
    mask |= 1u << axis;
  }
  return mask;
}

Shape reduced_shape(const Shape& shape, AxisMask mask, bool keepdims) {
  std::array<std::int64_t, Shape::max_rank> dimensions{};
  std::size_t rank = 0;
  for (int axis = 0; axis < shape.rank(); ++axis) {
    const bool reduced = (mask & (1u << axis)) != 0;
    if (!reduced) dimensions[rank++] = shape[axis];
    if (reduced && keepdims) dimensions[rank++] = 1;
  }
  return Shape(std::span<const std::int64_t>(dimensions.data(), rank));
}

}  // namespace chainrule
