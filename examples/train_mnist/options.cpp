#include "options.hpp"

#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <charconv>
#include <cmath>
#include <cstdio>
#include <map>

namespace train_mnist {

using chainrule::Activation;
using chainrule::Bias;
using chainrule::Initialiser;

namespace {

template <class E>
using Names = std::map<std::string, E>;

const Names<Activation> activations{{"sigmoid", Activation::sigmoid},
                                    {"improved", Activation::improved_sigmoid},
                                    {"tanh", Activation::tanh},
                                    {"relu", Activation::relu}};
const Names<Initialiser> initialisers{
    {"uniform", Initialiser::uniform}, {"fan-in", Initialiser::fan_in}, {"he", Initialiser::he}};
const Names<Bias> biases{{"trick", Bias::trick}, {"layer", Bias::per_layer}};
const Names<Precision> precisions{{"float", Precision::single}, {"double", Precision::twice}};
const Names<Check> checks{{"sampled", Check::sampled}, {"full", Check::full}, {"off", Check::off}};

template <class E>
std::string find_name(const Names<E>& names, E value) {
  for (const auto& [name, candidate] : names) {
    if (candidate == value) return name;
  }
  return "?";
}

/// Takes one of the names, and says which there are when it is none.
template <class E>
CLI::Option* add_choice(CLI::App& app, const std::string& flag, E& target, const Names<E>& names,
                        const std::string& help) {
  std::string known;
  for (const auto& [name, value] : names) known += (known.empty() ? "" : "|") + name;
  return app
      .add_option_function<std::string>(
          flag,
          [&target, &names, flag, known](const std::string& text) {
            const auto found = names.find(text);
            if (found == names.end()) {
              throw CLI::ValidationError(flag, fmt::format("'{}': expected {}", text, known));
            }
            target = found->second;
          },
          help)
      ->option_text(known);
}

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

}  // namespace

void complain(const std::string& message) noexcept {
  // Not fmt::print, which throws where standard error cannot be written.
  std::fputs("train_mnist: ", stderr);
  std::fputs(message.c_str(), stderr);
  std::fputs("\n", stderr);
}

std::string name_of(Activation activation) { return find_name(activations, activation); }
std::string name_of(Initialiser initialiser) { return find_name(initialisers, initialiser); }
std::string name_of(Bias bias) { return find_name(biases, bias); }
std::string name_of(Precision precision) { return find_name(precisions, precision); }

std::variant<Options, int> parse_options(int argc, char** argv) {
  Options options;
  CLI::App app{
      "Trains a softmax classifier on MNIST (or on synthetic digits) by the reports' protocol, "
      "after\n"
      "checking its autodiff gradients against the hand derivation and finite differences."};
  app.name("train_mnist");
  app.option_defaults()->take_last();
  const auto number = [](auto holds, const std::string& expected) {
    return CLI::Validator(
        [holds, expected](std::string& text) -> std::string {
          double value = 0;
          if (CLI::detail::lexical_cast(text, value) && holds(value)) return {};
          return fmt::format("'{}': expected {}", text, expected);
        },
        "");
  };
  const auto at_least = [&](double least) {
    return number([least](double value) { return value >= least; },
                  fmt::format("a number of at least {}", least));
  };

  app.add_option("--data", options.data,
                 "directory of the four IDX files, plain or .gz. Without it: $CHAINRULE_DATA, or\n"
                 "else synthetic digits")
      ->option_text("DIR");
  app.add_option_function<std::string>(
         "--hidden", [&](const std::string& text) { options.hidden = parse_hidden(text); },
         "units of each hidden layer [64]")
      ->option_text("N,N,...|none");
  add_choice(app, "--activation", options.activation, activations,
             "of the hidden layers [sigmoid]");
  add_choice(app, "--init", options.initialiser, initialisers,
             "U(-1, 1), or normal with deviation 1/sqrt(fan-in) or sqrt(2/fan-in) [uniform]");
  add_choice(app, "--bias", options.bias, biases,
             "a constant input column, or a vector in each layer [trick]");
  app.add_option("--momentum", options.momentum, "0 <= G < 1 [0]")
      ->option_text("G")
      ->check(number([](double g) { return g >= 0 && g < 1; }, "0 <= G < 1"));
  app.add_option("--learning-rate", options.learning_rate, "[0.1]")
      ->option_text("L")
      ->check(number([](double l) { return l > 0 && std::isfinite(l); }, "a positive number"));
  app.add_option("--batch", options.batch, "rows of a batch; a ragged last one is dropped [32]")
      ->option_text("B")
      ->check(at_least(1));
  app.add_option("--epochs", options.epochs, "at most [50]")->option_text("E")->check(at_least(1));
  app.add_option("--patience", options.patience,
                 "validations without improvement before training stops; 0: never stop [50]")
      ->option_text("P")
      ->check(at_least(0));
  bool no_shuffle = false;
  app.add_flag("--no-shuffle", no_shuffle, "take the images in their order in every epoch");
  app.add_option("--train-size", options.train_size, "first images of the training set [20000]")
      ->option_text("N")
      ->check(at_least(1));
  app.add_option_function<std::string>(
         "--seed",
         [&](const std::string& text) {
           const char* const end = text.data() + text.size();
           const auto [next, error] = std::from_chars(text.data(), end, options.seed);
           if (error != std::errc{} || next != end) {
             throw CLI::ValidationError(
                 "--seed", fmt::format("'{}': expected a whole number from 0 to 2^64 - 1", text));
           }
         },
         "of weights, order and synthetic digits [0]")
      ->option_text("S");
  add_choice(app, "--precision", options.precision, precisions, "of the training [float]");
  app.add_option("--threads", options.threads, "of OpenBLAS, and of the gradient check [1]")
      ->option_text("T")
      ->check(number([](double t) { return t >= 1 && t <= 256; }, "a number of 1 to 256"));
  add_choice(app, "--check", options.check, checks,
             "entries for finite differences: 120 of each tensor, all, or no check [sampled]");
  app.add_option("--out", options.out, "writes history.csv, run.json and the curves there")
      ->option_text("DIR");
  app.add_flag("--json", options.json,
               "one JSON object on standard output, all else on standard error");

  try {
    app.parse(argc, argv);
    options.shuffle = !no_shuffle;
    if (options.batch > options.train_size) {
      throw CLI::ValidationError(
          "--batch", fmt::format("{}: expected at most the {} training images", options.batch,
                                 options.train_size));
    }
  } catch (const CLI::CallForHelp& help) {
    app.exit(help);
    return 0;
  } catch (const CLI::ParseError& error) {
    std::string message = error.what();
    std::replace(message.begin(), message.end(), '\n', ' ');
    complain(message + " (train_mnist --help lists the options)");
    return 2;
  }
  return options;
}

}  // namespace train_mnist
