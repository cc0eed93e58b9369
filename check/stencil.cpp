#include <chainrule/check/stencil.hpp>

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>
#include <optional>

namespace chainrule::detail {

namespace {

/// A difference quotient over a step: central or one-sided.
struct Rung {
  double step = 0, slope = 0;
};

struct Estimate {
  double value = 0, floor = 0;
};

/// The derivative from quotients at steps that fall: Richardson's extrapolation to step 0 of the
/// polynomial through them, in step^2 (central quotients) or in step.
Estimate extrapolate(std::span<const Rung> rungs, bool central, double noise) {
  double value = 0, gain = 0, size = 0;
  for (const Rung& rung : rungs) {
    double weight = 1;
    for (const Rung& other : rungs) {
      if (&other == &rung) continue;
      const double ratio = rung.step / other.step;
      weight /= 1 - (central ? ratio * ratio : ratio);
    }
    value += weight * rung.slope;
    size += std::abs(weight * rung.slope);
    gain += std::abs(weight) / rung.step;
  }
  // Of a central quotient two samples have weight 1 / 2; of a one-sided one, two have weight 1.
  const double floor =
      3 * noise * (central ? gain : 2 * gain) + 4 * std::numeric_limits<double>::epsilon() * size;
  return {value, floor};
}

constexpr double least_ratio = 1.4, largest_ratio = 1.7;

/// The steps of a sweep: they fall by random factors, so that no two are commensurate and no grid
/// on which f has structure is met by all.
class Steps {
 public:
  Steps(const SlopeRequest& request, double first)
      : random_(request.random),
        place_(request.place),
        step_(first * random_.uniform(place_, 1, 2)) {}
  double step() const { return step_; }
  void next() { step_ /= random_.uniform(++place_, least_ratio, largest_ratio); }

 private:
  Random random_;
  std::uint64_t place_;
  double step_;
};

enum class Side { both, left, right };

/// Difference quotients along one line.
class Quotients {
 public:
  Quotients(Probe& probe, const Line& line, const SlopeRequest& request, Side side)
      : probe_(&probe), line_(&line), request_(&request), side_(side) {}

  /// Nothing where f is not finite or a kink is in between. On one side the kink may be at the
  /// point itself: then all samples must be beyond it.
  std::optional<Rung> at(double step) {
    return side_ == Side::both ? central(step) : one_sided(side_ == Side::left ? -step : step);
  }

 private:
  std::optional<Rung> central(double step) {
    const Probe::Sample above = probe_->at(*line_, step);
    if (!std::isfinite(above.value) || above.sides != request_->centre.sides) return {};
    const Probe::Sample below = probe_->at(*line_, -step);
    if (!std::isfinite(below.value) || below.sides != request_->centre.sides) return {};
    const double width = above.offset - below.offset;
    if (width == 0) return {};
    return Rung{width / 2, (above.value - below.value) / width};
  }
  std::optional<Rung> one_sided(double step) {
    const Probe::Sample sample = probe_->at(*line_, step);
    if (!std::isfinite(sample.value) || sample.offset == 0) return {};
    // All samples beyond the kink, and none beyond the next one.
    const bool same = !known_ || sample.sides == sides_;
    sides_ = sample.sides, known_ = true;
    if (!same) return {};
    return Rung{std::abs(sample.offset), (sample.value - request_->centre.value) / sample.offset};
  }

  Probe* probe_;
  const Line* line_;
  const SlopeRequest* request_;
  Side side_;
  KinkSides sides_;  // of the last sample on one side
  bool known_ = false;
};

/// What a sweep settled on.
struct Settled {
  double value = 0, uncertainty = HUGE_VAL;
};

/// Follows the estimates of a sweep, from coarse to fine, and keeps the one that is known best.
class Choice {
 public:
  void add(const Estimate& estimate) {
    if (history_.empty()) {
      history_.push_back({estimate.value, HUGE_VAL});
      if (!best_) best_ = history_.back();
      return;
    }
    // Two differences: steps that follow each other share most of their samples.
    const Settled& last = history_.back();
    const double before = history_.size() > 1 ? history_[history_.size() - 2].value : last.value;
    Settled now{estimate.value, std::max({estimate.floor, std::abs(estimate.value - last.value),
                                          std::abs(estimate.value - before)})};
    const bool three = history_.size() > 1;
    history_.push_back(now);
    // The derivative is a limit: where finer steps settle on something else, so do we. Else the
    // plateau that coarse steps see beside a narrow feature would count, or the trend of a
    // staircase.
    const bool overruled =
        three && best_ &&
        std::abs(now.value - best_->value) > margin * (now.uncertainty + best_->uncertainty);
    if (!best_ || overruled || now.uncertainty < best_->uncertainty) {
      best_ = now;
      best_at_ = history_.size();
    }
  }
  std::size_t size() const { return history_.size(); }
  /// Whether an estimate was confirmed by a second one.
  bool confirmed() const { return best_ && std::isfinite(best_->uncertainty); }

  const std::optional<Settled>& best() const { return best_; }
  const Settled& last() const { return history_.back(); }
  /// Whether the two last estimates are both within `distance` of `value`.
  bool two_near(double value, double distance) const {
    return history_.size() > 1 && std::abs(history_.back().value - value) <= distance &&
           std::abs(history_[history_.size() - 2].value - value) <= distance;
  }
  /// Whether steps finer than the best's say that `value` is nearer the truth than the best.
  bool finer_side_with(double value) const {
    return std::any_of(history_.begin() + static_cast<std::ptrdiff_t>(best_at_), history_.end(),
                       [&](const Settled& finer) {
                         return std::abs(finer.value - value) <= 2 * finer.uncertainty &&
                                std::abs(finer.value - best_->value) > 3 * finer.uncertainty;
                       });
  }

 private:
  static constexpr double margin = 10;
  std::vector<Settled> history_;
  std::optional<Settled> best_;
  std::size_t best_at_ = 0;  // estimates of the history up to the best
};

constexpr std::size_t central_rungs = 3, one_sided_rungs = 5;
constexpr double acceptance = 0.1;   // of the tolerance: two estimates as near end the sweep
constexpr double swamped = 0.03;     // of the gradient's magnitude: a floor that ends it
constexpr double fine_floor = 1e-4;  // of the magnitude, at the last look before acceptance
constexpr double most_coarse = 256;  // of the first step, where noise asks for more
constexpr double least_useful = 0x1p-6, least_of_zero = 0x1p-24;  // of the first step

double step_at_floor(double noise, double floor) {
  return floor > 0 ? central_floor(noise, 1) / floor : 0;
}

/// A step so small that nothing but the derivative at the point itself can be seen, though not
/// well: does it contradict autodiff? Structure too fine for the steps of the sweep would.
bool contradicted_at_the_point(Quotients& quotients, const SlopeRequest& request, double coarser) {
  if (request.magnitude == 0) return false;
  const double floor = fine_floor * request.magnitude;
  const double step = std::max(3 * request.noise / floor, request.resolution);
  if (step >= coarser) return false;
  const std::optional<Rung> rung = quotients.at(step);
  return rung && std::abs(rung->slope - request.autodiff) > 10 * floor;
}

/// Sweeps the step down until two estimates meet autodiff, or noise ends it; nothing where no step
/// keeps its sides.
std::optional<Settled> sweep(Side side, Probe& probe, const Line& line,
                             const SlopeRequest& request) {
  const bool central = side == Side::both;
  const std::size_t count = central ? central_rungs : one_sided_rungs;
  const double quiet = step_at_floor(request.noise, request.tolerance / 30);
  const double first = std::clamp(quiet, request.step, most_coarse * request.step);
  const double useful =  // the smallest step at which the tolerance can be told from noise
      request.tolerance > 0
          ? std::min(step_at_floor(request.noise, request.tolerance), least_useful * request.step)
          : least_of_zero * request.step;
  const double last =
      request.magnitude > 0
          ? std::min(step_at_floor(request.noise, swamped * request.magnitude), useful)
          : useful;
  const double accepted = acceptance * request.tolerance;

  Quotients quotients(probe, line, request, side);
  Choice choice;
  std::vector<Rung> rungs;
  bool doubted = !central;
  for (Steps steps(request, first);; steps.next()) {
    const double end = std::max(choice.best() && central ? last : useful, request.resolution);
    const bool begun = !rungs.empty() && choice.size() < 3;  // let it end
    if (steps.step() < (begun ? end / 16 : end)) break;
    const std::optional<Rung> rung = quotients.at(steps.step());
    if (!rung) {
      if (choice.confirmed()) break;  // a kink that wider steps did not meet: trust what was there
      rungs.clear();
      choice = {};
      continue;
    }
    rungs.push_back(*rung);
    if (rungs.size() < count) continue;
    choice.add(extrapolate(std::span(rungs).last(count), central, request.noise));
    if (!doubted && choice.two_near(request.autodiff, accepted)) {
      if (!contradicted_at_the_point(quotients, request, steps.step())) {
        return Settled{choice.last().value, choice.last().uncertainty};
      }
      doubted = true;
    }
  }
  std::optional<Settled> best = choice.best();
  if (best && std::abs(best->value - request.autodiff) > request.tolerance && central &&
      choice.finer_side_with(request.autodiff)) {
    best->uncertainty = std::max(best->uncertainty, std::abs(best->value - request.autodiff));
  }
  return best;
}

}  // namespace

double central_floor(double noise, double step) {
  // sum |weight| / step for three steps with the mean ratio.
  constexpr double gain = 7;
  return 3 * noise * gain / step;
}

Slope find_slope(Probe& probe, const Line& line, const SlopeRequest& request) {
  if (const auto smooth = sweep(Side::both, probe, line, request)) {
    return {smooth->value, smooth->value, smooth->uncertainty, false, true};
  }
  const auto left = sweep(Side::left, probe, line, request);
  const auto right = sweep(Side::right, probe, line, request);
  if (!left || !right) return {.kink = true};
  return {std::min(left->value, right->value), std::max(left->value, right->value),
          std::max(left->uncertainty, right->uncertainty), true, true};
}

std::vector<SweepStep> sweep_table(Probe& probe, const Line& line, const SlopeRequest& request,
                                   double scale) {
  Quotients quotients(probe, line, request, Side::both);
  std::vector<SweepStep> table;
  for (int exponent = 1; exponent <= 10; ++exponent) {
    SweepStep& row = table.emplace_back();
    row.step = scale * std::pow(10, -exponent);
    std::vector<Rung> rungs;
    for (const double factor : {1.0, 2.0 / 3, 0.4}) {
      if (const auto rung = quotients.at(row.step * factor)) rungs.push_back(*rung);
    }
    row.floor = central_floor(request.noise, row.step);
    row.numeric = rungs.size() == central_rungs ? extrapolate(rungs, true, request.noise).value
                                                : std::numeric_limits<double>::quiet_NaN();
    row.difference = row.numeric - request.autodiff;
  }
  return table;
}

}  // namespace chainrule::detail
