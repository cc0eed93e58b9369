#include <chainrule/data/dataset.hpp>

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>

namespace chainrule {

PixelStatistics pixel_statistics(const Images& images, SourceLocation location) {
  if (images.pixels.empty()) {
    throw UsageError("pixel_statistics", "no pixels: expected at least one image", location);
  }
  std::array<std::uint64_t, 256> histogram{};
  for (const auto pixel : images.pixels) ++histogram[pixel];
  const auto count = static_cast<double>(images.pixels.size());
  std::uint64_t sum = 0;
  for (std::uint64_t v = 0; v < 256; ++v) sum += v * histogram[v];
  const double mean = static_cast<double>(sum) / count;
  double squares = 0;  // about the mean, so that nothing cancels
  for (std::size_t v = 0; v < 256; ++v) {
    const double deviation = static_cast<double>(v) - mean;
    squares += static_cast<double>(histogram[v]) * deviation * deviation;
  }
  return {mean, std::sqrt(squares / count)};
}

namespace {

void check(const LabelledImages& set, const PixelStatistics& statistics, std::int32_t classes,
           SourceLocation location) {
  const Images& images = set.images;
  const auto [mean, deviation] = statistics;
  if (classes < 1) {
    throw UsageError("make_dataset", fmt::format("{} classes, expected at least 1", classes),
                     location);
  }
  if (!std::isfinite(mean) || !std::isfinite(deviation) || !(deviation > 0)) {
    throw NumericError("make_dataset",
                       fmt::format("{}: pixels cannot be normalised by mean {} and deviation {}: "
                                   "expected a deviation above 0 (are all pixels equal?)",
                                   set.source, mean, deviation),
                       location);
  }
  if (std::ssize(images.pixels) != images.count * images.rows * images.columns) {
    throw ShapeError("make_dataset",
                     fmt::format("{}: {} pixels, expected {} x {} x {}", set.source,
                                 images.pixels.size(), images.count, images.rows, images.columns),
                     location);
  }
  if (std::ssize(set.labels) != images.count) {
    throw ShapeError("make_dataset",
                     fmt::format("{}: {} labels, expected {}, one an image", set.source,
                                 set.labels.size(), images.count),
                     location);
  }
  const auto wrong = std::find_if(set.labels.begin(), set.labels.end(), [=](std::int32_t label) {
    return label < 0 || label >= classes;
  });
  if (wrong != set.labels.end()) {
    throw LabelError("make_dataset",
                     fmt::format("{}: label {} at index {}, expected 0 to {}", set.source, *wrong,
                                 wrong - set.labels.begin(), classes - 1),
                     location);
  }
}

}  // namespace

template <class T>
Dataset<T> make_dataset(const LabelledImages& set, PixelStatistics statistics,
                        BiasColumn bias_column, std::int32_t classes, SourceLocation location) {
  check(set, statistics, classes, location);
  const std::int64_t count = set.images.count, pixels = set.images.rows * set.images.columns;
  const bool biased = bias_column == BiasColumn::yes;
  Dataset<T> data{Tensor<T>({count, pixels + biased}), Tensor<T>({count, classes}), set.labels};

  std::array<T, 256> normalised;  // in double, whatever T is, and once for each byte
  for (std::size_t v = 0; v < 256; ++v) {
    normalised[v] =
        static_cast<T>((static_cast<double>(v) - statistics.mean) / statistics.deviation);
  }
  const std::uint8_t* pixel = set.images.pixels.data();
  T* x = data.x.data();
  for (std::int64_t n = 0; n < count; ++n) {
    for (std::int64_t i = 0; i < pixels; ++i) *x++ = normalised[*pixel++];
    if (biased) *x++ = 1;
    data.y(n, set.labels[static_cast<std::size_t>(n)]) = 1;
  }
  return data;
}

template Dataset<float> make_dataset<float>(const LabelledImages&, PixelStatistics, BiasColumn,
                                            std::int32_t, SourceLocation);
template Dataset<double> make_dataset<double>(const LabelledImages&, PixelStatistics, BiasColumn,
                                              std::int32_t, SourceLocation);

}  // namespace chainrule
