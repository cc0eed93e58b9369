// The options of train_mnist.
#pragma once

#include <chainrule/models/mlp.hpp>
#include <cstdint>
#include <optional>
#include <string>
#include <variant>
#include <vector>

namespace train_mnist {

enum class Check { sampled, full, off };
enum class Precision { single, twice };

struct Options {
  std::optional<std::string> data;  // a directory with the four IDX files
  std::vector<std::int64_t> hidden{64};
  chainrule::Activation activation = chainrule::Activation::sigmoid;
  chainrule::Initialiser initialiser = chainrule::Initialiser::uniform;
  chainrule::Bias bias = chainrule::Bias::trick;
  double momentum = 0, learning_rate = 0.1;
  std::int64_t batch = 32, epochs = 50, patience = 50, train_size = 20000;
  bool shuffle = true;
  std::uint64_t seed = 0;
  Precision precision = Precision::single;
  int threads = 1;
  Check check = Check::sampled;
  std::optional<std::string> out;
  bool json = false;
};

/// Reads the command line. Returns an exit status instead when there is nothing to run: 0 after
/// --help, 2 after one line about a bad option.
std::variant<Options, int> parse_options(int argc, char** argv);

/// One line on standard error; nothing if that cannot be written.
void complain(const std::string& message) noexcept;

/// The names that the command line uses.
std::string name_of(chainrule::Activation activation);
std::string name_of(chainrule::Initialiser initialiser);
std::string name_of(chainrule::Bias bias);
std::string name_of(Precision precision);

}  // namespace train_mnist
