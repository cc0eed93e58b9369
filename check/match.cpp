#include <chainrule/check/match.hpp>

#include <algorithm>
#include <cmath>
#include <limits>

namespace chainrule::detail {

namespace {

/// The difference that a match may have: a candidate's own rounding is not measured, so it gets
/// three times what the right value has.
double rounding(const Target& target, double size) {
  return 3 * target.allowed + std::max(1e-10, target.size > 0 ? 3 * target.tolerance : 0) * size;
}

bool is_wrong(const Target& target) { return target.error > target.allowed; }

/// The largest difference that still is agreement: of the size of the values, and where these have
/// cancelled to nothing, of the size of the right one's rounding.
double allowance(const Target& target, double hand, double candidate) {
  const double vanishing =
      target.size > 0 ? std::min(10 * target.allowed, 1e-2 * target.size) : 10 * target.allowed;
  if (hand <= vanishing && candidate <= vanishing) return std::numeric_limits<double>::infinity();
  double allowed = rounding(target, std::max(hand, candidate));
  // It must explain what is wrong, not merely be as close as the right value is, and no noise lets
  // 0.13 pass for 1/8.
  if (is_wrong(target)) {
    allowed = std::min({allowed, 0.1 * target.error, 1e-2 * std::max(hand, candidate)});
  }
  return allowed;
}

}  // namespace

Match match(const Graph& graph, const std::vector<Target>& targets, std::span<const NodeId> wanted,
            std::span<const Edit> edits, const Walk::Substitutes& substitutes) {
  Match result;
  result.fits = result.fits_scaled = true;
  bool has_factor = false;
  const auto visit = [&](const Target& target, V value, bool scales) {
    if (!target.right || target.recovered) return;
    const TensorView<const double> candidate = value.value();
    if (!all_finite(candidate)) {
      result.fits = result.fits_scaled = false;
      return;
    }
    const double hand = norm(target.hand), size = norm(candidate);
    const double off = distance(target.hand, candidate);
    if (!std::isfinite(hand) || !std::isfinite(size) ||
        !std::isfinite(off)) {  // no norm to judge by
      result.fits = result.fits_scaled = false;
      return;
    }
    if (off > allowance(target, hand, size)) {
      result.fits = false;
    } else if (hand > 0) {
      result.residual = std::max(result.residual, off / hand);
    }
    if (!result.fits_scaled) return;
    if (!scales) {
      result.fits_scaled = result.fits;
      return;
    }
    if (size == 0 || hand == 0) {
      result.fits_scaled = size == hand;
      return;
    }
    const double factor = dot(target.hand, candidate) / (size * size);
    if (!has_factor) result.factor = factor, has_factor = true;
    Tensor<double> scaled(candidate);
    for (double& x : scaled) x *= result.factor;
    const double scaled_off = distance(target.hand, scaled);
    const double relative = target.size > 0 ? 3 * target.tolerance : 0;
    if (scaled_off > std::max(1e-10, relative) * hand ||
        (is_wrong(target) && scaled_off > 0.1 * target.error)) {
      result.fits_scaled = false;
    } else {
      result.scaled_residual = std::max(result.scaled_residual, scaled_off / hand);
    }
  };
  const Graph::Mark mark = graph.mark();
  Walk walk(graph, wanted, edits, substitutes);
  for (const Target& target : targets) {
    if (!target.gradient) visit(target, walk.value(target.node), false);
  }
  if (result.fits || result.fits_scaled) {
    walk.run([&](NodeId node, V adjoint) {
      for (const Target& target : targets) {
        if (target.gradient && target.node == node) visit(target, adjoint, true);
      }
      return result.fits || result.fits_scaled;
    });
  }
  graph.rewind(mark);
  return result;
}

namespace {

/// One step of Gauss and Newton for the candidate's number: least squares over the targets'
/// relative differences, or over the topmost target that the number changes alone. Nothing where it
/// changes none.
std::optional<double> fit_step(const Graph& graph, const std::vector<Target>& targets,
                               std::span<const NodeId> wanted, const Candidate& candidate,
                               double from, double to, bool topmost_alone) {
  const Graph::Mark mark = graph.mark();
  std::vector<V> base(graph.size());
  const std::vector<Edit> here = candidate.family(from), there = candidate.family(to);
  Walk(graph, wanted, here).run([&](NodeId node, V adjoint) {
    base[node] = adjoint;
    return true;
  });
  double slope = 0, product = 0;
  Walk(graph, wanted, there).run([&](NodeId node, V adjoint) {
    for (const Target& target : targets) {
      if (!target.gradient || target.node != node || !target.right || target.recovered) continue;
      Tensor<double> direction(adjoint.value()), rest(target.hand);
      const TensorView<const double> at = base[node].value();
      for (std::int64_t i = 0; i < direction.size(); ++i) {
        direction[i] -= at[i], rest[i] -= at[i];
      }
      const double change = norm(direction), unit = std::max(target.size, norm(target.hand));
      if (unit == 0 || change <= 1e-9 * unit) continue;
      slope += (change / unit) * (change / unit);
      product += dot(rest, direction) / (unit * unit);
      if (topmost_alone) return false;
    }
    return true;
  });
  graph.rewind(mark);
  if (!(slope > 0)) return {};
  return from + (to - from) * product / slope;
}

}  // namespace

bool fit_parameter(const Graph& graph, const std::vector<Target>& targets,
                   std::span<const NodeId> wanted, Candidate& candidate) {
  // One free number explains one number, whatever it is.
  std::int64_t numbers = 0;
  for (const Target& target : targets) {
    if (target.right && !target.recovered && is_wrong(target)) numbers += target.hand.size();
  }
  if (numbers < 3) return false;
  // What lies below the topmost layer need not be linear in the number.
  std::optional<double> number = fit_step(graph, targets, wanted, candidate, 0, 1, true);
  for (int i = 0; !candidate.linear && number && i < 8; ++i) {
    const double from = std::clamp(*number, candidate.low, candidate.high);
    number = fit_step(graph, targets, wanted, candidate, from, from + 1e-3, false);
    if (number && std::abs(*number - from) <= 1e-13) break;
  }
  if (!number || !(*number > candidate.low && *number < candidate.high)) return false;
  candidate.value = *number;
  candidate.edits = candidate.family(*number);
  return true;
}

}  // namespace chainrule::detail
