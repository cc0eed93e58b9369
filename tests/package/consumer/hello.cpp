// A network, its loss and its gradient: what a user of the installed package compiles first.
#include <chainrule/models/mlp.hpp>
#include <iostream>
using namespace chainrule;

int main() {
  const Mlp<double> model({.widths = {3, 8, 2}, .seed = 1});
  const Tensor<double> x({2, 3}, {0, 1, 1, 1, 0, 1}), y({2, 2}, {1, 0, 0, 1});
  Tape<double> tape;
  const auto loss = softmax_cross_entropy(model(tape, tape.input(x)), tape.input(y));
  const auto dw = gradients(loss, {tape.parameter(model.parameters()[0])})[0];
  std::cout << "loss " << loss.item() << ", dW1 " << dw.shape() << "\n";
}
