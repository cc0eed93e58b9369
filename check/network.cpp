#include <chainrule/check/network.hpp>
#include <chainrule/ops/ops.hpp>

#include <algorithm>
#include <cmath>

namespace chainrule::detail {

namespace {

/// Reads the layer whose weighted sums are node `z`; nothing where that is no linear layer.
std::optional<NetworkLayer> read_layer(const Graph& graph, NodeId z) {
  NetworkLayer layer;
  layer.z = layer.product = z;
  const Graph::Step* step = &graph.step(z);
  if (step->op->name == "add") {
    for (int i = 0; i < 2; ++i) {
      const NodeId product = step->inputs[static_cast<std::size_t>(i)];
      const NodeId bias = step->inputs[static_cast<std::size_t>(1 - i)];
      if (graph.step(product).op->name != "matmul" || graph.step(product).shape != step->shape ||
          !graph.step(bias).is_leaf() || graph.step(bias).shape.size() != step->shape.last()) {
        continue;
      }
      layer.product = product;
      layer.b = bias, layer.bias_reader = z, layer.bias_input = 1 - i;
      break;
    }
    step = &graph.step(layer.product);
  }
  if (step->shape.rank() != 2) return {};
  if (step->op->name == "linear") {
    layer.b = step->inputs[2], layer.bias_reader = layer.product, layer.bias_input = 2;
  } else if (step->op->name != "matmul" || step->attributes.flags != 0) {
    return {};
  }
  layer.below = step->inputs[0];
  layer.w = step->inputs[1];
  if (!graph.step(layer.w).is_leaf() || graph.step(layer.below).shape.rank() != 2) return {};
  return layer;
}

/// Y for the log-probabilities `node`: what they are multiplied with, or the one-hot rows of the
/// indices by which they are picked.
V read_targets(const Graph& graph, NodeId node) {
  for (const NodeId reader : graph.readers(node)) {
    const Graph::Step& step = graph.step(reader);
    if (step.op->name == "mul0" || step.op->name == "mul") {
      const NodeId other = step.inputs[0] == node ? step.inputs[1] : step.inputs[0];
      if (graph.step(other).shape == graph.step(node).shape) return graph.var(other);
    } else if (step.op->name == "pick") {
      Tensor<double> rows(graph.step(node).shape);
      for (std::int64_t n = 0; n < rows.shape()[0]; ++n) {
        rows(n, step.attributes.indices[static_cast<std::size_t>(n)]) = 1;
      }
      return graph.tape().constant(rows);
    }
  }
  return {};
}

/// Whether the logits' gradient is that of the mean cross-entropy: (m o Yhat - Y) / N.
bool is_mean_cross_entropy(const Graph& graph, const Network& network) {
  V found;
  const NodeId logits = network.logits();
  Walk(graph, std::span(&logits, 1), {}).run([&](NodeId, V adjoint) {
    found = adjoint;
    return true;
  });
  const V mass = sum(network.targets, {1}, true);
  const V expected = scale(sub(mul(mass, softmax(graph.var(logits))), network.targets),
                           1.0 / static_cast<double>(network.samples));
  double difference = 0, size = 0;
  for (std::int64_t i = 0; i < expected.shape().size(); ++i) {
    const double d = expected.value()[i] - found.value()[i];
    difference += d * d;
    size = std::max(size, std::abs(network.targets.value()[i]));
  }
  // In the graph of a float tape 1/N has float's rounding.
  return std::sqrt(difference) * static_cast<double>(network.samples) <=
         1e-6 * size * std::sqrt(static_cast<double>(expected.shape().size()));
}

}  // namespace

std::optional<Network> recognise_network(const Graph& graph) {
  NodeId log_probabilities = no_node;
  for (NodeId id = 0; id < graph.size(); ++id) {
    if (graph.step(id).op->name == "log_softmax") log_probabilities = id;
  }
  if (log_probabilities == no_node) return {};
  Network network;
  network.targets = read_targets(graph, log_probabilities);
  if (!network.targets) return {};

  NodeId z = graph.step(log_probabilities).inputs[0];
  NodeId activation = no_node;
  for (;;) {
    std::optional<NetworkLayer> layer = read_layer(graph, z);
    if (!layer) return {};
    layer->activation = activation;
    network.layers.push_back(*layer);
    const Graph::Step& below = graph.step(layer->below);
    if (below.is_leaf()) break;
    if (below.inputs.size() != 1 || graph.step(below.inputs[0]).shape != below.shape) return {};
    activation = layer->below;
    z = below.inputs[0];
  }
  std::ranges::reverse(network.layers);
  network.x = network.layers.front().below;
  network.samples = graph.step(network.logits()).shape[0];
  network.classes = graph.step(network.logits()).shape[1];

  const auto no_bias = [](const NetworkLayer& layer) { return layer.b == no_node; };
  if (std::ranges::all_of(network.layers, no_bias)) {
    const TensorView<const double> x = graph.var(network.x).value();
    network.trick = true;
    for (std::int64_t n = 0; n < x.shape()[0]; ++n) {
      network.trick &= x(n, x.shape()[1] - 1) == 1;
    }
  }
  if (network.targets.shape() != graph.step(network.logits()).shape ||
      !is_mean_cross_entropy(graph, network)) {
    return {};
  }
  return network;
}

}  // namespace chainrule::detail
