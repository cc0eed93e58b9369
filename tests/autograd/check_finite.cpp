// set_check_finite: the first value that is not finite is named, on the tape and in a plan, forward
// and backward; nothing changes where the check is off.
#include <fmt/format.h>
#include <chainrule/ops/ops.hpp>

#include <limits>

#include "tests/support.hpp"

using namespace chainrule;
using namespace support;

namespace {

template <class T>
constexpr T inf = std::numeric_limits<T>::infinity();

std::string at(int line) { return fmt::format(" (check_finite.cpp:{})", line); }

template <class F>
std::string thrown_by(F f) {
  return message_of<NumericError>(f);
}

}  // namespace

BOOST_AUTO_TEST_CASE_TEMPLATE(off_by_default, T, Precisions) {
  Tape<T> tape;
  const Tensor<T> x({2}, {0, -1});
  const Var<T> y = log(tape.input(x));
  Plan<T> p = plan({y});
  p.run();
  BOOST_TEST(p.value(y)[0] == -inf<T>);
  BOOST_TEST(std::isnan(p.value(y)[1]));
}

BOOST_AUTO_TEST_CASE_TEMPLATE(the_tape_names_the_first_operation, T, Precisions) {
  Tape<T> tape;
  tape.set_check_finite(true);
  const Tensor<T> x({2, 3}, {1, 2, 3, 4, 0, -1});
  const Var<T> leaf = tape.input(x);
  const auto before = state_of(tape);
  BOOST_TEST(thrown_by([&] { log(leaf); }) ==
             "[log] (2, 3) is -inf at entry (1, 1); input (2, 3), finite" + at(__LINE__ - 1));
  BOOST_TEST(thrown_by([&] { sum(leaf, {0}) / tape.constant(T(0)); }) ==
             "[div] (3,) is inf at entry (0,); inputs (3,) and (), all finite" + at(__LINE__ - 1));
  BOOST_TEST(thrown_by([&] { log(tape.constant(T(-1))); }) ==
             "[log] () is nan; input (), finite" + at(__LINE__ - 1));
  tape.clear();  // the switch stays
  BOOST_TEST(!thrown_by([&] { exp(tape.constant(T(1e5))); }).empty());
  tape.set_check_finite(false);
  BOOST_TEST(exp(tape.constant(T(1e5))).item() == inf<T>);
  BOOST_TEST(before.size() == 1u);
}

BOOST_AUTO_TEST_CASE(an_error_leaves_the_tape_as_it_was) {
  Tape<double> tape;
  tape.set_check_finite(true);
  const Tensor<double> x({2}, {0, 1});
  const Var<double> y = named(mul0(tape.input(x), tape.input(x)), "y");
  const auto before = state_of(tape);
  thrown_by([&] { log(y); });
  thrown_by([&] { tape.constant(inf<double>); });
  BOOST_TEST(state_of(tape) == before, boost::test_tools::per_element());
  BOOST_TEST(y.value()[1] == 1);
}

BOOST_AUTO_TEST_CASE(a_leaf_is_named_as_such) {
  Tape<double> tape;
  tape.set_check_finite(true);
  const Tensor<double> x({2, 2}, {1, 2, 3, -inf<double>});
  const OwnedParameter<double> w("W1", Tensor<double>({2}, {inf<double>, 0}));
  BOOST_TEST(thrown_by([&] { tape.input(x); }) ==
             "[input] the leaf (2, 2) is -inf at entry (1, 1)" + at(__LINE__ - 1));
  BOOST_TEST(thrown_by([&] { tape.input(x.view()); }) ==
             "[input] the leaf (2, 2) is -inf at entry (1, 1)" + at(__LINE__ - 1));
  BOOST_TEST(thrown_by([&] { tape.parameter(w.parameter); }) ==
             "[parameter] the leaf 'W1' (2,) is inf at entry (0,)" + at(__LINE__ - 1));
  BOOST_TEST(thrown_by([&] { tape.constant(inf<double>); }) ==
             "[constant] the leaf () is inf" + at(__LINE__ - 1));
  BOOST_TEST(tape.size() == 0u);
  BOOST_TEST(!tape.has_name("W1"));
}

BOOST_AUTO_TEST_CASE(an_input_that_was_not_finite_before_is_named) {
  Tape<double> tape;
  Tensor<double> x({2}, {1, 2});
  const Var<double> leaf = named(tape.input(x), "x"), y = leaf * 2;
  tape.set_check_finite(true);
  x[1] = inf<double>;
  BOOST_TEST(thrown_by([&] { y + leaf; }) ==
             "[add] (2,) is inf at entry (1,); inputs (2,) and (2,), of which input 1 (input 'x') "
             "was not finite before" +
                 at(__LINE__ - 3));
}

BOOST_AUTO_TEST_CASE_TEMPLATE(a_backward_node_names_the_node_whose_rule_it_is, T, Precisions) {
  Tape<T> tape;
  tape.set_check_finite(true);
  const Tensor<T> x({2}, {1, 1}), tiny({2}, {1, std::numeric_limits<T>::denorm_min()});
  const Var<T> leaf = tape.input(tiny);
  const Var<T> y = named(log(leaf), "L");
  const int line = __LINE__ - 1;
  const Var<T> loss = sum(y * tape.input(x));
  const auto before = state_of(tape);
  // The gradient of log at the smallest number overflows, and is reported at the line of the log.
  BOOST_TEST(thrown_by([&] { gradients(loss, {leaf}); }) ==
             "[div] (2,) is inf at entry (1,), in the backward pass of log 'L'; inputs (2,) and "
             "(2,), all finite" +
                 at(line));
  BOOST_TEST(state_of(tape) == before, boost::test_tools::per_element());
}

BOOST_AUTO_TEST_CASE_TEMPLATE(a_plan_names_the_run, T, Precisions) {
  Tensor<T> x({2}, {1, 2});
  auto tape = std::make_unique<Tape<T>>();
  const Var<T> leaf = named(tape->input(x), "x, a long name of a leaf");
  const int leaf_line = __LINE__ - 1;
  const Var<T> y = named(log(leaf), "L"), loss = sum(y);
  const int line = __LINE__ - 1;
  const Var<T> g = gradients(loss, {leaf})[0];
  Plan<T> built = plan({loss, g}), p = std::move(built);
  Plan<T> only_gradient = plan({g});
  tape.reset();  // what messages say outlives the tape
  p.set_check_finite(true);
  only_gradient.set_check_finite(true);
  for (int run = 0; run < 5; ++run) p.run();
  BOOST_TEST(p.runs() == 5u);
  const T loss_before = p.item(loss);
  BOOST_TEST(loss_before == std::log(T(2)));

  x[1] = -1;
  BOOST_TEST(thrown_by([&] { p.run(); }) ==
             "[log] 'L' (2,) is nan at entry (1,); input (2,), finite; run 6 of the plan" +
                 at(line));
  BOOST_TEST(message_of<UsageError>([&] { p.item(loss); }).find("or a run threw") !=
             std::string::npos);
  x[1] = std::numeric_limits<T>::denorm_min();
  const std::string backward =
      "[div] 'dx, a long name of a leaf' (2,) is inf at entry (1,), in the backward pass of log "
      "'L'; inputs (2,) and (2,), all finite; run {} of the plan";
  BOOST_TEST(thrown_by([&] { p.run(); }) == fmt::format(fmt::runtime(backward), 7) + at(line));
  BOOST_TEST(thrown_by([&] { only_gradient.run(); }) ==
             fmt::format(fmt::runtime(backward), 1) + at(line));
  std::vector<double> seconds(p.size());
  BOOST_TEST(thrown_by([&] { p.run_timed(seconds); }) ==
             fmt::format(fmt::runtime(backward), 8) + at(line));
  x[0] = inf<T>;
  BOOST_TEST(thrown_by([&] { p.run(); }) ==
             "[input] the leaf 'x, a long name of a leaf' (2,) is inf at entry (0,); run 9 of the "
             "plan" +
                 at(leaf_line));
  x = Tensor<T>({2}, {1, 2});
  p.run();
  BOOST_TEST(p.item(loss) == loss_before);
  x[1] = -1;
  p.set_check_finite(false);
  p.run();
  BOOST_TEST(std::isnan(p.item(loss)));
}
