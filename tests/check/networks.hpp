// Networks for the tests of check: multilayer perceptrons of plain graph operations.
#pragma once

#include <chainrule/check/gradcheck.hpp>
#include <chainrule/ops/ops.hpp>
#include <cmath>
#include <string>
#include <vector>

#include "tests/support.hpp"

namespace networks {

using namespace chainrule;
using V = Var<double>;

/// Data and weights of an MLP with softmax cross-entropy.
struct Network {
  std::vector<std::int64_t> widths;
  Tensor<double> x, y;
  std::vector<Tensor<double>> weights;

  /// Inputs like normalised digits, four of five at the background; weights uniform with standard
  /// deviation sqrt(gain / fan-in): gain 1 is the reports' fan-in rule, 2 is He's.
  Network(support::Source& source, std::vector<std::int64_t> layers, std::int64_t rows, double gain)
      : widths(std::move(layers)), x({rows, widths.front()}), y({rows, widths.back()}) {
    for (double& v : x) v = source.uniform(0, 1) < 0.8 ? -0.42 : source.uniform(-0.4, 2.8);
    for (std::int64_t n = 0; n < rows; ++n) y(n, source.below(widths.back())) = 1;
    for (std::size_t l = 1; l < widths.size(); ++l) {
      const double limit = std::sqrt(3 * gain / static_cast<double>(widths[l - 1]));
      weights.push_back(source.tensor({widths[l - 1], widths[l]}, -limit, limit));
    }
  }
};

/// The mean loss, recorded; leaves W1, W2, ... and pre-activations Z1, Z2, ....
struct Recorded {
  Tape<double> tape;
  std::vector<V> weights, z;
  V loss;

  /// `activate(Z, layer)` is the activation of layer 1, 2, ....
  template <class Activate>
  Recorded(const Network& network, Activate activate) {
    V a = tape.input(network.x);
    for (std::size_t l = 0; l < network.weights.size(); ++l) {
      const std::string number = std::to_string(l + 1);
      weights.push_back(named(tape.input(network.weights[l]), "W" + number));
      z.push_back(named(matmul(a, weights.back()), "Z" + number));
      if (l + 1 < network.weights.size()) a = activate(z.back(), static_cast<int>(l + 1));
    }
    loss = softmax_cross_entropy(z.back(), tape.input(network.y));
  }
};

}  // namespace networks
