// One step of training as a file has it: inputs, targets, weights, and gradients by hand.
#pragma once

#include <chainrule/autograd/storage/named_tensor.hpp>
#include <chainrule/autograd/storage/tensor.hpp>
#include <string>
#include <utility>
#include <vector>

#include "options.hpp"

namespace check_derivation {

using Named = std::vector<std::pair<std::string, chainrule::Tensor<double>>>;

/// All rows are samples and weights (in, out), whatever the file had. float becomes double,
/// exactly.
struct Step {
  chainrule::Tensor<double> X, Y;  // X with its column of ones, under the bias trick
  std::vector<chainrule::Tensor<double>> W, b;
  /// What was derived by hand: gradients, and intermediates. Their shapes are not checked: a wrong
  /// one is a finding, not an error.
  Named hand;
  /// What else a mistake may come from, by the names "dW1", "W1", "dW1".
  Named previous, updated, velocity;
  bool single = false;  // some of `hand` is float
  /// X, W and b are all float or uint8: then the forward pass was float, though NumPy makes double
  /// gradients of it as soon as Y is.
  bool single_inputs = true;
};

/// Reads .npz or .safetensors and takes the tensors by name:
///   X (N, I), Y (N, K)      any of uint8, float32, float64; X without the column of ones
///   Wl (in, out), bl (out,) for l = 1 ..; bl under --bias layer alone, (1, out) will do
///   dWl, dbl                at least one of them
///   Zl, Al, dZl, dAl        where there are any; Yhat is not among them
///   previous_dWl, previous_dbl, updated_Wl, updated_bl, velocity_Wl, velocity_bl
/// Throws FileError, naming the file and the tensor, for what is missing, unknown, of another shape
/// than the model's, not finite, for negative targets, and as read_npz and read_safetensors do.
Step read_step(const Options& options);

}  // namespace check_derivation
