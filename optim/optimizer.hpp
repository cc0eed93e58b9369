// Optimizer: any rule that changes parameters along their gradients, as a value.
#pragma once

#include <chainrule/models/parameters.hpp>
#include <functional>
#include <type_traits>

namespace chainrule {

/// What the training loop needs of an optimizer: step(parameters, rate_factor), which changes the
/// values along parameters.gradients() at rate_factor times its learning rate. Sgd, Adam and AdamW
/// convert, and so does a user's own class with such a step. It is a value: a copy has a state
/// (velocity, moments) of its own, and steps on from there.
template <class T>
class Optimizer {
 public:
  /// A copy of the rule, with its state.
  template <class Rule>
  requires(!std::is_same_v<Rule, Optimizer> &&
           requires(Rule rule, Parameters<T>& parameters) { rule.step(parameters, 1.0); })
      Optimizer(Rule rule)
      : step_([rule = std::move(rule)](Parameters<T>& parameters, double rate_factor) mutable {
          rule.step(parameters, rate_factor);
        }) {}

  /// One step along parameters.gradients(). Throws what the rule throws.
  void step(Parameters<T>& parameters, double rate_factor = 1) { step_(parameters, rate_factor); }

 private:
  std::function<void(Parameters<T>&, double)> step_;
};

}  // namespace chainrule
