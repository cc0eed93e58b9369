#include "options.hpp"

#include <charconv>
#include <cmath>

#include "../protocol/options.hpp"

namespace train_mnist {

namespace {

const protocol::Names<Check> checks{
    {"sampled", Check::sampled}, {"full", Check::full}, {"off", Check::off}};

/// "64,64", or "none".
std::vector<std::int64_t> parse_hidden(const std::string& text) {
  std::vector<std::int64_t> widths;
  if (text == "none") return widths;
  const char* at = text.data();
  const char* const end = at + text.size();
  while (true) {
    std::int64_t width = 0;
    const auto [next, error] = std::from_chars(at, end, width);
    if (error != std::errc{} || width < 1 || width > 1'000'000 || (next != end && *next != ',')) {
      throw CLI::ValidationError(
          "--hidden",
          fmt::format("'{}': expected widths of 1 to 1000000 such as 64,64, or none", text));
    }
    widths.push_back(width);
    if (next == end) return widths;
    at = next + 1;
  }
}

/// Whether a number is above zero and finite in the precision of the training too.
template <class T>
bool positive(double value) {
  const T rounded = static_cast<T>(value);
  return rounded > 0 && std::isfinite(rounded);
}

}  // namespace

std::variant<Options, int> parse_options(int argc, char** argv) {
  Options options;
  protocol::Experiment& experiment = options.experiment;
  CLI::App app{
      "Trains a softmax classifier on MNIST (or on synthetic digits) by the reports' protocol, "
      "after\n"
      "checking its autodiff gradients against the hand derivation and finite differences."};
  app.name("train_mnist");
  app.set_version_flag("--version", CHAINRULE_VERSION);
  app.option_defaults()->take_last();

  protocol::add_data(app, options.data);
  app.add_option_function<std::string>(
         "--hidden", [&](const std::string& text) { experiment.hidden = parse_hidden(text); },
         "units of each hidden layer [64]")
      ->option_text("N,N,...|none");
  protocol::add_choice(app, "--activation", experiment.activation, protocol::activations,
                       "of the hidden layers [sigmoid]");
  protocol::add_choice(app, "--init", experiment.initialiser, protocol::initialisers,
                       "U(-1, 1), or normal with deviation 1/sqrt(fan-in) or sqrt(2/fan-in) "
                       "[uniform]");
  protocol::add_choice(app, "--bias", experiment.bias, protocol::biases,
                       "a constant input column, or a vector in each layer [trick]");
  protocol::add_number(
      app, "--momentum", experiment.momentum, [](double g) { return g >= 0 && g < 1; },
      "0 <= G < 1", "0 <= G < 1 [0]")
      ->option_text("G");
  protocol::add_number(app, "--learning-rate", experiment.learning_rate, positive<double>,
                       "a positive number", "[0.1]")
      ->option_text("L");
  protocol::add_whole(app, "--batch", experiment.batch, 1, protocol::most_images,
                      "rows of a batch; a ragged last one is dropped [32]")
      ->option_text("B");
  protocol::add_whole(app, "--epochs", experiment.epochs, 1, protocol::most_epochs, "at most [50]")
      ->option_text("E");
  protocol::add_whole(app, "--patience", experiment.patience, 0, protocol::most_images,
                      "validations without improvement before training stops; 0: never stop [50]")
      ->option_text("P");
  bool no_shuffle = false;
  app.add_flag("--no-shuffle", no_shuffle, "take the images in their order in every epoch");
  protocol::add_whole(app, "--train-size", options.train_size, 1, protocol::most_images,
                      "first images of the training set [20000]")
      ->option_text("N");
  protocol::add_whole(app, "--seed", experiment.seed, 0, std::numeric_limits<std::uint64_t>::max(),
                      "of weights, order and synthetic digits [0]")
      ->option_text("S");
  protocol::add_choice(app, "--precision", experiment.precision, protocol::precisions,
                       "of the training [float]");
  protocol::add_whole(app, "--threads", options.threads, 1, 256,
                      "of OpenBLAS, and of the gradient check [1]")
      ->option_text("T");
  protocol::add_choice(
      app, "--check", options.check, checks,
      "entries for finite differences: 120 of each tensor, all, or no check [sampled]");
  app.add_option("--out", options.out,
                 "writes history.csv, run.json and the curves there; epochs and steps count from 0")
      ->option_text("DIR");
  app.add_flag("--json", options.json,
               "one JSON object on standard output, all else on standard error");

  const auto status = protocol::parse(app, argc, argv, [&] {
    experiment.shuffle = !no_shuffle;
    if (experiment.batch > options.train_size) {
      throw CLI::ValidationError(
          "--batch", fmt::format("{}: expected at most the {} training images", experiment.batch,
                                 options.train_size));
    }
    if (experiment.precision == protocol::Precision::single &&
        !positive<float>(experiment.learning_rate)) {
      throw CLI::ValidationError(
          "--learning-rate",
          fmt::format("{}: in float that is {}; expected a positive number, or --precision double",
                      experiment.learning_rate, static_cast<float>(experiment.learning_rate)));
    }
  });
  if (status) return *status;
  return options;
}

}  // namespace train_mnist
