// The training loop against a loop written out with the hand-rolled steps that it stands for.
#include <chainrule/autograd/storage/random.hpp>
#include <chainrule/models/mlp.hpp>
#include <chainrule/optim/adam.hpp>
#include <chainrule/optim/clipping.hpp>
#include <chainrule/optim/training.hpp>

#include <boost/test/unit_test.hpp>
#include <cmath>

#include "tests/support.hpp"

using namespace chainrule;

namespace {

/// Three overlapping clouds in the plane, with a column of ones.
template <class T>
Dataset<T> clouds(std::int64_t rows, std::uint32_t sequence) {
  const Random random(9, Purpose::test, sequence);
  Dataset<T> data{Tensor<T>(Shape{rows, 3}), Tensor<T>(Shape{rows, 3}), {}};
  std::uint64_t next = 0;
  for (std::int64_t row = 0; row < rows; ++row) {
    const auto label = static_cast<std::int32_t>(row % 3);
    data.labels.push_back(label);
    data.x(row, 0) = static_cast<T>(2 * std::cos(2.1 * label) + random.normal(next++));
    data.x(row, 1) = static_cast<T>(2 * std::sin(2.1 * label) + random.normal(next++));
    data.x(row, 2) = 1;
    data.y(row, label) = 1;
  }
  return data;
}

const MlpOptions small{.widths = {3, 8, 3}, .activation = Activation::tanh, .seed = 2};

}  // namespace

BOOST_AUTO_TEST_CASE(equals_the_loop_written_out) {
  const auto train_set = clouds<double>(50, 1), validation_set = clouds<double>(30, 2);
  const TrainingOptions options{.batch_size = 8,
                                .epochs = 3,
                                .sgd = {.learning_rate = 0.1, .momentum = 0.5},
                                .patience = 0,
                                .validations_per_epoch = 2,
                                .last_batch = LastBatch::keep,
                                .seed = 7};
  Mlp<double> model(small), by_hand(small);
  const auto result = train(model, train_set, validation_set, options);

  Batches<double> batches(train_set, 8, 7, Shuffle::yes, LastBatch::keep);
  BOOST_TEST(batches.per_epoch() == 7);  // the last one has two rows: a plan of its own
  Sgd<double> sgd(by_hand.parameters(), options.sgd);
  std::size_t step = 0;
  for (std::uint32_t epoch = 0; epoch < 3; ++epoch) {
    for (std::int64_t index = 0; index < 7; ++index, ++step) {
      batches.load(epoch, index);
      Tape<double> tape;
      const auto loss =
          softmax_cross_entropy(by_hand(tape, tape.input(batches.x())), tape.input(batches.y()));
      auto& parameters = by_hand.parameters();
      const auto found =
          gradients(loss, {tape.parameter(parameters[0]), tape.parameter(parameters[1])});
      for (std::size_t i = 0; i < 2; ++i) {
        std::copy(found[i].value().begin(), found[i].value().end(),
                  parameters[i].gradient().begin());
      }
      sgd.step(parameters);
      BOOST_TEST_REQUIRE(result.history.batch_loss.at(step) == loss.item());
    }
  }
  BOOST_TEST(result.steps == 21);
  BOOST_TEST(result.stop_epoch == 3);
  BOOST_TEST(!result.stopped_early);
  for (std::int64_t i = 0; i < model.parameter_count(); ++i) {
    BOOST_TEST(model.parameters().values()[i] == by_hand.parameters().values()[i]);
  }
  // A validation every 7 / 2 = 3 steps, from step 0 on, and one of the last weights, which counts
  // for the best like any other.
  BOOST_TEST(result.history.validations.size() == 8u);
  for (const Validation& v : result.history.validations) {
    BOOST_TEST(v.validation.loss >= result.at_best.validation.loss);
  }
  BOOST_TEST(result.history.validations[2].step == 6);
  BOOST_TEST(result.at_stop.step == 20);
  Evaluator<double> evaluate(by_hand, validation_set);
  BOOST_TEST(result.at_stop.validation.loss == evaluate().loss);
}

BOOST_AUTO_TEST_CASE(another_optimizer_a_schedule_and_clipping_take_their_turns) {
  const auto data = clouds<double>(48, 1);
  const TrainingOptions options{.batch_size = 8,
                                .epochs = 4,
                                .schedule = warm_up(4, cosine_decay(20)),
                                .clip_norm = 0.4,
                                .patience = 0,
                                .seed = 7};
  Mlp<double> model(small), by_hand(small);
  const AdamWOptions rule{.learning_rate = 0.05, .weight_decay = 0.1};
  const auto result =
      train<double>(model, AdamW<double>(model.parameters(), rule), data, data, options);

  Parameters<double>& parameters = by_hand.parameters();
  Batches<double> batches(data, 8, 7, Shuffle::yes, LastBatch::drop);
  TrainingStep<double> differentiate{Classifier<double>(by_hand)};
  AdamW<double> adamw(parameters, rule);
  BOOST_TEST_REQUIRE(result.history.gradient_norm.size() == 24u);
  int clipped = 0;
  for (int step = 0; step < 24; ++step) {
    batches.load(static_cast<std::uint32_t>(step / 6), step % 6);
    differentiate(batches.x(), batches.y());
    const double norm = clip_gradient_norm(parameters, 0.4);
    BOOST_TEST(result.history.gradient_norm[static_cast<std::size_t>(step)] == norm);
    clipped += norm > 0.4;
    adamw.step(parameters, options.schedule(step));
  }
  BOOST_TEST(clipped > 0);
  BOOST_TEST(clipped < 24);
  for (std::int64_t i = 0; i < model.parameter_count(); ++i) {
    BOOST_TEST(model.parameters().values()[i] == parameters.values()[i]);
  }
}

BOOST_AUTO_TEST_CASE(a_step_reads_the_rows_that_it_is_given) {
  const auto data = clouds<double>(24, 1);
  Mlp<double> model(small);
  TrainingStep<double> differentiate{Classifier<double>(model)};
  for (std::int64_t first = 0; first + 8 <= 24; first += 7) {  // a plan of one shape, other rows
    const TensorView<const double> x(data.x.data() + 3 * first, {8, 3}),
        y(data.y.data() + 3 * first, {8, 3});
    const double loss = differentiate(x, y);
    Tape<double> tape;
    const auto logits = model(tape, tape.input(x));
    const auto expected = softmax_cross_entropy(logits, tape.input(y));
    BOOST_TEST(loss == expected.item());
    const auto dw1 = gradients(expected, {tape.find("W1")})[0];
    BOOST_TEST(support::same_bits(model.parameters()[0].gradient(), dw1.value()));
  }
}

BOOST_AUTO_TEST_CASE(stops_early_and_keeps_the_best) {
  const auto train_set = clouds<float>(96, 1), validation_set = clouds<float>(60, 2);
  Mlp<float> model(small);
  int calls = 0;
  const auto result = train<float>(model, train_set, validation_set,
                                   {.batch_size = 8,
                                    .epochs = 500,
                                    .sgd = {.learning_rate = 0.5},
                                    .patience = 15,
                                    .validations_per_epoch = 4,
                                    .seed = 1},
                                   [&](const Progress& p) {
                                     ++calls;
                                     BOOST_TEST(p.latest.step == p.step - 1);
                                   });
  BOOST_TEST(result.stopped_early);
  const auto& validations = result.history.validations;
  BOOST_TEST(static_cast<std::size_t>(calls) == validations.size());
  // The best stands 15 validations before the stop, and nothing in the history is below it.
  BOOST_TEST(validations[validations.size() - 16].step == result.at_best.step);
  for (const Validation& v : validations) {
    BOOST_TEST(v.validation.loss >= result.at_best.validation.loss);
  }
  BOOST_TEST(result.at_stop.step == result.steps - 1);
  BOOST_TEST(result.stop_epoch == (result.steps - 1) / 12);
  // The snapshot's weights give the best score again, and the model still has the last ones.
  Evaluator<float> evaluate(model, validation_set);
  BOOST_TEST(evaluate().loss == result.at_stop.validation.loss);
  result.best.restore(model.parameters());
  BOOST_TEST(evaluate().loss == result.at_best.validation.loss);
  BOOST_TEST(result.at_best.validation.accuracy > 0.7);
}

BOOST_AUTO_TEST_CASE(the_same_seed_gives_the_same_bits) {
  const auto data = clouds<float>(64, 1);
  const TrainingOptions options{.batch_size = 8, .epochs = 2, .seed = 3};
  TrainingOptions other = options;
  other.seed = 4;
  Mlp<float> a(small), b(small), c(small);
  train<float>(a, data, data, options);
  train<float>(b, data, data, options);
  train<float>(c, data, data, other);
  bool differs = false;
  for (std::int64_t i = 0; i < a.parameter_count(); ++i) {
    BOOST_TEST(a.parameters().values()[i] == b.parameters().values()[i]);
    differs |= a.parameters().values()[i] != c.parameters().values()[i];
  }
  BOOST_TEST(differs);
}

BOOST_AUTO_TEST_CASE(divergence_is_named) {
  auto data = clouds<float>(64, 1);
  for (float& value : data.x) value *= 1e19f;
  Mlp<float> model({.widths = {3, 8, 3}, .activation = Activation::relu});
  BOOST_CHECK_EXCEPTION(
      train<float>(model, data, data, {.batch_size = 8, .sgd = {.learning_rate = 1e10}}, {}, {}),
      NumericError, [](const NumericError& error) {
        const std::string text = error.what();
        BOOST_TEST_MESSAGE(text);
        return text.find("loss is") != text.npos && text.find("at step") != text.npos;
      });
}

BOOST_AUTO_TEST_CASE(a_validation_loss_that_is_not_finite_is_named) {
  const auto data = clouds<double>(64, 1);
  auto broken = data;
  broken.x(5, 0) = NAN;
  Mlp<double> model(small);
  support::check_error<NumericError>(
      [&] { train<double>(model, data, broken, {.batch_size = 8}); },
      "[train] the validation loss is nan at step 0 (epoch 0)");
}

BOOST_AUTO_TEST_CASE(options_out_of_range_are_named) {
  const auto data = clouds<float>(64, 1);
  Mlp<float> model(small);
  const auto message = [&](TrainingOptions options) -> std::string {
    try {
      train<float>(model, data, data, options, {}, {});
    } catch (const UsageError& error) {
      return error.what();
    }
    return "nothing was thrown";
  };
  BOOST_TEST(message({.epochs = 0}) == "[train] epochs 0: expected at least 1");
  BOOST_TEST(message({.patience = -1}) == "[train] patience -1: expected at least 0");
  BOOST_TEST(message({.clip_norm = -1}) == "[train] clip_norm -1: expected at least 0");
  BOOST_TEST(message({.schedule = [](std::int64_t) { return -1.0; }}) ==
             "[Sgd::step] rate factor -1: expected a number of at least 0");
  BOOST_CHECK_THROW(train<float>(model, Adam<float>(model.parameters()), data, data,
                                 {.sgd = {.momentum = 0.9}}, {}, {}),
                    UsageError);
}

BOOST_AUTO_TEST_CASE(data_with_fewer_labels_or_targets_than_rows_is_refused) {
  const Dataset<double> right = clouds<double>(20, 1);
  Dataset<double> few_labels = right, few_targets = right;
  few_labels.labels.pop_back();
  few_targets.y = Tensor<double>({19, 3});
  Mlp<double> model(small);
  const Tensor<double> before(model.parameters().values());
  using support::check_error;
  check_error<ShapeError>([&] { train<double>(model, few_labels, right, {}); },
                          "[train] the training set has inputs (20, 3), targets (20, 3) and 19 labels: "
                          "expected (N, I), (N, K) and N");
  check_error<ShapeError>([&] { train<double>(model, right, few_targets, {}); },
                          "[train] the validation set has inputs (20, 3), targets (19, 3) and 20");
  check_error<ShapeError>([&] { Evaluator<double>(model, few_labels); },
                          "[Evaluator] the data set has inputs (20, 3)");
  BOOST_TEST(support::same_bits(model.parameters().values(), before));
}

BOOST_AUTO_TEST_CASE(what_does_not_fit_the_model_is_reported_where_train_is_called) {
  const Dataset<double> right = clouds<double>(20, 1);
  Dataset<double> wide = right, more_classes = right;
  wide.x = Tensor<double>({20, 4});
  more_classes.y = Tensor<double>({20, 4});
  Mlp<double> model(small);
  using support::check_error;
  const std::string inputs = "[Mlp] input (";
  const TrainingOptions options{.batch_size = 8, .epochs = 1};
  check_error<ShapeError>([&] { train<double>(model, wide, right, options); }, inputs);
  check_error<ShapeError>([&] { train<double>(model, right, wide, options); }, inputs);
  check_error<ShapeError>([&] { Evaluator<double>(model, wide); }, inputs);
  const std::string targets = "[softmax_cross_entropy]";
  check_error<ShapeError>([&] { train<double>(model, more_classes, right, options); }, targets);
  check_error<ShapeError>([&] { train<double>(model, right, more_classes, options); }, targets);
  check_error<ShapeError>([&] { Evaluator<double>(model, more_classes); }, targets);
  check_error<ShapeError>(
      [&] { TrainingStep<double>(Classifier<double>(model))(right.x, more_classes.y); }, targets);
}
