// What mistakes need beyond the step: the gradient of another batch, weights after an update,
// velocity, and the constants.
#pragma once

#include <chainrule/reference/mistakes.hpp>

#include "tests/reference/problems.hpp"

namespace problems {

inline std::vector<Tensor<double>> tensors(const std::vector<std::vector<double>>& values,
                                           const std::vector<Shape>& shapes) {
  std::vector<Tensor<double>> result;
  for (std::size_t i = 0; i < values.size(); ++i) result.emplace_back(shapes[i], values[i]);
  return result;
}

inline Context random_context(Source& source, const Problem<double>& p) {
  std::vector<Shape> weights, biases;
  for (int l = 1; l <= p.network.layers(); ++l) {
    weights.push_back(p.network.weight_shape(l)), biases.push_back(p.network.bias_shape(l));
  }
  Problem<double> previous = random_problem(source, p.network, p.samples, Weights::fan_in, true, 1);
  previous.W = p.W, previous.b = p.b;
  const auto right = planted(p.network, previous.inputs());
  Context context{.learning_rate = source.uniform(0.01, 0.3),
                  .previous_dW = right.dW,
                  .previous_db = right.db,
                  .updated_W = tensors(p.W, weights),
                  .updated_b = tensors(p.b, biases),
                  .momentum = source.uniform(0.5, 0.95),
                  .velocity_W = tensors(p.W, weights),
                  .velocity_b = tensors(p.b, biases),
                  .weight_decay = source.uniform(0.01, 0.1),
                  .loss_has_decay = false};
  for (auto* group : {&context.updated_W, &context.updated_b}) {
    for (auto& tensor : *group) {
      for (double& x : tensor) x += 0.1 * source.normal();
    }
  }
  for (auto* group : {&context.velocity_W, &context.velocity_b}) {
    for (auto& tensor : *group) {
      for (double& x : tensor) x = 0.1 * source.normal();
    }
  }
  return context;
}

/// All parameter gradients of `a` against those of `b`: the largest distance; infinite where shapes
/// differ.
inline double parameter_distance(const Values<Tensor<double>>& a, const Values<Tensor<double>>& b) {
  double worst = 0;
  const auto take = [&](const std::vector<Tensor<double>>& x,
                        const std::vector<Tensor<double>>& y) {
    for (std::size_t i = 0; i < x.size(); ++i) {
      worst =
          std::max(worst, x[i].shape() == y[i].shape() ? distance<double>(x[i], y[i]) : HUGE_VAL);
    }
  };
  take(a.dW, b.dW), take(a.db, b.db);
  return worst;
}

}  // namespace problems
