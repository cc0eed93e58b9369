// Where a derivation goes wrong: each value that was handed in against the right one, and against
// the right rules continued from the user's own values above it. Internal.
#pragma once

#include <chainrule/check/altered.hpp>
#include <chainrule/check/diagnose.hpp>
#include <string>
#include <vector>

namespace chainrule::detail {

/// A value that was handed in, in double.
struct Target {
  std::string name;  ///< "dW1"
  NodeId node = no_node;
  bool gradient = true;  ///< of the node; else its value
  Tensor<double> hand;
  bool recovered = false;
  double residual = 0;  ///< of the recovery
  // Filled in by measure_targets:
  V right;               ///< empty where hand has another shape
  double size = 0;       ///< |right|
  double error = 0;      ///< |hand - right|
  double allowed = 0;    ///< what the error may be, absolute
  double tolerance = 0;  ///< the same, relative to |right|: infinite where that is zero
  bool noisy = false;    ///< the tolerance is mostly measured noise
};

/// |a - b| in the 2-norm, scaled so that nothing overflows where it need not; infinite where a NaN is.
double distance(TensorView<const double> a, TensorView<const double> b);
double norm(TensorView<const double> a);
double dot(TensorView<const double> a, TensorView<const double> b);
bool all_finite(TensorView<const double> a);

/// The nodes whose adjoints were handed in.
std::vector<NodeId> wanted_nodes(const std::vector<Target>& targets);

/// The right value of each target, its tolerance and its error. The tolerance is twenty times
/// the largest change that a relative perturbation by `epsilon` makes: of the leaves, of every step
/// of the backward pass, and, as the textbook's forms a (1 - a) and yhat - y lose digits, of the
/// activations' derivatives and the output's delta by an absolute `epsilon`. It is at least
/// 8 epsilon sqrt(max(1024, K)), K the largest dimension, and in double 1e-12.
void measure_targets(const Graph& graph, const std::vector<V>& right, std::vector<Target>& targets,
                     double epsilon, std::optional<double> tolerance);

/// The user's own values, for a pass that goes on from them.
Walk::Substitutes own_values(const Graph& graph, const std::vector<Target>& targets);

/// One finding for each target, from the loss down: forward values first.
std::vector<Finding> locate(const Graph& graph, std::vector<Target>& targets);

}  // namespace chainrule::detail
