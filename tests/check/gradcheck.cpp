// What gradcheck accepts and refuses, and what its report says and prints.
#include <boost/test/unit_test.hpp>
#include <chainrule/check/boost_test.hpp>
#include <chainrule/ops/ops.hpp>
#include <nlohmann/json.hpp>
#include <sstream>

#include "tests/support.hpp"

using namespace chainrule;
using support::check_error;
using V = Var<double>;

namespace {

const Tensor<double> x({2, 3}, {1, 2, 3, 4, 5, 6}), w({3, 1}, {0.1, -0.2, 0.1});
const auto loss = [](auto a, auto b) { return mean(tanh(matmul(a, b))); };

/// The identity, its gradient twice what it should be.
constexpr Op<double> twice_op{"twice", [](const Call& call) { return call.input(0); },
                              [](const Evaluation<double>& e) {
                                for (std::int64_t i = 0; i < e.output().size(); ++i)
                                  e.output()[i] = e.input(0)[i];
                              },
                              [](const Adjoint<double>& n, int) { return n.cotangent() * 2; }};

bool has(const std::string& text, std::string_view part) {
  return text.find(part) != std::string::npos;
}

}  // namespace

BOOST_AUTO_TEST_CASE(a_callable_and_a_graph_give_the_same_report) {
  const GradcheckReport report = gradcheck(loss, x, w);
  BOOST_TEST(passes(report));
  BOOST_TEST(report.leaves.size() == 2u);
  BOOST_TEST(report.leaves[0].name == "input 0");
  BOOST_TEST((report.leaves[1].shape == Shape{3, 1}));
  BOOST_TEST(report.leaves[0].checked == 6);
  Tape<double> tape;
  const V a = tape.input(x), b = tape.input(w);
  BOOST_TEST(to_json(gradcheck(loss(a, b), {a, b})) == to_json(report));
  BOOST_TEST(to_json(gradcheck(GradcheckOptions{.seed = 4}, loss, x, w)) != to_json(report));
  // Tensors that nobody keeps: they live as long as the call.
  BOOST_TEST(passes(gradcheck([](auto z) { return exp(z); }, Tensor<double>({2}, {1, 2}))));
}

BOOST_AUTO_TEST_CASE(leaves_are_named_as_on_the_tape_and_values_are_the_current_ones) {
  Tape<double> tape;
  Tensor<double> values({2}, {1, 2});
  const V leaf = named(tape.input(values), "W1"), other = tape.constant(3, {2});
  const V y = exp(leaf) * other;
  values[0] = 1.5;
  const auto report = gradcheck(y, {leaf, other});
  BOOST_TEST((report.verdict == Verdict::pass), to_string(report));
  BOOST_TEST(report.leaves[0].name == "W1");
  BOOST_TEST(report.leaves[1].name == "input 1");
  // The largest entry is |c| e^2 3 or |c| e^1.5 3 with a cotangent of 0.5 to 1.5.
  BOOST_TEST(report.leaves[0].largest > 0.5 * 3 * std::exp(2));
  BOOST_TEST(report.leaves[0].largest < 1.5 * 3 * std::exp(2));
}

BOOST_AUTO_TEST_CASE(a_scalar_is_checked_as_it_is_and_a_plain_sum_would_not_do) {
  // Each row of a softmax sums to one: with a random cotangent the check has power.
  const auto report = gradcheck([](auto a) { return softmax(a); }, x);
  BOOST_TEST((report.verdict == Verdict::pass), to_string(report));
  BOOST_TEST(report.leaves[0].largest > 1e-3);
  const auto scalar = gradcheck([](auto a) { return sum(a * a); }, x);
  BOOST_TEST(scalar.leaves[0].largest == 12);
}

BOOST_AUTO_TEST_CASE(a_report_prints_on_one_screen) {
  const auto f = [](auto a, auto b) { return loss(a, b.tape().record(twice_op, {b})); };
  const GradcheckReport report = gradcheck(f, x, w);
  BOOST_TEST(!report);
  const std::string text = to_string(report);
  BOOST_TEST_MESSAGE(text);
  BOOST_TEST(has(text, "gradcheck: FAIL (order 1, seed 0"));
  BOOST_TEST(has(text, "input 1: 3 of 3 entries are wrong; worst entry ("));
  BOOST_TEST(has(text, ": autodiff "));
  BOOST_TEST(has(text, ", numeric "));
  std::istringstream lines(text);
  int count = 0;
  for (std::string line; std::getline(lines, line); ++count) BOOST_TEST(line.size() < 140u);
  BOOST_TEST(count <= 6);
  // Every reason once; the error beside the values.
  const std::size_t place = text.find("3 of 3 entries are wrong");
  BOOST_TEST(text.find("3 of 3 entries are wrong", place + 1) == std::string::npos);
  BOOST_TEST(has(text, ", off by 5.0e-01 of the largest entry"));

  const boost::test_tools::assertion_result result = passes(report);
  BOOST_TEST(!result);
  std::ostringstream message;
  message << result.message();
  BOOST_TEST(has(message.str(), text));
}

BOOST_AUTO_TEST_CASE(a_report_is_json) {
  const auto f = [](auto a, auto b) { return loss(a, b.tape().record(twice_op, {b})); };
  const auto json = nlohmann::json::parse(to_json(gradcheck(f, x, w)));
  BOOST_TEST(json["verdict"] == "fail");
  BOOST_TEST(json["leaves"].size() == 2u);
  const auto& leaf = json["leaves"][1];
  BOOST_TEST(leaf["name"] == "input 1");
  BOOST_TEST((leaf["shape"] == nlohmann::json{3, 1}));
  BOOST_TEST(leaf["verdict"] == "fail");
  BOOST_TEST(leaf["failures"] == 3);
  BOOST_TEST(leaf["worst_entry"].size() == 2u);
  BOOST_TEST(leaf["worst_autodiff"].get<double>() / leaf["worst_numeric"].get<double>() == 2,
             boost::test_tools::tolerance(1e-8));
  // NaN is null.
  const auto bad = gradcheck([](auto a) { return log(a - 1) * 0; }, x);
  BOOST_TEST(nlohmann::json::parse(to_json(bad))["verdict"] == "fail");
}

BOOST_AUTO_TEST_CASE(what_cannot_be_checked_is_refused) {
  Tape<double> tape, foreign;
  const V a = tape.input(x), y = exp(a), strange = foreign.input(x), nothing;
  check_error<UsageError>([&] { gradcheck(y, {y}); },
                          "leaf 0 is the result of exp: expected an input or a parameter");
  check_error<UsageError>([&] { gradcheck(y, {a, a}); }, "leaf 1 was given before");
  check_error<UsageError>([&] { gradcheck(y, {strange}); }, "a Var of another tape is used");
  check_error<UsageError>([&] { gradcheck(nothing, {a}); }, "never assigned");
  check_error<UsageError>([&] { gradcheck(y, std::span<const V>()); }, "no leaves");
  const auto refuses = [&](const GradcheckOptions& options, std::string_view part) {
    check_error<UsageError>([&] { gradcheck(y, {a}, options); }, part);
  };
  refuses({.order = 0}, "order is 0: expected 1, 2 or 3");
  refuses({.order = 4}, "order is 4");
  refuses({.entries = 0}, "entries is 0");
  refuses({.directions = -1}, "directions is -1");
  refuses({.tolerance_entry = 0}, "tolerances are 0 and 1e-10");
  refuses({.tolerance_direction = NAN}, "tolerances are 1e-08 and nan");
  refuses({.points = 0}, "points is 0: expected 1 or more");
  refuses({.points = 2}, "0 domains for 1 leaves: expected one for each");
  refuses({.domains = {{0, 1}, {0, 1}}}, "2 domains for 1 leaves");
  refuses({.domains = {{1, 0}}}, "a domain from 1 to 0: expected finite numbers in order");
  refuses({.domains = {{0, INFINITY}}}, "a domain from 0 to inf");
  refuses({.threads = 0}, "threads is 0: expected 1 or more");
  refuses({.zero = {1}}, "zero names leaf 1 of 1");
  tape.clear();
  check_error<UsageError>([&] { gradcheck(y, {a}); }, "a stale Var is used");
}

BOOST_AUTO_TEST_CASE(errors_name_the_users_line) {
  const auto f = [](auto a) { return exp(a); };
  check_error<UsageError>([&] { gradcheck(GradcheckOptions{.order = 4}, f, x); }, "order is 4");
  // What the callable throws names its own line, and a rule's the forward operation's.
  check_error<ShapeError>([&] { gradcheck([](auto a, auto b) { return matmul(b, a); }, x, w); },
                          "inner dimensions");
}

// --- several points ----------------------------------------------------------------------------

namespace {

/// x^2; its gradient is wrong above 5.
constexpr Op<double> wrong_above_5{"wrong_above_5", [](const Call& call) { return call.input(0); },
                                   [](const Evaluation<double>& e) {
                                     for (std::int64_t i = 0; i < e.output().size(); ++i)
                                       e.output()[i] = e.input(0)[i] * e.input(0)[i];
                                   },
                                   [](const Adjoint<double>& n, int) {
                                     const V a = n.input(0);
                                     return n.cotangent() * (2 * a + greater(a, a * 0 + 5));
                                   }};

}  // namespace

BOOST_AUTO_TEST_CASE(points_are_drawn_from_the_domain_of_each_leaf) {
  const Tensor<double> a({2}, {1, 2}), b({2}, {-1, -3});
  const auto f = [](auto p, auto q) { return p.tape().record(wrong_above_5, {p}) * q; };
  BOOST_TEST(passes(gradcheck(f, a, b)));
  BOOST_TEST(
      passes(gradcheck(GradcheckOptions{.points = 8, .domains = {{-4, 4.9}, {5, 9}}}, f, a, b)));
  const auto report =
      gradcheck(GradcheckOptions{.points = 8, .domains = {{5.1, 6}, {-1, -0.5}}}, f, a, b);
  BOOST_TEST(!report);
  const LeafReport &first = report.leaves[0], &second = report.leaves[1];
  BOOST_TEST(first.checked == 16);
  BOOST_TEST(first.failures == 14);  // at all points but the given one
  BOOST_TEST(first.point > 0);
  BOOST_TEST((second.verdict == Verdict::pass));
  BOOST_TEST(second.checked == 16);
  BOOST_TEST(has(to_string(report), "(at point "));
  BOOST_TEST(has(to_string(report), "8 points"));
  BOOST_TEST(nlohmann::json::parse(to_json(report))["points"] == 8);
  // The gradient of p has an extreme on the domain's: 2 p q with |q| <= 1 / 2 ... 1.
  BOOST_TEST(second.largest < 36 * 1.5);
}

BOOST_AUTO_TEST_CASE(each_point_is_another) {
  const Tensor<double> a({1}, {4.5});
  const auto f = [](auto p) { return p.tape().record(wrong_above_5, {p}); };
  const auto report = gradcheck(GradcheckOptions{.points = 21, .domains = {{4, 6}}}, f, a);
  BOOST_TEST(report.leaves[0].checked == 21);
  BOOST_TEST(report.leaves[0].failures > 0);
  BOOST_TEST(report.leaves[0].failures < 20);
}

// One entry in 5000 is wrong, and the gradient is largest there.
BOOST_AUTO_TEST_CASE(the_largest_entry_is_in_every_sample) {
  support::Source source(6);
  Tensor<double> a = source.tensor({5000}, 0.1, 1);
  a[777] = 7;
  const auto f = [](auto p) { return sum(p.tape().record(wrong_above_5, {p})); };
  for (std::uint64_t seed = 0; seed < 3; ++seed) {
    const auto report = gradcheck(
        GradcheckOptions{.mode = GradcheckMode::sampled_entries, .entries = 8, .seed = seed}, f, a);
    BOOST_TEST(report.leaves[0].checked == 8);
    BOOST_TEST(report.leaves[0].failures == 1);
    BOOST_TEST(report.leaves[0].worst == 777);
  }
}

BOOST_AUTO_TEST_CASE(a_zero_gradient_at_one_point_of_many_is_no_failure) {
  const Tensor<double> a({1}, {-1.0});
  const auto f = [](auto p) { return relu(p); };
  BOOST_TEST(gradcheck(f, a).leaves[0].vacuous);
  BOOST_TEST(!gradcheck(f, a));
  const auto some = gradcheck(GradcheckOptions{.points = 10, .domains = {{-1, 1}}}, f, a);
  BOOST_TEST((some.verdict == Verdict::pass), to_string(some));
  BOOST_TEST(some.leaves[0].checked == 10);
  const auto none = gradcheck(GradcheckOptions{.points = 10, .domains = {{-2, -1}}}, f, a);
  BOOST_TEST(!none);
  BOOST_TEST(none.leaves[0].vacuous);
}
