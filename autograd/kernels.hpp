// Loops that the kernels of operations are made of: elementwise maps with broadcasting, and sums.
// For the .cpp files of operations; a user's own find them in namespace chainrule::kernels.
#pragma once

#include <algorithm>
#include <array>
#include <chainrule/autograd/op.hpp>

namespace chainrule::detail {

/// The axes of a shape with the strides of two tensors that are broadcast to it (0 along stretched
/// axes), neighbouring axes merged where both run on, padded to four with leading ones.
struct StridedLoop {
  std::array<std::int64_t, 4> size{1, 1, 1, 1}, a{}, b{};

  StridedLoop(const Shape& shape, const Shape& shape_a, const Shape& shape_b) {
    int used = 0;  // axes, from the innermost
    std::int64_t run_a = 1, run_b = 1;
    for (int axis = shape.rank() - 1; axis >= 0; --axis) {
      const int in_a = axis - shape.rank() + shape_a.rank();
      const int in_b = axis - shape.rank() + shape_b.rank();
      const std::int64_t na = in_a < 0 ? 1 : shape_a[in_a], nb = in_b < 0 ? 1 : shape_b[in_b];
      const std::int64_t stride_a = na == 1 ? 0 : run_a, stride_b = nb == 1 ? 0 : run_b;
      run_a *= na, run_b *= nb;
      if (shape[axis] == 1) continue;
      const auto last = static_cast<std::size_t>(4 - used);
      if (used > 0 && stride_a == a[last] * size[last] && stride_b == b[last] * size[last]) {
        size[last] *= shape[axis];
        continue;
      }
      ++used;
      const auto here = static_cast<std::size_t>(4 - used);
      size[here] = shape[axis], a[here] = stride_a, b[here] = stride_b;
    }
  }

  /// Calls body(offset_a, offset_b, offset) for each run of the innermost axis, where `offset`
  /// counts the elements of the whole shape.
  template <class Body>
  void for_each_run(Body body) const {
    std::int64_t offset = 0;
    for (std::int64_t i = 0; i < size[0]; ++i) {
      for (std::int64_t j = 0; j < size[1]; ++j) {
        for (std::int64_t k = 0; k < size[2]; ++k) {
          body(i * a[0] + j * a[1] + k * a[2], i * b[0] + j * b[1] + k * b[2], offset);
          offset += size[3];
        }
      }
    }
  }
};

/// y_i = f(x_i)
template <class T, class F>
void map_unary(const Evaluation<T>& e, F f) {
  const T* x = e.input(0).data();
  T* y = e.output().data();
  const std::int64_t n = e.output().size();
  for (std::int64_t i = 0; i < n; ++i) y[i] = f(x[i]);
}

/// y = f(a, b) entry by entry, both broadcast to y's shape.
template <class T, class F>
void map_binary(const Evaluation<T>& e, F f) {
  const TensorView<const T> a = e.input(0), b = e.input(1);
  const TensorView<T> y = e.output();
  const std::int64_t total = y.size();
  if (total == 0) return;
  if (a.shape() == b.shape()) {
    // Plain pointers: the views are captured below, and would be read again for each entry.
    const T *pa = a.data(), *pb = b.data();
    T* py = y.data();
    for (std::int64_t i = 0; i < total; ++i) py[i] = f(pa[i], pb[i]);
    return;
  }
  const StridedLoop loop(y.shape(), a.shape(), b.shape());
  const std::int64_t n = loop.size[3];
  loop.for_each_run([&](std::int64_t offset_a, std::int64_t offset_b, std::int64_t offset) {
    const T* pa = a.data() + offset_a;
    const T* pb = b.data() + offset_b;
    T* py = y.data() + offset;
    if (loop.a[3] == 0) {
      const T first = *pa;
      if (loop.b[3] == 0) {
        std::fill_n(py, n, f(first, *pb));
      } else {
        for (std::int64_t i = 0; i < n; ++i) py[i] = f(first, pb[i]);
      }
    } else if (loop.b[3] == 0) {
      const T second = *pb;
      for (std::int64_t i = 0; i < n; ++i) py[i] = f(pa[i], second);
    } else {
      for (std::int64_t i = 0; i < n; ++i) py[i] = f(pa[i], pb[i]);
    }
  });
}

/// The sum of n numbers in 16 lanes: vectorised, the same order for every n of one call, and with
/// an error that grows 16 times more slowly than that of one running sum.
template <class T>
T sum_run(std::int64_t n, const T* x) {
  std::array<T, 16> lane{};
  std::int64_t i = 0;
  for (; i + 16 <= n; i += 16) {
    for (std::size_t j = 0; j < 16; ++j) lane[j] += x[i + static_cast<std::int64_t>(j)];
  }
  for (std::size_t j = 0; i < n; ++i, ++j) lane[j] += x[i];
  for (std::size_t width = 8; width > 0; width /= 2) {
    for (std::size_t j = 0; j < width; ++j) lane[j] += lane[j + width];
  }
  return lane[0];
}

/// y = x summed over the axes along which `y_shape` (of y's numbers) stretches to x's shape.
template <class T>
void sum_into(TensorView<const T> x, T* y, const Shape& y_shape) {
  std::fill_n(y, y_shape.size(), T(0));
  if (x.size() == 0) return;
  const StridedLoop loop(x.shape(), x.shape(), y_shape);
  const std::int64_t n = loop.size[3];
  loop.for_each_run([&](std::int64_t offset_x, std::int64_t offset_y, std::int64_t) {
    const T* px = x.data() + offset_x;
    T* py = y + offset_y;
    if (loop.b[3] == 0) {
      *py += sum_run(n, px);
    } else {
      for (std::int64_t i = 0; i < n; ++i) py[i] += px[i];
    }
  });
}

/// Shape rule of one input, whose shape the result has.
inline Shape same_shape(const Call& call) {
  call.expect_inputs(1);
  return call.input(0);
}
/// Shape rule of two inputs that are broadcast.
inline Shape broadcast_shapes(const Call& call) {
  call.expect_inputs(2);
  return broadcast_shape(call.input(0), call.input(1), call.op, call.location);
}

}  // namespace chainrule::detail

/// What a user's own operations are made of (docs/adding-an-op.md).
namespace chainrule::kernels {
using detail::broadcast_shapes;
using detail::map_binary;
using detail::map_unary;
using detail::same_shape;
using detail::sum_into;
using detail::sum_run;
}  // namespace chainrule::kernels
