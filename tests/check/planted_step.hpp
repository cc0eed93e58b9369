// One step of training with a mistake planted in it, as the tape and as the hand derivation see it.
#pragma once

#include <chainrule/autograd/tape.hpp>
#include <chainrule/check/diagnose.hpp>
#include <chainrule/ops/ops.hpp>
#include <chainrule/reference/mistakes.hpp>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <string>
#include <vector>

#include "tests/reference/contexts.hpp"

namespace planted_step {

using namespace chainrule;
using problems::Problem;
using problems::Source;
using reference::Activation;
using reference::Context;
using reference::Network;
using reference::Plant;

/// What is handed in, from layer 1 up: dW1, db1, dW2, ..., and before them dZ1, ... where wanted.
struct Gradient {
  std::vector<std::string> names;
  std::vector<Tensor<double>> values;
};

/// kind 0: all widths distinct; 1: hidden layers alike; 2: inputs, hidden layers and classes alike.
/// At least 3 classes.
inline Network draw_network(Source& source, int kind, int depth, Activation activation,
                            bool biases) {
  Network network{{}, activation, biases, reference::Layout::rows};
  std::vector<std::int64_t> free{3, 4, 5, 6, 7, 8, 9};
  const auto take = [&] {
    const auto at = source.between(0, static_cast<std::int64_t>(free.size()) - 1);
    const std::int64_t width = free[static_cast<std::size_t>(at)];
    free.erase(free.begin() + at);
    return width;
  };
  const std::int64_t inputs = take(), classes = kind == 2 ? inputs : take();
  std::int64_t hidden = kind == 2 ? inputs : take();
  network.widths.push_back(inputs);
  for (int l = 0; l < depth; ++l) {
    network.widths.push_back(hidden);
    if (kind == 0 && l + 1 < depth) hidden = take();
  }
  network.widths.push_back(classes);
  return network;
}

struct Step {
  /// mass_half: soft labels of mass 0.5, else hard ones; decay: the loss has a penalty.
  Step(Source& source, const Network& network, bool mass_half, bool decay)
      : problem(problems::random_problem(source, network, source.between(3, 9),
                                         problems::Weights::fan_in, !mass_half,
                                         mass_half ? 0.5 : 1)) {
    if (!network.biases) {  // the trick's column of ones
      for (std::int64_t n = 0; n < problem.samples; ++n) {
        problem.X[static_cast<std::size_t>((n + 1) * network.widths[0] - 1)] = 1;
      }
    }
    context = problems::random_context(source, problem);
    context.loss_has_decay = decay;
  }

  std::string describe() const {
    constexpr const char* names[] = {"sigmoid", "improved", "tanh", "relu"};
    return fmt::format("{} {}{}, {} rows{}", fmt::join(problem.network.widths, "-"),
                       names[static_cast<int>(problem.network.activation)],
                       problem.network.biases ? " biases" : "", problem.samples,
                       context.loss_has_decay ? ", decay" : "");
  }

  Gradient gradient(std::span<const Plant> plants) const {
    auto values = reference::planted(problem.network, problem.inputs(), plants, context);
    Gradient result;
    for (std::size_t l = 0; l < values.dW.size(); ++l) {
      if (with_deltas) {
        result.names.push_back(fmt::format("dZ{}", l + 1));
        result.values.push_back(std::move(values.dZ[l]));
      }
      result.names.push_back(fmt::format("dW{}", l + 1));
      result.values.push_back(std::move(values.dW[l]));
      if (!problem.network.biases) continue;
      result.names.push_back(fmt::format("db{}", l + 1));
      result.values.push_back(std::move(values.db[l]));
    }
    return result;
  }
  Gradient gradient(const Plant& plant) const { return gradient(std::span(&plant, 1)); }

  /// Of a gradient that was derived by hand in the precision T, with all that the context holds.
  template <class T = double>
  Diagnosis diagnose(const Gradient& hand) const {
    const Network& network = problem.network;
    Tape<T> tape;
    std::vector<Tensor<T>> leaves;
    leaves.reserve(2 + problem.W.size() + problem.b.size());
    const auto leaf = [&](const std::vector<double>& values, const Shape& shape, std::string name) {
      leaves.push_back(Tensor<double>(shape, values).template cast<T>());
      const Var<T> var = tape.input(leaves.back());
      return name.empty() ? var : named(var, name);
    };
    const int layers = network.layers();
    const Var<T> x = leaf(problem.X, network.unit_shape(0, problem.samples), "X");
    const Var<T> y = leaf(problem.Y, network.unit_shape(layers, problem.samples), "Y");
    Var<T> a = x, z = x;
    std::vector<Var<T>> weights;
    for (int l = 1; l <= layers; ++l) {
      const auto index = static_cast<std::size_t>(l) - 1;
      weights.push_back(leaf(problem.W[index], network.weight_shape(l), fmt::format("W{}", l)));
      z = matmul(a, weights.back());
      if (network.biases) {
        z = z + leaf(problem.b[index], network.bias_shape(l), fmt::format("b{}", l));
      }
      z = named(z, fmt::format("Z{}", l));
      if (l < layers) a = named(activate(z), fmt::format("A{}", l));
    }
    Var<T> loss = softmax_cross_entropy(z, y);
    if (context.loss_has_decay) {
      for (const Var<T> w : weights) {
        loss = loss + scale(sum(square(w)), static_cast<T>(*context.weight_decay / 2));
      }
    }
    std::vector<Tensor<T>> rounded;
    for (const Tensor<double>& value : hand.values) rounded.push_back(value.template cast<T>());
    std::vector<NamedValue<T>> values;
    for (std::size_t i = 0; i < rounded.size(); ++i) values.push_back({hand.names[i], rounded[i]});
    DiagnoseOptions<T> with;
    if constexpr (std::is_same_v<T, double>) with = options();
    return chainrule::diagnose(loss, std::span<const NamedValue<T>>(values), with);
  }

  Problem<double> problem;
  Context context;
  bool with_deltas = false;  ///< hand in dZ1, dZ2, ... too

 private:
  template <class T>
  Var<T> activate(Var<T> z) const {
    switch (problem.network.activation) {
      case Activation::sigmoid:
        return sigmoid(z);
      case Activation::improved_sigmoid:
        return improved_sigmoid(z);
      case Activation::tanh:
        return tanh(z);
      case Activation::relu:
        break;
    }
    return relu(z);
  }

  DiagnoseOptions<double> options() const {
    static constexpr const char* gradients[] = {"dW1", "dW2", "dW3", "dW4", "dW5"};
    static constexpr const char* bias_gradients[] = {"db1", "db2", "db3", "db4", "db5"};
    static constexpr const char* weights[] = {"W1", "W2", "W3", "W4", "W5"};
    static constexpr const char* biases[] = {"b1", "b2", "b3", "b4", "b5"};
    DiagnoseOptions<double> result;
    const auto add = [](std::vector<NamedValue<double>>& to, const auto& names,
                        const std::vector<Tensor<double>>& values) {
      for (std::size_t l = 0; l < values.size(); ++l) to.push_back({names[l], values[l]});
    };
    add(result.previous_gradient, gradients, context.previous_dW);
    add(result.updated, weights, context.updated_W);
    add(result.velocity, weights, context.velocity_W);
    if (problem.network.biases) {
      add(result.previous_gradient, bias_gradients, context.previous_db);
      add(result.updated, biases, context.updated_b);
      add(result.velocity, biases, context.velocity_b);
    }
    result.learning_rate = context.learning_rate;
    result.momentum = context.momentum;
    result.weight_decay = context.weight_decay;
    return result;
  }
};

inline double norm(const Tensor<double>& a) {
  double sum = 0;
  for (const double x : a) sum += x * x;
  return std::sqrt(sum);
}

/// |a - b| <= tolerance max(|b|, |right| / 10) for every tensor: two that are zero up to rounding
/// are equal.
inline bool close(const Gradient& a, const Gradient& b, const Gradient& right, double tolerance) {
  for (std::size_t i = 0; i < b.values.size(); ++i) {
    const Tensor<double>&x = a.values[i], &y = b.values[i];
    if (x.shape() != y.shape()) return false;
    Tensor<double> difference(x);
    for (std::int64_t k = 0; k < x.size(); ++k) difference[k] -= y[k];
    const double allowed = tolerance * std::max(norm(y), norm(right.values[i]) / 10);
    if (!(norm(difference) <= allowed)) return false;
  }
  return true;
}

/// The topmost layer with a wrong gradient: what a walk from the loss down meets first.
inline int first_wrong_layer(const Gradient& wrong, const Gradient& right) {
  int layer = 0;
  for (std::size_t i = 0; i < wrong.values.size(); ++i) {
    const Gradient a{{}, {wrong.values[i]}}, b{{}, {right.values[i]}};
    if (!close(a, b, b, 1e-12)) layer = std::max(layer, std::stoi(wrong.names[i].substr(2)));
  }
  return layer;
}

}  // namespace planted_step
