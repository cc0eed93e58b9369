// Evaluation: loss and accuracy over a whole data set, in blocks, by replay.
#pragma once

#include <chainrule/data/dataset.hpp>
#include <chainrule/models/parameters.hpp>
#include <chainrule/ops/ops.hpp>
#include <functional>
#include <vector>

namespace chainrule {

/// What the training loop needs of a model: its logits and its parameters. An Mlp converts.
template <class T>
struct Classifier {
  std::function<Var<T>(Tape<T>&, Var<T>)> logits;  ///< called when a plan is made, not at each step
  Parameters<T>* parameters = nullptr;             ///< what an optimizer changes

  /// A forward pass of the user's own, (B, I) -> logits (B, K), and its parameters, which must
  /// outlive this.
  Classifier(std::function<Var<T>(Tape<T>&, Var<T>)> record, Parameters<T>& block)
      : logits(std::move(record)), parameters(&block) {}
  /// A model that is called as model(tape, x), or model(tape, x, location), and has parameters();
  /// it must outlive this. What does not fit the model is reported at the caller's line.
  template <class Model>
  requires(!std::is_same_v<std::remove_const_t<Model>, Classifier>)
      Classifier(Model& model, SourceLocation location = SourceLocation::current())
      : logits([&model, location](Tape<T>& tape, Var<T> x) {
          if constexpr (requires { model(tape, x, location); }) {
            return model(tape, x, location);
          } else {
            return model(tape, x);
          }
        }),
        parameters(&model.parameters()) {}
};

/// Mean loss, and the share of rows whose largest logit is at the label (the first of equal ones).
struct Score {
  double loss = 0;      ///< natural logarithm
  double accuracy = 0;  ///< 0 to 1
};

/// Softmax cross-entropy and accuracy of a classifier on a data set, at the parameters' values at
/// each call. Rows go through a plan of logits and loss in blocks that fit the cache; the last
/// block, where it is shorter, has a plan of its own. No row is copied.
template <class T>
class Evaluator {
 public:
  /// Rows of a block, where it is not said.
  static constexpr std::int64_t usual_block = 200;

  /// The data set and the model must outlive the evaluator. Throws UsageError for an empty data
  /// set, ShapeError for one with fewer targets or labels than rows, or that does not fit the
  /// model.
  Evaluator(const Classifier<T>& classifier, const Dataset<T>& data,
            std::int64_t block = usual_block, SourceLocation location = SourceLocation::current());
  Evaluator(const Classifier<T>&, Dataset<T>&&, std::int64_t = usual_block,
            SourceLocation = {}) = delete;

  /// The score at the parameters as they are now.
  Score operator()();

 private:
  struct Block {
    std::int64_t rows;
    Var<T> x, y, logits, loss;
    Plan<T> plan;
  };
  Block make_block(const Classifier<T>& classifier, std::int64_t rows, SourceLocation location);

  const Dataset<T>* data_;
  std::vector<Block> blocks_;  // the full one, then a shorter one where there is one
};

/// Evaluator evaluate(model, data): the precision is that of the data.
template <class Model, class T, class... Rest>
Evaluator(Model&, const Dataset<T>&, Rest...) -> Evaluator<T>;

extern template class Evaluator<float>;
extern template class Evaluator<double>;

}  // namespace chainrule
