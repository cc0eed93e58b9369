// What compare says of a value that is wrong: measures of its error, and simple reasons that would
// explain it. Internal.
#pragma once

#include <chainrule/check/compare.hpp>

namespace chainrule::detail {

/// Fills in the errors and the worst entry. Shapes are equal, and all values finite.
template <class T>
void measure(Comparison& row, TensorView<const T> hand, TensorView<const T> expected);

/// For unequal shapes: which permutation of axes would conform, and whether it would agree.
template <class T>
std::string explain_shapes(const Comparison& row, TensorView<const T> hand,
                           TensorView<const T> expected);

/// For a value of the right shape that is wrong: "; the transpose agrees", "; it is 0.01 = 1/100
/// times the expected one", or nothing.
template <class T>
std::string explain_values(const Comparison& row, TensorView<const T> hand,
                           TensorView<const T> expected);

template <class T>
bool all_finite(TensorView<const T> values);

}  // namespace chainrule::detail
