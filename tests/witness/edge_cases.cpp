// docs/edge-cases.md, row by row: every row is evaluated here, and every case here has a row.
// CHAINRULE_PRINT=1 prints the rows as they are.
#include <fmt/format.h>
#include <fmt/ranges.h>
#include <chainrule/ops/registry.hpp>

#include <cstdlib>
#include <fstream>
#include <functional>
#include <limits>
#include <map>
#include <sstream>

#include "tests/support.hpp"

using namespace chainrule;
using V = Var<double>;
using Inputs = std::span<const V>;

namespace {

constexpr double inf = std::numeric_limits<double>::infinity();
constexpr double nan = std::numeric_limits<double>::quiet_NaN();

struct Answer {
  std::string value, gradient;
};
using Case = std::function<Answer()>;

std::string text(TensorView<const double> x) {
  std::vector<std::string> entries;
  for (const double v : x) {
    // -0 is written as 0, but where a row says that it is not.
    entries.push_back(std::isnan(v) ? "NaN" : fmt::format("{:.12g}", v == 0 ? 0.0 : v));
  }
  return entries.empty() ? "empty" : fmt::format("{}", fmt::join(entries, ", "));
}

std::string error_name(const std::exception& error) {
  if (dynamic_cast<const ShapeError*>(&error)) return "ShapeError";
  if (dynamic_cast<const LabelError*>(&error)) return "LabelError";
  if (dynamic_cast<const NumericError*>(&error)) return "NumericError";
  if (dynamic_cast<const UsageError*>(&error)) return "UsageError";
  return std::string("another error: ") + error.what();
}

/// f on the inputs: its value, and the gradients of sum(f) with regard to each.
Case on(std::vector<Tensor<double>> inputs, std::function<V(Inputs)> f) {
  return [inputs = std::move(inputs), f = std::move(f)]() -> Answer {
    Tape<double> tape;
    std::vector<V> leaves;
    for (const Tensor<double>& input : inputs) leaves.push_back(tape.input(input));
    const NodeId before = tape.size();
    try {
      const V y = f(leaves);
      std::string gradient;
      for (const V& g : gradients(y.shape().rank() == 0 ? y : sum(y), leaves)) {
        gradient += (gradient.empty() ? "" : "; ") + text(g.value());
      }
      return {text(y.value()), gradient};
    } catch (const Error& error) {
      BOOST_TEST(tape.size() == before, "an error leaves nodes behind");
      return {"throws " + error_name(error), ""};
    }
  };
}
Tensor<double> number(double x) { return Tensor<double>(Shape{}, {x}); }
Tensor<double> list(std::initializer_list<double> x) {
  return Tensor<double>(Shape{std::ssize(x)}, x);
}
Tensor<double> row(std::initializer_list<double> x) {
  return Tensor<double>(Shape{1, std::ssize(x)}, x);
}
Case at(double x, std::function<V(V)> f) {
  return on({number(x)}, [f](Inputs v) { return f(v[0]); });
}
Case at(double a, double b, std::function<V(V, V)> f) {
  return on({number(a), number(b)}, [f](Inputs v) { return f(v[0], v[1]); });
}

/// What a plan does at its second run, for which `spoil` has changed a label or a number.
Answer at_replay(std::function<void(std::vector<std::int32_t>&, Tensor<double>&)> spoil,
                 bool check_finite) {
  const Tensor<double> x({2, 3}, {1, 2, 3, 4, 5, 6});
  Tensor<double> targets({2, 3}, {1, 0, 0, 0, 1, 0});
  std::vector<std::int32_t> labels{0, 2};
  Tape<double> tape;
  const V z = tape.input(x);
  const V loss = add(softmax_cross_entropy_with_indices(z, labels),
                     softmax_cross_entropy(z, tape.input(targets)));
  Plan<double> replay = plan({loss});
  replay.set_check_finite(check_finite);
  Tensor<double> result{Shape{}};
  result[0] = -1;
  replay.write_to(loss, result);
  replay.run();
  result[0] = -1;
  spoil(labels, targets);
  try {
    replay.run();
    return {text(result), ""};
  } catch (const Error& error) {
    BOOST_TEST(result[0] == -1, "something was evaluated");
    return {"throws " + error_name(error), ""};
  }
}

/// The operations into which NaN goes and from which none comes, when every entry of one input is
/// NaN.
Answer nan_everywhere() {
  std::vector<std::string> swallowed;
  support::Source source(61);
  for (const RegisteredOp& op : all_ops()) {
    bool passes = true;
    for (const OpSample& sample : op.samples) {
      for (std::size_t spoilt = 0; spoilt < sample.inputs.size(); ++spoilt) {
        std::vector<Tensor<double>> inputs;
        for (const SampleInput& input : sample.inputs) {
          inputs.push_back(source.tensor(input.shape, input.low, input.high));
        }
        for (double& x : inputs[spoilt]) x = nan;
        Tape<double> tape;
        std::vector<V> leaves;
        for (const Tensor<double>& input : inputs) leaves.push_back(tape.input(input));
        const V result = sample.record(leaves);
        const auto y = result.value();
        passes = passes && std::any_of(y.begin(), y.end(), [](double v) { return std::isnan(v); });
      }
    }
    if (!passes) swallowed.push_back(op.name);
  }
  std::sort(swallowed.begin(), swallowed.end());
  return {fmt::format("NaN, but for {}", fmt::join(swallowed, ", ")), ""};
}

/// Every operation on shapes whose dimensions are all 0 or 1, with its first and second derivative.
Answer dimensions_of_zero_or_one() {
  int samples = 0;
  std::vector<std::string> failed;
  for (const RegisteredOp& op : all_ops()) {
    for (std::uint64_t seed = 0; seed < 400; ++seed) {
      Choices choices(seed);
      const OpSample sample = op.random_sample(choices);
      const bool small =
          std::all_of(sample.inputs.begin(), sample.inputs.end(), [](const SampleInput& input) {
            const auto d = input.shape.dimensions();
            return std::all_of(d.begin(), d.end(), [](std::int64_t n) { return n <= 1; });
          });
      if (!small) continue;
      ++samples;
      std::vector<Tensor<double>> inputs;
      support::Source source(seed);
      for (const SampleInput& input : sample.inputs) {
        inputs.push_back(source.tensor(input.shape, input.low, input.high));
      }
      Tape<double> tape;
      std::vector<V> leaves;
      for (const Tensor<double>& input : inputs) leaves.push_back(tape.input(input));
      bool fine = true;
      try {
        const auto g = gradients(sum(sample.record(leaves)), leaves);
        for (std::size_t i = 0; i < leaves.size(); ++i) {
          const auto h = gradients(sum(g[i]), leaves);
          fine = fine && g[i].shape() == leaves[i].shape() && h[0].shape() == leaves[0].shape();
          for (const double v : g[i].value()) fine = fine && std::isfinite(v);
        }
      } catch (const Error& error) {
        fine = false;
      }
      if (!fine && (failed.empty() || failed.back() != op.name)) failed.push_back(op.name);
    }
  }
  BOOST_TEST(samples > 1000);
  return {failed.empty() ? "every operation works" : fmt::format("{}", fmt::join(failed, ", ")),
          ""};
}

std::map<std::string, Case> cases() {
  static const std::vector<std::int32_t> too_large{3}, negative{-1}, right{1};
  const auto loss = [](Inputs v) { return softmax_cross_entropy(v[0], v[1]); };
  const auto one = [](auto f) { return [f](Inputs v) { return f(v[0]); }; };
  std::map<std::string, Case> c;
  // kinks
  c["relu(0)"] = at(0, [](V x) { return relu(x); });
  c["relu(-inf)"] = at(-inf, [](V x) { return relu(x); });
  c["abs(0)"] = at(0, [](V x) { return abs(x); });
  c["sign(0)"] = at(0, [](V x) { return sign(x); });
  c["sign(NaN)"] = at(nan, [](V x) { return sign(x); });
  c["clamp(x, -1, 2) at -1"] = at(-1, [](V x) { return clamp(x, -1, 2); });
  c["clamp(x, -1, 2) at 2"] = at(2, [](V x) { return clamp(x, -1, 2); });
  c["clamp(x, -1, 2) at NaN"] = at(nan, [](V x) { return clamp(x, -1, 2); });
  c["clamp(x, 2, -1)"] = at(0, [](V x) { return clamp(x, 2, -1); });
  c["leaky_relu(x, 0.1) at 0"] = at(0, [](V x) { return leaky_relu(x, 0.1); });
  c["elu(x, 2) at 0"] = at(0, [](V x) { return elu(x, 2); });
  c["elu(x, 2) at -inf"] = at(-inf, [](V x) { return elu(x, 2); });
  c["maximum(x, 0) at 0"] = at(0, [](V x) { return maximum(x, 0); });
  c["minimum(x, 0) at 0"] = at(0, [](V x) { return minimum(x, 0); });
  c["maximum(a, b) at 3, 3"] = at(3, 3, [](V a, V b) { return maximum(a, b); });
  c["maximum(a, b) at NaN, 3"] = at(nan, 3, [](V a, V b) { return maximum(a, b); });
  c["minimum(a, b) at 3, NaN"] = at(3, nan, [](V a, V b) { return minimum(a, b); });
  c["max of (1, 4, 4)"] = on({list({1, 4, 4})}, one([](V x) { return max(x); }));
  c["min of (1, 1, 4)"] = on({list({1, 1, 4})}, one([](V x) { return min(x); }));
  c["max of (1, NaN, 4)"] = on({list({1, nan, 4})}, one([](V x) { return max(x); }));
  c["argmax of (1, 4, 4)"] = on({list({1, 4, 4})}, one([](V x) { return argmax(x); }));
  c["argmax of (1, NaN, 4)"] = on({list({1, nan, 4})}, one([](V x) { return argmax(x); }));
  c["huber(x, 0, 1) at 1"] = at(1, 0, [](V a, V b) { return huber(a, b, 1); });
  c["greater(NaN, 0)"] = at(nan, [](V x) { return greater(x, 0); });
  c["equal(NaN, NaN)"] = at(nan, [](V x) { return equal(x, x); });
  // powers, roots, quotients, logarithms
  c["pow(x, 0) at 0"] = at(0, [](V x) { return pow(x, 0); });
  c["pow(x, 0) at NaN"] = at(nan, [](V x) { return pow(x, 0); });
  c["pow(x, 1) at 0"] = at(0, [](V x) { return pow(x, 1); });
  c["pow(x, 2) at 0"] = at(0, [](V x) { return pow(x, 2); });
  c["pow(x, 0.5) at 0"] = at(0, [](V x) { return pow(x, 0.5); });
  c["pow(x, -1) at 0"] = at(0, [](V x) { return pow(x, -1); });
  c["pow(x, 0.5) at -1"] = at(-1, [](V x) { return pow(x, 0.5); });
  c["pow(x, 3) at -2"] = at(-2, [](V x) { return pow(x, 3); });
  c["pow(x, y) at 0, 0"] = at(0, 0, [](V x, V y) { return pow(x, y); });
  c["pow(x, y) at 0, 2"] = at(0, 2, [](V x, V y) { return pow(x, y); });
  c["pow(x, y) at 0, 0.5"] = at(0, 0.5, [](V x, V y) { return pow(x, y); });
  c["pow(x, y) at 0, -1"] = at(0, -1, [](V x, V y) { return pow(x, y); });
  c["pow(x, y) at -2, 2"] = at(-2, 2, [](V x, V y) { return pow(x, y); });
  c["pow(x, y) at 1, NaN"] = at(1, nan, [](V x, V y) { return pow(x, y); });
  c["sqrt(0)"] = at(0, [](V x) { return sqrt(x); });
  c["sqrt(-1)"] = at(-1, [](V x) { return sqrt(x); });
  c["x / y at 1, 0"] = at(1, 0, [](V a, V b) { return a / b; });
  c["x / y at -1, 0"] = at(-1, 0, [](V a, V b) { return a / b; });
  c["x / y at 0, 0"] = at(0, 0, [](V a, V b) { return a / b; });
  c["reciprocal(0)"] = at(0, [](V x) { return reciprocal(x); });
  c["log(0)"] = at(0, [](V x) { return log(x); });
  c["log(-1)"] = at(-1, [](V x) { return log(x); });
  c["log1p(-1)"] = at(-1, [](V x) { return log1p(x); });
  c["mul0(x, y) at 0, inf"] = at(0, inf, [](V a, V b) { return mul0(a, b); });
  c["mul0(x, y) at 0, NaN"] = at(0, nan, [](V a, V b) { return mul0(a, b); });
  c["mul0(x, log(x)) at 0"] = at(0, [](V x) { return mul0(x, log(x)); });
  c["exp(1000)"] = at(1000, [](V x) { return exp(x); });
  c["exp(-1000)"] = at(-1000, [](V x) { return exp(x); });
  c["sin(inf)"] = at(inf, [](V x) { return sin(x); });
  // saturated units
  c["sigmoid(1000)"] = at(1000, [](V x) { return sigmoid(x); });
  c["sigmoid(-1000)"] = at(-1000, [](V x) { return sigmoid(x); });
  c["sigmoid(40)"] = at(40, [](V x) { return sigmoid(x); });
  c["tanh(1000)"] = at(1000, [](V x) { return tanh(x); });
  c["tanh(-1000)"] = at(-1000, [](V x) { return tanh(x); });
  c["tanh(30)"] = at(30, [](V x) { return tanh(x); });
  c["improved_sigmoid(1000)"] = at(1000, [](V x) { return improved_sigmoid(x); });
  c["softplus(1000)"] = at(1000, [](V x) { return softplus(x); });
  c["softplus(-1000)"] = at(-1000, [](V x) { return softplus(x); });
  c["silu(-1000)"] = at(-1000, [](V x) { return silu(x); });
  c["silu(-inf)"] = at(-inf, [](V x) { return silu(x); });
  c["gelu(-1000)"] = at(-1000, [](V x) { return gelu(x); });
  c["gelu(-inf)"] = at(-inf, [](V x) { return gelu(x); });
  // where: the branch not taken
  c["where(x > 0, log(x), x) at 0"] = at(0, [](V x) { return where(greater(x, 0), log(x), x); });
  c["where(1, x, y) at 2, NaN"] =
      at(2, nan, [](V a, V b) { return where(a.tape().constant(1), a, b); });
  c["where(NaN, 1, 2)"] =
      at(nan, [](V x) { return where(x, x.tape().constant(1), x.tape().constant(2)); });
  // nothing there
  const Tensor<double> nothing(Shape{0}), no_rows(Shape{0, 3});
  c["sum of no elements"] = on({nothing}, one([](V x) { return sum(x); }));
  c["mean of no elements"] = on({nothing}, one([](V x) { return mean(x); }));
  c["max of no elements"] = on({nothing}, one([](V x) { return max(x); }));
  c["argmax of no elements"] = on({nothing}, one([](V x) { return argmax(x); }));
  c["logsumexp of no elements"] = on({nothing}, one([](V x) { return logsumexp(x); }));
  c["variance of no elements"] = on({nothing}, one([](V x) { return variance(x); }));
  c["variance of one element, ddof 1"] =
      on({list({3})}, one([](V x) { return variance(x, {}, false, 1); }));
  c["softmax of no rows"] = on({no_rows}, one([](V x) { return softmax(x); }));
  c["softmax of a row of no entries"] =
      on({Tensor<double>(Shape{2, 0})}, one([](V x) { return softmax(x); }));
  c["softmax_cross_entropy of an empty batch"] = on({no_rows, no_rows}, loss);
  c["mse of an empty batch"] = on({no_rows, no_rows}, [](Inputs v) { return mse(v[0], v[1]); });
  c["matmul of (1, 0) and (0, 1)"] = on({Tensor<double>(Shape{1, 0}), Tensor<double>(Shape{0, 1})},
                                        [](Inputs v) { return matmul(v[0], v[1]); });
  c["all dimensions 0 or 1"] = dimensions_of_zero_or_one;
  // softmax and losses
  c["softmax of (inf, 0)"] = on({row({inf, 0})}, one([](V x) { return softmax(x); }));
  c["softmax of (-inf, 0)"] = on({row({-inf, 0})}, one([](V x) { return softmax(x); }));
  c["softmax of (-inf, -inf)"] = on({row({-inf, -inf})}, one([](V x) { return softmax(x); }));
  c["log_softmax of (-inf, 0)"] = on({row({-inf, 0})}, one([](V x) { return log_softmax(x); }));
  c["logsumexp of (-inf, -inf)"] = on({row({-inf, -inf})}, one([](V x) { return logsumexp(x); }));
  c["logsumexp of (inf, 0)"] = on({row({inf, 0})}, one([](V x) { return logsumexp(x); }));
  c["softmax_cross_entropy, logits (-inf, 0), targets (0, 1)"] =
      on({row({-inf, 0}), row({0, 1})}, loss);
  c["softmax_cross_entropy, logits (-inf, 0), targets (1, 0)"] =
      on({row({-inf, 0}), row({1, 0})}, loss);
  c["softmax_cross_entropy, logits (1e300, -1e300), targets (1, 0)"] =
      on({row({1e300, -1e300}), row({1, 0})}, loss);
  c["softmax_cross_entropy, targets (0, 0)"] = on({row({3, -1}), row({0, 0})}, loss);
  c["softmax_cross_entropy, targets (NaN, 1)"] = on({row({0, 0}), row({nan, 1})}, loss);
  c["binary_cross_entropy_with_logits, logit inf, target 1"] =
      at(inf, 1, [](V a, V b) { return binary_cross_entropy_with_logits(a, b); });
  c["binary_cross_entropy_with_logits, logit -inf, target 1"] =
      at(-inf, 1, [](V a, V b) { return binary_cross_entropy_with_logits(a, b); });
  c["class 3 of 3"] = on({row({1, 2, 3})},
                         one([](V x) { return softmax_cross_entropy_with_indices(x, too_large); }));
  c["class -1"] = on({row({1, 2, 3})},
                     one([](V x) { return softmax_cross_entropy_with_indices(x, negative); }));
  c["pick at 3 of 3"] = on({row({1, 2, 3})}, one([](V x) { return pick(x, too_large); }));
  c["gather_rows at -1"] = on({row({1, 2, 3})}, one([](V x) { return gather_rows(x, negative); }));
  c["class 3 of 3 at a replay"] = [] {
    return at_replay([](auto& labels, auto&) { labels[1] = 3; }, false);
  };
  c["a target NaN at a replay"] = [] {
    return at_replay([](auto&, auto& targets) { targets[0] = nan; }, false);
  };
  c["a target NaN at a replay, set_check_finite(true)"] = [] {
    return at_replay([](auto&, auto& targets) { targets[0] = nan; }, true);
  };
  c["a target inf at a replay, set_check_finite(true)"] = [] {
    return at_replay([](auto&, auto& targets) { targets[0] = inf; }, true);
  };
  c["NaN in every entry of one input of any operation"] = nan_everywhere;
  return c;
}

struct Row {
  std::string name;
  Answer answer;
};

/// The rows of the document's tables: | `case` | value | gradient | elsewhere |.
std::vector<Row> documented() {
  std::ifstream file(std::string(CHAINRULE_SOURCE_DIR) + "/docs/edge-cases.md");
  BOOST_TEST_REQUIRE(file.good());
  std::vector<Row> rows;
  for (std::string line; std::getline(file, line);) {
    if (!line.starts_with("| `")) continue;
    std::vector<std::string> cells;
    std::istringstream stream(line.substr(1));
    for (std::string cell; std::getline(stream, cell, '|');) {
      const auto first = cell.find_first_not_of(' '), last = cell.find_last_not_of(' ');
      cells.push_back(first == std::string::npos ? "" : cell.substr(first, last - first + 1));
    }
    BOOST_TEST_REQUIRE(cells.size() == 4u, line);
    rows.push_back({cells[0].substr(1, cells[0].size() - 2), {cells[1], cells[2]}});
  }
  return rows;
}

}  // namespace

BOOST_AUTO_TEST_CASE(every_row_of_the_document_is_true_and_every_case_has_a_row) {
  auto all = cases();
  if (std::getenv("CHAINRULE_PRINT")) {
    for (const auto& [name, answer] : all) {
      const Answer a = answer();
      fmt::print("| `{}` | {} | {} | |\n", name, a.value, a.gradient);
    }
  }
  const std::vector<Row> rows = documented();
  BOOST_TEST(rows.size() > 80u);
  for (const Row& r : rows) {
    const auto found = all.find(r.name);
    if (found == all.end()) {
      BOOST_ERROR("no case, or a second row, for '" << r.name << "'");
      continue;
    }
    const Answer is = found->second();
    BOOST_TEST(is.value == r.answer.value, r.name << ": value " << is.value);
    BOOST_TEST(is.gradient == r.answer.gradient, r.name << ": gradient " << is.gradient);
    all.erase(found);
  }
  for (const auto& [name, answer] : all) BOOST_ERROR("no row for '" << name << "'");
}
