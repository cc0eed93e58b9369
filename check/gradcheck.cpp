#include <chainrule/check/gradcheck.hpp>

#include <fmt/format.h>
#include <chainrule/check/recording.hpp>
#include <chainrule/check/stencil.hpp>

#include <algorithm>
#include <atomic>
#include <cmath>
#include <future>
#include <set>

namespace chainrule {

namespace {

using V = Var<double>;
using detail::Stream;

constexpr std::int64_t small_leaf = 200;
constexpr double noise_margin = 10;  // an error of more floors than this is no rounding
constexpr double kink_share = 0.05;  // of the entries: beyond it too little was checked
constexpr double first_step = 0x1p-7, first_direction_step = 0x1p-4;

void expect_options(V y, std::span<const V> leaves, const GradcheckOptions& options,
                    SourceLocation location) {
  const auto expect = [&](bool right, const std::string& text) {
    if (!right) throw UsageError("gradcheck", text, location);
  };
  expect(options.order >= 1 && options.order <= 3,
         fmt::format("order is {}: expected 1, 2 or 3", options.order));
  expect(options.threads >= 1, fmt::format("threads is {}: expected 1 or more", options.threads));
  expect(options.entries >= 1, fmt::format("entries is {}: expected 1 or more", options.entries));
  expect(options.directions >= 0,
         fmt::format("directions is {}: expected 0 or more", options.directions));
  expect(options.tolerance_entry > 0 && options.tolerance_norm > 0,
         fmt::format("tolerances are {} and {}: expected positive numbers", options.tolerance_entry,
                     options.tolerance_norm));
  const Tape<double>& tape = y.tape(location);
  tape.expect_own(y, "gradcheck", location);
  expect(!leaves.empty(), "no leaves: expected at least one");
  for (std::size_t i = 0; i < leaves.size(); ++i) {
    tape.expect_own(leaves[i], "gradcheck", location);
    const Op<double>& op = *tape.node(leaves[i].id()).op;
    expect(!op.forward, fmt::format("leaf {} is the result of {}: expected an input or a parameter",
                                    i, op.name));
    const auto before = leaves.first(i);
    expect(std::find(before.begin(), before.end(), leaves[i]) == before.end(),
           fmt::format("leaf {} was given before", i));
  }
  for (const std::size_t i : options.zero) {
    expect(i < leaves.size(), fmt::format("zero names leaf {} of {}", i, leaves.size()));
  }
}

/// A step of the size of x, and a power of two: then x + k h is exact but for a carry.
double step_for(double x, double factor) {
  return factor * std::exp2(std::floor(std::log2(std::max(1.0, std::abs(x)))));
}

double largest_of(TensorView<const double> values) {
  double largest = 0;
  for (const double value : values) largest = std::max(largest, std::abs(value));
  return largest;
}

enum class Outcome { right, undecided, wrong };

Outcome judge(const detail::Slope& slope, double autodiff, double tolerance) {
  if (!slope.found) return Outcome::undecided;
  const double error = std::abs(slope.nearest(autodiff) - autodiff);
  if (error <= tolerance) return Outcome::right;
  const bool noisy = slope.uncertainty > tolerance;
  return noisy && error <= noise_margin * slope.uncertainty ? Outcome::undecided : Outcome::wrong;
}

class Checker {
 public:
  Checker(V y, std::span<const V> leaves, const GradcheckOptions& options)
      : options_(options), point_(values_of(leaves)), recording_(y, leaves, point_, options) {
    for (int t = 0; t < options.threads; ++t) {
      probes_.emplace_back(recording_.f(), recording_.leaves(), point_);
    }
    report_.order = options.order;
    report_.seed = options.seed;
    report_.tolerance_entry = options.tolerance_entry;
    report_.tolerance_norm = options.tolerance_norm;
    const std::vector<bool> replays = replay(y, leaves);
    for (std::size_t i = 0; i < leaves.size(); ++i) {
      LeafReport& leaf = report_.leaves.emplace_back();
      leaf.name = leaves[i].name().empty() ? fmt::format("input {}", i) : leaves[i].name();
      leaf.shape = leaves[i].shape();
      check(i, leaf);
      if (!replays[i]) {
        leaf.verdict = Verdict::fail;
        leaf.reason =
            "a plan's gradient differs from that of recording anew where the leaves have "
            "moved: a rule keeps values of the recording";
      }
    }
    conclude();
  }
  GradcheckReport report() && { return std::move(report_); }

 private:
  static std::vector<Tensor<double>> values_of(std::span<const V> leaves) {
    std::vector<Tensor<double>> values;
    for (const V& leaf : leaves) values.emplace_back(leaf.value());
    return values;
  }

  std::vector<bool> replay(V y, std::span<const V> leaves) const {
    std::vector<Tensor<double>> moved = point_;
    for (std::size_t i = 0; i < moved.size(); ++i) {
      const Random random = detail::stream(options_, Stream::move, i);
      for (std::int64_t k = 0; k < moved[i].size(); ++k) {
        const double size = 0x1p-7 * std::max(0x1p-10, std::abs(moved[i][k]));
        moved[i][k] += size * random.uniform(static_cast<std::uint64_t>(k), -1, 1);
      }
    }
    return recording_.replays(detail::Recording(y, leaves, moved, options_), moved);
  }

  std::vector<std::int64_t> choose_entries(std::size_t leaf) const {
    const TensorView<const double> gradient = recording_.gradient(leaf);
    const std::int64_t size = gradient.size();
    const bool all = options_.mode == GradcheckMode::all_entries || size <= options_.entries ||
                     (options_.mode == GradcheckMode::automatic && size <= small_leaf);
    std::set<std::int64_t> chosen;
    if (all) {
      for (std::int64_t i = 0; i < size; ++i) chosen.insert(chosen.end(), i);
      return {chosen.begin(), chosen.end()};
    }
    const auto smaller = [](double a, double b) { return std::abs(a) < std::abs(b); };
    chosen.insert(std::max_element(gradient.begin(), gradient.end(), smaller) - gradient.begin());
    const Random random = detail::stream(options_, Stream::sample, leaf);
    for (std::uint64_t k = 0; std::ssize(chosen) < options_.entries; ++k) {
      chosen.insert(static_cast<std::int64_t>(random.below(k, static_cast<std::uint64_t>(size))));
    }
    return {chosen.begin(), chosen.end()};
  }

  /// The slopes of all `entries`, shared out among the threads.
  std::vector<detail::Slope> slopes(std::size_t leaf, const std::vector<std::int64_t>& entries,
                                    const detail::SlopeRequest& request) {
    std::vector<detail::Slope> result(entries.size());
    std::atomic<std::size_t> next{0};
    const auto work = [&](detail::Probe& probe) {
      for (std::size_t k = next++; k < entries.size(); k = next++) {
        detail::SlopeRequest own = request;
        own.autodiff = recording_.gradient(leaf)[entries[k]];
        own.step = step_for(point_[leaf][entries[k]], first_step);
        result[k] = detail::find_slope(probe, {leaf, entries[k]}, own);
      }
    };
    std::vector<std::future<void>> others;
    for (std::size_t t = 1; t < probes_.size(); ++t) {
      others.push_back(std::async(std::launch::async, work, std::ref(probes_[t])));
    }
    work(probes_.front());
    for (std::future<void>& other : others) other.get();
    return result;
  }

  void check(std::size_t leaf, LeafReport& report);
  void check_directions(std::size_t leaf, LeafReport& report, detail::SlopeRequest request);
  void conclude();

  const GradcheckOptions& options_;
  std::vector<Tensor<double>> point_;
  detail::Recording recording_;
  std::vector<detail::Probe> probes_;
  GradcheckReport report_;
  bool visible_ = false;  // whether any gradient stands out of the noise
};

void Checker::check(std::size_t leaf, LeafReport& report) {
  const TensorView<const double> gradient = recording_.gradient(leaf);
  if (gradient.size() == 0) return;
  const auto fail = [&](std::string reason) {
    report.verdict = Verdict::fail;
    report.reason = std::move(reason);
  };
  const bool zero =
      std::find(options_.zero.begin(), options_.zero.end(), leaf) != options_.zero.end();
  const auto bad = std::find_if(gradient.begin(), gradient.end(),
                                [zero](double g) { return !std::isfinite(g) || (zero && g != 0); });
  if (bad != gradient.end()) {
    report.worst = bad - gradient.begin();
    report.worst_autodiff = *bad;
    report.worst_numeric = NAN;
    report.failures = 1;
    report.max_entry_error = HUGE_VAL;
    return fail(zero ? "the derivative is declared zero, and is not"
                     : "the gradient is not finite");
  }

  detail::Probe& probe = probes_.front();
  detail::SlopeRequest request;
  request.centre = probe.at({leaf, 0}, 0);
  if (!std::isfinite(request.centre.value)) return fail("f is not finite");
  report.largest = largest_of(gradient);
  request.tolerance = options_.tolerance_entry * report.largest;
  request.noise = detail::measure_noise(probe, leaf, point_[leaf],
                                        detail::stream(options_, Stream::noise, leaf));
  const double floor = detail::central_floor(request.noise, first_step);
  visible_ = visible_ || zero || report.largest > noise_margin * floor;

  const std::vector<std::int64_t> entries = choose_entries(leaf);
  const std::vector<detail::Slope> found = slopes(leaf, entries, request);
  report.checked = std::ssize(entries);
  Outcome worst = Outcome::right;
  double worst_error = -1;
  for (std::size_t k = 0; k < entries.size(); ++k) {
    const double autodiff = gradient[entries[k]];
    const detail::Slope& slope = found[k];
    Outcome outcome = judge(slope, autodiff, request.tolerance);
    // What is declared zero has steps or is flat: a jump is a kink, and rounding counts for
    // nothing.
    if (zero && (slope.kink || outcome == Outcome::undecided)) outcome = Outcome::right;
    report.kinks += slope.kink && outcome == Outcome::right;
    report.undecided += outcome == Outcome::undecided;
    report.failures += outcome == Outcome::wrong;
    const double numeric = slope.found ? slope.nearest(autodiff) : autodiff;
    const double error = std::abs(numeric - autodiff);
    if (outcome > worst || (outcome == worst && error > worst_error)) {
      worst = outcome, worst_error = error;
      report.worst = entries[k], report.worst_autodiff = autodiff, report.worst_numeric = numeric;
    }
    report.max_entry_error = std::max(report.max_entry_error, error);
  }
  if (zero) {
    if (report.failures > 0) fail("the derivative is declared zero, and f changes");
    return;
  }
  const bool vacuous = report.largest == 0 && report.failures == 0;
  if (report.largest == 0) report.largest = report.max_entry_error;
  if (report.largest > 0) {
    report.max_entry_error /= report.largest;
    report.noise_floor = floor / report.largest;
  }
  if (vacuous) return fail("vacuous: the gradient is zero; declare it so if it must be");
  if (report.failures > 0) {
    return fail(fmt::format("{} of {} entries are wrong", report.failures, report.checked));
  }

  const bool sampled = report.checked < gradient.size();
  if (sampled && options_.mode == GradcheckMode::automatic) {
    check_directions(leaf, report, request);
    if (report.verdict == Verdict::fail) return;
  }
  if (report.undecided > 0) {
    report.verdict = Verdict::cannot_decide;
    report.reason = fmt::format("{} of {} entries are off by no more than rounding may explain",
                                report.undecided, report.checked);
  } else if (static_cast<double>(report.kinks) > kink_share * static_cast<double>(report.checked)) {
    report.verdict = Verdict::cannot_decide;
    report.reason = fmt::format("{} of {} entries are at a kink", report.kinks, report.checked);
  }
}

void Checker::check_directions(std::size_t leaf, LeafReport& report, detail::SlopeRequest request) {
  const TensorView<const double> gradient = recording_.gradient(leaf);
  const auto n = static_cast<std::size_t>(gradient.size());
  double squares = 0;  // of g / largest, which neither overflow nor vanish
  for (const double g : gradient) squares += (g / report.largest) * (g / report.largest);
  const double size = report.largest * std::sqrt(squares / static_cast<double>(n));
  request.tolerance = options_.tolerance_norm * size;
  request.step = step_for(largest_of(point_[leaf]), first_direction_step);
  const Random random = detail::stream(options_, Stream::direction, leaf);
  std::vector<double> direction(n);
  std::uint64_t next = 0;
  for (int k = 0; k < options_.directions; ++k) {
    double norm = 0;
    for (double& v : direction) v = random.normal(next++), norm += v * v;
    for (double& v : direction) v /= std::sqrt(norm);
    request.autodiff = 0;
    for (std::size_t i = 0; i < n; ++i) {
      request.autodiff += gradient[static_cast<std::int64_t>(i)] * direction[i];
    }
    const detail::Slope slope = detail::find_slope(probes_.front(), {leaf, -1, direction}, request);
    if (slope.kink) continue;
    const Outcome outcome = judge(slope, request.autodiff, request.tolerance);
    if (outcome == Outcome::undecided) continue;
    ++report.directions;
    report.direction_error =
        std::max(report.direction_error, std::abs(slope.low - request.autodiff) / size);
    if (outcome == Outcome::wrong) {
      report.verdict = Verdict::fail;
      report.reason =
          "the derivative along a random direction is wrong, though no entry of the "
          "sample is: check all entries";
    }
  }
}

void Checker::conclude() {
  const auto with = [this](Verdict verdict) {
    return std::find_if(report_.leaves.begin(), report_.leaves.end(),
                        [verdict](const LeafReport& leaf) { return leaf.verdict == verdict; });
  };
  for (const Verdict verdict : {Verdict::fail, Verdict::cannot_decide}) {
    if (const auto leaf = with(verdict); leaf != report_.leaves.end()) {
      report_.verdict = verdict;
      report_.reason = leaf->name + ": " + leaf->reason;
      break;
    }
  }
  if (!visible_ && report_.verdict != Verdict::fail) {
    report_.verdict = Verdict::fail;
    report_.reason = "vacuous: no gradient stands out of the noise";
  }
}

}  // namespace

GradcheckReport gradcheck(V y, std::span<const V> leaves, const GradcheckOptions& options,
                          SourceLocation location) {
  expect_options(y, leaves, options, location);
  return Checker(y, leaves, options).report();
}

}  // namespace chainrule
