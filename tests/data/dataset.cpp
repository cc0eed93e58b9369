// Normalisation, one-hot rows and the bias column.
#include <chainrule/data/dataset.hpp>

#include <boost/test/unit_test.hpp>

#include <cmath>
#include <limits>

#include <tests/data/temporary.hpp>

using namespace chainrule;

namespace {
LabelledImages sample() { return {{3, 1, 2, {0, 10, 20, 30, 255, 3}}, {2, 0, 1}, "sample"}; }
}  // namespace

BOOST_AUTO_TEST_CASE(statistics_are_the_definition) {
  const auto [mean, deviation] = pixel_statistics(sample().images);
  BOOST_TEST(mean == 53.0);
  // Sum of squares about the mean: 53^2 + 43^2 + 33^2 + 23^2 + 202^2 + 50^2.
  BOOST_TEST(deviation == std::sqrt(49580.0 / 6), boost::test_tools::tolerance(1e-15));
  BOOST_CHECK_EXCEPTION(pixel_statistics({}), UsageError, says("no pixels"));
}

BOOST_AUTO_TEST_CASE_TEMPLATE(rows_are_normalised, T, decltype(std::tuple<float, double>())) {
  const auto set = sample();
  const PixelStatistics statistics{50, 20};
  const auto plain = make_dataset<T>(set, statistics, BiasColumn::no, 4);
  const auto biased = make_dataset<T>(set, statistics, BiasColumn::yes, 4);
  BOOST_TEST((plain.x.shape() == Shape{3, 2}));
  BOOST_TEST((biased.x.shape() == Shape{3, 3}));
  BOOST_TEST((plain.y.shape() == Shape{3, 4}));
  BOOST_TEST(biased.size() == 3);
  BOOST_TEST(biased.inputs() == 3);
  BOOST_TEST(biased.classes() == 4);
  for (int n = 0; n < 3; ++n) {
    for (int i = 0; i < 2; ++i) {
      const auto expected = static_cast<T>((set.images.pixels[std::size_t(2 * n + i)] - 50.0) / 20);
      BOOST_TEST(plain.x(n, i) == expected);
      BOOST_TEST(biased.x(n, i) == expected);
    }
    BOOST_TEST(biased.x(n, 2) == T(1));
    for (int k = 0; k < 4; ++k) BOOST_TEST(plain.y(n, k) == T(k == set.labels[std::size_t(n)]));
  }
  BOOST_TEST(plain.labels == set.labels, boost::test_tools::per_element());
}

// A float is the normalised pixel rounded once: near the mean the difference of two floats would not be.
BOOST_AUTO_TEST_CASE_TEMPLATE(pixels_are_normalised_in_double, T,
                              decltype(std::tuple<float, double>())) {
  LabelledImages set{{1, 1, 256, {}}, {0}, "every pixel"};
  for (int v = 0; v < 256; ++v) set.images.pixels.push_back(static_cast<std::uint8_t>(v));
  const PixelStatistics statistics{33.55274553571429, 78.87550070784701};
  const auto data = make_dataset<T>(set, statistics, BiasColumn::no);
  for (int v = 0; v < 256; ++v) {
    BOOST_TEST(data.x(0, v) == static_cast<T>((v - statistics.mean) / statistics.deviation));
  }
}

BOOST_AUTO_TEST_CASE(own_statistics_give_mean_0_and_deviation_1) {
  const auto set = sample();
  const auto data = make_dataset<double>(set, pixel_statistics(set.images), BiasColumn::no);
  double sum = 0, squares = 0;
  for (const double x : data.x) sum += x, squares += x * x;
  BOOST_TEST(std::abs(sum) < 1e-14);
  BOOST_TEST(squares / 6 == 1.0, boost::test_tools::tolerance(1e-14));
}

BOOST_AUTO_TEST_CASE(rejects_what_it_cannot_use) {
  const auto make = [](const LabelledImages& set, PixelStatistics s, std::int32_t classes = 10) {
    return make_dataset<float>(set, s, BiasColumn::yes, classes);
  };
  auto set = sample();
  set.images.pixels.assign(6, 7);
  const auto constant = pixel_statistics(set.images);
  BOOST_TEST(constant.deviation == 0.0);
  BOOST_CHECK_EXCEPTION(make(set, constant), NumericError,
                        says("sample", "mean 7 and deviation 0", "are all pixels equal?"));
  BOOST_CHECK_THROW(make(set, {0, std::nan("")}), NumericError);
  BOOST_CHECK_THROW(make(set, {std::numeric_limits<double>::infinity(), 1}), NumericError);
  BOOST_CHECK_EXCEPTION(make(set, {0, 1}, 0), UsageError, says("0 classes"));

  BOOST_CHECK_EXCEPTION(make(sample(), {0, 1}, 2), LabelError,
                        says("label 2 at index 0, expected 0 to 1", "dataset.cpp"));
  set.labels[1] = -1;
  BOOST_CHECK_EXCEPTION(make(set, {0, 1}), LabelError, says("label -1 at index 1"));
  set.labels.pop_back();
  BOOST_CHECK_EXCEPTION(make(set, {0, 1}), ShapeError, says("2 labels, expected 3"));
  set.images.pixels.pop_back();
  BOOST_CHECK_EXCEPTION(make(set, {0, 1}), ShapeError, says("5 pixels, expected 3 x 1 x 2"));
}
