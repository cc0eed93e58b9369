#include <chainrule/optim/early_stopping.hpp>

#include <fmt/format.h>

#include <algorithm>

namespace chainrule {

template <class T>
void Snapshot<T>::restore(Parameters<T>& parameters) const {
  if (parameters.count() != values_.size()) {
    throw ShapeError("Snapshot::restore", fmt::format("a snapshot of {} values for {} parameters",
                                                      values_.size(), parameters.count()));
  }
  std::copy(values_.begin(), values_.end(), parameters.mutable_values().begin());
}

template class Snapshot<float>;
template class Snapshot<double>;

EarlyStopping::EarlyStopping(std::int64_t patience, SourceLocation location) : patience_(patience) {
  if (patience < 1) {
    throw UsageError("EarlyStopping",
                     fmt::format("patience {}: expected at least 1 validation", patience),
                     location);
  }
}

bool EarlyStopping::update(double validation_loss) {
  if (validation_loss < best_loss_) {
    best_loss_ = validation_loss;
    since_best_ = 0;
    return true;
  }
  ++since_best_;
  return false;
}

}  // namespace chainrule
