// Adam and AdamW: steps scaled by running moments of the gradient.
#pragma once

#include <chainrule/models/parameters.hpp>

namespace chainrule {

/// The constants of Adam, named as in its formula.
struct AdamOptions {
  double learning_rate = 1e-3;  ///< above 0
  double beta1 = 0.9;           ///< decay of the first moment, 0 <= beta1 < 1
  double beta2 = 0.999;         ///< decay of the second moment, 0 <= beta2 < 1
  double epsilon = 1e-8;        ///< added to the root of the second moment
  double weight_decay = 0;      ///< L2: the gradient of weight_decay |w|^2 / 2 is added to g
};

/// The constants of AdamW, named as in its formula.
struct AdamWOptions {
  double learning_rate = 1e-3;  ///< above 0
  double beta1 = 0.9;           ///< decay of the first moment, 0 <= beta1 < 1
  double beta2 = 0.999;         ///< decay of the second moment, 0 <= beta2 < 1
  double epsilon = 1e-8;        ///< added to the root of the second moment
  double weight_decay = 0.01;   ///< decoupled: shrinks w itself, and never enters the moments
};

namespace detail {

/// The running moments m and v of the gradient, which Adam and AdamW share.
template <class T>
struct AdamMoments {
  Tensor<T> m, v;
  std::int64_t steps = 0;
};

}  // namespace detail

/// At step t = 1, 2, ..., with m = v = 0 at the start:
///   d = g + weight_decay w
///   m = beta1 m + (1 - beta1) d;  v = beta2 v + (1 - beta2) d^2
///   w = w - learning_rate (m / (1 - beta1^t)) / (sqrt(v / (1 - beta2^t)) + epsilon)
/// (Kingma and Ba, "Adam: a method for stochastic optimization", 2015, algorithm 1; the decay as
/// PyTorch has it). One loop over the flat blocks.
template <class T>
class Adam {
 public:
  /// Throws UsageError for a learning rate or an epsilon that is not positive and finite, a beta
  /// outside [0, 1), a weight decay that is negative or not finite, or one of these that rounds to 0
  /// or to infinity in T.
  explicit Adam(const Parameters<T>& parameters, AdamOptions options = {},
                SourceLocation location = SourceLocation::current());

  /// One step along parameters.gradients(), at rate_factor times the learning rate (a schedule's
  /// value). Throws ShapeError for parameters of another count than those that the optimizer was
  /// made for, and UsageError for a factor that is negative or not finite.
  void step(Parameters<T>& parameters, double rate_factor = 1);

  /// What it was made with.
  const AdamOptions& options() const { return options_; }
  /// m, flat, in the order of the parameters, without its bias correction.
  TensorView<const T> first_moment() const { return moments_.m; }
  /// v, likewise.
  TensorView<const T> second_moment() const { return moments_.v; }
  /// t, the steps made.
  std::int64_t steps() const { return moments_.steps; }

 private:
  AdamOptions options_;
  detail::AdamMoments<T> moments_;
};

/// Adam with decoupled weight decay: at step t
///   m = beta1 m + (1 - beta1) g;  v = beta2 v + (1 - beta2) g^2
///   w = w - learning_rate (weight_decay w
///                          + (m / (1 - beta1^t)) / (sqrt(v / (1 - beta2^t)) + epsilon))
/// so that every weight decays at the same rate, however large its gradients are. (Loshchilov and
/// Hutter, "Decoupled weight decay regularization", 2019, algorithm 2; the decay is multiplied by
/// the learning rate, schedule included, as PyTorch has it.) One loop over the flat blocks.
template <class T>
class AdamW {
 public:
  /// Throws as Adam's constructor does.
  explicit AdamW(const Parameters<T>& parameters, AdamWOptions options = {},
                 SourceLocation location = SourceLocation::current());

  /// One step along parameters.gradients(), at rate_factor times the learning rate (a schedule's
  /// value). Throws as Adam::step does.
  void step(Parameters<T>& parameters, double rate_factor = 1);

  /// What it was made with.
  const AdamWOptions& options() const { return options_; }
  /// m, flat, in the order of the parameters, without its bias correction.
  TensorView<const T> first_moment() const { return moments_.m; }
  /// v, likewise.
  TensorView<const T> second_moment() const { return moments_.v; }
  /// t, the steps made.
  std::int64_t steps() const { return moments_.steps; }

 private:
  AdamWOptions options_;
  detail::AdamMoments<T> moments_;
};

extern template class Adam<float>;
extern template class Adam<double>;
extern template class AdamW<float>;
extern template class AdamW<double>;

}  // namespace chainrule
