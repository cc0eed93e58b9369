// A training step allocates nothing once it is warm, recorded anew or replayed: counted by replaced
// operators new.
#include <chainrule/ops/ops.hpp>

#include "tests/counted_allocations.hpp"
#include "tests/support.hpp"

using namespace chainrule;
using namespace support;

namespace {

/// 785-64-10 with biases, on 32 samples; every family of operations takes part.
template <class T>
struct Step {
  Source source{1};
  Tensor<T> x = source.tensor<T>({32, 785}), y = source.tensor<T>({32, 10}, 0, 1);
  std::vector<std::int32_t> labels = std::vector<std::int32_t>(32, 3);
  OwnedParameter<T> w1{"layers.0.weight, a long name", source.tensor<T>({785, 64}, -0.1, 0.1)},
      b1{"b1", source.tensor<T>({64})}, w2{"W2", source.tensor<T>({64, 10})},
      b2{"b2", source.tensor<T>({10})};

  std::array<Var<T>, 5> record(Tape<T>& tape) const {
    const Var<T> vw1 = tape.parameter(w1.parameter), vb1 = tape.parameter(b1.parameter),
                 vw2 = tape.parameter(w2.parameter), vb2 = tape.parameter(b2.parameter);
    const Var<T> z1 = named(linear(tape.input(x), vw1, vb1), "Z1");
    const Var<T> a1 = improved_sigmoid(relu(z1) - sigmoid(z1) / 2);
    const Var<T> z2 = named(linear(a1, vw2, vb2), "Z2");
    const Var<T> decay = mean(vw1 * vw1) + sum(tanh(mean(z1, {0}, true)));
    const Var<T> loss = softmax_cross_entropy(z2, tape.input(y)) +
                        softmax_cross_entropy_with_indices(z2, labels) + decay;
    const auto g = gradients(loss, {vw1, vb1, vw2, vb2});
    return {loss, g[0], g[1], g[2], g[3]};
  }
};

}  // namespace

BOOST_AUTO_TEST_CASE(the_counter_counts) {
  const long before = allocations;
  const Tensor<double> tensor(Shape{3});
  const long after = allocations;
  BOOST_TEST(after == before + 1);
}

BOOST_AUTO_TEST_CASE_TEMPLATE(a_recorded_step_allocates_nothing_once_warm, T, Precisions) {
  const Step<T> step;
  Tape<T> tape;
  for (int warm_up = 0; warm_up < 2; ++warm_up) {
    tape.clear();
    step.record(tape);
  }
  const long before = allocations;
  for (int k = 0; k < 3; ++k) {
    tape.clear();
    step.record(tape);
  }
  const long after = allocations;
  BOOST_TEST(after == before);
}

BOOST_AUTO_TEST_CASE_TEMPLATE(second_derivatives_allocate_nothing_once_warm, T, Precisions) {
  Source source(2);
  const Tensor<T> x = source.tensor<T>({4, 3}), v = source.tensor<T>({4, 3});
  Tape<T> tape;
  long before = 0;
  for (int k = 0; k < 4; ++k) {
    if (k == 2) before = allocations;
    tape.clear();
    const Var<T> leaf = named(tape.input(x), "X");
    const Var<T> g = gradients(sum(tanh(leaf) * softmax(leaf)), {leaf})[0];
    gradients(sum(g * tape.input(v)), {leaf});
  }
  const long after = allocations;
  BOOST_TEST(after == before);
}

BOOST_AUTO_TEST_CASE_TEMPLATE(a_run_allocates_nothing, T, Precisions) {
  const Step<T> step;
  Tape<T> tape;
  const auto outputs = step.record(tape);
  Plan<T> plan{std::span<const Var<T>>(outputs)};
  plan.write_to(outputs[1], step.w1.parameter.gradient());
  plan.run();
  const long before = allocations;
  for (int k = 0; k < 3; ++k) plan.run();
  static_cast<void>(plan.item(outputs[0]));
  const long after = allocations;
  BOOST_TEST(after == before);
}
