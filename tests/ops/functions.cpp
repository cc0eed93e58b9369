// Values of elementary functions, activations and choices, their accuracy in the tails against quad
// precision, and what is pinned at kinks, zeros, infinities and NaN.
#define BOOST_MATH_DISABLE_FLOAT128  // whose functions would need libquadmath
#include <chainrule/ops/ops.hpp>

#include <boost/math/special_functions/erf.hpp>
#include <boost/multiprecision/cpp_bin_float.hpp>
#include <functional>
#include <limits>

#include "tests/support.hpp"

using namespace chainrule;
using namespace support;

namespace {

using Quad = boost::multiprecision::cpp_bin_float_quad;

template <class T>
constexpr T inf = std::numeric_limits<T>::infinity();
template <class T>
constexpr T not_a_number = std::numeric_limits<T>::quiet_NaN();

Quad phi(const Quad& x) { return boost::math::erfc(Quad(-x / sqrt(Quad(2)))) / 2; }
Quad density(const Quad& x) {
  return exp(-x * x / 2) / sqrt(2 * boost::math::constants::pi<Quad>());
}
Quad sigma(const Quad& x) { return 1 / (1 + exp(-x)); }

/// |a - b| <= ulps eps |b|, or a subnormal's rounding.
template <class T>
bool near(T a, const Quad& b, double ulps) {
  return abs(Quad(a) - b) <= Quad(ulps) * Quad(std::numeric_limits<T>::epsilon()) * abs(b) +
                                 Quad(ulps) * Quad(std::numeric_limits<T>::denorm_min());
}

template <class T>
struct Function {
  const char* name;
  std::function<Var<T>(Var<T>)> op;
  std::function<Quad(Quad)> value, derivative;
  double low, high;
  double ulps = 6;         // of the value and the derivative
  double zero_from = 100;  // around a zero of the derivative only its terms' accuracy is left
};

template <class T>
std::vector<Function<T>> functions() {
  using Q = Quad;
  const Q root_pi = sqrt(boost::math::constants::pi<Q>());
  const double tail = sizeof(T) == 4 ? 12 : 36;
  return {
      {"square", [](Var<T> x) { return square(x); }, [](Q x) { return x * x; },
       [](Q x) { return 2 * x; }, -3, 3},
      {"sqrt", [](Var<T> x) { return sqrt(x); }, [](Q x) { return sqrt(x); },
       [](Q x) { return 1 / (2 * sqrt(x)); }, 0.01, 100},
      {"reciprocal", [](Var<T> x) { return reciprocal(x); }, [](Q x) { return 1 / x; },
       [](Q x) { return -1 / (x * x); }, 0.1, 100},
      {"pow", [](Var<T> x) { return pow(x, 2.5); }, [](Q x) { return x * x * sqrt(x); },
       [](Q x) { return Q(2.5) * x * sqrt(x); }, 0.01, 100},
      {"log1p", [](Var<T> x) { return log1p(x); },
       [](Q x) { return abs(x) < 1e-9 ? Q(x - x * x / 2 + x * x * x / 3) : Q(log(1 + x)); },
       [](Q x) { return 1 / (1 + x); }, -1e-6, 1e-6},
      {"expm1", [](Var<T> x) { return expm1(x); }, [](Q x) { return exp(x) - 1; },
       [](Q x) { return exp(x); }, -50, 20},
      {"sin", [](Var<T> x) { return sin(x); }, [](Q x) { return sin(x); },
       [](Q x) { return cos(x); }, -9, 9},
      {"cos", [](Var<T> x) { return cos(x); }, [](Q x) { return cos(x); },
       [](Q x) { return -sin(x); }, -9, 9},
      {"erf", [](Var<T> x) { return erf(x); }, [](Q x) { return boost::math::erf(x); },
       [=](Q x) { return 2 / root_pi * exp(-x * x); }, -9, 9},
      {"erfc", [](Var<T> x) { return erfc(x); }, [](Q x) { return boost::math::erfc(x); },
       [=](Q x) { return -2 / root_pi * exp(-x * x); }, -9, 26},
      {"normal_cdf", [](Var<T> x) { return normal_cdf(x); }, phi, density, -tail, 9},
      {"gelu", [](Var<T> x) { return gelu(x); }, [](Q x) { return x * phi(x); },
       [](Q x) { return phi(x) + x * density(x); }, -tail, -1.5, 16},
      {"gelu", [](Var<T> x) { return gelu(x); }, [](Q x) { return x * phi(x); },
       [](Q x) { return phi(x) + x * density(x); }, 0, 9},
      {"silu", [](Var<T> x) { return silu(x); }, [](Q x) { return x * sigma(x); },
       [](Q x) { return sigma(x) + x * sigma(x) * sigma(-x); }, -80, -2, 24},
      {"silu", [](Var<T> x) { return silu(x); }, [](Q x) { return x * sigma(x); },
       [](Q x) { return sigma(x) + x * sigma(x) * sigma(-x); }, 0, 80},
      {"softplus", [](Var<T> x) { return softplus(x); }, [](Q x) { return log(1 + exp(x)); }, sigma,
       -30, 80},
      {"elu", [](Var<T> x) { return elu(x, T(1.5)); },
       [](Q x) { return x > 0 ? x : Q(1.5) * (exp(x) - 1); },
       [](Q x) { return x > 0 ? Q(1) : Q(1.5) * exp(x); }, -60, 1e3},
      {"leaky_relu", [](Var<T> x) { return leaky_relu(x, T(0.25)); },
       [](Q x) { return x > 0 ? x : x / 4; }, [](Q x) { return x > 0 ? Q(1) : Q(0.25); }, -9, 9, 0},
      {"abs", [](Var<T> x) { return abs(x); }, [](Q x) { return abs(x); },
       [](Q x) { return x > 0 ? Q(1) : Q(-1); }, -9, 9, 0},
      {"clamp", [](Var<T> x) { return clamp(x, T(-1), T(2)); },
       [](Q x) { return x < -1  ? Q(-1)
                        : x > 2 ? Q(2)
                                : x; },
       [](Q x) { return x > -1 && x < 2 ? Q(1) : Q(0); }, -4, 4, 0}};
}

template <class T>
T derivative(const std::function<Var<T>(Var<T>)>& op, T x) {
  Tape<T> tape;
  const Var<T> v = tape.constant(x);
  return gradients(op(v), {v})[0].item();
}

}  // namespace

BOOST_AUTO_TEST_CASE_TEMPLATE(values_and_derivatives_to_a_few_ulp, T, Precisions) {
  Source source(41);
  for (const Function<T>& f : functions<T>()) {
    const Tensor<T> x = source.tensor<T>({4, 50}, f.low, f.high);
    Tape<T> tape;
    const Var<T> v = tape.input(x), y = f.op(v);
    const Var<T> dx = gradients(sum(y), {v})[0];
    for (std::int64_t i = 0; i < x.size(); ++i) {
      const Quad at(x[i]), value = f.value(at), slope = f.derivative(at);
      BOOST_TEST(near(y.value()[i], value, f.ulps), f.name << " of " << x[i]);
      BOOST_TEST(near(dx.value()[i], slope, f.ulps), f.name << " derivative at " << x[i]);
    }
  }
}

BOOST_AUTO_TEST_CASE_TEMPLATE(pinned_values, T, Precisions) {
  Tape<T> tape;
  const auto c = [&](T v) { return tape.constant(v); };
  // NaN passes everywhere.
  for (const Function<T>& f : functions<T>()) {
    BOOST_TEST(std::isnan(f.op(c(not_a_number<T>)).item()), f.name);
  }
  using Choice = Var<T> (*)(Var<T>, Var<T>, SourceLocation);
  for (const Choice op : {Choice(maximum<T>), Choice(minimum<T>)}) {
    BOOST_TEST(std::isnan(op(c(not_a_number<T>), c(1), {}).item()));
    BOOST_TEST(std::isnan(op(c(1), c(not_a_number<T>), {}).item()));
  }
  BOOST_TEST(std::isnan(pow(c(not_a_number<T>), 0).item()));
  BOOST_TEST(std::isnan(pow(c(1), c(not_a_number<T>)).item()));
  BOOST_TEST(std::isnan(where(c(not_a_number<T>), c(1), c(2)).item()));
  BOOST_TEST(where(c(1), c(1), c(not_a_number<T>)).item() == 1);
  BOOST_TEST(where(c(0), c(not_a_number<T>), c(2)).item() == 2);

  // Kinks.
  BOOST_TEST(derivative<T>([](auto x) { return abs(x); }, 0) == 0);
  BOOST_TEST(derivative<T>([](auto x) { return clamp(x, 0, 1); }, 0) == 0);
  BOOST_TEST(derivative<T>([](auto x) { return clamp(x, 0, 1); }, 1) == 0);
  BOOST_TEST(derivative<T>([](auto x) { return leaky_relu(x, T(0.25)); }, 0) == T(0.25));
  BOOST_TEST(derivative<T>([](auto x) { return elu(x, T(1.5)); }, 0) == T(1.5));
  for (const Choice op : {Choice(maximum<T>), Choice(minimum<T>)}) {
    const Var<T> a = c(3), b = c(3);
    const auto g = gradients(op(a, b, {}), {a, b});
    BOOST_TEST(g[0].item() == T(0.5));
    BOOST_TEST(g[1].item() == T(0.5));
  }

  // Zeros and infinities.
  BOOST_TEST(derivative<T>([](auto x) { return sqrt(x); }, 0) == inf<T>);
  BOOST_TEST(std::isnan(sqrt(c(-1)).item()));
  BOOST_TEST(reciprocal(c(0)).item() == inf<T>);
  BOOST_TEST(log1p(c(-1)).item() == -inf<T>);
  for (const T p : {T(0), T(1), T(2), T(3)}) {
    const auto number = [p](auto x) { return pow(x, p); };
    const auto tensor = [p](auto x) { return pow(x, x.tape().constant(p)); };
    const T slope = p == 1 ? T(1) : T(0);
    BOOST_TEST(pow(c(0), p).item() == (p == 0 ? T(1) : T(0)));
    BOOST_TEST(derivative<T>(number, 0) == slope);
    BOOST_TEST(derivative<T>(tensor, 0) == slope);
    const auto exponent = [&](auto x) { return pow(x.tape().constant(T(0)), x); };
    BOOST_TEST(derivative<T>(exponent, p) == 0);
  }
  BOOST_TEST(pow(c(0), -1).item() == inf<T>);
  BOOST_TEST(std::isnan(pow(c(-2), T(0.5)).item()));
  BOOST_TEST(pow(c(-2), 3).item() == -8);
  BOOST_TEST(gelu(c(-inf<T>)).item() == 0);
  BOOST_TEST(silu(c(-inf<T>)).item() == 0);
  BOOST_TEST(softplus(c(-inf<T>)).item() == 0);
  for (const auto op : {gelu<T>, silu<T>, softplus<T>}) {
    BOOST_TEST(op(c(inf<T>), {}).item() == inf<T>);
    const std::function<Var<T>(Var<T>)> f = [op](Var<T> x) { return op(x, {}); };
    BOOST_TEST(derivative<T>(f, -inf<T>) == 0);
    BOOST_TEST(derivative<T>(f, inf<T>) == 1);
  }
  BOOST_TEST(elu(c(-inf<T>)).item() == -1);
}

// The branch that elu does not choose would overflow, and its second derivative be 0 inf.
BOOST_AUTO_TEST_CASE_TEMPLATE(the_branch_not_chosen_does_no_harm, T, Precisions) {
  Tape<T> tape;
  const Var<T> x = tape.constant(1000);
  const Var<T> dx = gradients(elu(x), {x})[0];
  BOOST_TEST(dx.item() == 1);
  BOOST_TEST(gradients(dx, {x})[0].item() == 0);
}

BOOST_AUTO_TEST_CASE_TEMPLATE(choices_broadcast, T, Precisions) {
  Tape<T> tape;
  const Tensor<T> a({2, 3}, {1, -2, 3, 4, 5, -6}), b({3}, {2, -2, 0}), m({2, 1}, {1, 0});
  const Var<T> va = tape.input(a), vb = tape.input(b), vm = tape.input(m);
  BOOST_TEST(same_bits(maximum(va, vb).value(), Tensor<T>({2, 3}, {2, -2, 3, 4, 5, 0})));
  BOOST_TEST(same_bits(minimum(va, vb).value(), Tensor<T>({2, 3}, {1, -2, 0, 2, -2, -6})));
  const Var<T> chosen = where(vm, va, vb);
  BOOST_TEST(same_bits(chosen.value(), Tensor<T>({2, 3}, {1, -2, 3, 2, -2, 0})));
  const auto g = gradients(sum(chosen), {vm, va, vb});
  BOOST_TEST(same_bits(g[0].value(), Tensor<T>({2, 1})));
  BOOST_TEST(same_bits(g[1].value(), Tensor<T>({2, 3}, {1, 1, 1, 0, 0, 0})));
  BOOST_TEST(same_bits(g[2].value(), Tensor<T>({3}, {1, 1, 1})));
  const auto gm = gradients(sum(maximum(va, vb)), {va, vb});
  BOOST_TEST(same_bits(gm[0].value(), Tensor<T>({2, 3}, {0, 0.5, 1, 1, 1, 0})));
  BOOST_TEST(same_bits(gm[1].value(), Tensor<T>({3}, {1, 0.5, 1})));
}

BOOST_AUTO_TEST_CASE(no_gradient_flows_through_stop_gradient) {
  Tape<double> tape;
  const Var<double> x = tape.constant(3), y = stop_gradient(x) * x;
  BOOST_TEST(y.item() == 9);
  BOOST_TEST(gradients(y, {x})[0].item() == 3);
}
