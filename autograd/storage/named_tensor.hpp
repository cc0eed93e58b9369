// NamedTensor: what weights are outside a model, in a file or on the way to one.
#pragma once

#include <chainrule/autograd/storage/tensor.hpp>
#include <string>
#include <variant>

namespace chainrule {

/// A tensor of either precision, and its name.
struct NamedTensor {
  std::string name;                                   ///< "layers.0.weight"
  std::variant<Tensor<float>, Tensor<double>> value;  ///< F32 or F64

  /// Of whichever tensor it holds.
  const Shape& shape() const {
    return std::visit([](const auto& tensor) -> const Shape& { return tensor.shape(); }, value);
  }
};

}  // namespace chainrule
