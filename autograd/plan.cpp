#include <chainrule/autograd/plan.hpp>

#include <fmt/format.h>
#include <chainrule/autograd/basic_ops.hpp>
#include <chainrule/autograd/finite.hpp>

#include <algorithm>
#include <chrono>
#include <functional>
#include <map>
#include <new>

namespace chainrule {

namespace {

template <class T>
bool overlap(TensorView<const T> a, TensorView<const T> b) {
  const std::less<const T*> before;  // a total order, also between unrelated arrays
  return a.size() > 0 && b.size() > 0 && before(a.begin(), b.end()) && before(b.begin(), a.end());
}

}  // namespace

template <class T>
Plan<T>::Plan(std::span<const Var<T>> outputs, SourceLocation location) {
  if (outputs.empty()) throw UsageError("plan", "no outputs: expected at least one Var", location);
  Tape<T>& tape = outputs.front().tape(location);
  for (const Var<T>& output : outputs) tape.expect_own(output, "plan", location);
  select(tape, outputs);
  assign_memory();
}

/// Copies the records that the outputs need, renumbered in their order.
template <class T>
void Plan<T>::select(Tape<T>& tape, std::span<const Var<T>> outputs) {
  NodeId count = 0;
  for (const Var<T>& output : outputs) count = std::max(count, output.id() + 1);
  std::vector<NodeId> place(count, no_node);
  std::size_t needed = 0, edges = 0;
  for (const Var<T>& output : outputs) place[output.id()] = 0;
  for (NodeId id = count; id-- > 0;) {
    if (place[id] == no_node) continue;
    ++needed;
    edges += tape.node(id).inputs.size();
    for (const NodeId in : tape.node(id).inputs) place[in] = 0;
  }

  nodes_.reserve(needed);
  descriptions_.reserve(needed);  // names point into it
  inputs_.reserve(edges);  // spans point into it: it must not move
  for (NodeId id = 0; id < count; ++id) {
    if (place[id] == no_node) continue;
    const auto here = static_cast<NodeId>(nodes_.size());
    place[id] = here;
    Node<T> node = tape.node(id);
    const std::size_t begin = inputs_.size();
    for (const NodeId in : node.inputs) inputs_.push_back(place[in]);
    node.inputs = {inputs_.data() + begin, inputs_.size() - begin};
    Description& description = descriptions_.emplace_back();
    description.name = node.name;
    if (node.adjoint_of != no_node) {
      const Node<T>& of = tape.node(node.adjoint_of);
      description.of = detail::describe(of, of.name);
    }
    node.name = description.name;
    if (node.op->check) checks_.push_back(here);
    if (node.op->forward) {
      if (node.shape.size() > 0) steps_.push_back(here);  // nothing to write otherwise
    } else if (node.op != &detail::constant_op<T>()) {
      leaf_vars_.emplace_back(tape.var(id), here);
      if (node.tensor) leaves_.push_back(here);
    }
    nodes_.push_back(std::move(node));
  }
  for (const Var<T>& output : outputs) outputs_.push_back({output, place[output.id()]});
}

/// Gives each step a place in one block. A place is free again after the last step that reads it,
/// and goes to the next value of the same size: what a step needs is more often still in the cache.
template <class T>
void Plan<T>::assign_memory() {
  const auto bytes_of = [](const Node<T>& node) {
    const std::size_t bytes = static_cast<std::size_t>(node.shape.size()) * sizeof(T);
    return std::max(alignment, (bytes + alignment - 1) / alignment * alignment);
  };
  std::vector<NodeId> last_use(nodes_.size(), 0);
  for (const NodeId id : steps_) {
    for (const NodeId in : nodes_[id].inputs) last_use[in] = id;
  }
  for (const Output& output : outputs_) last_use[output.node] = no_node;

  const auto is_constant = [](const Node<T>& node) { return node.op == &detail::constant_op<T>(); };
  std::vector<std::size_t> offset(nodes_.size(), 0);
  std::map<std::size_t, std::vector<std::size_t>> free;  // by size
  for (NodeId id = 0; id < nodes_.size(); ++id) {
    const Node<T>& node = nodes_[id];
    if (!node.op->forward && !is_constant(node)) continue;
    const std::size_t size = bytes_of(node);
    std::vector<std::size_t>& places = free[size];
    if (places.empty() || is_constant(node)) {  // constants are there from the start
      offset[id] = bytes_;
      bytes_ += size;
    } else {
      offset[id] = places.back();
      places.pop_back();
    }
    for (const NodeId in : node.inputs) {
      if (last_use[in] != id || !nodes_[in].op->forward) continue;
      free[bytes_of(nodes_[in])].push_back(offset[in]);
      last_use[in] = no_node;  // once, also when a step reads it twice
    }
  }

  memory_.reset(static_cast<std::byte*>(detail::allocate(std::max(bytes_, alignment))));
  for (NodeId id = 0; id < nodes_.size(); ++id) {
    Node<T>& node = nodes_[id];
    if (!node.op->forward && !is_constant(node)) continue;
    T* data = reinterpret_cast<T*>(memory_.get() + offset[id]);
    if (is_constant(node)) std::copy_n(node.data, node.shape.size(), data);
    node.data = data;
  }
}

template <class T>
const typename Plan<T>::Output& Plan<T>::output(Var<T> var, std::string_view operation,
                                                SourceLocation location) const {
  for (const Output& output : outputs_) {
    if (output.var == var) return output;
  }
  throw UsageError(operation, "the Var is none of this plan's outputs: ask for it in plan({...})",
                   location);
}

template <class T>
std::string Plan<T>::described(NodeId id) const {
  return detail::describe(nodes_[id], nodes_[id].name);
}

template <class T>
void Plan<T>::expect_apart(const Node<T>& leaf, const T* data, std::string_view operation,
                           SourceLocation location) const {
  for (const Output& output : outputs_) {
    if (!output.destination || !overlap<T>({data, leaf.shape}, *output.destination)) continue;
    throw UsageError(operation,
                     fmt::format("{} would be read where {} is written to",
                                 detail::describe(leaf, leaf.name), described(output.node)),
                     location);
  }
}

template <class T>
void Plan<T>::write_to(Var<T> var, TensorView<T> destination, SourceLocation location) {
  Output* found = const_cast<Output*>(&output(var, "Plan::write_to", location));
  Node<T>& node = nodes_[found->node];
  if (node.shape != destination.shape()) {
    throw ShapeError("Plan::write_to",
                     fmt::format("the output has shape {} and its destination {}",
                                 to_string(node.shape), to_string(destination.shape())),
                     location);
  }
  if (destination.size() > 0 && !destination.data()) {
    throw UsageError("Plan::write_to", "the destination is null", location);
  }
  // Asked for several times: the first time that has no destination yet, else the first of all.
  std::int64_t times = 0;
  for (Output& other : outputs_) {
    if (other.node != found->node) continue;
    ++times;
    if (found->destination && !other.destination) found = &other;
  }
  for (const Output& other : outputs_) {
    if (&other != found && other.destination && overlap<T>(*other.destination, destination)) {
      throw UsageError("Plan::write_to",
                       fmt::format("the destination of {} overlaps that of {}",
                                   described(found->node), described(other.node)),
                       location);
    }
  }
  for (const auto& [leaf, id] : leaf_vars_) {
    if (!overlap<T>({nodes_[id].data, nodes_[id].shape}, destination)) continue;
    throw UsageError("Plan::write_to",
                     fmt::format("the destination of {} overlaps {}, which the plan reads: a run "
                                 "never writes to its leaves",
                                 described(found->node), described(id)),
                     location);
  }
  found->destination = destination;
  // A leaf keeps its address, and a node that several outputs share cannot stand in all places.
  found->copied = !node.op->forward || times > 1;
  if (!found->copied) node.data = destination.data();
  ran_ = false;
}

template <class T>
void Plan<T>::rebind(Var<T> leaf, TensorView<const T> view, SourceLocation location) {
  for (const auto& [var, id] : leaf_vars_) {
    if (!(var == leaf)) continue;
    Node<T>& node = nodes_[id];
    if (node.shape != view.shape()) {
      throw ShapeError(
          "Plan::rebind",
          fmt::format("the plan was made for a leaf of shape {}, not {}: make one plan "
                      "per shape",
                      to_string(node.shape), to_string(view.shape())),
          location);
    }
    if (view.size() > 0 && !view.data()) {
      throw UsageError("Plan::rebind", "the view is null", location);
    }
    expect_apart(node, view.data(), "Plan::rebind", location);
    node.data = const_cast<T*>(view.data());
    node.tensor = nullptr;
    std::erase(leaves_, id);
    return;
  }
  throw UsageError("Plan::rebind", "the Var is no leaf of this plan", location);
}

template <class T>
void Plan<T>::expect_finite(NodeId id) const {
  const Node<T>& node = nodes_[id];
  const std::int64_t index = detail::first_not_finite<T>({node.data, node.shape});
  if (index < 0) return;
  detail::throw_not_finite(nodes_.data(), node, node.name, index, descriptions_[id].of,
                           fmt::format("run {} of the plan", runs_));
}

/// A run, in which step(evaluation, id) evaluates node `id`.
template <class T>
template <class Step>
void Plan<T>::evaluate(Step step) {
  if (nodes_.empty()) throw UsageError("Plan::run", "a plan that was never made, or moved from");
  ++runs_;
  for (const NodeId id : leaves_) {
    Node<T>& node = nodes_[id];
    if (node.tensor->shape() != node.shape) {
      throw ShapeError("Plan::run",
                       fmt::format("a bound tensor has shape {}, and had {} when it was recorded: "
                                   "make one plan per shape",
                                   to_string(node.tensor->shape()), to_string(node.shape)),
                       node.location);
    }
    if (node.tensor->data() == node.data) continue;
    expect_apart(node, node.tensor->data(), "Plan::run", node.location);
    node.data = const_cast<T*>(node.tensor->data());
  }
  for (const NodeId id : checks_) nodes_[id].op->check({nodes_.data(), nodes_[id]});
  ran_ = false;  // a run that throws from here on leaves values of two runs
  if (check_finite_) {
    for (NodeId id = 0; id < nodes_.size(); ++id) {
      if (!nodes_[id].op->forward) expect_finite(id);
    }
  }
  for (const NodeId id : steps_) step(Evaluation<T>(nodes_.data(), nodes_[id]), id);
  for (const Output& output : outputs_) {
    if (output.copied) {
      std::copy_n(nodes_[output.node].data, output.destination->size(), output.destination->data());
    }
  }
  ran_ = true;
}

template <class T>
void Plan<T>::run(KinkSides* sides) {
  if (!sides && !check_finite_) {
    return evaluate([](const Evaluation<T>& e, NodeId) { e.node().op->forward(e); });
  }
  evaluate([&](const Evaluation<T>& e, NodeId id) {
    const Op<T>& op = *e.node().op;
    op.forward(e);
    if (check_finite_) expect_finite(id);
    if (sides && op.sides) op.sides(e, *sides);
  });
}

template <class T>
void Plan<T>::run_timed(std::span<double> seconds, SourceLocation location) {
  if (seconds.size() != nodes_.size()) {
    throw UsageError("Plan::run_timed",
                     fmt::format("{} entries for {} nodes: expected one each", seconds.size(),
                                 nodes_.size()),
                     location);
  }
  using Clock = std::chrono::steady_clock;
  evaluate([&](const Evaluation<T>& e, NodeId id) {
    const auto start = Clock::now();
    e.node().op->forward(e);
    seconds[id] += std::chrono::duration<double>(Clock::now() - start).count();
    if (check_finite_) expect_finite(id);
  });
}

template <class T>
TensorView<const T> Plan<T>::value(Var<T> var, SourceLocation location) const {
  const Output& found = output(var, "Plan::value", location);
  if (!ran_) {
    throw UsageError("Plan::value", "the plan has not run, or not since write_to, or a run threw",
                     location);
  }
  return {nodes_[found.node].data, nodes_[found.node].shape};
}

template <class T>
T Plan<T>::item(Var<T> var, SourceLocation location) const {
  const TensorView<const T> view = value(var, location);
  if (view.size() != 1) {
    throw ShapeError(
        "Plan::item",
        fmt::format("{} has {} elements: expected one", to_string(view.shape()), view.size()),
        location);
  }
  return view[0];
}

template class Plan<float>;
template class Plan<double>;

}  // namespace chainrule
