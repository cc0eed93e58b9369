// Synthetic digits: hand-written numerals drawn by a generator, so that everything runs offline.
#pragma once

#include <chainrule/autograd/storage/error.hpp>
#include <chainrule/data/images.hpp>
#include <cstdint>

namespace chainrule {

/// `count` images of 28 x 28 pixels and their labels 0 to 9, in MNIST's format: a pen draws one of
/// two or three styles of each digit along splines, with its own slant, size, turn, place, width,
/// pressure and trembling; noise and specks follow. Image i depends on `seed` and `first` + i alone
/// (Random(seed, Purpose::digits, first + i)), neither on the count nor on other images. Labels
/// are uniform and independent.
/// Throws UsageError unless count >= 0 and first + count <= 2^32.
LabelledImages synthetic_digits(std::int64_t count, std::uint64_t seed, std::int64_t first = 0,
                                SourceLocation location = SourceLocation::current());

/// A training and a validation set of one seed, which share no image: training images are numbered
/// from 0, validation images from 2^31, so that neither depends on the other's count.
/// Throws UsageError unless both counts are 0 to 2^31.
Mnist synthetic_mnist(std::int64_t train_count, std::int64_t validation_count, std::uint64_t seed,
                      SourceLocation location = SourceLocation::current());

}  // namespace chainrule
