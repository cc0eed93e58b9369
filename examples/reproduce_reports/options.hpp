// The options of reproduce_reports.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "../protocol/experiment.hpp"

namespace reproduce {

struct Options {
  std::optional<std::string> data;  // a directory with the four IDX files; else synthetic digits
  std::string out;
  int seeds = 5, threads = 0;
  std::vector<std::string> only;  // groups: "R3"; empty for all
  std::int64_t train_size = 0, epochs = 50;
  protocol::Precision precision = protocol::Precision::single;
  bool every_entry = false;  // of the gradient test by gradcheck
  bool resume = false;       // take what is in `out` from there
  bool report_only = false;  // and nothing else

  bool wants(const std::string& group) const;
};

/// Reads the command line. Returns an exit status instead when there is nothing to run: 0 after
/// --help, 2 after one line about a bad option.
std::variant<Options, int> parse_options(int argc, char** argv);

}  // namespace reproduce
