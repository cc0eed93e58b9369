// to_dot: a tape, or a part of it, as a drawing for Graphviz.
#pragma once

#include <chainrule/autograd/tape.hpp>
#include <string>

namespace chainrule {

/// What to_dot adds of its own to a drawing.
struct DotOptions {
  std::string title;  ///< above the drawing
};

/// The nodes that `outputs` need in Graphviz's language: `dot -Tsvg step.dot -o step.svg`. The
/// forward pass runs down the left side in blue, the backward pass up the right side in orange;
/// dashed lines carry what the one reuses of the other. A node is labelled by its name and its
/// operation, an edge by the shape of what flows along it (a dashed one in its tooltip, where a
/// solid one from the same node shows it); inputs, parameters and constants have forms of their
/// own, and the outputs a second outline. Node %7 of the tape is n7; each operand is one edge. For
/// the layout's sake an edge of the backward pass is written from its consumer, with dir=back, so
/// that it points as the others do. Throws UsageError for stale Vars, Vars of several tapes, and an
/// empty list.
template <class T>
std::string to_dot(std::span<const Var<T>> outputs, const DotOptions& options = {},
                   SourceLocation location = SourceLocation::current());
/// The same for a braced list: to_dot({loss, g1, g2}).
template <class T>
std::string to_dot(std::initializer_list<Var<T>> outputs, const DotOptions& options = {},
                   SourceLocation location = SourceLocation::current()) {
  return to_dot(std::span<const Var<T>>(outputs.begin(), outputs.size()), options, location);
}
/// The same for a vector.
template <class T>
std::string to_dot(const std::vector<Var<T>>& outputs, const DotOptions& options = {},
                   SourceLocation location = SourceLocation::current()) {
  return to_dot(std::span<const Var<T>>(outputs), options, location);
}
/// The whole tape; what no other node reads stands as an output.
template <class T>
std::string to_dot(const Tape<T>& tape, const DotOptions& options = {});

}  // namespace chainrule
