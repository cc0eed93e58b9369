// Square, square root, reciprocal, and powers with a number or a tensor as exponent.
#include <chainrule/autograd/kernels.hpp>
#include <chainrule/ops/ops.hpp>

#include <cmath>

namespace chainrule {

namespace {

template <class T>
constexpr Op<T> square_op{
    "square", detail::same_shape,
    [](const Evaluation<T>& e) { detail::map_unary(e, [](T x) { return x * x; }); },
    [](const Adjoint<T>& n, int) { return mul(n.cotangent(), scale(n.input(0), T(2))); }};

template <class T>
constexpr Op<T> sqrt_op{
    "sqrt", detail::same_shape,
    [](const Evaluation<T>& e) { detail::map_unary(e, [](T x) { return std::sqrt(x); }); },
    [](const Adjoint<T>& n, int) { return div(n.cotangent(), scale(n.output(), T(2))); }};

template <class T>
constexpr Op<T> reciprocal_op{
    "reciprocal", detail::same_shape,
    [](const Evaluation<T>& e) { detail::map_unary(e, [](T x) { return T(1) / x; }); },
    [](const Adjoint<T>& n, int) { return neg(mul(n.cotangent(), square(n.output()))); }};

/// x^p. <cmath> has NaN^0 = 1^NaN = 1; here a NaN is never swallowed.
template <class T>
T power(T x, T p) {
  return std::isnan(x) || std::isnan(p) ? x + p : std::pow(x, p);
}

// numbers = (exponent, -)
template <class T>
constexpr Op<T> pow_number_op{"pow", detail::same_shape,
                              [](const Evaluation<T>& e) {
                                const T p = static_cast<T>(e.attributes().numbers[0]);
                                detail::map_unary(e, [p](T x) { return power(x, p); });
                              },
                              [](const Adjoint<T>& n, int) {
                                const T p = static_cast<T>(n.attributes().numbers[0]);
                                const Var<T> x = n.input(0);
                                // x^0 is flat, also at 0, where 0 x^-1 would be NaN: so polynomials
                                // end in zeros.
                                if (p == 0) return x.tape().constant(T(0), x.shape());
                                return mul(n.cotangent(), scale(pow(x, p - 1), p));
                              }};

template <class T>
constexpr Op<T> pow_op{
    "pow", detail::broadcast_shapes,
    [](const Evaluation<T>& e) { detail::map_binary(e, [](T x, T p) { return power(x, p); }); },
    [](const Adjoint<T>& n, int i) {
      const Var<T> x = n.input(0), p = n.input(1);
      if (i == 0) {
        // mul0: x^0 is flat at 0 too.
        const Var<T> slope = mul0(p, pow(x, shift(p, T(-1))));
        return sum_to(mul(n.cotangent(), slope), x.shape());
      }
      // x^p ln x goes to 0 with x: there ln 1 stands for ln 0.
      const Var<T> safe = add(x, equal(x, x.tape().constant(T(0))));
      return sum_to(mul(n.cotangent(), mul(n.output(), log(safe))), p.shape());
    }};

}  // namespace

template <class T>
Var<T> square(Var<T> x, SourceLocation location) {
  return x.tape(location).record(square_op<T>, {x}, {}, location);
}
template <class T>
Var<T> sqrt(Var<T> x, SourceLocation location) {
  return x.tape(location).record(sqrt_op<T>, {x}, {}, location);
}
template <class T>
Var<T> reciprocal(Var<T> x, SourceLocation location) {
  return x.tape(location).record(reciprocal_op<T>, {x}, {}, location);
}
template <class T>
Var<T> pow(Var<T> x, std::type_identity_t<T> exponent, SourceLocation location) {
  return x.tape(location).record(pow_number_op<T>, {x}, {.numbers = {exponent, 0}}, location);
}
template <class T>
Var<T> pow(Var<T> x, Var<T> exponent, SourceLocation location) {
  return x.tape(location).record(pow_op<T>, {x, exponent}, {}, location);
}

#define CHAINRULE_INSTANTIATE(T)                                        \
  template Var<T> square(Var<T>, SourceLocation);                       \
  template Var<T> sqrt(Var<T>, SourceLocation);                         \
  template Var<T> reciprocal(Var<T>, SourceLocation);                   \
  template Var<T> pow(Var<T>, std::type_identity_t<T>, SourceLocation); \
  template Var<T> pow(Var<T>, Var<T>, SourceLocation);
CHAINRULE_INSTANTIATE(float)
CHAINRULE_INSTANTIATE(double)
#undef CHAINRULE_INSTANTIATE

}  // namespace chainrule
