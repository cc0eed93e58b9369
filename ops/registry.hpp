// The table of all operations, with samples to check each on. A test walks it, and compares it with
// what ops.hpp declares; an operation without samples fails that test.
#pragma once

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

/// An operation of ops.hpp.
struct RegisteredOp {
  std::string name;  ///< the function's
  /// Whether the derivative is identically zero (0/1-valued helpers): then gradients are exact
  /// zeros.
  bool zero_derivative = false;
  std::vector<OpSample> samples;  ///< at least one
};

/// Every operation of ops.hpp, in its order.
const std::vector<RegisteredOp>& all_ops();

}  // namespace chainrule
