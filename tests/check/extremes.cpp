// Diagnosis of what is zero, huge, or not finite: nothing passes because nothing can be relative to
// it, nothing gets a name, and whatever is said can be printed.
#include <boost/test/unit_test.hpp>
#include <chainrule/autograd/storage/random.hpp>
#include <chainrule/check/diagnose.hpp>
#include <chainrule/models/mlp.hpp>
#include <chainrule/ops/ops.hpp>

#include <cmath>
#include <functional>
#include <limits>
#include <map>
#include <string>
#include <vector>

using namespace chainrule;

namespace {

using Values = std::map<std::string, Tensor<double>>;

/// A network with biases, and what the tape says of it, by name.
struct Network {
  Mlp<double> model;
  Tensor<double> x, y;
  Tape<double> tape;
  Var<double> loss;

  Network(std::int64_t samples, std::vector<std::int64_t> widths, Activation activation,
          double weight_scale = 1)
      : model({.widths = widths, .activation = activation, .bias = Bias::per_layer, .seed = 3}),
        x({samples, widths.front()}),
        y({samples, widths.back()}) {
    const Random random(8, Purpose::test);
    for (std::int64_t i = 0; i < x.size(); ++i) {
      x[i] = random.uniform(static_cast<std::uint64_t>(i), 0.5, 1);
    }
    for (std::int64_t n = 0; n < samples; ++n) y(n, n % widths.back()) = 1;
    for (double& w : model.parameters().mutable_values()) w *= weight_scale;
    loss = softmax_cross_entropy(model(tape, tape.input(x)), tape.input(y));
  }
  Tensor<double> right(const std::string& name) {
    const std::vector<Var<double>> wrt{tape.find(name.substr(1))};
    return Tensor<double>(gradients(loss, wrt)[0].value());
  }
  Diagnosis diagnosed(const Values& values, const DiagnoseOptions<double>& options = {}) {
    std::vector<NamedValue<double>> hand;
    for (const auto& [name, value] : values) hand.push_back({name, value});
    return diagnose(loss, std::span<const NamedValue<double>>(hand), options);
  }
};

Tensor<double> noise(const Shape& shape, double size) {
  const Random random(21, Purpose::test);
  Tensor<double> result(shape);
  for (std::int64_t i = 0; i < result.size(); ++i) {
    result[i] = size * random.normal(static_cast<std::uint64_t>(i));
  }
  return result;
}
Tensor<double> times(Tensor<double> x, double c) {
  for (double& v : x) v *= c;
  return x;
}

/// Text, JSON and picture: whatever was found, they end.
void expect_printable(const Diagnosis& d) {
  BOOST_TEST(to_string(d).starts_with("diagnosis: "));
  BOOST_TEST(to_json(d).starts_with("{"));
  if (!d.curve) return;
  const std::string svg = to_svg(*d.curve);
  BOOST_TEST(svg.size() < 100'000u);
  BOOST_TEST(svg.find("nan") == std::string::npos);
  BOOST_TEST(svg.find("inf\"") == std::string::npos);
}
void expect_wrong_and_unnamed(const Diagnosis& d) {
  BOOST_TEST(!d);
  BOOST_TEST((d.verdict == DiagnosisVerdict::wrong));
  BOOST_TEST(d.mistakes.empty());
  BOOST_TEST(d.pairs.empty());
  for (const Finding& f : d.findings) BOOST_TEST(f.mistakes.empty(), f.tensor);
  expect_printable(d);
}

}  // namespace

BOOST_AUTO_TEST_CASE(what_should_be_zero_and_is_not_is_wrong) {
  // All sigmoids are saturated, so that dW1 is zero, and its noise is of no size.
  Network saturated(10, {5, 6, 3}, Activation::sigmoid, 1e4);
  BOOST_REQUIRE(saturated.right("dW1")[0] == 0);
  for (const double size : {1e-3, 1.0, 1e6}) {
    expect_wrong_and_unnamed(
        saturated.diagnosed({{"dW1", noise({5, 6}, size)}, {"dW2", saturated.right("dW2")}}));
  }
  BOOST_TEST(bool(saturated.diagnosed({{"dW1", saturated.right("dW1")}})));
  // One class: every gradient is zero.
  Network single(10, {5, 6, 1}, Activation::sigmoid);
  expect_wrong_and_unnamed(
      single.diagnosed({{"dW1", noise({5, 6}, 1)}, {"dW2", noise({6, 1}, 1)}}));
  // One sample: 1/N is 1, and a delta that should be zero is not left to anybody.
  Network dead(1, {5, 6, 3}, Activation::relu, 1);
  for (double& w : dead.model.parameters()[0].mutable_value()) w = -1;
  Tape<double> tape;
  const auto loss = softmax_cross_entropy(dead.model(tape, tape.input(dead.x)), tape.input(dead.y));
  const Tensor<double> dz = noise({1, 6}, 1), dw({5, 6});
  const std::vector<NamedValue<double>> hand{{"dZ1", dz}, {"dW1", dw}};
  BOOST_TEST(!diagnose(loss, std::span<const NamedValue<double>>(hand)));
}

BOOST_AUTO_TEST_CASE(where_1_by_n_stands_needs_evidence) {
  Network net(7, {5, 6, 3}, Activation::tanh);
  const auto n_times = [&](const char* name) { return times(net.right(name), 7); };
  // All deltas leave it to the gradients of the parameters: another way to write the same.
  BOOST_TEST(bool(net.diagnosed({{"dZ2", n_times("dZ2")},
                                 {"dW2", net.right("dW2")},
                                 {"dZ1", n_times("dZ1")},
                                 {"dW1", net.right("dW1")}})));
  // One of them has it already; or what is made of it is not there.
  for (const Values& values :
       {Values{{"dZ2", net.right("dZ2")}, {"dW2", net.right("dW2")}, {"dZ1", n_times("dZ1")}},
        Values{{"db2", net.right("db2")}, {"dZ1", n_times("dZ1")}},
        Values{{"dA1", n_times("dA1")}, {"dZ1", net.right("dZ1")}, {"dW1", net.right("dW1")}}}) {
    const Diagnosis d = net.diagnosed(values);
    BOOST_TEST((d.verdict == DiagnosisVerdict::wrong));
  }
}

BOOST_AUTO_TEST_CASE(huge_gradients_have_no_name_and_can_be_printed) {
  Network net(8, {12, 6, 3}, Activation::tanh);
  for (const double size : {1e150, 1e300, 1e307}) {
    const Values all{
        {"dZ1", noise({8, 6}, size)}, {"dW1", noise({12, 6}, size)}, {"dW2", net.right("dW2")}};
    expect_wrong_and_unnamed(net.diagnosed(all));
    expect_wrong_and_unnamed(net.diagnosed({{"dW1", all.at("dW1")}}));
    expect_wrong_and_unnamed(net.diagnosed({{"dZ1", all.at("dZ1")}, {"dZ2", net.right("dZ2")}}));
  }
  Tensor<double> huge({12, 6});
  for (double& v : huge) v = 1e308;
  expect_wrong_and_unnamed(net.diagnosed({{"dW1", huge}, {"dW2", net.right("dW2")}}));
  const double nan = std::numeric_limits<double>::quiet_NaN();
  for (const Shape& shape : {Shape{6}, Shape{8}, Shape{8, 6}}) {
    Tensor<double> bias(shape);
    for (double& v : bias) v = nan;
    const Diagnosis d = net.diagnosed({{"db1", bias}});
    BOOST_TEST(!d);
    BOOST_TEST(d.mistakes.empty());
    expect_printable(d);
  }
}

BOOST_AUTO_TEST_CASE(one_number_is_explained_by_no_free_number) {
  Network net(5, {1, 1, 2}, Activation::tanh);
  for (const double wrong : {-0.1, 0.3, 2.0}) {
    Tensor<double> dw({1, 1});
    dw[0] = wrong;
    for (const NamedMistake& m : net.diagnosed({{"dW1", dw}}).mistakes) {
      BOOST_TEST(m.parameters.empty(), m.id);
    }
  }
}

BOOST_AUTO_TEST_CASE(curves_of_any_numbers_are_drawn_or_left_out) {
  const double inf = std::numeric_limits<double>::infinity();
  for (const std::vector<double>& values : std::vector<std::vector<double>>{{-1.7e308, 1.7e308},
                                                                            {1e-323, 0},
                                                                            {1.79e308, 0},
                                                                            {1e308, 1},
                                                                            {0, 0},
                                                                            {inf, 1},
                                                                            {std::nan(""), 1},
                                                                            {1e-300, 2e-300},
                                                                            {-1e299, 1e299},
                                                                            {}}) {
    Diagnosis d;
    d.curve = RecoveredCurve{
        .node = "A1", .activation = "tanh", .z = {0, 1}, .hand = values, .right = {1, 0.5}};
    expect_printable(d);
    std::swap(d.curve->z, d.curve->hand);
    expect_printable(d);
  }
}

BOOST_AUTO_TEST_CASE(a_tolerance_is_one_between_0_and_1) {
  Network net(5, {4, 3, 2}, Activation::tanh);
  const Values right{{"dW1", net.right("dW1")}};
  for (const double tolerance : {0.0, -1.0, 1.0, HUGE_VAL, std::nan("")}) {
    DiagnoseOptions<double> options;
    options.tolerance = tolerance;
    BOOST_CHECK_EXCEPTION(net.diagnosed(right, options), UsageError, [](const UsageError& error) {
      return std::string(error.what()).find("expected one between 0 and 1") != std::string::npos;
    });
  }
  DiagnoseOptions<double> options;
  options.tolerance = 1e-6;
  BOOST_TEST(bool(net.diagnosed(right, options)));
}
