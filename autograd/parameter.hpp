// Parameter: a named leaf that an optimizer changes.
#pragma once

#include <chainrule/autograd/storage/tensor.hpp>
#include <cstdint>
#include <string>

namespace chainrule {

/// A named tensor within a flat block of parameters (models/parameters.hpp owns it), the place of
/// its gradient in the block of gradients, and the version of the block. The tape knows it by its
/// address, so it is not copied.
template <class T>
class Parameter {
 public:
  /// Made by Parameters, which owns the memory of both views and the version.
  Parameter(std::string name, TensorView<T> value, TensorView<T> gradient, std::uint64_t* version)
      : name_(std::move(name)), value_(value), gradient_(gradient), version_(version) {}
  Parameter(const Parameter&) = delete;
  Parameter& operator=(const Parameter&) = delete;

  const std::string& name() const { return name_; }      ///< "W1", "b1", ...
  const Shape& shape() const { return value_.shape(); }  ///< of value and gradient
  /// The current numbers, read in place.
  TensorView<const T> value() const { return value_; }
  /// For writing: raises the version, so that `gradients` of what was recorded before throws.
  TensorView<T> mutable_value() {
    ++*version_;
    return value_;
  }
  /// Where a training plan leaves the gradient.
  TensorView<T> gradient() const { return gradient_; }
  /// How often the block was handed out for writing.
  std::uint64_t version() const { return *version_; }

 private:
  std::string name_;
  TensorView<T> value_, gradient_;
  std::uint64_t* version_;
};

}  // namespace chainrule
