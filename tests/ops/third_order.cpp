// Every operation of the registry passes gradcheck at order 3: the second autodiff derivative is
// differentiated numerically.
#include <chainrule/check/boost_test.hpp>
#include <chainrule/ops/registry.hpp>

#include "tests/support.hpp"

using namespace chainrule;
using namespace support;

BOOST_AUTO_TEST_CASE(every_operation_passes_at_order_3) {
  Source source(57);
  int checked = 0;
  for (const RegisteredOp& op : all_ops()) {
    if (op.zero_derivative) continue;
    // The second sample has axes; the first is often a scalar.
    const OpSample& sample = op.samples[op.samples.size() > 1 ? 1 : 0];
    BOOST_TEST_CONTEXT(op.name) {
      std::vector<Tensor<double>> inputs;
      for (const SampleInput& input : sample.inputs) {
        inputs.push_back(source.tensor(input.shape, input.low, input.high));
      }
      Tape<double> tape;
      std::vector<Var<double>> leaves;
      for (const Tensor<double>& input : inputs) leaves.push_back(tape.input(input));
      // Behind a function whose derivatives of all orders are there, else linear ones have none.
      const Var<double> y = tanh(sample.record(leaves) * 0.3);
      const GradcheckReport report = gradcheck(y, leaves, {.order = 3, .seed = 57});
      BOOST_TEST((report.verdict == Verdict::pass), to_string(report));
      ++checked;
    }
  }
  BOOST_TEST(checked >= 60);
}
