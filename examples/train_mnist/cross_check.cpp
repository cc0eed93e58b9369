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
#include <limits>
#include <optional>

namespace train_mnist {

using namespace chainrule;

namespace {

reference::Activation derived(Activation activation) {
  switch (activation) {
    case Activation::sigmoid:
      return reference::Activation::sigmoid;
    case Activation::improved_sigmoid:
      return reference::Activation::improved_sigmoid;
    case Activation::tanh:
      return reference::Activation::tanh;
    case Activation::relu:
      return reference::Activation::relu;
  }
  throw UsageError("cross_check", "unknown activation");
}

/// Both forms agree with the tape to rounding. U(-1, 1) weights make large logits, whose rounding
/// the softmax's exponentials enlarge. A sum of n terms, added up in two orders, differs by the
/// square root of n: the bounds are those of the reports' 785 inputs, and of
/// their eleven layers at most, since each adds its rounding to the gradient's.
double derivation_tolerance(const MlpOptions& network) {
  constexpr double usual_fan_in = 785, usual_layers = 11;
  const auto widest = *std::max_element(network.widths.begin(), network.widths.end() - 1);
  return (network.initialiser == Initialiser::uniform ? 1e-12 : 1e-13) *
         std::max(1., std::sqrt(static_cast<double>(widest) / usual_fan_in)) *
         std::max(1., static_cast<double>(network.widths.size() - 1) / usual_layers);
}
constexpr double noise_factor = 4;        // that a difference may exceed measured rounding by
constexpr double entry_tolerance = 1e-8;  // of finite differences
constexpr double dual_tolerance = 1e-11;  // of dual numbers, which have no step
constexpr std::uint64_t dual_entries = 24;

double norm_error(TensorView<const double> a, TensorView<const double> b) {
  return compare("", a, b).norm_error;
}

/// How far the derivation's own gradients move, norm-wise, when every weight moves by its last bit:
/// what rounding alone may do to this network. Deep networks with large weights are chaotic.
std::vector<double> rounding_noise(reference::Backpropagation<double>& derivation,
                                   const Dataset<double>& images,
                                   const Parameters<double>& parameters,
                                   const std::vector<std::string>& names, std::uint64_t seed) {
  std::vector<Tensor<double>> moved;
  std::vector<TensorView<const double>> weights, biases;
  for (std::size_t i = 0; i < parameters.size(); ++i) {
    const Random random(seed, Purpose::check, static_cast<std::uint32_t>(i));
    Tensor<double> values(parameters[i].value());
    for (std::int64_t k = 0; k < values.size(); ++k) {
      const bool up = random.bits(static_cast<std::uint64_t>(k)) & 1;
      values[k] *= 1 + (up ? 1 : -1) * std::numeric_limits<double>::epsilon();
    }
    moved.push_back(std::move(values));
  }
  for (const Tensor<double>& values : moved) {
    (values.shape().rank() == 2 ? weights : biases).push_back(values);
  }
  std::vector<Tensor<double>> before;
  before.reserve(names.size());
  for (const std::string& name : names) before.emplace_back(derivation.value(name));
  derivation.run(images.x, images.y, weights, biases);
  std::vector<double> noise;
  for (std::size_t i = 0; i < names.size(); ++i) {
    noise.push_back(norm_error(derivation.value(names[i]), before[i]));
  }
  return noise;
}

/// The worst of some entries of a gradient against dual numbers, relative to its largest entry.
/// Numbers below the smallest normal one have lost their digits, in either way of computing them:
/// a difference of that size is none.
double dual_error(reference::DualInputs<double>& duals, const std::string& parameter,
                  TensorView<const double> gradient, std::uint64_t seed, std::int64_t& entries) {
  const Random random(seed, Purpose::check);
  double largest = 0, worst = 0;
  for (const double g : gradient) largest = std::max(largest, std::abs(g));
  entries = std::min<std::int64_t>(gradient.size(), dual_entries);
  for (std::int64_t k = 0; k < entries; ++k) {
    const auto at = static_cast<std::int64_t>(
        random.below(static_cast<std::uint64_t>(k), static_cast<std::uint64_t>(gradient.size())));
    double error = std::abs(duals.derivative(parameter, at) - gradient[at]);
    if (error < std::numeric_limits<double>::min()) error = 0;
    if (!(error <= worst)) worst = error;  // a NaN stays
  }
  return worst == 0 ? 0 : worst / largest;
}

/// A note keeps what stands in it.
void add(std::string& note, const std::string& text) { note += (note.empty() ? "" : "; ") + text; }

/// NaN without a sign, which tells nothing.
double shown(double value) { return std::isnan(value) ? std::abs(value) : value; }

}  // namespace

bool CrossCheck::passed() const {
  return std::all_of(rows.begin(), rows.end(),
                     [](const CrossCheckRow& row) { return row.verdict == "pass"; });
}

std::string CrossCheck::table() const {
  std::string text =
      fmt::format("{:<8} {:>12}  {:>13}  {:>13}  {:<18} {:>7}  {}\n", "tensor", "shape",
                  "vs derivation", "vs numeric", "witness", "entries", "verdict");
  for (const CrossCheckRow& row : rows) {
    text += fmt::format("{:<8} {:>12}  {:>13.1e}  {:>13.1e}  {:<18} {:>7}  {}{}\n", row.tensor,
                        to_string(row.shape), shown(row.autodiff_vs_derivation),
                        shown(row.autodiff_vs_numeric), row.witness, row.entries, row.verdict,
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

  std::vector<std::string> names;
  std::vector<double> errors;
  for (std::size_t i = 0; i < parameters.size(); ++i) {
    const TensorView<const double> gradient = autodiff[i].value();
    names.push_back("d" + parameters[i].name());
    errors.push_back(
        std::max(norm_error(gradient, vectorised.value(names[i])),
                 norm_error(gradient, {by_element.value(names[i]).data(), gradient.shape()})));
  }
  const std::vector<double> noise =
      rounding_noise(vectorised, images, parameters, names, options.experiment.seed);

  GradcheckOptions check;
  check.tolerance_entry = entry_tolerance;
  check.mode = options.check == Check::full ? GradcheckMode::all_entries : GradcheckMode::automatic;
  check.threads = options.threads;
  check.seed = options.experiment.seed;
  const GradcheckReport numeric = gradcheck(loss, leaves, check);

  const double tolerance = derivation_tolerance(model.options());
  CrossCheck result;
  std::optional<reference::DualInputs<double>> duals;
  for (std::size_t i = 0; i < parameters.size(); ++i) {
    const TensorView<const double> gradient = autodiff[i].value();
    CrossCheckRow row;
    row.tensor = names[i];
    row.shape = gradient.shape();
    row.autodiff_vs_derivation = errors[i];
    bool right = errors[i] <= tolerance;
    if (!right && errors[i] <= noise_factor * noise[i]) {
      right = true, add(row.note, fmt::format("rounding alone makes {:.1e} of it", noise[i]));
    }
    if (!right) add(row.note, "autodiff and derivation differ");

    const LeafReport& leaf = numeric.leaves[i];
    row.witness = "finite differences";
    row.autodiff_vs_numeric = leaf.max_entry_error;
    row.entries = leaf.checked;
    // A gradient of exact zeros, as of a layer whose units are all dead, shows a stencil nothing.
    const bool zero = leaf.failures == 0 && leaf.largest == 0;
    if (leaf.verdict == Verdict::cannot_decide || zero) {
      if (!duals) duals.emplace(network, inputs);
      row.witness = "dual numbers";
      row.autodiff_vs_numeric =
          dual_error(*duals, parameters[i].name(), gradient, options.experiment.seed, row.entries);
      if (!(row.autodiff_vs_numeric <= dual_tolerance)) {
        right = false, add(row.note, "dual numbers differ");
      } else {
        add(row.note, zero ? "all zero, and dual numbers agree"
                           : "finite differences cannot decide, dual numbers agree");
      }
    } else if (leaf.verdict == Verdict::fail) {
      right = false, add(row.note, leaf.reason);
    } else if (leaf.kinks > 0) {
      add(row.note, fmt::format("{} entries at a kink", leaf.kinks));
    }
    row.verdict = right ? "pass" : "fail";
    result.rows.push_back(std::move(row));
  }
  result.seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  return result;
}

}  // namespace train_mnist
