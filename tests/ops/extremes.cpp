// What rules and kernels keep at the extremes: zeros that win over infinity, slopes of saturated units,
// the mean's rounding, and NaN wherever it stands.
#define BOOST_MATH_DISABLE_FLOAT128  // whose functions would need libquadmath
#include <chainrule/ops/ops.hpp>

#include <boost/multiprecision/cpp_bin_float.hpp>
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

}  // namespace

// The zero of mul0 is one in its derivatives too: what the loss does not depend on gets 0, not NaN, from a
// factor that is infinite.
BOOST_AUTO_TEST_CASE_TEMPLATE(mul0_of_a_zero_cotangent, T, Precisions) {
  Tape<T> tape;
  const Tensor<T> x({3}, {1, 2, 3}), infinite({3}, {inf<T>, -inf<T>, not_a_number<T>});
  const Var<T> a = tape.input(x), b = tape.input(infinite);
  const Var<T> none = tape.constant(T(0), {3});
  for (const Var<T>& y : {mul0(a, b), mul0(b, a)}) {
    const Var<T> g = gradients(y, {a}, none)[0];
    BOOST_TEST(same_bits(g.value(), Tensor<T>({3})));
  }
}

// e^(-x^2) is flat at infinity, and so are the slopes of what it is the slope of.
BOOST_AUTO_TEST_CASE_TEMPLATE(bells_are_flat_at_infinity, T, Precisions) {
  Tape<T> tape;
  const Tensor<T> ends({2}, {-inf<T>, inf<T>});
  const Var<T> x = tape.input(ends);
  const auto slope = [&](Var<T> y) { return gradients(sum(y), {x})[0]; };
  for (const Var<T>& flat : {slope(gaussian(x, T(2), T(0.5))), slope(slope(erf(x))),
                             slope(slope(erfc(x))), slope(slope(normal_cdf(x)))}) {
    for (const T entry : flat.value()) BOOST_TEST(entry == 0);
  }
}

// y (1 - y) loses the slope of a saturated unit; sech^2 keeps it, on both sides.
BOOST_AUTO_TEST_CASE_TEMPLATE(slopes_of_saturated_units, T, Precisions) {
  const double far = sizeof(T) == 4 ? 80 : 700;
  const T eps = std::numeric_limits<T>::epsilon();
  for (double at : {-1.0, -0.5, -0.1, 0.1, 0.5, 1.0}) {
    const T point = static_cast<T>(at * far);
    Tape<T> tape;
    const Var<T> x = tape.constant(point);
    const Quad decay = exp(-abs(Quad(point)));
    const Quad slope = decay / ((1 + decay) * (1 + decay));
    const T logistic = gradients(sigmoid(x), {x})[0].item();
    BOOST_TEST(abs(Quad(logistic) - slope) <= 8 * Quad(eps) * slope, point << ": " << logistic);
    // tanh(z) = 2 sigmoid(2 z) - 1
    const T hyperbolic = gradients(tanh(scale(x, T(0.5))), {x})[0].item();
    BOOST_TEST(abs(Quad(hyperbolic) - 2 * slope) <= 8 * Quad(eps) * 2 * slope,
               point << ": " << hyperbolic);
  }
}

// Whole numbers whose mean is none: its rounding, as large as the deviations, must not stay in them.
BOOST_AUTO_TEST_CASE_TEMPLATE(variance_of_large_whole_numbers, T, Precisions) {
  const T top = std::scalbn(T(1), std::numeric_limits<T>::digits);
  Tape<T> tape;
  const Tensor<T> x({3}, {top - 1, top - 2, top - 3}), y({2, 3}, {top - 7, top - 3, top - 4,  //
                                                                 5 - top, 2 - top, 6 - top});
  BOOST_TEST(std::abs(variance(tape.input(x), {}, false, 1).item() - 1) <= T(1e-6));
  const Var<T> rows = variance(tape.input(y), {1}, false, 0);
  for (const T found : rows.value()) BOOST_TEST(std::abs(found - T(26) / 9) <= T(1e-6));
}

BOOST_AUTO_TEST_CASE_TEMPLATE(a_nan_wins_wherever_it_stands, T, Precisions) {
  for (std::int64_t place = 0; place < 4; ++place) {
    Tensor<T> x({4}, {3, 1, 4, 2});
    x[place] = not_a_number<T>;
    Tape<T> tape;
    const Var<T> v = tape.input(x);
    for (const Var<T>& y : {max(v), min(v), logsumexp(v), sum(v), mean(v), variance(v)}) {
      BOOST_TEST(std::isnan(y.item()), "place " << place);
    }
    BOOST_TEST(argmax(v).item() == T(place));
    for (const T probability : softmax(v).value()) BOOST_TEST(std::isnan(probability));
    for (const T logarithm : log_softmax(v).value()) BOOST_TEST(std::isnan(logarithm));
  }
}
