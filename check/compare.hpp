// compare: values that were written by hand against the tape's, by name.
#pragma once

#include <chainrule/autograd/tape.hpp>
#include <chainrule/check/verdict.hpp>
#include <initializer_list>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <type_traits>
#include <vector>

namespace chainrule {

/// A value that was computed by hand, and the name that the tape has for it: "dW2", "dZ1", "Z1".
template <class T>
struct NamedValue {
  std::string_view name;      ///< as the tape has it
  TensorView<const T> value;  ///< to be kept alive until compare() returns
};

/// How close is equal.
struct CompareOptions {
  /// Largest norm-wise error. By default, for double: max(1e-12, 8 eps sqrt(max(1024, K))), what
  /// two orders of summation may differ by (an error of eps sqrt(k) for a sum over k terms,
  /// eightfold), where K is the largest dimension of any value that the one compared is made of (of
  /// the two tensors, where there is no tape).
  /// For float on a tape it is measured: 8 n + 4 eps sqrt(max(16, K)), where n is the norm-wise
  /// difference between the tape's value and the same graph's in double (DoubleRecording). Where
  /// that exceeds 1 %, only equality passes, and what is within it cannot be decided. Behind a
  /// user's own operation, which has no twin in double, and for two tensors alone, it is 8 eps
  /// sqrt(max(1024, K)): 3e-5 up to K = 1024.
  std::optional<double> tolerance = {};
};

/// One value by hand against the one expected. Errors are relative: there is no absolute floor, so
/// zero agrees with exact zero alone.
struct Comparison {
  std::string name;                 ///< as given
  Shape shape;                      ///< expected
  Shape hand_shape;                 ///< by hand
  Verdict verdict = Verdict::pass;  ///< of this value
  std::string reason;               ///< why it is not a pass; else empty
  double tolerance = 0;             ///< that norm_error was held against
  double norm_error = 0;   ///< |hand - expected| / |expected| in the 2-norm; infinite for shapes
  double max_error = 0;    ///< of an entry, relative to the largest expected one
  std::int64_t worst = 0;  ///< row-major index of that entry, in the expected shape
  double hand = 0;         ///< that entry as written by hand
  double expected = 0;     ///< that entry as expected
  std::optional<double> noise;  ///< measured, of the expected value: norm-wise
  std::string note;             ///< why the noise is not known, or empty

  /// True unless it failed.
  explicit operator bool() const { return verdict != Verdict::fail; }
};

/// What compare() found, value by value.
struct CompareReport {
  Verdict verdict = Verdict::pass;  ///< the worst of the rows'
  std::vector<Comparison> rows;     ///< in the order in which they were given
  /// True unless a value failed.
  explicit operator bool() const { return verdict != Verdict::fail; }
};

/// Two tensors: a pass when their shapes are equal, all values are finite, and the norm-wise error
/// is within the tolerance. Where they are not, the reason names what would explain it: an order of
/// axes that conforms (and whether it agrees), the transpose of a square matrix, a constant factor.
Comparison compare(std::string_view name, TensorView<const float> hand,
                   TensorView<const float> expected, const CompareOptions& options = {});
/// The same in double.
Comparison compare(std::string_view name, TensorView<const double> hand,
                   TensorView<const double> expected, const CompareOptions& options = {});

/// Each value against the tape's of that name: record the model, call gradients(), then
/// compare(tape, {{"dZ1", dz1}, {"dW1", dw1}}). One row each, in their order.
/// A name means its first holder: after a second gradients() on one tape the new gradient of W1 is
/// "dW1#2". Throws NameError for a name that the tape has not, with the names that it has;
/// UsageError for no values at all.
template <class T>
CompareReport compare(Tape<T>& tape, std::span<const NamedValue<std::type_identity_t<T>>> hand,
                      const CompareOptions& options = {},
                      SourceLocation location = SourceLocation::current());
/// The same for a braced list.
template <class T>
CompareReport compare(Tape<T>& tape,
                      std::initializer_list<NamedValue<std::type_identity_t<T>>> hand,
                      const CompareOptions& options = {},
                      SourceLocation location = SourceLocation::current()) {
  return compare(tape, std::span<const NamedValue<T>>(hand.begin(), hand.size()), options,
                 location);
}

/// A table of the rows, and a line for each that fails, with the worst entry's values.
std::string to_string(const CompareReport& report);
/// The same for one value.
std::string to_string(const Comparison& row);
/// The same as JSON: an object; numbers that are not finite become null.
std::string to_json(const CompareReport& report);

// Doxygen takes these for overloads.
/// \cond
extern template CompareReport compare(Tape<float>&, std::span<const NamedValue<float>>,
                                      const CompareOptions&, SourceLocation);
extern template CompareReport compare(Tape<double>&, std::span<const NamedValue<double>>,
                                      const CompareOptions&, SourceLocation);
/// \endcond

}  // namespace chainrule
