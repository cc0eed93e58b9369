// Batches: every epoch a permutation, the same for the same seed, in buffers that never move.
#include <chainrule/autograd/storage/random.hpp>
#include <chainrule/data/batches.hpp>

#include <boost/test/unit_test.hpp>

#include <algorithm>
#include <numeric>
#include <type_traits>

#include <tests/data/temporary.hpp>

using namespace chainrule;

namespace {

/// Row n holds n, -n and n / 2, so that a batch tells which samples it has.
template <class T>
Dataset<T> numbered(std::int32_t count) {
  Dataset<T> data{Tensor<T>({count, 3}), Tensor<T>({count, 10}), {}};
  for (std::int32_t n = 0; n < count; ++n) {
    data.x(n, 0) = T(n), data.x(n, 1) = T(-n), data.x(n, 2) = T(n) / 2;
    data.y(n, n % 10) = 1;
    data.labels.push_back(n % 10);
  }
  return data;
}

/// The samples of an epoch in their order, having checked that x, y and labels belong together.
template <class T>
std::vector<std::int32_t> samples(Batches<T>& batches, std::uint32_t epoch) {
  std::vector<std::int32_t> result;
  for (std::int64_t index = 0; index < batches.per_epoch(); ++index) {
    batches.load(epoch, index);
    const auto x = batches.x(), y = batches.y();
    BOOST_REQUIRE((x.shape() == Shape{batches.rows(), 3}));
    BOOST_REQUIRE((y.shape() == Shape{batches.rows(), 10}));
    BOOST_REQUIRE(std::ssize(batches.labels()) == batches.rows());
    for (std::int64_t row = 0; row < batches.rows(); ++row) {
      const auto n = static_cast<std::int32_t>(x(row, 0));
      BOOST_REQUIRE(x(row, 1) == T(-n));
      BOOST_REQUIRE(x(row, 2) == T(n) / 2);
      for (int k = 0; k < 10; ++k) BOOST_REQUIRE(y(row, k) == T(k == n % 10));
      BOOST_REQUIRE(batches.labels()[static_cast<std::size_t>(row)] == n % 10);
      result.push_back(n);
    }
  }
  return result;
}

std::vector<std::int32_t> counted(std::int32_t count) {
  std::vector<std::int32_t> result(static_cast<std::size_t>(count));
  std::iota(result.begin(), result.end(), 0);
  return result;
}

}  // namespace

static_assert(!std::is_constructible_v<Batches<float>, Dataset<float>, std::int64_t, std::uint64_t,
                                       Shuffle, LastBatch>,
              "a temporary data set must not bind");
static_assert(!std::is_copy_constructible_v<Batches<float>>);
static_assert(!std::is_move_constructible_v<Batches<float>>);

BOOST_AUTO_TEST_CASE_TEMPLATE(epochs_are_permutations, T, decltype(std::tuple<float, double>())) {
  const auto data = numbered<T>(100);
  Batches<T> batches(data, 8, 42, Shuffle::yes, LastBatch::keep);
  BOOST_TEST(batches.per_epoch() == 13);
  BOOST_TEST(batches.rows() == 0);
  std::vector<std::vector<std::int32_t>> epochs;
  for (std::uint32_t epoch = 0; epoch < 4; ++epoch) {
    auto order = samples(batches, epoch);
    BOOST_TEST(batches.rows() == 4);  // the ragged last batch
    BOOST_TEST(order == Random(42, Purpose::shuffle, epoch).permutation(100),
               boost::test_tools::per_element());
    BOOST_TEST((std::find(epochs.begin(), epochs.end(), order) == epochs.end()));
    epochs.push_back(order);
    std::sort(order.begin(), order.end());
    BOOST_TEST(order == counted(100), boost::test_tools::per_element());
  }
  // The same seed gives the same order in any sequence of epochs; another seed gives another.
  Batches<T> again(data, 8, 42, Shuffle::yes, LastBatch::keep);
  Batches<T> other(data, 8, 43, Shuffle::yes, LastBatch::keep);
  for (const std::uint32_t epoch : {2u, 0u, 3u}) {
    BOOST_TEST(samples(again, epoch) == epochs[epoch], boost::test_tools::per_element());
    BOOST_TEST((samples(other, epoch) != epochs[epoch]));
  }
}

BOOST_AUTO_TEST_CASE(the_order_never_changes) {
  const auto data = numbered<float>(20000);
  Batches<float> batches(data, 8, 1, Shuffle::yes, LastBatch::drop);
  const auto first = [&](std::uint32_t epoch) {
    batches.load(epoch, 0);
    std::vector<int> result;
    for (int row = 0; row < 8; ++row) result.push_back(static_cast<int>(batches.x()(row, 0)));
    return result;
  };
  const std::vector<int> epoch0{10967, 9941, 15557, 4568, 10734, 10597, 11525, 3862};
  const std::vector<int> epoch1{12447, 1130, 9052, 8433, 8534, 8830, 17804, 12504};
  BOOST_TEST(first(0) == epoch0, boost::test_tools::per_element());
  BOOST_TEST(first(1) == epoch1, boost::test_tools::per_element());
}

BOOST_AUTO_TEST_CASE(without_shuffling_the_order_is_that_of_the_data) {
  const auto data = numbered<float>(30);
  Batches<float> batches(data, 7, 42, Shuffle::no, LastBatch::keep);
  for (const std::uint32_t epoch : {0u, 5u}) {
    BOOST_TEST(samples(batches, epoch) == counted(30), boost::test_tools::per_element());
  }
}

BOOST_AUTO_TEST_CASE(a_ragged_last_batch_is_kept_or_dropped) {
  const auto data = numbered<float>(30);
  Batches<float> dropped(data, 7, 42, Shuffle::no, LastBatch::drop);
  BOOST_TEST(dropped.per_epoch() == 4);
  BOOST_TEST(samples(dropped, 0) == counted(28), boost::test_tools::per_element());
  for (const auto last : {LastBatch::keep, LastBatch::drop}) {
    Batches<float> even(data, 10, 42, Shuffle::no, last);
    BOOST_TEST(even.per_epoch() == 3);
  }
  Batches<float> whole(data, 100, 42, Shuffle::yes, LastBatch::keep);
  BOOST_TEST(whole.per_epoch() == 1);
  BOOST_TEST(samples(whole, 0).size() == 30u);
}

BOOST_AUTO_TEST_CASE(buffers_stay_where_they_are) {
  const auto data = numbered<float>(30);
  Batches<float> batches(data, 7, 42, Shuffle::yes, LastBatch::keep);
  const auto *x = batches.x().data(), *y = batches.y().data();
  const auto* labels = batches.labels().data();
  for (std::uint32_t epoch = 0; epoch < 3; ++epoch) {
    for (std::int64_t index = 0; index < batches.per_epoch(); ++index) {
      batches.load(epoch, index);
      BOOST_TEST(batches.x().data() == x);
      BOOST_TEST(batches.y().data() == y);
      BOOST_TEST(batches.labels().data() == labels);
    }
  }
}

BOOST_AUTO_TEST_CASE(rejects_what_makes_no_batch) {
  const auto data = numbered<float>(30), empty = numbered<float>(0);
  using B = Batches<float>;
  BOOST_CHECK_EXCEPTION(B(data, 0, 1, Shuffle::no, LastBatch::keep), UsageError,
                        says("batch size 0 for 30 samples, expected at least 1", "batches.cpp"));
  BOOST_CHECK_EXCEPTION(B(data, 31, 1, Shuffle::no, LastBatch::drop), UsageError,
                        says("batch size 31 for 30 samples, expected 1 to 30"));
  BOOST_CHECK_EXCEPTION(B(empty, 1, 1, Shuffle::no, LastBatch::keep), UsageError,
                        says("0 samples"));
  B batches(data, 7, 1, Shuffle::no, LastBatch::keep);
  BOOST_CHECK_EXCEPTION(batches.load(0, 5), UsageError, says("batch 5, expected 0 to 4"));
  BOOST_CHECK_THROW(batches.load(0, -1), UsageError);
}
