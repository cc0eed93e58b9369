#include "gradient_test.hpp"

#include <algorithm>
#include <chainrule/ops/ops.hpp>
#include <chrono>
#include <cmath>

namespace reproduce {

using namespace chainrule;

namespace {

double seconds_since(std::chrono::steady_clock::time_point start) {
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
}

}  // namespace

GradientTest test_gradient(const std::string& system, const Mlp<double>& initial,
                           const Dataset<double>& images, bool every_entry) {
  Mlp<double> model(initial);
  Parameters<double>& parameters = model.parameters();
  Tape<double> tape;
  const Var<double> loss =
      softmax_cross_entropy(model(tape, tape.input(images.x)), tape.input(images.y));
  std::vector<Var<double>> leaves;
  for (std::size_t i = 0; i < parameters.size(); ++i) {
    leaves.push_back(tape.parameter(parameters[i]));
  }

  GradientTest test;
  test.system = system;
  test.images = images.size();
  test.weights = parameters.count();
  auto start = std::chrono::steady_clock::now();
  GradcheckOptions options;
  options.mode = every_entry ? GradcheckMode::all_entries : GradcheckMode::automatic;
  test.gradcheck = gradcheck(loss, leaves, options);
  test.gradcheck_seconds = seconds_since(start);

  start = std::chrono::steady_clock::now();
  std::vector<double> autodiff;
  for (const Var<double> gradient : gradients(loss, leaves)) {
    autodiff.insert(autodiff.end(), gradient.value().begin(), gradient.value().end());
  }
  Plan<double> forward = plan({loss});
  const TensorView<double> weights = parameters.mutable_values();
  const auto loss_at = [&](double& weight, double value) {
    weight = value;
    forward.run();
    return forward.item(loss);
  };
  bool right = true;
  for (std::int64_t i = 0; i < weights.size(); i += every_entry ? 1 : 7) {
    ++test.tested;
    double& weight = weights[i];
    const double before = weight;
    const double above = loss_at(weight, before + course_epsilon);
    const double below = loss_at(weight, before - course_epsilon);
    weight = before;
    const double gradient = autodiff[static_cast<std::size_t>(i)];
    const double error = std::abs((above - below) / (2 * course_epsilon) - gradient);
    right = right && error <= course_tolerance;  // a NaN is not
    test.largest_error = std::max(test.largest_error, error);
    test.largest_gradient = std::max(test.largest_gradient, std::abs(gradient));
    test.blind += std::abs(gradient) <= course_tolerance;
  }
  test.course_passed = right;
  test.course_seconds = seconds_since(start);
  return test;
}

}  // namespace reproduce
