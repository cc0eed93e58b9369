#include <chainrule/check/stencil.hpp>

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
  if (line.entry >= 0) {
    moved[line.entry] = point[line.entry] + t;
  } else {
    for (std::int64_t i = 0; i < point.size(); ++i) {
      moved[i] = point[i] + t * line.direction[static_cast<std::size_t>(i)];
    }
  }
  Sample sample;
  plan_.run(&sample.sides);
  sample.value = plan_.item(f_);
  if (line.entry >= 0) {
    moved[line.entry] = point[line.entry];
  } else {
    std::copy(point.begin(), point.end(), moved.begin());
  }
  return sample;
}

double measure_noise(Probe& probe, std::size_t leaf, const Tensor<double>& point,
                     const Random& random) {
  constexpr int lines = 2, points = 12, order = 4;
  // Of a k-th difference of white noise the variance is (2k)! / (k!)^2 sigma^2.
  constexpr double gain = 70;
  std::vector<double> direction(static_cast<std::size_t>(point.size()));
  double squares = 0, largest = 0;
  int count = 0;
  std::uint64_t next = 0;
  for (int line = 0; line < lines; ++line) {
    // Steps far above the spacing of x, and far below what curves f: what is left is rounding.
    for (std::int64_t i = 0; i < point.size(); ++i) {
      const double size = std::ldexp(std::max(1.0, std::abs(point[i])), -30);
      direction[static_cast<std::size_t>(i)] = size * random.uniform(next++, -1, 1);
    }
    std::array<double, points> table;
    for (int k = 0; k < points; ++k) {
      table[static_cast<std::size_t>(k)] = probe.at({leaf, -1, direction}, k).value;
      const double size = std::abs(table[static_cast<std::size_t>(k)]);
      if (std::isfinite(size)) largest = std::max(largest, size);
    }
    for (std::size_t k = 1; k <= order; ++k) {
      for (std::size_t i = points - 1; i >= k; --i) table[i] -= table[i - 1];
    }
    for (std::size_t i = order; i < points; ++i) {
      if (std::isfinite(table[i])) squares += table[i] * table[i] / gain, ++count;
    }
  }
  return std::max(count > 0 ? std::sqrt(squares / count) : 0.0,
                  std::numeric_limits<double>::epsilon() * largest / 4);
}

namespace {

/// f'(x) = (centre f(x) + sum_k weight_k f(x + offset_k h)) / 60 h, the outermost point first: it
/// is the first to meet a kink.
struct Stencil {
  std::array<int, 6> offsets;
  std::array<double, 6> weights;
  double centre;

  constexpr double gain() const {
    double sum = centre < 0 ? -centre : centre;
    for (const double weight : weights) sum += weight < 0 ? -weight : weight;
    return sum / 60;
  }
};
constexpr Stencil central{{3, -3, 2, -2, 1, -1}, {1, -1, -9, 9, 45, -45}, 0};
constexpr Stencil forward{{6, 5, 4, 3, 2, 1}, {-10, 72, -225, 400, -450, 360}, -147};
constexpr Stencil backward{{-6, -5, -4, -3, -2, -1}, {10, -72, 225, -400, 450, -360}, 147};

double floor_of(const Stencil& stencil, double noise, double step) {
  return 3 * noise * stencil.gain() / step;
}

/// The samples at x + k h, k = -6 ... 6, as far as they are known.
class Samples {
 public:
  Samples(Probe& probe, const Line& line, double step) : probe_(&probe), line_(line), step_(step) {}
  double step() const { return step_; }
  const Probe::Sample& operator[](int k) {
    std::optional<Probe::Sample>& sample = samples_[static_cast<std::size_t>(k + 6)];
    if (!sample) sample = probe_->at(line_, k * step_);
    return *sample;
  }
  /// Half the step: what was at k is at 2 k.
  void halve() {
    step_ /= 2;
    std::array<std::optional<Probe::Sample>, 13> old;
    std::swap(old, samples_);
    // -3 to 3 stood at 3 to 9.
    for (std::size_t k = 0; k <= 6; ++k) samples_[2 * k] = old[k + 3];
  }

 private:
  Probe* probe_;
  Line line_;
  double step_;
  std::array<std::optional<Probe::Sample>, 13> samples_;
};

/// The stencil's value, unless its points lie on several sides (or not all on `sides`).
std::optional<double> apply(const Stencil& stencil, Samples& samples, double centre,
                            std::optional<KinkSides> sides) {
  double sum = stencil.centre == 0 ? 0 : stencil.centre * centre;
  for (std::size_t i = 0; i < stencil.offsets.size(); ++i) {
    const Probe::Sample& sample = samples[stencil.offsets[i]];
    if (!sides) sides = sample.sides;
    if (!std::isfinite(sample.value) || sample.sides != *sides) return std::nullopt;
    sum += stencil.weights[i] * sample.value;
  }
  return sum / (60 * samples.step());
}

struct Estimate {
  double value, uncertainty;
};

/// Sweeps the step down until the stencil settles; nothing where no step keeps its sides.
std::optional<Estimate> sweep(const Stencil& stencil, Probe& probe, const Line& line,
                              const SlopeRequest& request, std::optional<KinkSides> sides) {
  constexpr double least = 0x1p-40;  // of the first step: x + k h must stay apart
  // The smallest useful step: noise reaches the tolerance, or has long been above it.
  const double at_tolerance =
      request.tolerance > 0 ? floor_of(stencil, request.noise, 1) / request.tolerance : HUGE_VAL;
  const double smallest = std::clamp(at_tolerance, least * request.step, request.step / 64);

  std::optional<double> previous;
  std::optional<Estimate> best;
  double flattest = HUGE_VAL;
  for (Samples samples(probe, line, request.step); previous || samples.step() >= smallest;
       samples.halve()) {
    const std::optional<double> value = apply(stencil, samples, request.centre.value, sides);
    if (!value) {
      if (previous) break;  // a kink that wider points did not meet: trust what was there
      continue;
    }
    const double floor = floor_of(stencil, request.noise, samples.step());
    if (std::abs(*value - request.autodiff) <= request.tolerance / 100) {
      return Estimate{*value, floor};
    }
    if (previous) {
      const double difference = std::abs(*value - *previous);
      if (difference < flattest) {
        flattest = difference;
        best = {*value, std::max(difference, floor)};
      }
      if (difference <= std::max(request.tolerance / 20, floor)) break;
      if (samples.step() < smallest) break;
    }
    previous = value;
  }
  if (!best && previous) best = {*previous, HUGE_VAL};
  return best;
}

}  // namespace

double central_floor(double noise, double step) { return floor_of(central, noise, step); }

Slope find_slope(Probe& probe, const Line& line, const SlopeRequest& request) {
  if (const auto smooth = sweep(central, probe, line, request, request.centre.sides)) {
    return {smooth->value, smooth->value, smooth->uncertainty, false, true};
  }
  const auto left = sweep(backward, probe, line, request, std::nullopt);
  const auto right = sweep(forward, probe, line, request, std::nullopt);
  if (!left || !right) return {.kink = true};
  return {std::min(left->value, right->value), std::max(left->value, right->value),
          std::max(left->uncertainty, right->uncertainty), true, true};
}

}  // namespace chainrule::detail
