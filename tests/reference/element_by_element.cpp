// The derivation against central differences in quad precision: errors of 1e-20, not of 1e-6.
#include <boost/multiprecision/cpp_bin_float.hpp>
#include <boost/test/unit_test.hpp>

#include <algorithm>
#include <array>

#include "tests/reference/problems.hpp"

using namespace problems;
using Quad = boost::multiprecision::cpp_bin_float_quad;

namespace {

// Two central differences, extrapolated once (Richardson): the error is O(h^4) + eps / h.
std::vector<Quad> differences(const Problem<Quad>& p, std::vector<Quad>& tensor) {
  const Quad h("1e-6");
  std::vector<Quad> result;
  for (Quad& entry : tensor) {
    const Quad at = entry;
    const auto central = [&](const Quad& step) {
      entry = at + step;
      const Quad above = loss(p.network, p.inputs());
      entry = at - step;
      const Quad below = loss(p.network, p.inputs());
      entry = at;
      return Quad((above - below) / (2 * step));
    };
    result.push_back((4 * central(h / 2) - central(h)) / 3);
  }
  return result;
}

double check(Problem<Quad> p) {
  const auto derived = derive(p.network, p.inputs());
  double worst = 0;
  for (int l = 1; l <= p.network.layers(); ++l) {
    const std::size_t index = static_cast<std::size_t>(l) - 1;
    worst = std::max(worst, distance<Quad>(derived.dW[index], differences(p, p.W[index])));
    if (!p.network.biases) continue;
    worst = std::max(worst, distance<Quad>(derived.db[index], differences(p, p.b[index])));
  }
  return worst;
}

}  // namespace

BOOST_AUTO_TEST_CASE(derivation_agrees_with_quad_central_differences) {
  Source source(21);
  double worst = 0;
  for (const Activation activation : activations) {
    for (int depth = 0; depth <= 3; ++depth) {
      for (int variant = 0; variant < 4; ++variant) {
        Network network{
            {3}, activation, variant % 2 == 0, variant / 2 ? Layout::columns : Layout::rows};
        for (int l = 0; l < depth; ++l) network.widths.push_back(source.between(2, 4));
        network.widths.push_back(3);
        const double mass = std::array{1.0, 0.5, 3.0}[static_cast<std::size_t>(variant % 3)];
        const auto p = random_problem(source, network, 2, Weights::fan_in, variant != 1, mass);
        const double d = check(p.cast<Quad>());
        BOOST_TEST(d <= 1e-18, "depth " << depth << ", variant " << variant << ": " << d);
        worst = std::max(worst, d);
      }
    }
  }
  BOOST_TEST_MESSAGE("worst " << worst);
}

BOOST_AUTO_TEST_CASE(activation_derivatives_agree_with_quad_differences_and_their_other_forms) {
  const Quad h("1e-6");
  for (const Activation activation : activations) {
    for (const double z : {-300.0, -20.0, -3.0, -0.7, -1e-3, 1e-3, 0.4, 2.0, 9.0, 40.0, 300.0}) {
      const auto central = [&](const Quad& step) {
        return Quad((activate(activation, Quad(z + step)) - activate(activation, Quad(z - step))) /
                    (2 * step));
      };
      const Quad slope = (4 * central(h / 2) - central(h)) / 3;
      const Quad exact = activation_derivative(activation, Quad(z));
      BOOST_TEST(static_cast<double>(abs(slope - exact)) <= 1e-20);
      // the same formula in double keeps its relative accuracy, saturated or not
      const double rounded = activation_derivative(activation, z);
      BOOST_TEST(static_cast<double>(abs(rounded - exact)) <= 1e-13 * static_cast<double>(exact));
    }
  }
  // The closed form of report 003 (3b): (4/3) 1.7159 / (cosh(4z/3) + 1)
  for (const double z : {-4.0, -0.5, 0.0, 1.5, 6.0}) {
    BOOST_TEST(activation_derivative(Activation::improved_sigmoid, z) ==
                   4.0 / 3 * 1.7159 / (std::cosh(4 * z / 3) + 1),
               boost::test_tools::tolerance(1e-15));
  }
}

BOOST_AUTO_TEST_CASE(pinned_values) {
  BOOST_TEST(activation_derivative(Activation::relu, 0.0) == 0);
  BOOST_TEST(activate(Activation::relu, -1.0) == 0);
  BOOST_TEST(std::isnan(activate(Activation::relu, std::nan(""))));
  for (const Activation activation : activations) {
    BOOST_TEST(std::isnan(activate(activation, std::nan(""))));
  }
  BOOST_TEST(activate(Activation::sigmoid, 0.0) == 0.5);
  BOOST_TEST(activate(Activation::sigmoid, -700.0) == std::exp(-700.0));
  BOOST_TEST(activation_derivative(Activation::sigmoid, 0.0) == 0.25);
  BOOST_TEST(activation_derivative(Activation::tanh, 0.0) == 1);
  // LeCun's constants: f(1) = 1 and f(-1) = -1, to their four digits
  BOOST_TEST(activate(Activation::improved_sigmoid, 1.0) == 1, boost::test_tools::tolerance(1e-4));
}

BOOST_AUTO_TEST_CASE(a_network_worked_by_hand) {
  // softmax regression, one sample, logits (0, ln 3): yhat = (1/4, 3/4), y = (1, 0)
  Problem<double> p;
  p.network.widths = {1, 2};
  p.samples = 1, p.X = {2}, p.Y = {1, 0}, p.W = {{0, std::log(3.0) / 2}};
  const auto d = derive(p.network, p.inputs());
  const auto near = boost::test_tools::tolerance(1e-15);
  BOOST_TEST(d.loss == std::log(4.0), near);
  BOOST_TEST(d.Yhat[0] == 0.25, near);
  BOOST_TEST(d.dZ[0][0] == -0.75, near);
  BOOST_TEST(d.dZ[0][1] == 0.75, near);
  BOOST_TEST(d.dW[0][0] == -1.5, near);
  BOOST_TEST(d.dW[0][1] == 1.5, near);
}
