// explain and the drawing of a diagnosis.
#include <boost/test/unit_test.hpp>

#include <chainrule/check/explain.hpp>
#include <chainrule/ops/ops.hpp>

#include <algorithm>
#include <sstream>
#include <string>
#include <vector>

using namespace chainrule;

namespace {

/// Two paths from W to the loss, one of them through a product with itself.
struct Graph {
  Tensor<double> x{Shape{2, 3}, {1, -2, 3, -4, 5, -6}},
      w{Shape{3, 3}, {1, 2, 3, 4, 5, 6, 7, 8, 10}};
  Tape<double> tape;
  Var<double> W = named(tape.input(w), "W"), X = named(tape.input(x), "X");
  Var<double> Z = named(matmul(X, W), "Z"), A = named(tanh(Z), "A"),
              loss = named(add(sum(A), scale(sum(square(W)), 0.5)), "loss");
};

}  // namespace

BOOST_AUTO_TEST_CASE(the_chain_has_every_contribution_with_its_shape) {
  Graph g;
  const std::string text = explain(g.loss, g.W);
  BOOST_TEST_INFO(text);
  std::istringstream lines(text);
  std::vector<std::string> found;
  for (std::string line; std::getline(lines, line);) {
    // Columns are padded: one blank counts.
    std::string plain;
    for (const char c : line) {
      if (c != ' ' || plain.empty() || plain.back() != ' ') plain += c;
    }
    found.push_back(plain);
  }
  const auto has = [&](const std::string& line) {
    return std::ranges::find(found, line) != found.end();
  };
  BOOST_TEST(found.front() == "dloss () = 1");
  BOOST_TEST(has("dZ (2, 3) = dA o (1 - A^2) A = tanh(Z)"));
  const bool both =
      (has("dW (3, 3) = X^T dZ Z = matmul(X, W)") &&
       text.find("dW (3, 3) += 2 d") != std::string::npos) ||
      (has("dW (3, 3) += X^T dZ Z = matmul(X, W)") && text.find("= 2 d") != std::string::npos);
  BOOST_TEST(both);
  BOOST_TEST(text.find("dX") == std::string::npos);  // nobody asked
}

BOOST_AUTO_TEST_CASE(what_the_loss_does_not_depend_on_has_no_chain) {
  Graph g;
  const Tensor<double> other(Shape{2});
  BOOST_CHECK_THROW(explain(g.loss, g.tape.input(other)), UsageError);
  Graph elsewhere;
  BOOST_CHECK_THROW(explain(g.loss, elsewhere.W), UsageError);
}

BOOST_AUTO_TEST_CASE(a_float_tape_is_explained_too) {
  const Tensor<float> x({3}, {1, 2, 3});
  Tape<float> tape;
  const auto v = named(tape.input(x), "v");
  BOOST_TEST(explain(sum(square(v)), v).find("o v") != std::string::npos);
}

BOOST_AUTO_TEST_CASE(the_fault_is_red) {
  Graph g;
  Tensor<double> wrong({3, 3});
  for (std::int64_t i = 0; i < 9; ++i) wrong[i] = 1 + static_cast<double>(i);
  const Diagnosis d = diagnose(g.loss, {{"dW", wrong}});
  const std::string dot = to_dot(g.loss, d);
  BOOST_TEST(dot.starts_with("digraph"));
  BOOST_TEST(dot.find("color=red") != std::string::npos);

  // The drawing of a right derivation has none.
  const Tensor<double> right(gradients(g.loss, {g.W})[0].value());
  BOOST_TEST(to_dot(g.loss, diagnose(g.loss, {{"dW", right}})).find("=red") == std::string::npos);
}
