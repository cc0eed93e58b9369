// Batches: minibatches of a data set, in buffers that never move.
#pragma once

#include <chainrule/autograd/storage/error.hpp>
#include <chainrule/autograd/storage/tensor.hpp>
#include <chainrule/data/dataset.hpp>
#include <cstdint>
#include <span>
#include <vector>

namespace chainrule {

/// Whether every epoch has an order of its own, or all have that of the data set.
enum class Shuffle { no, yes };
/// What becomes of a last batch that is not full.
enum class LastBatch { keep, drop };

/// Copies the rows of batch `index` of `epoch` into buffers at fixed addresses: a plan is bound to
/// them once, and every load() gives it new data. The order of an epoch is the permutation
/// Random(seed, Purpose::shuffle, epoch), so it depends on nothing that went before. The data set
/// must outlive the batches.
template <class T>
class Batches {
 public:
  /// Throws UsageError for an empty data set, one of 2^31 samples or more, batch_size < 1, or a
  /// batch size that drops everything.
  Batches(const Dataset<T>& data, std::int64_t batch_size, std::uint64_t seed, Shuffle shuffle,
          LastBatch last, SourceLocation location = SourceLocation::current());
  Batches(Dataset<T>&&, std::int64_t, std::uint64_t, Shuffle, LastBatch,
          SourceLocation = {}) = delete;
  Batches(const Batches&) = delete;
  Batches& operator=(const Batches&) = delete;

  /// Batches in an epoch: N / batch_size, rounded down with LastBatch::drop, else up.
  std::int64_t per_epoch() const { return per_epoch_; }
  /// Rows of a full batch.
  std::int64_t batch_size() const { return batch_size_; }

  /// Fills the buffers. Allocates nothing. Throws UsageError unless 0 <= index < per_epoch().
  void load(std::uint32_t epoch, std::int64_t index,
            SourceLocation location = SourceLocation::current());

  /// Rows of the batch that is loaded: batch_size(), or fewer in a ragged last one; 0 before
  /// load().
  std::int64_t rows() const { return rows_; }
  /// Inputs (rows, I). The address is the same for every batch, as are those of y() and labels();
  /// what they show is valid until the next load().
  TensorView<const T> x() const { return {x_.data(), {rows_, x_.shape()[1]}}; }
  /// One-hot targets (rows, K).
  TensorView<const T> y() const { return {y_.data(), {rows_, y_.shape()[1]}}; }
  /// The class of each row.
  std::span<const std::int32_t> labels() const {
    return {labels_.data(), static_cast<std::size_t>(rows_)};
  }

 private:
  const Dataset<T>* data_;
  std::int64_t batch_size_, per_epoch_ = 0, rows_ = 0;
  std::uint64_t seed_;
  Shuffle shuffle_;
  std::vector<std::int32_t> order_;  // of epoch_, when has_order_; empty without shuffling
  std::uint32_t epoch_ = 0;
  bool has_order_ = false;
  Tensor<T> x_, y_;
  std::vector<std::int32_t> labels_;
};

extern template class Batches<float>;
extern template class Batches<double>;

}  // namespace chainrule
