#include "diagnosis.hpp"

#include <chainrule/autograd/gradients.hpp>
#include <chainrule/autograd/tape.hpp>
#include <chainrule/check/compare.hpp>
#include <chainrule/ops/ops.hpp>

#include <algorithm>
#include <cstddef>
#include <span>

namespace check_derivation {

using namespace chainrule;

namespace {

/// The tensors in T, and what diagnose takes of them.
template <class T>
class Values {
 public:
  explicit Values(const Named& named) {
    tensors_.reserve(named.size());
    for (const auto& [name, value] : named) {
      tensors_.push_back(value.template cast<T>());
      values_.push_back({name, tensors_.back()});
    }
  }
  const std::vector<NamedValue<T>>& get() const { return values_; }

 private:
  std::vector<Tensor<T>> tensors_;
  std::vector<NamedValue<T>> values_;  // their names are the caller's
};

/// The step's forward pass in T, up to the loss.
template <class T>
class Recorded {
 public:
  Recorded(const Options& options, const Step& step)
      : model_({.widths = options.widths, .activation = options.activation, .bias = options.bias}),
        x_(step.X.template cast<T>()),
        y_(step.Y.template cast<T>()) {
    std::size_t next = 0;
    for (std::size_t l = 0; l < step.W.size(); ++l) {
      const auto set = [&](const Tensor<double>& from) {
        const auto value = model_.parameters()[next++].mutable_value();
        std::transform(from.begin(), from.end(), value.begin(),
                       [](double x) { return static_cast<T>(x); });
      };
      set(step.W[l]);
      if (!step.b.empty()) set(step.b[l]);
    }
    loss_ = softmax_cross_entropy(model_(tape_, tape_.input(x_)), tape_.input(y_));
    if (!options.weight_decay) return;
    const T half = static_cast<T>(*options.weight_decay / 2);
    for (const Var<T> w : parameters()) {
      if (w.shape().rank() == 2) loss_ = loss_ + scale(sum(square(w)), half);
    }
  }
  Recorded(const Recorded&) = delete;
  Recorded& operator=(const Recorded&) = delete;

  Tape<T>& tape() { return tape_; }
  Var<T> loss() const { return loss_; }
  std::vector<Var<T>> parameters() {
    std::vector<Var<T>> result;
    for (std::size_t i = 0; i < model_.parameters().size(); ++i) {
      result.push_back(tape_.parameter(model_.parameters()[i]));
    }
    return result;
  }

 private:
  Mlp<T> model_;
  Tensor<T> x_, y_;
  Tape<T> tape_;
  Var<T> loss_;
};

/// In T, the precision of the gradients: what rounding may do to them is measured in it.
template <class T>
Diagnosis diagnose_step(const Options& options, const Step& step) {
  Recorded<T> recorded(options, step);
  const Values<T> hand(step.hand), previous(step.previous), updated(step.updated),
      velocity(step.velocity);
  DiagnoseOptions<T> diagnosis_options;
  diagnosis_options.learning_rate = options.learning_rate;
  diagnosis_options.momentum = options.momentum;
  diagnosis_options.weight_decay = options.weight_decay;
  diagnosis_options.previous_gradient = previous.get();
  diagnosis_options.updated = updated.get();
  diagnosis_options.velocity = velocity.get();
  return diagnose(recorded.loss(), std::span<const NamedValue<T>>(hand.get()), diagnosis_options);
}

bool is_unnamed(const Diagnosis& diagnosis) {
  return diagnosis.verdict == DiagnosisVerdict::wrong && diagnosis.mistakes.empty() &&
         diagnosis.pairs.empty();
}

/// Whether the gradients are the step's to 1 %. Cheap beside a diagnosis, which tries every mistake
/// on gradients that are not.
bool is_near(const Options& options, const Step& step) {
  Recorded<double> recorded(options, step);
  gradients(recorded.loss(), recorded.parameters());
  const Values<double> hand(step.hand);
  return static_cast<bool>(compare(recorded.tape(), std::span<const NamedValue<double>>(hand.get()),
                                   {.tolerance = 0.01}));
}

}  // namespace

Diagnosis diagnose_step(const Options& options, const Step& step) {
  if (step.single) return diagnose_step<float>(options, step);
  Diagnosis diagnosis = diagnose_step<double>(options, step);
  if (!is_unnamed(diagnosis) || !step.single_inputs) return diagnosis;
  diagnosis = diagnose_step<float>(options, step);
  diagnosis.notes.push_back(
      "the gradients are float64, but the inputs and weights are float32: what rounding may do is "
      "measured in float32");
  return diagnosis;
}

std::vector<Activation> fitting_activations(const Options& options, const Step& step,
                                            const Diagnosis& diagnosis) {
  std::vector<Activation> fitting;
  if (!is_unnamed(diagnosis) || options.widths.size() == 2) return fitting;
  for (const Activation other :
       {Activation::sigmoid, Activation::improved_sigmoid, Activation::tanh, Activation::relu}) {
    if (other == options.activation) continue;
    Options changed = options;
    changed.activation = other;
    if (is_near(changed, step) && diagnose_step(changed, step).verdict == DiagnosisVerdict::right) {
      fitting.push_back(other);
    }
  }
  return fitting;
}

}  // namespace check_derivation
