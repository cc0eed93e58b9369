// The training loop: minibatches, validation, early stopping, and the history of a run.
#pragma once

#include <chainrule/data/batches.hpp>
#include <chainrule/optim/early_stopping.hpp>
#include <chainrule/optim/evaluation.hpp>
#include <chainrule/optim/optimizer.hpp>
#include <chainrule/optim/schedule.hpp>
#include <chainrule/optim/sgd.hpp>
#include <cstdio>
#include <functional>
#include <map>
#include <vector>

namespace chainrule {

/// One training step by replay: forward, backward, the gradients left in parameters.gradients().
/// One plan per batch shape is made when that shape first comes.
template <class T>
class TrainingStep {
 public:
  /// The classifier's model must outlive the step. `location` is where targets that do not fit the
  /// logits are reported.
  explicit TrainingStep(Classifier<T> classifier,
                        SourceLocation location = SourceLocation::current())
      : classifier_(std::move(classifier)), location_(location) {}
  /// The mean loss of the batch x (B, I), y (B, K), whose memory is read in place. Throws
  /// ShapeError where they do not fit the model.
  T operator()(TensorView<const T> x, TensorView<const T> y);

 private:
  struct Recorded {
    Var<T> x, y, loss;
    Plan<T> plan;
  };
  Recorded record(TensorView<const T> x, TensorView<const T> y);

  Classifier<T> classifier_;
  SourceLocation location_;
  std::map<std::int64_t, Recorded> by_rows_;
};

/// The reports' protocol by default.
struct TrainingOptions {
  std::int64_t batch_size = 32;  ///< rows of a step
  std::int64_t epochs = 50;      ///< at most: early stopping may end the run before
  /// Of the Sgd that train() makes when it is not given an optimizer.
  SgdOptions sgd = {};
  /// The factor of the learning rate at each step, counted from 0; empty for a constant rate.
  Schedule schedule = {};
  /// What gradients are clipped to before each update (clip_gradient_norm); 0 for no clipping.
  double clip_norm = 0;
  /// Validations without improvement before training stops; 0 for no early stopping.
  std::int64_t patience = 50;
  /// Every per_epoch / this many steps there is a validation, from step 0 on, after its update; and
  /// one after the last step.
  std::int64_t validations_per_epoch = 5;
  Shuffle shuffle = Shuffle::yes;          ///< a new order every epoch, or the data set's
  LastBatch last_batch = LastBatch::drop;  ///< what becomes of a ragged one
  std::uint64_t seed = 0;                  ///< of the orders
};

/// The scores on both sets after the update of step `step` (counted from 0).
struct Validation {
  std::int64_t step = 0;  ///< counted from 0
  Score train;            ///< over the whole training set
  Score validation;       ///< over the whole validation set
};

/// What happened in a run.
struct History {
  std::vector<double> batch_loss;       ///< of each step, at the weights before its update
  std::vector<double> gradient_norm;    ///< of each step, before clipping; empty without clip_norm
  std::vector<Validation> validations;  ///< in order
};

/// Where a run stands, for progress lines; valid during the call. `latest.step` counts from 0.
struct Progress {
  std::int64_t step;            ///< steps done: latest.step + 1
  std::int64_t steps;           ///< at most
  std::int64_t epoch;           ///< from 0
  std::int64_t epochs;          ///< at most
  const Validation& latest;     ///< the one just made
  double best_validation_loss;  ///< so far
  std::int64_t since_best;      ///< validations since the best one
  std::int64_t patience;        ///< as in the options
};

/// What a run gives back.
template <class T>
struct TrainingResult {
  History history;              ///< of all steps made
  std::int64_t steps = 0;       ///< updates made
  std::int64_t stop_epoch = 0;  ///< floor(step / steps an epoch) at the stop; epochs if not stopped
  bool stopped_early = false;   ///< by `patience`, before the last epoch's end
  Validation at_stop;           ///< scores at the last weights
  Validation at_best;           ///< scores at the lowest validation loss
  Snapshot<T> best;             ///< the weights there
  double seconds = 0;           ///< of wall time, validations included
};

/// Trains the classifier, whose parameters end at the stop; the weights of the best validation are
/// in the result. `progress` is called after each validation. Throws NumericError, naming the step,
/// when the batch loss is not finite, or with clip_norm a gradient; UsageError for options out of
/// range; ShapeError where the data does not fit the model, or has fewer targets or labels than
/// rows.
template <class T>
TrainingResult<T> train(std::type_identity_t<Classifier<T>> classifier, const Dataset<T>& train_set,
                        const Dataset<T>& validation_set, const TrainingOptions& options,
                        const std::function<void(const Progress&)>& progress = {},
                        SourceLocation location = SourceLocation::current());

/// The same with another optimizer than Sgd, such as Adam<T>(model.parameters(), {...}), whose copy
/// takes the steps. Throws UsageError also where options.sgd is not left as it is by default, since
/// it would have no effect.
template <class T>
TrainingResult<T> train(std::type_identity_t<Classifier<T>> classifier,
                        std::type_identity_t<Optimizer<T>> optimizer, const Dataset<T>& train_set,
                        const Dataset<T>& validation_set, const TrainingOptions& options,
                        const std::function<void(const Progress&)>& progress = {},
                        SourceLocation location = SourceLocation::current());

/// A progress callback that keeps one line up to date on a terminal, and writes a line per tenth of
/// the run elsewhere. Epochs and steps count from 0, as in the history.
std::function<void(const Progress&)> progress_line(std::FILE* stream);

extern template class TrainingStep<float>;
extern template class TrainingStep<double>;

}  // namespace chainrule
