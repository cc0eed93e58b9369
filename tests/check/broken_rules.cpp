// Twelve kinds of broken rule, each at many random points: every one is rejected, and the rule
// without the mistake passes.
#include <boost/test/unit_test.hpp>
#include <chainrule/autograd/kernels.hpp>
#include <chainrule/check/boost_test.hpp>
#include <chainrule/ops/ops.hpp>

#include "tests/sanitized.hpp"
#include "tests/support.hpp"

using namespace chainrule;
using V = Var<double>;

namespace {

enum class Kind {
  sign,
  twice,
  millionth,
  transposed,
  stale,
  zero,
  missing_reduction,
  wrong_input_saved,
  one_entry_of_10000,
  dropped_contribution,
  wrong_side_of_a_kink,
  another_functions_derivative,
  count
};

// The mistake that rules make; none for the right ones. Rules are functions without state.
bool broken = false;
Kind kind = Kind::count;

bool has(Kind mistake) { return broken && kind == mistake; }

/// sin(x) x, as one operation.
constexpr Op<double> wave{"wave", detail::same_shape,
                          [](const Evaluation<double>& e) {
                            detail::map_unary(e, [](double x) { return x * std::sin(x); });
                          },
                          [](const Adjoint<double>& n, int) {
                            const V x = n.input(0), g = n.cotangent();
                            const V right = g * (sin(x) + x * cos(x));
                            if (has(Kind::sign)) return -right;
                            if (has(Kind::twice)) return 2 * right;
                            if (has(Kind::millionth)) return right * (1 + 1e-6);
                            if (has(Kind::stale))
                              return g * x.tape().constant((sin(x) + x * cos(x)).value());
                            if (has(Kind::zero)) return right * 0;
                            if (has(Kind::dropped_contribution)) return g * sin(x);
                            if (has(Kind::another_functions_derivative))
                              return g * (cos(x) - x * sin(x));
                            if (has(Kind::one_entry_of_10000)) {
                              Tensor<double> factor = Tensor<double>::filled(x.shape(), 1);
                              factor[7123] += 1e-6;
                              return right * x.tape().constant(factor);
                            }
                            return right;
                          }};

/// A B for square matrices.
constexpr Op<double> product{"product", [](const Call& call) { return call.input(0); },
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
                               if (i == 1) return matmul(a, g, Transpose::a);
                               return matmul(
                                   g, b, has(Kind::transposed) ? Transpose::none : Transpose::b);
                             }};

/// A + b for a square A and b on every row.
constexpr Op<double> add_row{"add_row", detail::broadcast_shapes,
                             [](const Evaluation<double>& e) {
                               detail::map_binary(e, [](double a, double b) { return a + b; });
                             },
                             [](const Adjoint<double>& n, int i) {
                               const V g = n.cotangent();
                               if (i == 0) return g;
                               return has(Kind::missing_reduction) ? reshape(slice(g, 0, 0, 1), {5})
                                                                   : sum(g, {0});
                             }};

/// a exp(b).
constexpr Op<double> times_exp{"times_exp", detail::broadcast_shapes,
                               [](const Evaluation<double>& e) {
                                 detail::map_binary(
                                     e, [](double a, double b) { return a * std::exp(b); });
                               },
                               [](const Adjoint<double>& n, int i) {
                                 const V g = n.cotangent(), a = n.input(0), b = n.input(1);
                                 if (i == 0) return g * exp(b);
                                 return g * a * exp(has(Kind::wrong_input_saved) ? a : b);
                               }};

/// x above 0.1, else 0.2 x + 0.08.
constexpr Op<double> hinge{.name = "hinge",
                           .shape = detail::same_shape,
                           .forward =
                               [](const Evaluation<double>& e) {
                                 detail::map_unary(
                                     e, [](double x) { return x > 0.1 ? x : 0.2 * x + 0.08; });
                               },
                           .adjoint =
                               [](const Adjoint<double>& n, int) {
                                 const double side = has(Kind::wrong_side_of_a_kink) ? -0.1 : 0.1;
                                 const V x = n.input(0);
                                 const V above = greater(x, x.tape().constant(side));
                                 return n.cotangent() * (above + (1 - above) * 0.2);
                               },
                           .sides =
                               [](const Evaluation<double>& e, KinkSides& sides) {
                                 for (const double x : e.input(0)) sides.add(x > 0.1);
                               }};

GradcheckReport check(std::uint64_t seed, int order) {
  support::Source source(seed);
  const GradcheckOptions options{.order = order, .seed = seed};
  const Shape shape = kind == Kind::one_entry_of_10000 ? Shape{100, 100} : Shape{5, 5};
  const Tensor<double> x = source.tensor(shape, -2, 2), y = source.tensor(shape, -2, 2),
                       b = source.tensor({5}, -2, 2), near = source.tensor(shape, -0.4, 0.4);
  switch (kind) {
    case Kind::transposed:
      return gradcheck(
          options,
          [](auto p, auto q) {
            return tanh(p.tape().record(product, {p, q}));
          },
          x, y);
    case Kind::missing_reduction:
      return gradcheck(
          options,
          [](auto p, auto q) {
            return tanh(p.tape().record(add_row, {p, q}));
          },
          x, b);
    case Kind::wrong_input_saved:
      return gradcheck(
          options,
          [](auto p, auto q) {
            return tanh(p.tape().record(times_exp, {p, q}));
          },
          x, y);
    case Kind::wrong_side_of_a_kink:
      return gradcheck(
          options, [](auto p) { return exp(p.tape().record(hinge, {p})); }, near);
    default:
      return gradcheck(
          options, [](auto p) { return tanh(p.tape().record(wave, {p})); }, x);
  }
}

}  // namespace

BOOST_AUTO_TEST_CASE(twelve_kinds_of_broken_rule_are_rejected) {
  int kinds = 0;
  for (int k = 0; k < static_cast<int>(Kind::count); ++k) {
    kind = static_cast<Kind>(k);
    const bool large = kind == Kind::one_entry_of_10000;
    int rejected = 0, accepted = 0;
    const int seeds = support::sanitized ? 1 : large ? 2 : 20;
    for (std::uint64_t seed = 0; seed < static_cast<std::uint64_t>(seeds); ++seed) {
      broken = true;
      const GradcheckReport wrong = check(seed, 1);
      rejected += wrong.verdict == Verdict::fail;
      broken = false;
      const GradcheckReport right = check(seed, 1);
      accepted += right.verdict == Verdict::pass;
      BOOST_TEST((wrong.verdict == Verdict::fail), "kind " << k << ", seed " << seed << "\n"
                                                           << to_string(wrong));
      BOOST_TEST((right.verdict == Verdict::pass), "kind " << k << ", seed " << seed << "\n"
                                                           << to_string(right));
    }
    kinds += rejected == seeds && accepted == seeds;
  }
  BOOST_TEST(kinds == 12);
}

BOOST_AUTO_TEST_CASE(right_rules_pass_and_broken_ones_fail_at_higher_orders) {
  for (const int order : {2, 3}) {
    for (const Kind k : {Kind::sign, Kind::twice, Kind::stale, Kind::transposed,
                         Kind::wrong_input_saved, Kind::missing_reduction}) {
      kind = k;
      broken = false;
      BOOST_TEST((check(3, order).verdict == Verdict::pass), to_string(check(3, order)));
      broken = true;
      BOOST_TEST(!check(3, order), "kind " << static_cast<int>(k) << ", order " << order);
    }
  }
}
