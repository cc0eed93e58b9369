#include <chainrule/check/compare.hpp>
#include <chainrule/check/hints.hpp>
#include <chainrule/check/precision.hpp>

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <limits>

namespace chainrule {

namespace {

using detail::measure;

/// A sum of k terms is uncertain by eps sqrt(k), eightfold.
template <class T>
double default_tolerance(std::int64_t largest_dimension) {
  const double terms = static_cast<double>(std::max<std::int64_t>(1024, largest_dimension));
  const double noise =
      8 * static_cast<double>(std::numeric_limits<T>::epsilon()) * std::sqrt(terms);
  return std::is_same_v<T, double> ? std::max(1e-12, noise) : noise;
}

std::int64_t largest_dimension(const Shape& shape) {
  std::int64_t largest = 0;
  if (shape.size() == 0) return largest;  // nothing is summed, however long the other axes
  for (const std::int64_t dimension : shape.dimensions()) largest = std::max(largest, dimension);
  return largest;
}

/// For each node the largest dimension of any value that it is made of.
template <class T>
std::vector<std::int64_t> dimensions_behind(const Tape<T>& tape) {
  std::vector<std::int64_t> dimensions(tape.size());
  for (NodeId id = 0; id < tape.size(); ++id) {
    dimensions[id] = largest_dimension(tape.node(id).shape);
    for (const NodeId in : tape.node(id).inputs) {
      dimensions[id] = std::max(dimensions[id], dimensions[in]);
    }
  }
  return dimensions;
}

// A derivation by hand rounds elsewhere: its errors are others than the tape's, of the same size.
constexpr double noise_factor = 8;
constexpr double most_noise = 0.01;  // a tolerance above it lets everything pass

/// What the order of summation may do even where the tape's own happens to round well.
double order_of_summation(std::int64_t largest_dimension) {
  const double terms = static_cast<double>(std::max<std::int64_t>(16, largest_dimension));
  return 4 * static_cast<double>(std::numeric_limits<float>::epsilon()) * std::sqrt(terms);
}

/// The norm-wise error that rounding to float has left in a value, by its twin in double.
double rounding_noise(TensorView<const float> value, TensorView<const double> twin) {
  std::vector<double> widened(value.begin(), value.end());
  const TensorView<const double> view(widened.data(), value.shape());
  if (!detail::all_finite(view) || !detail::all_finite(twin)) return HUGE_VAL;
  Comparison row;
  measure(row, view, twin);
  return row.norm_error;
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
    return fail(detail::explain_shapes(row, hand, expected));
  }
  for (std::int64_t i = 0; i < expected.size(); ++i) {
    const bool finite = std::isfinite(hand[i]);
    if (finite && std::isfinite(expected[i])) continue;
    row.norm_error = row.max_error = HUGE_VAL;
    row.worst = i;
    row.hand = static_cast<double>(hand[i]), row.expected = static_cast<double>(expected[i]);
    return fail(fmt::format("the {} is not finite", finite ? "value expected" : "value by hand"));
  }
  measure(row, hand, expected);
  if (!(row.norm_error <= tolerance)) {
    const auto zero = [](T x) { return x == 0; };
    if (std::all_of(expected.begin(), expected.end(), zero)) return fail("expected exact zeros");
    return fail(fmt::format("norm-wise error {:.1e}, above {:.1e}{}", row.norm_error, tolerance,
                            detail::explain_values(row, hand, expected)));
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
  CompareReport report;
  const std::vector<std::int64_t> dimensions = dimensions_behind(tape);
  std::optional<DoubleRecording> in_double;
  if constexpr (std::is_same_v<T, float>) {
    if (!options.tolerance) in_double.emplace(tape);
  }
  for (const auto& [name, value] : hand) {
    const Var<T> var = tape.find(name, location);
    const TensorView<const T> expected = var.value(location);
    double tolerance = options.tolerance.value_or(default_tolerance<T>(dimensions[var.id()]));
    std::optional<double> noise;
    std::string note;
    if (in_double) {
      if constexpr (std::is_same_v<T, float>) {
        if (const auto twin = in_double->find(var.id())) {
          noise = rounding_noise(expected, twin->value());
          tolerance = noise_factor * *noise + order_of_summation(dimensions[var.id()]);
        } else {
          note = fmt::format("the noise is not measured: {} is known in float alone",
                             in_double->without_twin().front());
        }
      }
    }
    Comparison& row = report.rows.emplace_back(compare_tensors(name, value, expected, tolerance));
    row.noise = noise;
    row.note = std::move(note);
    if (row && noise && tolerance > most_noise && row.norm_error > 0) {
      row.verdict = Verdict::cannot_decide;
      row.reason = fmt::format("rounding to float alone makes an error of {:.1e} here", *noise);
    }
    if (!row || report.verdict == Verdict::pass) report.verdict = row.verdict;
  }
  return report;
}

template CompareReport compare(Tape<float>&, std::span<const NamedValue<float>>,
                               const CompareOptions&, SourceLocation);
template CompareReport compare(Tape<double>&, std::span<const NamedValue<double>>,
                               const CompareOptions&, SourceLocation);

}  // namespace chainrule
