// Misuse is named: each of these is an exception of its own type, with the user's file and line, and
// the tape and the plan are then as they were.
#include <chainrule/autograd/kernels.hpp>
#include <chainrule/ops/ops.hpp>

#include <thread>

#include "tests/support.hpp"

using namespace chainrule;
using namespace support;

namespace {

/// x^2, whose author has forgotten the rule.
constexpr Op<double> ruleless_square{
    "ruleless_square", detail::same_shape,
    [](const Evaluation<double>& e) { detail::map_unary(e, [](double v) { return v * v; }); }};

/// Runs f on a thread of its own, and passes on what it throws.
template <class F>
void elsewhere(F f) {
  std::exception_ptr error;
  std::thread([&] {
    try {
      f();
    } catch (...) {
      error = std::current_exception();
    }
  }).join();
  if (error) std::rethrow_exception(error);
}

}  // namespace

BOOST_AUTO_TEST_CASE(a_gradient_through_an_operation_without_a_rule) {
  Tape<double> tape;
  const Var<double> x = named(tape.constant(3), "X");
  const Var<double> y = tape.record(ruleless_square, {x});
  BOOST_TEST(y.item() == 9);  // forward alone it is of use
  const auto before = state_of(tape);
  const std::string text = message_of<UsageError>([&] { gradients(sin(y) * x, {x}); });
  BOOST_TEST(text.find("[ruleless_square] a gradient is asked for at misuse.cpp:") == 0u, text);
  BOOST_TEST(text.find("without a rule") != std::string::npos, text);
  check_error<UsageError>([&] { gradients(tape.record(ruleless_square, {x}), {x}); },
                          "[ruleless_square] ");
  // No gradient flows through it: beside what was asked for, behind it, or behind a stop.
  BOOST_TEST(gradients(y * x, {y})[0].item() == 3);
  BOOST_TEST(gradients(stop_gradient(y) * x, {x})[0].item() == 9);
  const Var<double> behind = tape.record(ruleless_square, {stop_gradient(x)});
  BOOST_TEST(gradients(behind * x, {x})[0].item() == 9);
  BOOST_TEST(gradients(y, {tape.constant(1)})[0].item() == 0);
  BOOST_TEST(gradients(x * 2, {x, y})[1].item() == 0);
  BOOST_TEST(gradients(sign(y), {x, y})[1].item() == 0);
  BOOST_TEST(before.size() < state_of(tape).size());
}

BOOST_AUTO_TEST_CASE(a_missing_rule_leaves_the_tape_as_it_was) {
  Tape<double> tape;
  const Var<double> x = named(tape.constant(3), "X");
  const Var<double> y = named(exp(tape.record(ruleless_square, {x})), "Y");
  const auto before = state_of(tape);
  check_error<UsageError>([&] { gradients(y, {x}); }, "at misuse.cpp:");
  BOOST_TEST(state_of(tape) == before, boost::test_tools::per_element());
}

BOOST_AUTO_TEST_CASE(a_stale_var) {
  Tape<double> tape;
  const Tensor<double> numbers({2}, {1, 2});
  const Var<double> old = tape.input(numbers), old_sum = sum(old);
  Plan<double> run = plan({old_sum});
  tape.clear();
  const Var<double> x = tape.input(numbers), y = sum(x);
  const auto before = state_of(tape);
  const std::string stale = "a stale Var is used: it was recorded before clear()";
  check_error<UsageError>([&] { old.value(); }, stale);
  check_error<UsageError>([&] { old.shape(); }, stale);
  check_error<UsageError>([&] { old.name(); }, stale);
  check_error<UsageError>([&] { old_sum.item(); }, stale);
  check_error<UsageError>([&] { add(x, old); }, "[add] " + stale);
  check_error<UsageError>([&] { old * x; }, "[mul] " + stale);
  check_error<UsageError>([&] { matmul(old, x); }, "[matmul] " + stale);
  check_error<UsageError>([&] { mean(old); }, stale);
  check_error<UsageError>([&] { reshape(old, {2, 1}); }, stale);
  check_error<UsageError>([&] { named(old, "X"); }, "[named] " + stale);
  check_error<UsageError>([&] { tape.set_automatic_name(old, "X"); }, "[named] " + stale);
  check_error<UsageError>([&] { gradients(old_sum, {x}); }, "[gradients] " + stale);
  check_error<UsageError>([&] { gradients(y, {x, old}); }, "[gradients] " + stale);
  check_error<UsageError>([&] { gradients(y, {x}, old_sum); }, "[gradients] " + stale);
  check_error<UsageError>([&] { plan({y, old_sum}); }, "[plan] " + stale);
  BOOST_TEST(state_of(tape) == before, boost::test_tools::per_element());
  run.run();  // its own Vars stay keys to its outputs
  BOOST_TEST(run.item(old_sum) == 3);
  check_error<UsageError>([&] { run.item(y); }, "[Plan::value] the Var is none of this plan's outputs");
}

BOOST_AUTO_TEST_CASE(a_var_that_was_never_assigned) {
  Tape<double> tape;
  const Var<double> x = tape.constant(1), none;
  const std::string message = "a Var that was never assigned is used";
  check_error<UsageError>([&] { none.value(); }, message);
  check_error<UsageError>([&] { none + x; }, message);
  check_error<UsageError>([&] { x + none; }, message);
  check_error<UsageError>([&] { sum(none); }, message);
  check_error<UsageError>([&] { named(none, "a"); }, message);
  check_error<UsageError>([&] { gradients(none, {x}); }, message);
  check_error<UsageError>([&] { gradients(x, {none}); }, message);
  check_error<UsageError>([&] { plan({x, none}); }, message);
  check_error<UsageError>([&] { plan({none, x}); }, message);
}

BOOST_AUTO_TEST_CASE(vars_of_two_tapes) {
  Tape<double> one, two;
  const Var<double> a = named(one.constant(1), "A"), b = named(two.constant(2), "B");
  const auto first = state_of(one), second = state_of(two);
  const std::string other = "a Var of another tape is used";
  check_error<UsageError>([&] { a + b; }, "[add] " + other);
  check_error<UsageError>([&] { b - a; }, "[sub] " + other);
  check_error<UsageError>([&] { gradients(a, {b}); }, "[gradients] " + other);
  check_error<UsageError>([&] { gradients(a, {a}, b); }, "[gradients] " + other);
  check_error<UsageError>([&] { plan({a, b}); }, "[plan] " + other);
  check_error<UsageError>([&] { one.set_name(b, "C"); }, "[named] " + other);
  check_error<UsageError>([&] { one.set_automatic_name(b, "C"); }, "[named] " + other);
  BOOST_TEST(state_of(one) == first, boost::test_tools::per_element());
  BOOST_TEST(state_of(two) == second, boost::test_tools::per_element());
}

BOOST_AUTO_TEST_CASE(a_tape_used_from_two_threads) {
  Tape<double> tape;
  OwnedParameter<double> w("W", Tensor<double>({}, {2}));
  const Tensor<double> numbers({}, {1});
  const Var<double> x = named(tape.input(numbers), "X"), y = exp(x);
  const auto before = state_of(tape);
  const std::string other = "the tape belongs to another thread";
  const auto refused = [&](auto f, SourceLocation here = SourceLocation::current()) {
    check_error<UsageError>([&] { elsewhere(f); }, other, here);
  };
  refused([&] { x + y; });
  refused([&] { tape.input(numbers); });
  refused([&] { tape.input(numbers.view()); });
  refused([&] { tape.constant(1); });
  refused([&] { tape.constant(numbers.view()); });
  refused([&] { tape.parameter(w.parameter); });
  refused([&] { gradients(y, {x}); });
  refused([&] { named(y, "Y"); });
  refused([&] { tape.set_automatic_name(y, "Y"); });
  refused([&] { tape.find("X"); });
  refused([&] { tape.names(); });
  refused([&] { y.value(); });
  refused([&] { y.item(); });
  refused([&] { y.shape(); });
  refused([&] { x.name(); });
  refused([&] { plan({y}); });
  refused([&] { tape.has_name("X"); });
  refused([&] { tape.set_check_finite(true); });
  BOOST_TEST(state_of(tape) == before, boost::test_tools::per_element());
  // clear() takes it over, and this thread then has lost it.
  elsewhere([&] {
    tape.clear();
    BOOST_TEST((tape.input(numbers) + 1).item() == 2);
  });
  check_error<UsageError>([&] { tape.constant(1); }, other);
}

BOOST_AUTO_TEST_CASE(a_parameter_changed_between_recording_and_gradients) {
  OwnedParameter<double> w("W", Tensor<double>({2}, {1, 2})), b("b", Tensor<double>({2}, {0, 0}));
  Tape<double> tape;
  const Var<double> vw = tape.parameter(w.parameter), vb = tape.parameter(b.parameter);
  const Var<double> y = sum(vw * vw), z = sum(vb);
  const auto before = state_of(tape);
  w.parameter.mutable_value()[0] = 5;
  check_error<UsageError>([&] { gradients(y, {vw}); },
                          "[gradients] parameter 'W' was changed after it was recorded: the values "
                          "on the tape are of version 0, it is at version 1");
  BOOST_TEST(state_of(tape) == before, boost::test_tools::per_element());
  BOOST_TEST(gradients(z, {vb})[0].value()[0] == 1);  // which does not depend on it
  Plan<double> p = plan({y});
  p.run();  // a plan reads the values of now
  BOOST_TEST(p.item(y) == 29);
}

BOOST_AUTO_TEST_CASE(what_y_does_not_depend_on_has_a_gradient_of_exact_zeros) {
  Tape<double> tape;
  const Var<double> x = tape.constant(2, {3}), w = named(tape.constant(-1, {2, 0, 4}), "W"),
                    s = tape.constant(7), y = sum(x * x);
  const Var<double> later = exp(y);
  const auto g = gradients(y, {w, x, s, later});
  BOOST_TEST(same_bits(g[0].value(), Tensor<double>({2, 0, 4})));
  BOOST_TEST(g[0].name() == "dW");
  BOOST_TEST(same_bits(g[1].value(), Tensor<double>::filled({3}, 4)));
  BOOST_TEST(same_bits(g[2].value(), Tensor<double>(Shape{})));
  BOOST_TEST(same_bits(g[3].value(), Tensor<double>(Shape{})));
}

BOOST_AUTO_TEST_CASE(a_y_that_is_no_scalar) {
  Tape<double> tape;
  const Var<double> x = tape.constant(2, {2, 3}), y = x * x;
  const Var<double> none = tape.constant(1, {0, 3});
  const auto before = state_of(tape);
  check_error<ShapeError>([&] { gradients(y, {x}); },
                          "[gradients] y has shape (2, 3): expected one element, or a cotangent");
  check_error<ShapeError>([&] { gradients(none, {x}); }, "[gradients] y has shape (0, 3)");
  BOOST_TEST(state_of(tape) == before, boost::test_tools::per_element());
  const Var<double> cotangent = tape.constant(1, {3, 2});
  check_error<ShapeError>(
      [&] { gradients(y, {x}, cotangent); },
      "[gradients] y has shape (2, 3) and its cotangent (3, 2): expected equal");
  BOOST_TEST(gradients(y, {x}, x)[0].value()[0] == 8);
}

BOOST_AUTO_TEST_CASE(a_plan_run_with_another_shape) {
  Tape<double> tape;
  Tensor<double> x({2}, {1, 2});
  const Tensor<double> longer({3}, {1, 1, 1});
  const SourceLocation bound = SourceLocation::current();
  const Var<double> leaf = tape.input(x);
  const Var<double> y = sum(leaf);
  Plan<double> p = plan({y});
  p.run();
  const std::string advice = "make one plan per shape";
  check_error<ShapeError>([&] { p.rebind(leaf, longer); }, advice);
  check_error<UsageError>([&] { p.rebind(y, longer); },
                          "[Plan::rebind] the Var is no leaf of this plan");
  BOOST_TEST(p.item(y) == 3);  // of the run before
  x = longer;
  check_error<ShapeError>([&] { p.run(); }, advice, bound);
  BOOST_TEST(p.item(y) == 3);
}

BOOST_AUTO_TEST_CASE(a_value_that_was_not_asked_for) {
  Tape<double> tape;
  const Var<double> x = tape.constant(2), y = x * x, z = exp(y);
  Plan<double> p = plan({z});
  const std::string early = "[Plan::value] the plan has not run";
  check_error<UsageError>([&] { p.value(z); }, early);
  check_error<UsageError>([&] { p.item(z); }, early);
  p.run();
  const std::string unknown = "the Var is none of this plan's outputs: ask for it in plan({...})";
  check_error<UsageError>([&] { p.value(y); }, "[Plan::value] " + unknown);
  check_error<UsageError>([&] { p.item(x); }, "[Plan::value] " + unknown);
  Tensor<double> place(Shape{});
  check_error<UsageError>([&] { p.write_to(y, place); }, "[Plan::write_to] " + unknown);
  BOOST_TEST(p.item(z) == z.item());
}

namespace {

enum class Meddling { none, records, clears };
Meddling kernel_meddles, rule_meddles;
Tape<double>* meddled_with = nullptr;

void meddle(Meddling how) {
  if (how == Meddling::records) meddled_with->constant(1, {100});
  if (how == Meddling::clears) meddled_with->clear();
}

constexpr Op<double> meddling_op{
    "meddling", detail::same_shape,
    [](const Evaluation<double>& e) {
      meddle(kernel_meddles);
      detail::map_unary(e, [](double v) { return 2 * v; });
    },
    [](const Adjoint<double>& n, int) {
      meddle(rule_meddles);
      return n.cotangent() * 2;
    }};

}  // namespace

BOOST_AUTO_TEST_CASE(an_operation_that_meddles_with_its_own_tape) {
  Tape<double> tape;
  meddled_with = &tape;
  const Var<double> x = named(tape.constant(3), "X");
  kernel_meddles = rule_meddles = Meddling::none;
  const Var<double> y = named(tape.record(meddling_op, {x}), "Y");
  const auto before = state_of(tape);
  const auto here = [] { return std::string("misuse.cpp:"); };
  kernel_meddles = Meddling::records;
  BOOST_TEST(message_of<UsageError>([&] { tape.record(meddling_op, {x}); })
                 .starts_with("[constant] a shape rule or a kernel records on the tape that called"));
  kernel_meddles = Meddling::clears;
  BOOST_TEST(message_of<UsageError>([&] { tape.record(meddling_op, {x}); })
                 .starts_with("[clear] a kernel or a rule clears the tape that called it (" + here()));
  kernel_meddles = Meddling::none, rule_meddles = Meddling::clears;
  BOOST_TEST(message_of<UsageError>([&] { gradients(y, {x}); })
                 .starts_with("[clear] a kernel or a rule clears the tape that called it (" + here()));
  BOOST_TEST(state_of(tape) == before, boost::test_tools::per_element());
  rule_meddles = Meddling::records;  // which is what rules do
  BOOST_TEST(gradients(y, {x})[0].item() == 2);
  tape.clear();
}

BOOST_AUTO_TEST_CASE(a_leaf_is_not_recorded_as_an_operation) {
  Tape<double> tape;
  check_error<UsageError>([&] { tape.record(detail::input_op<double>(), {}); },
                          "[input] the operation has no shape rule or no kernel");
  check_error<UsageError>([&] { tape.input(TensorView<const double>(nullptr, {2})); },
                          "[input] the view is null");
  BOOST_TEST(tape.size() == 0u);
}

BOOST_AUTO_TEST_CASE(unknown_transposition_flags) {
  Tape<double> tape;
  const Var<double> a = tape.constant(1, {2, 2});
  check_error<UsageError>([&] { matmul(a, a, static_cast<Transpose>(4)); },
                          "[matmul] unknown transposition flags 4: expected 0 to 3");
}

// 2^45 rows of nothing: nothing is to be computed, and no loop counts them.
BOOST_AUTO_TEST_CASE(enormous_shapes_without_entries) {
  constexpr std::int64_t rows = std::int64_t{1} << 45;
  Tape<double> tape;
  const Tensor<double> nothing(Shape{rows, 0}), weights(Shape{0, 0}), bias(Shape{0});
  const Var<double> x = tape.input(nothing);
  const Var<double> z = linear(x, tape.input(weights), tape.input(bias));
  const Var<double> rows_of_three = reshape(x, {rows, 0, 3});
  for (const Var<double>& y : {z, softmax(rows_of_three), log_softmax(rows_of_three),
                               wedge_sum(x, x), weighted_deviation(x, x), exp(x), x + x,
                               transpose(x)}) {
    BOOST_TEST(y.shape().size() == 0);
    const Var<double> total = sum(y);
    BOOST_TEST(total.item() == 0);
    const Var<double> g = gradients(total, {x})[0];
    BOOST_TEST((g.shape() == x.shape()));
    Plan<double> p = plan({g, total});
    p.run();
    BOOST_TEST(p.item(total) == 0);
  }
}
