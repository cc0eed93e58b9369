// Random numbers: Random123's published vectors, golden values of our own (initial weights and data
// order must never change), and the distributions.
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <bit>
#include <boost/math/special_functions/erf.hpp>
#include <boost/test/unit_test.hpp>
#include <chainrule/autograd/storage/error.hpp>
#include <chainrule/autograd/storage/random.hpp>
#include <cmath>
#include <limits>
#include <numeric>
#include <set>
#include <string>
#include <vector>

using namespace chainrule;

namespace {

using Block = std::array<std::uint32_t, 4>;
/// The p-quantile of the standard normal distribution by Boost.Math. 2 p is exact.
long double quantile(double p) {
  return -std::sqrt(2.0L) * boost::math::erfc_inv(2 * static_cast<long double>(p));
}

}  // namespace

// The first three are philox4x32-10 in Random123's kat_vectors; `purpose` is the counter's last
// word, so that any value of it can be asked for.
BOOST_AUTO_TEST_CASE(blocks_are_those_of_random123s_known_answers) {
  BOOST_TEST(
      (Random(0, Purpose{0}, 0).block(0) == Block{0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8}));
  BOOST_TEST((Random(~std::uint64_t{0}, Purpose{0xffffffff}, 0xffffffff).block(~std::uint64_t{0}) ==
              Block{0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd}));
  BOOST_TEST(
      (Random(0x299f31d0a4093822, Purpose{0x03707344}, 0x13198a2e).block(0x85a308d3243f6a88) ==
       Block{0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1}));
}

BOOST_AUTO_TEST_CASE(two_indices_share_a_block) {
  const Random random(5, Purpose::test, 2);
  for (std::uint64_t i = 0; i < 10; ++i) {
    const Block words = random.block(i);
    BOOST_TEST(random.bits(2 * i) == (std::uint64_t{words[1]} << 32 | words[0]));
    BOOST_TEST(random.bits(2 * i + 1) == (std::uint64_t{words[3]} << 32 | words[2]));
  }
}

BOOST_AUTO_TEST_CASE(seed_purpose_epoch_and_index_all_matter) {
  std::set<std::uint64_t> seen;
  int count = 0;
  for (const std::uint64_t seed : {std::uint64_t{0}, std::uint64_t{1}, std::uint64_t{1} << 32}) {
    for (const Purpose purpose : {Purpose::weights, Purpose::shuffle, Purpose::test}) {
      for (const std::uint32_t epoch : {0u, 1u, 50u}) {
        for (const std::uint64_t index : {std::uint64_t{0}, std::uint64_t{1}, std::uint64_t{2},
                                          std::uint64_t{1} << 33, ~std::uint64_t{0}}) {
          seen.insert(Random(seed, purpose, epoch).bits(index));
          ++count;
        }
      }
    }
  }
  BOOST_TEST(seen.size() == static_cast<std::size_t>(count));
}

BOOST_AUTO_TEST_CASE(golden_values_never_change) {
  const Random random(2024, Purpose::weights, 3);
  BOOST_TEST(random.bits(0) == 0x5f37baed8471bc32u);
  const double uniforms[] = {0x1.7cdeebb611c6ep-2, 0x1.baf4816748aeep-2, 0x1.453297f859af5p-1,
                             0x1.b6989d2a454d8p-4, 0x1.d6d72e31efabcp-3, 0x1.fbf3ad3a7ed46p-2};
  const double normals[] = {-0x1.4e8cb6f8dba56p-2, -0x1.5bcdef17375f7p-3, 0x1.61d257178b171p-2,
                            -0x1.3e019e953ede7p+0, -0x1.7a742d78d8928p-1, -0x1.44b70923fee53p-7};
  for (std::uint64_t i = 0; i < 6; ++i) {
    BOOST_TEST(random.uniform(i) == uniforms[i], fmt::format("uniform {:a}", random.uniform(i)));
    BOOST_TEST(random.normal(i) == normals[i], fmt::format("normal {:a}", random.normal(i)));
  }
  // To the last bit, in the tails too, which take a logarithm: the C library's would not do.
  std::uint64_t sum = 0;
  for (std::uint64_t i = 0; i < 10'000; ++i) {
    sum = sum * 0x9e3779b97f4a7c15 + std::bit_cast<std::uint64_t>(random.normal(i));
  }
  BOOST_TEST(sum == 0xd21511606d8b5effu);
  BOOST_TEST(random.below(0, 1000) == 371u);
  const std::vector<std::int32_t> order = {0, 3, 10, 1, 11, 6, 2, 5, 9, 7, 4, 8};
  BOOST_TEST(Random(2024, Purpose::shuffle, 3).permutation(12) == order,
             boost::test_tools::per_element());
}

BOOST_AUTO_TEST_CASE(uniform_numbers_are_open_odd_multiples_and_evenly_spread) {
  const Random random(1, Purpose::test);
  constexpr int count = 400'000, cells = 100;
  std::vector<int> histogram(cells);
  double sum = 0, squares = 0;
  for (std::uint64_t i = 0; i < count; ++i) {
    const double u = random.uniform(i);
    BOOST_TEST_REQUIRE((u > 0 && u < 1));
    BOOST_TEST_REQUIRE(std::fmod(u * 0x1p53, 2) == 1);
    ++histogram[static_cast<std::size_t>(u * cells)];
    sum += u, squares += u * u;
  }
  const double mean = sum / count;
  BOOST_TEST(std::abs(mean - 0.5) < 5 * std::sqrt(1.0 / 12 / count));
  BOOST_TEST(std::abs(squares / count - mean * mean - 1.0 / 12) < 5 * std::sqrt(1.0 / 180 / count));
  double chi_square = 0;
  for (const int observed : histogram)
    chi_square += std::pow(observed - count / cells, 2) * cells / count;
  // 99 degrees of freedom: mean 99, standard deviation 14.
  BOOST_TEST((chi_square > 43 && chi_square < 170), chi_square);
  for (std::uint64_t i = 0; i < 1000; ++i) {
    const double u = random.uniform(i, -3, 5);
    BOOST_TEST_REQUIRE(u == -3 + 8 * random.uniform(i));
  }
}

BOOST_AUTO_TEST_CASE(normal_numbers_have_the_moments_and_tails_of_the_normal_distribution) {
  const Random random(1, Purpose::test, 1);
  constexpr int count = 400'000;
  double moments[5] = {};
  int beyond[4] = {};
  for (std::uint64_t i = 0; i < count; ++i) {
    const double x = random.normal(i);
    for (int k = 1; k < 5; ++k) moments[k] += std::pow(x, k) / count;
    for (int k = 1; k < 4; ++k) beyond[k] += std::abs(x) > k;
  }
  // Five standard deviations of each: the variances are 1, 2, 15 and 96.
  const double wanted[] = {1, 0, 1, 0, 3}, variances[] = {0, 1, 2, 15, 96};
  for (int k = 1; k < 5; ++k) {
    BOOST_TEST(std::abs(moments[k] - wanted[k]) < 5 * std::sqrt(variances[k] / count),
               "moment " << k);
  }
  for (int k = 1; k < 4; ++k) {
    const double p = std::erfc(k / std::sqrt(2.0));
    BOOST_TEST(std::abs(beyond[k] - p * count) < 5 * std::sqrt(p * count), "beyond " << k);
  }
}

BOOST_AUTO_TEST_CASE(normal_quantile_agrees_with_boost_math) {
  std::vector<double> points;
  for (int i = 1; i < 2000; ++i) points.push_back(i / 2000.0);
  for (int e = 1; e < 1070; e += 3) points.push_back(std::ldexp(1.0, -e) * 1.37);
  for (int e = 2; e < 54; ++e) {
    points.push_back(1 - std::ldexp(1.0, -e));
    points.push_back(0.5 + std::ldexp(1.0, -e));
  }
  // Both sides of the borders between its three rational functions.
  for (const double border : {0.075, 0.925, std::exp(-25.0)}) {
    points.push_back(std::nextafter(border, 0));
    points.push_back(border);
    points.push_back(std::nextafter(border, 1));
  }
  double largest = 0, worst = 0;
  for (const double p : points) {
    const long double wanted = quantile(p);
    const double error =
        p == 0.5 ? std::abs(normal_quantile(p))
                 : static_cast<double>(std::abs((normal_quantile(p) - wanted) / wanted));
    if (error > largest) largest = error, worst = p;
  }
  BOOST_TEST_MESSAGE(
      fmt::format("normal_quantile: relative error at most {:.2e}, at {}", largest, worst));
  BOOST_TEST(largest < 1.5e-15, fmt::format("{} at {:a}", largest, worst));
}

BOOST_AUTO_TEST_CASE(normal_quantile_is_odd_around_one_half_and_infinite_at_the_ends) {
  for (int e = 2; e < 50; ++e) {
    const double q = std::ldexp(1.0, -e);
    BOOST_TEST(normal_quantile(0.5 + q) == -normal_quantile(0.5 - q));
    BOOST_TEST(normal_quantile(1 - q) == -normal_quantile(q));
  }
  constexpr double infinity = std::numeric_limits<double>::infinity();
  BOOST_TEST(normal_quantile(0.5) == 0);
  BOOST_TEST(normal_quantile(0) == -infinity);
  BOOST_TEST(normal_quantile(1) == infinity);
  for (const double p : {-0.1, 1.1, infinity, -infinity, std::nan("")}) {
    BOOST_TEST(std::isnan(normal_quantile(p)));
  }
}

BOOST_AUTO_TEST_CASE(below_is_even_and_in_range) {
  const Random random(1, Purpose::test, 2);
  std::vector<int> histogram(7);
  for (std::uint64_t i = 0; i < 70'000; ++i) ++histogram.at(random.below(i, 7));
  double chi_square = 0;
  for (const int observed : histogram) chi_square += std::pow(observed - 10'000, 2) / 10'000;
  BOOST_TEST(chi_square < 28, chi_square);  // 6 degrees of freedom: 1e-4 of all samples are beyond
  BOOST_TEST(random.below(0, 1) == 0u);
  // The largest count: the upper 64 bits of bits * (2^64 - 1) are bits - 1, or 0.
  BOOST_TEST(random.below(3, ~std::uint64_t{0}) == random.bits(3) - 1);
  BOOST_CHECK_EXCEPTION(random.below(0, 0), UsageError, [](const UsageError& error) {
    return error.what() == std::string("[Random::below] a count of 0: expected at least 1");
  });
}

BOOST_AUTO_TEST_CASE(a_permutation_holds_every_number_once) {
  for (const std::int32_t count : {0, 1, 2, 3, 100, 20'000}) {
    const Random random(9, Purpose::shuffle, 4);
    std::vector<std::int32_t> order = random.permutation(count), again(order.size(), -1);
    random.permute(again);
    BOOST_TEST((again == order));
    std::sort(order.begin(), order.end());
    for (std::int32_t i = 0; i < count; ++i)
      BOOST_TEST_REQUIRE(order[static_cast<std::size_t>(i)] == i);
  }
  BOOST_TEST((Random(9, Purpose::shuffle, 4).permutation(100) !=
              Random(9, Purpose::shuffle, 5).permutation(100)));
  BOOST_CHECK_EXCEPTION(
      Random(9, Purpose::shuffle).permutation(-1), UsageError, [](const UsageError& error) {
        return error.what() ==
               std::string("[Random::permutation] a count of -1: expected at least 0");
      });
}

// All 24 orders of four, and every number at every place of ten, come up equally often.
BOOST_AUTO_TEST_CASE(permutations_are_uniform) {
  constexpr int rounds = 48'000;
  std::vector<int> orders(256), places(100);
  for (std::uint32_t epoch = 0; epoch < rounds; ++epoch) {
    const Random random(1, Purpose::shuffle, epoch);
    int code = 0;
    for (const std::int32_t entry : random.permutation(4)) code = code * 4 + entry;
    ++orders[static_cast<std::size_t>(code)];
    const std::vector<std::int32_t> ten = random.permutation(10);
    for (std::size_t i = 0; i < 10; ++i) ++places[i * 10 + static_cast<std::size_t>(ten[i])];
  }
  const auto chi_square = [](const std::vector<int>& counts, double wanted) {
    return std::accumulate(counts.begin(), counts.end(), 0.0, [&](double sum, int observed) {
      return observed == 0 ? sum : sum + (observed - wanted) * (observed - wanted) / wanted;
    });
  };
  BOOST_TEST(std::count(orders.begin(), orders.end(), 0) == 256 - 24);
  BOOST_TEST(std::count(places.begin(), places.end(), 0) == 0);
  // Degrees of freedom: 23, and 81 for the doubly constrained table; 1e-4 of all samples are
  // beyond.
  BOOST_TEST(chi_square(orders, rounds / 24.0) < 58);
  BOOST_TEST(chi_square(places, rounds / 10.0) < 135);
}
