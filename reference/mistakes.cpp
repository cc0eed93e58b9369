#include <chainrule/reference/mistakes.hpp>

#include <fmt/format.h>

#include <algorithm>
#include <array>

namespace chainrule::reference {

namespace {

using enum Mistake;

/// To which layers a mistake applies.
enum class Where {
  factor,      // 1 .. L in both forms
  hidden,      // f' of 1 .. L - 1
  output,      // dZL: layer 0 alone
  above,       // 2 .. L: dA(l-1), or dWl with the units below
  parameters,  // 1 .. L
};

struct Entry {
  Mistake mistake;
  std::string_view id;
  Where where;
};

constexpr std::array entries{
    Entry{sign, "sign", Where::factor},
    Entry{mean_missing, "mean-missing", Where::output},
    Entry{mean_missing_some, "mean-missing-some", Where::factor},
    Entry{mean_doubled, "mean-doubled", Where::factor},
    Entry{mean_n_minus_1, "mean-n-minus-1", Where::factor},
    Entry{mean_n_k, "mean-n-k", Where::factor},
    Entry{factor_two, "factor-two", Where::factor},
    Entry{factor_half, "factor-half", Where::factor},
    Entry{learning_rate, "learning-rate", Where::factor},
    Entry{other_activation_derivative, "other-activation-derivative", Where::hidden},
    Entry{activation_recomputed, "activation-recomputed", Where::hidden},
    Entry{derivative_missing, "derivative-missing", Where::hidden},
    Entry{derivative_at_output, "derivative-at-output", Where::hidden},
    Entry{derivative_z_one_minus_z, "derivative-z-one-minus-z", Where::hidden},
    Entry{inner_slope_missing, "inner-slope-missing", Where::hidden},
    Entry{outer_slope_missing, "outer-slope-missing", Where::hidden},
    Entry{one_minus_tanh_squared_z, "one-minus-tanh-squared-z", Where::hidden},
    Entry{square_forgotten, "square-forgotten", Where::hidden},
    Entry{closed_form_of_scaled_a, "closed-form-of-scaled-a", Where::hidden},
    Entry{relu_mask_wrong_tensor, "relu-mask-wrong-tensor", Where::hidden},
    Entry{leaky_slope, "leaky-slope", Where::hidden},
    Entry{squared_error_output, "squared-error-output", Where::output},
    Entry{softmax_jacobian_missing, "softmax-jacobian-missing", Where::output},
    Entry{softmax_twice, "softmax-twice", Where::output},
    Entry{label_prediction_swapped, "label-prediction-swapped", Where::output},
    Entry{mass_assumed_one, "mass-assumed-one", Where::output},
    Entry{sigmoid_output, "sigmoid-output", Where::output},
    Entry{class_missing, "class-missing", Where::output},
    Entry{other_layer_weights, "other-layer-weights", Where::above},
    Entry{weights_not_transposed, "weights-not-transposed", Where::above},
    Entry{other_layer_delta, "other-layer-delta", Where::parameters},
    Entry{input_for_activation, "input-for-activation", Where::above},
    Entry{z_for_activation, "z-for-activation", Where::above},
    Entry{activation_overwritten, "activation-overwritten", Where::above},
    Entry{bias_row_dropped, "bias-row-dropped", Where::parameters},
    Entry{bias_not_summed, "bias-not-summed", Where::parameters},
    Entry{bias_summed_over_units, "bias-summed-over-units", Where::parameters},
    Entry{bias_averaged, "bias-averaged", Where::parameters},
    Entry{last_sample_missing, "last-sample-missing", Where::parameters},
    Entry{accumulated_twice, "accumulated-twice", Where::parameters},
    Entry{stale_gradient, "stale-gradient", Where::parameters},
    Entry{after_update, "after-update", Where::above},
    Entry{momentum_folded, "momentum-folded", Where::parameters},
    Entry{weight_decay_missing, "weight-decay-missing", Where::parameters},
    Entry{weight_decay_extra, "weight-decay-extra", Where::parameters},
    Entry{erratum_e1, "erratum-e1", Where::output},
    Entry{erratum_e2, "erratum-e2", Where::above},
    Entry{erratum_e3, "erratum-e3", Where::above},
    Entry{erratum_e4, "erratum-e4", Where::output},
    Entry{erratum_e5, "erratum-e5", Where::hidden},
    Entry{erratum_e6, "erratum-e6", Where::output},
    Entry{erratum_e7, "erratum-e7", Where::hidden},
    Entry{erratum_e13, "erratum-e13", Where::output},
    Entry{erratum_e14, "erratum-e14", Where::above},
};

constexpr auto mistakes = [] {
  std::array<Mistake, entries.size()> result{};
  for (std::size_t i = 0; i < entries.size(); ++i) result[i] = entries[i].mistake;
  return result;
}();

// The table is indexed by the enumerator.
static_assert([] {
  for (std::size_t i = 0; i < entries.size(); ++i) {
    if (static_cast<std::size_t>(entries[i].mistake) != i) return false;
  }
  return entries.size() == static_cast<std::size_t>(erratum_e14) + 1;
}());

const Entry& entry(Mistake mistake) { return entries.at(static_cast<std::size_t>(mistake)); }

constexpr std::array activations{Activation::sigmoid, Activation::improved_sigmoid,
                                 Activation::tanh, Activation::relu};

const char* name(Activation activation) {
  constexpr std::array names{"sigmoid", "improved sigmoid", "tanh", "relu"};
  return names.at(static_cast<std::size_t>(activation));
}

bool has_two_forms(Mistake mistake) {
  return entry(mistake).where == Where::factor || mistake == other_activation_derivative ||
         mistake == activation_recomputed || mistake == square_forgotten ||
         mistake == activation_overwritten || mistake == relu_mask_wrong_tensor ||
         mistake == accumulated_twice || mistake == after_update || mistake == erratum_e5;
}
bool has_other_activation(Mistake mistake) {
  return mistake == other_activation_derivative || mistake == activation_recomputed;
}
bool has_other_layer(const Plant& plant) {
  return plant.mistake == other_layer_delta ||
         (plant.mistake == relu_mask_wrong_tensor && plant.form == Form::second) ||
         (plant.mistake == other_layer_weights && plant.layer != 0);
}

std::pair<int, int> layers_of(const Network& network, Where where) {
  switch (where) {
    case Where::factor:
    case Where::parameters:
      return {1, network.layers()};
    case Where::hidden:
      return {1, network.layers() - 1};
    case Where::above:
      return {2, network.layers()};
    case Where::output:
      break;
  }
  return {1, 0};
}

/// Widths of the layers and what follows from them.
struct Widths {
  const Network& network;
  std::int64_t of(int l) const { return network.widths[static_cast<std::size_t>(l)]; }
  bool same_weights(int l, int o) const { return of(l - 1) == of(o - 1) && of(l) == of(o); }
};

/// Why a layer, or the pair of it and Plant::other_layer, does not have the shapes for it.
std::string shape_reason(const Network& network, const Plant& plant, int l) {
  const Widths at{network};
  const int o = plant.other_layer;
  switch (plant.mistake) {
    case other_layer_weights:
    case erratum_e3: {
      const int used = plant.mistake == erratum_e3 || plant.layer == 0 ? l - 1 : o;
      if (used == l) return "a layer's own weights are right";
      if (at.same_weights(l, used)) return {};
      return fmt::format("W{} {} does not fit in place of W{} {}", used,
                         to_string(network.weight_shape(used)), l,
                         to_string(network.weight_shape(l)));
    }
    case weights_not_transposed:
      if (at.of(l - 1) == at.of(l)) return {};
      return fmt::format("W{} {} is not square", l, to_string(network.weight_shape(l)));
    case input_for_activation:
      if (at.of(l - 1) == at.of(0)) return {};
      return fmt::format("A{} has {} units, X has {}", l - 1, at.of(l - 1), at.of(0));
    case other_layer_delta:
      if (o == l) return "a layer's own delta is right";
      if (at.of(o) == at.of(l)) return {};
      return fmt::format("dZ{} has {} units, dZ{} has {}", o, at.of(o), l, at.of(l));
    case relu_mask_wrong_tensor:
      if (plant.form == Form::first) return {};
      if (o == l) return "a layer's own mask is right";
      if (at.of(o) == at.of(l)) return {};
      return fmt::format("Z{} has {} units, Z{} has {}", o, at.of(o), l, at.of(l));
    case erratum_e5:
      if (at.of(l) == at.of(network.layers())) return {};
      return fmt::format("A{} has {} units, Y has {} classes", l, at.of(l),
                         at.of(network.layers()));
    default:
      return {};
  }
}

/// Why the network's activation, biases or the context are not those of the mistake.
std::string kind_reason(const Network& network, const Context& context, const Plant& plant) {
  const auto needs = [](bool has, const char* what) {
    return has ? std::string() : fmt::format("it needs {}", what);
  };
  switch (plant.mistake) {
    case inner_slope_missing:
    case outer_slope_missing:
    case one_minus_tanh_squared_z:
    case closed_form_of_scaled_a:
    case erratum_e7:
      return needs(network.activation == Activation::improved_sigmoid, "the improved sigmoid");
    case square_forgotten:
      return needs(network.activation == Activation::improved_sigmoid ||
                       network.activation == Activation::tanh,
                   "tanh, or the improved sigmoid");
    case relu_mask_wrong_tensor:
    case leaky_slope:
      return needs(network.activation == Activation::relu, "relu");
    case other_activation_derivative:
    case activation_recomputed:
      return needs(network.activation != plant.other, "an activation other than the network's");
    case bias_not_summed:
    case bias_summed_over_units:
    case bias_averaged:
      return needs(network.biases, "biases");
    case bias_row_dropped:
      return needs(network.biases || plant.layer <= 1, "a bias row, which W1 alone has");
    case learning_rate:
      return needs(context.learning_rate.has_value(), "the learning rate");
    case accumulated_twice:
      return needs(plant.form == Form::first || !context.previous_dW.empty(),
                   "the previous gradient");
    case stale_gradient:
      return needs(!context.previous_dW.empty(), "the previous gradient");
    case after_update:
      if (plant.form == Form::first && plant.layer != 0) return "it concerns all layers";
      return needs(!context.updated_W.empty(), "the updated weights");
    case momentum_folded:
      return needs(context.momentum.has_value() && !context.velocity_W.empty(),
                   "momentum and velocity");
    case weight_decay_missing:
      return needs(context.weight_decay.has_value() && context.loss_has_decay,
                   "a loss with weight decay");
    case weight_decay_extra:
      return needs(context.weight_decay.has_value(), "the weight decay");
    case other_layer_delta:
      return needs(plant.layer != 0, "one layer");
    default:
      return {};
  }
}

std::string layer_reason(const Network& network, const Plant& plant) {
  const auto [first, last] = layers_of(network, entry(plant.mistake).where);
  if (plant.layer == 0) {
    if (plant.mistake == mean_missing_some) return "it needs one layer";
    if (first <= last || entry(plant.mistake).where == Where::output) return {};
    return "the network has no layer for it";
  }
  if (plant.layer < first || plant.layer > last) {
    return fmt::format("it does not concern layer {}", plant.layer);
  }
  if (plant.mistake == mean_missing_some && plant.form == Form::first &&
      plant.layer == network.layers()) {
    return "then 1/N is missing on all layers";
  }
  return {};
}

/// Layer 0 of these two takes every layer or none; of the others, those that have the shapes.
bool needs_every_layer(Mistake mistake) {
  return mistake == other_layer_weights || mistake == erratum_e3;
}

}  // namespace

std::span<const Mistake> all_mistakes() { return mistakes; }

std::string_view id(Mistake mistake) { return entry(mistake).id; }

std::string to_string(const Plant& plant) {
  std::string details;
  const auto add = [&](const std::string& text) {
    details += details.empty() ? text : ", " + text;
  };
  if (has_other_activation(plant.mistake)) add(name(plant.other));
  if (has_other_layer(plant)) add(fmt::format("of layer {}", plant.other_layer));
  if (plant.mistake == class_missing) add(fmt::format("class {}", plant.class_index));
  if (plant.mistake == leaky_slope) add(fmt::format("slope {}", plant.slope));
  if (plant.form == Form::second) add("second form");
  std::string result(id(plant.mistake));
  if (plant.layer != 0) result += fmt::format(" at layer {}", plant.layer);
  return details.empty() ? result : fmt::format("{} ({})", result, details);
}

std::string reason_against(const Network& network, const Context& context, const Plant& plant) {
  network.validate();
  const int layers = network.layers();
  if (plant.form == Form::second && !has_two_forms(plant.mistake)) return "it has one form";
  if (auto reason = layer_reason(network, plant); !reason.empty()) return reason;
  if (auto reason = kind_reason(network, context, plant); !reason.empty()) return reason;
  if (plant.mistake == class_missing &&
      (plant.class_index < 0 || plant.class_index >= network.widths.back())) {
    return fmt::format("there is no class {}", plant.class_index);
  }
  if (has_other_layer(plant)) {
    const bool hidden = plant.mistake == relu_mask_wrong_tensor;
    if (plant.layer == 0) return "it needs one layer";
    if (plant.other_layer < 1 || plant.other_layer > (hidden ? layers - 1 : layers)) {
      return fmt::format("there is no other layer {}", plant.other_layer);
    }
  }
  if (plant.layer != 0) return shape_reason(network, plant, plant.layer);
  const auto [first, last] = layers_of(network, entry(plant.mistake).where);
  std::string reason;
  for (int l = first; l <= last; ++l) {
    std::string here = shape_reason(network, plant, l);
    if (needs_every_layer(plant.mistake)) {
      if (!here.empty()) return here;
    } else if (here.empty()) {
      return {};
    } else {
      reason = here;
    }
  }
  return reason;
}

std::vector<Plant> possible_plants(const Network& network, const Context& context) {
  std::vector<Plant> result;
  const auto add = [&](const Plant& plant) {
    if (reason_against(network, context, plant).empty()) result.push_back(plant);
  };
  const auto add_variants = [&](const Plant& plant) {
    if (has_other_activation(plant.mistake)) {
      for (const Activation other : activations) {
        Plant variant = plant;
        variant.other = other;
        add(variant);
      }
    } else if (has_other_layer(plant)) {
      for (int other = 1; other <= network.layers(); ++other) {
        Plant variant = plant;
        variant.other_layer = other;
        add(variant);
      }
    } else if (plant.mistake == class_missing) {
      for (std::int64_t k = 0; k < network.widths.back(); ++k) {
        Plant variant = plant;
        variant.class_index = k;
        add(variant);
      }
    } else if (plant.mistake == leaky_slope) {
      for (const double slope : {0.01, 0.2}) {
        Plant variant = plant;
        variant.slope = slope;
        add(variant);
      }
    } else {
      add(plant);
    }
  };
  for (const Mistake mistake : mistakes) {
    for (int l = 0; l <= network.layers(); ++l) {
      for (const Form form : {Form::first, Form::second}) {
        add_variants({.mistake = mistake, .layer = l, .form = form});
      }
    }
  }
  return result;
}

}  // namespace chainrule::reference
