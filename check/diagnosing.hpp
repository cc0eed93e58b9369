// The diagnosis of one step: what is asked in which order. Internal.
#pragma once

#include <chainrule/check/candidates.hpp>
#include <chainrule/check/diagnose.hpp>
#include <chainrule/check/locate.hpp>
#include <chainrule/check/match.hpp>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace chainrule::detail {

/// A value that was handed in, in double, with its node on the tape.
struct Given {
  std::string name;
  V node;
  bool gradient;
  Tensor<double> value;
};

/// One step, in double, whatever the user's precision is.
class Diagnosing {
 public:
  Diagnosing(V loss, const std::vector<Given>& hand, double epsilon,
             std::optional<double> tolerance);

  const Graph& graph() const { return graph_; }
  /// To be filled in before run.
  StepContext& context() { return context_; }
  /// Once.
  Diagnosis run();

 private:
  static std::vector<V> nodes_of(const std::vector<Given>& hand);
  void find_right_adjoints();
  void decide_verdict();
  const Target& target_of(const Finding& finding) const;
  bool everything_is_finite() const;
  /// Other shapes: which transposition would conform, and what the shape is that of.
  void explain_shapes();
  void explain_shape_in_network(Finding& finding, const Target& target);
  /// Whether all parameters are right, and only deltas are N times theirs: then 1/N stands in the
  /// gradients of the weights instead, which is another way to write the same thing.
  bool only_the_mean_is_elsewhere();
  void draw_curve();
  /// Says of gradients that are zero where they should not be.
  void note_zeros();
  /// Gives a wrong value's constant factor its name, where it has one.
  void name_factors();
  /// What the user could hand in besides, where that would decide what no mistake explains.
  void suggest();

  // naming.cpp
  void add_entry(std::string_view id, int layer, double residual);
  void name_mistakes();
  /// What no mistake explains and is not ten times the measured noise may be noise.
  void doubt_small_errors();
  void try_single(std::vector<Candidate>& candidates);
  /// The node whose rule an edit is about: an adjoint comes from the rule of what reads the node.
  NodeId faulty_node(const Edit& edit) const;
  std::vector<NodeId> wrong_gradients() const;
  /// Whether it is the gradient of that layer's weights or bias.
  bool in_layer(const Target& target, int layer) const;
  /// Several faults, each with the user's own values above it, into its finding. True when each got
  /// a name; what one is called does not depend on the others.
  bool name_each_fault(const std::vector<Candidate>& candidates);
  /// A constant factor and one more mistake.
  void try_pairs(const std::vector<Candidate>& candidates);
  /// The list of pairs: mistakes of two groups, none of them a reading of another's.
  static bool may_come_together(const Candidate& a, const Candidate& b);
  void add_pair(NamedMistake a, NamedMistake b);
  /// One mistake gives all that is wrong, so that what lies below its place is no fault of its own.
  void attribute_findings();
  NamedMistake named(const Candidate& candidate, double residual) const;
  /// A formula of the catalogue with this network's derivative for f', and without m where each
  /// sample's targets add up to one.
  std::string in_this_network(std::string formula) const;
  bool unit_mass() const;
  /// Of several ways of one mistake the first stays, with the smaller residual.
  void add_mistake(NamedMistake mistake);

  Tape<double> tape_;
  Graph graph_;
  double epsilon_;
  std::vector<Target> targets_;
  std::optional<Network> network_;
  StepContext context_;
  std::vector<V> right_;
  std::vector<NodeId> wanted_;
  std::vector<std::pair<const Candidate*, Match>> scaled_;  // candidates that fit with a factor
  std::vector<std::string> unknown_;  // what recover cannot know; of interest where nothing fits
  Diagnosis diagnosis_;
};

}  // namespace chainrule::detail
