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
  make_layers();
}

template <class T>
Mlp<T>::Mlp(const Mlp& other) : options_(other.options_), parameters_(other.parameters_) {
  make_layers();
}

template <class T>
Mlp<T>& Mlp<T>::operator=(Mlp other) noexcept {
  std::swap(options_, other.options_);
  std::swap(parameters_, other.parameters_);
  std::swap(layers_, other.layers_);
  return *this;
}

template <class T>
void Mlp<T>::make_layers() {
  const bool biases = options_.bias == Bias::per_layer;
  for (std::size_t l = 0; l + 1 < options_.widths.size(); ++l) {
    if (biases) {
      layers_.push_back({&parameters_[2 * l], &parameters_[2 * l + 1]});
    } else {
      layers_.push_back({&parameters_[l], nullptr});
    }
  }
}

template <class T>
Var<T> Mlp<T>::operator()(Tape<T>& tape, Var<T> x, SourceLocation location) const {
  if (x.shape().rank() != 2 || x.shape()[1] != options_.widths.front()) {
    throw ShapeError(
        "Mlp",
        fmt::format("input {} for {}: expected (B, {}){}", to_string(x.shape()), topology(),
                    options_.widths.front(),
                    options_.bias == Bias::trick ? ", the last column being ones" : ""),
        location);
  }
  tape.set_automatic_name(x, "X");
  Var<T> a = x;
  for (std::size_t l = 1; l <= layers_.size(); ++l) {
    const Var<T> z = layers_[l - 1](a, location);
    tape.set_automatic_name(z, fmt::format("Z{}", l));
    if (l == layers_.size()) return z;
    a = activate(options_.activation, z, location);
    tape.set_automatic_name(a, fmt::format("A{}", l));
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
