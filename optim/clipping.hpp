// Clipping of the gradient by its global norm.
#pragma once

#include <chainrule/models/parameters.hpp>

namespace chainrule {

/// The 2-norm of all gradients together, over the flat block; accumulated in double, and without
/// overflow or underflow on the way. Throws NumericError for an entry that is NaN or infinite,
/// naming the parameter and the entry's indices, and for a norm beyond the largest double.
template <class T>
double gradient_norm(const Parameters<T>& parameters,
                     SourceLocation location = SourceLocation::current());

/// g = g min(1, max_norm / (|g| + 1e-6)), |g| being the norm of all gradients together, and returns
/// that norm, as it was before. (Pascanu, Mikolov and Bengio, "On the difficulty of training
/// recurrent neural networks", 2013, algorithm 1; the 1e-6 is that of PyTorch's clip_grad_norm_, so
/// that runs can be compared.) An infinite max_norm only measures. Throws UsageError for a max_norm
/// that is not above 0, NumericError as gradient_norm does; the gradients are then as they were.
template <class T>
double clip_gradient_norm(Parameters<T>& parameters, double max_norm,
                          SourceLocation location = SourceLocation::current());

}  // namespace chainrule
