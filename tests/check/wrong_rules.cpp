// Wrong rules are rejected, and the report names the right argument and entry.
#include <boost/test/unit_test.hpp>
#include <chainrule/autograd/kernels.hpp>
#include <chainrule/check/boost_test.hpp>
#include <chainrule/ops/ops.hpp>

#include "tests/support.hpp"

using namespace chainrule;
using V = Var<double>;

namespace {

constexpr std::uint64_t seed = 7;

// --- y = tanh(x), or a mistake in its rule -----------------------------------------------------

enum class Mistake {
  none,
  sign,
  twice,
  half,
  millionth,  // 1 + 1e-6
  zero,
  no_cotangent,
  other_activation,  // the sigmoid's derivative
  output_for_input,  // the derivative at y
  squared_cotangent,
  offset,              // + 1e-5
  one_entry,           // entry 3 is zero
  one_entry_slightly,  // entry 3 is off by 1e-7
  shifted,             // every entry is its neighbour's
  stale,               // values of the recording
  not_a_number,
};

/// 0, or `value` at entry 3.
V at_entry_3(V like, double value) {
  Tensor<double> mask(like.shape());
  mask[3] = value;
  return like.tape().constant(mask);
}

// The entries of x, one place further: the row-major neighbour.
constexpr Op<double> shift_entries_op{"shift_entries", detail::same_shape,
                                      [](const Evaluation<double>& e) {
                                        const auto x = e.input(0);
                                        for (std::int64_t i = 0; i < x.size(); ++i)
                                          e.output()[i] = x[(i + 1) % x.size()];
                                      }};

template <Mistake mistake>
constexpr Op<double> tanh_with{"tanh_with", detail::same_shape,
                               [](const Evaluation<double>& e) {
                                 detail::map_unary(e, [](double x) { return std::tanh(x); });
                               },
                               [](const Adjoint<double>& n, int) -> V {
                                 const V g = n.cotangent(), x = n.input(0),
                                         right = g * sech_squared(x);
                                 switch (mistake) {
                                   case Mistake::none:
                                     return right;
                                   case Mistake::sign:
                                     return -right;
                                   case Mistake::twice:
                                     return 2 * right;
                                   case Mistake::half:
                                     return right / 2;
                                   case Mistake::millionth:
                                     return right * (1 + 1e-6);
                                   case Mistake::zero:
                                     return right * 0;
                                   case Mistake::no_cotangent:
                                     return sech_squared(x);
                                   case Mistake::other_activation:
                                     return g * sech_squared(x, 0.25, 0.5);
                                   case Mistake::output_for_input:
                                     return g * sech_squared(n.output());
                                   case Mistake::squared_cotangent:
                                     return g * right;
                                   case Mistake::offset:
                                     return right + 1e-5;
                                   case Mistake::one_entry:
                                     return right - right * at_entry_3(x, 1);
                                   case Mistake::one_entry_slightly:
                                     return right + at_entry_3(x, 1e-7);
                                   case Mistake::shifted:
                                     return x.tape().record(shift_entries_op, {right});
                                   case Mistake::stale:
                                     return g * x.tape().constant(sech_squared(x).value());
                                   case Mistake::not_a_number:
                                     return right / 0;
                                 }
                                 return right;
                               }};

/// A B^T with entries of its own, through f, so that dA is right and dB goes through the rule.
GradcheckReport check_argument_b(const Op<double>& op, const GradcheckOptions& options = {}) {
  support::Source source(seed);
  const Tensor<double> a = source.tensor({4, 3}), b = source.tensor({5, 3});
  Tape<double> tape;
  const V va = named(tape.input(a), "A"), vb = named(tape.input(b), "B");
  return gradcheck(matmul(va, tape.record(op, {vb}), Transpose::b), {va, vb}, options);
}

template <Mistake mistake>
void check_rejected(const char* reason = "entries are wrong") {
  const GradcheckReport report = check_argument_b(tanh_with<mistake>);
  BOOST_TEST_CONTEXT("mistake " << static_cast<int>(mistake) << ", seed " << seed << "\n"
                                << to_string(report)) {
    BOOST_TEST(!report);
    BOOST_TEST(report.reason.find("B: ") == 0u);
    BOOST_TEST(report.reason.find(reason) != std::string::npos);
    BOOST_TEST((report.leaves[0].verdict == Verdict::pass));
    BOOST_TEST((report.leaves[1].verdict == Verdict::fail));
    BOOST_TEST(report.leaves[1].name == "B");
  }
}

}  // namespace

BOOST_AUTO_TEST_CASE(the_right_rule_passes) {
  for (const int order : {1, 2, 3}) {
    const auto report = check_argument_b(tanh_with<Mistake::none>, {.order = order});
    BOOST_TEST((report.verdict == Verdict::pass), to_string(report));
  }
}

BOOST_AUTO_TEST_CASE(wrong_rules_are_rejected) {
  check_rejected<Mistake::sign>("15 of 15");
  check_rejected<Mistake::twice>("15 of 15");
  check_rejected<Mistake::half>("15 of 15");
  check_rejected<Mistake::millionth>();
  check_rejected<Mistake::zero>("15 of 15");
  check_rejected<Mistake::no_cotangent>("15 of 15");
  check_rejected<Mistake::other_activation>("15 of 15");
  check_rejected<Mistake::output_for_input>();
  check_rejected<Mistake::squared_cotangent>();
  check_rejected<Mistake::offset>("15 of 15");
  check_rejected<Mistake::one_entry>("1 of 15");
  check_rejected<Mistake::one_entry_slightly>("1 of 15");
  check_rejected<Mistake::shifted>("15 of 15");
  check_rejected<Mistake::stale>("a rule keeps values of the recording");
  check_rejected<Mistake::not_a_number>("the gradient is not finite");
}

BOOST_AUTO_TEST_CASE(the_worst_entry_is_the_wrong_one_with_its_values) {
  const LeafReport leaf = check_argument_b(tanh_with<Mistake::one_entry>).leaves[1];
  BOOST_TEST(leaf.failures == 1);
  BOOST_TEST(leaf.worst == 3);
  BOOST_TEST(entry_to_string(leaf.shape, leaf.worst) == "(1, 0)");
  BOOST_TEST(leaf.worst_autodiff == 0);
  BOOST_TEST(std::abs(leaf.worst_numeric) > 1e-3);
  const LeafReport twice = check_argument_b(tanh_with<Mistake::twice>).leaves[1];
  BOOST_TEST(twice.worst_autodiff == 2 * twice.worst_numeric, boost::test_tools::tolerance(1e-8));
  BOOST_TEST(twice.max_entry_error == 0.5, boost::test_tools::tolerance(1e-8));
}

// --- rules that are wrong in other ways --------------------------------------------------------

namespace {

/// A B for square matrices, its rule without the transposition of B.
constexpr Op<double> untransposed_op{"untransposed", [](const Call& call) { return call.input(0); },
                                     [](const Evaluation<double>& e) {
                                       const std::int64_t n = e.output().shape()[0];
                                       for (std::int64_t i = 0; i < n; ++i) {
                                         for (std::int64_t j = 0; j < n; ++j) {
                                           double sum = 0;
                                           for (std::int64_t k = 0; k < n; ++k)
                                             sum += e.input(0)(i, k) * e.input(1)(k, j);
                                           e.output()(i, j) = sum;
                                         }
                                       }
                                     },
                                     [](const Adjoint<double>& n, int i) {
                                       const V g = n.cotangent(), a = n.input(0), b = n.input(1);
                                       return i == 0 ? matmul(g, b) : matmul(a, g, Transpose::a);
                                     }};

/// A + b, b on every row: db over the wrong axis (which square A hides), or the mean for the sum.
template <bool wrong_axis>
constexpr Op<double> add_row_op{"add_row", detail::broadcast_shapes,
                                [](const Evaluation<double>& e) {
                                  detail::map_binary(e, [](double a, double b) { return a + b; });
                                },
                                [](const Adjoint<double>& n, int i) {
                                  const V g = n.cotangent();
                                  return i == 0 ? g : wrong_axis ? sum(g, {1}) : mean(g, {0});
                                }};

/// softmax with the diagonal of its Jacobian only.
constexpr Op<double> diagonal_softmax_op{
    "diagonal_softmax", detail::same_shape,
    [](const Evaluation<double>& e) {
      const std::int64_t classes = e.output().shape().last();
      for (std::int64_t n = 0; n < e.output().shape().rows(); ++n) {
        double sum = 0;
        for (std::int64_t k = 0; k < classes; ++k) sum += std::exp(e.input(0)(n, k));
        for (std::int64_t k = 0; k < classes; ++k) {
          e.output()(n, k) = std::exp(e.input(0)(n, k)) / sum;
        }
      }
    },
    [](const Adjoint<double>& n, int) { return n.cotangent() * n.output() * (1 - n.output()); }};

// exp whose derivative is said to be zero.
constexpr Op<double> flat_exp_op{
    .name = "flat_exp",
    .shape = detail::same_shape,
    .forward =
        [](const Evaluation<double>& e) {
          detail::map_unary(e, [](double x) { return std::exp(x); });
        },
    .zero_derivative = true};
/// exp, whose first derivative is right and whose second is lost.
constexpr Op<double> once_differentiable_exp_op{
    "once_differentiable_exp", detail::same_shape, flat_exp_op.forward,
    [](const Adjoint<double>& n, int) {
      return n.cotangent() * n.input(0).tape().record(flat_exp_op, {n.input(0)});
    }};

GradcheckReport check_pair(const Op<double>& op, const Shape& a, const Shape& b) {
  support::Source source(seed);
  const Tensor<double> first = source.tensor(a), second = source.tensor(b);
  Tape<double> tape;
  const V va = tape.input(first), vb = tape.input(second);
  return gradcheck(tanh(tape.record(op, {va, vb})), {va, vb});
}

void check_verdicts(const GradcheckReport& report, std::vector<Verdict> expected) {
  BOOST_TEST_CONTEXT(to_string(report)) {
    for (std::size_t i = 0; i < expected.size(); ++i) {
      BOOST_TEST((report.leaves[i].verdict == expected[i]), "leaf " << i);
    }
  }
}

}  // namespace

BOOST_AUTO_TEST_CASE(transposed_and_missummed_rules_are_rejected) {
  check_verdicts(check_pair(untransposed_op, {4, 4}, {4, 4}), {Verdict::fail, Verdict::pass});
  check_verdicts(check_pair(add_row_op<true>, {4, 4}, {4}), {Verdict::pass, Verdict::fail});
  check_verdicts(check_pair(add_row_op<false>, {3, 4}, {4}), {Verdict::pass, Verdict::fail});
  support::Source source(seed);
  const Tensor<double> x = source.tensor({3, 4});
  check_verdicts(gradcheck([](auto z) { return z.tape().record(diagonal_softmax_op, {z}); }, x),
                 {Verdict::fail});
}

BOOST_AUTO_TEST_CASE(a_lost_second_derivative_shows_at_order_2_only) {
  const auto f = [](auto x) { return x.tape().record(once_differentiable_exp_op, {x}); };
  support::Source source(seed);
  const Tensor<double> x = source.tensor({6});
  BOOST_TEST(passes(gradcheck(f, x)));
  BOOST_TEST(!gradcheck(GradcheckOptions{.order = 2}, f, x));
  BOOST_TEST(passes(gradcheck(
      GradcheckOptions{.order = 2}, [](auto z) { return exp(z); }, x)));
}

// --- large tensors -----------------------------------------------------------------------------

namespace {

/// x itself; of its gradient the last row is lost.
constexpr Op<double> lost_row_op{
    "lost_row", detail::same_shape,
    [](const Evaluation<double>& e) { detail::map_unary(e, [](double x) { return x; }); },
    [](const Adjoint<double>& n, int) {
      Tensor<double> mask = Tensor<double>::filled(n.input(0).shape(), 1);
      for (std::int64_t j = 0; j < mask.shape().last(); ++j) {
        mask(mask.shape()[0] - 1, j) = 0;
      }
      return n.cotangent() * n.input(0).tape().constant(mask);
    }};

}  // namespace

BOOST_AUTO_TEST_CASE(directions_see_what_a_sample_misses_and_all_entries_name_it) {
  support::Source source(seed);
  const Tensor<double> w = source.tensor({400, 6});
  const auto f = [](auto x) { return tanh(x.tape().record(lost_row_op, {x})); };
  const auto sampled = gradcheck(GradcheckOptions{.mode = GradcheckMode::sampled_entries}, f, w);
  BOOST_TEST(passes(sampled));  // six of 2400 entries are wrong: this seed's 120 are not among them
  BOOST_TEST(sampled.leaves[0].checked == 120);
  const auto automatic = gradcheck(f, w);
  BOOST_TEST(!automatic);
  BOOST_TEST(automatic.reason.find("along a random direction") != std::string::npos);
  BOOST_TEST(automatic.leaves[0].direction_error > 1e-4);
  const auto all = gradcheck(GradcheckOptions{.mode = GradcheckMode::all_entries}, f, w);
  BOOST_TEST(!all);
  BOOST_TEST(all.leaves[0].checked == 2400);
  BOOST_TEST(all.leaves[0].failures == 6);
  BOOST_TEST(all.leaves[0].worst / 6 == 399);
}

namespace {

constexpr Op<double> huge_entry_op{
    "huge_entry", detail::same_shape, tanh_with<Mistake::none>.forward,
    [](const Adjoint<double>& n, int) {
      return n.cotangent() * sech_squared(n.input(0)) + at_entry_3(n.input(0), 1e12);
    }};

}  // namespace

BOOST_AUTO_TEST_CASE(an_entry_that_is_wrongly_huge_does_not_hide_the_others) {
  // The tolerance is relative to the largest entry, which is therefore always checked.
  support::Source source(seed);
  const Tensor<double> w = source.tensor({50, 20});
  const auto report = gradcheck(
      GradcheckOptions{.mode = GradcheckMode::sampled_entries, .entries = 1},
      [](auto x) { return x.tape().record(huge_entry_op, {x}); }, w);
  BOOST_TEST(!report);
  BOOST_TEST(report.leaves[0].checked == 1);
  BOOST_TEST(report.leaves[0].worst == 3);
}
