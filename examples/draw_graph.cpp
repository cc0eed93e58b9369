// Draws one training step of an MLP, the forward pass and its gradients: what docs/mlp_step.svg
// shows.  draw_graph | dot -Tsvg -o mlp_step.svg
#include <chainrule/autograd/dot.hpp>
#include <chainrule/models/mlp.hpp>
#include <chainrule/ops/ops.hpp>
#include <iostream>
using namespace chainrule;

int main() {
  const Mlp<float> mlp({.widths = {785, 64, 10}});  // the bias trick: the 785th input is one
  const Tensor<float> images({32, 785}), labels = Tensor<float>::filled({32, 10}, 0.1f);
  Tape<float> tape;
  const auto x = tape.input(images), y = named(tape.input(labels), "Y");
  const auto loss = named(softmax_cross_entropy(mlp(tape, x), y), "loss");
  const auto& p = mlp.parameters();
  const auto gradient = gradients(loss, {tape.parameter(p[0]), tape.parameter(p[1])});
  std::cout << to_dot({loss, gradient[0], gradient[1]},
                      {.title = "A training step of the 785-64-10 network, batches of 32"});
}
