// The pen strokes of the synthetic digits: what a hand-written 0 to 9 is made of.
#pragma once

#include <cstdint>
#include <span>

namespace chainrule::detail {

/// A point of a glyph in its box: x to the right, y downwards, both about 0 to 1.
struct Point {
  double x, y;
};

/// One movement of the pen: a Catmull-Rom spline through the points, with a corner where a point
/// stands twice.
using Stroke = std::span<const Point>;
/// One way of writing a digit.
using Style = std::span<const Stroke>;

/// The styles of digit 0 <= digit <= 9.
std::span<const Style> styles_of(std::int32_t digit);

}  // namespace chainrule::detail
