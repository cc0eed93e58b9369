// The derivation element by element (1a, 3b): every sum a loop, for any scalar, with no engine.
#pragma once

#include <chainrule/reference/network.hpp>
#include <cmath>
#include <span>
#include <vector>

/// Backpropagation of a softmax classifier as the reports derive it on paper, one entry at a time.
/// S is float, double, Dual, or any type whose exp, log1p and tanh are found by ADL (such as
/// Boost's cpp_bin_float_quad). n is a sample, i a unit of the layer below, j a unit of this layer,
/// k of the layer above or a class. In the text w_ji leads from i to j, wherever the layout puts
/// it.
namespace chainrule::reference {

/// What a network is evaluated on: row-major spans in the shapes of Network::unit_shape,
/// weight_shape and bias_shape. X: N samples. Y: N targets, non-negative; they may be hard or soft,
/// of any mass. W, b: one span a layer (b none without biases).
template <class S>
struct Inputs {
  std::int64_t samples = 0;           ///< N
  std::span<const S> X;               ///< N samples of I features
  std::span<const S> Y;               ///< N targets over K classes
  std::vector<std::span<const S>> W;  ///< layer l at index l - 1
  std::vector<std::span<const S>> b;  ///< likewise, or empty
};

/// All values of a forward and backward pass, and the loss.
template <class S>
struct Derivation : Values<std::vector<S>> {
  S loss{};  ///< C, the mean over the samples
};

/// Where an entry of layer l stands in memory: the one place where the two layouts differ.
struct Place {
  const Network& network;  ///< to be kept alive
  std::int64_t samples;    ///< N

  /// Units of layer 0 <= l <= L.
  std::int64_t width(int l) const { return network.widths[static_cast<std::size_t>(l)]; }
  /// Entries of layer l's units: N width(l).
  std::int64_t size(int l) const { return samples * width(l); }
  /// Unit j of layer l for sample n.
  std::size_t unit(int l, std::int64_t n, std::int64_t j) const {
    return static_cast<std::size_t>(network.layout == Layout::rows ? n * width(l) + j
                                                                   : j * samples + n);
  }
  /// w_ji of layer l, which leads from unit i of layer l - 1 to unit j of layer l.
  std::size_t weight(int l, std::int64_t j, std::int64_t i) const {
    return static_cast<std::size_t>(network.layout == Layout::rows ? i * width(l) + j
                                                                   : j * width(l - 1) + i);
  }
};

/// (1a.2) a = f(z). The sigmoid never exponentiates a positive number, so that both tails keep
/// their accuracy; relu lets NaN pass.
template <class S>
S activate(Activation activation, const S& z) {
  using std::exp, std::tanh;
  switch (activation) {
    case Activation::sigmoid: {
      if (z >= S(0)) return S(1) / (S(1) + exp(-z));
      const S e = exp(z);
      return e / (S(1) + e);
    }
    case Activation::improved_sigmoid:
      return S(17159) / S(10000) * tanh(S(2) / S(3) * z);
    case Activation::tanh:
      return tanh(z);
    case Activation::relu:
      break;
  }
  return z <= S(0) ? S(0) : z;
}

/// (3b) f'(z):
///   sigmoid           f (1 - f)                 = e / (1 + e)^2,             e = exp(-|z|)
///   tanh              1 - tanh^2 z              = 4 e / (1 + e)^2,           e = exp(-2 |z|)
///   improved sigmoid  1.7159 (2/3) sech^2(2z/3) = (4/3) 1.7159 / (cosh(4z/3) + 1)
///   relu              1 for z > 0, else 0, also at 0
/// The left-hand sides cancel where a unit is saturated, the exponential forms do not.
template <class S>
S activation_derivative(Activation activation, const S& z) {
  using std::exp;
  const auto sech_squared = [](const S& x) {
    const S e = exp(x < S(0) ? S(x + x) : S(-(x + x)));
    return S(S(4) * e / ((S(1) + e) * (S(1) + e)));
  };
  switch (activation) {
    case Activation::sigmoid:
      return sech_squared(z / S(2)) / S(4);
    case Activation::improved_sigmoid:
      return S(17159) / S(15000) * sech_squared(S(2) / S(3) * z);
    case Activation::tanh:
      return sech_squared(z);
    case Activation::relu:
      break;
  }
  return z <= S(0) ? S(0) : S(1);
}

/// (1a.1) z_nj = b_j + sum_i w_ji a_ni. Without biases b is empty.
template <class S>
std::vector<S> weighted_sums(const Place& at, int l, std::span<const S> a, std::span<const S> w,
                             std::span<const S> b) {
  std::vector<S> z(static_cast<std::size_t>(at.size(l)));
  for (std::int64_t n = 0; n < at.samples; ++n) {
    for (std::int64_t j = 0; j < at.width(l); ++j) {
      S sum = b.empty() ? S(0) : b[static_cast<std::size_t>(j)];
      for (std::int64_t i = 0; i < at.width(l - 1); ++i) {
        sum += w[at.weight(l, j, i)] * a[at.unit(l - 1, n, i)];
      }
      z[at.unit(l, n, j)] = sum;
    }
  }
  return z;
}

/// One sample's logits, prepared for the softmax: the winner m (the first largest logit) and
/// others = sum over k != m of exp(z_k - z_m). A confident winner's others is tiny, and survives
/// because it is never added to 1 before its logarithm is taken.
template <class S>
struct Softmax {
  /// Looks at the logits of one sample, which must stay; finds m and others.
  Softmax(const Place& place, std::span<const S> logits, std::int64_t sample)
      : at(place), l(place.network.layers()), n(sample), z(logits) {
    using std::exp;
    for (std::int64_t k = 1; k < at.width(l); ++k) {
      if (z[at.unit(l, n, k)] > z[at.unit(l, n, winner)]) winner = k;
    }
    for (std::int64_t k = 0; k < at.width(l); ++k) {
      if (k != winner) others += exp(gap(k));
    }
  }
  /// z_k - z_m <= 0
  S gap(std::int64_t k) const { return z[at.unit(l, n, k)] - z[at.unit(l, n, winner)]; }
  /// (1a.3) yhat_k = exp(z_k) / sum_k' exp(z_k')
  S yhat(std::int64_t k) const {
    using std::exp;
    return exp(gap(k)) / (S(1) + others);
  }
  /// (1a.3) ln yhat_k = z_k - z_m - log1p(others)
  S log_yhat(std::int64_t k) const {
    using std::log1p;
    return gap(k) - log1p(others);
  }

  const Place& at;          ///< where entries stand
  int l;                    ///< the last layer
  std::int64_t n;           ///< the sample
  std::span<const S> z;     ///< the logits of all samples
  std::int64_t winner = 0;  ///< m
  S others{};               ///< sum over k != m of exp(z_k - z_m)
};

/// (1a.3) yhat of every sample.
template <class S>
std::vector<S> predictions(const Place& at, std::span<const S> z) {
  const int l = at.network.layers();
  std::vector<S> yhat(z.size());
  for (std::int64_t n = 0; n < at.samples; ++n) {
    const Softmax<S> softmax(at, z, n);
    for (std::int64_t k = 0; k < at.width(l); ++k) yhat[at.unit(l, n, k)] = softmax.yhat(k);
  }
  return yhat;
}

/// (1a.4) C = -(1/N) sum_n sum_k y_nk ln yhat_nk, with 0 ln 0 = 0.
template <class S>
S cross_entropy(const Place& at, std::span<const S> z, std::span<const S> y) {
  const int l = at.network.layers();
  S sum(0);
  for (std::int64_t n = 0; n < at.samples; ++n) {
    const Softmax<S> softmax(at, z, n);
    for (std::int64_t k = 0; k < at.width(l); ++k) {
      const S& target = y[at.unit(l, n, k)];
      if (target != S(0)) sum -= target * softmax.log_yhat(k);
    }
  }
  return sum / S(at.samples);
}

/// (1a.5) delta_nk = dC/dz_nk = (1/N) sum_{j != k} (y_nj yhat_nk - y_nk yhat_nj).
/// Since sum_j yhat_j = 1 this is ((sum_j y_j) yhat_k - y_k) / N, for targets of mass one the
/// reports' (yhat_k - y_k) / N; but that difference cancels where the network is confident and
/// right.
template <class S>
std::vector<S> output_deltas(const Place& at, std::span<const S> yhat, std::span<const S> y) {
  const int l = at.network.layers();
  std::vector<S> delta(yhat.size());
  for (std::int64_t n = 0; n < at.samples; ++n) {
    for (std::int64_t k = 0; k < at.width(l); ++k) {
      const std::size_t nk = at.unit(l, n, k);
      S sum(0);
      for (std::int64_t j = 0; j < at.width(l); ++j) {
        const std::size_t nj = at.unit(l, n, j);
        if (j != k) sum += y[nj] * yhat[nk] - y[nk] * yhat[nj];
      }
      delta[nk] = sum / S(at.samples);
    }
  }
  return delta;
}

/// (1a.6) dC/da_nj = sum_k w_kj delta_nk: unit j of layer l - 1, deltas and weights of layer l.
template <class S>
std::vector<S> activation_gradients(const Place& at, int l, std::span<const S> delta,
                                    std::span<const S> w) {
  std::vector<S> da(static_cast<std::size_t>(at.size(l - 1)));
  for (std::int64_t n = 0; n < at.samples; ++n) {
    for (std::int64_t j = 0; j < at.width(l - 1); ++j) {
      S sum(0);
      for (std::int64_t k = 0; k < at.width(l); ++k) {
        sum += w[at.weight(l, k, j)] * delta[at.unit(l, n, k)];
      }
      da[at.unit(l - 1, n, j)] = sum;
    }
  }
  return da;
}

/// (1a.7) delta_nj = f'(z_nj) sum_k w_kj delta_nk, the sum being (1a.6).
template <class S>
std::vector<S> hidden_deltas(Activation activation, std::span<const S> z, std::span<const S> da) {
  std::vector<S> delta(z.size());
  for (std::size_t nj = 0; nj < z.size(); ++nj) {
    delta[nj] = activation_derivative(activation, z[nj]) * da[nj];
  }
  return delta;
}

/// (1a.8) dC/dw_ji = sum_n delta_nj a_ni, a being the activations of layer l - 1 (X for l = 1).
template <class S>
std::vector<S> weight_gradients(const Place& at, int l, std::span<const S> delta,
                                std::span<const S> a) {
  std::vector<S> dw(static_cast<std::size_t>(at.width(l - 1) * at.width(l)));
  for (std::int64_t j = 0; j < at.width(l); ++j) {
    for (std::int64_t i = 0; i < at.width(l - 1); ++i) {
      S sum(0);
      for (std::int64_t n = 0; n < at.samples; ++n) {
        sum += delta[at.unit(l, n, j)] * a[at.unit(l - 1, n, i)];
      }
      dw[at.weight(l, j, i)] = sum;
    }
  }
  return dw;
}

/// (1a.9) dC/db_j = sum_n delta_nj
template <class S>
std::vector<S> bias_gradients(const Place& at, int l, std::span<const S> delta) {
  std::vector<S> db(static_cast<std::size_t>(at.width(l)));
  for (std::int64_t j = 0; j < at.width(l); ++j) {
    S sum(0);
    for (std::int64_t n = 0; n < at.samples; ++n) sum += delta[at.unit(l, n, j)];
    db[static_cast<std::size_t>(j)] = sum;
  }
  return db;
}

/// Throws UsageError for an invalid network or no samples, and ShapeError, naming the tensor, for
/// inputs that do not fit.
template <class S>
void check_inputs(const char* operation, const Network& network, const Inputs<S>& inputs) {
  network.validate();
  const int layers = network.layers();
  detail::expect_samples(operation, inputs.samples);
  detail::expect_size(operation, "X", 0, inputs.X.size(), network.unit_shape(0, inputs.samples));
  detail::expect_size(operation, "Y", 0, inputs.Y.size(),
                      network.unit_shape(layers, inputs.samples));
  detail::expect_count(operation, "W", inputs.W.size(), layers);
  detail::expect_count(operation, "b", inputs.b.size(), network.biases ? layers : 0);
  for (int l = 1; l <= layers; ++l) {
    const std::size_t index = static_cast<std::size_t>(l) - 1;
    detail::expect_size(operation, "W", l, inputs.W[index].size(), network.weight_shape(l));
    if (network.biases) {
      detail::expect_size(operation, "b", l, inputs.b[index].size(), network.bias_shape(l));
    }
  }
}

/// The forward pass, (1a.1) to (1a.4): Z1, A1, ..., ZL, Yhat and the loss. Throws as check_inputs.
template <class S>
Derivation<S> forward(const Network& network, const Inputs<S>& inputs) {
  check_inputs("reference::forward", network, inputs);
  const Place at{network, inputs.samples};
  Derivation<S> values;
  for (int l = 1; l <= network.layers(); ++l) {
    const std::size_t index = static_cast<std::size_t>(l) - 1;
    const std::span<const S> below = l == 1 ? inputs.X : std::span<const S>(values.A.back());
    const std::span<const S> bias = network.biases ? inputs.b[index] : std::span<const S>();
    values.Z.push_back(weighted_sums(at, l, below, inputs.W[index], bias));
    if (l == network.layers()) break;
    values.A.emplace_back();
    for (const S& z : values.Z.back()) values.A.back().push_back(activate(network.activation, z));
  }
  const std::span<const S> logits = values.Z.back();
  values.Yhat = predictions(at, logits);
  values.loss = cross_entropy(at, logits, inputs.Y);
  return values;
}

/// The loss alone, by the forward pass alone: what finite differences and dual numbers evaluate.
template <class S>
S loss(const Network& network, const Inputs<S>& inputs) {
  return forward(network, inputs).loss;
}

/// Forward and backward pass, (1a.1) to (1a.9). Throws as check_inputs.
template <class S>
Derivation<S> derive(const Network& network, const Inputs<S>& inputs) {
  using Span = std::span<const S>;
  Derivation<S> values = forward(network, inputs);
  const Place at{network, inputs.samples};
  const std::size_t layers = values.Z.size();
  values.dZ.resize(layers), values.dW.resize(layers), values.dA.resize(layers - 1);
  values.db.resize(network.biases ? layers : 0);
  values.dZ.back() = output_deltas(at, Span(values.Yhat), inputs.Y);
  for (std::size_t index = layers; index-- > 0;) {
    const int l = static_cast<int>(index) + 1;
    const Span delta = values.dZ[index];
    const Span below = l == 1 ? inputs.X : Span(values.A[index - 1]);
    values.dW[index] = weight_gradients(at, l, delta, below);
    if (network.biases) values.db[index] = bias_gradients(at, l, delta);
    if (l == 1) break;
    values.dA[index - 1] = activation_gradients(at, l, delta, inputs.W[index]);
    values.dZ[index - 1] =
        hidden_deltas(network.activation, Span(values.Z[index - 1]), Span(values.dA[index - 1]));
  }
  return values;
}

}  // namespace chainrule::reference
