// Matrices (rows, columns) in loops, slow and plain: what planted.cpp is written in. Internal.
#pragma once

#include <chainrule/autograd/storage/tensor.hpp>

#include <algorithm>
#include <functional>
#include <span>

namespace chainrule::reference::detail {

using Matrix = Tensor<double>;

inline Matrix matrix(std::span<const double> values, const Shape& shape) {
  Matrix result(shape);
  std::copy(values.begin(), values.end(), result.begin());
  return result;
}

/// a b, or a^T b, or a b^T
inline Matrix product(const Matrix& a, const Matrix& b) {
  Matrix c({a.shape()[0], b.shape()[1]});
  for (std::int64_t i = 0; i < c.shape()[0]; ++i) {
    for (std::int64_t k = 0; k < a.shape()[1]; ++k) {
      for (std::int64_t j = 0; j < c.shape()[1]; ++j) {
        c[i * c.shape()[1] + j] += a[i * a.shape()[1] + k] * b[k * b.shape()[1] + j];
      }
    }
  }
  return c;
}
inline Matrix transposed(const Matrix& a) {
  Matrix result({a.shape()[1], a.shape()[0]});
  for (std::int64_t i = 0; i < a.shape()[0]; ++i) {
    for (std::int64_t j = 0; j < a.shape()[1]; ++j) {
      result[j * a.shape()[0] + i] = a[i * a.shape()[1] + j];
    }
  }
  return result;
}
inline Matrix first_rows(const Matrix& a, std::int64_t rows) {
  Matrix result({rows, a.shape()[1]});
  std::copy_n(a.begin(), result.size(), result.begin());
  return result;
}
/// f(a_ij), f(a_ij, b_ij)
template <class F>
Matrix map(const Matrix& a, F f) {
  Matrix result(a.shape());
  for (std::int64_t i = 0; i < a.size(); ++i) result[i] = f(a[i]);
  return result;
}
template <class F>
Matrix map(const Matrix& a, const Matrix& b, F f) {
  Matrix result(a.shape());
  for (std::int64_t i = 0; i < a.size(); ++i) result[i] = f(a[i], b[i]);
  return result;
}
inline Matrix times(const Matrix& a, double factor) {
  return map(a, [=](double x) { return x * factor; });
}
inline Matrix plus(const Matrix& a, const Matrix& b, double factor) {
  return map(a, b, [=](double x, double y) { return x + factor * y; });
}
inline Matrix entrywise(const Matrix& a, const Matrix& b) { return map(a, b, std::multiplies<>()); }
/// sum_j a_ij, (rows,)
inline Matrix row_sums(const Matrix& a) {
  Matrix result(Shape{a.shape()[0]});
  for (std::int64_t i = 0; i < a.size(); ++i) result[i / a.shape()[1]] += a[i];
  return result;
}
/// sum_i a_ij, (columns,)
inline Matrix column_sums(const Matrix& a) {
  Matrix result(Shape{a.shape()[1]});
  for (std::int64_t i = 0; i < a.size(); ++i) result[i % a.shape()[1]] += a[i];
  return result;
}

}  // namespace chainrule::reference::detail
