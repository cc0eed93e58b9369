// Sgd: stochastic gradient descent with momentum.
#pragma once

#include <chainrule/models/parameters.hpp>

namespace chainrule {

struct SgdOptions {
  double learning_rate = 0.1;
  double momentum = 0;  ///< 0 <= momentum < 1
};

/// v = g + momentum v;  w = w - learning_rate v: heavy-ball momentum as the reports (and PyTorch)
/// have it, v = 0 at the start. One loop over the flat blocks.
template <class T>
class Sgd {
 public:
  /// Throws UsageError for a learning rate that is not positive and finite, or a momentum outside
  /// [0, 1).
  explicit Sgd(const Parameters<T>& parameters, SgdOptions options = {},
               SourceLocation location = SourceLocation::current());

  /// One step along parameters.gradients(). Throws ShapeError for parameters of another count than
  /// those that the optimizer was made for.
  void step(Parameters<T>& parameters);

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
