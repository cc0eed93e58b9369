#include <chainrule/optim/checks.hpp>
#include <chainrule/optim/evaluation.hpp>

#include <algorithm>

namespace chainrule {

namespace {

/// Without a branch: which logit is the largest is what a branch cannot foresee.
template <class T>
std::int64_t first_of_the_largest(const T* z, std::int64_t count) {
  std::int64_t best = 0;
  T most = z[0];
  for (std::int64_t k = 1; k < count; ++k) {
    const bool more = z[k] > most;
    best = more ? k : best;
    most = more ? z[k] : most;
  }
  return best;
}

}  // namespace

template <class T>
Evaluator<T>::Evaluator(const Classifier<T>& classifier, const Dataset<T>& data, std::int64_t block,
                        SourceLocation location)
    : data_(&data) {
  if (data.size() == 0) throw UsageError("Evaluator", "the data set is empty", location);
  detail::expect_complete("Evaluator", "data", data, location);
  if (block < 1) throw UsageError("Evaluator", "blocks of less than one row", location);
  const std::int64_t rows = std::min(block, data.size());
  blocks_.push_back(make_block(classifier, rows, location));
  if (const std::int64_t rest = data.size() % rows) {
    blocks_.push_back(make_block(classifier, rest, location));
  }
}

template <class T>
typename Evaluator<T>::Block Evaluator<T>::make_block(const Classifier<T>& classifier,
                                                      std::int64_t rows, SourceLocation location) {
  Tape<T> tape;
  Block block;
  block.rows = rows;
  block.x = tape.input(TensorView<const T>(data_->x.data(), {rows, data_->inputs()}));
  block.y = tape.input(TensorView<const T>(data_->y.data(), {rows, data_->classes()}));
  block.logits = classifier.logits(tape, block.x);
  block.loss = softmax_cross_entropy(block.logits, block.y, location);
  block.plan = plan({block.logits, block.loss});
  return block;
}

template <class T>
Score Evaluator<T>::operator()() {
  double loss = 0;
  std::int64_t correct = 0;
  for (std::int64_t row = 0; row < data_->size();) {
    Block& block = row + blocks_.front().rows <= data_->size() ? blocks_.front() : blocks_.back();
    block.plan.rebind(block.x,
                      {data_->x.data() + row * data_->inputs(), {block.rows, data_->inputs()}});
    block.plan.rebind(block.y,
                      {data_->y.data() + row * data_->classes(), {block.rows, data_->classes()}});
    block.plan.run();
    loss += static_cast<double>(block.plan.item(block.loss)) * static_cast<double>(block.rows);
    const TensorView<const T> logits = block.plan.value(block.logits);
    const std::int64_t classes = data_->classes();
    for (std::int64_t i = 0; i < block.rows; ++i) {
      correct += first_of_the_largest(logits.data() + i * classes, classes) ==
                 data_->labels[static_cast<std::size_t>(row + i)];
    }
    row += block.rows;
  }
  const double count = static_cast<double>(data_->size());
  return {loss / count, static_cast<double>(correct) / count};
}

template class Evaluator<float>;
template class Evaluator<double>;

}  // namespace chainrule
