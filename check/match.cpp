#include <chainrule/check/match.hpp>

#include <algorithm>
#include <cmath>
#include <limits>

namespace chainrule::detail {

namespace {

/// The norm-wise tolerance of a match: a candidate's own rounding is not measured, so it gets three
/// times what the right value has, and a correct digit less than catalogue entries that differ.
double match_tolerance(const Target& target) { return std::max(3 * target.tolerance, 1e-10); }

/// The largest difference that still is agreement: of the size of the values, and where these have
/// cancelled to nothing, of the size of the right one's rounding.
double allowance(const Target& target, double hand, double candidate) {
  const double vanishing = 10 * std::min(target.tolerance, 1e-3) * target.size;
  if (hand <= vanishing && candidate <= vanishing) return std::numeric_limits<double>::infinity();
  double allowed = match_tolerance(target) * std::max(hand, candidate);
  // It must explain what is wrong, not merely be as close as the right value is.
  if (target.error > target.tolerance * target.size) allowed = std::min(allowed, 0.1 * target.error);
  return allowed;
}

}  // namespace

Match match(const Graph& graph, const std::vector<Target>& targets, std::span<const NodeId> wanted,
            std::span<const Edit> edits) {
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
    if (scaled_off > std::max(match_tolerance(target), 1e-10) * hand ||
        (target.error > target.tolerance * target.size && scaled_off > 0.1 * target.error)) {
      result.fits_scaled = false;
    } else {
      result.scaled_residual = std::max(result.scaled_residual, scaled_off / hand);
    }
  };
  const Graph::Mark mark = graph.mark();
  Walk walk(graph, wanted, edits);
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

bool fit_parameter(const Graph& graph, const std::vector<Target>& targets,
                   std::span<const NodeId> wanted, Candidate& candidate) {
  const Graph::Mark mark = graph.mark();
  std::vector<V> at_zero(graph.size());
  const std::vector<Edit> none = candidate.family(0), one = candidate.family(1);
  Walk(graph, wanted, none).run([&](NodeId node, V adjoint) {
    at_zero[node] = adjoint;
    return true;
  });
  // The topmost target that the number changes: what lies below may not be linear in it.
  bool found = false;
  double number = 0;
  Walk(graph, wanted, one).run([&](NodeId node, V adjoint) {
    for (const Target& target : targets) {
      if (!target.gradient || target.node != node || !target.right || target.recovered) continue;
      Tensor<double> direction(adjoint.value());
      const TensorView<const double> base = at_zero[node].value();
      for (std::int64_t i = 0; i < direction.size(); ++i) direction[i] -= base[i];
      const double size = norm(direction);
      if (size <= 1e-9 * target.size) continue;
      Tensor<double> rest(target.hand);
      for (std::int64_t i = 0; i < rest.size(); ++i) rest[i] -= base[i];
      number = dot(rest, direction) / (size * size);
      found = true;
      return false;
    }
    return true;
  });
  graph.rewind(mark);
  if (!found || !(number > candidate.low && number < candidate.high)) return false;
  candidate.value = number;
  candidate.edits = candidate.family(number);
  return true;
}

}  // namespace chainrule::detail
