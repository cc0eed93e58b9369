// Elementary functions: log1p and expm1, which keep their digits near 0; sine and cosine.
#include <chainrule/autograd/kernels.hpp>
#include <chainrule/ops/ops.hpp>

#include <cmath>

namespace chainrule {

namespace {

template <class T>
constexpr Op<T> log1p_op{
    "log1p", detail::same_shape,
    [](const Evaluation<T>& e) { detail::map_unary(e, [](T x) { return std::log1p(x); }); },
    [](const Adjoint<T>& n, int) { return div(n.cotangent(), shift(n.input(0), T(1))); }};

template <class T>
constexpr Op<T> expm1_op{
    "expm1", detail::same_shape,
    [](const Evaluation<T>& e) { detail::map_unary(e, [](T x) { return std::expm1(x); }); },
    // Not y + 1, which cancels where x is far below 0.
    [](const Adjoint<T>& n, int) { return mul(n.cotangent(), exp(n.input(0))); }};

template <class T>
constexpr Op<T> sin_op{
    "sin", detail::same_shape,
    [](const Evaluation<T>& e) { detail::map_unary(e, [](T x) { return std::sin(x); }); },
    [](const Adjoint<T>& n, int) { return mul(n.cotangent(), cos(n.input(0))); }};

template <class T>
constexpr Op<T> cos_op{
    "cos", detail::same_shape,
    [](const Evaluation<T>& e) { detail::map_unary(e, [](T x) { return std::cos(x); }); },
    [](const Adjoint<T>& n, int) { return neg(mul(n.cotangent(), sin(n.input(0)))); }};

}  // namespace

template <class T>
Var<T> log1p(Var<T> x, SourceLocation location) {
  return x.tape(location).record(log1p_op<T>, {x}, {}, location);
}
template <class T>
Var<T> expm1(Var<T> x, SourceLocation location) {
  return x.tape(location).record(expm1_op<T>, {x}, {}, location);
}
template <class T>
Var<T> sin(Var<T> x, SourceLocation location) {
  return x.tape(location).record(sin_op<T>, {x}, {}, location);
}
template <class T>
Var<T> cos(Var<T> x, SourceLocation location) {
  return x.tape(location).record(cos_op<T>, {x}, {}, location);
}

#define CHAINRULE_INSTANTIATE(T)                 \
  template Var<T> log1p(Var<T>, SourceLocation); \
  template Var<T> expm1(Var<T>, SourceLocation); \
  template Var<T> sin(Var<T>, SourceLocation);   \
  template Var<T> cos(Var<T>, SourceLocation);
CHAINRULE_INSTANTIATE(float)
CHAINRULE_INSTANTIATE(double)
#undef CHAINRULE_INSTANTIATE

}  // namespace chainrule
