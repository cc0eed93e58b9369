#include <chainrule/models/initialisers.hpp>

#include <chainrule/autograd/storage/random.hpp>

#include <cmath>

namespace chainrule {

template <class T>
void fill_uniform(Parameter<T>& parameter, double low, double high, std::uint64_t seed,
                  std::uint32_t stream) {
  const Random random(seed, Purpose::weights, stream);
  const TensorView<T> values = parameter.mutable_value();
  for (std::int64_t i = 0; i < values.size(); ++i) {
    values[i] = static_cast<T>(random.uniform(static_cast<std::uint64_t>(i), low, high));
  }
}

template <class T>
void fill_normal(Parameter<T>& parameter, double deviation, std::uint64_t seed,
                 std::uint32_t stream) {
  const Random random(seed, Purpose::weights, stream);
  const TensorView<T> values = parameter.mutable_value();
  for (std::int64_t i = 0; i < values.size(); ++i) {
    values[i] = static_cast<T>(deviation * random.normal(static_cast<std::uint64_t>(i)));
  }
}

template <class T>
void initialise_weights(Parameter<T>& weights, Initialiser initialiser, std::uint64_t seed,
                        std::uint32_t stream) {
  const double fan_in = static_cast<double>(weights.shape()[0]);
  switch (initialiser) {
    case Initialiser::uniform:
      return fill_uniform(weights, -1, 1, seed, stream);
    case Initialiser::fan_in:
      return fill_normal(weights, 1 / std::sqrt(fan_in), seed, stream);
    case Initialiser::he:
      return fill_normal(weights, std::sqrt(2 / fan_in), seed, stream);
  }
}

template <class T>
void initialise_bias(Parameter<T>& bias, Initialiser initialiser, std::uint64_t seed,
                     std::uint32_t stream) {
  if (initialiser == Initialiser::uniform) return fill_uniform(bias, -1, 1, seed, stream);
  for (T& value : bias.mutable_value()) value = 0;
}

#define CHAINRULE_INSTANTIATE(T)                                                              \
  template void fill_uniform(Parameter<T>&, double, double, std::uint64_t, std::uint32_t);    \
  template void fill_normal(Parameter<T>&, double, std::uint64_t, std::uint32_t);             \
  template void initialise_weights(Parameter<T>&, Initialiser, std::uint64_t, std::uint32_t); \
  template void initialise_bias(Parameter<T>&, Initialiser, std::uint64_t, std::uint32_t);
CHAINRULE_INSTANTIATE(float)
CHAINRULE_INSTANTIATE(double)
#undef CHAINRULE_INSTANTIATE

}  // namespace chainrule
