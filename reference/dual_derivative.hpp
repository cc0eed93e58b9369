// dC/dw by dual numbers: the forward pass alone, seeded in one entry. No backward formula is used.
#pragma once

#include <chainrule/autograd/storage/error.hpp>
#include <chainrule/reference/dual.hpp>
#include <chainrule/reference/element_by_element.hpp>
#include <string>
#include <string_view>
#include <vector>

namespace chainrule::reference {

/// The inputs as dual numbers, of which any one entry of X, W and b can be seeded.
template <class S>
class DualInputs {
 public:
  /// Copies. Throws as check_inputs.
  DualInputs(const Network& network, const Inputs<S>& inputs) : network_(network) {
    check_inputs("reference::dual_derivative", network, inputs);
    const auto copy = [](std::span<const S> values) {
      std::vector<Dual<S>> duals;
      duals.reserve(values.size());
      for (const S& value : values) duals.emplace_back(value);
      return duals;
    };
    X_ = copy(inputs.X), Y_ = copy(inputs.Y);
    for (const auto w : inputs.W) W_.push_back(copy(w));
    for (const auto b : inputs.b) b_.push_back(copy(b));
    inputs_ = {inputs.samples, X_, Y_, {W_.begin(), W_.end()}, {b_.begin(), b_.end()}};
  }
  DualInputs(const DualInputs&) = delete;
  DualInputs& operator=(const DualInputs&) = delete;

  /// dC/d(entry) of "W1", "b1", ... or "X"; `entry` is the row-major index. Throws NameError for
  /// another name and UsageError for an entry that the tensor does not have.
  S derivative(std::string_view name, std::int64_t entry) {
    std::vector<Dual<S>>& tensor = find(name);
    if (entry < 0 || entry >= static_cast<std::int64_t>(tensor.size())) {
      throw UsageError("reference::dual_derivative", "entry " + std::to_string(entry) + " of " +
                                                         std::string(name) + ", which has " +
                                                         std::to_string(tensor.size()));
    }
    Dual<S>& seed = tensor[static_cast<std::size_t>(entry)];
    seed.derivative = S(1);
    const S result = loss(network_, inputs_).derivative;
    seed.derivative = S(0);
    return result;
  }
  /// All entries of "dW1", "db1", ... in row-major order, one forward pass each; `name` is "W1",
  /// "b1".
  std::vector<S> gradient(std::string_view name) {
    std::vector<S> result(find(name).size());
    for (std::size_t i = 0; i < result.size(); ++i) {
      result[i] = derivative(name, static_cast<std::int64_t>(i));
    }
    return result;
  }

 private:
  std::vector<Dual<S>>& find(std::string_view name) {
    if (name == "X") return X_;
    for (std::size_t l = 1; l <= W_.size(); ++l) {
      const int layer = static_cast<int>(l);
      if (name == detail::label("W", layer)) return W_[l - 1];
      if (l <= b_.size() && name == detail::label("b", layer)) return b_[l - 1];
    }
    throw NameError("reference::dual_derivative",
                    "no input is called '" + std::string(name) + "': expected X, W1, b1, ...");
  }

  Network network_;
  std::vector<Dual<S>> X_, Y_;
  std::vector<std::vector<Dual<S>>> W_, b_;
  Inputs<Dual<S>> inputs_;
};

/// dC/d(entry) of one input: see DualInputs::derivative.
template <class S>
S dual_derivative(const Network& network, const Inputs<S>& inputs, std::string_view name,
                  std::int64_t entry) {
  return DualInputs<S>(network, inputs).derivative(name, entry);
}

}  // namespace chainrule::reference
