// Topologies, names, initial weights and copies of an Mlp.
#include <chainrule/autograd/storage/random.hpp>
#include <chainrule/models/mlp.hpp>
#include <chainrule/models/state_dict.hpp>

#include <boost/test/unit_test.hpp>
#include <cmath>

#include "tests/support.hpp"

using namespace chainrule;
using namespace support;

namespace {

std::int64_t count(std::vector<std::int64_t> widths, Bias bias) {
  return Mlp<float>({.widths = std::move(widths), .bias = bias}).parameter_count();
}

std::vector<std::int64_t> deep(std::int64_t inputs) {
  std::vector<std::int64_t> widths{inputs};
  widths.insert(widths.end(), 10, 64);
  widths.push_back(10);
  return widths;
}

struct Moments {
  double mean = 0, deviation = 0, largest = 0;
};
Moments moments(TensorView<const double> values) {
  Moments m;
  for (const double v : values) m.mean += v / static_cast<double>(values.size());
  for (const double v : values) {
    m.deviation += (v - m.mean) * (v - m.mean) / static_cast<double>(values.size());
    m.largest = std::max(m.largest, std::abs(v));
  }
  m.deviation = std::sqrt(m.deviation);
  return m;
}

}  // namespace

// The counts of the reports, or what they should have been: 51,300 (not 51,360), 88,330 (not
// 88,448), 26,464 (not 52,880).
BOOST_AUTO_TEST_CASE(parameter_counts_of_the_reports) {
  BOOST_TEST(count({785, 64, 10}, Bias::trick) == 50880);
  BOOST_TEST(count({784, 64, 10}, Bias::per_layer) == 50890);
  BOOST_TEST(count({785, 32, 10}, Bias::trick) == 25440);
  BOOST_TEST(count({785, 128, 10}, Bias::trick) == 101760);
  BOOST_TEST(count({785, 60, 60, 10}, Bias::trick) == 51300);
  BOOST_TEST(count({784, 64, 64, 10}, Bias::per_layer) == 55050);
  BOOST_TEST(count({785, 32, 32, 10}, Bias::trick) == 26464);
  BOOST_TEST(count(deep(785), Bias::trick) == 87744);
  BOOST_TEST(count(deep(784), Bias::per_layer) == 88330);
  BOOST_TEST(count({785, 10}, Bias::trick) == 7850);
}

BOOST_AUTO_TEST_CASE(initial_weights_have_the_deviation_of_their_rule) {
  const std::vector<std::int64_t> widths{785, 64, 10};
  const auto first = [&](Initialiser initialiser) {
    const Mlp<double> model({.widths = widths, .initialiser = initialiser, .seed = 3});
    return moments(model.parameters()[0].value());
  };
  // Of 50,240 draws the mean lies within 4 standard errors and the deviation within 2 %.
  const double error = 4 / std::sqrt(50240.0);
  const Moments uniform = first(Initialiser::uniform);
  BOOST_TEST(std::abs(uniform.mean) < error * 0.58);
  BOOST_TEST(uniform.deviation == 1 / std::sqrt(3.0), boost::test_tools::tolerance(0.02));
  BOOST_TEST(uniform.largest < 1);
  BOOST_TEST(uniform.largest > 0.999);
  const Moments fan_in = first(Initialiser::fan_in);
  BOOST_TEST(std::abs(fan_in.mean) < error / std::sqrt(785.0));
  BOOST_TEST(fan_in.deviation == 1 / std::sqrt(785.0), boost::test_tools::tolerance(0.02));
  BOOST_TEST(first(Initialiser::he).deviation == std::sqrt(2 / 785.0),
             boost::test_tools::tolerance(0.02));
}

BOOST_AUTO_TEST_CASE(seeds_differ_layers_differ_and_precision_only_rounds) {
  const MlpOptions options{.widths = {8, 8, 8}, .seed = 5};
  MlpOptions other = options;
  other.seed = 6;
  const Mlp<double> a(options), b(other), again(options);
  const Mlp<float> single(options);
  BOOST_TEST(a.parameters()[0].value()[0] != b.parameters()[0].value()[0]);
  BOOST_TEST(a.parameters()[0].value()[0] != a.parameters()[1].value()[0]);
  for (std::int64_t i = 0; i < a.parameter_count(); ++i) {
    BOOST_TEST(a.parameters().values()[i] == again.parameters().values()[i]);
    BOOST_TEST(single.parameters().values()[i] == static_cast<float>(a.parameters().values()[i]));
  }
}

BOOST_AUTO_TEST_CASE(biases_start_at_zero_but_with_uniform_weights) {
  const auto bias = [](Initialiser initialiser) {
    const Mlp<double> model(
        {.widths = {3, 50, 2}, .bias = Bias::per_layer, .initialiser = initialiser});
    return moments(model.parameters()[1].value());
  };
  BOOST_TEST(bias(Initialiser::fan_in).largest == 0);
  BOOST_TEST(bias(Initialiser::he).largest == 0);
  BOOST_TEST(bias(Initialiser::uniform).largest > 0.5);
}

BOOST_AUTO_TEST_CASE(a_bias_that_is_initialised_again_forgets_what_it_has_learnt) {
  Mlp<double> model({.widths = {3, 4, 2}, .bias = Bias::per_layer});
  Parameter<double>& bias = model.parameters()[1];
  for (const Initialiser initialiser : {Initialiser::fan_in, Initialiser::he}) {
    for (double& value : bias.mutable_value()) value = 7;
    initialise_bias(bias, initialiser, 1, 1);
    for (const double value : bias.value()) BOOST_TEST(value == 0);
  }
}

BOOST_AUTO_TEST_CASE(names_of_the_nodes) {
  Mlp<double> model({.widths = {3, 4, 2}, .bias = Bias::per_layer});
  Tensor<double> x(Shape{5, 3}), y(Shape{5, 2});
  Tape<double> tape;
  const auto loss = softmax_cross_entropy(model(tape, tape.input(x)), tape.input(y));
  gradients(loss, {tape.find("W1"), tape.find("b1")});
  for (const char* name :
       {"X", "W1", "b1", "Z1", "A1", "W2", "b2", "Z2", "dW1", "db1", "dZ1", "dA1", "dZ2"}) {
    BOOST_TEST(tape.has_name(name), name);
  }
  BOOST_TEST(!tape.has_name("dW2"));  // not asked for
  BOOST_TEST(tape.find("dW1").shape() == (Shape{3, 4}));
  // A second pass on the same tape keeps the parameters' leaves and suffixes what is taken.
  model(tape, tape.find("X"));
  BOOST_TEST(tape.has_name("Z1#2"));
  BOOST_TEST(!tape.has_name("W1#2"));
}

// What is checked in double is trained in float: the float kernels must be the same functions.
BOOST_AUTO_TEST_CASE(gradients_in_float_are_those_in_double_rounded) {
  for (int activation = 0; activation < 4; ++activation) {
    const Mlp<double> model({.widths = {20, 16, 12, 5},
                             .activation = static_cast<Activation>(activation),
                             .bias = Bias::per_layer,
                             .seed = 11});
    const Mlp<float> rounded(model);
    // The rounded weights, in double again: the two differ by the arithmetic alone.
    const Mlp<double> exact(rounded);
    Tensor<float> x(Shape{9, 20}), y(Shape{9, 5});
    const Random random(12, Purpose::test);
    for (std::int64_t i = 0; i < x.size(); ++i) {
      x[i] = static_cast<float>(random.normal(static_cast<std::uint64_t>(i)));
    }
    for (std::int64_t row = 0; row < 9; ++row) y(row, row % 5) = 1;

    const auto gradient = []<class T>(const Mlp<T>& m, const Tensor<T>& in,
                                      const Tensor<T>& targets) {
      Tape<T> tape;
      const auto loss = softmax_cross_entropy(m(tape, tape.input(in)), tape.input(targets));
      std::vector<Var<T>> leaves;
      for (std::size_t i = 0; i < m.parameters().size(); ++i) {
        leaves.push_back(tape.parameter(m.parameters()[i]));
      }
      std::vector<double> all;
      for (const Var<T>& g : gradients(loss, leaves)) {
        all.insert(all.end(), g.value().begin(), g.value().end());
      }
      return all;
    };
    const std::vector<double> in_float = gradient(rounded, x, y);
    const std::vector<double> in_double = gradient(exact, x.cast<double>(), y.cast<double>());
    double difference = 0, norm = 0;
    for (std::size_t i = 0; i < in_double.size(); ++i) {
      difference += (in_float[i] - in_double[i]) * (in_float[i] - in_double[i]);
      norm += in_double[i] * in_double[i];
    }
    BOOST_TEST(norm > 1e-4);
    BOOST_TEST(std::sqrt(difference / norm) < 1e-6, "activation " << activation);
    BOOST_TEST(difference > 0);  // it was float
  }
}

BOOST_AUTO_TEST_CASE(copies_are_values) {
  Mlp<double> a({.widths = {3, 4, 2}});
  Mlp<double> b = a;
  a.parameters().mutable_values()[0] += 1;
  BOOST_TEST(b.parameters().values()[0] != a.parameters().values()[0]);
  // The copy's layers refer to the copy's own parameters.
  Tensor<double> x = Tensor<double>::filled({1, 3}, 1);
  Tape<double> tape;
  b(tape, tape.input(x));
  BOOST_TEST(tape.find("W1").value().data() == b.parameters()[0].value().data());
  b = a;
  BOOST_TEST(b.parameters().values()[0] == a.parameters().values()[0]);
}

BOOST_AUTO_TEST_CASE(bad_input_is_named) {
  const auto message = [](auto f) -> std::string {
    try {
      f();
    } catch (const ShapeError& error) {
      return error.what();
    }
    return "nothing was thrown";
  };
  BOOST_TEST(message([] { Mlp<float>({.widths = {785}}, {}); }) ==
             "[Mlp] 1 widths: expected at least two, inputs and classes");
  BOOST_TEST(message([] {
               Mlp<float>({.widths = {785, 0, 10}}, {});
             }) == "[Mlp] widths 785-0-10: expected each to be at least 1");
  Mlp<float> model({.widths = {785, 64, 10}});
  Tensor<float> x(Shape{32, 784});
  Tape<float> tape;
  BOOST_TEST(message([&] { model(tape, tape.input(x), {}); }) ==
             "[Mlp] input (32, 784) for 785-64-10: expected (B, 785), the last column being ones");
}

BOOST_AUTO_TEST_CASE(a_model_whose_parameters_are_assigned_to) {
  const MlpOptions options{.widths = {3, 4, 2}, .bias = Bias::per_layer, .seed = 1};
  MlpOptions other = options;
  other.seed = 2;
  Mlp<double> model(options);
  const Mlp<double> source(other);
  Source random(3);
  const Tensor<double> x = random.tensor({5, 3});
  Tape<double> tape;
  const Var<double> y = model(tape, tape.input(x));
  Plan<double> p = plan({y});
  const auto expected = [&](const Mlp<double>& m) {
    Tape<double> anew;
    return Tensor<double>(m(anew, anew.input(x)).value());
  };
  for (const bool whole : {false, true}) {  // the parameters, then the model itself
    model = Mlp<double>(options);
    if (whole) {
      model = source;
    } else {
      model.parameters() = source.parameters();
    }
    p.run();  // the plan's leaves are where they were
    BOOST_TEST(same_bits(p.value(y), expected(source)));
    BOOST_TEST(same_bits(expected(model), expected(source)));
    BOOST_CHECK_THROW(gradients(sum(y), {tape.find("W1")}), UsageError);  // another version
  }
  BOOST_TEST(model.options().seed == 2u);
  model = Mlp<double>({.widths = {3, 2}});  // of another shape: a block of its own
  BOOST_TEST(model.topology() == "3-2");
  BOOST_TEST(expected(model).size() == 10);
}

BOOST_AUTO_TEST_CASE(a_model_that_was_moved_from_is_named) {
  const Tensor<double> x({1, 3});
  Mlp<double> model({.widths = {3, 4, 2}});
  const Parameter<double>* address = &model.parameters()[0];
  Mlp<double> moved = std::move(model);
  BOOST_TEST(&moved.parameters()[0] == address);
  Tape<double> tape;
  const Var<double> leaf = tape.input(x);
  check_error<UsageError>([&] { model(tape, leaf); }, "[Mlp] a model that was moved from is used");
  BOOST_CHECK_THROW(model.parameter_count(), UsageError);
  BOOST_CHECK_THROW(state_dict(model), UsageError);
  BOOST_CHECK_THROW(Mlp<double> copy(model), UsageError);
  BOOST_TEST(model.topology().empty());
  BOOST_TEST(tape.size() == 1u);
  model = moved;
  BOOST_TEST(model(tape, leaf).shape().size() == 2);
  const Parameters<double> taken = std::move(moved.parameters());
  BOOST_CHECK_THROW(moved(tape, leaf), UsageError);
  moved.parameters() = Parameters<double>({{"W1", {3, 4}}});
  check_error<UsageError>([&] { moved(tape, leaf); },
                          "[Mlp] its parameters were moved away or exchanged for others");
}
