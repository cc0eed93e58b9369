// What both forms of the hand derivation share: the network, its shapes, and the names of its
// values.
#pragma once

#include <chainrule/autograd/storage/error.hpp>
#include <chainrule/autograd/storage/shape.hpp>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace chainrule::reference {

/// f of the hidden layers. improved_sigmoid(z) = 1.7159 tanh(2z/3).
enum class Activation { sigmoid, improved_sigmoid, tanh, relu };

/// Where samples and units stand.
///   rows:    samples in rows, weights (in, out), Z = A W + 1 b^T        (report 000)
///   columns: samples and deltas in columns, weights (out, in), Z = W A + b 1^T (reports 001, 003)
enum class Layout { rows, columns };

/// A softmax classifier: widths = {I, H1, ..., K}, one weight matrix between neighbours, f on every
/// layer but the last. widths = {I, K} is softmax regression. Layers count from 1 on the input
/// side; layer L = layers() holds the logits. With the bias trick the last feature of X is 1 (I =
/// 785 for MNIST) and `biases` is false; `biases` = true gives each layer a bias vector.
struct Network {
  std::vector<std::int64_t> widths;             ///< units of each layer, inputs first
  Activation activation = Activation::sigmoid;  ///< f
  bool biases = false;                          ///< a vector in each layer
  Layout layout = Layout::rows;                 ///< where samples and units stand

  /// L, the number of weight matrices.
  int layers() const { return static_cast<int>(widths.size()) - 1; }
  /// Throws UsageError for fewer than two widths, or a width below 1.
  void validate() const;
  /// Weights and biases of all layers: sum over l of in * out (+ out with biases).
  std::int64_t parameter_count() const;

  /// Shape of layer l's units over N samples: X for l = 0, Zl, Al, dZl, dAl, and Y and Yhat for l =
  /// L. (N, width) in rows, (width, N) in columns.
  Shape unit_shape(int l, std::int64_t samples) const;
  /// Shape of Wl and dWl, 1 <= l <= L: (in, out) in rows, (out, in) in columns.
  Shape weight_shape(int l) const;
  /// Shape of bl and dbl, 1 <= l <= L: (out,).
  Shape bias_shape(int l) const;
};

namespace detail {

/// "W1" for ("W", 1); layer 0 stands for a tensor that belongs to no layer: "X", "Y".
std::string label(const char* symbol, int layer);

/// Each throws ShapeError naming the operation, the tensor, what it has and what was expected.
void expect_shape(const char* operation, const char* symbol, int layer, const Shape& has,
                  const Shape& expected);
void expect_size(const char* operation, const char* symbol, int layer, std::size_t has,
                 const Shape& expected);
void expect_count(const char* operation, const char* symbol, std::size_t has, int expected);
/// Throws UsageError unless there is a sample.
void expect_samples(const char* operation, std::int64_t samples);
/// Throws NameError naming what there is.
[[noreturn]] void unknown_name(std::string_view name, const std::vector<std::string>& names);

}  // namespace detail

/// The values of one forward and backward pass, layer l at index l - 1. A has no entry for layer L
/// (its activation is Yhat), dA neither; db is empty without biases. A gradient is that of the mean
/// loss: 1/N is in it. A Buffer is a std::vector of scalars or a Tensor.
template <class Buffer>
struct Values {
  std::vector<Buffer> Z;   ///< weighted sums; ZL are the logits
  std::vector<Buffer> A;   ///< f(Zl) of the hidden layers
  Buffer Yhat;             ///< softmax of the logits
  std::vector<Buffer> dZ;  ///< dC/dZl, the reports' deltas
  std::vector<Buffer> dA;  ///< dC/dAl
  std::vector<Buffer> dW;  ///< dC/dWl, in the layout of Wl
  std::vector<Buffer> db;  ///< dC/dbl

  /// Calls f(name, buffer) for each value, in the order of computation:
  /// Z1, A1, ..., ZL, Yhat, dZL, dWL, dbL, dA(L-1), dZ(L-1), ..., dZ1, dW1, db1.
  template <class F>
  void for_each(F f) const {
    const auto visit = [&f](const char* symbol, const std::vector<Buffer>& buffers, std::size_t l) {
      if (l >= 1 && l <= buffers.size())
        f(detail::label(symbol, static_cast<int>(l)), buffers[l - 1]);
    };
    for (std::size_t l = 1; l <= Z.size(); ++l) visit("Z", Z, l), visit("A", A, l);
    f(std::string("Yhat"), Yhat);
    for (std::size_t l = Z.size(); l >= 1; --l) {
      visit("dZ", dZ, l), visit("dW", dW, l), visit("db", db, l), visit("dA", dA, l - 1);
    }
  }
  /// All names, in the order of for_each.
  std::vector<std::string> names() const {
    std::vector<std::string> result;
    for_each([&](const std::string& name, const Buffer&) { result.push_back(name); });
    return result;
  }
  /// The value of that name. Throws NameError when there is none.
  const Buffer& value(std::string_view name) const;
};

template <class Buffer>
const Buffer& Values<Buffer>::value(std::string_view name) const {
  const Buffer* found = nullptr;
  for_each([&](const std::string& candidate, const Buffer& buffer) {
    if (candidate == name) found = &buffer;
  });
  if (!found) detail::unknown_name(name, names());
  return *found;
}

}  // namespace chainrule::reference
