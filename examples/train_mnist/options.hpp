// The options of train_mnist.
#pragma once

#include <optional>
#include <string>
#include <variant>

#include "../protocol/experiment.hpp"

namespace train_mnist {

enum class Check { sampled, full, off };

struct Options {
  std::optional<std::string> data;  // a directory with the four IDX files; else synthetic digits
  protocol::Experiment experiment;
  std::int64_t train_size = 20000;
  int threads = 1;
  Check check = Check::sampled;
  std::optional<std::string> out;
  bool json = false;
};

/// Reads the command line. Returns an exit status instead when there is nothing to run: 0 after
/// --help and --version, 2 after one line about a bad option.
std::variant<Options, int> parse_options(int argc, char** argv);

}  // namespace train_mnist
