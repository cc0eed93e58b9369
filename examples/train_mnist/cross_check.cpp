#include "cross_check.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <chainrule/autograd/storage/random.hpp>
#include <chainrule/check/compare.hpp>
#include <chainrule/check/gradcheck.hpp>
#include <chainrule/reference/dual_derivative.hpp>
#include <chainrule/reference/vectorised.hpp>
#include <chrono>
#include <cmath>

namespace train_mnist {

using namespace chainrule;

namespace {

reference::Activation derived(Activation activation) {
  switch (activation) {
    case Activation::sigmoid: return reference::Activation::sigmoid;
    case Activation::improved_sigmoid: return reference::Activation::improved_sigmoid;
    case Activation::tanh: return reference::Activation::tanh;
    case Activation::relu: return reference::Activation::relu;
  }
  throw UsageError("cross_check", "unknown activation");
}

/// Both forms agree with the tape to rounding. U(-1, 1) weights make logits of hundreds, whose
/// rounding the softmax's exponentials enlarge.
double derivation_tolerance(Initialiser initialiser) {
  return initialiser == Initialiser::uniform ? 1e-12 : 1e-13;
}
constexpr double entry_tolerance = 1e-8;  // of finite differences
constexpr double dual_tolerance = 1e-11;  // of dual numbers, which have no step
constexpr std::uint64_t dual_entries = 24;

/// The worst of some entries of a gradient against dual numbers, relative to its largest entry.
double dual_error(reference::DualInputs<double>& duals, const std::string& parameter,
                  TensorView<const double> gradient, std::uint64_t seed, std::int64_t& entries) {
  const Random random(seed, Purpose::check);
  double largest = 0, worst = 0;
  for (const double g : gradient) largest = std::max(largest, std::abs(g));
  entries = std::min<std::int64_t>(gradient.size(), dual_entries);
  for (std::int64_t k = 0; k < entries; ++k) {
    const auto at = static_cast<std::int64_t>(random.below(
        static_cast<std::uint64_t>(k), static_cast<std::uint64_t>(gradient.size())));
    const double error = std::abs(duals.derivative(parameter, at) - gradient[at]);
    if (!(error <= worst)) worst = error;  // a NaN stays
  }
  return worst == 0 ? 0 : worst / largest;
}

}  // namespace

bool CrossCheck::passed() const {
  return std::all_of(rows.begin(), rows.end(),
                     [](const CrossCheckRow& row) { return row.verdict == "pass"; });
}

std::string CrossCheck::table() const {
  std::string text = fmt::format("{:<8} {:>12}  {:>13}  {:>13}  {:<18} {:>7}  {}\n", "tensor",
                                 "shape", "vs derivation", "vs numeric", "witness", "entries",
                                 "verdict");
  for (const CrossCheckRow& row : rows) {
    text += fmt::format("{:<8} {:>12}  {:>13.1e}  {:>13.1e}  {:<18} {:>7}  {}{}\n", row.tensor,
                        to_string(row.shape), row.autodiff_vs_derivation, row.autodiff_vs_numeric,
                        row.witness, row.entries, row.verdict,
                        row.note.empty() ? "" : ": " + row.note);
  }
  return text;
}

CrossCheck cross_check(const Mlp<double>& model, const Dataset<double>& images,
                       const Options& options) {
  const auto start = std::chrono::steady_clock::now();
  const Parameters<double>& parameters = model.parameters();

  Tape<double> tape;
  const Var<double> loss =
      softmax_cross_entropy(model(tape, tape.input(images.x)), tape.input(images.y));
  std::vector<Var<double>> leaves;
  for (std::size_t i = 0; i < parameters.size(); ++i) {
    leaves.push_back(tape.parameter(parameters[i]));
  }
  const auto autodiff = gradients(loss, leaves);

  // The derivation, in both forms.
  const reference::Network network{.widths = model.options().widths,
                                   .activation = derived(model.options().activation),
                                   .biases = model.options().bias == Bias::per_layer};
  std::vector<TensorView<const double>> weights, biases;
  reference::Inputs<double> inputs{images.size(), images.x.span(), images.y.span(), {}, {}};
  for (std::size_t i = 0; i < parameters.size(); ++i) {
    const TensorView<const double> value = parameters[i].value();
    const bool is_weight = value.shape().rank() == 2;
    (is_weight ? weights : biases).push_back(value);
    (is_weight ? inputs.W : inputs.b).push_back(value.span());
  }
  reference::Backpropagation<double> vectorised(network, images.size());
  vectorised.run(images.x, images.y, weights, biases);
  const auto by_element = reference::derive(network, inputs);

  GradcheckOptions check;
  check.tolerance_entry = entry_tolerance;
  check.mode = options.check == Check::full ? GradcheckMode::all_entries : GradcheckMode::automatic;
  check.threads = options.threads;
  check.seed = options.seed;
  const GradcheckReport numeric = gradcheck(loss, leaves, check);

  CrossCheck result;
  std::optional<reference::DualInputs<double>> duals;
  for (std::size_t i = 0; i < parameters.size(); ++i) {
    const std::string name = "d" + parameters[i].name();
    const TensorView<const double> gradient = autodiff[i].value();
    CrossCheckRow row;
    row.tensor = name;
    row.shape = gradient.shape();
    row.autodiff_vs_derivation =
        std::max(compare(name, gradient, vectorised.value(name)).norm_error,
                 compare(name, gradient,
                         TensorView<const double>(by_element.value(name).data(), gradient.shape()))
                     .norm_error);
    bool right = row.autodiff_vs_derivation <= derivation_tolerance(options.initialiser);
    if (!right) row.note = "autodiff and derivation differ";

    const LeafReport& leaf = numeric.leaves[i];
    row.witness = "finite differences";
    row.autodiff_vs_numeric = leaf.max_entry_error;
    row.entries = leaf.checked;
    if (leaf.verdict == Verdict::cannot_decide) {
      if (!duals) duals.emplace(network, inputs);
      row.witness = "dual numbers";
      row.autodiff_vs_numeric =
          dual_error(*duals, parameters[i].name(), gradient, options.seed, row.entries);
      if (!(row.autodiff_vs_numeric <= dual_tolerance)) {
        right = false, row.note = "dual numbers differ";
      } else {
        row.note = "finite differences cannot decide, dual numbers agree";
      }
    } else if (leaf.verdict == Verdict::fail) {
      right = false, row.note = leaf.reason;
    } else if (leaf.kinks > 0) {
      row.note = fmt::format("{} entries at a kink", leaf.kinks);
    }
    row.verdict = right ? "pass" : "fail";
    result.rows.push_back(std::move(row));
  }
  result.seconds =
      std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  return result;
}

}  // namespace train_mnist
