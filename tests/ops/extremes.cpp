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

BOOST_AUTO_TEST_CASE_TEMPLATE(argmax_names_the_first_of_several_nans, T, Precisions) {
  const T none = not_a_number<T>;
  Tape<T> tape;
  const Tensor<T> x({3, 4}, {1, none, 4, none, none, 3, none, 2, 5, 1, none, none});
  const auto places = argmax(tape.input(x), 1).value();
  BOOST_TEST(places[0] == 1);
  BOOST_TEST(places[1] == 0);
  BOOST_TEST(places[2] == 2);
}

BOOST_AUTO_TEST_CASE_TEMPLATE(slopes_of_a_variance_of_large_whole_numbers, T, Precisions) {
  const T top = std::scalbn(T(1), std::numeric_limits<T>::digits);
  const Tensor<T> x({3}, {top - 7, top - 3, top - 4});
  Tape<T> tape;
  const Var<T> v = tape.input(x);
  const auto g = gradients(variance(v, {}, false, 0), {v})[0].value();
  for (const auto& [at, ninths] : {std::pair(0, -14), std::pair(1, 10), std::pair(2, 4)}) {
    BOOST_TEST(std::abs(g[at] - T(ninths) / 9) <= T(1e-6), g[at]);
  }
}

// The winner's own 1 is not among the others, wherever it stands in a row that is taken in pieces.
BOOST_AUTO_TEST_CASE_TEMPLATE(winners_at_the_ends_of_pieces, T, Precisions) {
  constexpr std::int64_t columns = 2500;
  for (const std::int64_t best : {0, 1, 1023, 1024, 1025, 2047, 2048, 2499}) {
    Tensor<T> x({1, columns});
    x[best] = T(std::log(2.0));
    Tape<T> tape;
    const auto p = softmax(tape.input(x)).value();
    for (const std::int64_t k : {std::int64_t{0}, best, columns - 1}) {
      const T expected = T(k == best ? 2 : 1) / T(columns + 1);
      BOOST_TEST(std::abs(p[k] - expected) <= T(1e-4) * expected, "winner " << best << ", " << k);
    }
  }
}

// Sums of doubles keep what each step rounds off: of the term, and of the sum before it.
BOOST_AUTO_TEST_CASE(sums_in_a_deviation_lose_nothing) {
  Tape<double> tape;
  const Tensor<double> a({4}, {1, 0, 1, 0}), w({4}, {1, 1e100, 1, -1e100});
  const auto y = weighted_deviation(tape.input(a), tape.input(w)).value();
  BOOST_TEST(same_bits(y, Tensor<double>({4}, {0, -2, 0, -2})));
}

BOOST_AUTO_TEST_CASE_TEMPLATE(a_sum_that_overflows_is_infinite, T, Precisions) {
  const T most = std::numeric_limits<T>::max();
  Tape<T> tape;
  const Tensor<T> a({3}, {0, 0, 1}), b({3}, {most, most, 1});
  BOOST_TEST(wedge_sum(tape.input(a), tape.input(b)).value()[2] == inf<T>);
}

// The value at the entry with the largest weight is a sum of small terms, whatever the weights' sign.
BOOST_AUTO_TEST_CASE_TEMPLATE(a_deviation_from_the_heaviest_keeps_its_digits, T, Precisions) {
  for (const T sign : {T(1), T(-1)}) {
    const T small = sign * T(0x1p-70);
    Tape<T> tape;
    const Tensor<T> a({3}, {1, 2, 3}), w({3}, {sign, small, small});
    BOOST_TEST(weighted_deviation(tape.input(a), tape.input(w)).value()[0] == -3 * small);
  }
}

// Down to the smallest numbers, where double has some 40 powers of e more than 1e-304.
BOOST_AUTO_TEST_CASE(bells_reach_to_the_smallest_numbers) {
  for (const double x : {26.3, -26.5, 26.6}) {
    Tape<double> tape;
    const double found = gaussian(tape.constant(x)).item();
    const Quad expected = exp(-Quad(x) * Quad(x));
    BOOST_TEST(abs(Quad(found) / expected - 1) <= 1e-13, x << ": " << found);
  }
  Tape<double> tape;
  BOOST_TEST(gaussian(tape.constant(27.2)).item() > 0);  // subnormal
}
