// A backward pass with rules altered at single nodes: how diagnose gets the gradient that someone
// has who made a mistake there. Internal.
#pragma once

#include <chainrule/autograd/tape.hpp>
#include <functional>
#include <map>
#include <span>
#include <string>
#include <vector>

namespace chainrule::detail {

using V = Var<double>;

/// What a loss depends on, on a tape that may be recorded on, node for node and in order. Nodes are
/// counted densely from 0; the last one is the loss.
class Graph {
 public:
  struct Step {
    const Op<double>* op = nullptr;
    std::vector<NodeId> inputs;
    Attributes attributes;
    Shape shape;
    std::string name;
    NodeId original = no_node;  // on the user's tape
    SourceLocation location;
    bool is_leaf() const { return op->forward == nullptr; }
  };

  /// Copies the graph of `loss` and its leaves' values onto `tape`. `keep` are further nodes that
  /// must be part of it.
  Graph(Tape<double>& tape, V loss, std::span<const V> keep);

  NodeId size() const { return static_cast<NodeId>(steps_.size()); }
  NodeId loss() const { return loss_; }
  const Step& step(NodeId id) const { return steps_[id]; }
  /// The node of the graph that a node of the user's tape is; no_node where it is none.
  NodeId find(NodeId original) const;
  /// The right value of a node.
  V var(NodeId id) const { return values_[id]; }
  Tape<double>& tape() const { return *tape_; }
  /// The name, or "%7".
  std::string name(NodeId id) const;
  /// Takes back what was recorded since the mark: Vars of it are then dead.
  struct Mark {
    Tape<double>::State state;
  };
  Mark mark() const;
  void rewind(const Mark& mark) const;
  /// The nodes that read this one.
  const std::vector<NodeId>& readers(NodeId id) const { return readers_[id]; }

 private:
  Tape<double>* tape_;
  std::vector<Step> steps_;
  std::vector<V> values_;
  std::vector<std::vector<NodeId>> readers_;
  NodeId loss_ = no_node;
};

class Walk;

/// Where an edit is asked for a value.
struct Site {
  const Walk& walk;
  NodeId node;  // whose rule is applied, or whose adjoint is complete
  int input;    // which contribution
  V cotangent;  // of the node
  /// The value of a node, as this pass has it.
  V value(NodeId id) const;
  /// The adjoint of a node that has been passed already; nothing otherwise.
  V adjoint(NodeId id) const;
  V input_value(int i) const;
  V output() const;
  /// The contribution that the right rule gives for a cotangent.
  V rule(V cotangent) const;
  V right() const { return rule(cotangent); }
  Attributes attributes() const;
};

/// One change.
struct Edit {
  enum class At {
    contribution,  // what `node` adds to the adjoint of its input `input`; an empty Var: nothing
    adjoint,       // the complete adjoint of `node`, before it is handed in and goes on
    value,         // the value of `node`, in the forward pass
    leaf,          // the adjoint of a leaf, or the like, when it is compared; nothing inherits it
  };
  At at;
  NodeId node;
  int input = 0;
  std::function<V(const Site&)> make;
};

/// A forward and backward pass of a graph with edits.
class Walk {
 public:
  /// Called with each wanted node when its adjoint is complete; false ends the walk.
  using Visit = std::function<bool(NodeId node, V adjoint)>;

  /// Values that take the place of what the pass has: of a node's value, of its adjoint. They go on
  /// from there, but are not what is visited.
  struct Substitutes {
    std::map<NodeId, V> values, adjoints;
  };

  /// `wanted` are the nodes whose adjoints count; only what they need is computed.
  Walk(const Graph& graph, std::span<const NodeId> wanted, std::span<const Edit> edits,
       const Substitutes& substitutes = none());
  static const Substitutes& none();
  /// Calls visit with each wanted node, from the loss down; a leaf as soon as all that read it have
  /// been passed. Wanted nodes that nothing reaches get zeros. True when no call was false.
  bool run(const Visit& visit);

  const Graph& graph() const { return graph_; }
  /// The value of a node; `computed`: before a substitute took its place.
  V value(NodeId id) const { return values_[id]; }
  V computed(NodeId id) const { return computed_[id]; }
  V adjoint(NodeId id) const { return adjoints_[id]; }

 private:
  friend struct Site;
  void forward();
  const Edit* find(Edit::At at, NodeId node, int input) const;
  /// The adjoint of `node` is complete: edits it; visits it where it is wanted.
  bool complete(NodeId node, const Visit& visit);
  bool show(NodeId node, const Visit& visit) const;

  const Graph& graph_;
  std::vector<NodeId> wanted_;
  std::span<const Edit> edits_;
  const Substitutes& substitutes_;
  std::vector<V> values_, computed_, adjoints_;
  std::vector<V> recorded_;   // by the node's own operation: what its rule is applied to
  std::vector<int> pending_;  // readers whose contribution is still to come
  std::vector<std::uint8_t> varies_, reached_, is_wanted_, done_;
};

}  // namespace chainrule::detail
