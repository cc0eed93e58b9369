// Every operation, with its formula, its adjoint and what can go wrong: the page to read first.
//
// Shapes: (s), (t) are any shapes of rank 0 to 4; (..., K) is any shape whose last axis has K
// entries. Binary operations broadcast as NumPy does. g is the cotangent of the result. Each
// function also throws UsageError for a Var that is stale, of another tape or never assigned, and
// takes the user's file and line by its last, defaulted parameter, for the messages of its errors.
#pragma once

#include <chainrule/autograd/basic_ops.hpp>
#include <chainrule/autograd/gradients.hpp>
#include <chainrule/autograd/plan.hpp>
#include <chainrule/autograd/tape.hpp>
#include <type_traits>
#include <vector>

namespace chainrule {

// Handed on from autograd: add(a, b), broadcast_to(x, shape), sum_to(x, shape).

// --- elementwise
// ----------------------------------------------------------------------------------

/// a - b, broadcasting.  da = sum_to(g, s), db = -sum_to(g, t).  ShapeError: no common shape.
template <class T>
Var<T> sub(Var<T> a, Var<T> b, SourceLocation location = SourceLocation::current());

/// a b, entry by entry, broadcasting.  da = sum_to(g b, s), db = sum_to(g a, t).
/// ShapeError: no common shape.
template <class T>
Var<T> mul(Var<T> a, Var<T> b, SourceLocation location = SourceLocation::current());

/// a b with 0 times anything 0, infinities and NaN included, so that 0 log 0 is 0 in a composition.
/// da = sum_to(mul0(g, b), s), db = sum_to(mul0(g, a), t).  ShapeError: no common shape.
template <class T>
Var<T> mul0(Var<T> a, Var<T> b, SourceLocation location = SourceLocation::current());

/// a / b, broadcasting; IEEE at b = 0.  da = sum_to(g / b, s), db = -sum_to(g (a / b) / b, t).
/// ShapeError: no common shape.
template <class T>
Var<T> div(Var<T> a, Var<T> b, SourceLocation location = SourceLocation::current());

/// -x.  dx = -g.
template <class T>
Var<T> neg(Var<T> x, SourceLocation location = SourceLocation::current());

/// factor x, for a number.  dx = factor g.
template <class T>
Var<T> scale(Var<T> x, std::type_identity_t<T> factor,
             SourceLocation location = SourceLocation::current());

/// x + term, for a number.  dx = g.
template <class T>
Var<T> shift(Var<T> x, std::type_identity_t<T> term,
             SourceLocation location = SourceLocation::current());

/// e^x.  dx = g e^x.
template <class T>
Var<T> exp(Var<T> x, SourceLocation location = SourceLocation::current());

/// ln x: -inf at 0, NaN below.  dx = g / x.
template <class T>
Var<T> log(Var<T> x, SourceLocation location = SourceLocation::current());

/// 1 where a > b, else 0, broadcasting. Its derivative is identically zero: no gradient flows.
/// ShapeError: no common shape.
template <class T>
Var<T> greater(Var<T> a, Var<T> b, SourceLocation location = SourceLocation::current());

/// 1 where a = b, else 0, broadcasting. No gradient flows.  ShapeError: no common shape.
template <class T>
Var<T> equal(Var<T> a, Var<T> b, SourceLocation location = SourceLocation::current());

/// -1, 0 or 1; NaN stays NaN. No gradient flows.
template <class T>
Var<T> sign(Var<T> x, SourceLocation location = SourceLocation::current());

// --- activations
// ----------------------------------------------------------------------------------

/// 1 / (1 + e^-x), accurate in both tails.  dx = g sech^2(x / 2) / 4, which is y (1 - y) without
/// its cancellation where y is near 1.
template <class T>
Var<T> sigmoid(Var<T> x, SourceLocation location = SourceLocation::current());

/// tanh x.  dx = g sech^2(x), which is 1 - y^2 without its cancellation where |y| is near 1.
template <class T>
Var<T> tanh(Var<T> x, SourceLocation location = SourceLocation::current());

/// 1.7159 tanh(2x/3) (LeCun, Bottou, Orr, Mueller: Efficient BackProp, 1998, section 4.4).
/// dx = g 1.7159 (2/3) sech^2(2x/3).
template <class T>
Var<T> improved_sigmoid(Var<T> x, SourceLocation location = SourceLocation::current());

/// outer sech^2(inner x): the derivative of the three above, accurate until it underflows.
/// dx = -2 inner tanh(inner x) g y.
template <class T>
Var<T> sech_squared(Var<T> x, std::type_identity_t<T> outer = 1, std::type_identity_t<T> inner = 1,
                    SourceLocation location = SourceLocation::current());

/// max(x, 0), by x <= 0 ? 0 : x, so that NaN passes.  dx = g greater(x, 0): 0 at the kink.
template <class T>
Var<T> relu(Var<T> x, SourceLocation location = SourceLocation::current());

// --- matrix products
// ------------------------------------------------------------------------------

/// What matmul does with its operands before it multiplies.
enum class Transpose : std::uint32_t { none = 0, a = 1, b = 2, both = 3 };

/// op(A) op(B): (m, k) x (k, n) -> (m, n), where op transposes what `transpose` names. One GEMM.
/// Without flags dA = g B^T, dB = A^T g; with them the same, transposed.
/// ShapeError: a rank that is not 2, inner dimensions that differ (it says which transposition
/// would conform).
template <class T>
Var<T> matmul(Var<T> a, Var<T> b, Transpose transpose = Transpose::none,
              SourceLocation location = SourceLocation::current());

/// X W + b: (B, I) x (I, O) + (O,) -> (B, O), with b on every row: a layer in one operation.
/// dX = g W^T, dW = X^T g, db = the sum of g over its rows.  ShapeError: as matmul; b not (O,).
template <class T>
Var<T> linear(Var<T> x, Var<T> w, Var<T> b, SourceLocation location = SourceLocation::current());

// --- reductions
// -----------------------------------------------------------------------------------

/// Sum over `axes` (NumPy's: negative ones count from the end; none given means all).
/// dx = g, broadcast back.  An empty sum is 0.  ShapeError: an axis out of range or twice.
template <class T>
Var<T> sum(Var<T> x, std::initializer_list<int> axes = {}, bool keepdims = false,
           SourceLocation location = SourceLocation::current());

/// Mean over `axes`: sum / count.  dx = g / count, broadcast back.
/// ShapeError: as sum; the mean of no elements.
template <class T>
Var<T> mean(Var<T> x, std::initializer_list<int> axes = {}, bool keepdims = false,
            SourceLocation location = SourceLocation::current());

// --- shape
// ----------------------------------------------------------------------------------------

/// The same entries in row-major order under another shape; x itself where the shape is the same.
/// dx = reshape(g, s).  ShapeError: another number of elements.
template <class T>
Var<T> reshape(Var<T> x, const Shape& shape, SourceLocation location = SourceLocation::current());

// --- softmax and its losses
// -----------------------------------------------------------------------

/// e^x_k / sum_j e^x_j along the last axis: (..., K) -> (..., K).
/// dx = y weighted_deviation(g, y).  ShapeError: rank 0, or K = 0.
template <class T>
Var<T> softmax(Var<T> x, SourceLocation location = SourceLocation::current());

/// x_k - ln sum_j e^x_j along the last axis: (..., K) -> (..., K). The winner's own value is
/// -log1p of the sum over the others, accurate however confident the row is.
/// dx = wedge_sum(g, exp(y)).  ShapeError: rank 0, or K = 0.
template <class T>
Var<T> log_softmax(Var<T> x, SourceLocation location = SourceLocation::current());

/// sum_j (a_k b_j - a_j b_k) along the last axis, without the term j = k, where it would cancel:
/// (..., K) x (..., K) -> (..., K). With b = softmax(x) it is log_softmax's derivative, equal to
/// g - softmax(x) sum(g) but accurate where a row is confident.
/// da = weighted_deviation(g, b), db = -weighted_deviation(g, a).  ShapeError: shapes differ.
template <class T>
Var<T> wedge_sum(Var<T> a, Var<T> b, SourceLocation location = SourceLocation::current());

/// sum_j w_j (a_k - a_j) along the last axis: how far a_k stands from the w-weighted mean, times
/// the weights' sum: (..., K) x (..., K) -> (..., K). da = wedge_sum(g, w), dw =
/// -weighted_deviation(a, g), in which the weights are g. ShapeError: shapes differ.
template <class T>
Var<T> weighted_deviation(Var<T> a, Var<T> w, SourceLocation location = SourceLocation::current());

/// x_{n, i_n}: one entry of each row, (N, K) -> (N,).  dx = place(g, indices, K).
/// `indices` is a leaf: an address that must stay, whose N entries are read and checked at every
/// run.  ShapeError: rank not 2, another number of indices; LabelError: an index outside [0, K).
template <class T>
Var<T> pick(Var<T> x, std::span<const std::int32_t> indices,
            SourceLocation location = SourceLocation::current());
template <class T>
Var<T> pick(Var<T> x, const std::vector<std::int32_t>&& indices,
            SourceLocation location = {}) = delete;  // a temporary would dangle

/// Zero but for y_{n, i_n} = x_n: (N,) -> (N, K); the adjoint of pick.  dx = pick(g, indices).
/// ShapeError: rank not 1, another number of indices; LabelError: an index outside [0, K).
template <class T>
Var<T> place(Var<T> x, std::span<const std::int32_t> indices, std::int64_t columns,
             SourceLocation location = SourceLocation::current());
template <class T>
Var<T> place(Var<T> x, const std::vector<std::int32_t>&& indices, std::int64_t columns,
             SourceLocation location = {}) = delete;

/// -(1/N) sum_n sum_k y_nk ln softmax(z_n)_k for logits z (N, K) and targets y (N, K) -> (): rows
/// of any mass, one-hot or soft, with 0 ln 0 = 0. A composition of mul0, log_softmax, sum and
/// scale. dz = wedge_sum, which is ((sum_j y_j) softmax(z)_k - y_k) / N; dy = -ln softmax(z) / N.
/// ShapeError: rank not 2, shapes differ, N = 0.
template <class T>
Var<T> softmax_cross_entropy(Var<T> logits, Var<T> targets,
                             SourceLocation location = SourceLocation::current());

/// The same for class indices, as one-hot rows: -(1/N) sum_n ln softmax(z_n)_{i_n}. A composition
/// of pick, log_softmax, sum and scale.  ShapeError, LabelError: as pick; N = 0.
template <class T>
Var<T> softmax_cross_entropy_with_indices(Var<T> logits, std::span<const std::int32_t> labels,
                                          SourceLocation location = SourceLocation::current());
template <class T>
Var<T> softmax_cross_entropy_with_indices(Var<T> logits, const std::vector<std::int32_t>&& labels,
                                          SourceLocation location = {}) = delete;

// --- operators
// ------------------------------------------------------------------------------------

/// An operand of +, -, * and /: it is made from a Var or a number in the user's expression, and so
/// knows the user's line.
template <class V>
struct Operand {
  V value;
  SourceLocation location;
  Operand(V operand, SourceLocation at = SourceLocation::current())
      : value(operand), location(at) {}
};
template <class T>
using VarOperand = Operand<Var<std::type_identity_t<T>>>;
template <class T>
using NumberOperand = Operand<std::type_identity_t<T>>;

namespace detail {
/// A number beside x, on x's tape. x is checked first: an error leaves no constant behind.
template <class T>
Var<T> constant_beside(Var<T> x, T value, SourceLocation location) {
  x.tape(location).expect_own(x, "div", location);
  return x.tape().constant(value, {}, location);
}
}  // namespace detail

template <class T>
Var<T> operator+(Var<T> a, VarOperand<T> b) {
  return add(a, b.value, b.location);
}
template <class T>
Var<T> operator-(Var<T> a, VarOperand<T> b) {
  return sub(a, b.value, b.location);
}
template <class T>
Var<T> operator*(Var<T> a, VarOperand<T> b) {
  return mul(a, b.value, b.location);
}
template <class T>
Var<T> operator/(Var<T> a, VarOperand<T> b) {
  return div(a, b.value, b.location);
}
template <class T>
Var<T> operator+(Var<T> a, NumberOperand<T> b) {
  return shift(a, b.value, b.location);
}
template <class T>
Var<T> operator-(Var<T> a, NumberOperand<T> b) {
  return shift(a, -b.value, b.location);
}
template <class T>
Var<T> operator*(Var<T> a, NumberOperand<T> b) {
  return scale(a, b.value, b.location);
}
template <class T>
Var<T> operator/(Var<T> a, NumberOperand<T> b) {
  return div(a, detail::constant_beside(a, b.value, b.location), b.location);
}
template <class T>
Var<T> operator+(NumberOperand<T> a, Var<T> b) {
  return shift(b, a.value, a.location);
}
template <class T>
Var<T> operator-(NumberOperand<T> a, Var<T> b) {
  return shift(neg(b, a.location), a.value, a.location);
}
template <class T>
Var<T> operator*(NumberOperand<T> a, Var<T> b) {
  return scale(b, a.value, a.location);
}
template <class T>
Var<T> operator/(NumberOperand<T> a, Var<T> b) {
  return div(detail::constant_beside(b, a.value, a.location), b, a.location);
}
/// -x. (No templates: there a lone operand would not be converted, and its line not known.)
inline Var<float> operator-(VarOperand<float> x) { return neg(x.value, x.location); }
inline Var<double> operator-(VarOperand<double> x) { return neg(x.value, x.location); }

}  // namespace chainrule
