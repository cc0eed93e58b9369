// Evaluation in blocks against one pass over all rows, and accuracy against a count.
#include <chainrule/autograd/storage/random.hpp>
#include <chainrule/models/mlp.hpp>
#include <chainrule/optim/evaluation.hpp>

#include <algorithm>
#include <boost/test/unit_test.hpp>
#include <cmath>

using namespace chainrule;

namespace {

Dataset<double> random_rows(std::int64_t rows, std::int64_t inputs, std::int64_t classes) {
  const Random random(4, Purpose::test);
  Dataset<double> data{Tensor<double>(Shape{rows, inputs}), Tensor<double>(Shape{rows, classes}), {}};
  std::uint64_t next = 0;
  for (double& value : data.x) value = random.normal(next++);
  for (std::int64_t row = 0; row < rows; ++row) {
    const auto label = static_cast<std::int32_t>(random.below(next++, 3));
    data.labels.push_back(label);
    data.y(row, label) = 1;
  }
  return data;
}

}  // namespace

BOOST_AUTO_TEST_CASE(blocks_of_any_size_give_the_same_scores) {
  const Dataset<double> data = random_rows(53, 6, 3);
  Mlp<double> model({.widths = {6, 5, 3}});
  Tape<double> tape;
  const auto logits = model(tape, tape.input(data.x));
  const double loss = softmax_cross_entropy(logits, tape.input(data.y)).item();
  int correct = 0;
  for (std::int64_t row = 0; row < 53; ++row) {
    int best = 0;
    for (int k = 1; k < 3; ++k) best = logits.value()(row, k) > logits.value()(row, best) ? k : best;
    correct += best == data.labels[static_cast<std::size_t>(row)];
  }
  for (const std::int64_t block : {1, 7, 50, 53, 200}) {
    Evaluator<double> evaluate(model, data, block);
    for (int again = 0; again < 2; ++again) {
      const Score score = evaluate();
      BOOST_TEST(score.loss == loss, boost::test_tools::tolerance(1e-13));
      BOOST_TEST(score.accuracy == correct / 53.0);
    }
  }
}

BOOST_AUTO_TEST_CASE(the_current_weights_are_used) {
  const Dataset<double> data = random_rows(20, 6, 3);
  Mlp<double> model({.widths = {6, 3}});
  Evaluator evaluate(model, data);
  const double before = evaluate().loss;
  for (double& w : model.parameters().mutable_values()) w = 0;
  BOOST_TEST(evaluate().loss == std::log(3.0), boost::test_tools::tolerance(1e-14));
  // All logits are equal: the first wins.
  const auto first = std::count(data.labels.begin(), data.labels.end(), 0);
  BOOST_TEST(first != std::count(data.labels.begin(), data.labels.end(), 2));
  BOOST_TEST(evaluate().accuracy == static_cast<double>(first) / 20);
  BOOST_TEST(before != evaluate().loss);
}

BOOST_AUTO_TEST_CASE(no_rows_is_an_error) {
  const Dataset<double> data{Tensor<double>(Shape{0, 6}), Tensor<double>(Shape{0, 3}), {}};
  Mlp<double> model({.widths = {6, 3}});
  BOOST_CHECK_THROW(Evaluator<double>(model, data), UsageError);
}
