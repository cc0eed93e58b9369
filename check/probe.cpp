#include <chainrule/check/probe.hpp>
#include <chainrule/check/recording.hpp>

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>
#include <optional>

namespace chainrule::detail {

Probe::Probe(Var<double> f, std::span<const Var<double>> leaves,
             const std::vector<Tensor<double>>& point)
    : point_(&point), moved_(point), f_(f), plan_(std::span(&f, 1)) {
  rebind(plan_, leaves, moved_);
}

Probe::Sample Probe::at(const Line& line, double t) {
  const Tensor<double>& point = (*point_)[line.leaf];
  Tensor<double>& moved = moved_[line.leaf];
  Sample sample{.value = 0, .offset = t, .sides = {}};
  if (line.entry >= 0) {
    moved[line.entry] = point[line.entry] + t;
    sample.offset = moved[line.entry] - point[line.entry];
  } else {
    for (std::int64_t i = 0; i < point.size(); ++i) {
      moved[i] = point[i] + t * line.direction[static_cast<std::size_t>(i)];
    }
  }
  plan_.run(&sample.sides);
  sample.value = plan_.item(f_);
  if (line.entry >= 0) {
    moved[line.entry] = point[line.entry];
  } else {
    std::copy(point.begin(), point.end(), moved.begin());
  }
  return sample;
}

namespace {

/// What difference tables show at one step size.
struct Noise {
  double sigma = 0, largest = 0;
};

/// `size(x)` is the largest step of an entry x.
template <class Size>
Noise difference_tables(Probe& probe, std::size_t leaf, const Random& random, Size size) {
  constexpr int lines = 2, points = 12, order = 4;
  // Of a k-th difference of white noise the variance is (2k)! / (k!)^2 sigma^2; the median of the
  // absolute value of a normal variable is 0.6745 standard deviations.
  const double gain = 0.6745 * std::sqrt(70.0);
  const Tensor<double>& point = probe.point(leaf);
  std::vector<double> direction(static_cast<std::size_t>(point.size()));
  Noise noise;
  std::vector<double> differences;
  std::uint64_t next = 0;
  for (int line = 0; line < lines; ++line) {
    for (std::int64_t i = 0; i < point.size(); ++i) {
      direction[static_cast<std::size_t>(i)] = size(point[i]) * random.uniform(next++, -1, 1);
    }
    std::array<double, points> table;
    for (std::size_t k = 0; k < points; ++k) {
      table[k] = probe.at({leaf, -1, direction}, static_cast<double>(k)).value;
      if (std::isfinite(table[k])) noise.largest = std::max(noise.largest, std::abs(table[k]));
    }
    for (std::size_t k = 1; k <= order; ++k) {
      for (std::size_t i = points - 1; i >= k; --i) table[i] -= table[i - 1];
    }
    for (std::size_t i = order; i < points; ++i) {
      if (std::isfinite(table[i])) differences.push_back(std::abs(table[i]));
    }
  }
  if (!differences.empty()) {
    const auto middle = differences.begin() + std::ssize(differences) / 2;
    std::nth_element(differences.begin(), middle, differences.end());
    noise.sigma = *middle / gain;
  }
  return noise;
}

}  // namespace

double measure_noise(Probe& probe, std::size_t leaf, const Random& random) {
  const auto at_least_one = [](double exponent) {
    return [exponent](double x) { return std::exp2(exponent) * std::max(1.0, std::abs(x)); };
  };
  // Far above the spacing of x, and below what curves most functions: what is left is rounding.
  Noise noise = difference_tables(probe, leaf, random, at_least_one(-30));
  const auto consider = [&noise](const Noise& other) {
    noise.sigma = std::min(noise.sigma, other.sigma);
  };
  consider(difference_tables(probe, leaf, random, at_least_one(-40)));
  consider(difference_tables(probe, leaf, random,
                             [](double x) { return std::exp2(-44) * std::abs(x); }));
  return std::max(noise.sigma, std::numeric_limits<double>::epsilon() * noise.largest / 4);
}

}  // namespace chainrule::detail
