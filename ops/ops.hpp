// Every operation, with its formula, its adjoint and what can go wrong: the page to read first.
//
// Shapes: (s), (t) are any shapes of rank 0 to 4; (..., K) is any shape whose last axis has K
// entries. Binary operations broadcast as NumPy does. g is the cotangent of the result. Each
// function also throws UsageError for a Var that is stale, of another tape or never assigned, and
// takes the user's file and line by its last, defaulted parameter, for the messages of its errors.
// Derivatives as functions (jvp, hvp, jacobian, ...) are in derivatives.hpp.
#pragma once

#include <chainrule/autograd/basic_ops.hpp>
#include <chainrule/autograd/gradients.hpp>
#include <chainrule/autograd/plan.hpp>
#include <chainrule/autograd/tape.hpp>
#include <initializer_list>
#include <span>
#include <type_traits>
#include <vector>

namespace chainrule {

// Handed on from autograd: add(a, b), broadcast_to(x, shape), sum_to(x, shape).

// --- elementwise -------------------------------------------------------------------------------

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

// --- powers and elementary functions -----------------------------------------------------------

/// x^2.  dx = 2 g x.
template <class T>
Var<T> square(Var<T> x, SourceLocation location = SourceLocation::current());

/// The root of x: NaN below 0.  dx = g / (2 y); IEEE at 0, where it is infinite.
template <class T>
Var<T> sqrt(Var<T> x, SourceLocation location = SourceLocation::current());

/// 1 / x; IEEE at 0.  dx = -g y^2.
template <class T>
Var<T> reciprocal(Var<T> x, SourceLocation location = SourceLocation::current());

/// x^p for a number p: NaN for x < 0 unless p is whole. 0^0 is 1; NaN^0, unlike std::pow's, is NaN.
/// dx = g p x^(p - 1), exactly 0 for p = 0.
template <class T>
Var<T> pow(Var<T> x, std::type_identity_t<T> exponent,
           SourceLocation location = SourceLocation::current());

/// x^p, broadcasting; values as above.  dx = sum_to(g p x^(p - 1), s), 0 where p = 0;
/// dp = sum_to(g y ln x, t), 0 where x = 0 and p >= 0.  ShapeError: no common shape.
template <class T>
Var<T> pow(Var<T> x, Var<T> exponent, SourceLocation location = SourceLocation::current());

/// ln(1 + x) with all digits near 0: -inf at -1, NaN below.  dx = g / (1 + x).
template <class T>
Var<T> log1p(Var<T> x, SourceLocation location = SourceLocation::current());

/// e^x - 1 with all digits near 0.  dx = g e^x.
template <class T>
Var<T> expm1(Var<T> x, SourceLocation location = SourceLocation::current());

/// sin x, in radians; NaN at infinity.  dx = g cos x.
template <class T>
Var<T> sin(Var<T> x, SourceLocation location = SourceLocation::current());

/// cos x, in radians; NaN at infinity.  dx = -g sin x.
template <class T>
Var<T> cos(Var<T> x, SourceLocation location = SourceLocation::current());

/// 2 / sqrt(pi) times the integral of e^(-t^2) from 0 to x.  dx = g 2 / sqrt(pi) e^(-x^2).
template <class T>
Var<T> erf(Var<T> x, SourceLocation location = SourceLocation::current());

/// 1 - erf x, with all digits in the right tail.  dx = -g 2 / sqrt(pi) e^(-x^2).
template <class T>
Var<T> erfc(Var<T> x, SourceLocation location = SourceLocation::current());

/// outer e^(-rate x^2): the derivative of the two above and of normal_cdf, accurate in the tails.
/// dx = -2 rate g x y.  UsageError: a rate that is not positive.
template <class T>
Var<T> gaussian(Var<T> x, std::type_identity_t<T> outer = 1, std::type_identity_t<T> rate = 1,
                SourceLocation location = SourceLocation::current());

/// erfc(-x / sqrt 2) / 2, the standard normal distribution function, with all digits in the left
/// tail.  dx = g e^(-x^2 / 2) / sqrt(2 pi).
template <class T>
Var<T> normal_cdf(Var<T> x, SourceLocation location = SourceLocation::current());

// --- choices -----------------------------------------------------------------------------------

/// |x|.  dx = g sign(x): 0 at the kink.
template <class T>
Var<T> abs(Var<T> x, SourceLocation location = SourceLocation::current());

/// The larger of a and b, broadcasting; NaN where either is.  da = sum_to(g greater(a, b), s) and
/// db likewise; where they are equal each gets half.  ShapeError: no common shape.
template <class T>
Var<T> maximum(Var<T> a, Var<T> b, SourceLocation location = SourceLocation::current());

/// The smaller of a and b, broadcasting; NaN where either is.  da = sum_to(g greater(b, a), s) and
/// db likewise; where they are equal each gets half.  ShapeError: no common shape.
template <class T>
Var<T> minimum(Var<T> a, Var<T> b, SourceLocation location = SourceLocation::current());

/// x, but low below it and high above it; NaN passes.  dx = g inside, 0 outside and at both kinks.
/// UsageError: low > high, or a NaN.
template <class T>
Var<T> clamp(Var<T> x, std::type_identity_t<T> low, std::type_identity_t<T> high,
             SourceLocation location = SourceLocation::current());

/// a where the condition is not 0, b where it is, NaN where it is NaN; the three broadcast. What
/// was not chosen gets a gradient of 0.  da = sum_to(where(c, g, 0), s), db = sum_to(where(c, 0,
/// g), t), and no gradient flows to the condition.  ShapeError: no common shape.
template <class T>
Var<T> where(Var<T> condition, Var<T> a, Var<T> b,
             SourceLocation location = SourceLocation::current());

/// x, through which no gradient flows.
template <class T>
Var<T> stop_gradient(Var<T> x, SourceLocation location = SourceLocation::current());

// --- activations -------------------------------------------------------------------------------

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

/// x where x > 0, else slope x.  dx = g where x > 0, else slope g (at the kink too).
template <class T>
Var<T> leaky_relu(Var<T> x, std::type_identity_t<T> slope = T(0.01),
                  SourceLocation location = SourceLocation::current());

/// x where x > 0, else alpha (e^x - 1) by expm1 (Clevert, Unterthiner, Hochreiter, 2016).
/// dx = g where x > 0, else alpha g e^x.
template <class T>
Var<T> elu(Var<T> x, std::type_identity_t<T> alpha = 1,
           SourceLocation location = SourceLocation::current());

/// x normal_cdf(x) (Hendrycks, Gimpel, 2016; the exact form, not that by tanh), all digits in the
/// left tail.  dx = g (normal_cdf(x) + x e^(-x^2 / 2) / sqrt(2 pi)).
template <class T>
Var<T> gelu(Var<T> x, SourceLocation location = SourceLocation::current());

/// x sigmoid(x), also called swish.  dx = g (sigmoid(x) + x sech^2(x / 2) / 4).
template <class T>
Var<T> silu(Var<T> x, SourceLocation location = SourceLocation::current());

/// ln(1 + e^x), by max(x, 0) + log1p(e^-|x|): it neither overflows nor loses its left tail.
/// dx = g sigmoid(x).
template <class T>
Var<T> softplus(Var<T> x, SourceLocation location = SourceLocation::current());

// --- matrix products ---------------------------------------------------------------------------

/// What matmul does with its operands before it multiplies.
enum class Transpose : std::uint32_t { none = 0, a = 1, b = 2, both = 3 };

/// op(A) op(B): (m, k) x (k, n) -> (m, n), where op transposes what `transpose` names. One GEMM.
/// An A of rank 3 or 4 that is not transposed has its leading axes folded: (..., k) x (k, n) ->
/// (..., n). none: dA = g B^T, dB = A^T g (both folded).  a: dA = B g^T, dB = A g.
/// b: dA = g B, dB = g^T A.  both: dA = B^T g^T, dB = g^T A^T.
/// ShapeError: another rank, inner dimensions that differ (it says which transposition
/// would conform).
template <class T>
Var<T> matmul(Var<T> a, Var<T> b, Transpose transpose = Transpose::none,
              SourceLocation location = SourceLocation::current());

/// X W + b: (B, I) x (I, O) + (O,) -> (B, O), with b on every row: a layer in one operation.
/// dX = g W^T, dW = X^T g, db = the sum of g over its rows.  ShapeError: as matmul; b not (O,).
template <class T>
Var<T> linear(Var<T> x, Var<T> w, Var<T> b, SourceLocation location = SourceLocation::current());

// --- reductions --------------------------------------------------------------------------------

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

/// The largest over `axes`; NaN where one is among them.  dx = g, shared evenly by the entries that
/// are equal to it.  ShapeError: as sum; the max of no elements.
template <class T>
Var<T> max(Var<T> x, std::initializer_list<int> axes = {}, bool keepdims = false,
           SourceLocation location = SourceLocation::current());

/// The smallest over `axes`; NaN where one is among them.  dx = g, shared evenly by the entries
/// that are equal to it.  ShapeError: as sum; the min of no elements.
template <class T>
Var<T> min(Var<T> x, std::initializer_list<int> axes = {}, bool keepdims = false,
           SourceLocation location = SourceLocation::current());

/// The index along one axis of the first largest entry (of the first NaN, as in NumPy), as a number
/// of T. No gradient flows.  ShapeError: an axis out of range, no elements; in float an axis of
/// more than 2^24 entries, which it could not count.
template <class T>
Var<T> argmax(Var<T> x, int axis = -1, bool keepdims = false,
              SourceLocation location = SourceLocation::current());

/// ln of the sum of e^x over `axes`: the winner plus log1p of the others, so that it neither
/// overflows nor loses a small remainder.  dx = g softmax(x) over these axes.  ShapeError: as max.
template <class T>
Var<T> logsumexp(Var<T> x, std::initializer_list<int> axes = {}, bool keepdims = false,
                 SourceLocation location = SourceLocation::current());

/// The mean square deviation from the mean over `axes`, in two passes, divided by n - ddof (NumPy's
/// ddof; 1 for the unbiased estimate).  dx = 2 g (x - mean) / (n - ddof).  ShapeError: as sum;
/// fewer than ddof + 1 elements.
template <class T>
Var<T> variance(Var<T> x, std::initializer_list<int> axes = {}, bool keepdims = false, int ddof = 0,
                SourceLocation location = SourceLocation::current());

// --- shape -------------------------------------------------------------------------------------

/// The same entries in row-major order under another shape; x itself where the shape is the same.
/// dx = reshape(g, s).  ShapeError: another number of elements.
template <class T>
Var<T> reshape(Var<T> x, const Shape& shape, SourceLocation location = SourceLocation::current());

/// The axes in another order, as NumPy's transpose: axis k of the result is axis axes[k] of x
/// (negative ones count from the end; none given reverses them all).
/// dx = transpose(g, the inverse order).  ShapeError: not a permutation of the axes.
template <class T>
Var<T> transpose(Var<T> x, std::span<const int> axes,
                 SourceLocation location = SourceLocation::current());
/// The same for a braced list: transpose(x, {1, 0}).
template <class T>
Var<T> transpose(Var<T> x, std::initializer_list<int> axes = {},
                 SourceLocation location = SourceLocation::current()) {
  return transpose(x, std::span<const int>(axes.begin(), axes.size()), location);
}

/// Entries begin <= i < end of one axis.  dx = pad(g, axis, begin, n - end).
/// ShapeError: an axis out of range, or not 0 <= begin <= end <= n.
template <class T>
Var<T> slice(Var<T> x, int axis, std::int64_t begin, std::int64_t end,
             SourceLocation location = SourceLocation::current());

/// Zeros before and after x along one axis.  dx = slice(g, axis, before, before + n).
/// ShapeError: an axis out of range, a negative number.
template <class T>
Var<T> pad(Var<T> x, int axis, std::int64_t before, std::int64_t after,
           SourceLocation location = SourceLocation::current());

/// The parts one after the other along one axis, along which alone they may differ.
/// dx_i = slice(g, axis, where it begins, where it ends).
/// ShapeError: an axis out of range, shapes that differ elsewhere; UsageError: no parts.
template <class T>
Var<T> concat(std::span<const Var<T>> parts, int axis = 0,
              SourceLocation location = SourceLocation::current());
/// The same for a braced list.
template <class T>
Var<T> concat(std::initializer_list<Var<T>> parts, int axis = 0,
              SourceLocation location = SourceLocation::current()) {
  return concat(std::span<const Var<T>>(parts.begin(), parts.size()), axis, location);
}
/// The same for a vector.
template <class T>
Var<T> concat(const std::vector<Var<T>>& parts, int axis = 0,
              SourceLocation location = SourceLocation::current()) {
  return concat(std::span<const Var<T>>(parts), axis, location);
}

/// The parts, all of one shape, side by side along a new axis: a composition of reshape and concat.
/// dx_i = the i-th entry of g along it.  ShapeError: an axis out of range, shapes that differ, a
/// rank above 3; UsageError: no parts.
template <class T>
Var<T> stack(std::span<const Var<T>> parts, int axis = 0,
             SourceLocation location = SourceLocation::current());
/// The same for a braced list.
template <class T>
Var<T> stack(std::initializer_list<Var<T>> parts, int axis = 0,
             SourceLocation location = SourceLocation::current()) {
  return stack(std::span<const Var<T>>(parts.begin(), parts.size()), axis, location);
}
/// The same for a vector.
template <class T>
Var<T> stack(const std::vector<Var<T>>& parts, int axis = 0,
             SourceLocation location = SourceLocation::current()) {
  return stack(std::span<const Var<T>>(parts), axis, location);
}

// --- rows by index -----------------------------------------------------------------------------

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

/// Row i_n of a table, its first axis' entries: (V, ...) -> (N, ...), an embedding.
/// dx = scatter_add_rows(g, indices, V). `indices` is a leaf as pick's, of any number.
/// ShapeError: rank 0; LabelError: an index outside [0, V).
template <class T>
Var<T> gather_rows(Var<T> x, std::span<const std::int32_t> indices,
                   SourceLocation location = SourceLocation::current());
template <class T>
Var<T> gather_rows(Var<T> x, const std::vector<std::int32_t>&& indices,
                   SourceLocation location = {}) = delete;

/// Zeros to which row n of x is added at row i_n, in their order: (N, ...) -> (rows, ...); the
/// adjoint of gather_rows.  dx = gather_rows(g, indices).
/// ShapeError: rank 0, another number of indices; LabelError: an index outside [0, rows).
template <class T>
Var<T> scatter_add_rows(Var<T> x, std::span<const std::int32_t> indices, std::int64_t rows,
                        SourceLocation location = SourceLocation::current());
template <class T>
Var<T> scatter_add_rows(Var<T> x, const std::vector<std::int32_t>&& indices, std::int64_t rows,
                        SourceLocation location = {}) = delete;

// --- softmax -----------------------------------------------------------------------------------

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

// --- losses ------------------------------------------------------------------------------------

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

/// The mean of (prediction - target)^2 over all entries: (s) x (s) -> ().  A composition of sub,
/// square and mean; dprediction = 2 g (prediction - target) / n.  ShapeError: shapes differ, n = 0.
template <class T>
Var<T> mse(Var<T> prediction, Var<T> target, SourceLocation location = SourceLocation::current());

/// The mean of -y ln sigmoid(z) - (1 - y) ln(1 - sigmoid(z)) over all entries of logits z and
/// targets y in [0, 1]: (s) x (s) -> (). By softplus of -z and z, so that a confident logit keeps
/// its digits. dz = g (sigmoid(z) - y) / n, without its cancellation at y = 0 and 1; dy = -g z / n.
/// ShapeError: shapes differ, n = 0.
template <class T>
Var<T> binary_cross_entropy_with_logits(Var<T> logits, Var<T> targets,
                                        SourceLocation location = SourceLocation::current());

/// The mean over all entries of d^2 / 2 for |d| <= delta and delta (|d| - delta / 2) beyond, where
/// d = prediction - target (Huber, 1964): (s) x (s) -> (). By c = clamp(d, -delta, delta) it is
/// c (d - c / 2).  dprediction = g c / n.  ShapeError: shapes differ, n = 0; UsageError: a delta
/// that is not positive.
template <class T>
Var<T> huber(Var<T> prediction, Var<T> target, std::type_identity_t<T> delta = 1,
             SourceLocation location = SourceLocation::current());

// --- random ------------------------------------------------------------------------------------

/// x / (1 - rate) with probability 1 - rate, else 0 x, entry by entry.  dx = dropout(g) with the
/// same mask, which depends on nothing but (seed, step, the entry's place): Philox with key seed
/// and epoch `step`, four entries to a block. Layers of one step need seeds of their own. `step` is
/// an integer leaf: an address that must stay, read at every run of a plan, so that a replay of one
/// step has that step's mask. UsageError: not 0 <= rate < 1; LabelError: a negative step.
template <class T>
Var<T> dropout(Var<T> x, double rate, std::uint64_t seed, const std::int32_t& step,
               SourceLocation location = SourceLocation::current());
template <class T>
Var<T> dropout(Var<T> x, double rate, std::uint64_t seed, const std::int32_t&& step,
               SourceLocation location = {}) = delete;  // a temporary would dangle

}  // namespace chainrule

#include <chainrule/ops/operators.hpp>
