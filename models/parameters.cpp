#include <chainrule/models/parameters.hpp>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>

namespace chainrule {

template <class T>
Parameters<T>::Parameters(std::vector<ParameterSpec> specs) : state_(std::make_unique<State>()) {
  std::int64_t count = 0;
  for (const ParameterSpec& spec : specs) count += spec.shape.size();
  state_->values = Tensor<T>(Shape{count});
  state_->gradients = Tensor<T>(Shape{count});
  std::int64_t offset = 0;
  for (ParameterSpec& spec : specs) {
    const bool taken = std::any_of(state_->parameters.begin(), state_->parameters.end(),
                                   [&](const auto& other) { return other->name() == spec.name; });
    if (taken) throw NameError("Parameters", fmt::format("'{}' is given twice", spec.name));
    state_->parameters.push_back(std::make_unique<Parameter<T>>(
        std::move(spec.name), TensorView<T>(state_->values.data() + offset, spec.shape),
        TensorView<T>(state_->gradients.data() + offset, spec.shape), &state_->version));
    offset += spec.shape.size();
  }
}

template <class T>
Parameters<T>::Parameters(const Parameters& other) : Parameters(other.specs()) {
  std::copy(other.values().begin(), other.values().end(), state_->values.begin());
  std::copy(other.gradients().begin(), other.gradients().end(), state_->gradients.begin());
}

template <class T>
Parameters<T>& Parameters<T>::operator=(const Parameters& other) {
  if (this != &other) *this = Parameters(other);
  return *this;
}

template <class T>
Parameter<T>& Parameters<T>::find(std::string_view name) {
  std::vector<std::string> names;
  for (const auto& parameter : state_->parameters) {
    if (parameter->name() == name) return *parameter;
    names.push_back(parameter->name());
  }
  throw NameError("Parameters::find", fmt::format("no parameter is named '{}'; there are: {}", name,
                                                  fmt::join(names, ", ")));
}

template <class T>
std::vector<ParameterSpec> Parameters<T>::specs() const {
  std::vector<ParameterSpec> specs;
  for (const auto& parameter : state_->parameters) {
    specs.push_back({parameter->name(), parameter->shape()});
  }
  return specs;
}

template class Parameters<float>;
template class Parameters<double>;

}  // namespace chainrule
