#include <fmt/format.h>
#include <fmt/ranges.h>
#include <chainrule/check/hints.hpp>

#include <algorithm>
#include <cmath>
#include <numeric>

namespace chainrule::detail {

namespace {

template <class T>
double largest_of(TensorView<const T> values) {
  double largest = 0;
  for (const T x : values) largest = std::max(largest, std::abs(static_cast<double>(x)));
  return largest;
}

/// |x| / unit in the 2-norm, where no entry of x exceeds a few units: nothing under- or overflows.
template <class F>
double norm(std::int64_t n, double unit, F x) {
  double sum = 0;
  for (std::int64_t i = 0; i < n; ++i) sum += (x(i) / unit) * (x(i) / unit);
  return std::sqrt(sum);
}

/// The entries of x with its axes in another order.
template <class T>
Tensor<T> permuted(TensorView<const T> x, std::span<const int> axes, const Shape& shape) {
  std::array<std::int64_t, 4> strides{};
  std::int64_t stride = 1;
  for (int axis = x.shape().rank(); axis-- > 0;) {
    strides[static_cast<std::size_t>(axis)] = stride;
    stride *= x.shape()[axis];
  }
  Tensor<T> result(shape);
  for (std::int64_t i = 0; i < result.size(); ++i) {
    std::int64_t rest = i, from = 0;
    for (int axis = shape.rank(); axis-- > 0;) {
      const auto source = static_cast<std::size_t>(axes[static_cast<std::size_t>(axis)]);
      from += rest % shape[axis] * strides[source];
      rest /= shape[axis];
    }
    result[i] = x[from];
  }
  return result;
}

/// The norm-wise error that `hand` would have.
template <class T>
double error_of(TensorView<const T> hand, TensorView<const T> expected) {
  if (!all_finite(hand) || !all_finite(expected)) return HUGE_VAL;
  Comparison row;
  measure(row, hand, expected);
  return row.norm_error;
}

/// "-1", "1/100", "3/2", "" for a factor that is none of small numbers.
std::string fraction(double factor, double precision) {
  for (std::int64_t denominator = 1; denominator <= 12; ++denominator) {
    const double numerator = std::round(factor * static_cast<double>(denominator));
    if (numerator != 0 && std::abs(numerator) <= 1e6 &&
        std::abs(numerator / static_cast<double>(denominator) / factor - 1) <= precision) {
      return denominator == 1 ? fmt::format("{:.0f}", numerator)
                              : fmt::format("{:.0f}/{}", numerator, denominator);
    }
  }
  const double inverse = std::round(1 / factor);
  if (std::abs(inverse) <= 1e6 && std::abs(inverse * factor - 1) <= precision) {
    return fmt::format("{}1/{:.0f}", inverse < 0 ? "-" : "", std::abs(inverse));
  }
  return {};
}

}  // namespace

template <class T>
bool all_finite(TensorView<const T> values) {
  return std::all_of(values.begin(), values.end(), [](T x) { return std::isfinite(x); });
}

template <class T>
void measure(Comparison& row, TensorView<const T> hand, TensorView<const T> expected) {
  const auto h = [&](std::int64_t i) { return static_cast<double>(hand[i]); };
  const auto e = [&](std::int64_t i) { return static_cast<double>(expected[i]); };
  const std::int64_t n = expected.size();
  const double largest = largest_of(expected);
  // Halves: of two values near the end of the range the difference would overflow.
  const auto half = [&](std::int64_t i) { return h(i) / 2 - e(i) / 2; };
  const bool tiny = std::max(largest, largest_of(hand)) < 1e-300;  // where a half would underflow
  const auto difference = [&](std::int64_t i) { return tiny ? h(i) - e(i) : half(i); };
  const double twice = tiny ? 1 : 2;
  double largest_difference = 0;
  row.norm_error = row.max_error = 0;
  for (std::int64_t i = 0; i < n; ++i) {
    if (const double d = std::abs(difference(i)); d > largest_difference || i == 0) {
      largest_difference = d, row.worst = i, row.hand = h(i), row.expected = e(i);
    }
  }
  if (largest_difference == 0) return;  // zero against zero too
  row.max_error = largest == 0 ? HUGE_VAL : twice * (largest_difference / largest);
  row.norm_error =
      largest == 0 ? HUGE_VAL
                   : row.max_error * norm(n, largest_difference, difference) / norm(n, largest, e);
}

template <class T>
std::string explain_shapes(const Comparison& row, TensorView<const T> hand,
                           TensorView<const T> expected) {
  std::string text = fmt::format("{} against {}", to_string(row.hand_shape), to_string(row.shape));
  const auto judged = [&](double error) {
    return error <= row.tolerance ? " and agrees" : fmt::format(", but is off by {:.1e}", error);
  };
  const int rank = hand.shape().rank();
  if (rank == expected.shape().rank() && hand.size() > 0) {
    std::vector<int> axes(static_cast<std::size_t>(rank)), best_axes;
    std::iota(axes.begin(), axes.end(), 0);
    double best = HUGE_VAL;
    do {
      bool conforms = true;
      for (int axis = 0; axis < rank; ++axis) {
        const int from = axes[static_cast<std::size_t>(axis)];
        conforms = conforms && hand.shape()[from] == expected.shape()[axis];
      }
      if (!conforms) continue;
      const Tensor<T> moved = permuted(hand, axes, expected.shape());
      const double error = error_of<T>(moved.view(), expected);
      if (best_axes.empty() || error < best) best = error, best_axes = axes;
    } while (std::next_permutation(axes.begin(), axes.end()));
    if (!best_axes.empty()) {
      text += rank == 2 ? ": the transpose conforms"
                        : fmt::format(": with axes in the order ({}) it conforms",
                                      fmt::join(best_axes, ", "));
      return text + judged(best);
    }
  }
  if (hand.size() == expected.size() && hand.size() > 0) {
    const TensorView<const T> reshaped(hand.data(), expected.shape());
    const double error = error_of(reshaped, expected);
    if (error <= row.tolerance) return text + ": the shapes differ, the entries agree in order";
  }
  return text + ": the shapes differ";
}

template <class T>
std::string explain_values(const Comparison& row, TensorView<const T> hand,
                           TensorView<const T> expected) {
  const Shape& shape = expected.shape();
  if (shape.rank() == 2 && shape[0] == shape[1] && shape[0] > 1) {
    const Tensor<T> transposed = permuted(hand, std::array{1, 0}, shape);
    if (error_of<T>(transposed.view(), expected) <= row.tolerance) return "; its transpose agrees";
  }
  const double largest = largest_of(expected), hand_largest = largest_of(hand);
  if (largest == 0 || expected.size() < 2) return {};
  if (hand_largest == 0) return "; it is zero";
  double products = 0, squares = 0;
  for (std::int64_t i = 0; i < expected.size(); ++i) {
    const double e = static_cast<double>(expected[i]) / largest;
    products += static_cast<double>(hand[i]) / hand_largest * e;
    squares += e * e;
  }
  const double ratio = products / squares, factor = ratio * (hand_largest / largest);
  double residual = 0, size = 0;
  for (std::int64_t i = 0; i < expected.size(); ++i) {
    const double h = static_cast<double>(hand[i]) / hand_largest;
    residual += std::pow(h - ratio * (static_cast<double>(expected[i]) / largest), 2);
    size += h * h;
  }
  if (!(std::sqrt(residual / size) <= row.tolerance) || !std::isfinite(factor) || factor == 0) {
    return {};
  }
  const std::string name = fraction(factor, row.tolerance);
  return name.empty() || name == fmt::format("{:.6g}", factor)
             ? fmt::format("; it is {:.6g} times the expected one", factor)
             : fmt::format("; it is {} = {:.6g} times the expected one", name, factor);
}

template bool all_finite(TensorView<const float>);
template bool all_finite(TensorView<const double>);
template void measure(Comparison&, TensorView<const float>, TensorView<const float>);
template void measure(Comparison&, TensorView<const double>, TensorView<const double>);
template std::string explain_shapes(const Comparison&, TensorView<const float>,
                                    TensorView<const float>);
template std::string explain_shapes(const Comparison&, TensorView<const double>,
                                    TensorView<const double>);
template std::string explain_values(const Comparison&, TensorView<const float>,
                                    TensorView<const float>);
template std::string explain_values(const Comparison&, TensorView<const double>,
                                    TensorView<const double>);

}  // namespace chainrule::detail
