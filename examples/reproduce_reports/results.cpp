#include "results.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <chainrule/autograd/storage/blas.hpp>
#include <chainrule/autograd/storage/vector_math.hpp>
#include <filesystem>

#include "../protocol/output.hpp"

namespace reproduce {

using namespace chainrule;
using protocol::Json;

namespace {

const std::string program = "reproduce_reports";

std::string csv(const Results& results) {
  std::string text =
      "system,seed,topology,parameters,steps,stop_epoch,stopped_early,seconds,cpu_seconds";
  for (const char* at : {"stop", "best"}) {
    for (const char* what :
         {"step", "train_loss", "train_accuracy", "validation_loss", "validation_accuracy"}) {
      text += fmt::format(",at_{}_{}", at, what);
    }
  }
  text += "\n";
  for (const Run& run : results.runs) {
    text += fmt::format("{},{},{},{}", run.system, run.seed, run.topology, run.parameters);
    if (!run.error.empty()) {
      text += ",,,,,,,,,,,,,,,\n";  // diverged: no scores
      continue;
    }
    text += fmt::format(",{},{},{},{:.3f},{:.3f}", run.steps, run.stop_epoch,
                        run.stopped_early ? 1 : 0, run.seconds, run.cpu_seconds);
    for (const Validation* at : {&run.at_stop, &run.at_best}) {
      text += fmt::format(",{},{},{},{},{}", at->step, at->train.loss, at->train.accuracy,
                          at->validation.loss, at->validation.accuracy);
    }
    text += "\n";
  }
  return text;
}

}  // namespace

std::string header(const Options& options, const Data& data) {
  return fmt::format(
      "chainrule {}, {}, seed{}{}; {}; vector math {}\n"
      "data: {}: {} training and {} validation images, pixels (x - {:.14g}) / {:.14g}\n"
      "protocol: batches of 32, at most {} epochs of {} steps, validation every {} steps, "
      "patience 50\n",
      CHAINRULE_VERSION, protocol::name_of(options.precision),
      options.seeds == 1 ? " 0" : fmt::format("s 0 to {}", options.seeds - 1),
      options.report_only
          ? ""  // of whoever ran them
          : fmt::format(", {} thread{}", options.threads, options.threads == 1 ? "" : "s"),
      blas::description(), vector_math::target(), data.source, data.train.images.count,
      data.validation.images.count, data.statistics.mean, data.statistics.deviation, options.epochs,
      data.train.images.count / 32, std::max<std::int64_t>(1, data.train.images.count / 32 / 5));
}

void write_results(const Options& options, const Data& data, const Results& results) {
  Json json{{"version", CHAINRULE_VERSION},
            {"precision", protocol::name_of(options.precision)},
            {"seeds", options.seeds},
            {"threads", results.threads},
            {"seconds", results.seconds},
            {"resumed", results.resumed},
            {"blas", blas::description()},
            {"vector_math", vector_math::target()},
            {"data", data.source},
            {"train_images", data.train.images.count},
            {"validation_images", data.validation.images.count},
            {"pixel_mean", data.statistics.mean},
            {"pixel_deviation", data.statistics.deviation}};
  Json rows = Json::array();
  const auto systems = all_systems();
  for (const Run& run : results.runs) {
    protocol::Experiment experiment = find_system(systems, run.system).experiment;
    experiment.seed = run.seed;
    experiment.epochs = options.epochs;
    experiment.precision = options.precision;
    Json row{{"system", run.system}, {"seed", run.seed}};
    if (run.error.empty()) {
      row["stop_epoch"] = run.stop_epoch;
      row["seconds"] = run.seconds;
      row["at_stop"] = protocol::to_json(run.at_stop);
      row["at_best"] = protocol::to_json(run.at_best);
    } else {
      row["stop_epoch"] = nullptr, row["seconds"] = nullptr;
      row["at_stop"] = nullptr, row["at_best"] = nullptr;
      row["error"] = run.error;
    }
    row["cpu_seconds"] = run.cpu_seconds;
    row["steps"] = run.steps;
    row["stopped_early"] = run.stopped_early;
    row["topology"] = run.topology;
    row["parameters"] = run.parameters;
    row["settings"] = protocol::to_json(experiment);
    rows.push_back(std::move(row));
  }
  json["rows"] = std::move(rows);
  Json tests = Json::array();
  for (const GradientTest& test : results.gradient_tests) {
    tests.push_back({{"system", test.system},
                     {"images", test.images},
                     {"weights", test.weights},
                     {"course_tested", test.tested},
                     {"course_passed", test.course_passed},
                     {"course_largest_error", protocol::number(test.largest_error)},
                     {"gradcheck", to_string(test.gradcheck.verdict)}});
  }
  json["gradient_tests"] = std::move(tests);
  const std::filesystem::path out = options.out;
  protocol::write_text(out / "results.json", json.dump(1) + "\n", program);
  protocol::write_text(out / "results.csv", csv(results), program);
}

}  // namespace reproduce
