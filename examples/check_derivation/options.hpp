// What check_derivation is told on the command line.
#pragma once

#include <chainrule/models/mlp.hpp>
#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

namespace check_derivation {

struct Options {
  std::filesystem::path file;
  std::vector<std::int64_t> widths;
  chainrule::Activation activation = chainrule::Activation::sigmoid;
  chainrule::Bias bias = chainrule::Bias::trick;
  bool weights_out_in = false;      // as PyTorch has them
  bool samples_in_columns = false;  // weights are (out, in) then, too
  bool json = false;
  std::filesystem::path curve;  // where to draw the derivative that was recovered; empty: nowhere
  std::optional<double> learning_rate, momentum, weight_decay;
};

/// As the command line has them: "sigmoid", "improved", "tanh", "relu"; "trick", "layer".
std::string_view name_of(chainrule::Activation activation);
std::string_view name_of(chainrule::Bias bias);

/// The options, or the status to exit with: 0 after --help, 2 after an error, which is printed.
std::variant<Options, int> parse_options(int argc, char** argv);

/// Prints "check_derivation: message" on standard error, on one line, and without the escape
/// sequences that a name in a file may have.
void complain(const std::string& message) noexcept;

}  // namespace check_derivation
