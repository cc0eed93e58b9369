// Defines a loss, differentiates it, and checks the gradient.
#include <chainrule/check/gradcheck.hpp>
#include <chainrule/ops/ops.hpp>
#include <iostream>
using namespace chainrule;

int main() {
  const auto loss = [](auto x, auto w) { return mean(tanh(matmul(x, w))); };

  const Tensor<double> x({2, 3}, {1, 2, 3, 4, 5, 6}), w({3, 1}, {0.1, -0.2, 0.3});
  Tape<double> tape;
  const auto leaf = tape.input(w);
  const auto y = loss(tape.input(x), leaf);
  const auto dw = gradients(y, {leaf})[0].value();
  std::cout << "loss " << y.item() << ", dw " << dw[0] << " " << dw[1] << " " << dw[2] << "\n\n";
  std::cout << to_string(gradcheck(loss, x, w));
}
