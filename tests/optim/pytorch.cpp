// Optimizers, schedules and clipping against PyTorch over 100 steps on one problem, in double:
// make_pytorch_numbers.py has the same problem and the same settings, and made the numbers.
#include <chainrule/optim/adam.hpp>
#include <chainrule/optim/clipping.hpp>
#include <chainrule/optim/evaluation.hpp>
#include <chainrule/optim/optimizer.hpp>
#include <chainrule/optim/schedule.hpp>
#include <chainrule/optim/sgd.hpp>

#include <boost/test/unit_test.hpp>
#include <cmath>
#include <fstream>
#include <functional>
#include <limits>
#include <map>
#include <sstream>
#include <string>
#include <vector>

using namespace chainrule;

namespace {

constexpr std::int64_t rows = 12, inputs = 3, hidden = 3, classes = 2;

/// One line of the file; the numbers after the step are rate, loss, norm, then the weights.
struct Line {
  int step;
  double rate, loss, norm;
  std::vector<double> weights;
};

std::map<std::string, std::vector<Line>> read_numbers() {
  std::ifstream file(PYTORCH_NUMBERS);
  BOOST_TEST_REQUIRE(file.good(), PYTORCH_NUMBERS << " cannot be read");
  std::map<std::string, std::vector<Line>> result;
  std::string text, field;
  std::getline(file, text);  // the header
  while (std::getline(file, text)) {
    std::istringstream fields(text);
    std::string name;
    std::getline(fields, name, ',');
    std::vector<double> numbers;
    while (std::getline(fields, field, ',')) numbers.push_back(std::stod(field));
    BOOST_TEST_REQUIRE(numbers.size() == 4u + inputs * hidden + hidden * classes);
    result[name].push_back({static_cast<int>(numbers[0]),
                            numbers[1],
                            numbers[2],
                            numbers[3],
                            {numbers.begin() + 4, numbers.end()}});
  }
  return result;
}

/// tanh(X W1) W2 under softmax cross-entropy, from the same bits as in the script.
class Problem {
 public:
  Problem() : parameters({{"W1", {inputs, hidden}}, {"W2", {hidden, classes}}}) {
    for (std::int64_t i = 0; i < rows; ++i) {
      for (std::int64_t j = 0; j < inputs; ++j) {
        x_(i, j) = static_cast<double>((7 * i + 5 * j + i * j) % 13 - 6) / 4;
      }
      y_(i, (i * i + i / 3) % classes) = 1;
    }
    for (std::int64_t i = 0; i < inputs; ++i) {
      for (std::int64_t j = 0; j < hidden; ++j) {
        parameters[0].mutable_value()(i, j) = static_cast<double>((5 * i + 3 * j) % 7 - 3) / 4;
      }
    }
    for (std::int64_t i = 0; i < hidden; ++i) {
      for (std::int64_t j = 0; j < classes; ++j) {
        parameters[1].mutable_value()(i, j) = static_cast<double>((3 * i + 4 * j) % 5 - 2) / 2;
      }
    }
  }

  /// The loss; the gradients are left in parameters.gradients().
  double differentiate() {
    tape_.clear();
    const auto w1 = tape_.parameter(parameters[0]), w2 = tape_.parameter(parameters[1]);
    const auto logits = matmul(tanh(matmul(tape_.input(x_), w1)), w2);
    const auto loss = softmax_cross_entropy(logits, tape_.input(y_));
    const auto found = gradients(loss, {w1, w2});
    for (std::size_t i = 0; i < 2; ++i) {
      std::copy(found[i].value().begin(), found[i].value().end(), parameters[i].gradient().begin());
    }
    return loss.item();
  }

  Parameters<double> parameters;

 private:
  Tensor<double> x_{Shape{rows, inputs}}, y_{Shape{rows, classes}};
  Tape<double> tape_;
};

struct Setting {
  std::string name;
  std::function<Optimizer<double>(const Parameters<double>&)> make;
  double rate;
  Schedule schedule = constant_rate();
  double max_norm = std::numeric_limits<double>::infinity();
};

Setting sgd(const std::string& name, SgdOptions options) {
  return {name, [=](const auto& p) { return Sgd<double>(p, options); }, options.learning_rate};
}
Setting adam(const std::string& name, AdamOptions options) {
  options.beta1 = 0.8, options.beta2 = 0.95, options.epsilon = 1e-3;
  return {name, [=](const auto& p) { return Adam<double>(p, options); }, options.learning_rate};
}
Setting adamw(const std::string& name) {
  const AdamWOptions options{
      .learning_rate = 0.04, .beta1 = 0.8, .beta2 = 0.95, .epsilon = 1e-3, .weight_decay = 0.3};
  return {name, [=](const auto& p) { return AdamW<double>(p, options); }, options.learning_rate};
}
Setting with(Setting setting, Schedule schedule) {
  setting.schedule = std::move(schedule);
  return setting;
}
Setting clipped(Setting setting, double max_norm) {
  setting.max_norm = max_norm;
  return setting;
}

const std::vector<Setting> settings{
    sgd("sgd", {.learning_rate = 0.3}),
    sgd("sgd_decay", {.learning_rate = 0.3, .weight_decay = 0.03}),
    sgd("momentum", {.learning_rate = 0.1, .momentum = 0.8}),
    sgd("momentum_decay", {.learning_rate = 0.1, .momentum = 0.8, .weight_decay = 0.02}),
    sgd("nesterov", {.learning_rate = 0.15, .momentum = 0.7, .nesterov = true}),
    sgd("nesterov_decay",
        {.learning_rate = 0.15, .momentum = 0.7, .nesterov = true, .weight_decay = 0.02}),
    adam("adam", {.learning_rate = 0.03}),
    adam("adam_decay", {.learning_rate = 0.03, .weight_decay = 0.05}),
    adamw("adamw"),
    with(sgd("sgd_step", {.learning_rate = 0.2, .momentum = 0.6, .weight_decay = 0.01}),
         step_decay(15, 0.7)),
    with(adam("adam_cosine", {.learning_rate = 0.04, .weight_decay = 0.02}),
         cosine_decay(100, 0.1)),
    with(adamw("adamw_warm_up_cosine"), warm_up(15, cosine_decay(85, 0.2))),
    clipped(sgd("nesterov_clipped",
                {.learning_rate = 0.3, .momentum = 0.7, .nesterov = true, .weight_decay = 0.01}),
            0.07),
    clipped(with(adamw("adamw_clipped_step"), step_decay(20, 0.6)), 0.07),
};

}  // namespace

BOOST_AUTO_TEST_CASE(a_hundred_steps_are_those_of_pytorch) {
  const auto numbers = read_numbers();
  BOOST_TEST_REQUIRE(numbers.size() == settings.size());
  for (const Setting& setting : settings) {
    BOOST_TEST_CONTEXT(setting.name) {
      const std::vector<Line>& lines = numbers.at(setting.name);
      Problem problem;
      Optimizer<double> optimizer = setting.make(problem.parameters);
      auto expected = lines.begin();
      double worst = 0;
      int clipped_steps = 0;
      for (int step = 0; step < 100; ++step) {
        const double loss = problem.differentiate();
        const double norm = clip_gradient_norm(problem.parameters, setting.max_norm);
        clipped_steps += norm > setting.max_norm;
        const double factor = setting.schedule(step);
        optimizer.step(problem.parameters, factor);
        if (step >= 3 && (step + 1) % 10 != 0) continue;
        BOOST_TEST_REQUIRE((expected != lines.end() && expected->step == step + 1));
        const auto compare = [&](double value, double pytorch) {
          worst = std::max(worst, std::abs(value - pytorch));
        };
        compare(setting.rate * factor, expected->rate);
        compare(loss, expected->loss);
        compare(norm, expected->norm);
        for (std::int64_t i = 0; i < problem.parameters.count(); ++i) {
          compare(problem.parameters.values()[i], expected->weights[static_cast<std::size_t>(i)]);
        }
        ++expected;
      }
      BOOST_TEST_MESSAGE(setting.name << ": largest difference " << worst << ", clipped in "
                                      << clipped_steps << " steps");
      BOOST_TEST(worst <= 1e-12);  // weights, losses and rates are of the order of 1
      BOOST_TEST((expected == lines.end()));
      // A setting that clips must meet both sides of the threshold.
      if (std::isfinite(setting.max_norm)) {
        BOOST_TEST(clipped_steps > 10);
        BOOST_TEST(clipped_steps < 90);
      }
    }
  }
}

// The settings differ from one another by far more than the tolerance: none stands in for another.
BOOST_AUTO_TEST_CASE(no_two_settings_end_at_the_same_weights) {
  const auto numbers = read_numbers();
  for (auto a = numbers.begin(); a != numbers.end(); ++a) {
    for (auto b = std::next(a); b != numbers.end(); ++b) {
      double difference = 0;
      for (std::size_t i = 0; i < a->second.back().weights.size(); ++i) {
        difference = std::max(difference,
                              std::abs(a->second.back().weights[i] - b->second.back().weights[i]));
      }
      BOOST_TEST(difference > 1e-2, a->first << " and " << b->first << ": " << difference);
    }
  }
}
