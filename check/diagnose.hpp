// diagnose: what is wrong with a hand-derived gradient, where, by how much, and which known mistake
// would give just this. It never guesses: a mistake is named when it reproduces every value that
// was handed in.
#pragma once

#include <chainrule/check/compare.hpp>
#include <cstdint>
#include <initializer_list>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <type_traits>
#include <vector>

namespace chainrule {

/// What some mistakes need besides the step itself. Without it they are reported as what they look
/// like from the step alone ("a constant factor 0.1").
template <class T>
struct DiagnoseOptions {
  std::optional<double> learning_rate = {};  ///< of this step's update
  /// The gradients of the step before, "dW1", "db1", ...
  std::vector<NamedValue<T>> previous_gradient = {};
  /// Parameters after the update of this step, "W1", "b1", ...
  std::vector<NamedValue<T>> updated = {};
  /// The momentum's velocities before this step, by the names of their parameters: "W1", "b1", ...
  std::vector<NamedValue<T>> velocity = {};
  std::optional<double> momentum = {};  ///< mu in v = g + mu v; fitted where it is not given
  /// lambda of a penalty lambda / 2 sum W^2. The gradient expected is always the tape's own: this
  /// only helps to name a term lambda W.
  std::optional<double> weight_decay = {};
  /// Largest norm-wise error of a right value, between 0 and 1: else a UsageError. Measured by default, value by value: twenty times
  /// what a relative perturbation of the precision's epsilon, of the leaves and of each step of the
  /// backward pass as the textbook writes it, does to this value.
  std::optional<double> tolerance = {};
};

/// What diagnose says of a value, and of all of them.
enum class DiagnosisVerdict {
  right,          ///< all that was handed in agrees
  wrong,          ///< something does not
  cannot_decide,  ///< rounding alone could be to blame
  shape,          ///< a value has another shape than its node
};
/// "right", "wrong", "cannot_decide", "shape".
std::string_view to_string(DiagnosisVerdict verdict);

/// A mistake of the catalogue (mistakes.hpp) that gives the values handed in.
struct NamedMistake {
  std::string id;      ///< "mean-missing"
  std::string text;    ///< one line: "1/N is missing"
  std::string have;    ///< the formula that the user has, "dZ2 = Yhat - Y"
  std::string should;  ///< and the right one
  int layer = 0;       ///< where it is made; 0: at every layer
  std::vector<std::pair<std::string, double>> parameters;  ///< numbers in it: a slope, a factor
  double residual =
      0;  ///< largest norm-wise difference between what it gives and what was handed in
};

/// An entry that is wrong.
struct WrongEntry {
  std::int64_t index = 0;  ///< row-major
  double hand = 0;         ///< its value by hand
  double expected = 0;     ///< and the right one
};

/// The derivative that the user must have had: dZ / dA as a function of z.
struct RecoveredCurve {
  std::string node;           ///< "A1"
  std::string activation;     ///< its operation, "sigmoid"
  std::vector<double> z;      ///< ascending
  std::vector<double> hand;   ///< f' that the user has there
  std::vector<double> right;  ///< and the right one
  double residual = 0;        ///< of recovering dZ from dW; 0 where dZ was handed in
};

/// One value that was handed in, or recovered from those that were.
struct Finding {
  int layer = 0;       ///< the number at the end of its name; 0 where there is none
  std::string tensor;  ///< "dW1"
  Shape shape;         ///< of the node
  Shape hand_shape;    ///< of what was handed in
  DiagnosisVerdict verdict = DiagnosisVerdict::right;  ///< of this value
  std::string reason;                                  ///< why it is not right; else empty
  bool recovered = false;       ///< not handed in: it follows from the gradient of the weights
  bool is_first_fault = false;  ///< the first, from the loss down, that is wrong by itself
  /// Wrong only because what it was computed from is: the right rules, continued from the user's
  /// own values above, give it.
  bool contaminated = false;
  bool explained = false;  ///< wrong, and what the mistakes that are named give
  double error = 0;        ///< norm-wise, against the right value
  double tolerance = 0;    ///< what `error` may be
  double local_error =
      0;                ///< norm-wise, against the right rules continued from the user's own values
  double scale = 1;     ///< c of the best c * right
  double residual = 0;  ///< norm-wise, of that
  /// Where nothing but a constant factor is wrong and it is one of the step's own numbers: "N",
  /// "1/(N K)", "N/(N - 1)", ... for N samples and K classes. That it is this is no proof.
  std::string factor;
  std::vector<WrongEntry> worst;  ///< up to three
  /// Where several values are wrong by faults of their own: the mistakes that give this one when
  /// the right rules are continued from the user's values above it. Empty where none does, whatever
  /// the others are called.
  std::vector<NamedMistake> mistakes;
};

/// What diagnose found.
struct Diagnosis {
  DiagnosisVerdict verdict = DiagnosisVerdict::right;  ///< the gravest of the findings
  std::vector<Finding> findings;  ///< in the order of the backward pass, from the loss down
  int layer = 0;                  ///< of the first fault
  std::string tensor;             ///< of the first fault: "dW1"
  /// All mistakes of the catalogue that give what was handed in: several where they coincide on
  /// this step. Empty when none does. Where there are several faults, those of the first.
  std::vector<NamedMistake> mistakes;
  /// Where no mistake of the catalogue fits but two at once do: each pair.
  std::vector<std::pair<NamedMistake, NamedMistake>> pairs;
  std::optional<RecoveredCurve>
      curve;                       ///< where the derivative at the first fault's layer is wrong
  std::vector<std::string> notes;  ///< what else is true and useful, a sentence each
  std::string faulty_node;         ///< the node whose rule went wrong, "A1"; empty where unknown

  /// True for a right derivation, and where rounding alone could be to blame.
  explicit operator bool() const {
    return verdict == DiagnosisVerdict::right || verdict == DiagnosisVerdict::cannot_decide;
  }
};

/// Says what is wrong with gradients of `loss` that were derived by hand. `hand` holds them by the
/// names of the tape: "dW1" is the gradient of the node named W1, of that node's shape; any named
/// intermediate may be there ("dZ1", "dA1"), and forward values too ("Z1", "A1"). The user's tape
/// is only read.
///
/// 1. shape: where a shape differs, which transposition would conform, and which erratum it is.
/// 2. locate: the first value, from the loss down, that the right rules do not give when they are
///    continued from the user's own values above it. What they do give is contaminated, not wrong.
///    Where only parameters were handed in, dZ is recovered from dW = A^T dZ by least squares, if
///    the samples are at most as many as the layer's inputs.
/// 3. scale: hand = c * right, and the constant's name.
/// 4. structure: the backward pass is run again with one rule altered at one node; an alteration is
///    named when it gives all values that were handed in, to their tolerance.
/// 5. two mistakes at once, from a list of pairs.
/// 6. otherwise "no known mistake fits", with the worst entries.
///
/// Throws NameError for a name whose node the tape has not, or which is given twice; UsageError for
/// no values, or a loss that is stale or not of one element; NumericError never: values that are
/// not finite are wrong, and said to be.
template <class T>
Diagnosis diagnose(Var<T> loss, std::span<const NamedValue<std::type_identity_t<T>>> hand,
                   const DiagnoseOptions<std::type_identity_t<T>>& options = {},
                   SourceLocation location = SourceLocation::current());
/// The same for a list: diagnose(loss, {{"dW1", dw1}, {"dW2", dw2}}).
template <class T>
Diagnosis diagnose(Var<T> loss, std::initializer_list<NamedValue<std::type_identity_t<T>>> hand,
                   const DiagnoseOptions<std::type_identity_t<T>>& options = {},
                   SourceLocation location = SourceLocation::current()) {
  return diagnose(loss, std::span<const NamedValue<T>>(hand.begin(), hand.size()), options,
                  location);
}

/// A page for people: where, by how much, which mistake, what stands there and what should.
std::string to_string(const Diagnosis& diagnosis);
/// The same as JSON: `verdict`, `layer`, `tensor`, `scale`, `residual`, `mistakes` (each with `id`
/// and `text`), `findings`, ...; numbers that are not finite become null.
std::string to_json(const Diagnosis& diagnosis);
/// A picture of both curves over z, as the text of an SVG file: points that were recovered, joined
/// by straight lines; what is not finite is left out.
std::string to_svg(const RecoveredCurve& curve);

// Doxygen takes these for overloads.
/// \cond
extern template Diagnosis diagnose(Var<float>, std::span<const NamedValue<float>>,
                                   const DiagnoseOptions<float>&, SourceLocation);
extern template Diagnosis diagnose(Var<double>, std::span<const NamedValue<double>>,
                                   const DiagnoseOptions<double>&, SourceLocation);
/// \endcond

}  // namespace chainrule
