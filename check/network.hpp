// A softmax classifier, recognised in a graph. Internal.
#pragma once

#include <chainrule/check/altered.hpp>
#include <optional>
#include <vector>

namespace chainrule::detail {

/// Zl = A(l-1) Wl (+ bl), Al = f(Zl), as nodes of a Graph.
struct NetworkLayer {
  NodeId product = no_node;         ///< matmul or linear: its inputs are A(l-1) and Wl
  NodeId z = no_node;               ///< `product`, or the addition of the bias
  NodeId w = no_node, b = no_node;  ///< b: no_node where there is none
  NodeId bias_reader = no_node;     ///< linear or add
  int bias_input = 0;               ///< which of its inputs b is
  NodeId below = no_node;           ///< A(l-1): X for the first
  NodeId activation = no_node;      ///< Al; no_node for the last
};

struct Network {
  std::vector<NetworkLayer> layers;  ///< from the input side
  NodeId x = no_node;
  V targets;  ///< Y (N, K): one-hot where the tape has indices
  std::int64_t samples = 0, classes = 0;
  bool trick = false;  ///< no biases, and X's last column is ones

  int depth() const { return static_cast<int>(layers.size()); }
  /// Layer l from 1 on.
  const NetworkLayer& at(int l) const { return layers[static_cast<std::size_t>(l) - 1]; }
  NodeId logits() const { return layers.back().z; }
};

/// The network that softmax_cross_entropy's gradient goes down, where the graph is one: linear
/// layers, without or with biases, one elementwise operation between two of them. Further terms of
/// the loss, such as a weight decay, may be there.
std::optional<Network> recognise_network(const Graph& graph);

}  // namespace chainrule::detail
