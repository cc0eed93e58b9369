// Op: what an operation is. Node: one step of the tape. Everything that a user needs to define an
// operation of their own stands here and in tape.hpp (record).
#pragma once

#include <array>
#include <chainrule/autograd/storage/tensor.hpp>
#include <cstdint>
#include <span>
#include <string_view>

namespace chainrule {

template <class T>
class Tape;
template <class T>
class Var;
template <class T>
struct Op;

/// Position of a node on its tape, or within a plan.
using NodeId = std::uint32_t;
/// The position of no node.
inline constexpr NodeId no_node = UINT32_MAX;

/// What an operation needs besides its inputs. It lies inline in the node, so that recording
/// allocates nothing; an operation reads the fields that it documents and ignores the others.
struct Attributes {
  Shape shape{};                            ///< a target shape: broadcast_to, sum_to
  AxisMask axes = 0;                        ///< axes that are reduced
  std::uint32_t flags = 0;                  ///< transpositions, keepdims
  std::array<double, 2> numbers{};          ///< scalar factors
  std::span<const std::int32_t> indices{};  ///< an integer leaf: an address, never a copy
};

/// What an operation is called with, for its shape rule.
struct Call {
  std::string_view op;                   ///< the operation's name, for its messages
  std::span<const Shape* const> inputs;  ///< the shape of each input
  const Attributes& attributes;          ///< as given to record()
  SourceLocation location;               ///< the user's line, for the messages

  /// The shape of input 0 <= i < inputs.size(), unchecked.
  const Shape& input(int i) const { return *inputs[static_cast<std::size_t>(i)]; }
  /// Throws ShapeError unless the number of inputs is `count`.
  void expect_inputs(std::size_t count) const;
};

/// One step of the tape: the operation, where its inputs stand, and where its value lies.
template <class T>
struct Node {
  const Op<T>* op = nullptr;  ///< never null on a tape
  T* data = nullptr;  ///< the value; for a leaf the user's own memory, which nothing here writes
  std::span<const NodeId> inputs;     ///< positions on the same tape or plan, all before its own
  Shape shape;                        ///< of the value
  Attributes attributes;              ///< as given to record()
  const Tensor<T>* tensor = nullptr;  ///< for a leaf bound to a Tensor: that tensor
  std::string_view name;              ///< given by named(), or empty; interned by the tape
  NodeId adjoint_of = no_node;        ///< for a node of a backward pass: whose rule recorded it
  SourceLocation location;            ///< the user's line (for a backward node: the forward one's)
};

/// The sides on which the kinks of a program stand (of relu: which inputs are above zero), folded
/// into one number. Two runs with equal sides went through the same smooth branches.
class KinkSides {
 public:
  /// Adds the side of one branch: the sign of the quantity that decides it.
  void add(bool above) { hash_ = (hash_ ^ static_cast<std::uint64_t>(above)) * 0x100000001b3u; }
  /// True for the same sides in the same order (up to a collision of 64-bit hashes).
  friend bool operator==(const KinkSides&, const KinkSides&) = default;

 private:
  std::uint64_t hash_ = 0xcbf29ce484222325u;  // FNV-1a
};

/// A node that is being evaluated, as its kernel sees it.
template <class T>
class Evaluation {
 public:
  /// Made by tape and plan: `node`, whose inputs are positions in `nodes`.
  Evaluation(const Node<T>* nodes, const Node<T>& node) : nodes_(nodes), node_(&node) {}
  /// Number of inputs.
  int arity() const { return static_cast<int>(node_->inputs.size()); }
  /// The value of input 0 <= i < arity(), unchecked.
  TensorView<const T> input(int i) const {
    const Node<T>& in = nodes_[node_->inputs[static_cast<std::size_t>(i)]];
    return {in.data, in.shape};
  }
  /// Where the value belongs: of the shape that the shape rule gave, not initialised.
  TensorView<T> output() const { return {node_->data, node_->shape}; }
  /// As given to record().
  const Attributes& attributes() const { return node_->attributes; }
  /// The whole record.
  const Node<T>& node() const { return *node_; }

 private:
  const Node<T>* nodes_;
  const Node<T>* node_;
};

/// A node whose adjoint is known, as its rule (VJP) sees it. The rule records graph operations.
template <class T>
class Adjoint {
 public:
  /// Made by Tape::gradients.
  Adjoint(Tape<T>& tape, NodeId node, Var<T> cotangent);
  /// dL/d output, of the output's shape.
  Var<T> cotangent() const { return cotangent_; }
  /// Input i of the node, to be used by the rule.
  Var<T> input(int i) const;
  /// The node itself: a rule may reuse its value (d exp(x) = g exp(x)).
  Var<T> output() const;
  /// A copy: the tape grows while the rule records.
  Attributes attributes() const;

 private:
  Tape<T>* tape_;
  NodeId node_;
  Var<T> cotangent_;
};

/// An operation: a name and function pointers. Objects of it live for ever (inline constants), and
/// the tape refers to them by address.
template <class T>
struct Op {
  std::string_view name;  ///< in messages, printed tapes and drawings
  /// The result's shape; throws ShapeError. Called before anything is recorded.
  Shape (*shape)(const Call& call);
  /// Computes the output from the inputs; writes every entry of it. Null for leaves.
  void (*forward)(const Evaluation<T>& evaluation);
  /// The VJP: the contribution of this node's cotangent to the adjoint of input i, of that input's
  /// shape. Null where there is none: gradients() then throws UsageError where a gradient would have to
  /// flow through it, unless zero_derivative says that none does.
  Var<T> (*adjoint)(const Adjoint<T>& node, int i) = nullptr;
  /// Checks integer leaves; throws LabelError. Called at recording and at every run of a plan,
  /// before the first node is evaluated.
  void (*check)(const Evaluation<T>& evaluation) = nullptr;
  /// Adds the side of every kink that the operation has; null for smooth ones.
  void (*sides)(const Evaluation<T>& evaluation, KinkSides& sides) = nullptr;
  /// The derivative is identically zero (0/1-valued operations, stop_gradient). It must be said: a
  /// rule that was forgotten is not taken for one. `adjoint` is then not called.
  bool zero_derivative = false;
};

}  // namespace chainrule
