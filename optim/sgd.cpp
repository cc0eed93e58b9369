#include <chainrule/autograd/storage/blas.hpp>
#include <chainrule/optim/checks.hpp>
#include <chainrule/optim/sgd.hpp>

namespace chainrule {

template <class T>
Sgd<T>::Sgd(const Parameters<T>& parameters, SgdOptions options, SourceLocation location)
    : options_(options), count_(parameters.count()) {
  const auto [rate, momentum, nesterov, decay] = options;
  detail::expect_positive<T>("Sgd", "learning rate", rate, location);
  detail::expect_option(momentum >= 0 && momentum < 1, "Sgd", "momentum", momentum,
                        "0 <= momentum < 1", location);
  detail::expect_option(!nesterov || momentum > 0, "Sgd", "momentum", momentum,
                        "a momentum above 0 for nesterov", location);
  detail::expect_not_negative<T>("Sgd", "weight decay", decay, location);
  if (momentum != 0) velocity_ = Tensor<T>(Shape{count_});
}

template <class T>
void Sgd<T>::step(Parameters<T>& parameters, double rate_factor) {
  const T rate = static_cast<T>(detail::rate_of_step("Sgd::step", options_.learning_rate,
                                                     rate_factor, parameters.count(), count_));
  const T momentum = static_cast<T>(options_.momentum);
  const T decay = static_cast<T>(options_.weight_decay);
  const T* g = parameters.gradients().data();
  T* w = parameters.mutable_values().data();
  if (momentum == 0 && decay == 0) {
    blas::axpy(count_, -rate, g, w);
    return;
  }
  if (momentum == 0) {
    for (std::int64_t i = 0; i < count_; ++i) w[i] -= rate * (g[i] + decay * w[i]);
    return;
  }
  const bool nesterov = options_.nesterov;
  T* v = velocity_.data();
  for (std::int64_t i = 0; i < count_; ++i) {
    const T d = g[i] + decay * w[i];
    v[i] = d + momentum * v[i];
    w[i] -= rate * (nesterov ? d + momentum * v[i] : v[i]);
  }
}

template class Sgd<float>;
template class Sgd<double>;

}  // namespace chainrule
