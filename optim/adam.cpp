#include <chainrule/optim/adam.hpp>
#include <chainrule/optim/checks.hpp>

#include <cmath>
#include <string_view>

namespace chainrule {

namespace {

template <class T, class Options>
void check(std::string_view operation, const Options& options, SourceLocation location) {
  const auto& [rate, beta1, beta2, epsilon, decay] = options;
  detail::expect_positive<T>(operation, "learning rate", rate, location);
  detail::expect_option(beta1 >= 0 && beta1 < 1, operation, "beta1", beta1, "0 <= beta1 < 1",
                        location);
  detail::expect_option(beta2 >= 0 && beta2 < 1, operation, "beta2", beta2, "0 <= beta2 < 1",
                        location);
  detail::expect_positive<T>(operation, "epsilon", epsilon, location);
  detail::expect_not_negative<T>(operation, "weight decay", decay, location);
}

/// The step of both: `coupled` times w is added to the gradient, `decoupled` times w is taken from
/// w. What depends on t alone is computed in double, where 1 - beta2^t keeps its digits.
template <class T, class Options>
void update(Parameters<T>& parameters, detail::AdamMoments<T>& moments, const Options& options,
            double rate_of_step, double coupled, double decoupled) {
  const double t = static_cast<double>(++moments.steps);
  const T rate = static_cast<T>(rate_of_step / (1 - std::pow(options.beta1, t)));
  const T root_scale = static_cast<T>(1 / std::sqrt(1 - std::pow(options.beta2, t)));
  const T beta1 = static_cast<T>(options.beta1), rest1 = static_cast<T>(1 - options.beta1);
  const T beta2 = static_cast<T>(options.beta2), rest2 = static_cast<T>(1 - options.beta2);
  const T epsilon = static_cast<T>(options.epsilon);
  const T in_gradient = static_cast<T>(coupled), in_weight = static_cast<T>(decoupled);
  const std::int64_t count = parameters.count();
  const T* g = parameters.gradients().data();
  T* w = parameters.mutable_values().data();
  T* m = moments.m.data();
  T* v = moments.v.data();
  for (std::int64_t i = 0; i < count; ++i) {
    const T d = g[i] + in_gradient * w[i];
    m[i] = beta1 * m[i] + rest1 * d;
    v[i] = beta2 * v[i] + rest2 * d * d;
    w[i] -= in_weight * w[i] + rate * m[i] / (std::sqrt(v[i]) * root_scale + epsilon);
  }
}

template <class T>
detail::AdamMoments<T> no_moments(const Parameters<T>& parameters) {
  const Shape shape{parameters.count()};
  return {Tensor<T>(shape), Tensor<T>(shape)};
}

}  // namespace

template <class T>
Adam<T>::Adam(const Parameters<T>& parameters, AdamOptions options, SourceLocation location)
    : options_(options), moments_(no_moments(parameters)) {
  check<T>("Adam", options, location);
}

template <class T>
void Adam<T>::step(Parameters<T>& parameters, double rate_factor) {
  const double rate = detail::rate_of_step("Adam::step", options_.learning_rate, rate_factor,
                                           parameters.count(), moments_.m.size());
  update(parameters, moments_, options_, rate, options_.weight_decay, 0);
}

template <class T>
AdamW<T>::AdamW(const Parameters<T>& parameters, AdamWOptions options, SourceLocation location)
    : options_(options), moments_(no_moments(parameters)) {
  check<T>("AdamW", options, location);
}

template <class T>
void AdamW<T>::step(Parameters<T>& parameters, double rate_factor) {
  const double rate = detail::rate_of_step("AdamW::step", options_.learning_rate, rate_factor,
                                           parameters.count(), moments_.m.size());
  update(parameters, moments_, options_, rate, 0, rate * options_.weight_decay);
}

template class Adam<float>;
template class Adam<double>;
template class AdamW<float>;
template class AdamW<double>;

}  // namespace chainrule
