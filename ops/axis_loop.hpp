// The loop that reductions are made of. For the .cpp files of this folder.
#pragma once

#include <array>
#include <chainrule/autograd/storage/shape.hpp>

namespace chainrule::detail {

/// The number of entries that are reduced to one.
inline std::int64_t reduced_count(const Shape& shape, AxisMask mask) {
  std::int64_t count = 1;
  for (int axis = 0; axis < shape.rank(); ++axis) {
    if (mask & (1u << axis)) count *= shape[axis];
  }
  return count;
}

/// The kept and the reduced axes of a tensor, each padded to four with leading ones, in row-major
/// order.
class AxisLoop {
 public:
  AxisLoop(const Shape& shape, AxisMask mask) {
    std::size_t kept = 4, reduced = 4;
    std::int64_t stride = 1;
    for (int axis = shape.rank() - 1; axis >= 0; --axis) {
      const bool is_reduced = (mask & (1u << axis)) != 0;
      Axis& here = is_reduced ? reduced_[--reduced] : kept_[--kept];
      here = {shape[axis], stride};
      stride *= shape[axis];
    }
  }

  /// body(offset of the first entry that is reduced to it, offset in the result) for each result.
  template <class Body>
  void for_each_output(Body body) const {
    std::int64_t at = 0;
    each(kept_, 0, [&](std::int64_t offset) { body(offset, at++); });
  }
  /// body(offset) for each entry that is reduced to the result of that base.
  template <class Body>
  void for_each_reduced(std::int64_t base, Body body) const {
    each(reduced_, base, body);
  }

 private:
  struct Axis {
    std::int64_t size = 1, stride = 0;
  };
  template <class Body>
  static void each(const std::array<Axis, 4>& axes, std::int64_t base, Body body) {
    for (const Axis& axis : axes) {
      if (axis.size == 0) return;  // however long the others are
    }
    for (std::int64_t i = 0; i < axes[0].size; ++i) {
      for (std::int64_t j = 0; j < axes[1].size; ++j) {
        for (std::int64_t k = 0; k < axes[2].size; ++k) {
          const std::int64_t start =
              base + i * axes[0].stride + j * axes[1].stride + k * axes[2].stride;
          for (std::int64_t l = 0; l < axes[3].size; ++l) body(start + l * axes[3].stride);
        }
      }
    }
  }
  std::array<Axis, 4> kept_, reduced_;
};

}  // namespace chainrule::detail
