// The table of all operations, with samples to check each on. A test walks it, and compares it with
// what ops.hpp declares; an operation without samples fails that test.
#pragma once

#include <chainrule/autograd/storage/random.hpp>
#include <chainrule/ops/ops.hpp>
#include <functional>
#include <string>
#include <vector>

namespace chainrule {

/// One input of a sample: its shape, and the interval that its entries are drawn from. The interval
/// keeps clear of kinks and poles.
struct SampleInput {
  Shape shape;      ///< of the input
  double low = -1;  ///< least entry
  double high = 1;  ///< largest entry
};

/// A way to call an operation.
struct OpSample {
  std::vector<SampleInput> inputs;  ///< one an operand
  /// Records the operation, possibly with attributes, on Vars of the shapes of `inputs`.
  std::function<Var<double>(std::span<const Var<double>>)> record;
};

/// The random choices behind one random sample: the same for the same seed.
class Choices {
 public:
  /// The choices of that seed, from the first on.
  explicit Choices(std::uint64_t seed) : random_(seed, Purpose::check) {}
  /// Uniform in {low, ..., high}.
  std::int64_t between(std::int64_t low, std::int64_t high);
  /// True with that probability.
  bool chance(double probability) { return random_.uniform(next_++) < probability; }
  /// A rank in {low, ..., high} and dimensions of mostly 2 or 3, often 1, sometimes 0 (unless
  /// `empty` is false), with at most 36 elements.
  Shape shape(int low_rank = 0, int high_rank = Shape::max_rank, bool empty = true);
  /// A shape that broadcasts to `shape`: some of its dimensions 1, some in front left out.
  Shape stretched_to(const Shape& shape);

 private:
  Random random_;
  std::uint64_t next_ = 0;
};

/// An operation of ops.hpp.
struct RegisteredOp {
  std::string name;  ///< the function's
  /// Whether the derivative is identically zero (0/1-valued helpers): then gradients are exact
  /// zeros.
  bool zero_derivative = false;
  std::vector<OpSample> samples;  ///< at least one
  /// Draws a sample of random shapes (and attributes), empty and broadcast ones among them.
  OpSample (*random_sample)(Choices& choices) = nullptr;
};

/// Every operation of ops.hpp, in its order.
const std::vector<RegisteredOp>& all_ops();

}  // namespace chainrule
