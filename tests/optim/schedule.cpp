// Schedules against values worked out by hand, at their corners.
#include <chainrule/optim/schedule.hpp>

#include <cmath>

#include "tests/support.hpp"

using namespace chainrule;

namespace {
const auto rounding = boost::test_tools::tolerance(1e-15);
}

BOOST_AUTO_TEST_CASE(step_decay_falls_at_every_multiple) {
  const Schedule rate = step_decay(10, 0.5);
  BOOST_TEST(rate(0) == 1);
  BOOST_TEST(rate(9) == 1);
  BOOST_TEST(rate(10) == 0.5);
  BOOST_TEST(rate(19) == 0.5);
  BOOST_TEST(rate(35) == 0.125);
  BOOST_TEST(constant_rate()(1000) == 1);
}

BOOST_AUTO_TEST_CASE(cosine_decay_goes_from_one_to_final_and_stays) {
  const Schedule rate = cosine_decay(12, 0.2);
  BOOST_TEST(rate(0) == 1);
  BOOST_TEST(rate(3) == 0.2 + 0.8 * (1 + std::sqrt(0.5)) / 2, rounding);
  BOOST_TEST(rate(4) == 0.2 + 0.8 * 0.75, rounding);
  BOOST_TEST(rate(6) == 0.6, rounding);
  BOOST_TEST(rate(8) == 0.2 + 0.8 * 0.25, rounding);
  BOOST_TEST(rate(12) == 0.2);
  BOOST_TEST(rate(13) == 0.2);
  BOOST_TEST(cosine_decay(5)(5) == 0);
  for (int step = 0; step < 12; ++step) BOOST_TEST(rate(step + 1) < rate(step));
}

BOOST_AUTO_TEST_CASE(warm_up_is_a_line_and_then_the_other_schedule) {
  const Schedule rate = warm_up(3, step_decay(2, 0.5));
  const double expected[] = {0.25, 0.5, 0.75, 1, 1, 0.5, 0.5, 0.25};
  for (int step = 0; step < 8; ++step) BOOST_TEST(rate(step) == expected[step]);
  // Towards the other's first value, where that is not 1.
  const Schedule half =
      warm_up(1, [](std::int64_t step) { return 0.5 + 0.1 * static_cast<double>(step); });
  BOOST_TEST(half(0) == 0.25);
  BOOST_TEST(half(1) == 0.5);
  BOOST_TEST(half(2) == 0.6);
  // Nothing to warm up, nothing after it, and one within another.
  BOOST_TEST(warm_up(0, step_decay(1, 0.5))(1) == 0.5);
  BOOST_TEST(warm_up(1)(0) == 0.5);
  BOOST_TEST(warm_up(1)(7) == 1);
  BOOST_TEST(warm_up(1, warm_up(1))(0) == 0.25);
}

BOOST_AUTO_TEST_CASE(they_have_no_state) {
  const Schedule rate = warm_up(4, cosine_decay(9, 0.1)), copy = rate;
  for (int step = 20; step-- > 0;) {
    const double first = rate(step);
    BOOST_TEST(rate(step) == first);
    BOOST_TEST(copy(step) == first);
  }
}

BOOST_AUTO_TEST_CASE(arguments_out_of_range_are_named) {
  using support::check_error;
  check_error<UsageError>([] { step_decay(0, 0.5); }, "[step_decay] every 0: expected at least 1");
  check_error<UsageError>([] { step_decay(5, 0); }, "[step_decay] factor 0: expected 0 < factor");
  check_error<UsageError>([] { step_decay(5, NAN); }, "factor nan");
  check_error<UsageError>([] { cosine_decay(0); }, "[cosine_decay] steps 0: expected at least 1");
  check_error<UsageError>([] { cosine_decay(5, 1.5); }, "[cosine_decay] final 1.5: expected 0 <=");
  check_error<UsageError>([] { warm_up(-1); }, "[warm_up] steps -1: expected at least 0");
}
