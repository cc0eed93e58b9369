// The stopping rule, against the reports' sentence taken literally; and that a snapshot is a value.
#include <chainrule/autograd/storage/random.hpp>
#include <chainrule/models/mlp.hpp>
#include <chainrule/optim/early_stopping.hpp>
#include <chainrule/optim/sgd.hpp>

#include <algorithm>
#include <boost/test/unit_test.hpp>
#include <cmath>

using namespace chainrule;

namespace {

/// "Stop when none of the last `patience` validations improved on the one before them."
bool literally(const std::vector<double>& losses, std::size_t patience) {
  if (losses.size() <= patience) return false;
  const double before = losses[losses.size() - patience - 1];
  return std::none_of(losses.end() - static_cast<std::ptrdiff_t>(patience), losses.end(),
                      [&](double loss) { return loss < before; });
}

}  // namespace

BOOST_AUTO_TEST_CASE(stops_where_the_sentence_says) {
  int stopped = 0;
  for (std::uint32_t sequence = 0; sequence < 300; ++sequence) {
    const Random random(1, Purpose::test, sequence);
    const std::size_t patience = 1 + random.below(0, 8);
    EarlyStopping rule(static_cast<std::int64_t>(patience));
    std::vector<double> losses;
    for (std::uint64_t i = 1; i <= 60; ++i) {
      // A noisy decay, in steps, so that equal losses occur.
      losses.push_back(std::round(20 * (std::exp(-0.1 * static_cast<double>(i)) +
                                        0.3 * random.uniform(i))) / 20);
      rule.update(losses.back());
      BOOST_TEST_REQUIRE(rule.should_stop() == literally(losses, patience));
      if (rule.should_stop()) break;
    }
    stopped += rule.should_stop();
  }
  BOOST_TEST(stopped > 100);
}

BOOST_AUTO_TEST_CASE(the_best_is_strictly_lower_and_never_nan) {
  EarlyStopping rule(2);
  BOOST_TEST(rule.update(1.0));
  BOOST_TEST(!rule.update(1.0));
  BOOST_TEST(rule.update(0.5));
  BOOST_TEST(!rule.update(NAN));
  BOOST_TEST(rule.best_loss() == 0.5);
  BOOST_TEST(!rule.should_stop());
  BOOST_TEST(!rule.update(0.75));
  BOOST_TEST(rule.should_stop());
  BOOST_CHECK_THROW(EarlyStopping(0), UsageError);
}

BOOST_AUTO_TEST_CASE(a_snapshot_is_a_value) {
  Mlp<double> model({.widths = {3, 4, 2}});
  const Snapshot<double> best(model.parameters());
  const Tensor<double> then(best.values());
  Sgd<double> sgd(model.parameters());
  for (double& g : model.parameters().gradients()) g = 1;
  for (int step = 0; step < 5; ++step) sgd.step(model.parameters());
  BOOST_TEST(model.parameters().values()[0] != then[0]);
  for (std::int64_t i = 0; i < then.size(); ++i) BOOST_TEST(best.values()[i] == then[i]);

  const auto version = model.parameters()[0].version();
  best.restore(model.parameters());
  for (std::int64_t i = 0; i < then.size(); ++i) {
    BOOST_TEST(model.parameters().values()[i] == then[i]);
  }
  BOOST_TEST(model.parameters()[0].version() > version);
  Mlp<double> other({.widths = {3, 2}});
  BOOST_CHECK_THROW(best.restore(other.parameters()), ShapeError);
}
