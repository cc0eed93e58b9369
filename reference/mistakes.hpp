// Backpropagation with mistakes: what people get wrong, and the errata of the reports, each as a
// derivation that can be run. A checker must reject them, and say which it was.
#pragma once

#include <chainrule/autograd/storage/tensor.hpp>
#include <chainrule/reference/element_by_element.hpp>
#include <chainrule/reference/network.hpp>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace chainrule::reference {

/// Where this header says l, a layer counts from 1 and L = layers() is the output; the hidden
/// layers are 1 .. L - 1. m_n = sum_k y_nk is a sample's mass. What is right is (1b.5) to (1b.9):
///   dZL = (m o Yhat - Y) / N, dA(l-1) = dZl Wl^T, dZl = f'(Zl) o dAl, dWl = A(l-1)^T dZl,
///   dbl = dZl^T 1.
/// Each enumerator says what stands there instead, and for which l.
enum class Mistake {
  // A constant factor. Form::first: dZl has it, l = 1 .. L, and what lies below inherits it (layer
  // 0 is L); Form::second: dWl and dbl alone have it.
  sign,               ///< -1
  mean_missing,       ///< N, in dZL
  mean_missing_some,  ///< N, but not in dZL: l < L in the first form, any l in the second
  mean_doubled,       ///< 1/N
  mean_n_minus_1,     ///< N / (N - 1)
  mean_n_k,           ///< 1 / K
  factor_two,         ///< 2
  factor_half,        ///< 1/2
  learning_rate,      ///< the context's learning rate
  // f'(Zl) of a hidden layer l; layer 0 is all of them.
  other_activation_derivative,  ///< g'(Zl) of Plant::other; second form: g' of its value g, at Al
  activation_recomputed,        ///< dW(l+1) = g(Zl)^T dZ(l+1); second form: with g'(Zl) for f' too
  derivative_missing,           ///< 1
  derivative_at_output,         ///< f'(Al)
  derivative_z_one_minus_z,     ///< f' of its value, at Zl instead of Al: z (1 - z), 1 - z^2, ...
  inner_slope_missing,          ///< improved sigmoid: 1.7159 sech^2(2z/3)
  outer_slope_missing,          ///< improved sigmoid: (2/3) sech^2(2z/3)
  one_minus_tanh_squared_z,     ///< improved sigmoid: 1 - tanh^2(z)
  square_forgotten,             ///< tanh: 1 - tanh(z); second form: sech(z). Improved sigmoid:
                                ///< 1.7159 (2/3) times the same of 2z/3
  closed_form_of_scaled_a,      ///< improved sigmoid: 1.7159 (2/3) (1 - Al^2), though Al has 1.7159
  relu_mask_wrong_tensor,       ///< relu: dAl > 0; second form: Zo > 0 of Plant::other_layer
  leaky_slope,                  ///< relu: Plant::slope for z <= 0
  // dZL.
  squared_error_output,      ///< dZL o Yhat o (1 - Yhat)
  softmax_jacobian_missing,  ///< -(Y / Yhat) / N, which is dC/dYhat
  softmax_twice,             ///< J dZL sample by sample, J = diag(yhat) - yhat yhat^T
  label_prediction_swapped,  ///< (Y - Yhat) / N
  mass_assumed_one,          ///< (Yhat - Y) / N
  sigmoid_output,            ///< (sigmoid(ZL) - Y) / N
  class_missing,             ///< column Plant::class_index of dZL is 0
  // dA(l-1), l = 2 .. L; layer 0 is all of them where shapes agree.
  other_layer_weights,     ///< dZl Wo^T, o = Plant::other_layer; layer 0: o = l - 1
  weights_not_transposed,  ///< dZl Wl, where Wl is square
  // dWl and dbl; layer 0 is every l to which it applies.
  other_layer_delta,       ///< A(l-1)^T dZo, dZo^T 1, o = Plant::other_layer (one layer only)
  input_for_activation,    ///< X^T dZl, l >= 2, where A(l-1) is as wide as X
  z_for_activation,        ///< Z(l-1)^T dZl, l >= 2
  activation_overwritten,  ///< f'(Z(l-1))^T dZl, second form: dZ(l-1)^T dZl, l >= 2
  bias_row_dropped,        ///< the bias row of dW1, or dbl, is 0
  bias_not_summed,         ///< dbl = dZl, (N, out)
  bias_summed_over_units,  ///< dbl = dZl 1, (N,)
  bias_averaged,           ///< dbl / N
  last_sample_missing,     ///< the sums over n end at N - 1
  // dWl and dbl, with what the context holds; layer 0 is all layers.
  accumulated_twice,     ///< twice the gradient; second form: plus the previous one
  stale_gradient,        ///< the previous gradient
  after_update,          ///< layer 0: all values at the updated weights; second form: the updated
                         ///< weights in dA(l-1) alone, l = 2 .. L
  momentum_folded,       ///< + momentum velocity
  weight_decay_missing,  ///< the loss has decay/2 sum W^2, and dWl does not
  weight_decay_extra,    ///< dWl + decay Wl once too often
  // The reports' errata; E8 to E12 and E15 are not derivations. E2 and E6 with the reports' own dZL
  // =
  // (Yhat - Y) / N, because the right one has sum_k delta_k = 0 for labels of any mass.
  erratum_e1,   ///< 000 1b: dZL = -(Yhat - Y) / N
  erratum_e2,   ///< 000 1a: dz_k/da_j = sum_l w_lj, so dA(l-1) = (dZl 1) (Wl 1)^T; l = 2 .. L
  erratum_e3,   ///< 001 1b: dA(l-1) = dZl W(l-1)^T, where that has a shape; l = 2 .. L
  erratum_e4,   ///< 001 1b: dZL = m o Yhat - Y
  erratum_e5,   ///< 001 1a: dZl = (Al - Y) / N, where layer l has K units; second form: negated
  erratum_e6,   ///< 004 1: delta_j = f'(z_j) sum_k delta_k x_i, dw_ji = delta_j x_i (layer 0 only)
  erratum_e7,   ///< 004 3b: improved sigmoid: (4/3) 1.7159 sech^2(2z/3)
  erratum_e13,  ///< 000 1b: dZL = (sigmoid(ZL) - Y) / N
  erratum_e14,  ///< 000 1a: z_k = sum_l w_lj z_l, so dWl = Z(l-1)^T dZl, l >= 2
};

/// All of them, in the order above.
std::span<const Mistake> all_mistakes();
/// "mean-missing", "erratum-e1".
std::string_view id(Mistake mistake);

/// Some mistakes can be made in two ways: see there.
enum class Form { first, second };

/// One mistake, made once. layer: where, or 0 for every layer to which it applies.
struct Plant {
  Mistake mistake;                         ///< which
  int layer = 0;                           ///< from the input side; 0 for all
  Form form = Form::first;                 ///< which way, where there are two
  Activation other = Activation::sigmoid;  ///< of mistakes that take another activation
  int other_layer = 0;                     ///< of mistakes that take another layer's value
  std::int64_t class_index = 0;            ///< the class that is missing
  double slope = 0.01;                     ///< where a leaky relu is taken

  /// The same mistake at the same place.
  bool operator==(const Plant&) const = default;
};

/// "other-activation-derivative at layer 1 (tanh, second form)".
std::string to_string(const Plant& plant);

/// What a mistake may need beyond the step itself. Vectors hold one tensor a layer; those of b are
/// empty without biases. Shapes are not checked before they are used.
struct Context {
  std::optional<double> learning_rate;      ///< folded in, or of the update
  std::vector<Tensor<double>> previous_dW;  ///< of the previous batch
  std::vector<Tensor<double>> previous_db;  ///< of the previous batch
  std::vector<Tensor<double>> updated_W;    ///< after the update
  std::vector<Tensor<double>> updated_b;    ///< after the update
  std::optional<double> momentum;           ///< mu, the factor of the velocity
  std::vector<Tensor<double>> velocity_W;   ///< before this step
  std::vector<Tensor<double>> velocity_b;   ///< before this step
  std::optional<double> weight_decay;       ///< lambda of lambda / 2 sum W^2
  /// The loss has weight_decay / 2 sum W^2 over all W: then all dWl have weight_decay Wl.
  bool loss_has_decay = false;
};

/// Why the plant cannot be made in that network, with that context; empty where it can. A plant
/// that can be made may yet be without effect.
std::string reason_against(const Network& network, const Context& context, const Plant& plant);

/// Every plant that can be made in that network, in every form, at all layers and at each; leaky
/// slopes 0.01 and 0.2; every class.
std::vector<Plant> possible_plants(const Network& network, const Context& context = {});

/// Forward and backward pass with the mistakes of `plants`: all values, as Backpropagation has
/// them; dbl of bias_not_summed is (N, out), of
/// bias_summed_over_units (N,). Without plants it is the right derivation, with the
/// decay of Context::loss_has_decay. Layout::rows only. Throws as check_inputs; ShapeError, naming
/// the erratum, where E3 or E5 has no shape; UsageError where reason_against says why not.
Values<Tensor<double>> planted(const Network& network, const Inputs<double>& inputs,
                               std::span<const Plant> plants = {}, const Context& context = {});
/// The same with one mistake.
Values<Tensor<double>> planted(const Network& network, const Inputs<double>& inputs,
                               const Plant& plant, const Context& context = {});

}  // namespace chainrule::reference
