// NamedTensor: what weights are outside a model, in a file or on the way to one.
#pragma once

#include <chainrule/autograd/storage/tensor.hpp>
#include <string>
#include <variant>

namespace chainrule {

/// A tensor of either precision, and its name.
struct NamedTensor {
  std::string name;
  std::variant<Tensor<float>, Tensor<double>> value;

  const Shape& shape() const {
    return std::visit([](const auto& tensor) -> const Shape& { return tensor.shape(); }, value);
  }
};

}  // namespace chainrule
