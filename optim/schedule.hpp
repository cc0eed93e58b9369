// Learning-rate schedules: pure functions of the step.
#pragma once

#include <chainrule/autograd/storage/error.hpp>
#include <cstdint>
#include <functional>

namespace chainrule {

/// The factor by which the learning rate of step 0, 1, ... is multiplied; any function of the step
/// will do. It has no state, so that a resumed run and a plot of it need nothing but the step.
/// An empty one means 1.
using Schedule = std::function<double(std::int64_t step)>;

/// 1 at every step.
Schedule constant_rate();

/// factor^floor(step / every): PyTorch's StepLR. Throws UsageError for `every` below 1 or a factor
/// outside (0, 1].
Schedule step_decay(std::int64_t every, double factor,
                    SourceLocation location = SourceLocation::current());

/// final + (1 - final) (1 + cos(pi step / steps)) / 2, and `final` from step `steps` on: one period
/// of Loshchilov and Hutter, "SGDR: stochastic gradient descent with warm restarts", 2017, (5);
/// PyTorch's CosineAnnealingLR with eta_min = final learning_rate, which goes up again after T_max.
/// Throws UsageError for fewer than 1 step or a `final` outside [0, 1].
Schedule cosine_decay(std::int64_t steps, double final = 0,
                      SourceLocation location = SourceLocation::current());

/// (step + 1) / (steps + 1) then(0) for the first `steps` steps, which is a line from 0 just before
/// the first step to then(0) just after the last; `then(step - steps)` from there on. (Goyal et
/// al., "Accurate, large minibatch SGD", 2017, 2.2; PyTorch's SequentialLR of LinearLR with
/// start_factor = 1 / (steps + 1) and `then`.) Throws UsageError for fewer than 0 steps.
Schedule warm_up(std::int64_t steps, Schedule then = {},
                 SourceLocation location = SourceLocation::current());

}  // namespace chainrule
