// The normal distribution: erf, erfc, e^(-x^2), the distribution function, and gelu, made of it.
#include <fmt/format.h>
#include <chainrule/autograd/kernels.hpp>
#include <chainrule/ops/ops.hpp>

#include <cmath>

namespace chainrule {

namespace {

constexpr double two_by_sqrt_pi = 1.12837916709551257390;   // 2 / sqrt(pi)
constexpr double one_by_sqrt_2pi = 0.39894228040143267794;  // 1 / sqrt(2 pi)

/// outer e^(-rate x^2) to a few ulp. The rounding of x^2 alone would cost x^2 of them.
double gaussian_value(double x, double outer, double rate) {
  const double square = x * x;
  if (rate * square > 1e3) return outer * 0;  // far below the smallest number; and infinite x
  const double lost = std::fma(x, x, -square);
  return outer * std::exp(-rate * square) * (1 - rate * lost);
}

/// erfc(-x / sqrt 2) / 2. The rounding of x / sqrt 2, which in the tail costs x^2 ulp, is put
/// right by erfc's derivative.
double normal_cdf_value(double x) {
  constexpr double c = 0.70710678118654752440, c_lost = -4.8336466567264565e-17;
  const double z = -x * c;
  if (!(std::abs(z) < 28)) return std::erfc(z) / 2;
  const double z_lost = std::fma(-x, c, -z) - x * c_lost;
  return (std::erfc(z) - two_by_sqrt_pi * std::exp(-z * z) * z_lost) / 2;
}

template <class T>
constexpr Op<T> erf_op{
    "erf", detail::same_shape,
    [](const Evaluation<T>& e) { detail::map_unary(e, [](T x) { return std::erf(x); }); },
    [](const Adjoint<T>& n, int) {
      return mul(n.cotangent(), gaussian(n.input(0), static_cast<T>(two_by_sqrt_pi)));
    }};

template <class T>
constexpr Op<T> erfc_op{
    "erfc", detail::same_shape,
    [](const Evaluation<T>& e) { detail::map_unary(e, [](T x) { return std::erfc(x); }); },
    [](const Adjoint<T>& n, int) {
      return mul(n.cotangent(), gaussian(n.input(0), static_cast<T>(-two_by_sqrt_pi)));
    }};

// numbers = (outer, rate)
template <class T>
constexpr Op<T> gaussian_op{
    "gaussian", detail::same_shape,
    [](const Evaluation<T>& e) {
      const auto [outer, rate] = e.attributes().numbers;
      detail::map_unary(e, [outer = outer, rate = rate](T x) {
        return static_cast<T>(gaussian_value(static_cast<double>(x), outer, rate));
      });
    },
    [](const Adjoint<T>& n, int) {
      const T rate = static_cast<T>(n.attributes().numbers[1]);
      // mul0: at infinity it is 0.
      return mul(n.cotangent(), scale(mul0(n.input(0), n.output()), -2 * rate));
    }};

template <class T>
Var<T> normal_density(Var<T> x) {
  return gaussian(x, static_cast<T>(one_by_sqrt_2pi), T(0.5));
}

template <class T>
constexpr Op<T> normal_cdf_op{
    "normal_cdf", detail::same_shape,
    [](const Evaluation<T>& e) {
      detail::map_unary(
          e, [](T x) { return static_cast<T>(normal_cdf_value(static_cast<double>(x))); });
    },
    [](const Adjoint<T>& n, int) { return mul(n.cotangent(), normal_density(n.input(0))); }};

template <class T>
constexpr Op<T> gelu_op{"gelu", detail::same_shape,
                        [](const Evaluation<T>& e) {
                          detail::map_unary(e, [](T x) {
                            const double p = normal_cdf_value(static_cast<double>(x));
                            return p == 0 ? T(0) : static_cast<T>(static_cast<double>(x) * p);
                          });
                        },
                        [](const Adjoint<T>& n, int) {
                          const Var<T> x = n.input(0);
                          return mul(n.cotangent(), add(normal_cdf(x), mul0(x, normal_density(x))));
                        }};

}  // namespace

template <class T>
Var<T> erf(Var<T> x, SourceLocation location) {
  return x.tape(location).record(erf_op<T>, {x}, {}, location);
}
template <class T>
Var<T> erfc(Var<T> x, SourceLocation location) {
  return x.tape(location).record(erfc_op<T>, {x}, {}, location);
}
template <class T>
Var<T> gaussian(Var<T> x, std::type_identity_t<T> outer, std::type_identity_t<T> rate,
                SourceLocation location) {
  if (!(rate > 0)) {
    throw UsageError("gaussian", fmt::format("a rate of {}: expected a positive number", rate),
                     location);
  }
  return x.tape(location).record(gaussian_op<T>, {x}, {.numbers = {outer, rate}}, location);
}
template <class T>
Var<T> normal_cdf(Var<T> x, SourceLocation location) {
  return x.tape(location).record(normal_cdf_op<T>, {x}, {}, location);
}
template <class T>
Var<T> gelu(Var<T> x, SourceLocation location) {
  return x.tape(location).record(gelu_op<T>, {x}, {}, location);
}

#define CHAINRULE_INSTANTIATE(T)                                                     \
  template Var<T> erf(Var<T>, SourceLocation);                                       \
  template Var<T> erfc(Var<T>, SourceLocation);                                      \
  template Var<T> gaussian(Var<T>, std::type_identity_t<T>, std::type_identity_t<T>, \
                           SourceLocation);                                          \
  template Var<T> normal_cdf(Var<T>, SourceLocation);                                \
  template Var<T> gelu(Var<T>, SourceLocation);
CHAINRULE_INSTANTIATE(float)
CHAINRULE_INSTANTIATE(double)
#undef CHAINRULE_INSTANTIATE

}  // namespace chainrule
