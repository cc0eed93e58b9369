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
  std::string name;  ///< unique in its block
  Shape shape;       ///< of the value, and of the gradient
};

/// Named parameters in one flat block, in the order given, and their gradients in another of the
/// same order: an optimizer is one loop over two arrays, and a snapshot one copy. The parameters
/// keep their addresses when the block is moved; a copy is a block of its own.
template <class T>
class Parameters {
 public:
  /// All zero. Throws NameError for a name that is given twice.
  explicit Parameters(std::vector<ParameterSpec> specs);
  /// A block of its own with equal values and gradients.
  Parameters(const Parameters& other);
  /// Becomes a copy; the parameters that it had are gone, and what was recorded of them.
  Parameters& operator=(const Parameters& other);
  /// Takes the block over; `other` may only be assigned to.
  Parameters(Parameters&&) noexcept = default;
  /// Takes the block over; the parameters that it had are gone, and what was recorded of them.
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
  /// Parameter 0 <= i < size(), unchecked, in the order given.
  Parameter<T>& operator[](std::size_t i) { return *state_->parameters[i]; }
  /// The same, for reading.
  const Parameter<T>& operator[](std::size_t i) const { return *state_->parameters[i]; }
  /// The parameter of that name. Throws NameError, with the names that there are.
  Parameter<T>& find(std::string_view name);
  /// Number of trainable numbers.
  std::int64_t count() const { return state_->values.size(); }
  /// Names and shapes, in order: what another block of the same form is made from.
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
  /// The same, for reading.
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
