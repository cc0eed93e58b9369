// A float tape's graph in double: every operation of the library has its twin, and values agree.
#include <boost/test/unit_test.hpp>
#include <chainrule/autograd/kernels.hpp>
#include <chainrule/check/precision.hpp>
#include <chainrule/ops/registry.hpp>
#include <set>

#include "tests/support.hpp"

using namespace chainrule;

namespace {

/// An MLP with its gradients.
template <class T>
struct Network {
  Tensor<T> x, y, w1, w2;
  Tape<T> tape;
  explicit Network(support::Source source)
      : x(source.tensor<T>({8, 20})),
        y({8, 5}),
        w1(source.tensor<T>({20, 12})),
        w2(source.tensor<T>({12, 5})) {
    for (std::int64_t n = 0; n < 8; ++n) y(n, n % 5) = 1;
    const Var<T> a = named(tape.input(w1), "W1"), b = named(tape.input(w2), "W2");
    const Var<T> z = named(matmul(tape.input(x), a), "Z1");
    const Var<T> loss =
        named(softmax_cross_entropy(matmul(improved_sigmoid(z), b), tape.input(y)), "loss");
    gradients(loss, {a, b});
  }
};

/// x + 1, of a user who calls it as the library calls another operation.
constexpr Op<float> users_sigmoid{
    "sigmoid", detail::same_shape,
    [](const Evaluation<float>& e) { detail::map_unary(e, [](float x) { return x + 1; }); },
    [](const Adjoint<float>& n, int) { return n.cotangent(); }};

}  // namespace

BOOST_AUTO_TEST_CASE(every_operation_of_the_registry_is_a_twin) {
  // With those that only rules record, first and second.
  support::Source source(1);
  std::set<const Op<double>*> seen;
  for (const RegisteredOp& op : all_ops()) {
    for (const OpSample& sample : op.samples) {
      std::vector<Tensor<double>> inputs;
      for (const SampleInput& input : sample.inputs) {
        inputs.push_back(source.tensor(input.shape, input.low, input.high));
      }
      Tape<double> tape;
      std::vector<Var<double>> leaves;
      for (const Tensor<double>& input : inputs) leaves.push_back(tape.input(input));
      const auto first = gradients(sum(square(sample.record(leaves))), leaves);
      const std::vector<Var<double>> again(first.begin(), first.end());
      for (const Var<double> dx : again) gradients(sum(square(dx)), leaves);
      for (NodeId id = 0; id < tape.size(); ++id) {
        if (!tape.node(id).op->forward || !seen.insert(tape.node(id).op).second) continue;
        BOOST_TEST(is_twin(*tape.node(id).op), tape.node(id).op->name
                                                   << ", recorded by " << op.name
                                                   << ", is missing in check/precision.cpp");
      }
    }
  }
  BOOST_TEST(seen.size() > 60u);
}

BOOST_AUTO_TEST_CASE(values_are_those_of_double) {
  Network<float> network(support::Source(5));
  const DoubleRecording recording(network.tape);
  BOOST_TEST(recording.without_twin().empty());
  double largest = 0;
  for (NodeId id = 0; id < network.tape.size(); ++id) {
    const auto twin = recording.find(id);
    BOOST_REQUIRE(twin.has_value());
    const double error = support::relative_error(network.tape.var(id).value(), twin->value());
    BOOST_TEST(error < 1e-5, network.tape.node(id).op->name);
    largest = std::max(largest, error);
  }
  BOOST_TEST(largest > 1e-8);  // float rounds
  BOOST_TEST(!recording.find(network.tape.size()).has_value());
}

BOOST_AUTO_TEST_CASE(it_is_the_network_recorded_in_double) {
  // The same numbers, widened: gradients are those that a network in double has, up to the factors
  // (1 / N = 0.125 is exact; 1.7159 and 2/3 are rounded in float).
  Network<float> narrow(support::Source(5));
  DoubleRecording recording(narrow.tape);
  Network<double> wide(support::Source(5));
  for (const char* name : {"Z1", "loss", "dZ1", "dW1", "dW2"}) {
    // Its inputs differ by their rounding to float: 6e-8.
    BOOST_TEST(support::relative_error(recording.tape().find(name).value(),
                                       wide.tape.find(name).value()) < 2e-6,
               name);
  }
  const auto z = recording.tape().find("Z1").value();
  for (std::int64_t n = 0; n < 8; ++n) {
    for (std::int64_t j = 0; j < 12; ++j) {
      double sum = 0;
      for (std::int64_t i = 0; i < 20; ++i) sum += double(narrow.x(n, i)) * double(narrow.w1(i, j));
      BOOST_TEST(z(n, j) == sum, boost::test_tools::tolerance(1e-12));
    }
  }
}

BOOST_AUTO_TEST_CASE(a_users_own_operation_is_left_out_whatever_its_name) {
  const Tensor<float> x({2}, {0.5F, 0.25F});
  Tape<float> tape;
  const Var<float> leaf = tape.input(x), before = exp(leaf);
  const Var<float> own = tape.record(users_sigmoid, {before}), after = tanh(own),
                   again = tape.record(users_sigmoid, {after}), beside = tanh(before);
  const DoubleRecording recording(tape);
  BOOST_TEST(recording.without_twin() == std::vector<std::string>{"sigmoid"},
             boost::test_tools::per_element());
  BOOST_TEST(recording.find(before.id()).has_value());
  BOOST_TEST(!recording.find(own.id()).has_value());
  BOOST_TEST(!recording.find(after.id()).has_value());
  BOOST_TEST(!recording.find(again.id()).has_value());
  BOOST_TEST(recording.find(beside.id()).has_value());
  BOOST_TEST(in_double(users_sigmoid) == nullptr);
}

BOOST_AUTO_TEST_CASE(leaves_are_copied) {
  Tensor<float> x({2}, {0.5F, 0.25F});
  auto tape = std::make_unique<Tape<float>>();
  const NodeId leaf = tape->input(x).id();
  const DoubleRecording recording(*tape);
  tape.reset();
  x[0] = 7;
  BOOST_TEST(recording.find(leaf)->value()[0] == 0.5);
}
