// The real MNIST, which CHAINRULE_DATA names; without it the test is skipped, and says so.
#include <chainrule/data/dataset.hpp>
#include <chainrule/data/idx.hpp>

#include <fmt/format.h>
#include <boost/test/unit_test.hpp>

#include <array>
#include <cstdio>
#include <cstdlib>

using namespace chainrule;

namespace {

/// 77 is CTest's SKIP_RETURN_CODE. A directory that is set and cannot be read is a failure.
struct NeedsData {
  NeedsData() {
    const char* directory = std::getenv("CHAINRULE_DATA");
    if (directory != nullptr && *directory != '\0') return;
    fmt::print(
        "SKIPPED: CHAINRULE_DATA is not set; it names a directory with the files of MNIST\n");
    std::fflush(stdout);
    std::_Exit(77);
  }
};
BOOST_TEST_GLOBAL_FIXTURE(NeedsData);

}  // namespace

BOOST_AUTO_TEST_CASE(has_the_statistics_of_the_reports) {
  const auto mnist = read_mnist(std::getenv("CHAINRULE_DATA"));
  BOOST_TEST(mnist.train.images.count == 60000);
  BOOST_TEST(mnist.validation.images.count == 10000);
  BOOST_TEST(mnist.train.images.rows == 28);
  BOOST_TEST(mnist.train.images.columns == 28);

  // R15: reports 001 and 002, over the first 20,000 training images.
  const auto train = mnist.train.head(20000);
  const auto [mean, deviation] = pixel_statistics(train.images);
  fmt::print("mean {} deviation {}\n", mean, deviation);
  BOOST_TEST(mean == 33.55274553571429, boost::test_tools::tolerance(1e-13));
  BOOST_TEST(deviation == 78.87550070784701, boost::test_tools::tolerance(1e-13));

  const auto data = make_dataset<float>(train, {mean, deviation}, BiasColumn::yes);
  BOOST_TEST((data.x.shape() == Shape{20000, 785}));
  BOOST_TEST((data.y.shape() == Shape{20000, 10}));
}

BOOST_AUTO_TEST_CASE(has_its_known_label_counts) {
  const auto mnist = read_mnist(std::getenv("CHAINRULE_DATA"));
  std::array<int, 10> counts{};
  for (const auto label : mnist.validation.labels) ++counts[static_cast<std::size_t>(label)];
  const std::array<int, 10> expected{980, 1135, 1032, 1010, 982, 892, 958, 1028, 974, 1009};
  BOOST_TEST(counts == expected, boost::test_tools::per_element());
}
