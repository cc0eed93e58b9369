#include "statistics.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>

namespace reproduce {

namespace {

/// Student's t, 97.5 %, at 1, 2, ... degrees of freedom.
double student(std::size_t freedom) {
  constexpr std::array<double, 10> t{12.71, 4.30, 3.18, 2.78, 2.57, 2.45, 2.36, 2.31, 2.26, 2.23};
  return t[std::min(freedom, t.size()) - 1];
}

/// Half the width of the 95 % interval of the difference of two means; NaN for fewer than two
/// seeds.
double uncertainty(const Summary& a, const Summary& b) {
  const std::size_t count = std::min(a.count, b.count);
  if (count < 2) return std::numeric_limits<double>::quiet_NaN();
  return student(count - 1) * std::sqrt(a.deviation * a.deviation / static_cast<double>(a.count) +
                                        b.deviation * b.deviation / static_cast<double>(b.count));
}

}  // namespace

Summary summarise(const std::vector<double>& values) {
  Summary summary{values.size(), 0, std::numeric_limits<double>::quiet_NaN()};
  if (values.empty()) {
    summary.mean = std::numeric_limits<double>::quiet_NaN();
    return summary;
  }
  const double count = static_cast<double>(values.size());
  for (const double value : values) summary.mean += value / count;
  if (values.size() < 2) return summary;
  double squares = 0;
  for (const double value : values) squares += std::pow(value - summary.mean, 2);
  summary.deviation = std::sqrt(squares / (count - 1));
  return summary;
}

std::string to_string(Judgement judgement) {
  switch (judgement) {
    case Judgement::holds:
      return "holds";
    case Judgement::does_not:
      return "does not hold";
    case Judgement::cannot_tell:
      return "cannot be told";
    case Judgement::one_seed_yes:
      return "cannot be told (this seed: yes)";
    case Judgement::one_seed_no:
      return "cannot be told (this seed: no)";
    case Judgement::not_mnist:
      return "not MNIST";
    case Judgement::not_run:
      return "not run";
  }
  return "?";
}

Judgement is_above(const std::vector<double>& a, const std::vector<double>& b, double margin) {
  if (a.empty() || b.empty()) return Judgement::not_run;
  const Summary of_a = summarise(a), of_b = summarise(b);
  const double above = of_a.mean - of_b.mean - margin, half = uncertainty(of_a, of_b);
  if (std::isnan(half)) return above > 0 ? Judgement::one_seed_yes : Judgement::one_seed_no;
  if (above > half) return Judgement::holds;
  if (above < -half) return Judgement::does_not;
  return Judgement::cannot_tell;
}

Judgement is_near(const std::vector<double>& a, const std::vector<double>& b, double margin) {
  if (a.empty() || b.empty()) return Judgement::not_run;
  const Summary of_a = summarise(a), of_b = summarise(b);
  const double apart = std::abs(of_a.mean - of_b.mean), half = uncertainty(of_a, of_b);
  if (std::isnan(half)) return apart <= margin ? Judgement::one_seed_yes : Judgement::one_seed_no;
  if (apart + half <= margin) return Judgement::holds;
  if (apart - half > margin) return Judgement::does_not;
  return Judgement::cannot_tell;
}

}  // namespace reproduce
