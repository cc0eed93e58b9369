// A model's parameters as named tensors, under the names and in the layout that PyTorch gives them.
#pragma once

#include <chainrule/autograd/storage/named_tensor.hpp>
#include <chainrule/models/mlp.hpp>
#include <chainrule/models/parameters.hpp>
#include <span>
#include <string>
#include <vector>

namespace chainrule {

/// A copy of the parameters as a PyTorch module with `layers = ModuleList([Linear, ...])` holds
/// them: W(l+1), here (in, out), is `layers.l.weight` (out, in), and b(l+1) is `layers.l.bias`
/// (out,). Under the bias trick the last row of W1 is `layers.0.bias`, without a column for the
/// input of ones, and no other layer has a bias: PyTorch's layers are then Linear(in, out) first
/// and Linear(in, out, bias=False) after it. The order is layers.0.weight, layers.0.bias, ...
template <class T>
std::vector<NamedTensor> state_dict(const Mlp<T>& model);
/// The parameters of a model of the user's own, under their names and as they are.
template <class T>
std::vector<NamedTensor> state_dict(const Parameters<T>& parameters);

/// What keeps `tensors` from being `expected`, one line a reason: tensors that are missing, not
/// expected, given twice, or of another shape or precision. Empty where they fit, in any order.
std::vector<std::string> mismatches(std::span<const NamedTensor> expected,
                                    std::span<const NamedTensor> tensors);

/// Sets the parameters from the state dict of such a model, in place: recorded tapes and plans read
/// the new values. Throws NameError that lists all mismatches, and then changes nothing.
template <class T>
void load_state_dict(Mlp<T>& model, std::span<const NamedTensor> tensors,
                     SourceLocation location = SourceLocation::current());
/// The same for parameters of the user's own, under their names and as they are.
template <class T>
void load_state_dict(Parameters<T>& parameters, std::span<const NamedTensor> tensors,
                     SourceLocation location = SourceLocation::current());

}  // namespace chainrule
