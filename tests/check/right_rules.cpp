// Right rules are never rejected: random functions, points, shapes, orders and seeds. Continuous
// integration makes 1,000 runs; CHAINRULE_RIGHT_RULES=10000 build/release/tests/check/
// test_check_right_rules makes as many as one asks for.
#include <boost/test/unit_test.hpp>
#include <chainrule/check/gradcheck.hpp>
#include <chainrule/ops/registry.hpp>
#include <cstdlib>
#include <functional>
#include <map>

#include "tests/check/networks.hpp"
#include "tests/sanitized.hpp"

using namespace chainrule;
using networks::V;

namespace {

/// A recorded function of some leaves.
struct Function {
  std::string kind;
  std::vector<Tensor<double>> values;
  Tape<double> tape;
  std::vector<V> leaves;
  V y;
  GradcheckOptions options{};

  V leaf(Tensor<double> value) {
    values.push_back(std::move(value));
    leaves.push_back(tape.input(values.back()));
    return leaves.back();
  }
  Function() { values.reserve(64); }  // leaves are addresses
};

using Unary = V (*)(V);
const std::vector<Unary>& unaries() {
  static const std::vector<Unary> table{
      [](V x) { return tanh(x); },
      [](V x) { return sigmoid(x); },
      [](V x) { return improved_sigmoid(x); },
      [](V x) { return softplus(x); },
      [](V x) { return silu(x); },
      [](V x) { return gelu(x); },
      [](V x) { return relu(x); },
      [](V x) { return leaky_relu(x); },
      [](V x) { return elu(x); },
      [](V x) { return abs(x); },
      [](V x) { return clamp(x, -0.7, 0.9); },
      [](V x) { return sin(x); },
      [](V x) { return cos(2 * x); },
      [](V x) { return erf(x); },
      [](V x) { return exp(-square(x)); },
      [](V x) { return log(softplus(x) + 0.1); },
      [](V x) { return sqrt(1 + square(x)); },
      [](V x) { return 1 / (1 + square(x)); },
      [](V x) { return pow(1 + square(x), 0.75); },
      [](V x) { return expm1(tanh(x)); },
      [](V x) { return x * 0.3 + 1; },
      [](V x) { return sum(x, {}, false); },
      [](V x) { return x.shape().rank() > 0 ? softmax(x) : x; },
      [](V x) { return x.shape().rank() > 0 ? log_softmax(x) : x; },
      [](V x) { return x.shape().rank() > 0 ? logsumexp(x, {-1}, true) : x; },
      [](V x) { return x.shape().rank() > 0 ? max(x, {-1}, true) : x; },
      [](V x) { return x.shape().rank() > 0 ? mean(x, {0}, true) : x; },
      [](V x) { return x.shape().rank() == 2 ? tanh(matmul(x, x, Transpose::b)) : x; }};
  return table;
}

using Binary = V (*)(V, V);
const std::vector<Binary>& binaries() {
  static const std::vector<Binary> table{[](V a, V b) { return a + b; },
                                         [](V a, V b) { return a - b; },
                                         [](V a, V b) { return a * b; },
                                         [](V a, V b) { return a / (1 + square(b)); },
                                         [](V a, V b) { return maximum(a, b); },
                                         [](V a, V b) { return minimum(a, b); },
                                         [](V a, V b) { return tanh(a) * sigmoid(b); }};
  return table;
}

/// Up to 20 operations on what there is, reused at random; shapes broadcast.
void random_graph(Function& f, support::Source& source) {
  static const std::vector<Shape> shapes{{}, {3}, {2, 3}, {2, 1}, {1, 3}, {4, 2, 3}};
  const auto below = [&](std::size_t n) {
    return static_cast<std::size_t>(source.below(static_cast<std::int64_t>(n)));
  };
  f.kind = "graph";
  std::vector<V> pool;
  for (std::int64_t i = 1 + source.below(3); i >= 0; --i) {
    pool.push_back(f.leaf(source.tensor(shapes[below(shapes.size())], -2, 2)));
  }
  for (std::int64_t i = 3 + source.below(18); i > 0; --i) {
    const V a = pool[below(pool.size())], b = pool[below(pool.size())];
    if (source.below(2) == 0) {
      pool.push_back(unaries()[below(unaries().size())](a));
    } else {
      try {
        pool.push_back(binaries()[below(binaries().size())](a, b));
      } catch (const ShapeError&) {
        pool.push_back(a * 1.5);  // (4, 4) of a matmul does not stretch to (2, 3)
      }
    }
  }
  for (const V leaf : f.leaves) f.y = f.y ? f.y + sum(pool.back() * sum(square(leaf))) : sum(leaf);
  f.y = f.y + sum(pool.back());
  f.options.order = 1 + static_cast<int>(source.below(10) == 0);
}

void network(Function& f, support::Source& source) {
  f.kind = "network";
  std::vector<std::int64_t> widths{2 + source.below(20)};
  for (std::int64_t hidden = source.below(4); hidden >= 0; --hidden) {
    widths.push_back(1 + source.below(20));
  }
  widths.push_back(2 + source.below(9));
  networks::Network data(source, widths, 1 + source.below(20), source.uniform(0.5, 4));
  V a = f.tape.constant(data.x);
  const Unary activate = unaries()[static_cast<std::size_t>(source.below(13))];
  for (std::size_t l = 0; l < data.weights.size(); ++l) {
    a = matmul(a, f.leaf(std::move(data.weights[l])));
    if (l + 1 < data.weights.size()) a = activate(a);
  }
  f.y = softmax_cross_entropy(a, f.tape.constant(data.y));
  f.options.order = 1 + static_cast<int>(source.below(20) == 0);
}

/// Gradients that grow from layer to layer, and steps at which nothing is smooth.
void deep_network(Function& f, support::Source& source) {
  f.kind = "deep network";
  V a = f.tape.constant(source.tensor({20, 30}));
  for (std::int64_t l = 20 + source.below(11); l > 0; --l) {
    a = improved_sigmoid(matmul(a, f.leaf(source.tensor({30, 30}))));
  }
  f.y = mean(square(a));
  f.leaves.erase(f.leaves.begin() + 2, f.leaves.end());
  f.options.entries = 10;
}

void registered(Function& f, support::Source& source) {
  f.kind = "operation";
  const RegisteredOp* op = nullptr;
  do {
    op = &all_ops()[static_cast<std::size_t>(source.below(std::ssize(all_ops())))];
  } while (op->zero_derivative);
  const OpSample& sample =
      op->samples[static_cast<std::size_t>(source.below(std::ssize(op->samples)))];
  for (const SampleInput& input : sample.inputs) {
    f.leaf(source.tensor(input.shape, input.low, input.high));
  }
  f.options.order = 1 + static_cast<int>(source.below(3));
  f.y = sample.record(f.leaves);
  if (f.options.order > 1) f.y = tanh(f.y * 0.3);
}

/// Features of any width, far from 1 and far from the steps' first guess.
void scaled(Function& f, support::Source& source) {
  f.kind = "scaled";
  const double s = std::pow(10, source.uniform(-9, 9));
  const V x = f.leaf(source.tensor({1 + source.below(6)}, -2 * s, 2 * s)) / s;
  const Unary g = unaries()[static_cast<std::size_t>(source.below(21))];
  f.y = g(x) + (source.below(2) == 0 ? x * x : x);
  const double outer = std::pow(10, source.uniform(-9, 9));
  f.y = f.y * outer;
}

void large_leaf(Function& f, support::Source& source) {
  f.kind = "large leaf";
  const V w = f.leaf(source.tensor({10 + source.below(20), 25}, -0.5, 0.5));
  const V x = f.tape.constant(source.tensor({7, w.shape()[0]}));
  const Unary g = unaries()[static_cast<std::size_t>(source.below(20))];
  f.y = mean(square(g(matmul(x, w))));
  f.options.entries = 30;
}

void draw(Function& f, support::Source& source) {
  const std::int64_t kind = source.below(200);
  if (kind < 1) return deep_network(f, source);
  if (kind < 70) return random_graph(f, source);
  if (kind < 90) return network(f, source);
  if (kind < 140) return registered(f, source);
  if (kind < 180) return scaled(f, source);
  large_leaf(f, source);
}

bool is_finite(Function& f) {
  const auto finite = [](V v) {
    const auto value = v.value();
    return std::all_of(value.begin(), value.end(), [](double x) { return std::isfinite(x); });
  };
  return finite(f.y);
}

struct Count {
  int pass = 0, undecided = 0, vacuous = 0, redrawn = 0;
};

}  // namespace

BOOST_AUTO_TEST_CASE(right_rules_are_never_rejected) {
  const char* asked = std::getenv("CHAINRULE_RIGHT_RULES");
  const int runs = asked != nullptr ? std::atoi(asked) : support::sanitized ? 250 : 1000;
  BOOST_REQUIRE(runs > 0);
  std::map<std::string, Count> counts;
  for (int run = 0; run < runs; ++run) {
    support::Source source(static_cast<std::uint64_t>(run));
    Function f;
    draw(f, source);
    Count& count = counts[f.kind];
    if (!is_finite(f)) {
      ++count.redrawn;
      continue;
    }
    f.options.seed = static_cast<std::uint64_t>(run);
    const GradcheckReport report = gradcheck(f.y, f.leaves, f.options);
    const bool vacuous =
        !report && (report.reason.starts_with("vacuous") ||
                    std::any_of(report.leaves.begin(), report.leaves.end(),
                                [](const LeafReport& leaf) { return leaf.vacuous; }));
    count.pass += report.verdict == Verdict::pass;
    count.undecided += report.verdict == Verdict::cannot_decide;
    count.vacuous += vacuous;
    std::int64_t wrong = 0;
    for (const LeafReport& leaf : report.leaves) wrong += leaf.failures;
    BOOST_TEST((wrong == 0 && (report || vacuous)), f.kind << ", run " << run << "\n"
                                                           << to_string(report));
    if (std::getenv("CHAINRULE_RIGHT_RULES_SHOW") != nullptr &&
        report.verdict == Verdict::cannot_decide) {
      BOOST_TEST_MESSAGE(f.kind << ", run " << run << "\n" << to_string(report));
    }
  }
  int decided = 0, all = 0;
  for (const auto& [kind, count] : counts) {
    BOOST_TEST_MESSAGE(kind << ": " << count.pass << " pass, " << count.undecided
                            << " cannot decide, " << count.vacuous << " vacuous, " << count.redrawn
                            << " not finite");
    decided += count.pass;
    all += count.pass + count.undecided + count.vacuous + count.redrawn;
  }
  BOOST_TEST(all == runs);
  BOOST_TEST(decided > 0.9 * runs);  // a check that never decides rejects nothing either
}
