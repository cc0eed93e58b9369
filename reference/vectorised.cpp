#include <chainrule/reference/vectorised.hpp>

#include <algorithm>
#include <chainrule/autograd/storage/blas.hpp>
#include <chainrule/autograd/storage/vector_math.hpp>
#include <cmath>
#include <utility>

namespace chainrule::reference {

namespace {

// The logits of sample n, class k lie at n * sample + k * unit.
struct Strides {
  std::int64_t sample, unit;
};

Strides strides(const Network& network, std::int64_t samples) {
  return network.layout == Layout::rows ? Strides{network.widths.back(), 1} : Strides{1, samples};
}

}  // namespace

template <class T>
Backpropagation<T>::Backpropagation(Network network, std::int64_t samples)
    : network_(std::move(network)), samples_(samples) {
  network_.validate();
  detail::expect_samples("reference::Backpropagation", samples_);
  const int layers = network_.layers();
  for (int l = 1; l <= layers; ++l) {
    const Shape units = network_.unit_shape(l, samples_);
    values_.Z.emplace_back(units), values_.dZ.emplace_back(units);
    if (l < layers) values_.A.emplace_back(units), values_.dA.emplace_back(units);
    values_.dW.emplace_back(network_.weight_shape(l));
    if (network_.biases) values_.db.emplace_back(network_.bias_shape(l));
  }
  const Shape logits = network_.unit_shape(layers, samples_);
  values_.Yhat = Tensor<T>(logits);
  gap_ = Tensor<T>(logits);
  log_total_ = Tensor<T>(Shape{samples_});
  later_targets_ = later_yhats_ = Tensor<T>(Shape{network_.widths.back()});
}

template <class T>
T Backpropagation<T>::run(View X, View Y, Views W, Views b) {
  check("reference::run", X, W, b);
  check_targets("reference::run", Y);
  compute_forward(X, W, b);
  compute_backward(X, Y, W);
  return cross_entropy(Y.data());
}

template <class T>
T Backpropagation<T>::loss(View X, View Y, Views W, Views b) {
  check("reference::loss", X, W, b);
  check_targets("reference::loss", Y);
  compute_forward(X, W, b);
  return cross_entropy(Y.data());
}

template <class T>
TensorView<const T> Backpropagation<T>::forward(View X, Views W, Views b) {
  check("reference::forward", X, W, b);
  compute_forward(X, W, b);
  return yhat();
}

template <class T>
void Backpropagation<T>::check(const char* operation, View X, Views W, Views b) const {
  const int layers = network_.layers();
  detail::expect_shape(operation, "X", 0, X.shape(), network_.unit_shape(0, samples_));
  detail::expect_count(operation, "W", W.size(), layers);
  detail::expect_count(operation, "b", b.size(), network_.biases ? layers : 0);
  for (int l = 1; l <= layers; ++l) {
    const std::size_t index = static_cast<std::size_t>(l) - 1;
    detail::expect_shape(operation, "W", l, W[index].shape(), network_.weight_shape(l));
    if (!b.empty()) {
      detail::expect_shape(operation, "b", l, b[index].shape(), network_.bias_shape(l));
    }
  }
}

template <class T>
void Backpropagation<T>::check_targets(const char* operation, View Y) const {
  const Shape expected = network_.unit_shape(network_.layers(), samples_);
  detail::expect_shape(operation, "Y", 0, Y.shape(), expected);
}

template <class T>
void Backpropagation<T>::compute_forward(View X, Views W, Views b) {
  const T* below = X.data();
  for (int l = 1; l <= network_.layers(); ++l) {
    const std::size_t index = static_cast<std::size_t>(l) - 1;
    weighted_sums(l, below, W[index].data(), b.empty() ? nullptr : b[index].data());
    if (l == network_.layers()) break;
    activate(l);
    below = values_.A[index].data();
  }
  softmax();
}

template <class T>
void Backpropagation<T>::compute_backward(View X, View Y, Views W) {
  const bool rows = network_.layout == Layout::rows;
  output_deltas(Y.data());
  for (int l = network_.layers(); l >= 1; --l) {
    const std::size_t index = static_cast<std::size_t>(l) - 1;
    const std::int64_t in = network_.widths[index], out = network_.widths[index + 1];
    const T* delta = values_.dZ[index].data();
    const T* below = l == 1 ? X.data() : values_.A[index - 1].data();
    T* dw = values_.dW[index].data();
    // (1b.8)
    if (rows) {
      blas::gemm(true, false, in, out, samples_, below, delta, dw);
    } else {
      blas::gemm(false, true, out, in, samples_, delta, below, dw);
    }
    if (network_.biases) bias_gradients(l);
    if (l == 1) break;
    // (1b.6)
    T* da = values_.dA[index - 1].data();
    const T* w = W[index].data();
    if (rows) {
      blas::gemm(false, true, samples_, in, out, delta, w, da);
    } else {
      blas::gemm(true, false, in, samples_, out, w, delta, da);
    }
    hidden_deltas(l - 1);
  }
}

// (1b.1) The biases are laid down first, and the product is added to them.
template <class T>
void Backpropagation<T>::weighted_sums(int l, const T* below, const T* w, const T* b) {
  const std::size_t index = static_cast<std::size_t>(l) - 1;
  const std::int64_t in = network_.widths[index], out = network_.widths[index + 1];
  T* z = values_.Z[index].data();
  if (network_.layout == Layout::rows) {
    if (b) {
      for (std::int64_t n = 0; n < samples_; ++n) std::copy_n(b, out, z + n * out);
    }
    blas::gemm(false, false, samples_, out, in, below, w, z, b != nullptr);
  } else {
    if (b) {
      for (std::int64_t j = 0; j < out; ++j) std::fill_n(z + j * samples_, samples_, b[j]);
    }
    blas::gemm(false, false, out, samples_, in, w, below, z, b != nullptr);
  }
}

// (1b.2)
template <class T>
void Backpropagation<T>::activate(int l) {
  const std::size_t index = static_cast<std::size_t>(l) - 1;
  const std::int64_t n = values_.Z[index].size();
  const T* z = values_.Z[index].data();
  T* a = values_.A[index].data();
  switch (network_.activation) {
    case Activation::sigmoid:
      vector_math::sigmoid(n, z, a);
      break;
    case Activation::improved_sigmoid:
      vector_math::scaled_tanh(n, T(1.7159), T(2) / T(3), z, a);
      break;
    case Activation::tanh:
      vector_math::scaled_tanh(n, T(1), T(1), z, a);
      break;
    case Activation::relu:
      for (std::int64_t i = 0; i < n; ++i) a[i] = z[i] <= T(0) ? T(0) : z[i];  // NaN passes
      break;
  }
}

// (1b.3) Yhat, and what ln Yhat = gap - log_total needs. The winner's exp(0) = 1 is left out of the
// sum, so that log1p sees the others however small they are.
template <class T>
void Backpropagation<T>::softmax() {
  const auto [sample, unit] = strides(network_, samples_);
  const std::int64_t classes = network_.widths.back();
  const T* z = values_.Z.back().data();
  T* gap = gap_.data();
  T* yhat = values_.Yhat.data();
  for (std::int64_t n = 0; n < samples_; ++n) {
    T largest = z[n * sample];
    for (std::int64_t k = 1; k < classes; ++k) {
      largest = std::max(largest, z[n * sample + k * unit]);
    }
    for (std::int64_t k = 0; k < classes; ++k) {
      gap[n * sample + k * unit] = z[n * sample + k * unit] - largest;
    }
  }
  vector_math::exp(gap_.size(), gap, yhat);
  for (std::int64_t n = 0; n < samples_; ++n) {
    T* row = yhat + n * sample;
    T others(0);
    bool winner_seen = false;
    for (std::int64_t k = 0; k < classes; ++k) {
      if (!winner_seen && gap[n * sample + k * unit] == T(0)) {
        winner_seen = true;
      } else {
        others += row[k * unit];
      }
    }
    log_total_[n] = std::log1p(others);
    const T total = T(1) + others;
    for (std::int64_t k = 0; k < classes; ++k) row[k * unit] /= total;
  }
}

// (1b.4), with 0 ln 0 = 0.
template <class T>
T Backpropagation<T>::cross_entropy(const T* y) const {
  const auto [sample, unit] = strides(network_, samples_);
  const std::int64_t classes = network_.widths.back();
  double sum = 0;
  for (std::int64_t n = 0; n < samples_; ++n) {
    for (std::int64_t k = 0; k < classes; ++k) {
      const std::int64_t nk = n * sample + k * unit;
      if (y[nk] != T(0)) sum -= static_cast<double>(y[nk] * (gap_[nk] - log_total_[n]));
    }
  }
  return static_cast<T>(sum / static_cast<double>(samples_));
}

// (1b.5) Algebraically (mass yhat_k - y_k) / N; the sums over the other classes are those before k
// plus those behind k, because mass - y_k and 1 - yhat_k would cancel.
template <class T>
void Backpropagation<T>::output_deltas(const T* y) {
  const auto [sample, unit] = strides(network_, samples_);
  const std::int64_t classes = network_.widths.back();
  const T* yhat = values_.Yhat.data();
  T* delta = values_.dZ.back().data();
  const T count = static_cast<T>(samples_);
  for (std::int64_t n = 0; n < samples_; ++n) {
    T targets(0), yhats(0);
    for (std::int64_t k = classes; k-- > 0;) {
      const std::int64_t nk = n * sample + k * unit;
      later_targets_[k] = targets, later_yhats_[k] = yhats;
      targets += y[nk], yhats += yhat[nk];
    }
    targets = yhats = T(0);
    for (std::int64_t k = 0; k < classes; ++k) {
      const std::int64_t nk = n * sample + k * unit;
      const T other_targets = targets + later_targets_[k], other_yhats = yhats + later_yhats_[k];
      delta[nk] = (yhat[nk] * other_targets - y[nk] * other_yhats) / count;
      targets += y[nk], yhats += yhat[nk];
    }
  }
}

// (1b.7) with f' of (3b).
template <class T>
void Backpropagation<T>::hidden_deltas(int l) {
  const std::size_t index = static_cast<std::size_t>(l) - 1;
  const std::int64_t n = values_.Z[index].size();
  const T* z = values_.Z[index].data();
  const T* da = values_.dA[index].data();
  T* delta = values_.dZ[index].data();
  switch (network_.activation) {
    case Activation::sigmoid:
      vector_math::scaled_sech_squared(n, T(0.25), T(0.5), z, delta);
      break;
    case Activation::improved_sigmoid:
      vector_math::scaled_sech_squared(n, T(1.7159 * 2 / 3), T(2) / T(3), z, delta);
      break;
    case Activation::tanh:
      vector_math::scaled_sech_squared(n, T(1), T(1), z, delta);
      break;
    case Activation::relu:
      for (std::int64_t i = 0; i < n; ++i) delta[i] = z[i] <= T(0) ? T(0) : da[i];
      return;
  }
  for (std::int64_t i = 0; i < n; ++i) delta[i] *= da[i];
}

// (1b.9)
template <class T>
void Backpropagation<T>::bias_gradients(int l) {
  const std::size_t index = static_cast<std::size_t>(l) - 1;
  const std::int64_t out = network_.widths[index + 1];
  const T* delta = values_.dZ[index].data();
  T* db = values_.db[index].data();
  if (network_.layout == Layout::rows) {
    std::fill_n(db, out, T(0));
    for (std::int64_t n = 0; n < samples_; ++n) {
      for (std::int64_t j = 0; j < out; ++j) db[j] += delta[n * out + j];
    }
  } else {
    for (std::int64_t j = 0; j < out; ++j) {
      db[j] = T(0);
      for (std::int64_t n = 0; n < samples_; ++n) db[j] += delta[j * samples_ + n];
    }
  }
}

template class Backpropagation<float>;
template class Backpropagation<double>;

}  // namespace chainrule::reference
