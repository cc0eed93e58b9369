#include <chainrule/check/altered.hpp>
#include <chainrule/ops/ops.hpp>

#include <fmt/format.h>

#include <algorithm>

namespace chainrule::detail {

// --- the graph ---------------------------------------------------------------------------------

Graph::Graph(Tape<double>& tape, V loss, std::span<const V> keep) : tape_(&tape) {
  Tape<double>& from = loss.tape();
  std::vector<bool> needed(from.size());
  needed[loss.id()] = true;
  for (const V v : keep) needed[v.id()] = true;
  for (NodeId id = from.size(); id-- > 0;) {
    if (!needed[id]) continue;
    for (const NodeId in : from.node(id).inputs) needed[in] = true;
  }
  std::vector<NodeId> place(from.size(), no_node);
  std::vector<V> inputs;
  for (NodeId id = 0; id < from.size(); ++id) {
    if (!needed[id]) continue;
    const Node<double>& node = from.node(id);
    Step step{node.op, {}, node.attributes, node.shape, std::string(node.name), id, node.location};
    inputs.clear();
    for (const NodeId in : node.inputs) {
      step.inputs.push_back(place[in]);
      inputs.push_back(values_[place[in]]);
    }
    place[id] = static_cast<NodeId>(steps_.size());
    if (step.is_leaf()) {
      values_.push_back(tape.constant(from.var(id).value(node.location), node.location));
    } else {
      values_.push_back(tape.record(*step.op, inputs, step.attributes, step.location));
    }
    steps_.push_back(std::move(step));
  }
  loss_ = place[loss.id()];
  readers_.resize(steps_.size());
  for (NodeId id = 0; id < size(); ++id) {
    for (const NodeId in : steps_[id].inputs) {
      if (readers_[in].empty() || readers_[in].back() != id) readers_[in].push_back(id);
    }
  }
}

NodeId Graph::find(NodeId original) const {
  const auto found = std::ranges::lower_bound(steps_, original, {}, &Step::original);
  if (found == steps_.end() || found->original != original) return no_node;
  return static_cast<NodeId>(found - steps_.begin());
}

Graph::Mark Graph::mark() const { return {tape_->state()}; }
void Graph::rewind(const Mark& mark) const { tape_->restore(mark.state); }

std::string Graph::name(NodeId id) const {
  return steps_[id].name.empty() ? fmt::format("%{}", steps_[id].original) : steps_[id].name;
}

// --- a site ------------------------------------------------------------------------------------

V Site::value(NodeId id) const { return walk.value(id); }
V Site::adjoint(NodeId id) const { return walk.adjoint(id); }
V Site::input_value(int i) const {
  return walk.value(walk.graph().step(node).inputs[static_cast<std::size_t>(i)]);
}
V Site::output() const { return walk.value(node); }
V Site::rule(V g) const {
  const V own = walk.recorded_[node];
  const Graph::Step& step = walk.graph().step(node);
  if (!step.op->adjoint) {
    throw UsageError("diagnose",
                     fmt::format("{} has no rule for its derivative: expected one, or "
                                 "zero_derivative where that is meant",
                                 step.op->name),
                     step.location);
  }
  const V part = step.op->adjoint(Adjoint<double>(own.tape(), own.id(), g), input);
  const Shape& expected = walk.graph().step(step.inputs[static_cast<std::size_t>(input)]).shape;
  if (part.shape() != expected) {
    throw ShapeError(step.op->name,
                     fmt::format("the adjoint of input {} has shape {}: expected that of the "
                                 "input, {}",
                                 input, to_string(part.shape()), to_string(expected)),
                     step.location);
  }
  return part;
}
Attributes Site::attributes() const { return walk.graph().step(node).attributes; }

// --- the walk ----------------------------------------------------------------------------------

const Walk::Substitutes& Walk::none() {
  static const Substitutes none;
  return none;
}

Walk::Walk(const Graph& graph, std::span<const NodeId> wanted, std::span<const Edit> edits,
           const Substitutes& substitutes)
    : graph_(graph),
      wanted_(wanted.begin(), wanted.end()),
      edits_(edits),
      substitutes_(substitutes),
      adjoints_(graph.size()),
      pending_(graph.size()),
      varies_(graph.size()),
      reached_(graph.size()),
      is_wanted_(graph.size()),
      done_(graph.size()) {
  for (const NodeId id : wanted_) varies_[id] = is_wanted_[id] = 1;
  for (NodeId id = 0; id < graph.size(); ++id) {
    if (graph.step(id).op->zero_derivative) continue;
    for (const NodeId in : graph.step(id).inputs) varies_[id] |= varies_[in];
  }
  reached_[graph.loss()] = 1;
  for (NodeId id = graph.loss() + 1; id-- > 0;) {
    if (!reached_[id] || graph.step(id).op->zero_derivative) continue;
    for (const NodeId in : graph.step(id).inputs) reached_[in] = 1, ++pending_[in];
  }
  forward();
}

const Edit* Walk::find(Edit::At at, NodeId node, int input) const {
  for (const Edit& edit : edits_) {
    if (edit.at == at && edit.node == node && edit.input == input) return &edit;
  }
  return nullptr;
}

void Walk::forward() {
  values_.resize(graph_.size());
  computed_.resize(graph_.size());
  recorded_.resize(graph_.size());
  std::vector<V> inputs;
  for (NodeId id = 0; id < graph_.size(); ++id) {
    values_[id] = graph_.var(id);
    const Graph::Step& step = graph_.step(id);
    bool changed = false;
    inputs.clear();
    for (const NodeId in : step.inputs) {
      changed |= values_[in] != graph_.var(in);
      inputs.push_back(values_[in]);
    }
    if (changed)
      values_[id] = graph_.tape().record(*step.op, inputs, step.attributes, step.location);
    recorded_[id] = values_[id];
    if (const Edit* edit = find(Edit::At::value, id, 0)) {
      values_[id] = edit->make(Site{*this, id, 0, {}});
    }
    computed_[id] = values_[id];
    if (const auto found = substitutes_.values.find(id); found != substitutes_.values.end()) {
      values_[id] = found->second;
    }
  }
}

bool Walk::complete(NodeId node, const Visit& visit) {
  if (done_[node]) return true;
  done_[node] = 1;
  V& adjoint = adjoints_[node];
  for (const Edit& edit : edits_) {
    if (edit.at != Edit::At::adjoint || edit.node != node) continue;
    if (adjoint) adjoint = edit.make(Site{*this, node, 0, adjoint});
  }
  const bool goes_on = !is_wanted_[node] || show(node, visit);
  if (const auto found = substitutes_.adjoints.find(node); found != substitutes_.adjoints.end()) {
    adjoint = found->second;
  }
  return goes_on;
}

bool Walk::show(NodeId node, const Visit& visit) const {
  const V adjoint = adjoints_[node];
  V seen = adjoint ? adjoint : graph_.tape().constant(0, graph_.step(node).shape);
  for (const Edit& edit : edits_) {
    if (edit.at == Edit::At::leaf && edit.node == node) {
      seen = edit.make(Site{*this, node, 0, seen});
    }
  }
  return visit(node, seen);
}

bool Walk::run(const Visit& visit) {
  adjoints_[graph_.loss()] = graph_.tape().constant(1, graph_.step(graph_.loss()).shape);
  for (NodeId id = graph_.loss() + 1; id-- > 0;) {
    if (!reached_[id]) continue;
    if (!complete(id, visit)) return false;
    const Graph::Step& step = graph_.step(id);
    if (step.op->zero_derivative) continue;
    for (std::size_t i = 0; i < step.inputs.size(); ++i) {
      const NodeId in = step.inputs[i];
      --pending_[in];
      if (adjoints_[id] && varies_[in]) {
        const Site site{*this, id, static_cast<int>(i), adjoints_[id]};
        const Edit* edit = find(Edit::At::contribution, id, static_cast<int>(i));
        const V part = edit ? edit->make(site) : site.right();
        if (part) adjoints_[in] = adjoints_[in] ? add(adjoints_[in], part) : part;
      }
      // A leaf has no rule of its own: it need not wait for its turn.
      if (pending_[in] == 0 && graph_.step(in).is_leaf() && !complete(in, visit)) return false;
    }
  }
  for (const NodeId id : wanted_) {
    if (!complete(id, visit)) return false;
  }
  return true;
}

}  // namespace chainrule::detail
