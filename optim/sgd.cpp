#include <chainrule/optim/sgd.hpp>

#include <fmt/format.h>
#include <chainrule/autograd/storage/blas.hpp>

#include <cmath>

namespace chainrule {

template <class T>
Sgd<T>::Sgd(const Parameters<T>& parameters, SgdOptions options, SourceLocation location)
    : options_(options), count_(parameters.count()) {
  if (!(options.learning_rate > 0) || !std::isfinite(options.learning_rate)) {
    throw UsageError(
        "Sgd", fmt::format("learning rate {}: expected a positive number", options.learning_rate),
        location);
  }
  if (!(options.momentum >= 0 && options.momentum < 1)) {
    throw UsageError(
        "Sgd", fmt::format("momentum {}: expected 0 <= momentum < 1", options.momentum), location);
  }
  if (options.momentum != 0) velocity_ = Tensor<T>(Shape{count_});
}

template <class T>
void Sgd<T>::step(Parameters<T>& parameters) {
  if (parameters.count() != count_) {
    throw ShapeError("Sgd::step", fmt::format("{} parameters: this optimizer was made for {}",
                                              parameters.count(), count_));
  }
  const T rate = static_cast<T>(options_.learning_rate);
  const T* g = parameters.gradients().data();
  T* w = parameters.mutable_values().data();
  if (options_.momentum == 0) {
    blas::axpy(count_, -rate, g, w);
    return;
  }
  const T momentum = static_cast<T>(options_.momentum);
  T* v = velocity_.data();
  for (std::int64_t i = 0; i < count_; ++i) {
    v[i] = g[i] + momentum * v[i];
    w[i] -= rate * v[i];
  }
}

template class Sgd<float>;
template class Sgd<double>;

}  // namespace chainrule
