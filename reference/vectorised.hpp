// The derivation in matrices (1b) at hand-written speed: GEMM, vector math, no allocation per call.
#pragma once

#include <chainrule/autograd/storage/tensor.hpp>
#include <chainrule/reference/network.hpp>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace chainrule::reference {

/// Forward and backward pass of one network on batches of one size. A0 = X; o is the product entry
/// by entry; 1 is the vector of N ones.
///
///            rows: samples in rows, W (in, out)      columns: samples in columns, W (out, in)
///   (1b.1)   Zl = A(l-1) Wl + 1 bl^T                 Zl = Wl A(l-1) + bl 1^T
///   (1b.2)   Al = f(Zl)                              the same
///   (1b.3)   Yhat = softmax of ZL, sample by sample  the same
///   (1b.4)   C = -(1/N) sum Y o ln Yhat              the same
///   (1b.5)   dZL = (m o Yhat - Y) / N, m the mass of each sample's targets (Yhat - Y for mass one)
///   (1b.6)   dA(l-1) = dZl Wl^T                      dA(l-1) = Wl^T dZl
///   (1b.7)   dZl = f'(Zl) o dAl                      the same
///   (1b.8)   dWl = A(l-1)^T dZl                      dWl = dZl A(l-1)^T
///   (1b.9)   dbl = dZl^T 1                           dbl = dZl 1
///
/// (1b.5) is evaluated in its complement form, yhat_k (mass of the other targets) - y_k (sum of the
/// other yhat), which keeps its relative accuracy when the network is confident; f' by (3b) from
/// Zl. The constructor allocates everything. Explicitly instantiated for float and double.
template <class T>
class Backpropagation {
 public:
  using View = TensorView<const T>;                    ///< one tensor, read in place
  using Views = std::span<const TensorView<const T>>;  ///< one a layer

  /// Throws UsageError for an invalid network or fewer than one sample.
  Backpropagation(Network network, std::int64_t samples);

  /// (1b.1) to (1b.9): fills every value and returns C. Shapes as in Network; W and b one view a
  /// layer, b none without biases. Throws ShapeError before anything is computed.
  T run(View X, View Y, Views W, Views b = {});
  /// (1b.1) to (1b.4): fills Zl, Al and Yhat and returns C; the gradients stay those of the last
  /// run.
  T loss(View X, View Y, Views W, Views b = {});
  /// (1b.1) to (1b.3): fills Zl, Al and Yhat, and returns Yhat.
  View forward(View X, Views W, Views b = {});

  /// The values of the last call, valid until the next. 1 <= l <= L for Z, dZ, dW and db (which
  /// needs biases), 1 <= l < L for A and dA. Throws std::out_of_range otherwise.
  View Z(int l) const { return at(values_.Z, l); }
  View A(int l) const { return at(values_.A, l); }    ///< f(Zl)
  View dZ(int l) const { return at(values_.dZ, l); }  ///< (1b.5), (1b.7)
  View dA(int l) const { return at(values_.dA, l); }  ///< (1b.6)
  View dW(int l) const { return at(values_.dW, l); }  ///< (1b.8)
  View db(int l) const { return at(values_.db, l); }  ///< (1b.9)
  View yhat() const { return values_.Yhat; }          ///< (1b.3)
  /// The same by name: "Z1", "A1", "Yhat", "dZ1", "dA1", "dW1", "db1". Throws NameError.
  View value(std::string_view name) const { return values_.value(name); }
  /// All names in the order of computation, as Values::for_each.
  std::vector<std::string> names() const { return values_.names(); }

  const Network& network() const { return network_; }  ///< as given
  std::int64_t samples() const { return samples_; }    ///< N

 private:
  using Tensors = std::vector<Tensor<T>>;

  static View at(const Tensors& tensors, int l) {
    return tensors.at(static_cast<std::size_t>(l) - 1);
  }
  void check(const char* operation, View X, Views W, Views b) const;
  void check_targets(const char* operation, View Y) const;

  void compute_forward(View X, Views W, Views b);
  void compute_backward(View X, View Y, Views W);
  void weighted_sums(int l, const T* below, const T* w, const T* b);
  void activate(int l);
  void softmax();
  T cross_entropy(const T* y) const;
  void output_deltas(const T* y);
  void hidden_deltas(int l);
  void bias_gradients(int l);

  Network network_;
  std::int64_t samples_;
  Values<Tensor<T>> values_;
  Tensor<T> gap_;                          // z_k - z_m, m the sample's largest logit
  Tensor<T> log_total_;                    // per sample: ln sum_k exp(z_k - z_m)
  Tensor<T> later_targets_, later_yhats_;  // per class: sums over the classes behind it
};

extern template class Backpropagation<float>;
extern template class Backpropagation<double>;

}  // namespace chainrule::reference
