#include "output.hpp"

#include <fmt/format.h>

#include <chainrule/autograd/storage/blas.hpp>
#include <chainrule/autograd/storage/vector_math.hpp>
#include <chainrule/data/csv.hpp>
#include <chainrule/data/curves.hpp>

#include "../protocol/output.hpp"

namespace train_mnist {

using namespace chainrule;
using protocol::Json;
using protocol::name_of;

std::string run_header(const Options& options, const Run& run) {
  return fmt::format(
      "chainrule {}  seed {}  {}  {} thread{}\n"
      "{}; vector math {}\n"
      "data: {}: {} training and {} validation images, pixels (x - {:.6f}) / {:.6f}\n"
      "network: {}, {}, init {}, bias {}: {} parameters\n"
      "training: batch {}, learning rate {}, momentum {}, at most {} epoch{} of {} steps, patience "
      "{}{}\n",
      CHAINRULE_VERSION, options.experiment.seed, name_of(options.experiment.precision),
      options.threads, options.threads == 1 ? "" : "s", blas::description(), vector_math::target(),
      run.data_source, run.train_images, run.validation_images, run.pixels.mean,
      run.pixels.deviation, run.topology, name_of(options.experiment.activation),
      name_of(options.experiment.initialiser), name_of(options.experiment.bias), run.parameters,
      options.experiment.batch, options.experiment.learning_rate, options.experiment.momentum,
      options.experiment.epochs, options.experiment.epochs == 1 ? "" : "s", run.steps_per_epoch,
      options.experiment.patience, options.experiment.shuffle ? "" : ", not shuffled");
}

std::string to_json(const Options& options, const Run& run) {
  Json json{{"version", CHAINRULE_VERSION},
            {"seed", options.experiment.seed},
            {"precision", name_of(options.experiment.precision)},
            {"threads", options.threads},
            {"blas", blas::description()},
            {"vector_math", vector_math::target()},
            {"data", run.data_source},
            {"train_images", run.train_images},
            {"validation_images", run.validation_images},
            {"topology", run.topology},
            {"activation", name_of(options.experiment.activation)},
            {"init", name_of(options.experiment.initialiser)},
            {"bias", name_of(options.experiment.bias)},
            {"momentum", options.experiment.momentum},
            {"learning_rate", options.experiment.learning_rate},
            {"batch", options.experiment.batch},
            {"epochs", options.experiment.epochs},
            {"patience", options.experiment.patience},
            {"shuffle", options.experiment.shuffle},
            {"parameters", run.parameters}};
  if (run.cross_check) {
    Json rows = Json::array();
    for (const CrossCheckRow& row : run.cross_check->rows) {
      rows.push_back({{"tensor", row.tensor},
                      {"autodiff_vs_derivation", protocol::number(row.autodiff_vs_derivation)},
                      {"autodiff_vs_numeric", protocol::number(row.autodiff_vs_numeric)},
                      {"witness", row.witness},
                      {"entries", row.entries},
                      {"verdict", row.verdict},
                      {"note", row.note}});
    }
    json["cross_check"] = std::move(rows);
    json["cross_check_seconds"] = run.cross_check->seconds;
  } else {
    json["cross_check"] = Json::array();
  }
  // Absent when nothing was trained, because the cross-check failed.
  if (run.outcome.steps > 0) {
    json["steps"] = run.outcome.steps;
    json["seconds"] = run.outcome.seconds;
    json["stop_epoch"] = run.outcome.stop_epoch;
    json["stopped_early"] = run.outcome.stopped_early;
    json["at_stop"] = protocol::to_json(run.outcome.at_stop);
    json["at_best"] = protocol::to_json(run.outcome.at_best);
  }
  return json.dump();
}

std::string write_files(const std::filesystem::path& directory, const Options& options,
                        const Run& run) {
  std::vector<std::int64_t> steps;
  std::vector<double> epoch, train_loss, train_accuracy, validation_loss, validation_accuracy;
  for (const Validation& v : run.outcome.history.validations) {
    steps.push_back(v.step);
    epoch.push_back(static_cast<double>(v.step) / static_cast<double>(run.steps_per_epoch));
    train_loss.push_back(v.train.loss);
    train_accuracy.push_back(v.train.accuracy);
    validation_loss.push_back(v.validation.loss);
    validation_accuracy.push_back(v.validation.accuracy);
  }
  const std::vector<Column> history{{"step", steps},
                                    {"epoch", epoch},
                                    {"train_loss", train_loss},
                                    {"train_accuracy", train_accuracy},
                                    {"validation_loss", validation_loss},
                                    {"validation_accuracy", validation_accuracy}};
  write_csv(directory / "history.csv", history);
  std::vector<std::int64_t> all_steps(run.outcome.history.batch_loss.size());
  for (std::size_t i = 0; i < all_steps.size(); ++i) all_steps[i] = static_cast<std::int64_t>(i);
  const std::vector<Column> batch{{"step", all_steps},
                                  {"batch_loss", run.outcome.history.batch_loss}};
  write_csv(directory / "batch_loss.csv", batch);

  protocol::write_text(directory / "run.json", to_json(options, run) + "\n", "train_mnist");

  const std::vector<double> at(steps.begin(), steps.end());
  Curves curves;
  curves.title =
      fmt::format("{}, {}, init {}", run.topology, name_of(options.experiment.activation),
                  name_of(options.experiment.initialiser));
  curves.x_label = "training step";
  curves.panels = {
      {"loss", true, {{"training", at, train_loss}, {"validation", at, validation_loss}}},
      {"accuracy",
       false,
       {{"training", at, train_accuracy}, {"validation", at, validation_accuracy}}}};
  return fmt::format("wrote {0}/history.csv, batch_loss.csv and run.json; {1}", directory.string(),
                     write_curves(directory / "curves", curves).message);
}

}  // namespace train_mnist
