// Candidates: what a gradient would be if a mistake of the catalogue had been made. Internal.
#pragma once

#include <chainrule/check/altered.hpp>
#include <chainrule/check/network.hpp>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace chainrule::detail {

/// What the options hold, in double and by the nodes of the graph.
struct StepContext {
  std::optional<double> learning_rate, momentum, weight_decay;
  std::map<NodeId, Tensor<double>> previous, updated, velocity;
};

/// Where in the backward pass a mistake lies: two of one group are not made at once.
enum class Group { factor, output, derivative, way_down, parameters, steps };

/// One mistake, made in one way.
struct Candidate {
  std::string_view id;
  int layer = 0;  ///< 0: at every layer to which it applies
  Group group = Group::factor;
  std::vector<Edit> edits;
  /// Where a number in it is not known: the edits for each value.
  std::function<std::vector<Edit>(double)> family = {};
  bool linear = true;        ///< whether all gradients are linear in the number
  double low = 0, high = 0;  ///< the values that make sense
  std::string parameter{};   ///< its name
  std::optional<double> value = {};
  std::string detail{};          ///< "g = tanh"
  std::string have{}, should{};  ///< formulas, where the catalogue's do not fit
  int formula_layer = 0;         ///< l of the catalogue's; 0: as `layer`
  NodeId node = no_node;         ///< whose rule it alters, where it is about one node of any graph
};

/// Everything of the catalogue that can be made in this network with this context. `right` are the
/// right adjoints of all nodes that have one.
std::vector<Candidate> network_candidates(const Graph& graph, const Network& network,
                                          const StepContext& context, const std::vector<V>& right);

/// A constant factor that has a name, and the mistake that it is.
struct NamedFactor {
  std::string_view id, symbol;
  double value = 1;
};
std::vector<NamedFactor> named_factors(const Network& network, const StepContext& context);

/// One rule altered at one node, for every node of any graph.
/// Only those that can change the adjoint of every node of `wrong`.
std::vector<Candidate> graph_candidates(const Graph& graph, std::span<const NodeId> wrong);

}  // namespace chainrule::detail
