#include "claims.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

namespace reproduce {

using chainrule::Validation;
using Values = std::vector<double>;

namespace {

using Measure = double (*)(const Run&);

/// Five validations an epoch: the scores after `epochs` of them, or the last where the run is
/// shorter.
const Validation& after(const Run& run, std::size_t epochs) {
  return run.curve[std::min(5 * epochs, run.curve.size() - 1)].scores;
}

double accuracy(const Run& run) { return run.at_stop.validation.accuracy; }
double validation_loss(const Run& run) { return run.at_stop.validation.loss; }
double train_loss(const Run& run) { return run.at_stop.train.loss; }
double stop_epoch(const Run& run) { return static_cast<double>(run.stop_epoch); }
double best_step(const Run& run) { return static_cast<double>(run.at_best.step); }
double train_loss_epoch_2(const Run& run) { return after(run, 2).train.loss; }
double train_loss_epoch_8(const Run& run) { return after(run, 8).train.loss; }
double train_accuracy_epoch_8(const Run& run) { return after(run, 8).train.accuracy; }
double accuracy_epoch_1(const Run& run) { return after(run, 1).validation.accuracy; }
/// How far the validation loss has risen above its lowest at the stop.
double rise(const Run& run) { return run.at_stop.validation.loss - run.at_best.validation.loss; }
double gap(const Validation& v) { return v.train.accuracy - v.validation.accuracy; }
double gap_at_stop(const Run& run) { return gap(run.at_stop); }
double gap_epoch_2(const Run& run) { return gap(after(run, 2)); }
double cpu_seconds(const Run& run) { return run.cpu_seconds; }
double milliseconds_a_step(const Run& run) {
  return 1000 * run.cpu_seconds / static_cast<double>(run.steps);
}
/// Mean change of the validation accuracy from one validation to the next, after epoch 1.
double noise(const Run& run) {
  double sum = 0;
  std::size_t count = 0;
  for (std::size_t i = 6; i < run.curve.size(); ++i, ++count) {
    sum += std::abs(run.curve[i].scores.validation.accuracy -
                    run.curve[i - 1].scores.validation.accuracy);
  }
  return count ? sum / static_cast<double>(count) : 0;
}
/// |dZ1| over the |dZl| of the last hidden layer, before the first step.
double vanishing(const Run& run) {
  return run.deltas_at_start.front() / run.deltas_at_start[run.deltas_at_start.size() - 2];
}

/// Makes claims of one set of results.
class Judge {
 public:
  Judge(const Results& results, bool mnist) : results_(results), mnist_(mnist) {}

  Values of(const std::string& system, Measure measure) const {
    return per_seed(results_, system, measure);
  }
  /// `text` says that a's measure is above b's (by more than `margin`).
  void above(const std::string& row, const std::string& reports, const std::string& text,
             const std::string& a, const std::string& b, Measure measure, const std::string& what,
             int digits, double margin = 0) {
    add(row, reports, text, a, b, measure, what, digits,
        is_above(of(a, measure), of(b, measure), margin));
  }
  void near(const std::string& row, const std::string& reports, const std::string& text,
            const std::string& a, const std::string& b, Measure measure, const std::string& what,
            int digits, double margin) {
    add(row, reports, text, a, b, measure, fmt::format("{}, to be within {}", what, margin), digits,
        is_near(of(a, measure), of(b, measure), margin));
  }
  /// A published number of one system, within `tolerance` of our mean, or two of our deviations.
  void published(const std::string& row, const std::string& reports, const std::string& text,
                 const std::string& system, Measure measure, const std::string& what, int digits,
                 double number, double tolerance) {
    const Values values = of(system, measure);
    Judgement judgement = Judgement::not_run;
    if (!values.empty()) {
      const Summary summary = summarise(values);
      const double allowed =
          std::max(tolerance, summary.count > 1 ? 2 * summary.deviation : tolerance);
      judgement = !mnist_                                      ? Judgement::not_mnist
                  : std::abs(summary.mean - number) <= allowed ? Judgement::holds
                                                               : Judgement::does_not;
    }
    claims.push_back({row, reports, text,
                      fmt::format("{}: {} {}", what, system, mean_and_spread(values, digits)),
                      judgement});
  }
  /// A number of one system against a bound.
  void bound(const std::string& row, const std::string& reports, const std::string& text,
             const std::string& system, Measure measure, const std::string& what, int digits,
             double least, bool expected_above) {
    const Values values = of(system, measure);
    const Values bound(values.size(), least);
    claims.push_back({row, reports, text,
                      fmt::format("{}: {} {}", what, system, mean_and_spread(values, digits)),
                      expected_above ? is_above(values, bound) : is_above(bound, values)});
  }

  std::vector<Claim> claims;

 private:
  void add(const std::string& row, const std::string& reports, const std::string& text,
           const std::string& a, const std::string& b, Measure measure, const std::string& what,
           int digits, Judgement judgement) {
    claims.push_back(
        {row, reports, text,
         fmt::format("{}: {} {}, {} {}", what, a, mean_and_spread(of(a, measure), digits), b,
                     mean_and_spread(of(b, measure), digits)),
         judgement});
  }

  const Results& results_;
  bool mnist_;
};

}  // namespace

std::vector<double> per_seed(const Results& results, const std::string& system,
                             double (*measure)(const Run&)) {
  std::vector<double> values;
  for (const Run& run : results.runs) {
    if (run.system == system && run.error.empty()) values.push_back(measure(run));
  }
  return values;
}

std::string mean_and_spread(const std::vector<double>& values, int digits) {
  if (values.empty()) return "-";
  const Summary summary = summarise(values);
  if (summary.count < 2) return fmt::format("{:.{}f}", summary.mean, digits);
  return fmt::format("{:.{}f} ± {:.{}f}", summary.mean, digits, summary.deviation, digits);
}

std::vector<Claim> judge_claims(const Results& results, bool mnist) {
  Judge j(results, mnist);
  const std::string val = "validation accuracy", slow = "training loss after 8 epochs";

  j.above("R2", "000", "shuffling converges a little faster", "R2", "R1", train_loss_epoch_8, slow,
          4);
  j.above("R2", "000", "shuffling is marginally more accurate", "R1", "R2", accuracy, val, 4);
  j.above("R3", "000 003 004", "improved weights raise the accuracy", "R3", "R1", accuracy, val, 4);
  j.above("R3", "000 003 004", "improved weights converge faster", "R1", "R3", train_loss_epoch_8,
          slow, 4);
  j.above("R4", "000 001", "the improved sigmoid alone converges faster", "R1", "R4",
          train_loss_epoch_8, slow, 4);
  j.above("R4", "000", "and validates worse", "R1", "R4", accuracy, val, 4);
  j.published("R4", "000", "it overfits from step 25,000", "R4", best_step,
              "step of the lowest validation loss", 0, 25000, 12500);
  j.published("R6", "000", "overfits from step 10,000", "R6", best_step,
              "step of the lowest validation loss", 0, 10000, 5000);
  j.published("R7", "000", "overfits from step 20,000", "R7", best_step,
              "step of the lowest validation loss", 0, 20000, 10000);
  j.above("R7", "000", "momentum validates slightly better", "R7", "R6", accuracy, val, 4);
  j.above("R7", "000", "momentum converges slightly slower", "R7", "R6", train_loss_epoch_2,
          "training loss after 2 epochs", 4);
  j.above("R7", "001 003", "momentum converges faster", "R6", "R7", train_loss_epoch_2,
          "training loss after 2 epochs", 4);
  j.above("R6b", "002", "momentum compounds steps: at 0.02 it outruns 0.1 without", "R3",
          "R6b-sigmoid", train_loss_epoch_2, "training loss after 2 epochs", 4);
  j.above("R8", "002", "ReLU generalises very fast", "R8-he", "R1", accuracy_epoch_1,
          "validation accuracy after one epoch", 4);
  j.above("R8", "002", "ReLU with random weights generalises very fast", "R8-random", "R1",
          accuracy_epoch_1, "validation accuracy after one epoch", 4);
  j.above("R8", "002", "with He weights ReLU learns faster than with random ones", "R8-random",
          "R8-he", train_loss_epoch_2, "training loss after 2 epochs", 4);
  j.above("R9", "000", "16 units are much worse (by .01 or more)", "R7", "R9-16", accuracy, val, 4,
          .01);
  j.above("R9", "000", "16 units converge more slowly", "R9-16", "R7", train_loss_epoch_2,
          "training loss after 2 epochs", 4);
  j.above("R9", "000", "16 units run faster", "R7", "R9-16", milliseconds_a_step,
          "milliseconds of CPU a step, validations included", 3);
  j.above("R9", "001 002 003 004", "32 units validate worse", "R7", "R9-32", accuracy, val, 4);
  j.above("R9", "003", "32 units train worse", "R9-32", "R7", train_loss,
          "training loss at the stop", 4);
  j.above("R9", "000", "128 units are much better (by .005 or more)", "R9-128", "R7", accuracy, val,
          4, .005);
  j.above("R9", "000", "128 units are better at all", "R9-128", "R7", accuracy, val, 4);
  j.above("R9", "000", "128 units take more steps to converge", "R9-128", "R7", best_step,
          "step of the lowest validation loss", 0);
  j.above("R9", "000 004", "128 units run slower", "R9-128", "R7", milliseconds_a_step,
          "milliseconds of CPU a step, validations included", 3);
  j.above("R9", "002", "128 units: a slightly better validation loss than 32", "R9-32", "R9-128",
          validation_loss, "validation loss at the stop", 4);
  j.bound("R9", "003", "128 units: training accuracy 1 (.9995) by step 5,000 of 625 an epoch",
          "R9-128", train_accuracy_epoch_8, "training accuracy after 8 epochs", 4, .9995, true);
  j.above("R9", "003 004", "128 units validate worse than 64", "R7", "R9-128", accuracy, val, 4);
  j.above("R9", "001", "128 units overfit more than 64", "R9-128", "R7", rise,
          "rise of the validation loss from its lowest to the stop", 4);
  j.above("R9", "003", "fewer units stop earlier: 32 before 64", "R7", "R9-32", stop_epoch,
          "stop epoch", 1);
  j.above("R9", "003", "fewer units stop earlier: 64 before 128", "R9-128", "R7", stop_epoch,
          "stop epoch", 1);
  j.published("R10", "003", "2x60 stops at epoch 15", "R10-2x60", stop_epoch, "stop epoch", 1, 15,
              3.75);
  j.near("R10", "000 003", "2x60 is as good as one layer of 64", "R10-2x60", "R7", accuracy, val, 4,
         .005);
  {
    // The same system twice: the gap at the stop against the gap after 2 epochs.
    const Values late = j.of("R10-2x64", gap_at_stop), early = j.of("R10-2x64", gap_epoch_2);
    j.claims.push_back({"R10", "002", "2x64: the gap between training and validation grows",
                        fmt::format("gap of the accuracies: after 2 epochs {}, at the stop {}",
                                    mean_and_spread(early, 4), mean_and_spread(late, 4)),
                        is_above(late, early)});
  }
  j.above("R10", "004", "2x32 is noisier than one layer of 64", "R10-2x32", "R7", noise,
          "mean change of validation accuracy between validations", 5);
  j.above("R10", "004", "2x32 performs worse", "R7", "R10-2x32", accuracy, val, 4);
  j.published("R11", "003", "ten layers stop at epoch 29", "R11", stop_epoch, "stop epoch", 1, 29,
              7.25);
  j.above("R11", "003", "ten layers learn more slowly", "R11", "R7", train_loss_epoch_2,
          "training loss after 2 epochs", 4);
  j.above("R11", "003", "ten layers are worse in training", "R11", "R7", train_loss,
          "training loss at the stop", 4);
  j.above("R11", "003 004", "ten layers are worse in validation", "R7", "R11", accuracy, val, 4);
  j.bound("R11", "003",
          "the gradient vanishes: dZ1 has less than a tenth of dZ10's norm at the start", "R11",
          vanishing, "ratio of the norms", 3, 0.1, false);
  j.above("R11", "002", "ten layers tend to overfit: the validation loss rises more than R7's",
          "R11", "R7", rise, "rise of the validation loss from its lowest to the stop", 4);
  j.near("R12", "002", "biases in each layer make no difference worth a word", "R12", "R1",
         accuracy, val, 4, .005);
  j.above("R14", "004", "early stopping saves time", "R14", "R7", cpu_seconds, "seconds of CPU", 1);
  return j.claims;
}

}  // namespace reproduce
