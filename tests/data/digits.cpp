// Synthetic digits: the same for ever, balanced, and each image its own.
#include <chainrule/data/digits.hpp>

#include <zlib.h>
#include <boost/test/unit_test.hpp>

#include <algorithm>
#include <array>
#include <cmath>
#include <span>

#include <tests/data/temporary.hpp>

using namespace chainrule;

namespace {

unsigned long checksum(const LabelledImages& set) {
  auto crc = crc32(0, set.images.pixels.data(), static_cast<uInt>(set.images.pixels.size()));
  for (const auto label : set.labels) {
    const auto byte = static_cast<Bytef>(label);
    crc = crc32(crc, &byte, 1);
  }
  return crc;
}

std::span<const std::uint8_t> image(const LabelledImages& set, std::size_t index) {
  return std::span(set.images.pixels).subspan(index * 784, 784);
}

}  // namespace

BOOST_AUTO_TEST_CASE(the_digits_never_change) {
  const auto set = synthetic_digits(100, 1);
  BOOST_TEST(set.images.count == 100);
  BOOST_TEST(set.images.rows == 28);
  BOOST_TEST(set.images.columns == 28);
  BOOST_TEST(set.source == "synthetic digits, seed 1");
  BOOST_TEST(checksum(set) == 2860002398ul);
}

BOOST_AUTO_TEST_CASE(an_image_depends_on_seed_and_number_alone) {
  const auto many = synthetic_digits(60, 7), few = synthetic_digits(10, 7),
             later = synthetic_digits(10, 7, 50);
  for (std::size_t i = 0; i < 10; ++i) {
    BOOST_TEST(std::ranges::equal(image(few, i), image(many, i)));
    BOOST_TEST(std::ranges::equal(image(later, i), image(many, 50 + i)));
    BOOST_TEST(later.labels[i] == many.labels[50 + i]);
  }
  BOOST_TEST(checksum(synthetic_digits(10, 8)) != checksum(few));
  for (std::size_t i = 0; i < 60; ++i) {
    for (std::size_t j = 0; j < i; ++j) {
      BOOST_TEST(!std::ranges::equal(image(many, i), image(many, j)));
    }
  }
}

BOOST_AUTO_TEST_CASE(training_and_validation_sets_are_apart) {
  const auto mnist = synthetic_mnist(50, 20, 3);
  BOOST_TEST(mnist.train.images.count == 50);
  BOOST_TEST(mnist.validation.images.count == 20);
  BOOST_TEST(checksum(mnist.train) == checksum(synthetic_digits(50, 3)));
  BOOST_TEST(checksum(synthetic_mnist(5, 20, 3).validation) == checksum(mnist.validation));
  for (std::size_t i = 0; i < 20; ++i) {
    for (std::size_t j = 0; j < 50; ++j) {
      BOOST_TEST(!std::ranges::equal(image(mnist.validation, i), image(mnist.train, j)));
    }
  }
}

BOOST_AUTO_TEST_CASE(labels_are_balanced_and_pictures_have_ink) {
  const auto set = synthetic_digits(5000, 1);
  std::array<int, 10> counts{};
  for (std::size_t i = 0; i < 5000; ++i) {
    ++counts[static_cast<std::size_t>(set.labels[i])];
    const auto pixels = image(set, i);
    const auto dark = std::ranges::count_if(pixels, [](std::uint8_t p) { return p > 100; });
    BOOST_TEST(dark > 8);
    BOOST_TEST(dark < 784 / 2);
  }
  // Binomial: mean 500, deviation 21; 5 of those are out of reach of chance.
  for (const int count : counts) BOOST_TEST(std::abs(count - 500) < 106);
}

BOOST_AUTO_TEST_CASE(digits_look_like_their_own_class) {
  // The nearest class mean of 4,000 digits, a crude witness, names most of 1,000 others: far from
  // chance (10 %), and far from all, since hands differ.
  const auto train = synthetic_digits(4000, 1), other = synthetic_digits(1000, 1, 4000);
  std::array<std::array<double, 784>, 10> means{};
  std::array<double, 10> counts{};
  for (std::size_t n = 0; n < 4000; ++n) {
    const auto label = static_cast<std::size_t>(train.labels[n]);
    ++counts[label];
    for (std::size_t i = 0; i < 784; ++i) means[label][i] += image(train, n)[i];
  }
  int right = 0;
  for (std::size_t n = 0; n < 1000; ++n) {
    std::array<double, 10> distances{};
    for (std::size_t k = 0; k < 10; ++k) {
      for (std::size_t i = 0; i < 784; ++i) {
        const double d = image(other, n)[i] - means[k][i] / counts[k];
        distances[k] += d * d;
      }
    }
    right += std::ranges::min_element(distances) - distances.begin() == other.labels[n];
  }
  BOOST_TEST_MESSAGE("nearest mean: " << right << " of 1000");
  BOOST_TEST(right > 550);
  BOOST_TEST(right < 900);
}

BOOST_AUTO_TEST_CASE(rejects_counts_out_of_range) {
  BOOST_CHECK_EXCEPTION(synthetic_digits(-1, 1), UsageError,
                        says("-1 images from number 0", "digits.cpp"));
  BOOST_CHECK_THROW(synthetic_digits(1, 1, std::int64_t{1} << 32), UsageError);
  BOOST_CHECK_THROW(synthetic_digits(1, 1, -1), UsageError);
  BOOST_CHECK_THROW(synthetic_mnist((std::int64_t{1} << 31) + 1, 0, 1), UsageError);
  BOOST_TEST(synthetic_digits(0, 1).images.pixels.empty());
  BOOST_TEST(synthetic_digits(1, 1, (std::int64_t{1} << 32) - 1).images.count == 1);
}
