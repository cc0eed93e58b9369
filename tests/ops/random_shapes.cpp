// Every operation of the registry on random shapes (empty, broadcast, of rank 0 to 4): gradcheck at
// orders 1 and 2, to 1e-9 for each entry and 1e-10 in the norm. CHAINRULE_SHAPES=200 asks for that
// many shapes an operation.
#include <fmt/format.h>
#include <chainrule/check/gradcheck.hpp>
#include <chainrule/ops/registry.hpp>

#include <cstdlib>

#include "tests/support.hpp"

using namespace chainrule;
using support::Source;
using V = Var<double>;

namespace {

#ifdef __OPTIMIZE__
constexpr int few = 40;
#else
constexpr int few = 2;
#endif

struct Counts {
  int samples = 0, empty = 0, leaves = 0, flat = 0, undecided = 0, directions = 0,
      undecided_directions = 0;
  double entry = 0, norm = 0;
};

std::vector<Tensor<double>> draw(const OpSample& sample, Source& source) {
  std::vector<Tensor<double>> inputs;
  for (const SampleInput& input : sample.inputs) {
    inputs.push_back(source.tensor(input.shape, input.low, input.high));
  }
  return inputs;
}

/// What empty tensors must do: shapes of the inputs, zeros where there is something.
void check_empty(V y, const std::vector<V>& leaves) {
  const Tensor<double> cotangent(y.shape());
  for (const double v : y.value()) BOOST_TEST(std::isfinite(v));
  const auto g = gradients(y, leaves, y.tape().input(cotangent));
  for (std::size_t i = 0; i < leaves.size(); ++i) {
    BOOST_TEST((g[i].shape() == leaves[i].shape()));
    for (const double v : g[i].value()) BOOST_TEST(v == 0);
    const Tensor<double> c(g[i].shape());
    const auto second = gradients(g[i], leaves, y.tape().input(c));
    for (std::size_t k = 0; k < leaves.size(); ++k) {
      BOOST_TEST((second[k].shape() == leaves[k].shape()));
    }
  }
}

/// Norm-wise: the derivative along one direction in all leaves together, which leans towards the
/// gradient so that it is of its size. gradcheck sees it as that of f(x + t d) by t.
void check_norm(const OpSample& sample, const std::vector<Tensor<double>>& inputs,
                std::span<const V> gradient, int order, std::uint64_t seed, Counts& counts) {
  Source source(seed + 1);
  double norm = 0;
  for (const V& g : gradient) {
    for (const double v : g.value()) norm += v * v;
  }
  norm = std::sqrt(norm);
  std::vector<Tensor<double>> directions;
  std::size_t next = 0;
  for (const Tensor<double>& input : inputs) {
    directions.push_back(source.tensor(input.shape(), -0.5, 0.5));
    if (input.size() == 0) continue;
    const auto g = gradient[next++].value();
    for (std::int64_t i = 0; i < input.size(); ++i) directions.back()[i] += g[i] / norm;
  }
  Tape<double> tape;
  const Tensor<double> zero{Shape{}};
  const V t = tape.input(zero);
  std::vector<V> moved;
  for (std::size_t i = 0; i < inputs.size(); ++i) {
    moved.push_back(tape.input(inputs[i]) + t * tape.input(directions[i]));
  }
  const V y = sample.record(moved);
  GradcheckOptions options{.order = order, .seed = seed};
  options.tolerance_entry = 1e-10;
  const GradcheckReport report = gradcheck(order == 1 ? y : tanh(y * 0.3), {t}, options);
  BOOST_TEST((report.verdict != Verdict::fail), to_string(report));
  ++counts.directions;
  if (report.verdict == Verdict::pass) {
    counts.norm = std::max(counts.norm, report.leaves[0].max_entry_error);
  } else {
    ++counts.undecided_directions;
  }
}

void check(const RegisteredOp& op, std::uint64_t seed, Counts& counts) {
  Choices choices(seed);
  const OpSample sample = op.random_sample(choices);
  Source source(seed);
  const std::vector<Tensor<double>> inputs = draw(sample, source);
  Tape<double> tape;
  std::vector<V> leaves, full;
  for (const Tensor<double>& input : inputs) {
    leaves.push_back(tape.input(input));
    if (input.size() > 0) full.push_back(leaves.back());
  }
  const V y = sample.record(leaves);
  ++counts.samples;
  if (full.size() < leaves.size() || y.shape().size() == 0) {
    ++counts.empty;
    check_empty(y, leaves);
    // What is left besides the empty ones may still have a gradient.
    if (full.empty() || y.shape().size() == 0) return;
  }
  for (const int order : {1, 2}) {
    BOOST_TEST_CONTEXT(op.name << ", seed " << seed << ", order " << order) {
      // The second derivative of a linear operation would be zero.
      const V f = order == 1 ? y : tanh(y * 0.3);
      GradcheckOptions options{.order = order, .seed = seed};
      options.tolerance_entry = 1e-9;
      // A gradient of zero (one class, a branch that was not taken) is put before gradcheck as
      // such, which then asserts that f does not move.
      const Tensor<double> cotangent = source.tensor(f.shape(), 0.5, 1.5);
      const auto g = gradients(f, full, tape.input(cotangent), {});
      for (std::size_t i = 0; i < full.size(); ++i) {
        const auto value = g[i].value();
        if (std::any_of(value.begin(), value.end(), [](double v) { return v != 0; })) continue;
        options.zero.push_back(i);
      }
      const GradcheckReport report = gradcheck(f, full, options);
      BOOST_TEST((report.verdict != Verdict::fail), to_string(report));
      counts.leaves += static_cast<int>(full.size());
      if (!op.zero_derivative) counts.flat += static_cast<int>(options.zero.size());
      for (const LeafReport& leaf : report.leaves) {
        if (leaf.verdict == Verdict::cannot_decide) {
          ++counts.undecided;
          continue;
        }
        counts.entry = std::max(counts.entry, leaf.max_entry_error);
      }
      if (options.zero.empty()) check_norm(sample, inputs, g, order, seed, counts);
    }
  }
}

}  // namespace

BOOST_AUTO_TEST_CASE(every_operation_on_random_shapes) {
  const char* text = std::getenv("CHAINRULE_SHAPES");
  const int shapes = text ? std::stoi(text) : few;
  Counts counts;
  for (const RegisteredOp& op : all_ops()) {
    BOOST_TEST(op.random_sample != nullptr, op.name << " draws no samples");
    if (!op.random_sample) continue;
    const int before = counts.flat, undecided = counts.undecided;
    for (int i = 0; i < shapes; ++i) {
      BOOST_TEST_CONTEXT(op.name << ", shape " << i) {
        const auto place = static_cast<std::uint64_t>(&op - all_ops().data());
        check(op, 100000 * (place + 1) + static_cast<std::uint64_t>(i), counts);
      }
    }
    if (counts.flat > before || counts.undecided > undecided) {
      BOOST_TEST_MESSAGE(fmt::format("{}: {} flat, {} undecided", op.name, counts.flat - before,
                                     counts.undecided - undecided));
    }
  }
  BOOST_TEST(counts.flat < 0.1 * counts.leaves);
  BOOST_TEST(counts.undecided < 0.01 * counts.leaves);
  BOOST_TEST(counts.undecided_directions < 0.03 * counts.directions);
  fmt::print(
      "{} operations x {} shapes ({} with empty tensors), {} leaves at orders 1 and 2: {} "
      "flat, {} undecided; {} directions, {} undecided; worst entry {:.1e}, worst norm "
      "{:.1e}\n",
      all_ops().size(), shapes, counts.empty, counts.leaves, counts.flat, counts.undecided,
      counts.directions, counts.undecided_directions, counts.entry, counts.norm);
}
