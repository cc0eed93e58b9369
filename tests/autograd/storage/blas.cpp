// The BLAS wrapper against loops, in every combination of flags and in sizes down to nothing.
#include <fmt/format.h>

#include <boost/test/unit_test.hpp>
#include <chainrule/autograd/storage/blas.hpp>
#include <chainrule/autograd/storage/error.hpp>
#include <chainrule/autograd/storage/random.hpp>
#include <cmath>
#include <limits>
#include <string>
#include <thread>
#include <tuple>
#include <vector>

using namespace chainrule;
using Scalars = std::tuple<float, double>;

namespace {

template <class T>
std::vector<T> normals(std::int64_t n, std::uint32_t stream) {
  const Random random(7, Purpose::test, stream);
  std::vector<T> x(static_cast<std::size_t>(n));
  for (std::size_t i = 0; i < x.size(); ++i) x[i] = static_cast<T>(random.normal(i));
  return x;
}

/// C = op(A) op(B) + C in long double, and next to it the sum of the terms' magnitudes, by
/// which rounding errors are measured.
template <class T>
struct Naive {
  std::vector<long double> value, magnitude;

  Naive(bool ta, bool tb, std::int64_t m, std::int64_t n, std::int64_t k, const std::vector<T>& a,
        const std::vector<T>& b, const std::vector<T>& c) {
    for (std::int64_t i = 0; i < m; ++i) {
      for (std::int64_t j = 0; j < n; ++j) {
        long double sum = c[static_cast<std::size_t>(i * n + j)], size = std::abs(sum);
        for (std::int64_t l = 0; l < k; ++l) {
          const long double left = a[static_cast<std::size_t>(ta ? l * m + i : i * k + l)];
          const long double right = b[static_cast<std::size_t>(tb ? j * k + l : l * n + j)];
          sum += left * right;
          size += std::abs(left * right);
        }
        value.push_back(sum);
        magnitude.push_back(size);
      }
    }
  }
};

template <class T>
void check_gemm(bool ta, bool tb, std::int64_t m, std::int64_t n, std::int64_t k, bool accumulate) {
  const std::vector<T> a = normals<T>(m * k, 1), b = normals<T>(k * n, 2), c = normals<T>(m * n, 3);
  // One entry more behind C must stay, and what C held must not matter without `accumulate`.
  std::vector<T> result =
      accumulate ? c : std::vector<T>(c.size(), std::numeric_limits<T>::quiet_NaN());
  result.push_back(42);
  blas::gemm(ta, tb, m, n, k, a.data(), b.data(), result.data(), accumulate);
  const Naive<T> wanted(ta, tb, m, n, k, a, b, accumulate ? c : std::vector<T>(c.size()));
  for (std::size_t i = 0; i < c.size(); ++i) {
    const long double error = std::abs(result[i] - wanted.value[i]);
    const long double bound =
        static_cast<long double>(k + 3) * std::numeric_limits<T>::epsilon() * wanted.magnitude[i];
    BOOST_TEST_REQUIRE(error <= bound, fmt::format("gemm({}, {}, {}, {}, {}, {}): entry {} is {}",
                                                   ta, tb, m, n, k, accumulate, i, result[i]));
  }
  BOOST_TEST_REQUIRE(result.back() == 42);
}

}  // namespace

BOOST_AUTO_TEST_CASE_TEMPLATE(gemm_agrees_with_loops, T, Scalars) {
  const Random random(3, Purpose::test);
  std::uint64_t place = 0;
  const auto size = [&] { return static_cast<std::int64_t>(random.below(place++, 18)); };
  for (int round = 0; round < 400; ++round) {
    const std::int64_t m = size(), n = size(), k = size();
    for (int flags = 0; flags < 8; ++flags) {
      check_gemm<T>((flags & 1) != 0, (flags & 2) != 0, m, n, k, (flags & 4) != 0);
    }
  }
}

BOOST_AUTO_TEST_CASE_TEMPLATE(gemm_agrees_with_loops_in_a_trainers_sizes, T, Scalars) {
  for (int flags = 0; flags < 8; ++flags) {
    const bool ta = (flags & 1) != 0, tb = (flags & 2) != 0, accumulate = (flags & 4) != 0;
    check_gemm<T>(ta, tb, 32, 64, 785, accumulate);
    check_gemm<T>(ta, tb, 785, 64, 32, accumulate);
    check_gemm<T>(ta, tb, 32, 10, 64, accumulate);
    check_gemm<T>(ta, tb, 1, 64, 785, accumulate);
    check_gemm<T>(ta, tb, 64, 1, 785, accumulate);
    // By rows, with full and with broken panels; one too wide for it.
    check_gemm<T>(ta, tb, 25, 64, 785, accumulate);
    check_gemm<T>(ta, tb, 17, 128, 785, accumulate);
    check_gemm<T>(ta, tb, 21, 200, 785, accumulate);
    check_gemm<T>(ta, tb, 785, 128, 33, accumulate);
    check_gemm<T>(ta, tb, 100, 300, 64, accumulate);
    check_gemm<T>(ta, tb, 300, 64, 65, accumulate);
  }
}

BOOST_AUTO_TEST_CASE_TEMPLATE(gemm_of_nothing_is_nothing_or_zero, T, Scalars) {
  for (int flags = 0; flags < 4; ++flags) {
    const bool ta = (flags & 1) != 0, tb = (flags & 2) != 0;
    for (const bool accumulate : {false, true}) {
      check_gemm<T>(ta, tb, 0, 0, 0, accumulate);
      check_gemm<T>(ta, tb, 0, 5, 3, accumulate);
      check_gemm<T>(ta, tb, 5, 0, 3, accumulate);
      check_gemm<T>(ta, tb, 5, 3, 0, accumulate);
      blas::gemm<T>(ta, tb, 0, 0, 0, nullptr, nullptr, nullptr, accumulate);
      std::vector<T> c = {1, 2};
      blas::gemm<T>(ta, tb, 1, 2, 0, nullptr, nullptr, c.data(), accumulate);
      BOOST_TEST((c == (accumulate ? std::vector<T>{1, 2} : std::vector<T>{0, 0})));
    }
  }
}

// Also against zeros in B: 0 NaN is NaN. What C held before is not read, NaN or not (check_gemm).
BOOST_AUTO_TEST_CASE_TEMPLATE(not_a_number_is_never_swallowed, T, Scalars) {
  const T nan = std::numeric_limits<T>::quiet_NaN();
  for (int flags = 0; flags < 4; ++flags) {
    std::vector<T> a(20, 1), b(20, 0), c(16, 5);
    a[(flags & 1) != 0 ? 1 : 5] = nan;  // row 1 of op(A)
    blas::gemm<T>((flags & 1) != 0, (flags & 2) != 0, 4, 4, 5, a.data(), b.data(), c.data(), true);
    for (std::size_t i = 0; i < 16; ++i) {
      BOOST_TEST(std::isnan(c[i]) == (i / 4 == 1), "entry " << i);
      if (i / 4 != 1) BOOST_TEST(c[i] == 5);
    }
  }
  std::vector<T> x(9, 1), y(9, 2);
  x[3] = nan;
  blas::axpy<T>(9, 0, x.data(), y.data());
  for (std::size_t i = 0; i < 9; ++i) {
    BOOST_TEST(std::isnan(y[i]) == (i == 3));
    if (i != 3) BOOST_TEST(y[i] == 2);
  }
}

BOOST_AUTO_TEST_CASE_TEMPLATE(axpy_agrees_with_a_loop, T, Scalars) {
  for (std::int64_t n = 0; n < 70; ++n) {
    const std::vector<T> x = normals<T>(n, 1), y = normals<T>(n, 2);
    std::vector<T> sum = y;
    sum.push_back(42);
    blas::axpy<T>(n, T(0.3), x.data(), sum.data());
    for (std::size_t i = 0; i < x.size(); ++i) {
      const long double wanted = y[i] + static_cast<long double>(T(0.3)) * x[i];
      const long double size = std::abs(y[i]) + std::abs(x[i]);
      BOOST_TEST_REQUIRE(std::abs(sum[i] - wanted) <= std::numeric_limits<T>::epsilon() * size);
    }
    BOOST_TEST_REQUIRE(sum.back() == 42);
  }
}

BOOST_AUTO_TEST_CASE(dimensions_beyond_openblas_are_refused_before_anything_is_written) {
  const std::int64_t large = std::int64_t{1} << 31;
  float c = 42;
  const auto is = [](const ShapeError& error) {
    return std::string(error.what()).find("dimension 2147483648 is beyond the 2147483647") !=
           std::string::npos;
  };
  BOOST_CHECK_EXCEPTION(blas::gemm<float>(false, false, 1, 1, large, &c, &c, &c), ShapeError, is);
  BOOST_CHECK_EXCEPTION(blas::gemm<float>(false, false, large, 1, 1, &c, &c, &c), ShapeError, is);
  BOOST_CHECK_EXCEPTION(blas::gemm<float>(false, false, 1, large, 1, &c, &c, &c), ShapeError, is);
  BOOST_CHECK_EXCEPTION(blas::axpy<float>(large, 1, &c, &c), ShapeError, is);
  BOOST_TEST(c == 42);
}

BOOST_AUTO_TEST_CASE(threads_are_one_until_the_program_says_otherwise) {
  BOOST_TEST(blas::threads() == 1);
  for (const int count : {0, -3}) {
    BOOST_CHECK_EXCEPTION(blas::set_threads(count), UsageError, [count](const UsageError& error) {
      return error.what() ==
             fmt::format("[blas::set_threads] {} threads: expected at least 1", count);
    });
  }
  BOOST_TEST(blas::threads() == 1);
  if (std::thread::hardware_concurrency() >= 2) {
    blas::set_threads(2);
    BOOST_TEST(blas::threads() == 2);
    check_gemm<float>(false, true, 100, 90, 80, false);
  }
  blas::set_threads(1);
  BOOST_TEST(blas::threads() == 1);
}

BOOST_AUTO_TEST_CASE(the_description_names_the_library_and_the_core) {
  BOOST_TEST(blas::description().find("OpenBLAS") != std::string::npos);
  BOOST_TEST_MESSAGE(blas::description());
}
