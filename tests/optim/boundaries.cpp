// What stands exactly at a bound, or on its other side: options, counts, and losses that are infinite.
#include <chainrule/models/mlp.hpp>
#include <chainrule/optim/adam.hpp>
#include <chainrule/optim/training.hpp>

#include "tests/support.hpp"

using namespace chainrule;
using namespace support;

namespace {

Parameters<double> block(std::int64_t count) { return Parameters<double>({{"w", {count}}}); }

}  // namespace

BOOST_AUTO_TEST_CASE(an_averaging_factor_of_one_never_forgets) {
  const Parameters<double> p = block(1);
  check_error<UsageError>([&] { Adam<double>(p, {.beta2 = 1}); }, "[Adam] beta2 1: expected");
  check_error<UsageError>([&] { AdamW<double>(p, {.beta1 = 1}); }, "[AdamW] beta1 1: expected");
  check_error<UsageError>([&] { Sgd<double>(p, {.momentum = 1}); }, "[Sgd] momentum 1: expected");
}

BOOST_AUTO_TEST_CASE(a_state_fits_parameters_of_its_own_count) {
  const Parameters<double> made_for = block(3);
  const Snapshot<double> snapshot(made_for);
  for (const std::int64_t count : {2, 4}) {
    Parameters<double> other = block(count);
    BOOST_CHECK_THROW(Sgd<double>(made_for).step(other), ShapeError);
    BOOST_CHECK_THROW(Sgd<double>(made_for, {.momentum = 0.5}).step(other), ShapeError);
    BOOST_CHECK_THROW(Adam<double>(made_for).step(other), ShapeError);
    BOOST_CHECK_THROW(snapshot.restore(other), ShapeError);
  }
}

// Logits of +-3e38 at the wrong label: no NaN anywhere, and a loss beyond the largest float.
BOOST_AUTO_TEST_CASE(an_infinite_loss_ends_the_run_at_once) {
  Dataset<float> data{Tensor<float>({2, 1}, {3e38f, 3e38f}), Tensor<float>({2, 2}, {0, 1, 0, 1}),
                      {1, 1}};
  Mlp<float> model({.widths = {1, 2}});
  const Tensor<float> weights({2}, {1, -1});
  std::copy(weights.begin(), weights.end(), model.parameters().mutable_values().begin());
  const auto message = message_of<NumericError>(
      [&] { train<float>(model, data, data, {.batch_size = 2, .epochs = 1}); });
  BOOST_TEST(message.starts_with("[train] the batch loss is inf at step 0 (epoch 0)"), message);
}

// Without patience a run goes through its epochs, whatever the losses on validation do.
BOOST_AUTO_TEST_CASE(a_patience_of_zero_never_stops) {
  Source source(8);
  Dataset<double> data{source.tensor({12, 3}), Tensor<double>({12, 2}), {}};
  Dataset<double> contrary = data;
  for (std::int64_t row = 0; row < 12; ++row) {
    const auto label = static_cast<std::int32_t>(data.x(row, 0) > 0);
    data.labels.push_back(label), contrary.labels.push_back(1 - label);
    data.y(row, label) = 1, contrary.y(row, 1 - label) = 1;
  }
  Mlp<double> model({.widths = {3, 2}});
  const auto result = train<double>(model, data, contrary,
                                    {.batch_size = 4, .epochs = 30, .patience = 0, .seed = 1});
  BOOST_TEST(!result.stopped_early);
  BOOST_TEST(result.steps == 90);
  // It did get worse: with patience the same run stops.
  Mlp<double> again({.widths = {3, 2}});
  BOOST_TEST(train<double>(again, data, contrary,
                           {.batch_size = 4, .epochs = 30, .patience = 2, .seed = 1})
                 .stopped_early);
}
