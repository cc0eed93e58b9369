// What train_mnist writes: the run header, JSON, and the files of --out.
#pragma once

#include <chainrule/optim/training.hpp>
#include <filesystem>
#include <optional>
#include <string>

#include "cross_check.hpp"
#include "options.hpp"

namespace train_mnist {

/// A run, without its scalar type.
struct Run {
  std::string topology, data_source;
  std::int64_t parameters = 0, train_images = 0, validation_images = 0, steps_per_epoch = 0;
  chainrule::PixelStatistics pixels;
  std::optional<CrossCheck> cross_check;
  protocol::Outcome outcome;  // without steps when nothing was trained
};

/// Everything that a reader needs to get the same numbers again.
std::string run_header(const Options& options, const Run& run);
/// One object on one line; the keys of at_stop and at_best are train_loss, train_accuracy,
/// validation_loss and validation_accuracy.
std::string to_json(const Options& options, const Run& run);
/// history.csv, batch_loss.csv, run.json, curves.*. Returns a line about what was written.
std::string write_files(const std::filesystem::path& directory, const Options& options,
                        const Run& run);

}  // namespace train_mnist
