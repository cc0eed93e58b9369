#include <chainrule/check/compare.hpp>

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <limits>

namespace chainrule {

namespace {

template <class T>
double default_tolerance(std::int64_t largest_dimension) {
  const double terms = static_cast<double>(std::max<std::int64_t>(1024, largest_dimension));
  const double noise =
      8 * static_cast<double>(std::numeric_limits<T>::epsilon()) * std::sqrt(terms);
  return std::is_same_v<T, double> ? std::max(1e-12, noise) : noise;
}

std::int64_t largest_dimension(const Shape& shape) {
  std::int64_t largest = 0;
  for (const std::int64_t dimension : shape.dimensions()) largest = std::max(largest, dimension);
  return largest;
}

/// |x| / unit in the 2-norm, where no entry of x exceeds a few units: nothing under- or overflows.
template <class F>
double norm(std::int64_t n, double unit, F x) {
  double sum = 0;
  for (std::int64_t i = 0; i < n; ++i) sum += (x(i) / unit) * (x(i) / unit);
  return std::sqrt(sum);
}

template <class T>
bool all_finite(TensorView<const T> values) {
  return std::all_of(values.begin(), values.end(), [](T x) { return std::isfinite(x); });
}

/// Fills in the errors and the worst entry of values that are all finite, hand(i) beside expected.
template <class T, class Hand>
void measure(Comparison& row, TensorView<const T> expected, Hand hand) {
  const auto difference = [&](std::int64_t i) {
    return hand(i) - static_cast<double>(expected[i]);
  };
  double largest = 0, largest_difference = 0;
  for (std::int64_t i = 0; i < expected.size(); ++i) {
    largest = std::max(largest, std::abs(static_cast<double>(expected[i])));
    if (const double d = std::abs(difference(i)); d > largest_difference || i == 0) {
      largest_difference = d, row.worst = i;
      row.hand = hand(i), row.expected = static_cast<double>(expected[i]);
    }
  }
  if (largest_difference == 0) return;  // zero against zero too
  row.max_error = largest == 0 ? HUGE_VAL : largest_difference / largest;
  row.norm_error = largest == 0
                       ? HUGE_VAL
                       : row.max_error * norm(expected.size(), largest_difference, difference) /
                             norm(expected.size(), largest,
                                  [&](std::int64_t i) { return static_cast<double>(expected[i]); });
}

/// What to say of a value by hand of another shape.
template <class T>
std::string explain_shapes(const Comparison& row, TensorView<const T> hand,
                           TensorView<const T> expected) {
  std::string text = fmt::format("{} against {}", to_string(row.hand_shape), to_string(row.shape));
  if (hand.shape().rank() != 2 || expected.shape().rank() != 2 ||
      hand.shape() != Shape{expected.shape()[1], expected.shape()[0]}) {
    return text + ": the shapes differ";
  }
  text += ": the transpose conforms";
  if (!all_finite(hand) || !all_finite(expected)) return text;
  Comparison transposed = row;
  transposed.norm_error = 0;
  const std::int64_t columns = expected.shape()[1], rows = expected.shape()[0];
  measure(transposed, expected, [&](std::int64_t i) {
    return static_cast<double>(hand[(i % columns) * rows + i / columns]);
  });
  return text + (transposed.norm_error <= row.tolerance
                     ? " and agrees"
                     : fmt::format(", but is off by {:.1e}", transposed.norm_error));
}

template <class T>
Comparison compare_tensors(std::string_view name, TensorView<const T> hand,
                           TensorView<const T> expected, double tolerance) {
  Comparison row;
  row.name = name;
  row.shape = expected.shape();
  row.hand_shape = hand.shape();
  row.tolerance = tolerance;
  const auto fail = [&](std::string reason) {
    row.verdict = Verdict::fail;
    row.reason = std::move(reason);
    return row;
  };
  if (row.shape != row.hand_shape) {
    row.norm_error = row.max_error = HUGE_VAL;
    return fail(explain_shapes(row, hand, expected));
  }
  for (std::int64_t i = 0; i < expected.size(); ++i) {
    const bool finite = std::isfinite(hand[i]);
    if (finite && std::isfinite(expected[i])) continue;
    row.norm_error = row.max_error = HUGE_VAL;
    row.worst = i;
    row.hand = static_cast<double>(hand[i]), row.expected = static_cast<double>(expected[i]);
    return fail(fmt::format("the {} is not finite", finite ? "value expected" : "value by hand"));
  }
  measure(row, expected, [&](std::int64_t i) { return static_cast<double>(hand[i]); });
  if (!(row.norm_error <= tolerance)) {
    return fail(std::isinf(row.norm_error) ? "expected exact zeros"
                                           : fmt::format("norm-wise error {:.1e}, above {:.1e}",
                                                         row.norm_error, tolerance));
  }
  return row;
}

template <class T>
Comparison compare_alone(std::string_view name, TensorView<const T> hand,
                         TensorView<const T> expected, const CompareOptions& options) {
  const std::int64_t dimension =
      std::max(largest_dimension(hand.shape()), largest_dimension(expected.shape()));
  return compare_tensors(name, hand, expected,
                         options.tolerance.value_or(default_tolerance<T>(dimension)));
}

}  // namespace

Comparison compare(std::string_view name, TensorView<const float> hand,
                   TensorView<const float> expected, const CompareOptions& options) {
  return compare_alone(name, hand, expected, options);
}
Comparison compare(std::string_view name, TensorView<const double> hand,
                   TensorView<const double> expected, const CompareOptions& options) {
  return compare_alone(name, hand, expected, options);
}

template <class T>
CompareReport compare(Tape<T>& tape, std::span<const NamedValue<std::type_identity_t<T>>> hand,
                      const CompareOptions& options, SourceLocation location) {
  if (hand.empty()) {
    throw UsageError("compare", "no values: expected at least one, since nothing always agrees",
                     location);
  }
  std::int64_t dimension = 0;
  for (NodeId id = 0; id < tape.size(); ++id) {
    dimension = std::max(dimension, largest_dimension(tape.node(id).shape));
  }
  const double tolerance = options.tolerance.value_or(default_tolerance<T>(dimension));
  CompareReport report;
  for (const auto& [name, value] : hand) {
    const TensorView<const T> expected = tape.find(name, location).value(location);
    report.rows.push_back(compare_tensors(name, value, expected, tolerance));
    if (!report.rows.back()) report.verdict = Verdict::fail;
  }
  return report;
}

template CompareReport compare(Tape<float>&, std::span<const NamedValue<float>>,
                               const CompareOptions&, SourceLocation);
template CompareReport compare(Tape<double>&, std::span<const NamedValue<double>>,
                               const CompareOptions&, SourceLocation);

}  // namespace chainrule
