// Shape: the dimensions of a dense, row-major tensor of rank 0 to 4, and NumPy's broadcasting.
#pragma once

#include <array>
#include <chainrule/autograd/storage/error.hpp>
#include <cstdint>
#include <initializer_list>
#include <iosfwd>
#include <span>
#include <string>

namespace chainrule {

/// The dimensions of a tensor, from the slowest axis to the fastest: (32, 785). A value; a
/// dimension may be 0.
class Shape {
 public:
  /// The largest number of axes.
  static constexpr int max_rank = 4;

  /// Rank 0: a scalar, of one element.
  constexpr Shape() = default;
  /// Throws ShapeError for a negative dimension, a rank above 4, or more elements than fit.
  Shape(std::initializer_list<std::int64_t> dimensions);
  /// The same for dimensions that are known at run time only.
  explicit Shape(std::span<const std::int64_t> dimensions);

  /// Number of axes, 0 to 4.
  int rank() const { return rank_; }
  /// Number of elements: the product of the dimensions (1 for rank 0).
  std::int64_t size() const { return size_; }
  /// Dimension of axis 0 <= axis < rank(), unchecked.
  std::int64_t operator[](int axis) const { return dimensions_[static_cast<std::size_t>(axis)]; }
  /// All dimensions; valid as long as the shape.
  std::span<const std::int64_t> dimensions() const {
    return {dimensions_.data(), static_cast<std::size_t>(rank_)};
  }
  /// Dimension of the last axis; 1 for rank 0.
  std::int64_t last() const { return rank_ == 0 ? 1 : (*this)[rank_ - 1]; }
  /// Number of rows when all axes but the last are folded: size() / last(), also where last() is 0.
  std::int64_t rows() const;

  /// The same rank and dimensions.
  friend bool operator==(const Shape& a, const Shape& b) {
    return a.rank_ == b.rank_ && a.dimensions_ == b.dimensions_;
  }

 private:
  std::array<std::int64_t, max_rank> dimensions_{};
  std::int64_t size_ = 1;
  int rank_ = 0;
};

/// "(32, 785)", "(64,)", "()": as NumPy prints it.
std::string to_string(const Shape& shape);
/// Writes to_string(shape).
std::ostream& operator<<(std::ostream& out, const Shape& shape);

/// The shape to which a and b broadcast by NumPy's rule: axes are aligned at the last one, and a
/// dimension of 1 stretches. Throws ShapeError in the name of `operation` where they do not fit.
Shape broadcast_shape(const Shape& a, const Shape& b, std::string_view operation,
                      SourceLocation location = {});
/// True when `from` stretches to exactly `to` under NumPy's rule.
bool broadcasts_to(const Shape& from, const Shape& to);

/// A set of axes of a shape; bit a stands for axis a.
using AxisMask = std::uint32_t;
/// Axes as NumPy takes them (negative ones count from the end; an empty list means all) as a mask.
/// Throws ShapeError for an axis out of range or given twice.
AxisMask axis_mask(const Shape& shape, std::span<const int> axes, std::string_view operation,
                   SourceLocation location = {});
/// The shape that is left when the axes of `mask` are reduced: 1 where keepdims, gone otherwise.
Shape reduced_shape(const Shape& shape, AxisMask mask, bool keepdims);

}  // namespace chainrule
