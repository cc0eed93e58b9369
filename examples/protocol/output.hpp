// What the programs write alike: scores as JSON, and a directory that is known to be writable.
#pragma once

#include <chainrule/optim/training.hpp>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <string>

#include "experiment.hpp"

namespace protocol {

using Json = nlohmann::ordered_json;

/// {step, train_loss, train_accuracy, validation_loss, validation_accuracy}.
Json to_json(const chainrule::Validation& scores);
/// The same read back. Throws nlohmann::json::exception where a key is missing.
chainrule::Validation scores_from(const Json& json);
/// The settings, by the names of the command line.
Json to_json(const Experiment& experiment);
/// A number; JSON has no infinity and no NaN: they become strings ("inf", "-inf", "nan").
Json number(double value);

/// Makes the directory, and finds out whether it can be written to: better now than after the
/// training. Throws chainrule::FileError in the name of `program`.
void prepare_directory(const std::filesystem::path& directory, const std::string& program);
/// Writes a text. Throws chainrule::FileError in the name of `program`.
void write_text(const std::filesystem::path& path, const std::string& text,
                const std::string& program);

}  // namespace protocol
