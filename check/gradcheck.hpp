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
  double tolerance_norm = 1e-8;
  /// Seed of the sample, the directions and the cotangents.
  std::uint64_t seed = 0;
  /// Threads that share the entries, each with a plan of its own. The result does not depend on
  /// their number. For more than one, OpenBLAS should have one (blas::threads()).
  int threads = 1;
  /// Positions of the leaves whose derivative is declared identically zero: it must then be exactly
  /// zero in every entry, and f must not change. An undeclared zero gradient fails as vacuous.
  std::vector<std::size_t> zero = {};
};

/// What was found for one leaf. "Largest" is the largest entry of its autodiff gradient (of the
/// numeric one, where autodiff says zero everywhere).
struct LeafReport {
  std::string name;                 ///< the Var's, or "input 0" by its position
  Shape shape;                      ///< its shape
  Verdict verdict = Verdict::pass;  ///< on this leaf
  std::string reason;               ///< why it is not a pass; else empty
  std::int64_t checked = 0;         ///< entries that the stencil has looked at
  std::int64_t failures = 0;        ///< of these, entries that are wrong
  std::int64_t undecided = 0;  ///< entries off by more than the tolerance, but not than the noise
  std::int64_t kinks = 0;      ///< entries at a kink that lie within the one-sided slopes
  int directions = 0;          ///< directions that could decide
  double largest = 0;          ///< absolute
  double max_entry_error = 0;  ///< relative to the largest
  double direction_error = 0;  ///< as tolerance_norm says; the worst
  double noise_floor = 0;      ///< of the stencil at its first step, relative to the largest
  std::int64_t worst = 0;      ///< row-major index of the worst entry (a failing one comes first)
  double worst_autodiff = 0;   ///< that entry as autodiff has it
  double worst_numeric = 0;    ///< and by the stencil
};

/// What gradcheck found, leaf by leaf, and the options that it was found with.
struct GradcheckReport {
  Verdict verdict = Verdict::pass;  ///< the worst of the leaves', or that of the check as a whole
  std::string reason;               ///< why it is not a pass; else empty
  int order = 1;                    ///< of the derivative that was checked
  std::uint64_t seed = 0;           ///< as in the options
  double tolerance_entry = 0;       ///< as in the options
  double tolerance_norm = 0;        ///< as in the options
  std::vector<LeafReport> leaves;   ///< in the order in which they were given

  /// False only for a failure: "cannot decide" is none.
  explicit operator bool() const { return verdict != Verdict::fail; }
};

/// A table of the leaves, and a line for each that is not a pass, with the worst entry's values.
std::string to_string(const GradcheckReport& report);
/// The same as a JSON object; numbers that are not finite become null.
std::string to_json(const GradcheckReport& report);

/// Checks d f / d leaf for each of `leaves`, at the current values of all leaves of y's tape, where
/// f = y for one element, and <c, y> with a random cotangent c of entries +-U(0.5, 1.5) otherwise.
/// `leaves` are inputs, parameters or constants of that tape. The graph is recorded anew on a tape
/// of the check's own and evaluated there by plans on copies of the leaves: the user's tape and
/// memory are only read.
///
/// Stencil: f'(x) = (45 (f_1 - f_-1) - 9 (f_2 - f_-2) + (f_3 - f_-3)) / 60 h, f_k = f(x + k h), of
/// error O(h^6), from h = 2^-7 max(1, |x|) (rounded to a power of two; near eps^(1/7)) halved until
/// two neighbours agree within the noise or a twentieth of the tolerance; else the flattest pair
/// counts. A stencil that meets autodiff within a hundredth of the tolerance ends the search.
///
/// Noise: sigma of f by difference tables (More and Wild, Estimating computational noise, SIAM J.
/// Sci. Comput. 33, 2011) along random directions, at least eps |f| / 4; the floor of a stencil
/// with coefficients c_k is 3 sigma sum |c_k| / h. An entry beyond the tolerance is undecided while
/// floor (or the flattest pair's difference) exceeds the tolerance and the error is below 10 times
/// that, and wrong otherwise.
///
/// Kinks: while a stencil point lies on another side of one than x does (KinkSides), or f is not
/// finite there, h is halved, down to where the floor passes the tolerance. What has no stencil
/// even there is at a kink: it is right within its one-sided slopes. More than 5 % of these among a
/// leaf's entries: cannot decide.
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

/// The same for a callable that is generic in the scalar, at the given point:
/// gradcheck([](auto x, auto w) { return sum(tanh(matmul(x, w))); }, x, w).
template <class F, std::same_as<Tensor<double>>... Tensors>
requires(sizeof...(Tensors) > 0) GradcheckReport
    gradcheck(const GradcheckOptions& options, F f, const Tensors&... tensors) {
  Tape<double> tape;
  const std::array leaves{tape.input(tensors)...};
  return gradcheck(std::apply(f, leaves), leaves, options);
}
/// The same with the default options.
template <class F, std::same_as<Tensor<double>>... Tensors>
requires(sizeof...(Tensors) > 0) GradcheckReport gradcheck(F f, const Tensors&... tensors) {
  return gradcheck(GradcheckOptions{}, f, tensors...);
}

}  // namespace chainrule
