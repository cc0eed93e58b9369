#include <chainrule/models/state_dict.hpp>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <map>
#include <string_view>

namespace chainrule {

namespace {

/// Rows 0 to `rows` - 1 of a matrix, transposed.
template <class T>
Tensor<T> transposed_rows(TensorView<const T> matrix, std::int64_t rows) {
  Tensor<T> result({matrix.shape()[1], rows});
  for (std::int64_t i = 0; i < rows; ++i) {
    for (std::int64_t j = 0; j < matrix.shape()[1]; ++j) result(j, i) = matrix(i, j);
  }
  return result;
}

std::string describe(const NamedTensor& tensor) {
  return fmt::format("{} {}", std::holds_alternative<Tensor<float>>(tensor.value) ? "F32" : "F64",
                     to_string(tensor.shape()));
}

std::map<std::string_view, const NamedTensor*> by_name(std::span<const NamedTensor> tensors) {
  std::map<std::string_view, const NamedTensor*> result;
  for (const NamedTensor& tensor : tensors) result.emplace(tensor.name, &tensor);
  return result;
}

/// The tensor of that name, which is there and fits.
template <class T>
const Tensor<T>& find(const std::map<std::string_view, const NamedTensor*>& tensors,
                      std::string_view name) {
  return std::get<Tensor<T>>(tensors.at(name)->value);
}

void check(std::span<const NamedTensor> expected, std::span<const NamedTensor> tensors,
           SourceLocation location) {
  const std::vector<std::string> lines = mismatches(expected, tensors);
  if (lines.empty()) return;
  throw NameError("load_state_dict", fmt::format("{}", fmt::join(lines, "; ")), location);
}

}  // namespace

template <class T>
std::vector<NamedTensor> state_dict(const Mlp<T>& model) {
  const MlpOptions& options = model.options();
  const Parameters<T>& parameters = model.parameters();
  const bool trick = options.bias == Bias::trick;
  std::vector<NamedTensor> result;
  result.reserve(parameters.size() + 1);
  for (std::size_t l = 0; l + 1 < options.widths.size(); ++l) {
    const TensorView<const T> w = parameters[trick ? l : 2 * l].value();
    const std::int64_t inputs = w.shape()[0] - (trick && l == 0 ? 1 : 0);
    result.push_back({fmt::format("layers.{}.weight", l), transposed_rows(w, inputs)});
    if (trick && l > 0) continue;
    Tensor<T> bias({w.shape()[1]});
    const T* from = trick ? w.data() + inputs * w.shape()[1] : parameters[2 * l + 1].value().data();
    std::copy_n(from, bias.size(), bias.begin());
    result.push_back({fmt::format("layers.{}.bias", l), std::move(bias)});
  }
  return result;
}

template <class T>
std::vector<NamedTensor> state_dict(const Parameters<T>& parameters) {
  std::vector<NamedTensor> result;
  for (std::size_t i = 0; i < parameters.size(); ++i) {
    result.push_back({parameters[i].name(), Tensor<T>(parameters[i].value())});
  }
  return result;
}

std::vector<std::string> mismatches(std::span<const NamedTensor> expected,
                                    std::span<const NamedTensor> tensors) {
  const auto wanted = by_name(expected);
  auto missing = wanted;
  std::map<std::string_view, int> count;
  std::vector<std::string> lines;
  for (const NamedTensor& tensor : tensors) {
    if (++count[tensor.name] > 1) {
      if (count[tensor.name] == 2) lines.push_back(fmt::format("'{}' is given twice", tensor.name));
      continue;
    }
    missing.erase(tensor.name);
    const auto found = wanted.find(tensor.name);
    if (found == wanted.end()) {
      lines.push_back(fmt::format("'{}' {} is not expected", tensor.name, describe(tensor)));
    } else if (describe(tensor) != describe(*found->second)) {
      lines.push_back(fmt::format("'{}' is {}, expected {}", tensor.name, describe(tensor),
                                  describe(*found->second)));
    }
  }
  for (const NamedTensor& tensor : expected) {
    if (!missing.contains(tensor.name)) continue;
    lines.push_back(fmt::format("'{}' {} is missing", tensor.name, describe(tensor)));
  }
  return lines;
}

template <class T>
void load_state_dict(Mlp<T>& model, std::span<const NamedTensor> tensors, SourceLocation location) {
  check(state_dict(model), tensors, location);
  const auto found = by_name(tensors);
  const MlpOptions& options = model.options();
  const bool trick = options.bias == Bias::trick;
  // Looking them up needs memory; copying does not, so that an exception leaves the model as it was.
  const std::size_t layers = options.widths.size() - 1;
  std::vector<const Tensor<T>*> weights, biases;
  for (std::size_t l = 0; l < layers; ++l) {
    weights.push_back(&find<T>(found, fmt::format("layers.{}.weight", l)));
    if (trick && l > 0) continue;
    biases.push_back(&find<T>(found, fmt::format("layers.{}.bias", l)));
  }
  for (std::size_t l = 0; l < layers; ++l) {
    const Tensor<T>& weight = *weights[l];
    const TensorView<T> w = model.parameters()[trick ? l : 2 * l].mutable_value();
    const std::int64_t inputs = weight.shape()[1];
    for (std::int64_t i = 0; i < inputs; ++i) {
      for (std::int64_t j = 0; j < w.shape()[1]; ++j) w(i, j) = weight(j, i);
    }
    if (trick && l > 0) continue;
    const Tensor<T>& bias = *biases[l];
    T* to = trick ? w.data() + inputs * w.shape()[1]
                  : model.parameters()[2 * l + 1].mutable_value().data();
    std::copy(bias.begin(), bias.end(), to);
  }
}

template <class T>
void load_state_dict(Parameters<T>& parameters, std::span<const NamedTensor> tensors,
                     SourceLocation location) {
  check(state_dict(parameters), tensors, location);
  const auto found = by_name(tensors);
  for (std::size_t i = 0; i < parameters.size(); ++i) {
    const Tensor<T>& value = find<T>(found, parameters[i].name());
    std::copy(value.begin(), value.end(), parameters[i].mutable_value().begin());
  }
}

#define CHAINRULE_INSTANTIATE(T)                                                        \
  template std::vector<NamedTensor> state_dict(const Mlp<T>&);                          \
  template std::vector<NamedTensor> state_dict(const Parameters<T>&);                   \
  template void load_state_dict(Mlp<T>&, std::span<const NamedTensor>, SourceLocation); \
  template void load_state_dict(Parameters<T>&, std::span<const NamedTensor>, SourceLocation);
CHAINRULE_INSTANTIATE(float)
CHAINRULE_INSTANTIATE(double)
#undef CHAINRULE_INSTANTIATE

}  // namespace chainrule
