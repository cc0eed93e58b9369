// Dual numbers against known derivatives, and the derivation against dual numbers, entry by entry.
#include <fmt/format.h>
#include <boost/test/unit_test.hpp>

#include <array>
#include <chainrule/autograd/storage/error.hpp>
#include <chainrule/reference/dual_derivative.hpp>

#include "tests/reference/problems.hpp"

using namespace problems;
using D = Dual<double>;

namespace {

void check_close(const D& d, double value, double derivative) {
  BOOST_TEST(std::abs(d.value - value) <= 4e-16 * std::abs(value));
  BOOST_TEST(std::abs(d.derivative - derivative) <= 4e-16 * std::abs(derivative));
}

}  // namespace

BOOST_AUTO_TEST_CASE(rules_of_dual_numbers) {
  const D x(0.75, 1), c(3.0);
  check_close(x + c, 3.75, 1);
  check_close(c - x, 2.25, -1);
  check_close(-x, -0.75, -1);
  check_close(x * x, 0.5625, 1.5);
  check_close(c / x, 4, -16 / 3.0);
  check_close(x / c, 0.25, 1 / 3.0);
  check_close(exp(x), std::exp(0.75), std::exp(0.75));
  check_close(log(x), std::log(0.75), 1 / 0.75);
  check_close(log1p(x), std::log(1.75), 1 / 1.75);
  check_close(tanh(x), std::tanh(0.75), 1 / (std::cosh(0.75) * std::cosh(0.75)));
  // tanh' where 1 - tanh^2 would be zero
  check_close(tanh(D(30.0, 1)), 1, 4 * std::exp(-60.0));
  // comparisons see the value alone
  BOOST_TEST((D(1.0, 5) == D(1.0, 7)));
  BOOST_TEST((D(1.0, 5) < D(2.0, 0)));
  D sum(1.0);
  sum += x, sum *= x, sum -= c, sum /= c;
  check_close(sum, (1.75 * 0.75 - 3) / 3, (0.75 + 1.75) / 3);
}

BOOST_AUTO_TEST_CASE(dual_numbers_nest_to_second_derivatives) {
  using DD = Dual<D>;
  const DD x(D(0.3, 1), D(1.0, 0));
  const DD y = tanh(x) * exp(x);
  const double t = std::tanh(0.3), s = 1 - t * t, e = std::exp(0.3);
  BOOST_TEST(y.derivative.derivative == e * (t + 2 * s - 2 * t * s),
             boost::test_tools::tolerance(1e-14));
}

BOOST_AUTO_TEST_CASE(derivation_agrees_with_dual_numbers_in_every_entry) {
  Source source(7);
  double worst = 0;
  int tensors = 0;
  for (const Activation activation : activations) {
    for (int depth = 0; depth <= 4; ++depth) {
      for (int variant = 0; variant < 24; ++variant) {
        const Layout layout = variant % 2 ? Layout::columns : Layout::rows;
        const double mass = std::array{0.5, 1.0, 3.0}[static_cast<std::size_t>(variant / 8)];
        Network network{{source.between(1, 5)}, activation, (variant & 2) != 0, layout};
        for (int l = 0; l < depth; ++l) network.widths.push_back(source.between(1, 5));
        network.widths.push_back(source.between(2, 4));
        const auto p = random_problem(source, network, source.between(1, 3),
                                      variant % 3 ? Weights::fan_in : Weights::uniform,
                                      (variant & 4) != 0, mass);
        const auto derived = derive(network, p.inputs());
        DualInputs<double> dual(network, p.inputs());
        for (int l = 1; l <= network.layers(); ++l) {
          std::vector<std::string> names = {fmt::format("W{}", l)};
          if (network.biases) names.push_back(fmt::format("b{}", l));
          for (const std::string& name : names) {
            const double d =
                distance<double>(derived.value(fmt::format("d{}", name)), dual.gradient(name));
            BOOST_TEST(d <= 1e-13, name << " at depth " << depth << ": " << d);
            worst = std::max(worst, d);
            ++tensors;
          }
        }
      }
    }
  }
  BOOST_TEST_MESSAGE(tensors << " tensors, worst " << worst);
}

BOOST_AUTO_TEST_CASE(one_entry_of_the_reports_network) {
  // 785-64-10, one entry of W1 and W2: a real topology, not only small ones
  Source source(11);
  const Network network{{785, 64, 10}, Activation::improved_sigmoid, false, Layout::rows};
  const auto p = random_problem(source, network, 4, Weights::fan_in, true, 1);
  const auto derived = derive(network, p.inputs());
  for (const std::int64_t entry : {0, 12'345, 50'239}) {
    const double exact = dual_derivative(network, p.inputs(), "W1", entry);
    BOOST_TEST(derived.value("dW1")[static_cast<std::size_t>(entry)] == exact,
               boost::test_tools::tolerance(1e-12));
  }
  BOOST_TEST(derived.value("dW2")[639] == dual_derivative(network, p.inputs(), "W2", 639),
             boost::test_tools::tolerance(1e-12));
}

BOOST_AUTO_TEST_CASE(unknown_inputs_are_refused) {
  Source source(3);
  const Network network{{2, 3}, Activation::tanh, false, Layout::rows};
  const auto p = random_problem(source, network, 1, Weights::fan_in, true, 1);
  BOOST_CHECK_THROW(dual_derivative(network, p.inputs(), "b1", 0), NameError);
  BOOST_CHECK_THROW(dual_derivative(network, p.inputs(), "W1", 6), UsageError);
  BOOST_CHECK_THROW(dual_derivative(network, p.inputs(), "W1", -1), UsageError);
  BOOST_CHECK_NO_THROW(dual_derivative(network, p.inputs(), "X", 1));
}
