// The few operations that the tape itself needs: adding up adjoints, and broadcasting both ways.
// ops.hpp hands them on.
#pragma once

#include <chainrule/autograd/tape.hpp>

namespace chainrule {

/// a + b, broadcasting: (s) + (t) -> broadcast(s, t).
/// Adjoint: da = sum_to(g, s), db = sum_to(g, t).
/// Throws ShapeError where the shapes do not broadcast.
template <class T>
Var<T> add(Var<T> a, Var<T> b, SourceLocation location = SourceLocation::current());

/// x repeated along new and size-1 axes: (s) -> shape. x itself where the shape is s already.
/// Adjoint: dx = sum_to(g, s).
/// Throws ShapeError where s does not stretch to `shape`.
template <class T>
Var<T> broadcast_to(Var<T> x, const Shape& shape,
                    SourceLocation location = SourceLocation::current());

/// x summed over the axes along which `shape` would be broadcast: (s) -> shape; the adjoint of
/// broadcasting. x itself where the shape is s already.
/// Adjoint: dx = broadcast_to(g, s).
/// Throws ShapeError where `shape` does not stretch to s.
template <class T>
Var<T> sum_to(Var<T> x, const Shape& shape, SourceLocation location = SourceLocation::current());

namespace detail {
/// The operations of the tape's leaves, which have no kernel: a bound tensor or view, a parameter,
/// and values of the tape's own.
template <class T>
const Op<T>& input_op();
template <class T>
const Op<T>& parameter_op();
template <class T>
const Op<T>& constant_op();
}  // namespace detail

}  // namespace chainrule
