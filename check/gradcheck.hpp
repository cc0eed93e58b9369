// gradcheck: autodiff gradients against finite differences, which share nothing with the rules.
#pragma once

#include <array>
#include <chainrule/autograd/tape.hpp>
#include <chainrule/check/verdict.hpp>
#include <concepts>
#include <cstdint>
#include <span>
#include <string>
#include <tuple>
#include <vector>

namespace chainrule {

/// Which entries of a leaf are put before the stencil.
enum class GradcheckMode {
  automatic,        ///< all of a leaf of up to 200 entries; else a sample, and random directions
  all_entries,      ///< every entry of every leaf
  sampled_entries,  ///< a sample, without directions
};

/// An interval that entries are drawn from, uniformly. It should keep clear of poles.
struct Domain {
  double low = -1;  ///< its lower end
  double high = 1;  ///< its upper end
};

/// What is checked, how closely, and with which random numbers.
struct GradcheckOptions {
  /// 1 to 3. Order n checks the derivative of the (n-1)-th autodiff derivative, contracted with
  /// random directions: f_1 = f, f_{n+1} = sum_i <r_i, d f_n / dx_i>. It does not check the lower
  /// orders.
  int order = 1;
  /// Which entries, and whether directions as well.
  GradcheckMode mode = GradcheckMode::automatic;
  /// Size of a sample. The entry that autodiff calls the largest is always in it.
  std::int64_t entries = 120;
  /// Random directions of unit 2-norm a leaf, where there are any.
  int directions = 3;
  /// Largest error of an entry, relative to the largest entry of the leaf's gradient.
  double tolerance_entry = 1e-8;
  /// Largest error of a derivative along a direction of unit 2-norm, relative to the root mean
  /// square |g| / sqrt(n) of the gradient's n entries. That is the size of a derivative along a
  /// random direction; so an error e that is spread over the tensor shows at |e| / |g|, whatever n.
  double tolerance_direction = 1e-10;
  /// Points to check at: the given one, and points - 1 that are drawn from `domains`.
  int points = 1;
  /// For each leaf the interval that its entries are drawn from; needed for points > 1.
  std::vector<Domain> domains = {};
  /// Seed of the sample, the directions, the steps, the cotangents and the points.
  std::uint64_t seed = 0;
  /// Threads that share the entries, each with a plan of its own. The result does not depend on
  /// their number. For more than one, OpenBLAS should have one (blas::threads()).
  int threads = 1;
  /// Positions of the leaves whose derivative is declared identically zero: it must then be exactly
  /// zero in every entry, and f must not change. A gradient that is zero at every point fails as
  /// vacuous where it was not declared.
  std::vector<std::size_t> zero = {};
};

/// One line of a step sweep.
struct SweepStep {
  double step = 0;        ///< the widest of the stencil
  double numeric = 0;     ///< NaN where a kink or a value that is not finite is in the way
  double difference = 0;  ///< numeric - autodiff
  double floor = 0;       ///< what rounding alone may make of it
};

/// What was found for one leaf. "Largest" is the largest entry of its autodiff gradient (of the
/// numeric one, where autodiff says zero everywhere). Of several points, counts are added up, the
/// errors are the largest, and the rest is that of the worst point.
struct LeafReport {
  std::string name;                 ///< the Var's, or "input 0" by its position
  Shape shape;                      ///< its shape
  Verdict verdict = Verdict::pass;  ///< on this leaf
  std::string reason;               ///< why it is not a pass; else empty
  std::int64_t checked = 0;         ///< entries that the stencil has looked at
  std::int64_t failures = 0;        ///< of these, entries that are wrong
  std::int64_t undecided = 0;    ///< entries off by more than the tolerance, but not than the noise
  std::int64_t kinks = 0;        ///< entries at a kink that lie within the one-sided slopes
  int directions = 0;            ///< directions that could decide
  int undecided_directions = 0;  ///< and that could not: noise, or no step without a kink
  double largest = 0;            ///< absolute
  double max_entry_error = 0;    ///< relative to the largest
  double direction_error = 0;    ///< as tolerance_direction says; the worst
  double noise_floor = 0;        ///< of the stencil at its first step, relative to the largest
  std::int64_t worst = 0;        ///< row-major index of the worst entry (a failing one comes first)
  double worst_autodiff = 0;     ///< that entry as autodiff has it
  double worst_numeric = 0;      ///< and by the stencil
  int point = 0;                 ///< the worst; 0 for the given one
  bool vacuous = false;          ///< the gradient is zero (at every point) and not declared so
  /// Where the verdict is "cannot decide": the stencil at ten steps, 1e-1 to 1e-10 times max(1,
  /// |x|), for the worst entry, or where all entries were decided for the first direction that was
  /// not.
  std::vector<SweepStep> sweep;
  bool sweep_of_direction = false;  ///< which of the two
};

/// What gradcheck found, leaf by leaf, and the options that it was found with.
struct GradcheckReport {
  Verdict verdict = Verdict::pass;  ///< the worst of the leaves', or that of the check as a whole
  std::string reason;              ///< the first leaf's that is not a pass, with its name; or empty
  int order = 1;                   ///< of the derivative that was checked
  std::uint64_t seed = 0;          ///< as in the options
  int points = 1;                  ///< as in the options
  double tolerance_entry = 0;      ///< as in the options
  double tolerance_direction = 0;  ///< as in the options
  std::vector<LeafReport> leaves;  ///< in the order in which they were given

  /// False only for a failure: "cannot decide" is none.
  explicit operator bool() const { return verdict != Verdict::fail; }
};

/// A table of the leaves, and for each that is not a pass a line with the worst entry's values; for
/// the first that could not be decided the step sweep.
std::string to_string(const GradcheckReport& report);
/// The same as a JSON object; numbers that are not finite become null.
std::string to_json(const GradcheckReport& report);

/// Checks d f / d leaf for each of `leaves`, at the current values of all leaves of y's tape, where
/// f = y for one element, and <c, y> with a random cotangent c of entries +-U(0.5, 1.5) otherwise.
/// `leaves` are inputs, parameters or constants of that tape. The graph is recorded anew on a tape
/// of the check's own and evaluated there by plans on copies of the leaves: the user's tape and
/// memory are only read.
///
/// Stencil: central quotients (f(x + t) - f(x - t)) / 2 t at three steps t, extrapolated to t = 0
/// by the polynomial in t^2 through them (Richardson; for steps 3 h, 2 h and h it is the 7-point
/// stencil), of error O(t^6). Each step is the one before over a random number in (1.4, 1.7), from
/// u 2^-6 max(1, |x|) down, u random in (1, 2) (larger where noise asks for it), so that no two
/// steps are commensurate with each other or with structure of f. Two estimates in a row that meet
/// autodiff within a tenth of the tolerance end the sweep, unless a last quotient, over a step so
/// small that its noise is 1e-4 of the gradient, contradicts them. Else the sweep goes on to where
/// noise swamps the gradient, and the flattest three in a row count; finer ones that settle on
/// another value overrule coarser ones. So features of f much narrower than the first step are
/// found, and a staircase is not taken for its trend.
///
/// Noise: sigma of f by difference tables (More and Wild, Estimating computational noise, SIAM J.
/// Sci. Comput. 33, 2011) along random directions, at least eps |f| / 4 and an eighth of what
/// first-order analysis of the graph's rounding errors expects; the floor of a stencil
/// with coefficients c_k is 3 sigma sum |c_k|. The uncertainty of an estimate is its floor or its
/// difference from the two before it, whichever is larger. An entry beyond the tolerance is wrong
/// where its error is above tolerance + 10 uncertainties, and undecided otherwise, or while a finer
/// step sides with autodiff. What f has of structure below its rounding noise is not seen.
///
/// Kinks: steps between which and x a kink lies (KinkSides), or at which f is not finite, are left
/// out. What has no stencil down to where the floor passes the tolerance is at a kink: it is right
/// within its one-sided slopes. More than 5 % of these among a leaf's entries: cannot decide.
///
/// Directions: along a unit 2-norm each entry moves little, so that larger steps serve and noise
/// matters less. A sampled leaf of which no direction could decide: cannot decide.
///
/// Power: a leaf whose gradient is zero fails as vacuous unless declared zero, and so does a check
/// in which no leaf has an entry above 10 times its floor.
///
/// Replay: after the leaves have moved, the plan's gradients must equal those of recording anew in
/// every bit; a rule that keeps values of the recording fails.
///
/// Throws UsageError for stale Vars, Vars of two tapes, what is not a leaf, a leaf given twice, no
/// leaves, and options out of range; whatever a rule throws.
GradcheckReport gradcheck(Var<double> y, std::span<const Var<double>> leaves,
                          const GradcheckOptions& options = {},
                          SourceLocation location = SourceLocation::current());
/// The same for a braced list of leaves.
inline GradcheckReport gradcheck(Var<double> y, std::initializer_list<Var<double>> leaves,
                                 const GradcheckOptions& options = {},
                                 SourceLocation location = SourceLocation::current()) {
  return gradcheck(y, std::span<const Var<double>>(leaves.begin(), leaves.size()), options,
                   location);
}

namespace detail {
/// The first tensor of a call, and where the call stands: a pack of tensors leaves no room for a
/// defaulted location.
struct FirstTensor {
  FirstTensor(const Tensor<double>& t, SourceLocation l = SourceLocation::current())
      : tensor(t), location(l) {}
  const Tensor<double>& tensor;
  SourceLocation location;
};
}  // namespace detail

/// The same for a callable that is generic in the scalar, at the given point:
/// gradcheck([](auto x, auto w) { return sum(tanh(matmul(x, w))); }, x, w).
/// Options, where there are any, come first: the tensors end the list.
template <class F, std::same_as<Tensor<double>>... Tensors>
GradcheckReport gradcheck(const GradcheckOptions& options, F f, detail::FirstTensor first,
                          const Tensors&... tensors) {
  Tape<double> tape;
  const std::array leaves{tape.input(first.tensor, first.location),
                          tape.input(tensors, first.location)...};
  return gradcheck(std::apply(f, leaves), leaves, options, first.location);
}
/// The same with the default options.
template <class F, std::same_as<Tensor<double>>... Tensors>
GradcheckReport gradcheck(F f, detail::FirstTensor first, const Tensors&... tensors) {
  return gradcheck(GradcheckOptions{}, f, first, tensors...);
}

}  // namespace chainrule
