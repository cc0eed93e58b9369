#include <chainrule/autograd/gradients.hpp>

#include <fmt/format.h>
#include <chainrule/autograd/basic_ops.hpp>

#include <algorithm>

namespace chainrule {

namespace {

// What a node is to this backward pass.
enum Mark : std::uint8_t {
  varies = 1,   // depends on something in wrt
  reached = 2,  // y depends on it
};

template <class T>
[[noreturn]] void throw_no_rule(const Node<T>& node, SourceLocation asked) {
  throw UsageError(
      node.op->name,
      fmt::format("a gradient is asked for{} through an operation without a rule: give it an "
                  "adjoint, or zero_derivative where that is meant",
                  asked.line() ? " at " + asked.to_string() : ""),
      node.location);
}

}  // namespace

template <class T>
std::span<const Var<T>> Tape<T>::gradients(Var<T> y, std::span<const Var<T>> wrt, Var<T> cotangent,
                                           SourceLocation location, bool name) {
  expect_recordable("gradients", location);
  expect_own(y, "gradients", location);
  for (const Var<T>& x : wrt) expect_own(x, "gradients", location);
  if (!cotangent && y.shape().size() != 1) {
    throw ShapeError(
        "gradients",
        fmt::format("y has shape {}: expected one element, or a cotangent", to_string(y.shape())),
        location);
  }
  if (cotangent) {
    expect_own(cotangent, "gradients", location);
    if (cotangent.shape() != y.shape()) {
      throw ShapeError("gradients",
                       fmt::format("y has shape {} and its cotangent {}: expected equal",
                                   to_string(y.shape()), to_string(cotangent.shape())),
                       location);
    }
  }

  const State before = state();
  try {
    const NodeId count = y.id() + 1;
    const std::span<std::uint8_t> mark = arena_.allocate<std::uint8_t>(count);
    const std::span<NodeId> adjoint = arena_.allocate<NodeId>(count);
    std::fill(mark.begin(), mark.end(), std::uint8_t{0});
    std::fill(adjoint.begin(), adjoint.end(), no_node);

    // Forward: what varies with wrt. Backward: what y depends on. The tape's order is topological.
    NodeId first = count;
    for (const Var<T>& x : wrt) {
      if (x.id() < count) mark[x.id()] = varies, first = std::min(first, x.id());
    }
    for (NodeId id = first; id < count; ++id) {
      const Node<T>& node = nodes_[id];
      if (node.op->zero_derivative) continue;
      for (const NodeId in : node.inputs) {
        if (mark[in] & varies) mark[id] |= varies;
      }
    }
    mark[y.id()] |= reached;
    for (NodeId id = count; id-- > 0;) {
      if (!(mark[id] & reached)) continue;
      for (const NodeId in : nodes_[id].inputs) mark[in] |= reached;
    }
    for (const auto& leaf : parameters_) {
      if (leaf.node < count && (mark[leaf.node] & reached) &&
          leaf.version != leaf.parameter->version()) {
        throw UsageError(
            "gradients",
            fmt::format("parameter '{}' was changed after it was recorded: the values on "
                        "the tape are of version {}, it is at version {}",
                        leaf.parameter->name(), leaf.version, leaf.parameter->version()),
            location);
      }
    }

    if (first < count) {
      const Var<T> seed = cotangent ? cotangent : constant(T(1), y.shape(), location);
      adjoint[y.id()] = seed.id();
      for (NodeId id = count; id-- > first;) {
        if (adjoint[id] == no_node || !(mark[id] & varies)) continue;
        // Every consumer of this node has been visited, so its adjoint is complete.
        const Var<T> complete = var(adjoint[id]);
        const Op<T>& op = *nodes_[id].op;
        const std::span<const NodeId> inputs = nodes_[id].inputs;  // lies in the arena
        if (op.zero_derivative) continue;
        const detail::Scoped scope(adjoint_of_, id);
        for (std::size_t i = 0; i < inputs.size(); ++i) {
          const NodeId in = inputs[i];
          if (!(mark[in] & varies)) continue;
          if (op.adjoint == nullptr) throw_no_rule(nodes_[id], location);
          const Var<T> part = op.adjoint(Adjoint<T>(*this, id, complete), static_cast<int>(i));
          expect_own(part, op.name, nodes_[id].location);
          if (part.shape() != nodes_[in].shape) {
            throw ShapeError(
                op.name,
                fmt::format("the adjoint of input {} has shape {}: expected that of the "
                            "input, {}",
                            i, to_string(part.shape()), to_string(nodes_[in].shape)),
                nodes_[id].location);
          }
          adjoint[in] = adjoint[in] == no_node ? part.id() : add(var(adjoint[in]), part).id();
        }
      }
      for (NodeId id = count; name && id-- > first;) {
        if (adjoint[id] != no_node && (mark[id] & varies)) set_gradient_name(id, var(adjoint[id]));
      }
    }

    const std::span<Var<T>> result = arena_.allocate<Var<T>>(wrt.size());
    for (std::size_t i = 0; i < wrt.size(); ++i) {
      const NodeId id = wrt[i].id();
      if (id < count && adjoint[id] != no_node) {
        result[i] = var(adjoint[id]);
      } else {
        result[i] = constant(T(0), nodes_[id].shape, location);
        if (name) set_gradient_name(id, result[i]);
      }
    }
    return result;
  } catch (...) {
    restore(before);  // a rule that throws leaves no half of a backward pass
    throw;
  }
}

template std::span<const Var<float>> Tape<float>::gradients(Var<float>, std::span<const Var<float>>,
                                                            Var<float>, SourceLocation, bool);
template std::span<const Var<double>> Tape<double>::gradients(Var<double>,
                                                              std::span<const Var<double>>,
                                                              Var<double>, SourceLocation, bool);

}  // namespace chainrule
