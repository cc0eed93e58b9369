// Says what is wrong with gradients that were derived by hand in another language: a file of NumPy
// or PyTorch in, a diagnosis out. docs/diagnosis.md has the lines of Python that write the file.
#include <chainrule/autograd/storage/error.hpp>
#include <chainrule/autograd/tape.hpp>
#include <chainrule/check/diagnose.hpp>
#include <chainrule/ops/ops.hpp>

#include <fmt/format.h>

#include <algorithm>
#include <cstdio>
#include <exception>
#include <filesystem>
#include <fstream>
#include <string>
#include <variant>
#include <vector>

#include "options.hpp"
#include "step.hpp"

namespace check_derivation {
namespace {

using namespace chainrule;

/// The tensors in T, and what diagnose takes of them.
template <class T>
class Values {
 public:
  explicit Values(const Named& named) {
    tensors_.reserve(named.size());
    for (const auto& [name, value] : named) {
      tensors_.push_back(value.template cast<T>());
      values_.push_back({name, tensors_.back()});
    }
  }
  const std::vector<NamedValue<T>>& get() const { return values_; }

 private:
  std::vector<Tensor<T>> tensors_;
  std::vector<NamedValue<T>> values_;  // their names are the caller's
};

/// In T, the precision of the gradients: what rounding may do to them is measured in it.
template <class T>
Diagnosis diagnose_step(const Options& options, const Step& step) {
  Mlp<T> model({.widths = options.widths, .activation = options.activation, .bias = options.bias});
  std::size_t next = 0;
  for (std::size_t l = 0; l < step.W.size(); ++l) {
    const auto set = [&](const Tensor<double>& from) {
      const auto value = model.parameters()[next++].mutable_value();
      std::transform(from.begin(), from.end(), value.begin(),
                     [](double x) { return static_cast<T>(x); });
    };
    set(step.W[l]);
    if (!step.b.empty()) set(step.b[l]);
  }
  const Tensor<T> x = step.X.template cast<T>(), y = step.Y.template cast<T>();
  Tape<T> tape;
  Var<T> loss = softmax_cross_entropy(model(tape, tape.input(x)), tape.input(y));
  if (options.weight_decay) {
    const T half = static_cast<T>(*options.weight_decay / 2);
    for (std::size_t i = 0; i < model.parameters().size(); ++i) {
      const Var<T> w = tape.parameter(model.parameters()[i]);
      if (w.shape().rank() == 2) loss = loss + scale(sum(square(w)), half);
    }
  }

  const Values<T> hand(step.hand), previous(step.previous), updated(step.updated),
      velocity(step.velocity);
  DiagnoseOptions<T> diagnosis_options;
  diagnosis_options.learning_rate = options.learning_rate;
  diagnosis_options.momentum = options.momentum;
  diagnosis_options.weight_decay = options.weight_decay;
  diagnosis_options.previous_gradient = previous.get();
  diagnosis_options.updated = updated.get();
  diagnosis_options.velocity = velocity.get();
  return diagnose(loss, std::span<const NamedValue<T>>(hand.get()), diagnosis_options);
}

/// In the precision of the gradients, or, where they are double and not right to that, in the one
/// that X and W were multiplied in.
Diagnosis diagnose_step(const Options& options, const Step& step) {
  if (step.single) return diagnose_step<float>(options, step);
  Diagnosis diagnosis = diagnose_step<double>(options, step);
  const bool unnamed = diagnosis.mistakes.empty() && diagnosis.pairs.empty();
  if (diagnosis.verdict != DiagnosisVerdict::wrong || !unnamed || !step.single_inputs) {
    return diagnosis;
  }
  diagnosis = diagnose_step<float>(options, step);
  diagnosis.notes.push_back(
      "the gradients are float64, but the inputs and weights are float32: what rounding may do is "
      "measured in float32");
  return diagnosis;
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
  std::string text = options.json ? to_json(diagnosis) : to_string(diagnosis);
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
    std::string message = error.what();
    // one line, and no escape sequence of a name in the file
    std::replace_if(
        message.begin(), message.end(), [](unsigned char c) { return c < ' ' || c == 0x7f; }, ' ');
    check_derivation::complain(message);
    return 2;
  }
}
