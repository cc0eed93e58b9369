#include <chainrule/models/parameters.hpp>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>

namespace chainrule {

template <class T>
Parameters<T>::Parameters(std::vector<ParameterSpec> specs) : state_(std::make_unique<State>()) {
  std::int64_t count = 0;
  for (const ParameterSpec& spec : specs) {
    if (__builtin_add_overflow(count, spec.shape.size(), &count)) {
      throw ShapeError("Parameters",
                       fmt::format("{} parameters, '{}' of shape {} among them, have more numbers "
                                   "than can be addressed",
                                   specs.size(), spec.name, to_string(spec.shape)));
    }
  }
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
  if (this == &other) return *this;
  if (!state_) {
    state_ = Parameters(other).state_;
    return *this;
  }
  if (!same_layout(other)) {
    const auto text = [](const Parameters& block) {
      std::vector<std::string> parts;
      for (const auto& p : block.state().parameters) {
        parts.push_back(fmt::format("{} {}", p->name(), to_string(p->shape())));
      }
      return fmt::format("{}", fmt::join(parts, ", "));
    };
    throw ShapeError("Parameters", fmt::format("assignment of {} to {}: expected equal names and "
                                               "shapes",
                                               text(other), text(*this)));
  }
  std::copy(other.values().begin(), other.values().end(), mutable_values().begin());
  std::copy(other.gradients().begin(), other.gradients().end(), gradients().begin());
  return *this;
}

template <class T>
bool Parameters<T>::same_layout(const Parameters& other) const noexcept {
  if (!state_ || !other.state_) return false;
  return std::equal(state_->parameters.begin(), state_->parameters.end(),
                    other.state_->parameters.begin(), other.state_->parameters.end(),
                    [](const auto& a, const auto& b) {
                      return a->name() == b->name() && a->shape() == b->shape();
                    });
}

template <class T>  // NOLINTNEXTLINE(performance-noexcept-move-constructor): see the header
Parameters<T>& Parameters<T>::operator=(Parameters&& other) {
  if (state_) return *this = std::as_const(other);
  state_ = std::move(other.state_);
  return *this;
}

template <class T>
void Parameters<T>::throw_moved_from() {
  throw UsageError("Parameters", "a block of parameters that was moved from is used");
}

template <class T>
std::size_t Parameters<T>::index_of(std::string_view name, SourceLocation location) const {
  std::vector<std::string> names;
  for (const auto& parameter : state().parameters) {
    if (parameter->name() == name) return names.size();
    names.push_back(parameter->name());
  }
  throw NameError("Parameters::find",
                  fmt::format("no parameter is named '{}'; there are: {}", name,
                              fmt::join(names, ", ")),
                  location);
}

template <class T>
std::vector<ParameterSpec> Parameters<T>::specs() const {
  std::vector<ParameterSpec> specs;
  for (const auto& parameter : state().parameters) {
    specs.push_back({parameter->name(), parameter->shape()});
  }
  return specs;
}

template class Parameters<float>;
template class Parameters<double>;

}  // namespace chainrule
