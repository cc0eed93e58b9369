// Mlp: a multilayer perceptron of any depth, composed from graph operations.
#pragma once

#include <chainrule/models/initialisers.hpp>
#include <chainrule/models/linear.hpp>
#include <chainrule/models/parameters.hpp>
#include <cstdint>
#include <string>
#include <vector>

namespace chainrule {

/// f of the hidden layers; improved_sigmoid(z) = 1.7159 tanh(2z/3).
enum class Activation { sigmoid, improved_sigmoid, tanh, relu };

/// Where the biases are.
enum class Bias {
  trick,      ///< the input carries a last column of ones, and W1 a row for it; no bias elsewhere
  per_layer,  ///< a vector b1, b2, ... in each layer
};

/// The activation's operation: sigmoid(x), improved_sigmoid(x), tanh(x), relu(x).
template <class T>
Var<T> activate(Activation activation, Var<T> x,
                SourceLocation location = SourceLocation::current());

/// The form of a network, and what its weights are drawn from.
struct MlpOptions {
  /// Inputs, hidden units of each layer, classes: {785, 64, 10}. Under the bias trick the inputs
  /// count the column of ones. {785, 10} is softmax regression.
  std::vector<std::int64_t> widths;
  Activation activation = Activation::sigmoid;    ///< of every layer but the last
  Bias bias = Bias::trick;                        ///< where the biases are
  Initialiser initialiser = Initialiser::fan_in;  ///< what the weights are drawn from
  std::uint64_t seed = 0;                         ///< of the draw
};

/// Z1 = X W1 (+ b1), A1 = f(Z1), ..., ZL = A(L-1) WL (+ bL): logits, without a softmax.
template <class T>
class Mlp {
 public:
  /// Draws the weights. Throws ShapeError for fewer than two widths, or a width below 1.
  explicit Mlp(MlpOptions options, SourceLocation location = SourceLocation::current());
  /// The same network with parameters of its own, equal to the other's.
  Mlp(const Mlp& other) = default;
  /// The parameters keep their addresses. What was moved from may be assigned to or destroyed; every
  /// other use throws UsageError.
  Mlp(Mlp&& other) noexcept;
  /// Where widths and bias style are equal, the parameters keep their addresses: tapes and plans of
  /// this model stay valid, and see another version. Otherwise they are other parameters, and tapes
  /// and plans of this model must not be used any more, as when it is destroyed.
  // NOLINTNEXTLINE(bugprone-exception-escape): a block throws only where the layouts differ
  Mlp& operator=(Mlp other) noexcept;
  /// The same network, its parameters rounded to T: train in float, check in double.
  template <class U>
  explicit Mlp(const Mlp<U>& other) : options_(other.options()), parameters_(other.parameters()) {}

  /// Records the forward pass of x (B, widths.front()) and returns the logits (B, widths.back()).
  /// Names the nodes X, W1, b1, Z1, A1, ..., with a suffix #2 where a name is taken.
  /// Throws ShapeError where x does not fit.
  Var<T> operator()(Tape<T>& tape, Var<T> x,
                    SourceLocation location = SourceLocation::current()) const;

  /// W1, b1, W2, ... in one flat block, for an optimizer.
  Parameters<T>& parameters() { return parameters_; }
  /// The same, for reading.
  const Parameters<T>& parameters() const { return parameters_; }
  /// Number of trainable numbers: 50,880 for 785-64-10 under the bias trick.
  std::int64_t parameter_count() const { return parameters_.count(); }
  /// What it was made from; no widths once moved from.
  const MlpOptions& options() const { return options_; }
  /// "785-64-10".
  std::string topology() const;

 private:
  /// The layer of that index. It is made where it is used: parameters() may have been assigned to.
  Linear<T> layer(std::size_t index) const;

  MlpOptions options_;
  Parameters<T> parameters_;
};

extern template class Mlp<float>;
extern template class Mlp<double>;

}  // namespace chainrule
