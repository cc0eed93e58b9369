// Says what is wrong with gradients that were derived by hand in another language: a file of NumPy
// or PyTorch in, a diagnosis out. docs/diagnosis.md has the lines of Python that write the file.
#include <chainrule/autograd/storage/error.hpp>
#include <chainrule/check/diagnose.hpp>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <cstdio>
#include <exception>
#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "diagnosis.hpp"
#include "options.hpp"
#include "step.hpp"

namespace check_derivation {
namespace {

using namespace chainrule;

/// What was assumed: "8-6-4, sigmoid, --bias layer".
std::string describe(const Options& options) {
  std::string text = fmt::format("{}, {}, --bias {}", fmt::join(options.widths, "-"),
                                 name_of(options.activation), name_of(options.bias));
  if (options.weights_out_in) {
    text += options.samples_in_columns ? ", --transposed" : ", --weights out-in";
  }
  if (options.weight_decay) text += fmt::format(", --weight-decay {}", *options.weight_decay);
  return text;
}

/// The diagnosis, and below one that is not right what was assumed, since that may be wrong
/// instead.
std::string report(const Options& options, const Diagnosis& diagnosis,
                   const std::vector<Activation>& others) {
  if (options.json) {
    if (others.empty()) return to_json(diagnosis);
    auto json = nlohmann::json::parse(to_json(diagnosis));
    json["activation"] = name_of(others.front());
    return json.dump(2);
  }
  std::string text = to_string(diagnosis);
  if (diagnosis.verdict == DiagnosisVerdict::right) return text;
  if (!text.ends_with('\n')) text += '\n';
  text += fmt::format("checked as {}\n", describe(options));
  if (others.empty()) return text;
  std::vector<std::string_view> names;
  for (const Activation other : others) names.push_back(name_of(other));
  return text + fmt::format("with --activation {} all of it is right\n", fmt::join(names, " or "));
}

/// Says on standard error where there is nothing to draw.
void draw_curve(const std::filesystem::path& path, const Diagnosis& diagnosis) {
  if (!diagnosis.curve) {
    complain(fmt::format("{} is not written: {}", path.string(),
                         diagnosis
                             ? "no derivative is wrong"
                             : "no derivative that is wrong could be told from what the file has"));
    return;
  }
  std::ofstream file(path, std::ios::binary);
  file << to_svg(*diagnosis.curve);
  if (!file.flush()) {
    throw FileError("check_derivation", fmt::format("{} cannot be written", path.string()));
  }
}

int run(int argc, char** argv) {
  const auto parsed = parse_options(argc, argv);
  if (const int* status = std::get_if<int>(&parsed)) return *status;
  const Options& options = std::get<Options>(parsed);
  const Step step = read_step(options);
  const Diagnosis diagnosis = diagnose_step(options, step);
  std::string text = report(options, diagnosis, fitting_activations(options, step, diagnosis));
  if (!text.ends_with('\n')) text += '\n';
  if (std::fputs(text.c_str(), stdout) == EOF || std::fflush(stdout) != 0) {
    complain("standard output cannot be written");
    return 2;
  }
  if (!options.curve.empty()) draw_curve(options.curve, diagnosis);
  return diagnosis ? 0 : 1;
}

}  // namespace
}  // namespace check_derivation

int main(int argc, char** argv) {
  try {
    return check_derivation::run(argc, argv);
  } catch (const std::exception& error) {
    // An error of its own names the program, which complain does too.
    constexpr std::string_view own = "[check_derivation] ";
    const std::string_view message = error.what();
    check_derivation::complain(
        std::string(message.starts_with(own) ? message.substr(own.size()) : message));
    return 2;
  }
}
