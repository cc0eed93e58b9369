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
// What steps do not resolve (x + 1e8 is a staircase) does not show when it is measured; analysis
// knows of it, but overestimates.
constexpr double expected_share = 0.125;
constexpr double noise_margin = 10;  // an error of more floors than this is no rounding
constexpr double kink_share = 0.05;  // of the entries: beyond it too little was checked
constexpr double first_step = 0x1p-6, first_direction_step = 0x1p-2;  // of max(1, |x|)
constexpr std::uint64_t numbers_of_a_line = 256;                      // of the random steps

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
  expect(options.tolerance_entry > 0 && options.tolerance_direction > 0,
         fmt::format("tolerances are {} and {}: expected positive numbers", options.tolerance_entry,
                     options.tolerance_direction));
  expect(options.points >= 1, fmt::format("points is {}: expected 1 or more", options.points));
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
  expect(
      options.domains.size() == leaves.size() || (options.domains.empty() && options.points == 1),
      fmt::format("{} domains for {} leaves: expected one for each", options.domains.size(),
                  leaves.size()));
  for (const Domain& domain : options.domains) {
    expect(std::isfinite(domain.low) && std::isfinite(domain.high) && domain.low <= domain.high,
           fmt::format("a domain from {} to {}: expected finite numbers in order", domain.low,
                       domain.high));
  }
  for (const std::size_t i : options.zero) {
    expect(i < leaves.size(), fmt::format("zero names leaf {} of {}", i, leaves.size()));
  }
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
  return error <= tolerance + noise_margin * slope.uncertainty ? Outcome::undecided
                                                               : Outcome::wrong;
}

using Point = std::vector<Tensor<double>>;

/// The check at one point.
class Checker {
 public:
  Checker(V y, std::span<const V> leaves, Point point, const GradcheckOptions& options)
      : options_(options),
        point_(std::move(point)),
        recording_(y, leaves, point_, options),
        reports_(leaves.size()) {
    for (int t = 0; t < options.threads; ++t) {
      probes_.emplace_back(recording_.f(), recording_.leaves(), point_);
    }
    const std::vector<bool> replays = replay(y, leaves);
    expected_rounding_ = recording_.expected_rounding();
    for (std::size_t i = 0; i < leaves.size(); ++i) {
      LeafReport& leaf = reports_[i];
      leaf.name = leaves[i].name().empty() ? fmt::format("input {}", i) : leaves[i].name();
      leaf.shape = leaves[i].shape();
      check(i, leaf);
      if (leaf.verdict != Verdict::cannot_decide) leaf.sweep.clear();
      if (!replays[i]) {
        leaf.verdict = Verdict::fail;
        leaf.vacuous = false;
        leaf.reason =
            "a plan's gradient differs from that of recording anew where the leaves have "
            "moved: a rule keeps values of the recording";
      }
    }
  }
  const std::vector<LeafReport>& reports() const { return reports_; }
  /// Whether any gradient stands out of the noise.
  bool visible() const { return visible_; }

 private:
  std::vector<bool> replay(V y, std::span<const V> leaves) const {
    Point moved = point_;
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
        result[k] =
            detail::find_slope(probe, {leaf, entries[k]}, request_for(leaf, entries[k], request));
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

  detail::SlopeRequest request_for(std::size_t leaf, std::int64_t entry,
                                   detail::SlopeRequest request) const {
    const double x = std::abs(point_[leaf][entry]);
    request.autodiff = recording_.gradient(leaf)[entry];
    request.step = first_step * std::max(1.0, x);
    request.resolution = 0x1p-47 * x;
    request.random = detail::stream(options_, Stream::steps, leaf);
    request.place = static_cast<std::uint64_t>(entry) * numbers_of_a_line;
    return request;
  }

  void check(std::size_t leaf, LeafReport& report);
  /// What the stencil says of `entries`. The worst is put down with its values.
  void judge_entries(std::size_t leaf, LeafReport& report, const detail::SlopeRequest& request,
                     bool zero);
  void check_directions(std::size_t leaf, LeafReport& report, detail::SlopeRequest request);

  const GradcheckOptions& options_;
  Point point_;
  detail::Recording recording_;
  std::vector<detail::Probe> probes_;
  std::vector<LeafReport> reports_;
  double expected_rounding_ = 0;
  bool visible_ = false;
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
  request.magnitude = report.largest;
  request.noise =
      std::max(detail::measure_noise(probe, leaf, detail::stream(options_, Stream::noise, leaf)),
               expected_share * expected_rounding_);
  const double scale = std::max(1.0, largest_of(point_[leaf]));
  const double floor = detail::central_floor(request.noise, first_step * scale);
  visible_ = visible_ || zero || report.largest > noise_margin * floor;

  judge_entries(leaf, report, request, zero);
  if (zero) {
    if (report.failures > 0) fail("the derivative is declared zero, and f changes");
    return;
  }
  report.vacuous = report.largest == 0 && report.failures == 0;
  if (report.largest == 0) report.largest = report.max_entry_error;
  if (report.largest > 0) {
    report.max_entry_error /= report.largest;
    report.noise_floor = floor / report.largest;
  }
  if (report.vacuous) return fail("vacuous: the gradient is zero; declare it so if it must be");
  if (report.failures > 0) {
    return fail(fmt::format("{} of {} entries are wrong", report.failures, report.checked));
  }

  const bool sampled = report.checked < gradient.size();
  if (sampled && options_.mode == GradcheckMode::automatic) {
    check_directions(leaf, report, request);
    if (report.verdict == Verdict::fail) return;
  }
  const auto undecided = [&](std::string reason) {
    report.verdict = Verdict::cannot_decide;
    report.reason = std::move(reason);
  };
  if (report.undecided > 0) {
    undecided(fmt::format("{} of {} entries are off by no more than rounding may explain",
                          report.undecided, report.checked));
  } else if (static_cast<double>(report.kinks) > kink_share * static_cast<double>(report.checked)) {
    undecided(fmt::format("{} of {} entries are at a kink", report.kinks, report.checked));
  } else if (report.undecided_directions > 0 && report.directions == 0) {
    return undecided(
        fmt::format("none of {} directions through all {} entries could decide: check all entries",
                    report.undecided_directions, gradient.size()));
  }
  if (report.verdict == Verdict::cannot_decide) {
    const double x = std::abs(point_[leaf][report.worst]);
    report.sweep = detail::sweep_table(probe, {leaf, report.worst},
                                       request_for(leaf, report.worst, request), std::max(1.0, x));
    report.sweep_of_direction = false;
  }
}

void Checker::judge_entries(std::size_t leaf, LeafReport& report,
                            const detail::SlopeRequest& request, bool zero) {
  const std::vector<std::int64_t> entries = choose_entries(leaf);
  const std::vector<detail::Slope> found = slopes(leaf, entries, request);
  report.checked = std::ssize(entries);
  Outcome worst = Outcome::right;
  double worst_error = -1;
  for (std::size_t k = 0; k < entries.size(); ++k) {
    const double autodiff = recording_.gradient(leaf)[entries[k]];
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
}

void Checker::check_directions(std::size_t leaf, LeafReport& report, detail::SlopeRequest request) {
  const TensorView<const double> gradient = recording_.gradient(leaf);
  const auto n = static_cast<std::size_t>(gradient.size());
  double squares = 0;  // of g / largest, which neither overflow nor vanish
  for (const double g : gradient) squares += (g / report.largest) * (g / report.largest);
  const double size = report.largest * std::sqrt(squares / static_cast<double>(n));
  request.tolerance = options_.tolerance_direction * size;
  request.magnitude = size;
  const double scale = std::max(1.0, largest_of(point_[leaf]));
  request.step = first_direction_step * scale;
  request.resolution = 0x1p-44 * scale;
  request.random = detail::stream(options_, Stream::direction_steps, leaf);
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
    request.place = static_cast<std::uint64_t>(k) * numbers_of_a_line;
    const detail::Line line{leaf, -1, direction};
    const detail::Slope slope = detail::find_slope(probes_.front(), line, request);
    const Outcome outcome =
        slope.kink ? Outcome::undecided : judge(slope, request.autodiff, request.tolerance);
    if (outcome == Outcome::undecided) {
      if (report.undecided_directions++ == 0) {
        report.sweep = detail::sweep_table(probes_.front(), line, request, scale);
        report.sweep_of_direction = true;
      }
      continue;
    }
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

/// What several points say of a leaf: the worst of them, with the sums and largest numbers of all.
/// A point at which the gradient is zero says nothing, unless all do.
LeafReport merged(const LeafReport& a, const LeafReport& b) {
  const auto rank = [](const LeafReport& leaf) {
    return leaf.vacuous ? -1 : leaf.verdict == Verdict::fail ? 2 : leaf.verdict != Verdict::pass;
  };
  const bool b_counts =
      rank(b) != rank(a) ? rank(b) > rank(a) : b.max_entry_error > a.max_entry_error;
  LeafReport result = b_counts ? b : a;
  const LeafReport& other = b_counts ? a : b;
  result.checked += other.checked;
  result.failures += other.failures;
  result.undecided += other.undecided;
  result.kinks += other.kinks;
  result.directions += other.directions;
  result.undecided_directions += other.undecided_directions;
  result.max_entry_error = std::max(result.max_entry_error, other.max_entry_error);
  result.direction_error = std::max(result.direction_error, other.direction_error);
  if (!other.vacuous) result.noise_floor = std::max(result.noise_floor, other.noise_floor);
  return result;
}

void conclude(GradcheckReport& report, bool visible) {
  for (const Verdict verdict : {Verdict::fail, Verdict::cannot_decide}) {
    const auto leaf = std::find_if(report.leaves.begin(), report.leaves.end(),
                                   [verdict](const LeafReport& l) { return l.verdict == verdict; });
    if (leaf == report.leaves.end()) continue;
    report.verdict = verdict;
    report.reason = leaf->name + ": " + leaf->reason;
    break;
  }
  if (!visible && report.verdict != Verdict::fail) {
    report.verdict = Verdict::fail;
    report.reason = "vacuous: no gradient stands out of the noise";
  }
}

/// Point 0 is the given one.
Point point_of(std::span<const V> leaves, int number, const GradcheckOptions& options) {
  Point point;
  for (std::size_t i = 0; i < leaves.size(); ++i) {
    Tensor<double>& values = point.emplace_back(leaves[i].value());
    if (number == 0) continue;
    const Random random = detail::stream(options, Stream::point, i);
    for (std::int64_t k = 0; k < values.size(); ++k) {
      const Domain& domain = options.domains[i];
      values[k] = random.uniform(static_cast<std::uint64_t>(k), domain.low, domain.high);
    }
  }
  return point;
}

}  // namespace

GradcheckReport gradcheck(V y, std::span<const V> leaves, const GradcheckOptions& options,
                          SourceLocation location) {
  expect_options(y, leaves, options, location);
  GradcheckReport report;
  report.order = options.order;
  report.seed = options.seed;
  report.points = options.points;
  report.tolerance_entry = options.tolerance_entry;
  report.tolerance_direction = options.tolerance_direction;
  bool visible = false;
  for (int number = 0; number < options.points; ++number) {
    GradcheckOptions own = options;
    own.seed += static_cast<std::uint64_t>(number) * 0x9E3779B97F4A7C15u;  // other streams
    const Checker checker(y, leaves, point_of(leaves, number, own), own);
    visible = visible || checker.visible();
    for (std::size_t i = 0; i < leaves.size(); ++i) {
      LeafReport leaf = checker.reports()[i];
      leaf.point = number;
      if (number == 0) {
        report.leaves.push_back(std::move(leaf));
      } else {
        report.leaves[i] = merged(report.leaves[i], leaf);
      }
    }
  }
  conclude(report, visible);
  return report;
}

}  // namespace chainrule
