// Parameters: the flat block that a model's parameters lie in, beside the block of their gradients.
#pragma once

#include <chainrule/autograd/parameter.hpp>
#include <chainrule/autograd/storage/tensor.hpp>
#include <memory>
#include <string>
#include <utility>
#include <vector>

namespace chainrule {

template <class T>
class Mlp;

/// Name and shape of a parameter that is to be made.
struct ParameterSpec {
  std::string name;  ///< unique in its block
  Shape shape;       ///< of the value, and of the gradient
};

/// Named parameters in one flat block, in the order given, and their gradients in another of the
/// same order: an optimizer is one loop over two arrays, and a snapshot one copy. The parameters
/// keep their addresses when the block is moved; a copy is a block of its own. A block must outlive
/// the tapes and plans that read it. One that was moved from may be assigned to; every other use of
/// it throws UsageError.
template <class T>
class Parameters {
 public:
  /// All zero. Throws NameError for a name that is given twice, ShapeError for more numbers than can
  /// be addressed.
  explicit Parameters(std::vector<ParameterSpec> specs);
  /// A block of its own with equal values and gradients.
  Parameters(const Parameters& other);
  /// Takes the block over: its parameters keep their addresses.
  Parameters(Parameters&&) noexcept = default;
  /// Copies values and gradients into the block that is there: its parameters keep their addresses,
  /// so that layers, tapes and plans which refer to them stay valid, and see another version. Throws
  /// ShapeError, changing nothing, unless names and shapes are equal; a block that was moved from
  /// takes any.
  Parameters& operator=(const Parameters& other);
  /// The same, copying; only a block that was moved from takes the other one over.
  // It throws where names or shapes differ.
  // NOLINTNEXTLINE(performance-noexcept-move-constructor,bugprone-exception-escape)
  Parameters& operator=(Parameters&& other);
  /// The same parameters, rounded to T: train in float, check in double.
  template <class U>
  explicit Parameters(const Parameters<U>& other) : Parameters(other.specs()) {
    const TensorView<const U> from = other.values();
    const TensorView<T> to = mutable_values();
    for (std::int64_t i = 0; i < to.size(); ++i) to[i] = static_cast<T>(from[i]);
  }

  /// Whether names and shapes are equal, in order; false for a block that was moved from.
  bool same_layout(const Parameters& other) const noexcept;
  /// Number of parameters, as tensors.
  std::size_t size() const { return state().parameters.size(); }
  /// Parameter 0 <= i < size(), unchecked, in the order given.
  Parameter<T>& operator[](std::size_t i) { return *state().parameters[i]; }
  /// The same, for reading.
  const Parameter<T>& operator[](std::size_t i) const { return *state().parameters[i]; }
  /// The parameter of that name. Throws NameError, with the names that there are.
  Parameter<T>& find(std::string_view name,
                     SourceLocation location = SourceLocation::current()) {
    return *state().parameters[index_of(name, location)];
  }
  /// The same, for reading.
  const Parameter<T>& find(std::string_view name,
                           SourceLocation location = SourceLocation::current()) const {
    return *state().parameters[index_of(name, location)];
  }
  /// Number of trainable numbers.
  std::int64_t count() const { return state().values.size(); }
  /// Names and shapes, in order: what another block of the same form is made from.
  std::vector<ParameterSpec> specs() const;

  /// All values, flat.
  TensorView<const T> values() const { return state().values; }
  /// All values, for writing: raises the version of every parameter.
  TensorView<T> mutable_values() {
    ++state().version;
    return state().values;
  }
  /// All gradients, flat, in the order of the values: where a training plan leaves them.
  TensorView<T> gradients() { return state().gradients; }
  /// The same, for reading.
  TensorView<const T> gradients() const { return std::as_const(state().gradients).view(); }

 private:
  friend class Mlp<T>;
  struct State {
    Tensor<T> values, gradients;
    std::uint64_t version = 0;
    std::vector<std::unique_ptr<Parameter<T>>> parameters;
  };
  State& state() const {
    if (!state_) throw_moved_from();
    return *state_;
  }
  [[noreturn]] static void throw_moved_from();
  std::size_t index_of(std::string_view name, SourceLocation location) const;

  std::unique_ptr<State> state_;
};

extern template class Parameters<float>;
extern template class Parameters<double>;

}  // namespace chainrule
