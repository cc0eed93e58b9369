// Sgd against its recurrence written out, and against the closed form on a quadratic; the numbers
// of PyTorch are compared in pytorch.cpp.
#include <chainrule/optim/sgd.hpp>

#include <boost/test/unit_test.hpp>
#include <cmath>

using namespace chainrule;

BOOST_AUTO_TEST_CASE(plain_steps_follow_the_gradient) {
  Parameters<double> p({{"w", {3}}});
  Sgd<double> sgd(p, {.learning_rate = 0.5});
  p.mutable_values()[1] = 2;
  p.gradients()[1] = 3;
  sgd.step(p);
  BOOST_TEST(p.values()[1] == 0.5);
  BOOST_TEST(p.values()[0] == 0);
  BOOST_TEST(sgd.velocity().size() == 0);
}

// On w^2 / 2 heavy-ball momentum is a linear recurrence: w_(t+1) = (1 + m - r) w_t - m w_(t-1). Its
// solution for m = 0.81, r = 0.01 has the double root 0.9: w_t = (1 + c t) 0.9^t with, from
// w_1 = 0.99, c = 0.1.
BOOST_AUTO_TEST_CASE(momentum_on_a_quadratic_has_its_closed_form) {
  Parameters<double> p({{"w", {1}}});
  p.mutable_values()[0] = 1;
  Sgd<double> sgd(p, {.learning_rate = 0.01, .momentum = 0.81});
  for (int t = 1; t <= 100; ++t) {
    p.gradients()[0] = p.values()[0];
    sgd.step(p);
    // A double root loses half the digits: rounding grows as t times the solution.
    BOOST_TEST(p.values()[0] == (1 + 0.1 * t) * std::pow(0.9, t),
               boost::test_tools::tolerance(1e-9));
  }
}

// Nesterov's momentum as it was first written, with two points: theta moves, and the gradient (here
// of w^2 / 2) is taken at the point ahead, theta - r m v. Sgd keeps the point ahead alone.
BOOST_AUTO_TEST_CASE(nesterov_looks_ahead) {
  Parameters<double> p({{"w", {1}}});
  const double r = 0.19, m = 0.6;
  p.mutable_values()[0] = 1;
  Sgd<double> sgd(p, {.learning_rate = r, .momentum = m, .nesterov = true});
  double theta = 1, v = 0;
  for (int t = 1; t <= 50; ++t) {
    const double ahead = theta - r * m * v;
    BOOST_TEST(p.values()[0] == ahead, boost::test_tools::tolerance(1e-10));
    p.gradients()[0] = p.values()[0];
    sgd.step(p);
    v = m * v + ahead;
    theta -= r * v;
  }
}

// Decay is the gradient of decay |w|^2 / 2: on g = 0 plain steps shrink w by 1 - rate decay.
BOOST_AUTO_TEST_CASE(decay_shrinks_the_weights) {
  Parameters<double> p({{"w", {2}}});
  p.mutable_values()[0] = 3;
  Sgd<double> sgd(p, {.learning_rate = 0.5, .weight_decay = 0.25});
  for (int t = 1; t <= 10; ++t) {
    sgd.step(p);
    BOOST_TEST(p.values()[0] == 3 * std::pow(0.875, t), boost::test_tools::tolerance(1e-14));
  }
  BOOST_TEST(p.values()[1] == 0);
}

BOOST_AUTO_TEST_CASE(the_factor_scales_the_rate_of_one_step) {
  Parameters<double> p({{"w", {1}}});
  Sgd<double> sgd(p, {.learning_rate = 0.5, .momentum = 0.5});
  p.gradients()[0] = 1;
  sgd.step(p, 0);  // v = 1
  BOOST_TEST(p.values()[0] == 0);
  sgd.step(p, 0.5);  // v = 1.5
  BOOST_TEST(p.values()[0] == -0.375);
  sgd.step(p);  // v = 1.75
  BOOST_TEST(p.values()[0] == -0.375 - 0.875);
}

BOOST_AUTO_TEST_CASE(a_step_raises_the_version) {
  Parameters<float> p({{"w", {1}}});
  Sgd<float> sgd(p, {.learning_rate = 0.5, .momentum = 0.5});
  const auto before = p[0].version();
  sgd.step(p);
  BOOST_TEST(p[0].version() > before);
}

BOOST_AUTO_TEST_CASE(options_out_of_range_are_named) {
  const Parameters<float> p({{"w", {1}}});
  const auto message = [&](SgdOptions options) -> std::string {
    try {
      Sgd<float>(p, options, {});
    } catch (const UsageError& error) {
      return error.what();
    }
    return "nothing was thrown";
  };
  BOOST_TEST(message({.learning_rate = 0}) == "[Sgd] learning rate 0: expected a positive number");
  BOOST_TEST(message({.learning_rate = NAN}) ==
             "[Sgd] learning rate nan: expected a positive number");
  BOOST_TEST(message({.momentum = 1}) == "[Sgd] momentum 1: expected 0 <= momentum < 1");
  BOOST_TEST(message({.momentum = -0.1}) == "[Sgd] momentum -0.1: expected 0 <= momentum < 1");
  BOOST_TEST(message({.nesterov = true}) ==
             "[Sgd] momentum 0: expected a momentum above 0 for nesterov");
  BOOST_TEST(message({.weight_decay = -1}) ==
             "[Sgd] weight decay -1: expected a number of at least 0");
  // What float cannot hold would leave every weight where it is, or at infinity.
  BOOST_TEST(message({.learning_rate = 1e-50}) ==
             "[Sgd] learning rate 1e-50: expected a number that is not 0 in the model's precision");
  BOOST_TEST(message({.learning_rate = 1e39}) == "[Sgd] learning rate 1e+39: expected a number that "
                                                 "is not infinite in the model's precision");
  BOOST_TEST(message({.weight_decay = 1e-50}) ==
             "[Sgd] weight decay 1e-50: expected a number that is not 0 in the model's precision");
  const Parameters<double> wide({{"w", {1}}});
  BOOST_CHECK_NO_THROW(Sgd<double>(wide, {.learning_rate = 1e-50, .weight_decay = 1e-50}));
  Sgd<float> sgd(p);
  Parameters<float> other({{"w", {2}}});
  BOOST_CHECK_THROW(sgd.step(other), ShapeError);
}
