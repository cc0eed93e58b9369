// Derivatives as functions: products with the Jacobian and the Hessian, and the matrices
// themselves.
//
// All of them work on Vars of one tape and append what they compute, so that their results can be
// planned, replayed and differentiated again. Arguments are checked before anything is recorded.
// Names: value_and_gradients and vjp name their results as gradients() does ("dW1"); the other
// functions name nothing.
//
// Costs are those of a plan of the result, y's own evaluation included, in forward passes of y,
// counted in matrix products: an MLP of L layers has L. (The tape, while recording, also evaluates
// what only led to the result.)
#pragma once

#include <chainrule/autograd/gradients.hpp>
#include <chainrule/autograd/tape.hpp>
#include <concepts>
#include <initializer_list>
#include <span>
#include <type_traits>
#include <utility>
#include <vector>

namespace chainrule {

/// One Var, a braced list, a vector or a span of them, as an argument: it owns nothing.
template <class T>
class VarList {
 public:
  /// One Var.
  VarList(const Var<T>& var) : vars_(&var, 1) {}
  /// A braced list, which must outlive this: as an argument it does.
  VarList(std::initializer_list<Var<T>> vars) : vars_(vars.begin(), vars.size()) {}
  /// A vector.
  VarList(const std::vector<Var<T>>& vars) : vars_(vars) {}
  /// A span.
  VarList(std::span<const Var<T>> vars) : vars_(vars) {}
  /// The Vars in their order.
  operator std::span<const Var<T>>() const { return vars_; }

 private:
  std::span<const Var<T>> vars_;
};

/// A scalar and its derivatives, in the order in which they were asked for.
template <class T>
struct ValueAndGradients {
  Var<T> value;                       ///< the scalar
  std::span<const Var<T>> gradients;  ///< valid until the tape is cleared
};

/// y and its gradients: auto [loss, d] = value_and_gradients(y, {w1, w2}), for any y that
/// gradients() takes without a cotangent, with its errors.
/// Cost: 3 forward passes (3 L - 1 products), however many numbers `wrt` has.
template <class T>
ValueAndGradients<T> value_and_gradients(Var<T> y, VarList<std::type_identity_t<T>> wrt,
                                         SourceLocation location = SourceLocation::current()) {
  return {y, gradients(y, std::span<const Var<T>>(wrt), Var<T>{}, location)};
}

/// The same for a callable: records y = f(x1, x2, ...) first.
/// auto [loss, d] = value_and_gradients([&](auto w, auto b) { ... }, {w, b}).
template <class F, class T, std::size_t count>
requires(!std::same_as<F, Var<T>>) ValueAndGradients<T> value_and_gradients(
    F f, const Var<T> (&wrt)[count], SourceLocation location = SourceLocation::current()) {
  const Var<T> y = [&]<std::size_t... i>(std::index_sequence<i...>) { return f(wrt[i]...); }
  (std::make_index_sequence<count>{});
  return value_and_gradients(y, std::span<const Var<T>>(wrt), location);
}

/// Vector-Jacobian products, reverse mode: u^T (dy/dx_i) for each x_i of `wrt`, for a cotangent u
/// of y's shape; the results have the shapes of the x_i.
/// Cost: 3 forward passes, whatever the size of y and x.
/// Throws ShapeError where u has another shape than y, and what gradients() throws.
template <class T>
std::span<const Var<T>> vjp(Var<T> y, VarList<std::type_identity_t<T>> wrt,
                            std::type_identity_t<Var<T>> u,
                            SourceLocation location = SourceLocation::current());

/// Jacobian-vector product, forward mode: sum_i (dy/dx_i) v_i, the derivative of y along the
/// tangents v_i, each of the shape of its x_i; the result has y's shape. By two reverse passes: the
/// product J^T u is linear in u, and its derivative with respect to u along v is J v (J. Townsend,
/// A new trick for calculating Jacobian vector products, 2017).
/// Cost: 3 forward passes (3 L - 1 products); 2 where the x_i are not factors of them, as an input
/// of the network is. A plan does not evaluate J^T u itself.
/// Throws ShapeError for another number of tangents or another shape, and what gradients() throws.
template <class T>
Var<T> jvp(Var<T> y, VarList<std::type_identity_t<T>> wrt,
           VarList<std::type_identity_t<T>> tangents,
           SourceLocation location = SourceLocation::current());

/// Hessian-vector products of a scalar y: sum_j (d^2 y / dx_i dx_j) v_j for each x_i of `wrt`, with
/// the shapes of the x_i, for one v_j of the shape of each x_j. The gradient of <dy/dx, v>, reverse
/// over reverse.
/// Cost: 8 forward passes (8 L - 5 products), whatever the size of x, and no matrix: what conjugate
/// gradients need.
/// Throws ShapeError for a y of more than one element, another number of vectors or another shape,
/// and what gradients() throws.
template <class T>
std::span<const Var<T>> hvp(Var<T> y, VarList<std::type_identity_t<T>> wrt,
                            VarList<std::type_identity_t<T>> vectors,
                            SourceLocation location = SourceLocation::current());

/// The Jacobian dy/dx as a matrix (m, n) for y of m and x of n elements, of any rank, each in
/// row-major order: entry (i, j) is dy_i / dx_j. Always a matrix, since the ranks of y and x
/// together could pass 4, and a matrix is what one multiplies and solves with.
/// Cost: one forward pass, shared, and 1 or 2 for each row (reverse mode), or, for n < m, for each
/// column (forward mode). The tape holds them all, so this is for small problems.
/// Throws what gradients() throws.
template <class T>
Var<T> jacobian(Var<T> y, Var<T> x, SourceLocation location = SourceLocation::current());

/// The Hessian of a scalar y as a matrix (n, n) for x of n elements: the Jacobian of its gradient.
/// Symmetric up to rounding.
/// Cost: 3 forward passes, shared, and 5 for each row. The tape holds them all, so this is for
/// small problems. Throws ShapeError for a y of more than one element, and what gradients() throws.
template <class T>
Var<T> hessian(Var<T> y, Var<T> x, SourceLocation location = SourceLocation::current());

}  // namespace chainrule
