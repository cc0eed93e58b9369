// Adam and AdamW by what the formulas imply; the numbers themselves are compared in pytorch.cpp.
#include <chainrule/optim/adam.hpp>
#include <chainrule/optim/optimizer.hpp>
#include <chainrule/optim/sgd.hpp>

#include <cmath>

#include "tests/support.hpp"

using namespace chainrule;

namespace {

template <class T>
Parameters<T> one(double w, double g) {
  Parameters<T> p({{"w", {1}}});
  p.mutable_values()[0] = static_cast<T>(w);
  p.gradients()[0] = static_cast<T>(g);
  return p;
}

}  // namespace

// The bias corrections undo the zeros at the start: under a constant gradient m / (1 - beta1^t) is
// g and v / (1 - beta2^t) is g^2, so that each step is the learning rate, whatever |g| is.
BOOST_AUTO_TEST_CASE_TEMPLATE(a_constant_gradient_gives_constant_steps, T, support::Precisions) {
  const double eps = std::is_same_v<T, float> ? 1e-5 : 1e-12;
  for (const double g : {1e-8, -1.0, 1e8}) {
    Parameters<T> p = one<T>(0, g);
    Adam<T> adam(p, {.learning_rate = 0.25, .epsilon = 1e-30});
    for (int t = 1; t <= 50; ++t) {
      adam.step(p);
      BOOST_TEST(static_cast<double>(p.values()[0]) == -std::copysign(0.25, g) * t,
                 boost::test_tools::tolerance(eps));
    }
    BOOST_TEST(adam.steps() == 50);
    BOOST_TEST(static_cast<double>(adam.first_moment()[0]) == g * (1 - std::pow(0.9, 50)),
               boost::test_tools::tolerance(eps));
    BOOST_TEST(static_cast<double>(adam.second_moment()[0]) == g * g * (1 - std::pow(0.999, 50)),
               boost::test_tools::tolerance(eps));
  }
}

// Without a gradient AdamW's weights shrink by 1 - rate decay a step; Adam's decay is a gradient,
// and so becomes a step of the learning rate's length.
BOOST_AUTO_TEST_CASE(the_two_decays_differ) {
  Parameters<double> decoupled = one<double>(3, 0), coupled = one<double>(3, 0);
  AdamW<double> adamw(decoupled, {.learning_rate = 0.1, .weight_decay = 0.5});
  Adam<double> adam(coupled, {.learning_rate = 0.1, .epsilon = 1e-20, .weight_decay = 0.5});
  adamw.step(decoupled);
  adam.step(coupled);
  BOOST_TEST(decoupled.values()[0] == 3 * 0.95, boost::test_tools::tolerance(1e-15));
  BOOST_TEST(coupled.values()[0] == 2.9, boost::test_tools::tolerance(1e-15));
  adamw.step(decoupled, 0.1);  // a schedule slows the decay as well
  BOOST_TEST(decoupled.values()[0] == 3 * 0.95 * 0.995, boost::test_tools::tolerance(1e-15));
}

BOOST_AUTO_TEST_CASE(a_rate_of_zero_still_feeds_the_moments) {
  Parameters<double> p = one<double>(3, 2);
  Adam<double> adam(p);
  adam.step(p, 0);
  BOOST_TEST(p.values()[0] == 3);
  BOOST_TEST(adam.first_moment()[0] == 0.2, boost::test_tools::tolerance(1e-15));
}

BOOST_AUTO_TEST_CASE(a_gradient_that_was_always_zero_changes_nothing) {
  Parameters<float> p = one<float>(3, 0);
  Adam<float> adam(p);
  for (int t = 0; t < 3; ++t) adam.step(p);
  BOOST_TEST(p.values()[0] == 3);
}

BOOST_AUTO_TEST_CASE(a_nan_is_not_hidden) {
  Parameters<float> p = one<float>(3, NAN);
  Adam<float> adam(p);
  adam.step(p);
  BOOST_TEST(std::isnan(p.values()[0]));
}

// An Optimizer is a value: its copy has the state so far, and steps on alone.
BOOST_AUTO_TEST_CASE(a_copy_has_a_state_of_its_own) {
  Parameters<double> a = one<double>(0, 1), b = a;
  Optimizer<double> first = Adam<double>(a, {.learning_rate = 0.5});
  first.step(a);
  Optimizer<double> second = first;
  b.mutable_values()[0] = a.values()[0];
  a.gradients()[0] = b.gradients()[0] = -0.3;
  for (int t = 0; t < 3; ++t) first.step(a);
  for (int t = 0; t < 3; ++t) second.step(b);
  BOOST_TEST(a.values()[0] == b.values()[0]);
}

// A user's own rule: anything with such a step.
BOOST_AUTO_TEST_CASE(a_rule_of_the_users_own_converts) {
  struct SignDescent {
    double rate;
    void step(Parameters<double>& p, double rate_factor) {
      const auto w = p.mutable_values();
      for (std::int64_t i = 0; i < w.size(); ++i) {
        w[i] -= std::copysign(rate * rate_factor, p.gradients()[i]);
      }
    }
  };
  Parameters<double> p = one<double>(1, -7);
  Optimizer<double> optimizer = SignDescent{0.5};
  optimizer.step(p);
  optimizer.step(p, 0.5);
  BOOST_TEST(p.values()[0] == 1.75);
  static_assert(!std::is_constructible_v<Optimizer<double>, int>);
  static_assert(!std::is_constructible_v<Optimizer<double>, Adam<float>>);
}

BOOST_AUTO_TEST_CASE(options_out_of_range_are_named) {
  using support::check_error;
  Parameters<double> p = one<double>(1, 1);
  const auto adam = [&](AdamOptions options, SourceLocation here) {
    Adam<double>(p, options, here);
  };
  const auto rejects = [&](AdamOptions options, std::string_view part,
                           SourceLocation here = SourceLocation::current()) {
    check_error<UsageError>([&] { adam(options, here); }, part, here);
  };
  rejects({.learning_rate = 0}, "[Adam] learning rate 0: expected a positive number");
  rejects({.learning_rate = INFINITY}, "[Adam] learning rate inf");
  rejects({.beta1 = 1}, "[Adam] beta1 1: expected 0 <= beta1 < 1");
  rejects({.beta2 = -0.1}, "[Adam] beta2 -0.1: expected 0 <= beta2 < 1");
  rejects({.epsilon = 0}, "[Adam] epsilon 0: expected a positive number");
  rejects({.weight_decay = -1}, "[Adam] weight decay -1: expected a number of at least 0");
  check_error<UsageError>([&] { AdamW<double>(p, {.beta2 = NAN}); }, "[AdamW] beta2 nan");

  const Parameters<float> narrow({{"w", {1}}});
  check_error<UsageError>([&] { Adam<float>(narrow, {.epsilon = 1e-50}); },
                          "[Adam] epsilon 1e-50: expected a number that is not 0 in the model's");
  check_error<UsageError>([&] { AdamW<float>(narrow, {.learning_rate = 1e-50}); },
                          "[AdamW] learning rate 1e-50: expected a number that is not 0");
  check_error<UsageError>([&] { AdamW<float>(narrow, {.weight_decay = 1e39}); },
                          "[AdamW] weight decay 1e+39: expected a number that is not infinite");

  Adam<double> made(p);
  AdamW<double> other(p);
  Parameters<double> two({{"w", {2}}});
  BOOST_CHECK_THROW(made.step(two), ShapeError);
  BOOST_CHECK_THROW(other.step(two), ShapeError);
  for (const double factor : {-0.1, double(NAN), HUGE_VAL}) {
    BOOST_CHECK_THROW(made.step(p, factor), UsageError);
    BOOST_CHECK_THROW(other.step(p, factor), UsageError);
    BOOST_CHECK_THROW(Sgd<double>(p).step(p, factor), UsageError);
  }
  BOOST_TEST(made.steps() == 0);
  BOOST_TEST(p.values()[0] == 1);
}
