// The norm of all gradients and clipping by it, at both ends of the range of numbers.
#include <chainrule/optim/clipping.hpp>

#include <cmath>
#include <limits>

#include "tests/support.hpp"

using namespace chainrule;

namespace {

template <class T>
Parameters<T> filled(T value) {
  Parameters<T> parameters({{"W1", {3, 4}}, {"b1", {4}}, {"scale", {}}});
  for (T& g : parameters.gradients()) g = value;
  return parameters;
}

constexpr int count = 17;

}  // namespace

BOOST_AUTO_TEST_CASE_TEMPLATE(the_norm_is_that_of_all_entries, T, support::Precisions) {
  Parameters<T> p = filled<T>(0);
  BOOST_TEST(gradient_norm(p) == 0);
  support::Source source(1);
  long double squares = 0;
  for (T& g : p.gradients()) {
    g = static_cast<T>(source.uniform());
    squares += static_cast<long double>(g) * static_cast<long double>(g);
  }
  BOOST_TEST(gradient_norm(p) == static_cast<double>(std::sqrt(squares)),
             boost::test_tools::tolerance(1e-15));
  // Each entry counts, whichever of the eight sums or the rest it falls into.
  for (std::int64_t i = 0; i < count; ++i) {
    Parameters<T> one = filled<T>(0);
    one.gradients()[i] = -3;
    BOOST_TEST(gradient_norm(one) == 3);
  }
}

BOOST_AUTO_TEST_CASE_TEMPLATE(no_overflow_and_no_underflow, T, support::Precisions) {
  using limits = std::numeric_limits<T>;
  for (const T value : {limits::denorm_min(), limits::min(), T(limits::max() / 8)}) {
    // Not the norm itself: to a tolerance of Boost.Test a norm of 0 is equal to any small number.
    BOOST_TEST(gradient_norm(filled<T>(value)) / static_cast<double>(value) == std::sqrt(17.0),
               boost::test_tools::tolerance(value < limits::min() ? 0.1 : 1e-15));
  }
  Parameters<T> p = filled<T>(limits::max());
  if constexpr (std::is_same_v<T, double>) {
    support::check_error<NumericError>([&] { gradient_norm(p); }, "beyond the largest double");
  } else {
    // Neither the norm nor the factor fit a float; what comes out does.
    for (const double most : {1.0, 1e-7}) {  // 1e-7 by the norm is 0 in float
      for (T& g : p.gradients()) g = limits::max();
      BOOST_TEST(clip_gradient_norm(p, most) > double(limits::max()));
      for (const T g : p.gradients()) {
        BOOST_TEST(g / static_cast<T>(most / std::sqrt(17.0)) == T(1),
                   boost::test_tools::tolerance(T(1e-6)));
      }
    }
  }
}

// Squares that are subnormal, or of which some are zero, are not trusted: their sum is finite and not 0,
// but has few right digits. 2^-537 squared is the smallest double; 2^-538 squared is 0.
BOOST_AUTO_TEST_CASE(squares_that_underflow_in_part_cost_no_digits) {
  for (int exponent = -540; exponent <= -320; ++exponent) {
    const double unit = std::ldexp(1.0, exponent);
    Parameters<double> p = filled<double>(unit);
    for (const std::int64_t i : {0, 5, 16}) p.gradients()[i] = 3.7 * unit;
    // The quotient is exact, and a norm of 0 shows (to a tolerance of Boost.Test 0 is any small number).
    BOOST_TEST(gradient_norm(p) / unit == std::sqrt(14 + 3 * 3.7 * 3.7),
               boost::test_tools::tolerance(1e-15));
  }
}

BOOST_AUTO_TEST_CASE(clipping_keeps_the_direction) {
  Parameters<double> p = filled<double>(0);
  p.gradients()[2] = 30;
  p.gradients()[14] = -40;
  BOOST_TEST(clip_gradient_norm(p, 2.0) == 50);
  BOOST_TEST(p.gradients()[2] == 1.2, boost::test_tools::tolerance(1e-7));
  BOOST_TEST(p.gradients()[14] == -1.6, boost::test_tools::tolerance(1e-7));
  BOOST_TEST(p.gradients()[2] == 60 / (50 + 1e-6), boost::test_tools::tolerance(1e-15));
  BOOST_TEST(gradient_norm(p) <= 2);
}

BOOST_AUTO_TEST_CASE(a_small_gradient_keeps_its_bits) {
  Parameters<double> p = filled<double>(0.1);
  const double norm = gradient_norm(p);
  for (const double most : {norm + 1e-5, 1e300, HUGE_VAL}) {
    BOOST_TEST(clip_gradient_norm(p, most) == norm);
    for (const double g : p.gradients()) BOOST_TEST(g == 0.1);
  }
  Parameters<double> zero = filled<double>(0);
  BOOST_TEST(clip_gradient_norm(zero, 1e-300) == 0);
  for (const double g : zero.gradients()) BOOST_TEST(g == 0);
}

BOOST_AUTO_TEST_CASE_TEMPLATE(an_entry_that_is_not_finite_is_named, T, support::Precisions) {
  using limits = std::numeric_limits<T>;
  const auto message = [](std::int64_t index, T value, std::string_view part) {
    Parameters<T> p = filled<T>(5);
    p.gradients()[index] = value;
    support::check_error<NumericError>([&] { clip_gradient_norm(p, 1.0); }, part);
    // Nothing was scaled.
    for (std::int64_t i = 0; i < count; ++i) {
      if (i != index) BOOST_TEST(p.gradients()[i] == 5);
    }
  };
  message(6, limits::quiet_NaN(),
          "[gradient_norm] the gradient of 'W1' (3, 4) is nan at (1, 2): expected finite numbers");
  message(12, limits::infinity(), "the gradient of 'b1' (4,) is inf at (0)");
  message(16, -limits::infinity(), "the gradient of 'scale' () is -inf at ()");
}

BOOST_AUTO_TEST_CASE(a_norm_to_clip_to_must_be_positive) {
  Parameters<float> p = filled<float>(1);
  for (const double most : {0.0, -1.0, double(NAN)}) {
    support::check_error<UsageError>([&] { clip_gradient_norm(p, most); },
                                     "expected a positive number");
  }
}
