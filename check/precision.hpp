// The graph of a float tape in double: what its values would be without float's rounding.
#pragma once

#include <chainrule/autograd/tape.hpp>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace chainrule {

/// A float tape recorded anew in double, node for node, backward passes included. Leaves and
/// constants are copied, so that the float tape may go; attributes (a factor, an exponent) are
/// those of the float nodes, rounded to float as they are. How far a float value is from its value
/// here is what float's rounding did to it.
///
/// An operation of the library has its twin in double. A user's own has none that is known here:
/// its nodes, and all that depends on them, are left out, and `without_twin` names it.
///
/// Leaves must hold the values of the recording: call it before the next step is taken. Throws what
/// the operations throw.
class DoubleRecording {
 public:
  /// Records the whole of `tape` again, which is only read.
  explicit DoubleRecording(Tape<float>& tape);

  /// The tape in double. Names are those of the float tape, where the node has a twin.
  Tape<double>& tape() { return *tape_; }
  /// The twin of node `id` of the float tape; nothing where there is none.
  std::optional<Var<double>> find(NodeId id) const;
  /// The user's own operations on the tape, each once.
  const std::vector<std::string>& without_twin() const { return without_twin_; }

 private:
  std::unique_ptr<Tape<double>> tape_;  // a tape stays where its Vars point to
  std::vector<Var<double>> twins_;
  std::vector<std::string> without_twin_;
};

/// The operation in double that one of the library's in float is, with the same formula; null for a
/// user's own. By address: a user's operation may have the name of one of the library's.
const Op<double>* in_double(const Op<float>& op);
/// Whether an operation in double is what in_double gives for one in float.
bool is_twin(const Op<double>& op);

}  // namespace chainrule
