// Kinks, what finite differences cannot decide, and checks that would see nothing.
#include <boost/test/unit_test.hpp>
#include <chainrule/autograd/kernels.hpp>
#include <chainrule/check/boost_test.hpp>

#include "tests/check/networks.hpp"

using namespace chainrule;
using networks::V;

namespace {

constexpr std::uint64_t seed = 11;

/// relu with the slopes `below` and `at` the kink in its rule.
template <int below_in_tenths, int at_in_tenths>
constexpr Op<double> relu_with{
    .name = "relu_with",
    .shape = detail::same_shape,
    .forward =
        [](const Evaluation<double>& e) {
          detail::map_unary(e, [](double x) { return x <= 0 ? 0 : x; });
        },
    .adjoint =
        [](const Adjoint<double>& n, int) {
          const V x = n.input(0), zero = x.tape().constant(0.0);
          return n.cotangent() * (greater(x, zero) + greater(zero, x) * (below_in_tenths / 10.0) +
                                  equal(x, zero) * (at_in_tenths / 10.0));
        },
    .sides =
        [](const Evaluation<double>& e, KinkSides& sides) {
          for (const double x : e.input(0)) sides.add(x > 0);
        }};

/// 40 entries clear of zero but for the first `zeros`.
Tensor<double> with_zeros(int zeros) {
  support::Source source(seed);
  Tensor<double> x = source.tensor({40}, 0.1, 1);
  for (std::int64_t i = 0; i < 40; ++i) x[i] = i < zeros ? 0 : i % 2 ? x[i] : -x[i];
  return x;
}

}  // namespace

BOOST_AUTO_TEST_CASE(an_entry_at_a_kink_is_counted_and_accepted_within_its_slopes) {
  const auto report = gradcheck([](auto x) { return relu(x); }, with_zeros(1));
  BOOST_TEST((report.verdict == Verdict::pass), to_string(report));
  BOOST_TEST(report.leaves[0].kinks == 1);
  // |x|, whose slopes at 0 are -1 and 1, of which relu' (0) = 0 makes 0.
  const auto absolute = gradcheck([](auto x) { return relu(x) + relu(-x); }, with_zeros(1));
  BOOST_TEST((absolute.verdict == Verdict::pass), to_string(absolute));
  BOOST_TEST(absolute.leaves[0].kinks == 1);
  const auto half =
      gradcheck([](auto x) { return x.tape().record(relu_with<0, 5>, {x}); }, with_zeros(1));
  BOOST_TEST((half.verdict == Verdict::pass), to_string(half));
}

BOOST_AUTO_TEST_CASE(a_value_outside_the_slopes_is_wrong) {
  for (const Op<double>* op : {&relu_with<0, 11>, &relu_with<0, -1>}) {
    const auto report =
        gradcheck([op](auto x) { return x.tape().record(*op, {x}); }, with_zeros(1));
    BOOST_TEST(!report, to_string(report));
    BOOST_TEST(report.leaves[0].failures == 1);
    BOOST_TEST(report.leaves[0].worst == 0);
  }
}

BOOST_AUTO_TEST_CASE(a_kink_close_by_does_not_matter) {
  Tensor<double> x = with_zeros(0);
  for (std::int64_t i = 0; i < 10; ++i)
    x[i] = (i % 2 ? 1 : -1) * std::pow(10, -2 - 0.2 * double(i));
  const auto report = gradcheck([](auto z) { return tanh(relu(z) + z); }, x);
  BOOST_TEST((report.verdict == Verdict::pass), to_string(report));
  BOOST_TEST(report.leaves[0].kinks == 0);
}

BOOST_AUTO_TEST_CASE(too_many_kinks_cannot_be_decided) {
  const auto report = gradcheck([](auto x) { return relu(x); }, with_zeros(3));
  BOOST_TEST((report.verdict == Verdict::cannot_decide), to_string(report));
  BOOST_TEST(static_cast<bool>(report));
  BOOST_TEST(report.leaves[0].kinks == 3);
  BOOST_TEST(report.reason == "input 0: 3 of 40 entries are at a kink");
  // But what is wrong elsewhere is wrong all the same.
  BOOST_TEST(
      !gradcheck([](auto x) { return x.tape().record(relu_with<1, 0>, {x}); }, with_zeros(3)));
}

BOOST_AUTO_TEST_CASE(a_domain_that_ends_close_by_does_not_matter) {
  const Tensor<double> x({4}, {1e-3, 1e-2, 0.5, 30});
  const auto report = gradcheck([](auto z) { return log(z) * z; }, x);
  BOOST_TEST((report.verdict == Verdict::pass), to_string(report));
}

BOOST_AUTO_TEST_CASE(relu_with_he_weights_on_digits_passes) {
  BOOST_TEST_MESSAGE("seed " << seed);
  support::Source source(seed);
  const networks::Network network(source, {200, 32, 10}, 100, 2);
  networks::Recorded recorded(network, [](V z, int) { return relu(z); });
  const auto report = gradcheck(recorded.loss, recorded.weights);
  BOOST_TEST((report.verdict == Verdict::pass), to_string(report));
  for (const LeafReport& leaf : report.leaves) {
    BOOST_TEST(leaf.kinks + leaf.undecided == 0);
    BOOST_TEST(leaf.checked == 120);
  }
  // The plain stencil, with h = 2^-7 throughout, meets a kink at more than half of W1's entries.
  const auto z = recorded.z[0].value();
  std::int64_t met = 0;
  for (std::int64_t i = 0; i < 200; ++i) {
    for (std::int64_t j = 0; j < 32; ++j) {
      bool meets = false;
      for (std::int64_t n = 0; n < 100; ++n) {
        meets = meets || std::abs(z(n, j)) < 3 * 0x1p-7 * std::abs(network.x(n, i));
      }
      met += meets;
    }
  }
  BOOST_TEST(met > 200 * 32 / 2);

  networks::Recorded wrong(network, [](V v, int) { return v.tape().record(relu_with<1, 0>, {v}); });
  const auto rejected = gradcheck(wrong.loss, wrong.weights);
  BOOST_TEST((rejected.leaves[0].verdict == Verdict::fail), to_string(rejected));
  BOOST_TEST((rejected.leaves[1].verdict == Verdict::pass));
}

namespace {

/// The sigmoid, its rule off by a factor of 1 + 1/divisor; 0 for the right one.
template <int divisor>
constexpr Op<double> sigmoid_with{
    "sigmoid_with", detail::same_shape,
    [](const Evaluation<double>& e) {
      detail::map_unary(e, [](double x) { return 1 / (1 + std::exp(-x)); });
    },
    [](const Adjoint<double>& n, int) {
      constexpr double factor = divisor == 0 ? 1 : 1 + 1.0 / divisor;
      return n.cotangent() * sech_squared(n.input(0), 0.25 * factor, 0.5);
    }};

/// Ten sigmoid layers of 64 with fan-in weights, `op` in place of the first.
GradcheckReport check_ten_layers(const Op<double>& op) {
  support::Source source(seed);
  const networks::Network network(source, {50, 64, 64, 64, 64, 64, 64, 64, 64, 64, 64, 10}, 10, 1);
  networks::Recorded recorded(network, [&op](V z, int layer) {
    return layer == 1 ? z.tape().record(op, {z}) : sigmoid(z);
  });
  return gradcheck(recorded.loss, recorded.weights, {.entries = 8});
}

}  // namespace

BOOST_AUTO_TEST_CASE(ten_sigmoid_layers_cannot_be_decided) {
  BOOST_TEST_MESSAGE("seed " << seed);
  const auto report = check_ten_layers(sigmoid_with<0>);
  BOOST_TEST((report.verdict == Verdict::cannot_decide), to_string(report));
  BOOST_TEST(static_cast<bool>(report));
  const LeafReport &first = report.leaves.front(), &last = report.leaves.back();
  BOOST_TEST(first.noise_floor > 1e-8);
  BOOST_TEST((first.verdict == Verdict::cannot_decide));
  BOOST_TEST(first.undecided > 0);
  BOOST_TEST((last.verdict == Verdict::pass));

  // The step sweep shows why: what steps gain, noise takes.
  BOOST_REQUIRE(first.sweep.size() == 10u);
  BOOST_TEST(first.sweep.front().step == 0.1, boost::test_tools::tolerance(1e-12));
  BOOST_TEST(first.sweep.back().step == 1e-10, boost::test_tools::tolerance(1e-12));
  for (std::size_t i = 0; i < 10; ++i) {
    const SweepStep& row = first.sweep[i];
    BOOST_TEST(row.floor > first.largest * 1e-9 * (i == 0 ? 0.1 : 1));
    BOOST_TEST(std::abs(row.difference) < 1e-3 * first.largest + row.floor);
    if (i > 0) BOOST_TEST(row.floor > 5 * first.sweep[i - 1].floor);
  }
  BOOST_TEST(last.sweep.empty());
  const std::string text = to_string(report);
  BOOST_TEST(text.find("at ten steps:\n") != std::string::npos);
  BOOST_TEST(text.find("    1e-10 ") != std::string::npos);
  BOOST_TEST(std::count(text.begin(), text.end(), '\n') < 40);
}

BOOST_AUTO_TEST_CASE(a_sample_without_a_direction_that_decides_cannot_be_decided) {
  // Each entry is clear of its kink, but some entry is near one along any direction.
  support::Source source(seed);
  Tensor<double> x = source.tensor({500, 10}, 0.1, 1);
  for (std::int64_t i = 0; i < 2500; ++i) x[i] = 1e-13;
  const auto f = [](auto v) { return relu(v); };
  const auto report = gradcheck(GradcheckOptions{.entries = 1}, f, x);
  const LeafReport& leaf = report.leaves[0];
  BOOST_TEST(leaf.failures + leaf.undecided == 0);
  BOOST_TEST(leaf.directions == 0);
  BOOST_TEST(leaf.undecided_directions == 3);
  BOOST_TEST((report.verdict == Verdict::cannot_decide), to_string(report));
  BOOST_TEST(leaf.sweep_of_direction);
  BOOST_TEST(report.reason.find("none of 3 directions") != std::string::npos);
}

BOOST_AUTO_TEST_CASE(what_stands_out_of_the_noise_is_wrong_even_there) {
  const auto twice = check_ten_layers(sigmoid_with<1>);
  BOOST_TEST((twice.leaves[0].verdict == Verdict::fail), to_string(twice));
  BOOST_TEST((check_ten_layers(sigmoid_with<-1>).leaves[0].verdict == Verdict::fail));  // zero
  BOOST_TEST((check_ten_layers(sigmoid_with<100>).leaves[0].verdict == Verdict::fail));
  // Below ten floors (some 1e-5 of this gradient) another witness must decide.
  const auto slightly = check_ten_layers(sigmoid_with<10000000>);
  BOOST_TEST((slightly.leaves[0].verdict == Verdict::cannot_decide), to_string(slightly));
}

// --- power -------------------------------------------------------------------------------------

BOOST_AUTO_TEST_CASE(a_check_that_sees_nothing_fails) {
  const Tensor<double> x({3}, {0.1, 0.2, 0.3}), w({3}, {1, 2, 3});
  const auto independent = [](auto, auto b) { return sum(b * b); };
  const auto report = gradcheck(independent, x, w);
  BOOST_TEST(!report);
  BOOST_TEST(report.reason ==
             "input 0: vacuous: the gradient is zero; declare it so if it must be");
  BOOST_TEST((report.leaves[1].verdict == Verdict::pass));
  BOOST_TEST(passes(gradcheck(GradcheckOptions{.zero = {0}}, independent, x, w)));

  // A plain sum over a softmax is one, whatever x is: its gradient is rounding.
  const auto plain = gradcheck([](auto a) { return sum(softmax(a)); }, x);
  BOOST_TEST(!plain, to_string(plain));
  BOOST_TEST(plain.reason.find("vacuous") != std::string::npos);
  // Far below the spacing of f.
  const auto tiny = gradcheck([](auto a) { return sum(a) * 1e-20 + 1; }, x);
  BOOST_TEST(!tiny);
  BOOST_TEST(tiny.reason == "vacuous: no gradient stands out of the noise");
  // Small, but nothing hides it: there is no absolute floor.
  BOOST_TEST((gradcheck([](auto a) { return sum(tanh(a)) * 1e-200; }, x).verdict == Verdict::pass));
  BOOST_TEST(
      !gradcheck([](auto a) { return sum(a.tape().record(sigmoid_with<1>, {a})) * 1e-200; }, x));
}

namespace {

constexpr Op<double> falsely_flat_square{
    .name = "falsely_flat_square",
    .shape = detail::same_shape,
    .forward =
        [](const Evaluation<double>& e) { detail::map_unary(e, [](double v) { return v * v; }); },
    .zero_derivative = true};

}  // namespace

BOOST_AUTO_TEST_CASE(what_is_declared_zero_must_be_zero) {
  const Tensor<double> x({3}, {0.1, 0.2, 0.3});
  const GradcheckOptions zero{.zero = {0}};
  const auto tanh_of = [](auto a) { return tanh(a); };
  const auto report = gradcheck(zero, tanh_of, x);
  BOOST_TEST(!report);
  BOOST_TEST(report.reason == "input 0: the derivative is declared zero, and is not");
  // Autodiff says zero, and f changes.
  const auto changes = gradcheck(
      zero, [](auto a) { return a.tape().record(falsely_flat_square, {a}); }, x);
  BOOST_TEST(!changes);
  BOOST_TEST(changes.reason == "input 0: the derivative is declared zero, and f changes");
  // A step in the very point is no slope.
  BOOST_TEST(passes(gradcheck(
      zero, [](auto a) { return greater(a, a.tape().constant(0.2)); }, x)));
}

BOOST_AUTO_TEST_CASE(values_that_are_not_finite_never_pass) {
  const Tensor<double> x({2}, {-1, 0.5});
  const auto f = [](auto a) { return log(a); };
  const auto report = gradcheck(f, x);
  BOOST_TEST(!report);
  BOOST_TEST(report.reason == "input 0: f is not finite");
}
