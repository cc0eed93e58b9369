#include "options.hpp"

#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <charconv>
#include <cmath>
#include <cstdio>
#include <map>
#include <system_error>

namespace check_derivation {

using chainrule::Activation;
using chainrule::Bias;

namespace {

const std::map<std::string, Activation> activations{{"sigmoid", Activation::sigmoid},
                                                    {"improved", Activation::improved_sigmoid},
                                                    {"tanh", Activation::tanh},
                                                    {"relu", Activation::relu}};
const std::map<std::string, Bias> biases{{"trick", Bias::trick}, {"layer", Bias::per_layer}};

const std::map<std::string, bool> orders{{"in-out", false}, {"out-in", true}};

template <class E>
std::string_view name_in(const std::map<std::string, E>& names, E value) {
  for (const auto& [name, named] : names) {
    if (named == value) return name;
  }
  return "?";
}

/// Takes one of the names, and says which there are when it is none.
template <class E>
CLI::Option* add_choice(CLI::App& app, const std::string& flag, E& target,
                        const std::map<std::string, E>& names, const std::string& help) {
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

/// "785-64-10"
std::vector<std::int64_t> parse_model(const std::string& text) {
  std::vector<std::int64_t> widths;
  const char* at = text.data();
  const char* const end = at + text.size();
  while (true) {
    std::int64_t width = 0;
    const auto [next, error] = std::from_chars(at, end, width);
    const bool good = error == std::errc{} && width >= 1 && width <= 1'000'000;
    if (!good || (next != end && *next != '-') || (next == end && widths.empty())) {
      throw CLI::ValidationError(
          "--model", fmt::format("'{}': expected two widths or more, such as 785-64-10", text));
    }
    widths.push_back(width);
    if (next == end) return widths;
    at = next + 1;
  }
}

/// Takes a number for which `holds`, and says that it expected `expected` where it does not.
void add_number(CLI::App& app, const std::string& flag, std::optional<double>& target,
                bool (*holds)(double), const std::string& expected, const std::string& help) {
  app.add_option_function<std::string>(
         flag,
         [&target, flag, holds, expected](const std::string& text) {
           double value = 0;
           const char* const end = text.data() + text.size();
           const auto [next, error] = std::from_chars(text.data(), end, value);
           if (error != std::errc{} || next != end || !std::isfinite(value) || !holds(value)) {
             throw CLI::ValidationError(flag, fmt::format("'{}': expected {}", text, expected));
           }
           target = value;
         },
         help)
      ->option_text("X");
}

/// An option that is unknown is what is wrong, whatever else is missing or too much because of it.
std::string explain(const CLI::App& app, const CLI::ParseError& error) {
  const std::vector<std::string> rest = app.remaining();
  for (const std::string& argument : rest) {
    if (argument.size() < 2 || !argument.starts_with('-')) continue;
    return fmt::format("unknown option {}", argument.substr(0, argument.find('=')));
  }
  if (rest.empty()) return error.what();
  return fmt::format("'{}' is one argument too many: expected one file", rest.front());
}

/// A picture is written where it is asked for, but never over the input nor as another kind of
/// file.
void check_curve(const Options& options) {
  if (options.curve.empty()) return;
  std::error_code error;  // where one of them does not exist they are not the same
  if (std::filesystem::equivalent(options.curve, options.file, error)) {
    throw CLI::ValidationError(
        "--curve", fmt::format("'{}': that is the input file, which the picture would overwrite",
                               options.curve.string()));
  }
  if (options.curve.extension() != ".svg") {
    throw CLI::ValidationError(
        "--curve", fmt::format("'{}': expected a name that ends in .svg", options.curve.string()));
  }
}

}  // namespace

std::string_view name_of(Activation activation) { return name_in(activations, activation); }
std::string_view name_of(Bias bias) { return name_in(biases, bias); }

void complain(const std::string& message) noexcept {
  // Not fmt::print, which throws where standard error cannot be written.
  std::fputs("check_derivation: ", stderr);
  for (const unsigned char c : message) std::fputc(c < ' ' || c == 0x7f ? ' ' : c, stderr);
  std::fputs("\n", stderr);
}

std::variant<Options, int> parse_options(int argc, char** argv) {
  Options options;
  CLI::App app{
      "Says what is wrong with the gradients of a softmax classifier that were derived by hand.\n"
      "The file, of numpy.savez or safetensors, has X, Y, W1, W2, ..., the gradients dW1, dW2, "
      "...\n"
      "and, where there are any, b1, db1, ... and Z1, A1, dZ1, dA1, ... (docs/diagnosis.md).\n"
      "Samples are rows, Y is one-hot or soft; numbers are uint8, float32 or float64.\n"
      "The exit status is 0 for a right gradient, 1 for a wrong one, 2 for a bad file or option."};
  app.name("check_derivation");
  app.option_defaults()->take_last();
  app.add_option_function<std::string>(
         "--model", [&](const std::string& text) { options.widths = parse_model(text); },
         "inputs, hidden units, classes; under the bias trick the inputs count the column of ones")
      ->option_text("785-64-10")
      ->required();
  add_choice(app, "--activation", options.activation, activations,
             "of the hidden layers [sigmoid]");
  add_choice(
      app, "--bias", options.bias, biases,
      "the last row of W1, for a column of ones that X does not have, or b1, b2, ... [trick]");
  CLI::Option* const weights =
      add_choice(app, "--weights", options.weights_out_in, orders,
                 "shape of W1, ...; PyTorch's is out-in, with samples in rows [in-out]");
  app.add_flag("--transposed", options.samples_in_columns,
               "weights are (out, in) and samples stand in columns")
      ->excludes(weights);
  add_number(
      app, "--learning-rate", options.learning_rate, [](double x) { return x > 0; },
      "a positive number", "of the update: should it be in the gradient by mistake, it is named");
  add_number(
      app, "--momentum", options.momentum, [](double x) { return x >= 0 && x < 1; }, "0 <= X < 1",
      "the same; the file then has velocity_W1, ...");
  add_number(
      app, "--weight-decay", options.weight_decay, [](double x) { return x >= 0; },
      "a number that is not negative", "X/2 times the sum of all W^2 is in the loss");
  app.add_flag("--json", options.json, "print the diagnosis as JSON");
  app.add_option("--curve", options.curve,
                 "draw the f' that the gradients have beside the right one, where it can be told")
      ->option_text("FILE.svg");
  app.add_option("file", options.file, "step.npz or step.safetensors")
      ->option_text("FILE")
      ->required();
  try {
    app.parse(argc, argv);
    if (options.samples_in_columns) options.weights_out_in = true;
    check_curve(options);
  } catch (const CLI::CallForHelp& help) {
    return app.exit(help);
  } catch (const CLI::ParseError& error) {
    complain(explain(app, error) + " (check_derivation --help lists the options)");
    return 2;
  }
  return options;
}

}  // namespace check_derivation
