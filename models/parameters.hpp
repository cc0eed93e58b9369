// Parameters: the flat block that a model's parameters lie in, beside the block of their gradients.
#pragma once

#include <chainrule/autograd/parameter.hpp>
#include <chainrule/autograd/storage/tensor.hpp>
#include <memory>
#include <string>
#include <vector>

namespace chainrule {

/// Name and shape of a parameter that is to be made.
struct ParameterSpec {
  std::string name;
  Shape shape;
};

/// Named parameters in one flat block, in the order given, and their gradients in another of the
/// same order: an optimizer is one loop over two arrays, and a snapshot one copy. The parameters
/// keep their addresses when the block is moved; a copy is a block of its own.
template <class T>
class Parameters {
 public:
  /// All zero. Throws NameError for a name that is given twice.
  explicit Parameters(std::vector<ParameterSpec> specs);
  Parameters(const Parameters& other);
  Parameters& operator=(const Parameters& other);
  Parameters(Parameters&&) noexcept = default;
  Parameters& operator=(Parameters&&) noexcept = default;
  /// The same parameters, rounded to T: train in float, check in double.
  template <class U>
  explicit Parameters(const Parameters<U>& other) : Parameters(other.specs()) {
    const TensorView<const U> from = other.values();
    const TensorView<T> to = mutable_values();
    for (std::int64_t i = 0; i < to.size(); ++i) to[i] = static_cast<T>(from[i]);
  }

  /// Number of parameters, as tensors.
  std::size_t size() const { return state_->parameters.size(); }
  Parameter<T>& operator[](std::size_t i) { return *state_->parameters[i]; }
  const Parameter<T>& operator[](std::size_t i) const { return *state_->parameters[i]; }
  /// The parameter of that name. Throws NameError, with the names that there are.
  Parameter<T>& find(std::string_view name);
  /// Number of trainable numbers.
  std::int64_t count() const { return state_->values.size(); }
  std::vector<ParameterSpec> specs() const;

  /// All values, flat.
  TensorView<const T> values() const { return state_->values; }
  /// All values, for writing: raises the version of every parameter.
  TensorView<T> mutable_values() {
    ++state_->version;
    return state_->values;
  }
  /// All gradients, flat, in the order of the values: where a training plan leaves them.
  TensorView<T> gradients() { return state_->gradients; }
  TensorView<const T> gradients() const { return TensorView<const T>(state_->gradients.view()); }

 private:
  struct State {
    Tensor<T> values, gradients;
    std::uint64_t version = 0;
    std::vector<std::unique_ptr<Parameter<T>>> parameters;
  };
  std::unique_ptr<State> state_;
};

extern template class Parameters<float>;
extern template class Parameters<double>;

}  // namespace chainrule
