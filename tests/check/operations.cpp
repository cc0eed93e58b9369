// Every operation of the registry passes gradcheck at orders 1 and 2, at several points of its
// declared domains.
#include <boost/test/unit_test.hpp>
#include <chainrule/check/boost_test.hpp>
#include <chainrule/ops/registry.hpp>

#include "tests/support.hpp"

using namespace chainrule;
using V = Var<double>;

namespace {

/// Inputs of a sample. The first entry of each is the upper bound's size: of a scalar relu the
/// gradient would else be zero for half of all seeds.
std::vector<Tensor<double>> draw(const OpSample& sample, support::Source& source) {
  std::vector<Tensor<double>> inputs;
  for (const SampleInput& input : sample.inputs) {
    inputs.push_back(source.tensor(input.shape, input.low, input.high));
    inputs.back()[0] = source.uniform(input.high / 2, input.high);
  }
  return inputs;
}

/// A softmax over one class is constant.
bool is_constant(const RegisteredOp& op, const OpSample& sample) {
  return op.zero_derivative ||
         (op.name.ends_with("softmax") && sample.inputs.front().shape.last() == 1);
}

void check_all(int order, bool constant) {
  constexpr std::uint64_t seed = 20;
  BOOST_TEST_MESSAGE("seed " << seed);
  support::Source source(seed);
  int checked = 0;
  for (const RegisteredOp& op : all_ops()) {
    for (const OpSample& sample : op.samples) {
      if (is_constant(op, sample) != constant) continue;
      BOOST_TEST_CONTEXT(op.name << ", sample " << &sample - op.samples.data() << ", order "
                                 << order) {
        const std::vector<Tensor<double>> inputs = draw(sample, source);
        Tape<double> tape;
        std::vector<V> leaves;
        for (const Tensor<double>& input : inputs) leaves.push_back(tape.input(input));
        V y = sample.record(leaves);
        if (order > 1) y = tanh(y * 0.3);  // else the second derivative of a linear one is zero
        GradcheckOptions options{.order = order, .points = 3, .seed = seed};
        for (const SampleInput& input : sample.inputs) {
          options.domains.push_back({input.low, input.high});
        }
        if (constant) {
          for (std::size_t i = 0; i < leaves.size(); ++i) options.zero.push_back(i);
        }
        const GradcheckReport report = gradcheck(y, leaves, options);
        BOOST_TEST((report.verdict == Verdict::pass), to_string(report));
        ++checked;
        if (!constant) continue;
        options.zero.clear();  // and it is noticed when nobody declares it
        BOOST_TEST(!gradcheck(y, leaves, options));
      }
    }
  }
  BOOST_TEST(checked >= (constant ? 20 : 100));
}

}  // namespace

BOOST_AUTO_TEST_CASE(every_operation_passes_at_order_1) { check_all(1, false); }
BOOST_AUTO_TEST_CASE(every_operation_passes_at_order_2) { check_all(2, false); }
BOOST_AUTO_TEST_CASE(flat_operations_have_derivatives_of_exactly_zero) { check_all(1, true); }
