// Early stopping, and the snapshot of the best weights that it keeps.
#pragma once

#include <chainrule/models/parameters.hpp>
#include <cstdint>
#include <limits>

namespace chainrule {

/// The values of a model's parameters at one moment: a value, which later training does not touch.
template <class T>
class Snapshot {
 public:
  /// Of nothing.
  Snapshot() = default;
  /// A copy of the values as they are now.
  explicit Snapshot(const Parameters<T>& parameters) : values_(parameters.values()) {}
  /// Puts the values back. Throws ShapeError for parameters of another count.
  void restore(Parameters<T>& parameters) const;
  /// All values, flat, in the order of the parameters.
  TensorView<const T> values() const { return values_; }
  /// True for a snapshot of nothing.
  bool empty() const { return values_.size() == 0; }

 private:
  Tensor<T> values_;
};

extern template class Snapshot<float>;
extern template class Snapshot<double>;

/// Stops when none of the last `patience` validations improved on the one before them; an
/// improvement is a strictly lower loss. (That is the same as: `patience` validations since the
/// best one.)
class EarlyStopping {
 public:
  /// Throws UsageError for a patience below 1.
  explicit EarlyStopping(std::int64_t patience,
                         SourceLocation location = SourceLocation::current());

  /// Takes the loss of the next validation, and returns whether it is the best so far. A NaN never
  /// is.
  bool update(double validation_loss);
  /// Whether `patience` validations have passed since the best one.
  bool should_stop() const { return since_best_ >= patience_; }
  /// The lowest loss so far; infinity before the first.
  double best_loss() const { return best_loss_; }
  /// Validations since the best one.
  std::int64_t since_best() const { return since_best_; }

 private:
  std::int64_t patience_, since_best_ = 0;
  double best_loss_ = std::numeric_limits<double>::infinity();
};

}  // namespace chainrule
