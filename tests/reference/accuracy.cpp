// Confident rows, saturated units, huge logits: relative accuracy against quad precision.
#include <boost/multiprecision/cpp_bin_float.hpp>
#include <boost/test/unit_test.hpp>

#include <algorithm>
#include <array>
#include <utility>

#include "tests/reference/problems.hpp"

using namespace problems;
using Quad = boost::multiprecision::cpp_bin_float_quad;

namespace {

// The hard label of each sample becomes the winner, and the weights of the last layer are scaled
// until the largest gap between winner and loser is `gap`: the loss is then about exp(-gap).
Problem<double> confident(Source& source, const Network& network, std::int64_t samples,
                          double gap) {
  auto p = random_problem(source, network, samples, Weights::fan_in, true, 1);
  const Place at{network, samples};
  const int l = network.layers();
  const auto logits = forward(network, p.inputs()).Z.back();
  std::fill(p.Y.begin(), p.Y.end(), 0.0);
  double largest = 0;
  for (std::int64_t n = 0; n < samples; ++n) {
    const Softmax<double> softmax(at, logits, n);
    p.Y[at.unit(l, n, softmax.winner)] = 1;
    for (std::int64_t k = 0; k < at.width(l); ++k) largest = std::max(largest, -softmax.gap(k));
  }
  for (double& w : p.W.back()) w *= gap / largest;
  for (double& b : p.b.empty() ? p.W.back() : p.b.back()) b *= p.b.empty() ? 1 : gap / largest;
  return p;
}

Problem<double> softmax_row(std::vector<double> logits, std::vector<double> targets) {
  Problem<double> p;
  p.network.widths = {1, static_cast<std::int64_t>(logits.size())};
  p.samples = 1, p.X = {1}, p.Y = std::move(targets), p.W = {std::move(logits)};
  return p;
}

// Calls f(values, loss) for both forms.
template <class F>
void for_both_forms(const Problem<double>& p, F f) {
  const auto derived = derive(p.network, p.inputs());
  f([&](const std::string& name) { return derived.value(name); }, derived.loss);
  Vectorised<double> v(p);
  const double loss = v.run();
  f(
      [&](const std::string& name) {
        const auto view = v.backpropagation.value(name);
        return std::vector<double>(view.begin(), view.end());
      },
      loss);
}

}  // namespace

BOOST_AUTO_TEST_CASE(confident_networks_keep_their_relative_accuracy) {
  Source source(41);
  for (const double gap : {1.0, 10.0, 40.0, 100.0, 300.0, 600.0}) {
    double worst = 0;
    for (int round = 0; round < 16; ++round) {
      Network network{{source.between(2, 16)},
                      activations[round % 4],
                      round % 3 == 0,
                      round % 2 ? Layout::columns : Layout::rows};
      for (std::int64_t l = source.between(0, 2); l > 0; --l) {
        network.widths.push_back(source.between(4, 16));
      }
      network.widths.push_back(source.between(2, 10));
      const auto p = confident(source, network, source.between(1, 4), gap);
      const auto exact = derive(network, p.cast<Quad>().inputs());
      for_both_forms(p, [&](auto value, double loss) {
        worst = std::max(worst, distance<Quad>(std::array{loss}, std::array{exact.loss}));
        exact.for_each([&](const std::string& name, const std::vector<Quad>& expected) {
          const double d = distance<Quad>(value(name), expected);
          BOOST_TEST(d <= 1e-12 * std::max(1.0, gap / 100),
                     name << " at gap " << gap << " in round " << round << ": " << d);
          worst = std::max(worst, d);
        });
      });
    }
    BOOST_TEST(worst <= 1e-12 * std::max(1.0, gap / 100));
    BOOST_TEST_MESSAGE("gap " << gap << ": worst " << worst);
  }
}

BOOST_AUTO_TEST_CASE(every_entry_of_a_confident_row_is_accurate) {
  // delta of the winner is -(sum of the others), 1e-26 here, where yhat - 1 is 0
  const auto p = softmax_row({60, 0, -5, 3}, {1, 0, 0, 0});
  const auto exact = derive(p.network, p.cast<Quad>().inputs());
  for_both_forms(p, [&](auto value, double loss) {
    for (std::size_t k = 0; k < 4; ++k) {
      BOOST_TEST(value("dZ1")[k] == static_cast<double>(exact.dZ[0][k]),
                 boost::test_tools::tolerance(4e-15));
    }
    BOOST_TEST(loss == static_cast<double>(exact.loss), boost::test_tools::tolerance(4e-15));
    BOOST_TEST(loss < 1e-20);
    BOOST_TEST(loss > 0);
  });
}

BOOST_AUTO_TEST_CASE(saturated_units_keep_their_derivative) {
  // one hidden unit at z = 40, where 1 - tanh^2 and f (1 - f) are 0
  for (const Activation activation :
       {Activation::sigmoid, Activation::improved_sigmoid, Activation::tanh}) {
    Problem<double> p;
    p.network = {{1, 1, 2}, activation, true, Layout::rows};
    p.samples = 1, p.X = {2}, p.Y = {1, 0}, p.W = {{20}, {0.5, -0.25}}, p.b = {{0}, {0, 0}};
    const auto exact = derive(p.network, p.cast<Quad>().inputs());
    for_both_forms(p, [&](auto value, double) {
      BOOST_TEST(value("dW1")[0] == static_cast<double>(exact.dW[0][0]),
                 boost::test_tools::tolerance(1e-13));
      BOOST_TEST(value("dW1")[0] != 0);
    });
  }
}

BOOST_AUTO_TEST_CASE(targets_without_mass_give_exactly_zero) {
  const auto p = softmax_row({3, -1, 700}, {0, 0, 0});
  for_both_forms(p, [](auto value, double loss) {
    BOOST_TEST(loss == 0);
    for (const double d : value("dZ1")) BOOST_TEST(d == 0);
    for (const double d : value("dW1")) BOOST_TEST(d == 0);
  });
}

BOOST_AUTO_TEST_CASE(huge_gaps_give_no_nan) {
  for_both_forms(softmax_row({1e300, -1e300, 0}, {1, 0, 0}), [](auto value, double loss) {
    BOOST_TEST(loss == 0);
    for (const double d : value("dZ1")) BOOST_TEST(d == 0);
  });
  for_both_forms(softmax_row({1e300, -1e300, 0}, {0, 1, 0}), [](auto value, double loss) {
    BOOST_TEST(loss == 2e300);
    BOOST_TEST(value("dZ1")[0] == 1);
    BOOST_TEST(value("dZ1")[1] == -1);
    BOOST_TEST(value("dZ1")[2] == 0);
  });
  for_both_forms(softmax_row({1e300, 1e300}, {0.5, 0.5}), [](auto value, double loss) {
    BOOST_TEST(loss == std::log(2.0), boost::test_tools::tolerance(1e-15));
    for (const double d : value("dZ1")) BOOST_TEST(d == 0);
  });
}

BOOST_AUTO_TEST_CASE(zero_times_the_logarithm_of_zero_is_zero) {
  // the gap itself overflows: ln yhat is -inf
  for_both_forms(softmax_row({1e308, -1e308}, {1, 0}), [](auto value, double loss) {
    BOOST_TEST(loss == 0);
    for (const double d : value("dZ1")) BOOST_TEST(d == 0);
  });
}

BOOST_AUTO_TEST_CASE(nan_is_never_swallowed) {
  for (const Layout layout : {Layout::rows, Layout::columns}) {
    for (const Activation activation : activations) {
      Source source(43);
      const Network network{{3, 4, 3}, activation, false, layout};
      auto p = random_problem(source, network, 2, Weights::fan_in, true, 1);
      p.X[0] = std::nan("");
      for_both_forms(p, [](auto value, double loss) {
        BOOST_TEST(std::isnan(loss));
        BOOST_TEST(std::isnan(value("Yhat")[0]));
        BOOST_TEST(std::isnan(value("dW2")[0]));
      });
    }
  }
}
