// Autodiff of an Mlp against both forms of the hand derivation, over random networks.
#include <chainrule/autograd/storage/random.hpp>
#include <chainrule/models/mlp.hpp>
#include <chainrule/optim/sgd.hpp>
#include <chainrule/reference/element_by_element.hpp>
#include <chainrule/reference/vectorised.hpp>
#include <fmt/format.h>

#include <boost/test/unit_test.hpp>
#include <cmath>
#include <map>
#include <set>

#include "tests/sanitized.hpp"

using namespace chainrule;

namespace {

/// Draws one number after the other.
class Dice {
 public:
  explicit Dice(std::uint32_t sequence) : random_(20261121, Purpose::test, sequence) {}
  std::int64_t between(std::int64_t low, std::int64_t high) {
    return low + static_cast<std::int64_t>(
                     random_.below(next_++, static_cast<std::uint64_t>(high - low + 1)));
  }
  double uniform() { return random_.uniform(next_++); }
  double normal() { return random_.normal(next_++); }

 private:
  Random random_;
  std::uint64_t next_ = 0;
};

struct Problem {
  MlpOptions options;
  Tensor<double> x, y;
  std::string description;
};

Problem draw(std::uint32_t sequence) {
  Dice dice(sequence);
  Problem problem;
  const std::int64_t depth = dice.between(0, 6), rows = dice.between(1, 33);
  auto& widths = problem.options.widths;
  for (std::int64_t l = 0; l <= depth; ++l) widths.push_back(dice.between(2, 64));
  widths.push_back(dice.between(2, 20));
  problem.options.activation = static_cast<Activation>(dice.between(0, 3));
  problem.options.bias = static_cast<Bias>(dice.between(0, 1));
  problem.options.initialiser = static_cast<Initialiser>(dice.between(0, 2));
  problem.options.seed = sequence;

  problem.x = Tensor<double>(Shape{rows, widths.front()});
  for (double& value : problem.x) value = dice.normal();
  if (problem.options.bias == Bias::trick) {
    for (std::int64_t row = 0; row < rows; ++row) problem.x(row, widths.front() - 1) = 1;
  }
  const bool hard = dice.between(0, 1) == 1;
  const double mass = std::array{0.5, 1.0, 3.0}[static_cast<std::size_t>(dice.between(0, 2))];
  problem.y = Tensor<double>(Shape{rows, widths.back()});
  for (std::int64_t row = 0; row < rows; ++row) {
    double total = 0;
    for (std::int64_t k = 0; k < widths.back(); ++k) {
      total += problem.y(row, k) = hard ? 0 : dice.uniform();
    }
    if (hard) total = problem.y(row, dice.between(0, widths.back() - 1)) = 1;
    for (std::int64_t k = 0; k < widths.back(); ++k) problem.y(row, k) *= mass / total;
  }
  problem.description =
      fmt::format("network {}: {}, activation {}, bias {}, initialiser {}, {} rows, {} mass {}",
                  sequence, Mlp<double>(problem.options).topology(),
                  static_cast<int>(problem.options.activation),
                  static_cast<int>(problem.options.bias),
                  static_cast<int>(problem.options.initialiser), rows, hard ? "hard" : "soft", mass);
  return problem;
}

reference::Network reference_network(const MlpOptions& options) {
  return {.widths = options.widths,
          .activation = static_cast<reference::Activation>(options.activation),
          .biases = options.bias == Bias::per_layer};
}

/// |a - b| / |b| in the 2-norm; 0 for equal tensors, infinite for a nonzero a against zero, or NaN.
double norm_wise(std::span<const double> a, std::span<const double> b) {
  double difference = 0, norm = 0, largest = 0;
  for (const double value : b) largest = std::max(largest, std::abs(value));
  for (std::size_t i = 0; i < b.size(); ++i) {
    // Divided by the largest entry, so that tiny gradients do not underflow when squared.
    const double scale = largest > 0 ? largest : 1;
    difference += (a[i] - b[i]) / scale * ((a[i] - b[i]) / scale);
    norm += b[i] / scale * (b[i] / scale);
  }
  if (difference == 0) return 0;
  return norm > 0 ? std::sqrt(difference / norm) : INFINITY;
}

struct Views {
  std::vector<TensorView<const double>> w, b;
};
Views views_of(const Parameters<double>& parameters) {
  Views views;
  for (std::size_t i = 0; i < parameters.size(); ++i) {
    (parameters[i].shape().rank() == 2 ? views.w : views.b).push_back(parameters[i].value());
  }
  return views;
}

/// The worst error of any named value of the tape against either form of the derivation, at the
/// model's weights; leaves the gradients in the parameters' block.
double worst_error(Mlp<double>& model, const Problem& problem, std::string& where) {
  Tape<double> tape;
  const Var<double> logits = model(tape, tape.input(problem.x));
  const Var<double> loss = softmax_cross_entropy(logits, tape.input(problem.y));
  std::vector<Var<double>> leaves;
  Parameters<double>& parameters = model.parameters();
  for (std::size_t i = 0; i < parameters.size(); ++i) leaves.push_back(tape.parameter(parameters[i]));
  const auto found = gradients(loss, leaves);
  for (std::size_t i = 0; i < found.size(); ++i) {
    std::copy(found[i].value().begin(), found[i].value().end(), parameters[i].gradient().begin());
  }

  const reference::Network network = reference_network(problem.options);
  const Views views = views_of(parameters);
  reference::Backpropagation<double> vectorised(network, problem.x.shape()[0]);
  const double vectorised_loss = vectorised.run(problem.x, problem.y, views.w, views.b);
  reference::Inputs<double> inputs{problem.x.shape()[0], problem.x.span(), problem.y.span(), {}, {}};
  for (const auto& w : views.w) inputs.W.push_back(w.span());
  for (const auto& b : views.b) inputs.b.push_back(b.span());
  const reference::Derivation<double> by_element = reference::derive(network, inputs);

  double worst = 0;
  const auto compare = [&](const std::string& name, std::span<const double> ours,
                           std::span<const double> theirs) {
    const double error = norm_wise(ours, theirs);
    if (error > worst) worst = error, where = name;
  };
  const double ours = loss.item();
  compare("loss, vectorised", {&ours, 1}, {&vectorised_loss, 1});
  compare("loss, by element", {&ours, 1}, {&by_element.loss, 1});
  std::size_t compared = 0;
  for (const std::string& name : vectorised.names()) {
    if (name == "Yhat") continue;  // the tape's loss has no such node
    const auto tapes = tape.find(name).value().span();
    compare(name + ", vectorised", tapes, vectorised.value(name).span());
    compare(name + ", by element", tapes, by_element.value(name));
    ++compared;
  }
  BOOST_REQUIRE_GE(compared, 3 * views.w.size());  // Z, dZ and dW of each layer at the least
  return worst;
}

double bound(Initialiser initialiser) { return initialiser == Initialiser::uniform ? 1e-12 : 1e-13; }

}  // namespace

BOOST_AUTO_TEST_CASE(a_thousand_random_networks) {
  constexpr std::uint32_t networks = support::sanitized ? 150 : 1000;
  std::map<bool, double> worst;  // by whether the weights are U(-1, 1)
  std::set<std::int64_t> depths;
  for (std::uint32_t sequence = 0; sequence < networks; ++sequence) {
    const Problem problem = draw(sequence);
    Mlp<double> model(problem.options);
    std::string where;
    const double error = worst_error(model, problem, where);
    BOOST_CHECK_MESSAGE(error <= bound(problem.options.initialiser),
                        fmt::format("{}: {} is off by {:.2e}", problem.description, where, error));
    double& largest = worst[problem.options.initialiser == Initialiser::uniform];
    largest = std::max(largest, error);
    depths.insert(std::ssize(problem.options.widths) - 2);
  }
  BOOST_TEST(depths.size() == 7u);
  fmt::print("{} networks: norm-wise at most {:.2e} with fan-in and He weights, {:.2e} with "
             "U(-1, 1)\n",
             networks, worst[false], worst[true]);
}

// The reports' own networks. (Small random ones will not do here: in training the sum over the rows of
// a delta passes through zero, and no arithmetic keeps relative digits of what cancels.)
BOOST_AUTO_TEST_CASE(twenty_training_steps) {
  constexpr int steps = support::sanitized ? 3 : 20;
  const std::vector<std::vector<std::int64_t>> hidden{{}, {64}, {60, 60}, {64, 64, 64, 64}};
  double worst[2] = {0, 0};
  std::uint32_t sequence = 2000;
  for (const auto& units : hidden) {
    for (int k = 0; k < 12; ++k, ++sequence) {
      Dice dice(sequence);
      Problem problem;
      problem.options = {.widths = {100},
                         .activation = static_cast<Activation>(k % 4),
                         .bias = static_cast<Bias>(k / 6),
                         .initialiser = static_cast<Initialiser>(k % 3),
                         .seed = sequence};
      problem.options.widths.insert(problem.options.widths.end(), units.begin(), units.end());
      problem.options.widths.push_back(10);
      problem.x = Tensor<double>(Shape{32, 100});
      for (double& value : problem.x) value = dice.normal();
      problem.y = Tensor<double>(Shape{32, 10});
      for (std::int64_t row = 0; row < 32; ++row) problem.y(row, dice.between(0, 9)) = 1;

      Mlp<double> model(problem.options);
      Sgd<double> sgd(model.parameters(), {.learning_rate = 0.02, .momentum = 0.9});
      for (int step = 0; step < steps; ++step) {
        std::string where;
        const double error = worst_error(model, problem, where);
        BOOST_CHECK_MESSAGE(error <= bound(problem.options.initialiser),
                            fmt::format("{}, activation {}, initialiser {}, step {}: {} is off by "
                                        "{:.2e}",
                                        model.topology(), k % 4, k % 3, step, where, error));
        double& largest = worst[problem.options.initialiser == Initialiser::uniform];
        largest = std::max(largest, error);
        sgd.step(model.parameters());
      }
    }
  }
  fmt::print("48 networks x {} steps: norm-wise at most {:.2e} with fan-in and He weights, {:.2e} "
             "with U(-1, 1)\n",
             steps, worst[0], worst[1]);
}
