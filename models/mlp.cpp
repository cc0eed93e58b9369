#include <chainrule/models/mlp.hpp>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <utility>

namespace chainrule {

template <class T>
Var<T> activate(Activation activation, Var<T> x, SourceLocation location) {
  switch (activation) {
    case Activation::sigmoid:
      return sigmoid(x, location);
    case Activation::improved_sigmoid:
      return improved_sigmoid(x, location);
    case Activation::tanh:
      return tanh(x, location);
    case Activation::relu:
      return relu(x, location);
  }
  throw UsageError("activate", "unknown activation", location);
}
template Var<float> activate(Activation, Var<float>, SourceLocation);
template Var<double> activate(Activation, Var<double>, SourceLocation);

namespace {

std::vector<ParameterSpec> specs(const MlpOptions& options, SourceLocation location) {
  const std::vector<std::int64_t>& widths = options.widths;
  if (widths.size() < 2) {
    throw ShapeError(
        "Mlp", fmt::format("{} widths: expected at least two, inputs and classes", widths.size()),
        location);
  }
  for (const std::int64_t width : widths) {
    if (width >= 1) continue;
    throw ShapeError(
        "Mlp", fmt::format("widths {}: expected each to be at least 1", fmt::join(widths, "-")),
        location);
  }
  std::vector<ParameterSpec> result;
  for (std::size_t l = 1; l < widths.size(); ++l) {
    result.push_back({fmt::format("W{}", l), Shape{widths[l - 1], widths[l]}});
    if (options.bias == Bias::per_layer) result.push_back({fmt::format("b{}", l), {widths[l]}});
  }
  return result;
}

}  // namespace

template <class T>
Mlp<T>::Mlp(MlpOptions options, SourceLocation location)
    : options_(std::move(options)), parameters_(specs(options_, location)) {
  for (std::size_t i = 0; i < parameters_.size(); ++i) {
    Parameter<T>& parameter = parameters_[i];
    const auto stream = static_cast<std::uint32_t>(i);
    if (parameter.shape().rank() == 2) {
      initialise_weights(parameter, options_.initialiser, options_.seed, stream);
    } else {
      initialise_bias(parameter, options_.initialiser, options_.seed, stream);
    }
  }
}

template <class T>
Mlp<T>::Mlp(Mlp&& other) noexcept
    : options_(std::exchange(other.options_, {})), parameters_(std::move(other.parameters_)) {}

template <class T>
Mlp<T>& Mlp<T>::operator=(Mlp other) noexcept {
  std::swap(options_, other.options_);
  if (parameters_.same_layout(other.parameters_)) {
    parameters_ = other.parameters_;
  } else {
    parameters_.state_.swap(other.parameters_.state_);
  }
  return *this;
}

template <class T>
Linear<T> Mlp<T>::layer(std::size_t index) const {
  if (options_.bias == Bias::trick) return {&parameters_[index], nullptr};
  return {&parameters_[2 * index], &parameters_[2 * index + 1]};
}

template <class T>
Var<T> Mlp<T>::operator()(Tape<T>& tape, Var<T> x, SourceLocation location) const {
  if (options_.widths.empty()) {
    throw UsageError("Mlp", "a model that was moved from is used", location);
  }
  const std::size_t layers = options_.widths.size() - 1;
  if (parameters_.size() != (options_.bias == Bias::trick ? layers : 2 * layers)) {
    throw UsageError("Mlp", "its parameters were moved away or exchanged for others", location);
  }
  const Shape shape = x.shape(location);
  if (shape.rank() != 2 || shape[1] != options_.widths.front()) {
    throw ShapeError(
        "Mlp",
        fmt::format("input {} for {}: expected (B, {}){}", to_string(shape), topology(),
                    options_.widths.front(),
                    options_.bias == Bias::trick ? ", the last column being ones" : ""),
        location);
  }
  tape.set_automatic_name(x, "X", location);
  Var<T> a = x;
  for (std::size_t l = 1; l <= layers; ++l) {
    const Var<T> z = layer(l - 1)(a, location);
    tape.set_automatic_name(z, fmt::format("Z{}", l), location);
    if (l == layers) return z;
    a = activate(options_.activation, z, location);
    tape.set_automatic_name(a, fmt::format("A{}", l), location);
  }
  return a;
}

template <class T>
std::string Mlp<T>::topology() const {
  return fmt::format("{}", fmt::join(options_.widths, "-"));
}

template class Mlp<float>;
template class Mlp<double>;

}  // namespace chainrule
