#include <chainrule/autograd/tape.hpp>

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <chainrule/autograd/basic_ops.hpp>
#include <chainrule/autograd/finite.hpp>

#include <algorithm>

namespace chainrule {

void Call::expect_inputs(std::size_t count) const {
  if (inputs.size() != count) {
    throw ShapeError(op, fmt::format("{} inputs: expected {}", inputs.size(), count), location);
  }
}

// --- Var ---------------------------------------------------------------------------------------

template <class T>
Tape<T>& Var<T>::tape(SourceLocation location) const {
  if (!tape_) throw UsageError("Var", "a Var that was never assigned is used", location);
  return *tape_;
}

template <class T>
Shape Var<T>::shape(SourceLocation location) const {
  tape(location).expect_own(*this, "Var::shape", location);
  return tape_->nodes_[id_].shape;
}

template <class T>
TensorView<const T> Var<T>::value(SourceLocation location) const {
  tape(location).expect_own(*this, "Var::value", location);
  const Node<T>& node = tape_->nodes_[id_];
  tape_->expect_in_place(node, "Var::value", location);
  return {node.data, node.shape};
}

template <class T>
T Var<T>::item(SourceLocation location) const {
  const TensorView<const T> view = value(location);
  if (view.size() != 1) {
    throw ShapeError(
        "item",
        fmt::format("{} has {} elements: expected one", to_string(view.shape()), view.size()),
        location);
  }
  return view[0];
}

template <class T>
std::string_view Var<T>::name(SourceLocation location) const {
  tape(location).expect_own(*this, "Var::name", location);
  return tape_->nodes_[id_].name;
}

template <class T>
Adjoint<T>::Adjoint(Tape<T>& tape, NodeId node, Var<T> cotangent)
    : tape_(&tape), node_(node), cotangent_(cotangent) {}
template <class T>
Var<T> Adjoint<T>::input(int i) const {
  return tape_->var(tape_->node(node_).inputs[static_cast<std::size_t>(i)]);
}
template <class T>
Var<T> Adjoint<T>::output() const {
  return tape_->var(node_);
}
template <class T>
Attributes Adjoint<T>::attributes() const {
  return tape_->node(node_).attributes;
}

// --- checks ------------------------------------------------------------------------------------

template <class T>
Tape<T>::Tape() : owner_(std::this_thread::get_id()) {}
template <class T>
Tape<T>::~Tape() = default;

template <class T>
void Tape<T>::expect_thread(std::string_view operation, SourceLocation location) const {
  if (owner_ != std::this_thread::get_id()) {
    throw UsageError(operation,
                     "the tape belongs to another thread: expected the one that made or last "
                     "cleared it",
                     location);
  }
}

template <class T>
void Tape<T>::expect_recordable(std::string_view operation, SourceLocation location) const {
  expect_thread(operation, location);
  if (!evaluating_) return;
  throw UsageError(operation,
                   "a shape rule or a kernel records on the tape that called it: only a rule may",
                   location);
}

template <class T>
void Tape<T>::expect_own(Var<T> var, std::string_view operation, SourceLocation location) const {
  expect_thread(operation, location);
  expect_current(var, operation, location);
}

template <class T>
void Tape<T>::expect_current(Var<T> var, std::string_view operation,
                             SourceLocation location) const {
  if (var.tape_ == this && var.generation_ == generation_) return;
  if (!var.tape_) {
    throw UsageError(operation, "a Var that was never assigned is used", location);
  }
  if (var.tape_ != this) throw UsageError(operation, "a Var of another tape is used", location);
  throw UsageError(
      operation,
      fmt::format("a stale Var is used: it was recorded before clear() (generation {}, "
                  "the tape is at {})",
                  var.generation_, generation_),
      location);
}

template <class T>
void Tape<T>::expect_in_place(const Node<T>& leaf, std::string_view operation,
                              SourceLocation location) const {
  if (!leaf.tensor || (leaf.tensor->data() == leaf.data && leaf.tensor->shape() == leaf.shape)) {
    return;
  }
  throw UsageError(operation,
                   "a bound tensor was moved into or resized after it was recorded: what the tape "
                   "read is gone",
                   location);
}

// --- leaves ------------------------------------------------------------------------------------

template <class T>
void Tape<T>::expect_finite(const Node<T>& node, std::string_view name) const {
  const std::int64_t index = detail::first_not_finite<T>({node.data, node.shape});
  if (index < 0) return;
  std::string of;
  if (node.adjoint_of != no_node) {
    of = detail::describe(nodes_[node.adjoint_of], nodes_[node.adjoint_of].name);
  }
  detail::throw_not_finite(nodes_.data(), node, name, index, of, "");
}

template <class T>
Var<T> Tape<T>::append(Node<T>&& node) {
  if (check_finite_) expect_finite(node, node.name);
  if (nodes_.size() >= no_node) throw UsageError("tape", "more than 2^32 - 1 nodes", node.location);
  nodes_.push_back(std::move(node));
  return var(static_cast<NodeId>(nodes_.size() - 1));
}

template <class T>
Var<T> Tape<T>::input(const Tensor<T>& tensor, SourceLocation location) {
  expect_recordable("input", location);
  Node<T> node;
  node.op = &detail::input_op<T>();
  node.data = const_cast<T*>(tensor.data());  // no kernel of a leaf exists that could write it
  node.shape = tensor.shape();
  node.tensor = &tensor;
  node.adjoint_of = adjoint_of_;
  node.location = location;
  return append(std::move(node));
}

template <class T>
Var<T> Tape<T>::input(TensorView<const T> view, SourceLocation location) {
  expect_recordable("input", location);
  if (view.size() > 0 && !view.data()) throw UsageError("input", "the view is null", location);
  Node<T> node;
  node.op = &detail::input_op<T>();
  node.data = const_cast<T*>(view.data());
  node.shape = view.shape();
  node.adjoint_of = adjoint_of_;
  node.location = location;
  return append(std::move(node));
}

template <class T>
Var<T> Tape<T>::parameter(const Parameter<T>& parameter, SourceLocation location) {
  expect_recordable("parameter", location);
  // Models ask for their parameters in one order, so the next one is where the last search ended.
  const std::size_t count = parameters_.size();
  for (std::size_t k = 0; k < count; ++k) {
    const std::size_t i = (next_parameter_ + k) % count;
    if (parameters_[i].parameter == &parameter) {
      next_parameter_ = i + 1;
      return var(parameters_[i].node);
    }
  }
  const State before = state();
  Node<T> node;
  node.op = &detail::parameter_op<T>();
  node.data = const_cast<T*>(parameter.value().data());
  node.shape = parameter.shape();
  node.location = location;
  if (check_finite_) expect_finite(node, parameter.name());
  try {
    const Var<T> leaf = append(std::move(node));
    parameters_.push_back({&parameter, leaf.id(), parameter.version()});
    set_automatic_name(leaf, parameter.name());
    return leaf;
  } catch (...) {
    restore(before);
    throw;
  }
}

template <class T>
template <class Fill>
Var<T> Tape<T>::constant_of(const Shape& shape, Fill fill, SourceLocation location) {
  expect_recordable("constant", location);
  const State before = state();
  try {
    Node<T> node;
    node.op = &detail::constant_op<T>();
    node.data = arena_.allocate<T>(static_cast<std::size_t>(shape.size())).data();
    node.shape = shape;
    node.adjoint_of = adjoint_of_;
    node.location = location;
    fill(node.data);
    return append(std::move(node));
  } catch (...) {
    restore(before);
    throw;
  }
}

template <class T>
Var<T> Tape<T>::constant(TensorView<const T> values, SourceLocation location) {
  return constant_of(
      values.shape(), [&](T* to) { std::copy(values.begin(), values.end(), to); }, location);
}

template <class T>
Var<T> Tape<T>::constant(T value, const Shape& shape, SourceLocation location) {
  return constant_of(
      shape, [&](T* to) { std::fill_n(to, shape.size(), value); }, location);
}

// --- recording ---------------------------------------------------------------------------------

template <class T>
Var<T> Tape<T>::record(const Op<T>& op, std::span<const Var<T>> inputs,
                       const Attributes& attributes, SourceLocation location) {
  expect_recordable(op.name, location);
  for (const Var<T>& input : inputs) {
    expect_current(input, op.name, location);
    expect_in_place(nodes_[input.id_], op.name, location);
  }
  if (!op.shape || !op.forward) {
    throw UsageError(op.name, "the operation has no shape rule or no kernel: expected both", location);
  }
  // A rule's nodes speak for the user's line, not for the line in the library that holds the rule.
  if (adjoint_of_ != no_node) location = nodes_[adjoint_of_].location;
  const State before = state();
  try {
    const detail::Scoped guard(evaluating_, true);
    const std::span<NodeId> ids = arena_.allocate<NodeId>(inputs.size());
    const Arena::Mark scratch = arena_.mark();
    const std::span<const Shape*> shapes = arena_.allocate<const Shape*>(inputs.size());
    for (std::size_t i = 0; i < inputs.size(); ++i) {
      ids[i] = inputs[i].id_;
      shapes[i] = &nodes_[ids[i]].shape;
    }
    Node<T> node;
    node.op = &op;
    node.inputs = ids;
    node.attributes = attributes;
    node.adjoint_of = adjoint_of_;
    node.location = location;
    node.shape = op.shape(Call{op.name, shapes, attributes, location});
    arena_.rewind(scratch);  // the shapes were for that call only
    const Evaluation<T> evaluation(nodes_.data(), node);
    if (op.check) op.check(evaluation);
    node.data = arena_.allocate<T>(static_cast<std::size_t>(node.shape.size())).data();
    // There is nothing to write of a value without entries, however many rows it may have.
    if (node.shape.size() > 0) op.forward(evaluation);
    return append(std::move(node));
  } catch (...) {
    restore(before);
    throw;
  }
}

template <class T>
void Tape<T>::clear(SourceLocation location) {
  if (evaluating_ || adjoint_of_ != no_node) {
    throw UsageError("clear", "a kernel or a rule clears the tape that called it", location);
  }
  nodes_.clear();
  parameters_.clear();
  next_parameter_ = 0;
  arena_.clear();
  ++generation_;
  names_taken_ = 0;
  owner_ = std::this_thread::get_id();
}

template <class T>
typename Tape<T>::State Tape<T>::state() const noexcept {
  return {size(), names_taken_, arena_.mark()};
}

template <class T>
void Tape<T>::restore(const State& before) noexcept {
  nodes_.erase(nodes_.begin() + before.size, nodes_.end());
  std::erase_if(parameters_, [&](const ParameterLeaf& leaf) { return leaf.node >= before.size; });
  // Older nodes too may have been given a name since: a cotangent that is a gradient.
  if (names_taken_ != before.names) {
    for (auto& [text, entry] : names_) {
      if (entry.generation != generation_ || entry.order < before.names) continue;
      entry.generation = 0;
      if (entry.node >= before.size) continue;
      std::string_view& name = nodes_[entry.node].name;
      if (name.data() == text.data()) name = {};
    }
    names_taken_ = before.names;
  }
  arena_.rewind(before.memory);
}

template <class T>
std::size_t Tape<T>::capacity() const {
  return arena_.capacity() + nodes_.capacity() * sizeof(Node<T>);
}

// --- names -------------------------------------------------------------------------------------

template <class T>
typename Tape<T>::Names::value_type& Tape<T>::intern(std::string_view name) {
  if (const auto found = names_.find(name); found != names_.end()) return *found;
  return *names_.emplace(std::string(name), NameEntry{}).first;
}

template <class T>
void Tape<T>::take_name(typename Names::value_type& entry, NodeId node) {
  entry.second.generation = generation_;
  entry.second.node = node;
  entry.second.order = names_taken_++;
  // A node keeps its first name for printing; it is found under every one.
  if (nodes_[node].name.empty()) nodes_[node].name = entry.first;
}

template <class T>
void Tape<T>::set_name(Var<T> var, std::string_view name, SourceLocation location) {
  expect_own(var, "named", location);
  if (name.empty()) throw NameError("named", "the name is empty", location);
  auto& entry = intern(name);
  if (entry.second.generation == generation_) {
    const Node<T>& taken = nodes_[entry.second.node];
    throw NameError("named",
                    fmt::format("'{}' is taken: by node {}, {} {}{}", name, entry.second.node,
                                taken.op->name, to_string(taken.shape),
                                taken.location.line() ? " of " + taken.location.to_string() : ""),
                    location);
  }
  take_name(entry, var.id());
}

template <class T>
void Tape<T>::set_automatic_name(Var<T> var, std::string_view name, SourceLocation location) {
  expect_own(var, "named", location);
  if (name.empty()) return;
  auto* entry = &intern(name);
  for (int k = 2; entry->second.generation == generation_; ++k) {
    if (entry->second.node == var.id()) return;
    entry = &intern(fmt::format("{}#{}", name, k));
  }
  take_name(*entry, var.id());
}

template <class T>
void Tape<T>::set_gradient_name(NodeId of, Var<T> gradient) {
  if (nodes_[of].name.empty()) return;
  auto& entry = intern(nodes_[of].name);
  if (!entry.second.gradient) {
    // unordered_map never moves its elements, so the key may be pointed to.
    const auto& made = intern("d" + entry.first);
    entry.second.gradient = &made.first;
  }
  set_automatic_name(gradient, *entry.second.gradient);
}

template <class T>
Var<T> Tape<T>::find(std::string_view name, SourceLocation location) {
  expect_thread("find", location);
  if (const auto found = names_.find(name);
      found != names_.end() && found->second.generation == generation_) {
    return var(found->second.node);
  }
  std::vector<std::string> known;
  for (const auto& [text, node] : names(location)) known.push_back(text);
  throw NameError("find",
                  fmt::format("no node is named '{}'; there {}: {}", name,
                              known.empty() ? "is none" : "are", fmt::join(known, ", ")),
                  location);
}

template <class T>
bool Tape<T>::has_name(std::string_view name, SourceLocation location) const {
  expect_thread("has_name", location);
  const auto found = names_.find(name);
  return found != names_.end() && found->second.generation == generation_;
}

template <class T>
std::vector<std::pair<std::string, Var<T>>> Tape<T>::names(SourceLocation location) {
  expect_thread("names", location);
  std::vector<std::pair<std::string, Var<T>>> result;
  for (const auto& [text, entry] : names_) {
    if (entry.generation == generation_) result.emplace_back(text, var(entry.node));
  }
  std::sort(result.begin(), result.end(), [](const auto& a, const auto& b) {
    return std::pair(a.second.id(), a.first) < std::pair(b.second.id(), b.first);
  });
  return result;
}

template class Var<float>;
template class Var<double>;
template class Adjoint<float>;
template class Adjoint<double>;
template class Tape<float>;
template class Tape<double>;

}  // namespace chainrule
