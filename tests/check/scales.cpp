// Steps: structure of f on a grid does not fool the stencil, and narrow features do not lose it.
#include <boost/test/unit_test.hpp>
#include <chainrule/autograd/kernels.hpp>
#include <chainrule/check/boost_test.hpp>
#include <chainrule/ops/ops.hpp>
#include <cstring>

#include "tests/support.hpp"

using namespace chainrule;
using V = Var<double>;

namespace {

constexpr double pi = 3.14159265358979323846;

/// y = f(x), its gradient declared to be `slope(x)`.
template <double (*f)(double), V (*slope)(V)>
constexpr Op<double> with_slope{
    "with_slope", detail::same_shape,
    [](const Evaluation<double>& e) { detail::map_unary(e, [](double x) { return f(x); }); },
    [](const Adjoint<double>& n, int) { return n.cotangent() * slope(n.input(0)); }};

V one(V x) { return x.tape().constant(1.0, x.shape()); }
V two_x(V x) { return 2 * x; }

template <double (*f)(double), V (*slope)(V)>
GradcheckReport check(const Tensor<double>& x, std::uint64_t seed = 0) {
  return gradcheck(
      GradcheckOptions{.seed = seed},
      [](auto v) { return v.tape().record(with_slope<f, slope>, {v}); }, x);
}

template <int bits>
double rounded(double x) {
  return std::ldexp(std::round(std::ldexp(x, bits)), -bits);
}
double rounded_to_tenths_of_percent(double x) { return std::round(1000 * x) / 1000; }
template <int frequency>
double wave_on_x(double x) {
  return x + std::sin(2 * pi * frequency * x) / 100;
}
// So faint that the last look, at the point itself, does not see its slope of 5e-4.
double faint_wave_on_x(double x) {
  return x + 5e-4 * std::sin(2 * pi * 4096 * x) / (2 * pi * 4096);
}
double fine_wave_on_square(double x) { return x * x + 3e-11 * std::sin(1e9 * x); }
double floor_of(double x) { return std::floor(x); }
/// Bits of x, scrambled: no function of a real number at all.
double hash(double x) {
  std::uint64_t bits = 0;
  std::memcpy(&bits, &x, sizeof bits);
  bits = (bits ^ (bits >> 29)) * 0xbf58476d1ce4e5b9u;
  bits = (bits ^ (bits >> 32)) * 0x94d049bb133111ebu;
  return std::ldexp(static_cast<double>(bits >> 11), -53);
}
double hash_on_x(double x) { return x + hash(x); }
double steep_on_x(double x) { return x + 1e-3 * std::tanh(1e5 * (x - 0.5)); }

double sine_of_16x(double x) { return std::sin(16 * x); }
V more_than_its_slope(V x) { return cos(16 * x) * (16 * (1 + 4e-8)); }
V less_than_its_slope(V x) { return cos(16 * x) * (16 * (1 - 4e-8)); }

const Tensor<double>& points() {
  // Dyadic ones, on the grids' lines and half-way, and others.
  static const Tensor<double> x({6}, {0.5, 1, 0.37, 1.0 / 256, -2.75, 0.1});
  return x;
}

}  // namespace

BOOST_AUTO_TEST_CASE(structure_on_a_grid_does_not_fool_the_stencil) {
  for (std::uint64_t seed = 0; seed < 20; ++seed) {
    BOOST_TEST_CONTEXT("seed " << seed) {
      const auto rejects = [](const GradcheckReport& report) {
        BOOST_TEST((report.verdict == Verdict::fail), to_string(report));
      };
      rejects(check<rounded<7>, one>(points(), seed));
      rejects(check<rounded<10>, one>(points(), seed));
      rejects(check<rounded<16>, one>(points(), seed));
      rejects(check<rounded_to_tenths_of_percent, one>(points(), seed));
      rejects(check<wave_on_x<64>, one>(points(), seed));
      rejects(check<wave_on_x<128>, one>(points(), seed));
      rejects(check<wave_on_x<1000>, one>(points(), seed));
      rejects(check<wave_on_x<4096>, one>(points(), seed));
      rejects(check<faint_wave_on_x, one>(points(), seed));
      rejects(check<floor_of, one>(points(), seed));
      // Structure too fine and too small for the steps that curvature would choose.
      rejects(check<fine_wave_on_square, two_x>(points(), seed));
      // Noise: whatever autodiff says, nothing may be taken for agreement.
      BOOST_TEST((check<hash, one>(points(), seed).verdict != Verdict::pass));
      BOOST_TEST((check<hash_on_x, one>(points(), seed).verdict != Verdict::pass));
      rejects(check<rounded<30>, one>(points(), seed));
    }
  }
}

BOOST_AUTO_TEST_CASE(one_stencil_that_meets_autodiff_by_chance_is_not_believed) {
  // At these points the error of a stencil is 4e-8 of the slope for some step between the smallest
  // and the largest first one; which one an entry has is random.
  Tensor<double> x({200});
  for (std::int64_t i = 0; i < x.size(); ++i) x[i] = pi / 16 * static_cast<double>(i % 11 - 5);
  for (std::uint64_t seed = 0; seed < 5; ++seed) {
    const GradcheckReport more = check<sine_of_16x, more_than_its_slope>(x, seed),
                          less = check<sine_of_16x, less_than_its_slope>(x, seed);
    BOOST_TEST(more.leaves[0].failures == 200);
    BOOST_TEST(less.leaves[0].failures == 200);
  }
}

BOOST_AUTO_TEST_CASE(a_plateau_beside_a_narrow_feature_does_not_fool_the_stencil) {
  // At 0.5 the slope is 1 + 100; coarse steps see 1.
  const Tensor<double> x({2}, {0.5, 0.2});
  for (std::uint64_t seed = 0; seed < 20; ++seed) {
    const auto report = check<steep_on_x, one>(x, seed);
    BOOST_TEST(!report, to_string(report));
    BOOST_TEST(report.leaves[0].failures == 1);
    BOOST_TEST(report.leaves[0].worst == 0);
    BOOST_TEST(report.leaves[0].worst_numeric == 101 * report.leaves[0].worst_autodiff,
               boost::test_tools::tolerance(1e-6));
  }
}

namespace {

/// x itself, its gradient off by a millionth.
const Op<double>& slightly_off() {
  static constexpr Op<double> op{
      "slightly_off", detail::same_shape,
      [](const Evaluation<double>& e) { detail::map_unary(e, [](double x) { return x; }); },
      [](const Adjoint<double>& n, int) { return n.cotangent() * (1 + 1e-6); }};
  return op;
}

template <class F>
void check_passes(F f, const Tensor<double>& x, double scale) {
  for (std::uint64_t seed = 0; seed < 5; ++seed) {
    const auto report = gradcheck(GradcheckOptions{.seed = seed}, f, x);
    BOOST_TEST_CONTEXT("scale " << scale << ", seed " << seed) {
      BOOST_TEST((report.verdict == Verdict::pass), to_string(report));
    }
  }
  // And 1 + 1e-6 times it is seen.
  const auto off = [&f](auto v) { return f(v.tape().record(slightly_off(), {v})); };
  BOOST_TEST(!gradcheck(off, x), "scale " << scale);
}

}  // namespace

BOOST_AUTO_TEST_CASE(features_of_any_width_are_found) {
  for (const double s : {1e-2, 1e-4, 1e-5, 1e-6, 1e-8, 1e-10, 1e3, 1e8}) {
    const Tensor<double> x({3}, {0.3 * s, -0.7 * s, 1.1 * s});
    check_passes([s](auto v) { return exp(-square(v / s)); }, x, s);
    check_passes([s](auto v) { return tanh(v / s); }, x, s);
    check_passes([s](auto v) { return sin(v / s) + v / s; }, x, s);
  }
  for (const double s : {1e-7, 1e-4, 1e-12, 1e7}) {
    const Tensor<double> x({3}, {s, 2 * s, -1.5 * s});
    check_passes([](auto v) { return 1 / v; }, x, s);
  }
}

BOOST_AUTO_TEST_CASE(a_staircase_of_rounding_is_not_held_against_a_right_rule) {
  // x + 1e8 - 1e8 in double is x rounded to 1.5e-8.
  for (std::uint64_t seed = 0; seed < 20; ++seed) {
    const auto report = gradcheck(
        GradcheckOptions{.seed = seed}, [](auto v) { return v + 1e8 - 1e8; }, points());
    BOOST_TEST(passes(report), "seed " << seed);
  }
}

BOOST_AUTO_TEST_CASE(large_points_have_large_steps) {
  for (const double s : {1e5, 1e13, 1e100}) {
    const Tensor<double> x({3}, {s, 2 * s, -1.5 * s});
    check_passes([](auto v) { return v * v; }, x, s);
    check_passes([s](auto v) { return v / s + sin(v / s); }, x, s);
  }
}

BOOST_AUTO_TEST_CASE(where_noise_asks_for_them_steps_are_larger) {
  // A slope of 1e-7 beside a value of 1: at the first step rounding makes 1e-6 of it.
  const Tensor<double> x({3}, {0.1, -0.4, 0.8});
  check_passes([](auto v) { return sin(v * 1e-7) + 1; }, x, 1e7);
}

BOOST_AUTO_TEST_CASE(a_narrow_feature_at_the_noise_is_not_held_against_a_right_rule) {
  // The slope is 1.03, and 1 to all steps above 1e-12, below which rounding makes 1e-3 of it and
  // more.
  const Tensor<double> x({2}, {1e-14, -2e-14});
  for (std::uint64_t seed = 0; seed < 20; ++seed) {
    const auto report = gradcheck(
        GradcheckOptions{.seed = seed}, [](auto v) { return 1 + v + 3e-14 * tanh(v * 1e12); }, x);
    BOOST_TEST(passes(report), "seed " << seed);
  }
}
