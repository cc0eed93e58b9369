// What is wrong with a step, and whether another activation would have made it right.
#pragma once

#include <chainrule/check/diagnose.hpp>
#include <vector>

#include "options.hpp"
#include "step.hpp"

namespace check_derivation {

/// In the precision of the gradients, or, where they are double and not right to that, in the one
/// that X and W were multiplied in.
chainrule::Diagnosis diagnose_step(const Options& options, const Step& step);

/// The other activations with which every value of the step is right, where with that of the
/// options something is wrong that has no name (`diagnosis`); mostly none. Without a hidden layer
/// there is nothing to choose, and none is returned.
std::vector<chainrule::Activation> fitting_activations(const Options& options, const Step& step,
                                                       const chainrule::Diagnosis& diagnosis);

}  // namespace check_derivation
