// Sgd: stochastic gradient descent with momentum, Nesterov's too, and weight decay.
#pragma once

#include <chainrule/models/parameters.hpp>

namespace chainrule {

/// The constants of Sgd, named as in its formula.
struct SgdOptions {
  double learning_rate = 0.1;  ///< above 0
  double momentum = 0;         ///< 0 <= momentum < 1
  bool nesterov = false;       ///< needs a momentum above 0
  double weight_decay = 0;     ///< L2: the gradient of weight_decay |w|^2 / 2 is added to g

  /// Every field equal.
  friend bool operator==(const SgdOptions&, const SgdOptions&) = default;
};

/// d = g + weight_decay w;  v = d + momentum v;  w = w - learning_rate v, with v = 0 at the start:
/// heavy-ball momentum (Polyak, "Some methods of speeding up the convergence of iteration methods",
/// 1964) as the reports and PyTorch have it. With `nesterov` the step looks ahead,
/// w = w - learning_rate (d + momentum v) (Sutskever, Martens, Dahl and Hinton, "On the importance
/// of initialization and momentum in deep learning", 2013, in the variables of Bengio,
/// Boulanger-Lewandowski and Pascanu, "Advances in optimizing recurrent networks", 2013, (7), with
/// the learning rate outside v, as PyTorch has it). One loop over the flat blocks.
template <class T>
class Sgd {
 public:
  /// Throws UsageError for a learning rate that is not positive and finite, a momentum outside
  /// [0, 1), a weight decay that is negative or not finite, one of them that rounds to 0 or to
  /// infinity in T, or `nesterov` without momentum.
  explicit Sgd(const Parameters<T>& parameters, SgdOptions options = {},
               SourceLocation location = SourceLocation::current());

  /// One step along parameters.gradients(), at rate_factor times the learning rate (a schedule's
  /// value). Throws ShapeError for parameters of another count than those that the optimizer was
  /// made for, and UsageError for a factor that is negative or not finite.
  void step(Parameters<T>& parameters, double rate_factor = 1);

  /// What it was made with.
  const SgdOptions& options() const { return options_; }
  /// v, flat, in the order of the parameters; empty without momentum.
  TensorView<const T> velocity() const { return velocity_; }

 private:
  SgdOptions options_;
  std::int64_t count_;
  Tensor<T> velocity_;
};

extern template class Sgd<float>;
extern template class Sgd<double>;

}  // namespace chainrule
