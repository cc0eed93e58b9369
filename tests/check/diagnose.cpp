// diagnose on networks: where a planted mistake lies, its name, and what can be said without one.
// Every gradient here is computed by loops of this file, which know nothing of the tape.
#include <boost/test/unit_test.hpp>

#include <chainrule/autograd/storage/random.hpp>
#include <chainrule/check/boost_test.hpp>
#include <chainrule/check/diagnose.hpp>
#include <chainrule/check/explain.hpp>
#include <chainrule/check/mistakes.hpp>
#include <chainrule/models/mlp.hpp>
#include <nlohmann/json.hpp>

#include <algorithm>
#include <cmath>
#include <functional>
#include <map>
#include <set>
#include <string>

#include "tests/sanitized.hpp"

using namespace chainrule;

namespace {

using Matrix = Tensor<double>;
using Values = std::map<std::string, Matrix>;
using Ids = std::set<std::string>;

/// op(A) op(B) as a sum.
Matrix product(const Matrix& a, const Matrix& b, bool ta = false, bool tb = false) {
  const std::int64_t m = a.shape()[ta], k = a.shape()[!ta], n = b.shape()[!tb];
  Matrix c(Shape{m, n});
  for (std::int64_t i = 0; i < m; ++i) {
    for (std::int64_t j = 0; j < n; ++j) {
      for (std::int64_t l = 0; l < k; ++l)
        c(i, j) += (ta ? a(l, i) : a(i, l)) * (tb ? b(j, l) : b(l, j));
    }
  }
  return c;
}
Matrix map(Matrix x, const std::function<double(double)>& f) {
  for (double& v : x) v = f(v);
  return x;
}
Matrix times(const Matrix& x, double c) {
  return map(x, [c](double v) { return c * v; });
}
Matrix times(Matrix x, const Matrix& y) {
  for (std::int64_t i = 0; i < x.size(); ++i) x[i] *= y[i];
  return x;
}
Matrix random_matrix(const Shape& shape, std::uint32_t seed) {
  const Random random(seed, Purpose::check, 0);
  Matrix result(shape);
  for (std::int64_t i = 0; i < result.size(); ++i) {
    result[i] = random.uniform(static_cast<std::uint64_t>(i), -1, 1);
  }
  return result;
}

/// A tanh network of two layers under the bias trick on the tape, and its derivation by loops, in
/// which `slope` stands for tanh', and what the tests change.
struct Step {
  Mlp<double> model;
  Matrix x, y;
  Tape<double> tape;
  Var<double> loss;
  std::function<double(double)> slope = [](double z) { return 1 - std::tanh(z) * std::tanh(z); };
  double output_factor = 1;
  bool forget_slope = false;

  explicit Step(std::int64_t samples = 6, std::vector<std::int64_t> widths = {9, 7, 4},
                std::uint32_t seed = 1)
      : model({.widths = widths, .activation = Activation::tanh, .seed = seed}),
        x(random_matrix({samples, widths.front()}, seed)),
        y({samples, widths.back()}) {
    for (std::int64_t n = 0; n < samples; ++n) {
      x(n, widths.front() - 1) = 1;
      y(n, (n * 3 + seed) % widths.back()) = 1;
    }
    loss = softmax_cross_entropy(model(tape, tape.input(x)), tape.input(y));
  }
  Matrix weights(std::size_t l) const { return Matrix(model.parameters()[l - 1].value()); }

  Values derive() const {
    Values v;
    v["Z1"] = product(x, weights(1));
    v["A1"] = map(v["Z1"], [](double z) { return std::tanh(z); });
    v["Z2"] = product(v["A1"], weights(2));
    Matrix d = map(v["Z2"], [](double z) { return std::exp(z); });
    for (std::int64_t n = 0; n < d.shape()[0]; ++n) {
      double total = 0;
      for (std::int64_t k = 0; k < d.shape()[1]; ++k) total += d(n, k);
      for (std::int64_t k = 0; k < d.shape()[1]; ++k) {
        d(n, k) = (d(n, k) / total - y(n, k)) / static_cast<double>(d.shape()[0]);
      }
    }
    v["dZ2"] = times(d, output_factor);
    v["dW2"] = product(v["A1"], v["dZ2"], true);
    v["dA1"] = product(v["dZ2"], weights(2), false, true);
    v["dZ1"] = forget_slope ? v["dA1"] : times(v["dA1"], map(v["Z1"], slope));
    v["dW1"] = product(x, v["dZ1"], true);
    return v;
  }
};

Diagnosis diagnosed(Step& step, const Values& values, const std::vector<std::string>& names,
                    const DiagnoseOptions<double>& options = {}) {
  std::vector<NamedValue<double>> hand;
  for (const std::string& name : names) hand.push_back({name, values.at(name)});
  return diagnose(step.loss, std::span<const NamedValue<double>>(hand), options);
}

const std::vector<std::string> parameters{"dW1", "dW2"};
const std::vector<std::string> everything{"Z1", "A1", "Z2", "dZ2", "dW2", "dA1", "dZ1", "dW1"};

Ids ids(const std::vector<NamedMistake>& mistakes) {
  Ids result;
  for (const NamedMistake& m : mistakes) result.insert(m.id);
  return result;
}
const Finding& finding(const Diagnosis& d, std::string_view tensor) {
  const auto found = std::ranges::find(d.findings, tensor, &Finding::tensor);
  BOOST_REQUIRE(found != d.findings.end());
  return *found;
}

}  // namespace

#define TEST_IDS(mistakes, ...) \
  BOOST_TEST(ids(mistakes) == (Ids __VA_ARGS__), boost::test_tools::per_element())

BOOST_AUTO_TEST_CASE(the_right_derivation_is_right) {
  Step step;
  for (const auto& names : {parameters, everything}) {
    const Diagnosis d = diagnosed(step, step.derive(), names);
    BOOST_TEST(passes(d));
    BOOST_TEST(to_string(d.verdict) == "right");
    BOOST_TEST(d.mistakes.empty());
  }
}

BOOST_AUTO_TEST_CASE(the_first_fault_is_found_and_what_lies_below_is_contaminated) {
  Step step;
  Values v = step.derive();
  v["dA1"][3] += 0.1;  // in no catalogue
  v["dZ1"] = times(v["dA1"], map(v["Z1"], step.slope));
  v["dW1"] = product(step.x, v["dZ1"], true);
  const Diagnosis d = diagnosed(step, v, everything);
  BOOST_TEST(!d);
  BOOST_TEST(d.tensor == "dA1");
  BOOST_TEST(d.layer == 1);
  BOOST_TEST(d.mistakes.empty());
  BOOST_TEST(finding(d, "dA1").is_first_fault);
  BOOST_TEST(finding(d, "dA1").worst.at(0).index == 3);
  BOOST_TEST(finding(d, "dZ1").contaminated);
  BOOST_TEST(finding(d, "dW1").contaminated);
  BOOST_TEST(to_string(finding(d, "dW2").verdict) == "right");
  BOOST_TEST(to_string(d).find("no known mistake fits") != std::string::npos);
}

BOOST_AUTO_TEST_CASE(two_faults_are_told_apart_and_each_is_named) {
  Step step;
  step.output_factor = -1;
  step.forget_slope = true;
  const Diagnosis d = diagnosed(step, step.derive(), everything);
  BOOST_TEST(d.tensor == "dZ2");
  TEST_IDS(d.mistakes, {"sign", "label-prediction-swapped", "erratum-e1"});
  BOOST_TEST(!finding(d, "dZ1").contaminated);
  BOOST_TEST(finding(d, "dA1").contaminated);
  BOOST_TEST(finding(d, "dW1").contaminated);
  TEST_IDS(finding(d, "dZ1").mistakes, {"derivative-missing"});
}

// A fault that is in no catalogue takes no name from another: neither from one above it nor below.
BOOST_AUTO_TEST_CASE(of_two_faults_the_one_that_is_known_is_named) {
  const Matrix noise = random_matrix({6, 7}, 17), output_noise = random_matrix({6, 4}, 18);
  Step step;
  step.output_factor = -1;
  Values v = step.derive();
  for (std::int64_t i = 0; i < noise.size(); ++i) v["dZ1"][i] += 0.1 * noise[i];
  v["dW1"] = product(step.x, v["dZ1"], true);
  const Diagnosis upper = diagnosed(step, v, everything);
  BOOST_TEST(upper.tensor == "dZ2");
  TEST_IDS(upper.mistakes, {"sign", "label-prediction-swapped", "erratum-e1"});
  BOOST_TEST(finding(upper, "dZ1").mistakes.empty());
  BOOST_TEST(!finding(upper, "dZ1").contaminated);
  BOOST_TEST(!finding(upper, "dZ1").explained);
  BOOST_TEST(!finding(upper, "dW1").explained);
  BOOST_TEST(to_string(upper).find("layer 1, dZ1 (6 x 7): WRONG (error") != std::string::npos);

  step.output_factor = 1;
  v = step.derive();
  for (std::int64_t i = 0; i < output_noise.size(); ++i) v["dZ2"][i] += 0.1 * output_noise[i];
  v["dW2"] = product(v["A1"], v["dZ2"], true);
  v["dA1"] = v["dZ1"] = product(v["dZ2"], step.weights(2), false, true);
  v["dW1"] = product(step.x, v["dZ1"], true);
  const Diagnosis lower = diagnosed(step, v, everything);
  BOOST_TEST(lower.tensor == "dZ2");
  BOOST_TEST(lower.mistakes.empty());
  TEST_IDS(finding(lower, "dZ1").mistakes, {"derivative-missing"});
  const std::string text = to_string(lower);
  BOOST_TEST(text.find("no known mistake fits") != std::string::npos, text);
  BOOST_TEST(text.find("layer 1, dZ1 (6 x 7): WRONG, by a fault of its own") != std::string::npos,
             text);
}

BOOST_AUTO_TEST_CASE(two_mistakes_at_once_from_the_parameters_alone) {
  Step step(8);  // more samples than hidden units: dZ2 cannot be recovered
  step.forget_slope = true;
  step.output_factor = 8;
  const Diagnosis d = diagnosed(step, step.derive(), parameters);
  BOOST_TEST(d.mistakes.empty());
  BOOST_REQUIRE(!d.pairs.empty());
  BOOST_TEST(d.pairs[0].first.id == "mean-missing");
  BOOST_TEST(d.pairs[0].second.id == "derivative-missing");
}

BOOST_AUTO_TEST_CASE(a_delta_without_its_mean_is_another_way_to_write_it) {
  Step step;
  Values v = step.derive();
  for (const char* name : {"dZ2", "dA1", "dZ1"}) v[name] = times(v[name], 6);
  const Diagnosis d = diagnosed(step, v, {"dZ2", "dA1", "dZ1", "dW1", "dW2"});
  BOOST_TEST(passes(d));
  BOOST_TEST(!d.notes.empty());
  v["dW1"] = times(v["dW1"], 6);
  BOOST_TEST(!diagnosed(step, v, {"dZ2", "dA1", "dZ1", "dW1", "dW2"}));
}

BOOST_AUTO_TEST_CASE(zeros_are_said_to_be_zeros) {
  Step step;
  Values v = step.derive();
  v["dW1"] = Matrix(Shape{9, 7});
  Diagnosis d = diagnosed(step, v, parameters);
  BOOST_TEST(to_string(d).find("1 of the 2 gradients is zero everywhere") != std::string::npos);
  v["dW2"] = Matrix(Shape{7, 4});
  d = diagnosed(step, v, parameters);
  const std::string text = to_string(d);
  BOOST_TEST(text.find("you have zero everywhere: was the backward pass run") != std::string::npos,
             text);
  BOOST_TEST(text.find("it is zero everywhere") != std::string::npos);
  BOOST_TEST(text.find("x the correct one") == std::string::npos);
  BOOST_TEST(d.mistakes.empty());
}

// Without a name a factor is still said, by the step's own numbers, and once for all layers.
BOOST_AUTO_TEST_CASE(a_factor_everywhere_is_said_once) {
  Step step(8);  // K = 4
  Values v = step.derive();
  for (const std::string& name : parameters) v[name] = times(v[name], -1.0 / 28);
  Diagnosis d = diagnosed(step, v, parameters);
  BOOST_TEST(d.mistakes.empty());
  BOOST_TEST(finding(d, "dW2").factor.empty());  // 28 is none of 8, 4, 32, 7
  std::string text = to_string(d);
  BOOST_TEST(text.find("layer 1, dW1 (9 x 7): WRONG, -0.03571429 x the correct one, as in layer 2, "
                       "dW2\n") != std::string::npos,
             text);
  BOOST_TEST(text.find("all of it is -0.03571429 x the right one") != std::string::npos, text);
  BOOST_TEST(text.find("hand in") == std::string::npos, text);

  v = step.derive();
  v["dW2"] = times(v["dW2"], 32);
  v["dW1"] = times(v["dW1"], -1.0 / 7);
  d = diagnosed(step, v, parameters);
  BOOST_TEST(finding(d, "dW2").factor == "N K");
  BOOST_TEST(finding(d, "dW1").factor == "-1/(N - 1)");
  text = to_string(d);
  BOOST_TEST(text.find("gradient is 32 = N K x the correct one") != std::string::npos, text);
  BOOST_TEST(text.find("-0.1428571 = -1/(N - 1) x the correct one\n") != std::string::npos, text);
}

BOOST_AUTO_TEST_CASE(what_would_decide_is_asked_for) {
  Step step(8);
  Values v = step.derive();
  const Matrix noise = random_matrix({9, 7}, 31), more = random_matrix({7, 4}, 32);
  for (std::int64_t i = 0; i < noise.size(); ++i) v["dW1"][i] *= 1 + noise[i];
  const std::string lower = to_string(diagnosed(step, v, {"dW1", "dW2"}));
  BOOST_TEST(lower.find("hand in Z1") == std::string::npos, lower);  // layer 2 is right
  for (std::int64_t i = 0; i < more.size(); ++i) v["dW2"][i] *= 1 + more[i];
  const std::string both = to_string(diagnosed(step, v, {"dW1", "dW2"}));
  BOOST_TEST(both.find("hand in Z1 and A1 too") != std::string::npos, both);
  BOOST_TEST(both.find("hand in dZ2") != std::string::npos, both);
  const std::string given = to_string(diagnosed(step, v, everything));
  BOOST_TEST(given.find("hand in") == std::string::npos, given);
}

// What goes down through W2 is dA1, and the formula is that of layer 1.
BOOST_AUTO_TEST_CASE(the_formula_of_a_way_down_is_that_of_the_layer_below) {
  Step step(6, {9, 4, 4});
  Values v = step.derive();
  v["dA1"] = product(v["dZ2"], step.weights(2));
  v["dZ1"] = times(v["dA1"], map(v["Z1"], step.slope));
  v["dW1"] = product(step.x, v["dZ1"], true);
  const Diagnosis d = diagnosed(step, v, parameters);
  TEST_IDS(d.mistakes, {"weights-not-transposed"});
  BOOST_TEST(d.mistakes[0].have == "dA1 = dZ2 W2");
  BOOST_TEST(d.mistakes[0].should == "dA1 = dZ2 W2^T");
}

// A decay that the loss has not, of a model that is no classifier.
BOOST_AUTO_TEST_CASE(weight_decay_is_named_on_any_graph) {
  const Matrix x = random_matrix({8, 3}, 1), w = random_matrix({3, 2}, 2),
               c = random_matrix({2}, 3), t = random_matrix({8, 2}, 4);
  Tape<double> tape;
  const Var<double> W = named(tape.input(w), "W"), C = named(tape.input(c), "c");
  const Var<double> loss = mse(tanh(matmul(tape.input(x), W) + C), tape.input(t));
  const auto right = gradients(loss, {W, C});
  Matrix dw(right[0].value()), dc(right[1].value());
  for (std::int64_t i = 0; i < w.size(); ++i) dw[i] += 0.02 * w[i];
  const Diagnosis alone = diagnose(loss, {{"dW", dw}, {"dc", dc}});
  TEST_IDS(alone.mistakes, {"weight-decay-extra"});
  BOOST_TEST(alone.mistakes[0].parameters.at(0).second == 0.02, boost::test_tools::tolerance(1e-9));
  BOOST_TEST(alone.mistakes[0].have == "dW = g + lambda W");
  for (std::int64_t i = 0; i < c.size(); ++i) dc[i] += 0.02 * c[i];
  TEST_IDS(diagnose(loss, {{"dW", dw}, {"dc", dc}}).mistakes, {"weight-decay-extra"});
  for (std::int64_t i = 0; i < c.size(); ++i) dc[i] += 0.02 * c[i];  // another lambda: none fits
  BOOST_TEST(diagnose(loss, {{"dW", dw}, {"dc", dc}}).mistakes.empty());
  // one number is a multiple of any other
  const Tensor<double> s(Shape{1}, std::vector<double>{0.5});
  const Var<double> S = named(tape.input(s), "s");
  const Tensor<double> ds(Shape{1}, std::vector<double>{0.9});
  BOOST_TEST(diagnose(sum(tanh(S)), {{"ds", ds}}).mistakes.empty());
}

// What has no name is called by its operation and inputs.
BOOST_AUTO_TEST_CASE(nodes_without_a_name_are_spelled_out) {
  const Matrix x = random_matrix({8, 3}, 1), s = random_matrix({3}, 2);
  Tape<double> tape;
  const Var<double> X = named(tape.input(x), "X"), S = named(tape.input(s), "s");
  const Var<double> loss = mean(square(tanh(X * S)));
  const Matrix right(gradients(loss, {S})[0].value());
  Matrix wrong(Shape{3});  // tanh' left out
  for (std::int64_t n = 0; n < 8; ++n) {
    for (std::int64_t j = 0; j < 3; ++j) {
      wrong[j] += 2 * std::tanh(x(n, j) * s[j]) * x(n, j) / 24;
    }
  }
  const Diagnosis d = diagnose(loss, {{"ds", wrong}});
  TEST_IDS(d.mistakes, {"derivative-missing"});
  const std::string text = to_string(d);
  BOOST_TEST(text.find('%') == std::string::npos, text);
  BOOST_TEST(text.find("the activation's derivative is missing in the rule of tanh(mul(X, s))") !=
                 std::string::npos,
             text);
  BOOST_TEST(d.mistakes[0].should == "d(mul(X, s)) = d(tanh(mul(X, s))) o (1 - tanh(mul(X, s))^2)");
  const Diagnosis sum = diagnose(loss, {{"ds", times(right, 24)}});
  const auto mean = std::ranges::find(sum.mistakes, "mean-as-sum", &NamedMistake::id);
  BOOST_REQUIRE(mean != sum.mistakes.end());
  BOOST_TEST(mean->have.find("scale(sum(square(tanh(mul(X, s)))), 0.0416667)") != std::string::npos,
             mean->have);
}

// The right derivative is not accused where dW1 is wrong by another cause: its dZ1 by dA1 is no
// function of z.
BOOST_AUTO_TEST_CASE(what_is_no_function_of_z_accuses_no_derivative) {
  for (std::uint32_t seed = 0; seed < 20; ++seed) {
    Step step = seed % 2 ? Step(8, {12, 9, 4}, seed) : Step(20, {30, 24, 4}, seed);
    const auto continued = [&](Values v) {
      v["dZ1"] = times(v["dA1"], map(v["Z1"], step.slope));
      v["dW1"] = product(step.x, v["dZ1"], true);
      return v;
    };
    const Matrix w2 = step.weights(2);
    Values absolute = step.derive(), rolled = absolute, noise = absolute, row = absolute;
    absolute["dA1"] =
        product(absolute["dZ2"], map(w2, [](double w) { return std::abs(w); }), false, true);
    Matrix next(w2);
    for (std::int64_t j = 0; j < w2.size(); ++j) next[j] = w2[(j + 4) % w2.size()];
    rolled["dA1"] = product(rolled["dZ2"], next, false, true);
    noise["dA1"] = random_matrix(noise["dA1"].shape(), seed + 1000);
    for (std::int64_t j = 0; j < w2.shape()[0]; ++j) row["dA1"](3, j) *= j % 3 == 0 ? 1.0 : 1.3;
    for (const Values& v :
         {continued(absolute), continued(rolled), continued(noise), continued(row)}) {
      for (const auto& names : {parameters, everything}) {
        const Diagnosis d = diagnosed(step, v, names);
        BOOST_TEST(d.layer == 1);
        BOOST_TEST(!d.curve.has_value());
        BOOST_TEST(to_string(d).find("your f' is not f'") == std::string::npos);
      }
    }
  }
}

// A wrong derivative of a wrong dA1 that was handed in is told from both.
BOOST_AUTO_TEST_CASE(the_users_own_deltas_stand_above_the_curve) {
  Step step(8, {12, 9, 4}, 3);
  Values v = step.derive();
  v["dA1"] = random_matrix(v["dA1"].shape(), 77);
  v["dZ1"] = times(v["dA1"], map(v["Z1"], [](double z) { return std::exp(-z * z / 3); }));
  v["dW1"] = product(step.x, v["dZ1"], true);
  const Diagnosis d = diagnosed(step, v, {"dZ2", "dA1", "dZ1", "dW1", "dW2"});
  BOOST_REQUIRE(d.curve.has_value());
  for (std::size_t i = 0; i < d.curve->z.size(); ++i) {
    BOOST_TEST(std::abs(d.curve->hand[i] - std::exp(-d.curve->z[i] * d.curve->z[i] / 3)) < 1e-9);
  }
}

// What a right gradient of the same layer contradicts is not said.
BOOST_AUTO_TEST_CASE(a_right_gradient_beside_a_wrong_one_is_a_witness) {
  Mlp<double> model(
      {.widths = {12, 9, 4}, .activation = Activation::tanh, .bias = Bias::per_layer});
  const Matrix x = random_matrix({8, 12}, 5);
  Matrix y({8, 4});
  for (std::int64_t n = 0; n < 8; ++n) y(n, n % 4) = 1;
  Tape<double> tape;
  const auto loss = softmax_cross_entropy(model(tape, tape.input(x)), tape.input(y));
  const std::vector<std::string> names{"W1", "b1", "W2", "b2"};
  Values right;
  for (const std::string& name : names) {
    const std::vector<Var<double>> wrt{tape.find(name)};
    right["d" + name] = Matrix(gradients(loss, wrt)[0].value());
  }
  const auto said = [&](const Values& v) {
    std::vector<NamedValue<double>> hand;
    for (const auto& [name, value] : v) hand.push_back({name, value});
    return diagnose(loss, std::span<const NamedValue<double>>(hand));
  };
  // db without its 1/N beside dW with it: no mistake of the delta explains that.
  Values sums = right;
  sums["db1"] = times(sums["db1"], 8), sums["db2"] = times(sums["db2"], 8);
  const Diagnosis d = said(sums);
  BOOST_TEST((finding(d, "dW2").verdict == DiagnosisVerdict::right));
  for (const Finding& f : d.findings) BOOST_TEST(f.mistakes.empty(), f.tensor);
  BOOST_TEST(d.mistakes.empty());
  BOOST_TEST(to_string(d).find("8 = N x the correct one") != std::string::npos);
  // dW1 with its columns turned round is no A^T of a dZ1 whose sum is db1.
  Values turned = right;
  for (std::int64_t i = 0; i < 12; ++i) {
    for (std::int64_t j = 0; j < 9; ++j) turned["dW1"](i, j) = right["dW1"](i, 8 - j);
  }
  const Diagnosis t = said(turned);
  BOOST_TEST(!t.curve.has_value());
  BOOST_TEST(to_string(t).find("does not give db1, which is right") != std::string::npos);
}

/// The k-th of any number of smooth functions that are no activation's derivative: four families,
/// their numbers drawn.
std::function<double(double)> smooth_function(std::uint32_t k) {
  const Random random(k, Purpose::check, 5);
  const double a = random.uniform(0, 0.5, 2), b = random.uniform(1, 0.5, 2),
               c = random.uniform(2, -1, 1), e = random.uniform(3, 0.2, 1);
  switch (k % 4) {
    case 0:
      return [=](double z) { return a * std::cos(b * z + c) + e * z; };
    case 1:
      return [=](double z) { return a * std::exp(-(b * z + c) * (b * z + c)) + e; };
    case 2:
      return [=](double z) { return a / (1 + b * z * z) + c * z; };
    default:
      return [=](double z) { return a + c * z + e * z * z; };
  }
}

// 20 wrong derivatives, none of them in the catalogue, on 20 networks each; only dW is handed in,
// and the batch is as large as the layer's inputs at most.
BOOST_AUTO_TEST_CASE(a_wrong_derivative_comes_back_as_a_curve) {
  const std::uint32_t seeds = support::sanitized ? 2 : 20;
  for (std::uint32_t k = 0; k < 20; ++k) {
    for (std::uint32_t seed = 0; seed < seeds; ++seed) {
      Step step(seed % 2 ? 8 : 12, {12, 9, 4}, 100 * k + seed);
      step.slope = smooth_function(k);
      const Diagnosis d = diagnosed(step, step.derive(), parameters);
      BOOST_TEST_CONTEXT("function " << k << ", seed " << seed) {
        BOOST_TEST(d.layer == 1);
        BOOST_TEST(d.mistakes.empty());
        BOOST_TEST(d.pairs.empty());
        BOOST_REQUIRE(d.curve.has_value());
        BOOST_TEST(d.curve->node == "A1");
        for (std::size_t i = 0; i < d.curve->z.size(); ++i) {
          BOOST_TEST(std::abs(d.curve->hand[i] - step.slope(d.curve->z[i])) < 1e-9);
          const double t = std::tanh(d.curve->z[i]);
          BOOST_TEST(std::abs(d.curve->right[i] - (1 - t * t)) < 1e-12);
        }
        BOOST_TEST(to_string(d).find("your f' is not f'") != std::string::npos);
      }
    }
  }
}

BOOST_AUTO_TEST_CASE(what_cannot_be_recovered_is_said) {
  Step step(10, {9, 7, 4});  // ten samples, nine inputs
  step.slope = [](double z) { return std::cos(z); };
  const Diagnosis d = diagnosed(step, step.derive(), parameters);
  BOOST_TEST(!d.curve.has_value());
  BOOST_TEST(to_string(d).find("dZ1 cannot be recovered from dW1") != std::string::npos);
}

BOOST_AUTO_TEST_CASE(no_delta_gives_this_weight_gradient) {
  Step step;
  Values v = step.derive();
  v["dW1"][5] += 0.1;
  const Diagnosis d = diagnosed(step, v, parameters);
  BOOST_TEST(d.tensor == "dW1");
  BOOST_TEST(!d.curve.has_value());
  BOOST_TEST(to_string(d).find("no dZ1 gives dW1") != std::string::npos);
}

BOOST_AUTO_TEST_CASE(shapes_that_differ_are_explained) {
  Step step(6, {9, 9, 4});
  Values v = step.derive();
  const Matrix dw2 = v["dW2"];
  v["dW2"] = Matrix(Shape{4, 9});
  for (std::int64_t i = 0; i < 9; ++i) {
    for (std::int64_t k = 0; k < 4; ++k) v["dW2"](k, i) = dw2(i, k);
  }
  const Diagnosis d = diagnosed(step, v, parameters);
  BOOST_TEST(to_string(d.verdict) == "shape");
  BOOST_TEST(!d);
  BOOST_TEST(finding(d, "dW2").reason.find("the transpose conforms and agrees") !=
             std::string::npos);
  // Said once, and without numbers that a shape has not.
  const std::string text = to_string(d), reason = finding(d, "dW2").reason;
  BOOST_TEST(text.find(reason) == text.rfind(reason));
  BOOST_TEST(text.find("gradient is") == std::string::npos);
  BOOST_TEST(text.find("no known mistake") == std::string::npos);

  v = step.derive();
  v["dZ1"] = v["dZ2"];  // (6, 4): the output's error
  const Diagnosis e5 = diagnosed(step, v, {"dZ1"});
  BOOST_TEST(finding(e5, "dZ1").reason.find("erratum E5") != std::string::npos);
}

BOOST_AUTO_TEST_CASE(what_the_step_does_not_hold_is_named_when_it_is_handed_in) {
  Step step;
  Values v = step.derive();
  const Matrix old1 = random_matrix({9, 7}, 8), old2 = random_matrix({7, 4}, 9);
  const std::vector<NamedValue<double>> old{{"dW1", old1}, {"dW2", old2}};
  for (std::int64_t i = 0; i < 63; ++i) v["dW1"][i] += 0.9 * old1[i];
  for (std::int64_t i = 0; i < 28; ++i) v["dW2"][i] += 0.9 * old2[i];
  BOOST_TEST(diagnosed(step, v, parameters).mistakes.empty());
  DiagnoseOptions<double> options;
  options.velocity = old;
  const Diagnosis d = diagnosed(step, v, parameters, options);
  TEST_IDS(d.mistakes, {"momentum-folded"});
  BOOST_TEST(d.mistakes[0].parameters.at(0).second == 0.9, boost::test_tools::tolerance(1e-9));

  options = {};
  options.learning_rate = 0.037;
  v = step.derive();
  for (const std::string& name : parameters) v[name] = times(v[name], 0.037);
  TEST_IDS(diagnosed(step, v, parameters, options).mistakes, {"learning-rate"});
  const Diagnosis unknown = diagnosed(step, v, parameters);
  BOOST_TEST(unknown.mistakes.empty());
  BOOST_TEST(to_string(unknown).find("0.037 x the correct one") != std::string::npos);
}

BOOST_AUTO_TEST_CASE(values_that_are_not_finite_are_wrong) {
  Step step;
  for (const double bad : {std::nan(""), HUGE_VAL}) {
    Values v = step.derive();
    v["dW1"][7] = bad;
    const Diagnosis d = diagnosed(step, v, parameters);
    BOOST_TEST(!d);
    BOOST_TEST(d.tensor == "dW1");
    BOOST_TEST(d.mistakes.empty());
    BOOST_TEST(finding(d, "dW1").worst.at(0).index == 7);
    BOOST_TEST(finding(d, "dW1").worst.size() == 1u);  // the others are right but for rounding
    const auto json = nlohmann::json::parse(to_json(d));
    BOOST_TEST(json["findings"].back()["error"].is_null());
  }
}

BOOST_AUTO_TEST_CASE(json_says_what_the_page_says) {
  Step step;
  step.forget_slope = true;
  const Diagnosis d = diagnosed(step, step.derive(), parameters);
  const auto json = nlohmann::json::parse(to_json(d));
  BOOST_TEST(json["verdict"] == "wrong");
  BOOST_TEST(json["layer"] == 1);
  BOOST_TEST(json["tensor"] == "dW1");
  BOOST_TEST(json["scale"].is_number());
  BOOST_TEST(json["residual"].is_number());
  BOOST_TEST(json["mistakes"][0]["id"] == "derivative-missing");
  BOOST_TEST(json["mistakes"][0]["text"] == "the activation's derivative is missing");
  const std::string page = to_string(d);
  BOOST_TEST_INFO(page);
  BOOST_TEST(page.find("layer 1, dW1 (9 x 7): WRONG, first fault is here") != std::string::npos);
  BOOST_TEST(page.find("you have      dZ1 = dA1\n") != std::string::npos);
  BOOST_TEST(page.find("it should be  dZ1 = (1 - A1^2) o dA1\n") != std::string::npos);
}

BOOST_AUTO_TEST_CASE(float_gradients_are_held_against_floats_noise) {
  const Mlp<float> model({.widths = {9, 7, 4}, .activation = Activation::tanh, .seed = 3});
  const Tensor<float> x = random_matrix({6, 9}, 3).cast<float>();
  Tensor<float> y({6, 4});
  for (std::int64_t n = 0; n < 6; ++n) y(n, n % 4) = 1;
  Tape<float> tape;
  const auto loss = softmax_cross_entropy(model(tape, tape.input(x)), tape.input(y));
  const auto g = gradients(loss, {tape.find("W1"), tape.find("W2")});
  Tensor<float> dw1(g[0].value()), dw2(g[1].value());
  BOOST_TEST(passes(diagnose(loss, {{"dW1", dw1}, {"dW2", dw2}})));
  for (float& v : dw1) v *= 2;
  const Diagnosis d = diagnose(loss, {{"dW1", dw1}, {"dW2", dw2}});
  TEST_IDS(d.mistakes, {"factor-two", "accumulated-twice"});
}

BOOST_AUTO_TEST_CASE(names_and_losses_that_do_not_fit_are_errors) {
  Step step;
  const Matrix w = step.derive()["dW1"];
  BOOST_CHECK_THROW(diagnose(step.loss, {{"dW7", w}}), NameError);
  BOOST_CHECK_THROW(diagnose(step.loss, {{"dW1", w}, {"dW1", w}}), NameError);
  BOOST_CHECK_THROW(diagnose(step.loss, {}), UsageError);
  BOOST_CHECK_THROW(diagnose(step.tape.find("Z1"), {{"dW1", w}}), UsageError);
  DiagnoseOptions<double> options;
  options.velocity = {{"W2", w}};
  BOOST_CHECK_THROW(diagnose(step.loss, {{"dW1", w}}, options), ShapeError);
}

BOOST_AUTO_TEST_CASE(a_classifiers_chain_is_explained_as_people_write_it) {
  Step step;
  const std::string text = explain(step.loss, step.tape.find("W1"));
  BOOST_TEST_INFO(text);
  BOOST_TEST(std::ranges::count(text, '\n') == 5);
  for (const char* line : {"dZ2 (6, 4) = (m o Yhat - Y) / N", "dA1 (6, 7) = dZ2 W2^T",
                           "dZ1 (6, 7) = dA1 o (1 - A1^2)", "dW1 (9, 7) = X^T dZ1"}) {
    BOOST_TEST(text.find(line) != std::string::npos, line);
  }
}

BOOST_AUTO_TEST_CASE(the_users_tape_is_only_read) {
  Step step;
  const NodeId size = step.tape.size();
  const std::size_t names = step.tape.names().size();
  step.forget_slope = true;
  diagnosed(step, step.derive(), everything);
  explain(step.loss, step.tape.find("W1"));
  BOOST_TEST(step.tape.size() == size);
  BOOST_TEST(step.tape.names().size() == names);
}

BOOST_AUTO_TEST_CASE(the_catalogue_is_complete_and_has_no_id_twice) {
  Ids seen;
  for (const Mistake& mistake : all_mistakes()) {
    BOOST_TEST(seen.insert(std::string(mistake.id)).second, mistake.id);
    BOOST_TEST(!mistake.text.empty());
    BOOST_TEST(!mistake.wrong.empty());
    BOOST_TEST(!mistake.right.empty());
    BOOST_TEST(mistake.wrong != mistake.right);
    BOOST_TEST(&find_mistake(mistake.id) == &mistake);
  }
  BOOST_CHECK_THROW(find_mistake("no-such-mistake"), NameError);
  BOOST_TEST(at_layer("dWl = A(l-1)^T dZl", 1) == "dW1 = X^T dZ1");
  BOOST_TEST(at_layer("dAl = dZ(l+1) W(l+1)^T", 2) == "dA2 = dZ3 W3^T");
}

// With one sample N / (N - 1) is no number: nothing is a multiple of it.
BOOST_AUTO_TEST_CASE(one_sample_names_no_factor_of_the_mean) {
  Step step(1);
  step.output_factor = -0.3;
  const Diagnosis diagnosis = diagnosed(step, step.derive(), parameters);
  BOOST_TEST((diagnosis.verdict == DiagnosisVerdict::wrong));
  BOOST_TEST(diagnosis.mistakes.empty(), to_string(diagnosis));
  BOOST_TEST(diagnosis.pairs.empty(), to_string(diagnosis));
}

// A wide tolerance is no licence to guess: 0.13 is not 1/8, of 8 samples.
BOOST_AUTO_TEST_CASE(a_factor_near_a_named_one_has_no_name) {
  Step step(8);
  DiagnoseOptions<double> options;
  options.tolerance = 4e-3;
  step.output_factor = 0.125;
  BOOST_TEST(
      ids(diagnosed(step, step.derive(), parameters, options).mistakes).contains("mean-doubled"));
  step.output_factor = 0.13;
  const Diagnosis diagnosis = diagnosed(step, step.derive(), parameters, options);
  BOOST_TEST((diagnosis.verdict == DiagnosisVerdict::wrong));
  BOOST_TEST(diagnosis.mistakes.empty(), to_string(diagnosis));
}

// Of two faults one is just outside the tolerance: what alters nothing there does not explain it.
BOOST_AUTO_TEST_CASE(a_small_fault_above_another_has_no_name) {
  Step step;
  Values values = step.derive();
  const Matrix noise = random_matrix(values["dW2"].shape(), 5);
  for (std::int64_t i = 0; i < noise.size(); ++i) values["dW2"][i] *= 1 + 6e-6 * noise[i];
  for (double& x : values["dW1"]) x = -x;
  DiagnoseOptions<double> options;
  options.tolerance = 1e-6;
  const Diagnosis diagnosis = diagnosed(step, values, parameters, options);
  BOOST_TEST((diagnosis.verdict == DiagnosisVerdict::wrong));
  BOOST_TEST(diagnosis.tensor == "dW2");
  BOOST_TEST(diagnosis.mistakes.empty(), to_string(diagnosis));
  BOOST_TEST(ids(finding(diagnosis, "dW1").mistakes).contains("sign"), to_string(diagnosis));
}

// Where the sum of squares overflows, a comparison says nothing.
BOOST_AUTO_TEST_CASE(values_too_large_to_compare_are_not_called_right) {
  Tape<double> tape;
  const Matrix x = times(random_matrix({3, 4}, 1), 1e308), w({3, 4}), hand({3, 4});
  const Var<double> leaf = named(tape.input(w), "w");
  const Diagnosis diagnosis = diagnose(sum(leaf * tape.constant(x)), {{"dw", hand}});
  BOOST_TEST((diagnosis.verdict == DiagnosisVerdict::cannot_decide), to_string(diagnosis));
}
