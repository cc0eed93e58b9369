#include <chainrule/data/images.hpp>

#include <fmt/format.h>

namespace chainrule {

LabelledImages LabelledImages::head(std::int64_t count, SourceLocation location) const {
  if (count < 0 || count > images.count) {
    throw UsageError("head",
                     fmt::format("the first {} images of {} ({}): expected 0 to {}", count,
                                 images.count, source, images.count),
                     location);
  }
  LabelledImages result;
  result.images = {count, images.rows, images.columns, {}};
  result.images.pixels.assign(images.pixels.begin(),
                              images.pixels.begin() + count * images.rows * images.columns);
  result.labels.assign(labels.begin(), labels.begin() + count);
  result.source = count == images.count ? source : fmt::format("{}, the first {}", source, count);
  return result;
}

}  // namespace chainrule
