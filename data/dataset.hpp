// Dataset: images as the network sees them, normalised rows and one-hot targets.
#pragma once

#include <chainrule/autograd/storage/error.hpp>
#include <chainrule/autograd/storage/tensor.hpp>
#include <chainrule/data/images.hpp>
#include <cstdint>
#include <vector>

namespace chainrule {

/// Mean and population standard deviation (divided by the count, as NumPy's std) of bytes.
struct PixelStatistics {
  double mean = 0;       ///< of the bytes, 0 to 255
  double deviation = 1;  ///< in the same unit
};

/// Over all pixels of all images, from their exact histogram. Throws UsageError without pixels.
PixelStatistics pixel_statistics(const Images& images,
                                 SourceLocation location = SourceLocation::current());

/// Whether a column of ones follows the pixels: the bias trick, by which the first layer's weights
/// hold its bias in their last row.
enum class BiasColumn { no, yes };

/// N samples of I inputs and K classes.
template <class T>
struct Dataset {
  Tensor<T> x;                       ///< (N, I)
  Tensor<T> y;                       ///< (N, K), one-hot
  std::vector<std::int32_t> labels;  ///< N class indices

  std::int64_t size() const { return x.shape()[0]; }     ///< N
  std::int64_t inputs() const { return x.shape()[1]; }   ///< I, the column of ones included
  std::int64_t classes() const { return y.shape()[1]; }  ///< K
};

/// x = (pixel - mean) / deviation, I = rows * columns (+ 1 with the bias column). The statistics
/// are those of the training set, for every set: a set normalised by its own leaks into the result.
/// Throws NumericError when the deviation is zero (a constant image set) or the statistics are not
/// finite, ShapeError when pixels or labels do not match the images, LabelError for a label outside
/// 0 ... classes - 1, UsageError for classes < 1.
template <class T>
Dataset<T> make_dataset(const LabelledImages& images, PixelStatistics statistics,
                        BiasColumn bias_column, std::int32_t classes = 10,
                        SourceLocation location = SourceLocation::current());

}  // namespace chainrule
