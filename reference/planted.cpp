// The derivation in loops, one if for each mistake at the equation that it concerns.
#include <chainrule/reference/matrices.hpp>
#include <chainrule/reference/mistakes.hpp>

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

namespace chainrule::reference {

namespace {

using namespace detail;
using enum Mistake;

// ---- The activations' derivatives, as people write them. ----

double square(double x) { return x * x; }
double sech_squared(double x) { return square(1 / std::cosh(x)); }

/// g' as a function of the value a = g(z).
double derivative_of_value(Activation g, double a) {
  switch (g) {
    case Activation::sigmoid:
      return a * (1 - a);
    case Activation::improved_sigmoid:
      return 2.0 / 3 * (1.7159 - a * a / 1.7159);
    case Activation::tanh:
      return 1 - a * a;
    case Activation::relu:
      break;
  }
  return a > 0 ? 1 : 0;
}

// ---- Forward and backward pass. ----

class PlantedDerivation {
 public:
  PlantedDerivation(const Network& network, const Inputs<double>& inputs,
                    std::span<const Plant> plants, const Context& context)
      : network_(network),
        plants_(plants),
        context_(context),
        N_(inputs.samples),
        L_(network.layers()),
        X_(matrix(inputs.X, network.unit_shape(0, N_))),
        Y_(matrix(inputs.Y, network.unit_shape(L_, N_))) {
    for (int l = 1; l <= L_; ++l) {
      W_.push_back(matrix(inputs.W[index(l)], network.weight_shape(l)));
      if (network.biases) b_.push_back(matrix(inputs.b[index(l)], network.bias_shape(l)));
    }
    if (const Plant* p = made(after_update, 0); p && p->form == Form::first) {
      W_ = context.updated_W, b_ = context.updated_b;
    }
  }

  Values<Matrix> run() {
    forward();
    values_.dZ.resize(W_.size()), values_.dW.resize(W_.size()), values_.db.resize(b_.size());
    values_.dA.resize(values_.A.size());
    for (int l = L_; l >= 1; --l) {
      Matrix delta = l == L_ ? output_delta() : entrywise(derivative(l), values_.dA[index(l)]);
      if (const Plant* p = made(erratum_e5, l)) {
        const double one = p->form == Form::first ? 1 : -1;
        delta = times(plus(values_.A[index(l)], Y_, -1), one / samples());
      }
      values_.dZ[index(l)] = times(delta, factor(l, Form::first));
      if (l > 1) values_.dA[index(l - 1)] = below(l);
    }
    for (int l = 1; l <= L_; ++l) parameters(l);
    return std::move(values_);
  }

 private:
  static std::size_t index(int l) { return static_cast<std::size_t>(l) - 1; }
  double samples() const { return static_cast<double>(N_); }
  std::int64_t classes() const { return network_.widths.back(); }
  const Matrix& units(int l) const { return l == 0 ? X_ : values_.A[index(l)]; }
  const Matrix& logits() const { return values_.Z.back(); }

  /// The plant of that mistake, if it is made at layer l. Those of dZL have layer 0.
  const Plant* made(Mistake mistake, int l) const {
    for (const Plant& plant : plants_) {
      if (plant.mistake != mistake || (plant.layer != 0 && plant.layer != l)) continue;
      Plant here = plant;
      if (l > 0 && mistake != other_layer_weights) here.layer = l;
      if (l == 0 || reason_against(network_, context_, here).empty()) return &plant;
    }
    return nullptr;
  }

  bool made_anywhere(Mistake mistake) const {
    return std::any_of(plants_.begin(), plants_.end(),
                       [=](const Plant& plant) { return plant.mistake == mistake; });
  }

  // (1b.1) to (1b.3)
  void forward() {
    for (int l = 1; l <= L_; ++l) {
      Matrix z = product(units(l - 1), W_[index(l)]);
      for (std::int64_t i = 0; i < z.size() && !b_.empty(); ++i) {
        z[i] += b_[index(l)][i % z.shape()[1]];
      }
      values_.Z.push_back(std::move(z));
      if (l < L_) {
        values_.A.push_back(
            map(values_.Z.back(), [&](double x) { return activate(network_.activation, x); }));
      }
    }
    values_.Yhat = map(logits(), [](double z) { return z; });
    for (std::int64_t n = 0; n < N_; ++n) {
      double* row = values_.Yhat.data() + n * classes();
      const double largest = *std::max_element(row, row + classes());
      double sum = 0;
      for (std::int64_t k = 0; k < classes(); ++k) sum += row[k] = std::exp(row[k] - largest);
      for (std::int64_t k = 0; k < classes(); ++k) row[k] /= sum;
    }
  }

  // (1b.5)
  Matrix output_delta() const {
    const Matrix& yhat = values_.Yhat;
    const auto difference = [&](const Matrix& a, const Matrix& b) {
      return times(plus(a, b, -1), 1 / samples());
    };
    if (made(label_prediction_swapped, 0)) return difference(Y_, yhat);
    if (made(erratum_e1, 0)) return times(difference(yhat, Y_), -1);
    // (with the mass in it sum_k delta_k would be 0 for labels of any mass)
    if (made(mass_assumed_one, 0) || made_anywhere(erratum_e2) || made(erratum_e6, 0)) {
      return difference(yhat, Y_);
    }
    if (made(sigmoid_output, 0) || made(erratum_e13, 0)) {
      return difference(map(logits(), [](double z) { return 1 / (1 + std::exp(-z)); }), Y_);
    }
    if (made(softmax_jacobian_missing, 0)) {
      return map(Y_, yhat, [&](double y, double p) { return -y / p / samples(); });
    }
    const Matrix mass = row_sums(Y_);
    Matrix delta(Y_.shape());
    for (std::int64_t i = 0; i < delta.size(); ++i) {
      delta[i] = mass[i / classes()] * yhat[i] - Y_[i];
    }
    if (!made(mean_missing, 0) && !made(erratum_e4, 0)) delta = times(delta, 1 / samples());
    if (made(squared_error_output, 0)) {
      delta = map(delta, yhat, [](double d, double p) { return d * p * (1 - p); });
    }
    if (made(softmax_twice, 0)) {
      const Matrix inner = row_sums(entrywise(yhat, delta));
      for (std::int64_t i = 0; i < delta.size(); ++i) {
        delta[i] = yhat[i] * (delta[i] - inner[i / classes()]);
      }
    }
    if (const Plant* p = made(class_missing, 0)) {
      for (std::int64_t n = 0; n < N_; ++n) delta[n * classes() + p->class_index] = 0;
    }
    return delta;
  }

  /// The product of the planted constants of layer l.
  double factor(int l, Form form) const {
    const double N = samples();
    double result = 1;
    for (const Plant& plant : plants_) {
      const bool here = form == Form::first ? plant.layer == l || (plant.layer == 0 && l == L_)
                                            : plant.layer == l || plant.layer == 0;
      if (plant.form != form || !here) continue;
      switch (plant.mistake) {
        case sign:
          result *= -1;
          break;
        case mean_missing_some:
          result *= N;
          break;
        case mean_doubled:
          result /= N;
          break;
        case mean_n_minus_1:
          result *= N / (N - 1);
          break;
        case mean_n_k:
          result /= static_cast<double>(classes());
          break;
        case factor_two:
          result *= 2;
          break;
        case factor_half:
          result /= 2;
          break;
        case learning_rate:
          result *= *context_.learning_rate;
          break;
        default:
          break;
      }
    }
    return result;
  }

  // (1b.6) dA(l-1)
  Matrix below(int l) const {
    const Matrix& delta = values_.dZ[index(l)];
    const Matrix& w = W_[index(l)];
    if (made(erratum_e6, 0)) {
      // sum_k delta_k x_i: for a hidden layer's delta, x_i is the unit of this very sum.
      const Matrix sums = row_sums(delta);
      Matrix da = l == L_ ? Matrix::filled(units(l - 1).shape(), 1) : times(units(l - 1), 1);
      for (std::int64_t i = 0; i < da.size(); ++i) da[i] *= sums[i / da.shape()[1]];
      return da;
    }
    if (made(erratum_e2, l)) {
      const Matrix deltas = row_sums(delta), weights = row_sums(w);
      Matrix da(units(l - 1).shape());
      for (std::int64_t i = 0; i < da.size(); ++i) {
        da[i] = deltas[i / da.shape()[1]] * weights[i % da.shape()[1]];
      }
      return da;
    }
    if (made(weights_not_transposed, l)) return product(delta, w);
    if (made(erratum_e3, l)) return product(delta, transposed(W_[index(l - 1)]));
    if (const Plant* p = made(other_layer_weights, l)) {
      const int other = p->layer == 0 ? l - 1 : p->other_layer;
      return product(delta, transposed(W_[index(other)]));
    }
    if (const Plant* p = made(after_update, l); p && p->form == Form::second) {
      return product(delta, transposed(context_.updated_W[index(l)]));
    }
    return product(delta, transposed(w));
  }

  // f'(Zl) of (1b.7)
  Matrix derivative(int l) const {
    const Activation f = network_.activation;
    const Matrix &z = values_.Z[index(l)], &a = values_.A[index(l)];
    if (made(derivative_missing, l)) return Matrix::filled(z.shape(), 1);
    if (made(derivative_at_output, l)) {
      return map(a, [=](double x) { return activation_derivative(f, x); });
    }
    if (made(derivative_z_one_minus_z, l)) {
      return map(z, [=](double x) { return derivative_of_value(f, x); });
    }
    if (made(inner_slope_missing, l)) {
      return map(z, [](double x) { return 1.7159 * sech_squared(2 * x / 3); });
    }
    if (made(outer_slope_missing, l)) {
      return map(z, [](double x) { return 2.0 / 3 * sech_squared(2 * x / 3); });
    }
    if (made(one_minus_tanh_squared_z, l)) {
      return map(z, [](double x) { return 1 - square(std::tanh(x)); });
    }
    if (const Plant* p = made(square_forgotten, l)) {
      const bool by_tanh = p->form == Form::first, improved = f == Activation::improved_sigmoid;
      const double inner = improved ? 2.0 / 3 : 1, outer = improved ? 1.7159 * inner : 1;
      return map(z, [=](double x) {
        return outer * (by_tanh ? 1 - std::tanh(inner * x) : 1 / std::cosh(inner * x));
      });
    }
    if (made(closed_form_of_scaled_a, l)) {
      return map(a, [](double x) { return 1.7159 * 2 / 3 * (1 - x * x); });
    }
    if (made(erratum_e7, l)) {
      return map(z, [](double x) { return 4.0 / 3 * 1.7159 / square(std::cosh(2 * x / 3)); });
    }
    if (const Plant* p = made(relu_mask_wrong_tensor, l)) {
      const Matrix& mask =
          p->form == Form::first ? values_.dA[index(l)] : values_.Z[index(p->other_layer)];
      return map(mask, [](double x) { return x > 0 ? 1.0 : 0.0; });
    }
    if (const Plant* p = made(leaky_slope, l)) {
      return map(z, [=](double x) { return x > 0 ? 1.0 : p->slope; });
    }
    if (const Plant* p = made(other_activation_derivative, l)) {
      const Activation g = p->other;
      if (p->form == Form::second) {
        return map(a, [=](double x) { return derivative_of_value(g, x); });
      }
      return map(z, [=](double x) { return activation_derivative(g, x); });
    }
    if (const Plant* p = made(activation_recomputed, l); p && p->form == Form::second) {
      return map(z, [&](double x) { return activation_derivative(p->other, x); });
    }
    return map(z, [=](double x) { return activation_derivative(f, x); });
  }

  /// What stands for A(l-1) in (1b.8).
  Matrix units_below(int l) const {
    const Matrix& a = units(l - 1);
    if (made(input_for_activation, l)) return times(X_, 1);
    if (made(z_for_activation, l) || made(erratum_e14, l)) return times(values_.Z[index(l - 1)], 1);
    if (const Plant* p = made(activation_overwritten, l)) {
      return p->form == Form::first ? derivative(l - 1) : times(values_.dZ[index(l - 1)], 1);
    }
    if (l > 1) {
      if (const Plant* p = made(activation_recomputed, l - 1)) {
        return map(values_.Z[index(l - 1)], [&](double z) { return activate(p->other, z); });
      }
      // delta_j has x_i in it, and is multiplied by x_i
    }
    if (made(erratum_e6, 0) && l < L_) return entrywise(a, a);
    return times(a, 1);
  }

  // (1b.8) and (1b.9)
  void parameters(int l) {
    const Plant* other = made(other_layer_delta, l);
    Matrix delta = times(values_.dZ[index(other ? other->other_layer : l)], 1);
    Matrix a = units_below(l);
    if (made(last_sample_missing, l)) {
      delta = first_rows(delta, N_ - 1), a = first_rows(a, N_ - 1);
    }
    Matrix dw = product(transposed(a), delta), db = column_sums(delta);
    if (context_.loss_has_decay && !made(weight_decay_missing, l)) decay(dw, l);
    if (made(bias_row_dropped, l)) {
      if (network_.biases) {
        db = Matrix(db.shape());
      } else {
        std::fill_n(dw.end() - dw.shape()[1], dw.shape()[1], 0.0);
      }
    }
    if (made(bias_not_summed, l)) db = delta;
    if (made(bias_summed_over_units, l)) db = row_sums(delta);
    if (made(bias_averaged, l)) db = times(db, 1 / samples());
    const double constant = factor(l, Form::second);
    dw = times(dw, constant), db = times(db, constant);
    if (made(weight_decay_extra, l)) decay(dw, l);
    if (const Plant* p = made(accumulated_twice, l)) {
      const bool twice = p->form == Form::first;
      dw = plus(dw, twice ? dw : context_.previous_dW[index(l)], 1);
      if (network_.biases) db = plus(db, twice ? db : context_.previous_db[index(l)], 1);
    }
    if (made(stale_gradient, l)) {
      dw = context_.previous_dW[index(l)];
      if (network_.biases) db = context_.previous_db[index(l)];
    }
    if (made(momentum_folded, l)) {
      dw = plus(dw, context_.velocity_W[index(l)], *context_.momentum);
      if (network_.biases) db = plus(db, context_.velocity_b[index(l)], *context_.momentum);
    }
    values_.dW[index(l)] = std::move(dw);
    if (network_.biases) values_.db[index(l)] = std::move(db);
  }
  void decay(Matrix& dw, int l) const { dw = plus(dw, W_[index(l)], *context_.weight_decay); }

  const Network& network_;
  std::span<const Plant> plants_;
  const Context& context_;
  std::int64_t N_;
  int L_;
  Matrix X_, Y_;
  std::vector<Matrix> W_, b_;
  Values<Matrix> values_;
};

}  // namespace

Values<Tensor<double>> planted(const Network& network, const Inputs<double>& inputs,
                               std::span<const Plant> plants, const Context& context) {
  check_inputs("reference::planted", network, inputs);
  if (network.layout != Layout::rows) {
    throw UsageError("reference::planted", "samples stand in columns: expected Layout::rows");
  }
  for (const Plant& plant : plants) {
    const std::string reason = reason_against(network, context, plant);
    if (reason.empty()) continue;
    const std::string message = fmt::format("{}: {}", to_string(plant), reason);
    if (plant.mistake == erratum_e3 || plant.mistake == erratum_e5) {
      throw ShapeError("reference::planted", message);
    }
    throw UsageError("reference::planted", message);
  }
  return PlantedDerivation(network, inputs, plants, context).run();
}

Values<Tensor<double>> planted(const Network& network, const Inputs<double>& inputs,
                               const Plant& plant, const Context& context) {
  return planted(network, inputs, std::span(&plant, 1), context);
}

}  // namespace chainrule::reference
