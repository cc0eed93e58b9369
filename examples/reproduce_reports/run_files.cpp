#include "run_files.hpp"

#include <fmt/format.h>

#include <fstream>
#include <optional>

#include "../protocol/output.hpp"

namespace reproduce {

using namespace chainrule;
using protocol::Json;

namespace {

const std::string program = "reproduce_reports";

/// The object in a file whose "settings" are as expected; nothing where there is no file. `advice`
/// is for a file of other settings.
std::optional<Json> read_object(const std::filesystem::path& path, const std::string& settings,
                                const std::string& advice) {
  std::ifstream file(path);
  if (!file) return std::nullopt;
  Json json = Json::parse(file, nullptr, false);
  if (json.is_discarded() || !json.is_object()) {
    throw FileError(program,
                    fmt::format("{}: is damaged; remove it to run it again", path.string()));
  }
  const auto found = json.find("settings");
  if (found == json.end() || *found != settings) {  // not a string, perhaps
    throw FileError(program,
                    fmt::format("{}: is of another experiment; {}", path.string(), advice));
  }
  return json;
}

Verdict verdict_from(const std::string& text) {
  for (const Verdict verdict : {Verdict::pass, Verdict::fail}) {
    if (to_string(verdict) == text) return verdict;
  }
  return Verdict::cannot_decide;
}

}  // namespace

RunFiles::RunFiles(std::filesystem::path folder, const Options& options, const Data& data)
    : folder_(std::move(folder)), options_(options), data_(data) {
  if (!options.report_only) protocol::prepare_directory(folder_, program);
}

std::string RunFiles::advice() const {
  return options_.report_only
             ? "--report-only needs the --data, --train-size, --epochs, --precision "
               "and --check that it was run with"
             : "take another --out, or leave out --resume";
}

std::filesystem::path RunFiles::path(const std::string& name) const {
  return folder_ / (name + ".json");
}

std::string RunFiles::settings(const System& system, std::uint64_t seed) const {
  protocol::Experiment experiment = system.experiment;
  experiment.seed = seed;
  experiment.epochs = options_.epochs;
  experiment.precision = options_.precision;
  Json json = protocol::to_json(experiment);
  json["own_statistics"] = system.own_statistics;
  json["data"] = data_.synthetic ? "synthetic" : "files";
  json["train_images"] = data_.train.images.count;
  json["validation_images"] = data_.validation.images.count;
  json["mean"] = data_.statistics.mean;
  return json.dump();
}

std::string RunFiles::test_settings() const {
  return fmt::format("{} {} {}", data_.synthetic ? "synthetic" : "files", data_.statistics.mean,
                     options_.every_entry ? "full" : "sampled");
}

void RunFiles::write(const System& system, const Run& run) const {
  Json json{{"settings", settings(system, run.seed)},
            {"error", run.error},
            {"topology", run.topology},
            {"parameters", run.parameters},
            {"steps", run.steps},
            {"stop_epoch", run.stop_epoch},
            {"stopped_early", run.stopped_early},
            {"seconds", run.seconds},
            {"cpu_seconds", run.cpu_seconds}};
  if (run.error.empty()) {
    json["at_stop"] = protocol::to_json(run.at_stop);
    json["at_best"] = protocol::to_json(run.at_best);
    Json curve = Json::array();
    for (const Point& point : run.curve) {
      Json entry = protocol::to_json(point.scores);
      entry["batch_mean"] = point.batch_mean;
      entry["batch_spread"] = point.batch_spread;
      curve.push_back(std::move(entry));
    }
    json["curve"] = std::move(curve);
    json["deltas_at_stop"] = run.deltas_at_stop;
  }
  json["deltas_at_start"] = run.deltas_at_start;
  protocol::write_text(path(fmt::format("{}-seed{}", run.system, run.seed)), json.dump() + "\n",
                       program);
}

bool RunFiles::read(const System& system, Run& run) const {
  const auto file = path(fmt::format("{}-seed{}", run.system, run.seed));
  const auto json = read_object(file, settings(system, run.seed), advice());
  if (!json) return false;
  try {
    json->at("error").get_to(run.error);
    json->at("topology").get_to(run.topology);
    json->at("parameters").get_to(run.parameters);
    json->at("steps").get_to(run.steps);
    json->at("stop_epoch").get_to(run.stop_epoch);
    json->at("stopped_early").get_to(run.stopped_early);
    json->at("seconds").get_to(run.seconds);
    json->at("cpu_seconds").get_to(run.cpu_seconds);
    json->at("deltas_at_start").get_to(run.deltas_at_start);
    if (!run.error.empty()) return true;
    run.at_stop = protocol::scores_from(json->at("at_stop"));
    run.at_best = protocol::scores_from(json->at("at_best"));
    for (const Json& entry : json->at("curve")) {
      run.curve.push_back({protocol::scores_from(entry), entry.at("batch_mean").get<double>(),
                           entry.at("batch_spread").get<double>()});
    }
    json->at("deltas_at_stop").get_to(run.deltas_at_stop);
    if (run.curve.empty()) {
      throw FileError(program, fmt::format("{}: its curve has no point: expected one a validation",
                                           file.string()));
    }
  } catch (const Json::exception& error) {
    throw FileError(program, fmt::format("{}: {}", file.string(), error.what()));
  }
  return true;
}

void RunFiles::write(const GradientTest& test) const {
  Json leaves = Json::array();
  for (const LeafReport& leaf : test.gradcheck.leaves) {
    leaves.push_back({{"name", leaf.name},
                      {"verdict", to_string(leaf.verdict)},
                      {"checked", leaf.checked},
                      {"max_entry_error", protocol::number(leaf.max_entry_error)},
                      {"noise_floor", protocol::number(leaf.noise_floor)}});
  }
  const Json json{{"settings", test_settings()},
                  {"images", test.images},
                  {"weights", test.weights},
                  {"tested", test.tested},
                  {"largest_error", protocol::number(test.largest_error)},
                  {"largest_gradient", protocol::number(test.largest_gradient)},
                  {"blind", test.blind},
                  {"course_passed", test.course_passed},
                  {"course_seconds", test.course_seconds},
                  {"verdict", to_string(test.gradcheck.verdict)},
                  {"leaves", std::move(leaves)},
                  {"gradcheck_seconds", test.gradcheck_seconds}};
  protocol::write_text(path("R13-" + test.system), json.dump() + "\n", program);
}

bool RunFiles::read(GradientTest& test) const {
  const auto file = path("R13-" + test.system);
  const auto json = read_object(file, test_settings(), advice());
  if (!json) return false;
  try {
    json->at("images").get_to(test.images);
    json->at("weights").get_to(test.weights);
    test.tested = json->value("tested", test.weights);
    json->at("largest_error").get_to(test.largest_error);
    json->at("largest_gradient").get_to(test.largest_gradient);
    json->at("blind").get_to(test.blind);
    json->at("course_passed").get_to(test.course_passed);
    json->at("course_seconds").get_to(test.course_seconds);
    json->at("gradcheck_seconds").get_to(test.gradcheck_seconds);
    test.gradcheck.verdict = verdict_from(json->at("verdict"));
    for (const Json& entry : json->at("leaves")) {
      LeafReport leaf;
      entry.at("name").get_to(leaf.name);
      leaf.verdict = verdict_from(entry.at("verdict"));
      entry.at("checked").get_to(leaf.checked);
      entry.at("max_entry_error").get_to(leaf.max_entry_error);
      entry.at("noise_floor").get_to(leaf.noise_floor);
      test.gradcheck.leaves.push_back(std::move(leaf));
    }
  } catch (const Json::exception& error) {
    throw FileError(program, fmt::format("{}: {}", file.string(), error.what()));
  }
  return true;
}

}  // namespace reproduce
