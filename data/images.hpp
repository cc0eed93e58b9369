// Images and their labels as they come from a file or a generator: bytes, not yet normalised.
#pragma once

#include <chainrule/autograd/storage/error.hpp>
#include <cstdint>
#include <string>
#include <vector>

namespace chainrule {

/// `count` grey images of `rows` x `columns` pixels each, row-major, one after the other; 0 is
/// paper and 255 is full ink.
struct Images {
  std::int64_t count = 0;            ///< of images
  std::int64_t rows = 0;             ///< of pixels in an image
  std::int64_t columns = 0;          ///< of pixels in an image
  std::vector<std::uint8_t> pixels;  ///< count * rows * columns bytes
};

/// Images with the class of each, and a word on where they come from, for run headers.
struct LabelledImages {
  Images images;                     ///< the pixels
  std::vector<std::int32_t> labels;  ///< the class of each image
  std::string source;                ///< "MNIST, training set"

  /// The first `count` images. Throws UsageError unless 0 <= count <= images.count.
  LabelledImages head(std::int64_t count,
                      SourceLocation location = SourceLocation::current()) const;
};

/// The two sets of MNIST, or of a stand-in. What the reports call the validation set is MNIST's
/// test set.
struct Mnist {
  LabelledImages train;       ///< to learn from
  LabelledImages validation;  ///< to judge by
};

}  // namespace chainrule
