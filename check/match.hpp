// Which candidates give what was handed in. Internal.
#pragma once

#include <chainrule/check/candidates.hpp>
#include <chainrule/check/locate.hpp>

namespace chainrule::detail {

/// How well one pass with edits gives the targets.
struct Match {
  bool fits = false;
  double residual = 0;  ///< largest norm-wise difference from what was handed in
  /// Where no factor 1 fits: one factor for all gradients with which it does.
  bool fits_scaled = false;
  double factor = 1, scaled_residual = 0;
};

/// Runs the pass, and stops at the first target that neither fits nor fits with the factor of the
/// targets before it. `substitutes`: from where the pass goes on with the user's own values.
Match match(const Graph& graph, const std::vector<Target>& targets, std::span<const NodeId> wanted,
            std::span<const Edit> edits, const Walk::Substitutes& substitutes = Walk::none());

/// A candidate with an unknown number: fits the number to the targets. False where none makes
/// sense.
bool fit_parameter(const Graph& graph, const std::vector<Target>& targets,
                   std::span<const NodeId> wanted, Candidate& candidate);

}  // namespace chainrule::detail
