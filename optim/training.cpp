#include <chainrule/optim/checks.hpp>
#include <chainrule/optim/clipping.hpp>
#include <chainrule/optim/training.hpp>

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cmath>

namespace chainrule {

template <class T>
typename TrainingStep<T>::Recorded TrainingStep<T>::record(TensorView<const T> x,
                                                           TensorView<const T> y) {
  Tape<T> tape;
  Recorded step;
  step.x = tape.input(x);
  step.y = tape.input(y);
  step.loss = softmax_cross_entropy(classifier_.logits(tape, step.x), step.y, location_);
  Parameters<T>& parameters = *classifier_.parameters;
  std::vector<Var<T>> leaves;
  for (std::size_t i = 0; i < parameters.size(); ++i)
    leaves.push_back(tape.parameter(parameters[i]));
  const std::span<const Var<T>> found = gradients(step.loss, leaves);
  std::vector<Var<T>> outputs{step.loss};
  outputs.insert(outputs.end(), found.begin(), found.end());
  step.plan = plan(outputs);
  for (std::size_t i = 0; i < parameters.size(); ++i) {
    step.plan.write_to(found[i], parameters[i].gradient());
  }
  return step;
}

template <class T>
T TrainingStep<T>::operator()(TensorView<const T> x, TensorView<const T> y) {
  const std::int64_t rows = x.shape()[0];
  auto found = by_rows_.find(rows);
  if (found == by_rows_.end()) found = by_rows_.emplace(rows, record(x, y)).first;
  Recorded& step = found->second;
  step.plan.rebind(step.x, x);
  step.plan.rebind(step.y, y);
  step.plan.run();
  return step.plan.item(step.loss);
}

template class TrainingStep<float>;
template class TrainingStep<double>;

namespace {

/// Clips, and adds the step to the message where that fails.
template <class T>
double clip(Parameters<T>& parameters, double max_norm, std::int64_t step,
            SourceLocation location) {
  try {
    return clip_gradient_norm(parameters, max_norm);
  } catch (const NumericError& error) {
    throw NumericError("train", fmt::format("at step {}: {}", step, error.what()), location);
  }
}

template <class T>
TrainingResult<T> run(Classifier<T> classifier, Optimizer<T> optimizer, const Dataset<T>& train_set,
                      const Dataset<T>& validation_set, const TrainingOptions& options,
                      const std::function<void(const Progress&)>& progress,
                      SourceLocation location) {
  const auto at_least = [&](const char* name, std::int64_t value, std::int64_t least) {
    if (value >= least) return;
    throw UsageError("train", fmt::format("{} {}: expected at least {}", name, value, least),
                     location);
  };
  at_least("epochs", options.epochs, 1);
  at_least("patience", options.patience, 0);
  at_least("validations_per_epoch", options.validations_per_epoch, 1);
  if (!(options.clip_norm >= 0)) {
    throw UsageError("train", fmt::format("clip_norm {}: expected at least 0", options.clip_norm),
                     location);
  }

  detail::expect_complete("train", "training", train_set, location);
  detail::expect_complete("train", "validation", validation_set, location);

  const auto start = std::chrono::steady_clock::now();
  Parameters<T>& parameters = *classifier.parameters;
  Batches<T> batches(train_set, options.batch_size, options.seed, options.shuffle,
                     options.last_batch, location);
  TrainingStep<T> training_step(classifier, location);
  constexpr std::int64_t block = Evaluator<T>::usual_block;
  Evaluator<T> on_train(classifier, train_set, block, location),
      on_validation(classifier, validation_set, block, location);
  EarlyStopping stopping(std::max<std::int64_t>(options.patience, 1), location);

  const std::int64_t per_epoch = batches.per_epoch();
  const std::int64_t per_validation =
      std::max<std::int64_t>(1, per_epoch / options.validations_per_epoch);
  std::int64_t steps = 0;
  if (__builtin_mul_overflow(per_epoch, options.epochs, &steps)) {
    throw UsageError("train",
                     fmt::format("{} epochs of {} steps are more than can be counted",
                                 options.epochs, per_epoch),
                     location);
  }
  TrainingResult<T> result;
  result.stop_epoch = options.epochs;
  result.history.batch_loss.reserve(
      static_cast<std::size_t>(std::min<std::int64_t>(steps, 1 << 20)));

  const auto expect_finite = [&](const char* which, double loss, std::int64_t step) {
    if (std::isfinite(loss)) return;
    throw NumericError(
        "train",
        fmt::format("the {} loss is {} at step {} (epoch {}): the weights have "
                    "diverged; try a lower learning rate",
                    which, std::isnan(loss) ? std::abs(loss) : loss, step, step / per_epoch),
        location);
  };
  const auto validate = [&](std::int64_t step) {
    const Validation scores{step, on_train(), on_validation()};
    expect_finite("training", scores.train.loss, step);
    expect_finite("validation", scores.validation.loss, step);
    return scores;
  };
  for (std::int64_t step = 0; step < steps && !result.stopped_early; ++step) {
    const std::int64_t epoch = step / per_epoch;
    batches.load(static_cast<std::uint32_t>(epoch), step % per_epoch, location);
    const double loss = static_cast<double>(training_step(batches.x(), batches.y()));
    expect_finite("batch", loss, step);
    result.history.batch_loss.push_back(loss);
    if (options.clip_norm > 0) {
      result.history.gradient_norm.push_back(clip(parameters, options.clip_norm, step, location));
    }
    optimizer.step(parameters, options.schedule ? options.schedule(step) : 1);
    result.steps = step + 1;
    if (step % per_validation != 0 && step != steps - 1) continue;

    result.history.validations.push_back(validate(step));
    const Validation& latest = result.history.validations.back();
    if (stopping.update(latest.validation.loss)) {
      result.at_best = latest;
      result.best = Snapshot<T>(parameters);
    }
    if (options.patience > 0 && stopping.should_stop()) {
      result.stopped_early = true;
      result.stop_epoch = epoch;
    }
    if (progress) {
      progress({step + 1, steps, epoch, options.epochs, latest, stopping.best_loss(),
                stopping.since_best(), options.patience});
    }
  }
  result.at_stop = result.history.validations.back();
  result.seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  return result;
}

}  // namespace

template <class T>
TrainingResult<T> train(std::type_identity_t<Classifier<T>> classifier, const Dataset<T>& train_set,
                        const Dataset<T>& validation_set, const TrainingOptions& options,
                        const std::function<void(const Progress&)>& progress,
                        SourceLocation location) {
  Sgd<T> sgd(*classifier.parameters, options.sgd, location);
  return run<T>(std::move(classifier), std::move(sgd), train_set, validation_set, options, progress,
                location);
}

template <class T>
TrainingResult<T> train(std::type_identity_t<Classifier<T>> classifier,
                        std::type_identity_t<Optimizer<T>> optimizer, const Dataset<T>& train_set,
                        const Dataset<T>& validation_set, const TrainingOptions& options,
                        const std::function<void(const Progress&)>& progress,
                        SourceLocation location) {
  if (options.sgd != SgdOptions{}) {
    throw UsageError("train", "options.sgd beside an optimizer: it would have no effect", location);
  }
  return run(std::move(classifier), std::move(optimizer), train_set, validation_set, options,
             progress, location);
}

template TrainingResult<float> train(Classifier<float>, const Dataset<float>&,
                                     const Dataset<float>&, const TrainingOptions&,
                                     const std::function<void(const Progress&)>&, SourceLocation);
template TrainingResult<double> train(Classifier<double>, const Dataset<double>&,
                                      const Dataset<double>&, const TrainingOptions&,
                                      const std::function<void(const Progress&)>&, SourceLocation);
template TrainingResult<float> train(Classifier<float>, Optimizer<float>, const Dataset<float>&,
                                     const Dataset<float>&, const TrainingOptions&,
                                     const std::function<void(const Progress&)>&, SourceLocation);
template TrainingResult<double> train(Classifier<double>, Optimizer<double>, const Dataset<double>&,
                                      const Dataset<double>&, const TrainingOptions&,
                                      const std::function<void(const Progress&)>&, SourceLocation);

std::function<void(const Progress&)> progress_line(std::FILE* stream) {
  const bool terminal = isatty(fileno(stream)) != 0;
  return [stream, terminal, tenth = std::int64_t{-1}](const Progress& p) mutable {
    const bool last = p.step == p.steps || (p.patience > 0 && p.since_best >= p.patience);
    const std::int64_t now = 10 * p.step / p.steps;
    if (!terminal && now == tenth && !last) return;
    tenth = now;
    fmt::print(
        stream,
        "{}epoch {:>3}/{}  step {:>6}  train {:.4f} ({:.2f} %)  validation {:.4f} ({:.2f} %)  "
        "best {:.4f}, {} validation{} ago{}",
        terminal ? "\r" : "", p.epoch, p.epochs, p.latest.step, p.latest.train.loss,
        100 * p.latest.train.accuracy, p.latest.validation.loss, 100 * p.latest.validation.accuracy,
        p.best_validation_loss, p.since_best, p.since_best == 1 ? "" : "s",
        terminal && !last ? "\033[K" : "\n");
    std::fflush(stream);
  };
}

}  // namespace chainrule
