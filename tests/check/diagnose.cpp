// diagnose on networks: where a planted mistake lies, and its name.
#include <boost/test/unit_test.hpp>

#include <chainrule/check/boost_test.hpp>
#include <chainrule/check/diagnose.hpp>
#include <chainrule/check/explain.hpp>
#include <chainrule/models/mlp.hpp>
#include <chainrule/autograd/storage/random.hpp>
#include <chrono>
#include <iostream>
#include <set>

using namespace chainrule;

namespace {

Tensor<double> random_tensor(const Shape& shape, std::uint32_t seed, double low, double high) {
  const Random random(seed, Purpose::check, 0);
  Tensor<double> result(shape);
  for (std::int64_t i = 0; i < result.size(); ++i) {
    result[i] = random.uniform(static_cast<std::uint64_t>(i), low, high);
  }
  return result;
}

/// A step of an Mlp, and its right gradients to plant mistakes in.
struct Step {
  Mlp<double> model;
  Tensor<double> x, y;
  Tape<double> tape;
  Var<double> loss;

  Step(std::vector<std::int64_t> widths, Activation activation, std::int64_t n, Bias bias,
       std::uint32_t seed = 1)
      : model({.widths = widths, .activation = activation, .bias = bias, .seed = seed}),
        x(random_tensor({n, widths.front()}, seed, -1, 1)),
        y({n, widths.back()}) {
    for (std::int64_t i = 0; i < n; ++i) {
      y(i, (i * 7 + seed) % widths.back()) = 1;
      if (bias == Bias::trick) x(i, widths.front() - 1) = 1;
    }
    loss = softmax_cross_entropy(model(tape, tape.input(x)), tape.input(y));
    std::vector<Var<double>> parameters;
    for (std::size_t i = 0; i < model.parameters().size(); ++i) {
      parameters.push_back(tape.parameter(model.parameters()[i]));
    }
    gradients(loss, parameters);
  }
  Tensor<double> right(std::string_view name) { return Tensor<double>(tape.find(name).value()); }
};

Tensor<double> times(Tensor<double> x, double factor) {
  for (double& v : x) v *= factor;
  return x;
}

std::set<std::string> ids(const Diagnosis& d) {
  std::set<std::string> result;
  for (const NamedMistake& m : d.mistakes) result.insert(m.id);
  return result;
}

}  // namespace

BOOST_AUTO_TEST_CASE(inner_slope_missing_on_785_64_10) {
  Step step({785, 64, 10}, Activation::improved_sigmoid, 100, Bias::trick);
  const Tensor<double> dw2 = step.right("dW2"), dw1 = times(step.right("dW1"), 1.5);
  const auto start = std::chrono::steady_clock::now();
  const Diagnosis d = diagnose(step.loss, {{"dW1", dw1}, {"dW2", dw2}});
  std::cout << std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count()
            << " s\n" << to_string(d);
  BOOST_TEST(!d);
  BOOST_TEST(d.layer == 1);
  BOOST_TEST(ids(d) == std::set<std::string>{"inner-slope-missing"}, boost::test_tools::per_element());
}

BOOST_AUTO_TEST_CASE(mean_missing) {
  Step step({6, 5, 4}, Activation::sigmoid, 7, Bias::per_layer);
  const Tensor<double> w1 = times(step.right("dW1"), 7), w2 = times(step.right("dW2"), 7),
                       b1 = times(step.right("db1"), 7), b2 = times(step.right("db2"), 7);
  const Diagnosis d = diagnose(step.loss, {{"dW1", w1}, {"db1", b1}, {"dW2", w2}, {"db2", b2}});
  std::cout << to_string(d);
  BOOST_TEST(ids(d) == (std::set<std::string>{"mean-missing", "erratum-e4"}), boost::test_tools::per_element());
}

BOOST_AUTO_TEST_CASE(right_gradients) {
  Step step({6, 5, 4}, Activation::tanh, 7, Bias::per_layer);
  const Tensor<double> w1 = step.right("dW1"), b2 = step.right("db2"), z1 = step.right("dZ1");
  const Diagnosis d = diagnose(step.loss, {{"dW1", w1}, {"db2", b2}, {"dZ1", z1}});
  std::cout << to_string(d) << to_json(d);
  BOOST_TEST(passes(d));
}

BOOST_AUTO_TEST_CASE(explains) {
  Step step({6, 5, 4}, Activation::sigmoid, 7, Bias::per_layer);
  std::cout << explain(step.loss, step.tape.find("W1"));
  const Tensor<double> w1 = times(step.right("dW1"), -1), w2 = step.right("dW2");
  const Diagnosis d = diagnose(step.loss, {{"dW1", w1}, {"dW2", w2}});
  std::cout << to_string(d) << to_dot(step.loss, d);
}
