#include "output.hpp"

#include <fmt/format.h>

#include <cmath>
#include <fstream>

namespace protocol {

using namespace chainrule;

Json to_json(const Validation& v) {
  return {{"step", v.step},
          {"train_loss", v.train.loss},
          {"train_accuracy", v.train.accuracy},
          {"validation_loss", v.validation.loss},
          {"validation_accuracy", v.validation.accuracy}};
}

Validation scores_from(const Json& json) {
  return {json.at("step").get<std::int64_t>(),
          {json.at("train_loss").get<double>(), json.at("train_accuracy").get<double>()},
          {json.at("validation_loss").get<double>(), json.at("validation_accuracy").get<double>()}};
}

Json to_json(const Experiment& experiment) {
  return {{"hidden", experiment.hidden},
          {"activation", name_of(experiment.activation)},
          {"init", name_of(experiment.initialiser)},
          {"bias", name_of(experiment.bias)},
          {"momentum", experiment.momentum},
          {"learning_rate", experiment.learning_rate},
          {"batch", experiment.batch},
          {"epochs", experiment.epochs},
          {"patience", experiment.patience},
          {"shuffle", experiment.shuffle},
          {"seed", experiment.seed},
          {"precision", name_of(experiment.precision)}};
}

Json number(double value) {
  if (std::isfinite(value)) return value;
  return std::isnan(value) ? "nan" : value > 0 ? "inf" : "-inf";
}

void prepare_directory(const std::filesystem::path& directory, const std::string& program) {
  std::error_code error;
  std::filesystem::create_directories(directory, error);
  if (error) {
    throw FileError(program,
                    fmt::format("{}: cannot be made: {}", directory.string(), error.message()));
  }
  const std::filesystem::path probe = directory / ("." + program);
  const bool writable = std::ofstream(probe).put('\n').flush().good();
  std::filesystem::remove(probe, error);
  if (!writable) {
    throw FileError(program, fmt::format("{}: cannot be written to", directory.string()));
  }
}

void write_text(const std::filesystem::path& path, const std::string& text,
                const std::string& program) {
  std::ofstream file(path, std::ios::binary);
  file << text;
  file.close();
  if (!file) throw FileError(program, fmt::format("{}: cannot be written", path.string()));
}

}  // namespace protocol
