// gradients: reverse mode. The adjoint computation is appended to the tape as ordinary nodes.
#pragma once

#include <chainrule/autograd/tape.hpp>

namespace chainrule {

/// The derivatives of a scalar y with respect to each of `wrt` (any nodes of the tape), or, where a
/// cotangent of y's shape is given, of sum(cotangent * y): vector-Jacobian products.
///
/// Walks the tape backwards from y and appends, for each node between, what its rule says. The
/// first contribution to an adjoint is the adjoint; further ones are `add` nodes. The results are
/// Vars like any other: they can be printed, planned and differentiated again. They are named "d" +
/// name where the node has a name (so is every named intermediate's), stand in the order of `wrt`,
/// and live in the tape's memory until clear(). What y does not depend on gets exact zeros of its
/// shape.
///
/// Throws ShapeError for a y of more than one element without a cotangent, or a cotangent of
/// another shape; UsageError for stale Vars, Vars of two tapes, another thread, a parameter that was
/// changed after it was recorded, and an operation without a rule through which a gradient would
/// have to flow. The tape is then as it was.
template <class T>
std::span<const Var<T>> gradients(Var<T> y, std::span<const Var<T>> wrt, Var<T> cotangent = {},
                                  SourceLocation location = SourceLocation::current()) {
  return y.tape(location).gradients(y, wrt, cotangent, location);
}
/// The same for a braced list: gradients(loss, {w1, w2}).
template <class T>
std::span<const Var<T>> gradients(Var<T> y, std::initializer_list<Var<T>> wrt,
                                  Var<T> cotangent = {},
                                  SourceLocation location = SourceLocation::current()) {
  return gradients(y, std::span<const Var<T>>(wrt.begin(), wrt.size()), cotangent, location);
}
/// The same for a vector.
template <class T>
std::span<const Var<T>> gradients(Var<T> y, const std::vector<Var<T>>& wrt, Var<T> cotangent = {},
                                  SourceLocation location = SourceLocation::current()) {
  return gradients(y, std::span<const Var<T>>(wrt), cotangent, location);
}

}  // namespace chainrule
