// Runs another program, without a shell.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

namespace chainrule::detail {

/// How a program ended. `problem` is empty when it ran and returned 0, and otherwise one line on
/// what went wrong; `output` is what it wrote to standard output and standard error.
struct ProcessResult {
  std::string problem, output;
};

/// Runs arguments[0], found on PATH, in `directory` with an empty standard input, and waits for it.
ProcessResult run_process(const std::vector<std::string>& arguments,
                          const std::filesystem::path& directory);

}  // namespace chainrule::detail
