#include <chainrule/autograd/storage/random.hpp>
#include <chainrule/data/batches.hpp>

#include <fmt/format.h>

#include <algorithm>
#include <limits>

namespace chainrule {

template <class T>
Batches<T>::Batches(const Dataset<T>& data, std::int64_t batch_size, std::uint64_t seed,
                    Shuffle shuffle, LastBatch last, SourceLocation location)
    : data_(&data), batch_size_(batch_size), seed_(seed), shuffle_(shuffle) {
  const std::int64_t count = data.size();
  if (count < 1 || count > std::numeric_limits<std::int32_t>::max()) {
    throw UsageError("Batches", fmt::format("{} samples, expected 1 to 2^31 - 1", count), location);
  }
  if (batch_size < 1 || (last == LastBatch::drop && batch_size > count)) {
    throw UsageError("Batches",
                     fmt::format("batch size {} for {} samples, expected {}", batch_size, count,
                                 last == LastBatch::drop ? fmt::format("1 to {}", count)
                                                         : std::string("at least 1")),
                     location);
  }
  per_epoch_ = count / batch_size + (last == LastBatch::keep && count % batch_size != 0);
  const std::int64_t most = std::min(batch_size, count);
  x_ = Tensor<T>({most, data.inputs()});
  y_ = Tensor<T>({most, data.classes()});
  labels_.resize(static_cast<std::size_t>(most));
  if (shuffle == Shuffle::yes) order_.resize(static_cast<std::size_t>(count));
}

namespace {

/// Asks for a row that is wanted next: rows of a shuffled set lie where no processor foresees.
template <class T>
void prefetch(const T* row, std::int64_t count) {
  constexpr std::int64_t line = 64 / sizeof(T);
  for (std::int64_t i = 0; i < count; i += line) __builtin_prefetch(row + i);
}

}  // namespace

template <class T>
void Batches<T>::load(std::uint32_t epoch, std::int64_t index, SourceLocation location) {
  if (index < 0 || index >= per_epoch_) {
    throw UsageError("Batches::load",
                     fmt::format("batch {}, expected 0 to {}", index, per_epoch_ - 1), location);
  }
  if (shuffle_ == Shuffle::yes && (!has_order_ || epoch != epoch_)) {
    Random(seed_, Purpose::shuffle, epoch).permute(order_);
    epoch_ = epoch;
    has_order_ = true;
  }
  const Dataset<T>& data = *data_;
  const std::int64_t first = index * batch_size_, inputs = data.inputs(), classes = data.classes();
  rows_ = std::min(batch_size_, data.size() - first);
  for (std::int64_t row = 0; row < rows_; ++row) {
    const std::int64_t sample =
        order_.empty() ? first + row : order_[static_cast<std::size_t>(first + row)];
    if (!order_.empty() && row + 1 < rows_) {
      prefetch(data.x.data() + order_[static_cast<std::size_t>(first + row + 1)] * inputs, inputs);
    }
    std::copy_n(data.x.data() + sample * inputs, inputs, x_.data() + row * inputs);
    std::copy_n(data.y.data() + sample * classes, classes, y_.data() + row * classes);
    labels_[static_cast<std::size_t>(row)] = data.labels[static_cast<std::size_t>(sample)];
  }
}

template class Batches<float>;
template class Batches<double>;

}  // namespace chainrule
