#include "systems.hpp"

#include <algorithm>
#include <stdexcept>

namespace reproduce {

using chainrule::Activation;
using chainrule::Bias;
using chainrule::Initialiser;
using protocol::Experiment;

namespace {

/// All three tricks of R7, on hidden layers of these widths.
Experiment all_tricks(std::vector<std::int64_t> hidden) {
  return {.hidden = std::move(hidden),
          .activation = Activation::improved_sigmoid,
          .initialiser = Initialiser::fan_in,
          .momentum = 0.9,
          .learning_rate = 0.02};
}

}  // namespace

std::vector<System> all_systems() {
  const Experiment plain;
  Experiment unshuffled, weights, sigmoid, momentum, weights_sigmoid, weights_momentum,
      relu_he_momentum, relu, relu_he, per_layer;
  unshuffled.shuffle = false;
  weights.initialiser = Initialiser::fan_in;
  sigmoid.activation = Activation::improved_sigmoid;
  momentum.momentum = 0.9, momentum.learning_rate = 0.02;
  weights_sigmoid.initialiser = Initialiser::fan_in;
  weights_sigmoid.activation = Activation::improved_sigmoid;
  weights_momentum = momentum;
  weights_momentum.initialiser = Initialiser::fan_in;
  relu_he_momentum = momentum;
  relu_he_momentum.activation = Activation::relu;
  relu_he_momentum.initialiser = Initialiser::he;
  relu.activation = Activation::relu;
  relu_he = relu;
  relu_he.initialiser = Initialiser::he;
  per_layer.bias = Bias::per_layer;
  const std::vector<std::int64_t> ten(10, 64);
  Experiment two_64 = all_tricks({64, 64}), unstopped = all_tricks({64});
  two_64.bias = Bias::per_layer;
  unstopped.patience = 0;

  std::vector<System> systems{
      {"R1", "R1", "sigmoid, U(-1, 1)", plain, Published{47, .0765, .9837, .2978, .9152}},
      {"R2", "R2", "R1, not shuffled", unshuffled, {}},
      {"R3", "R3", "R1 + improved weights", weights, Published{46, .01307, .9996, .1366, .9594}},
      {"R4", "R4", "R1 + improved sigmoid", sigmoid, Published{21, .0991, .9759, .3954, .8991}},
      {"R5", "R5", "R1 + momentum", momentum, Published{30, .0620, .9866, .2954, .9191}},
      {"R6", "R6", "improved weights + improved sigmoid", weights_sigmoid,
       Published{19, .0034, 1.0, .1411, .9639}},
      {"R6b-sigmoid", "R6b", "improved weights + momentum", weights_momentum, {}},
      {"R6b-relu", "R6b", "ReLU, He + momentum", relu_he_momentum, {}},
      {"R7", "R7", "all three tricks", all_tricks({64}), Published{16, .0017, 1.0, .1592, .9593}},
      {"R8-random", "R8", "ReLU, U(-1, 1)", relu, {}},
      {"R8-he", "R8", "ReLU, He", relu_he, {}},
      {"R9-16", "R9", "R7 with 16 units", all_tricks({16}), {}},
      {"R9-32", "R9", "R7 with 32 units", all_tricks({32}), {}},
      {"R9-128", "R9", "R7 with 128 units", all_tricks({128}), {}},
      {"R10-2x60", "R10", "R7 with 60-60 units", all_tricks({60, 60}), {}},
      {"R10-2x64", "R10", "R7 with 64-64 units, biases in each layer", two_64, {}},
      {"R10-2x32", "R10", "R7 with 32-32 units", all_tricks({32, 32}), {}},
      {"R11", "R11", "R7 with ten layers of 64 units", all_tricks(ten), {}},
      {"R12", "R12", "R1 with biases in each layer", per_layer, {}},
      {"R14", "R14", "R7 without early stopping", unstopped, {}}};
  const std::size_t count = systems.size();
  for (std::size_t i = 0; i < count; ++i) {
    if (!systems[i].published) continue;
    System own = systems[i];
    own.id += "-own";
    own.group = "own";
    own.description += ", each set normalised by its own";
    own.own_statistics = true;
    systems.push_back(own);
  }
  return systems;
}

std::vector<std::string> groups() {
  std::vector<std::string> result;
  for (const System& system : all_systems()) {
    if (result.empty() || result.back() != system.group) {
      if (system.group == "R14") result.push_back("R13");
      result.push_back(system.group);
    }
  }
  return result;
}

const System& find_system(const std::vector<System>& systems, const std::string& id) {
  const auto found = std::find_if(systems.begin(), systems.end(),
                                  [&](const System& system) { return system.id == id; });
  if (found == systems.end()) throw std::out_of_range("no system " + id);
  return *found;
}

}  // namespace reproduce
