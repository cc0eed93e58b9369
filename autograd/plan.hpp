// Plan: the part of a tape that some outputs need, to be run again and again.
#pragma once

#include <chainrule/autograd/tape.hpp>
#include <optional>

namespace chainrule {

/// The nodes that `outputs` need, in order: plan({loss, g1, g2}) for a training step,
/// plan({logits}) for inference. It copies records and constants and owns its memory, so the tape's
/// values stay those of the recording, and the plan stays valid when the tape grows or is cleared,
/// as long as its leaves live. Running it evaluates its nodes on the leaves' current values: no
/// allocation, no recording, no graph walk, and bit for bit what recording anew would give.
/// It belongs to whichever thread runs it; plans may share leaves that nobody writes.
template <class T>
class Plan {
 public:
  /// A plan of nothing, to be assigned to; running it throws UsageError.
  Plan() = default;
  /// Throws UsageError for stale Vars, Vars of several tapes, and an empty list.
  explicit Plan(std::span<const Var<T>> outputs,
                SourceLocation location = SourceLocation::current());

  /// Has `output` evaluated straight into memory of the caller's, such as a block of gradients,
  /// instead of the plan's own. Called again it replaces the destination, except for an output that
  /// was asked for several times (two parameters may share one gradient): each time has its own.
  /// Throws ShapeError, and UsageError for a Var that is no output, a destination that is null, or
  /// one that overlaps a leaf of the plan or another destination.
  void write_to(Var<T> output, TensorView<T> destination,
                SourceLocation location = SourceLocation::current());
  /// Has a leaf read from another address from the next run on. Throws ShapeError for another shape
  /// (one plan per batch shape), UsageError for what is not a leaf of this plan, and for memory that
  /// is null or that the plan writes to.
  void rebind(Var<T> leaf, TensorView<const T> view,
              SourceLocation location = SourceLocation::current());

  /// Evaluates all nodes. Integer leaves are checked first (LabelError); a bound tensor that has
  /// changed its shape since is a ShapeError. Where `sides` is given, adds the sides of all kinks.
  /// If these checks throw, the values are those of the run before. If an operation throws, value()
  /// throws until a run succeeds, and what was written by write_to is undefined. No two threads may
  /// run one plan at a time: that is not checked.
  void run(KinkSides* sides = nullptr);
  /// run() with a watch: adds the time of each node, in seconds, to the entry of its place in
  /// nodes(). Throws UsageError for another number of entries. See profile.hpp.
  void run_timed(std::span<double> seconds, SourceLocation location = SourceLocation::current());
  /// Has the leaves checked before the first node of a run is evaluated, and every value after it
  /// is: the first infinity or NaN throws NumericError, which names the operation, the entry, the
  /// shapes, the user's line, for a backward node whose rule recorded it, and the run. Off at first.
  void set_check_finite(bool on) { check_finite_ = on; }
  /// How often the plan was run, runs that threw included.
  std::uint64_t runs() const { return runs_; }
  /// The value of an output, valid until the next run. Throws UsageError for another Var, or when
  /// the plan has not run, not since write_to, or threw half-way.
  TensorView<const T> value(Var<T> output,
                            SourceLocation location = SourceLocation::current()) const;
  /// The value of an output of one element.
  T item(Var<T> output, SourceLocation location = SourceLocation::current()) const;

  /// Number of nodes, leaves included.
  std::size_t size() const { return nodes_.size(); }
  /// The records, in the order of evaluation; valid as long as the plan.
  std::span<const Node<T>> nodes() const { return nodes_; }
  /// Bytes of the plan's own values.
  std::size_t bytes() const { return bytes_; }

 private:
  struct Output {
    Var<T> var;
    NodeId node;
    std::optional<TensorView<T>> destination{};  // the caller's memory, by write_to
    bool copied = false;                         // into it after the run, instead of evaluated
  };

  void select(Tape<T>& tape, std::span<const Var<T>> outputs);
  void assign_memory();
  const Output& output(Var<T> var, std::string_view operation, SourceLocation location) const;
  template <class Step>
  void evaluate(Step step);
  void expect_finite(NodeId id) const;
  /// Throws UsageError where `leaf`, read from `data`, would be overwritten by an output.
  void expect_apart(const Node<T>& leaf, const T* data, std::string_view operation,
                    SourceLocation location) const;
  /// What messages call a node.
  std::string described(NodeId id) const;

  /// What messages say of a node. The plan's own, for the tape may go before the plan does.
  struct Description {
    std::string name;
    std::string of;  // the node whose rule recorded it
  };

  std::vector<Node<T>> nodes_;
  std::vector<Description> descriptions_;
  std::vector<NodeId> inputs_;  // of all nodes, one after the other
  std::vector<NodeId> leaves_, checks_, steps_;
  std::vector<std::pair<Var<T>, NodeId>> leaf_vars_;
  std::vector<Output> outputs_;
  detail::Buffer<std::byte> memory_;
  std::size_t bytes_ = 0;
  std::uint64_t runs_ = 0;
  bool ran_ = false, check_finite_ = false;
};

/// The plan of some outputs: plan({loss, g1, g2}). Throws as Plan's constructor does.
template <class T>
Plan<T> plan(std::initializer_list<Var<T>> outputs,
             SourceLocation location = SourceLocation::current()) {
  return Plan<T>(std::span<const Var<T>>(outputs.begin(), outputs.size()), location);
}
/// The same for a span.
template <class T>
Plan<T> plan(std::span<const Var<T>> outputs,
             SourceLocation location = SourceLocation::current()) {
  return Plan<T>(outputs, location);
}
/// The same for a vector.
template <class T>
Plan<T> plan(const std::vector<Var<T>>& outputs,
             SourceLocation location = SourceLocation::current()) {
  return Plan<T>(std::span<const Var<T>>(outputs), location);
}

extern template class Plan<float>;
extern template class Plan<double>;

}  // namespace chainrule
