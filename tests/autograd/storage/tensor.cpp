// Tensors as values: what copies share (nothing), what assignment keeps (the address), and views.
#include <boost/test/unit_test.hpp>
#include <chainrule/autograd/storage/tensor.hpp>
#include <cmath>
#include <cstdint>
#include <limits>
#include <string>
#include <tuple>
#include <type_traits>
#include <utility>
#include <vector>

using namespace chainrule;
using Scalars = std::tuple<float, double>;

namespace {

template <class T>
bool aligned(const T* pointer) {
  return reinterpret_cast<std::uintptr_t>(pointer) % alignment == 0;
}

template <class T>
std::vector<T> values(const Tensor<T>& tensor) {
  return {tensor.begin(), tensor.end()};
}

}  // namespace

BOOST_AUTO_TEST_CASE_TEMPLATE(a_tensor_starts_empty_or_zero_or_filled, T, Scalars) {
  const Tensor<T> empty;
  BOOST_TEST(to_string(empty.shape()) == "(0,)");
  BOOST_TEST(empty.size() == 0);
  BOOST_TEST((values(empty).empty()));
  BOOST_TEST((values(Tensor<T>({2, 2})) == std::vector<T>{0, 0, 0, 0}));
  BOOST_TEST((values(Tensor<T>::filled({3}, T(1.5))) == std::vector<T>{T(1.5), T(1.5), T(1.5)}));
  BOOST_TEST((values(Tensor<T>(Shape{}, {T(7)})) == std::vector<T>{7}));
}

BOOST_AUTO_TEST_CASE_TEMPLATE(entries_lie_in_row_major_order, T, Scalars) {
  Tensor<T> a({2, 3}, {0, 1, 2, 3, 4, 5});
  BOOST_TEST(a(0, 2) == 2);
  BOOST_TEST(a(1, 0) == 3);
  BOOST_TEST(a[4] == 4);
  a(1, 1) = 40;
  BOOST_TEST(a[4] == 40);
  BOOST_TEST(a.view()(1, 1) == 40);
}

BOOST_AUTO_TEST_CASE_TEMPLATE(every_buffer_is_aligned, T, Scalars) {
  std::vector<Tensor<T>> tensors;
  for (std::int64_t n = 0; n < 100; ++n) {
    tensors.emplace_back(Shape{n});
    tensors.push_back(tensors.back());
    BOOST_TEST_REQUIRE(aligned(tensors.back().data()));
  }
}

BOOST_AUTO_TEST_CASE_TEMPLATE(a_copy_shares_nothing, T, Scalars) {
  const Tensor<T> a({2}, {1, 2});
  Tensor<T> b = a;
  b[0] = 9;
  BOOST_TEST(a[0] == 1);
  BOOST_TEST(a.data() != b.data());
  Tensor<T> c(a.view());
  c[1] = 9;
  BOOST_TEST(a[1] == 2);
}

// Leaves are addresses: a tensor that is bound to a tape stays bound when a new batch is assigned.
BOOST_AUTO_TEST_CASE_TEMPLATE(assigning_as_many_entries_keeps_the_address, T, Scalars) {
  Tensor<T> a({2, 3});
  const T* const address = a.data();
  const Tensor<T> same({2, 3}, {1, 2, 3, 4, 5, 6}), folded({6}, {6, 5, 4, 3, 2, 1}),
      other({2}, {7, 8});
  a = same;
  BOOST_TEST(a.data() == address);
  BOOST_TEST(values(a) == values(same));
  a = folded;
  BOOST_TEST(a.data() == address);
  BOOST_TEST((a.shape() == Shape{6}));
  BOOST_TEST(values(a) == values(folded));
  a = other;
  BOOST_TEST((a.shape() == Shape{2}));
  BOOST_TEST(values(a) == values(other));
  a = Tensor<T>();
  BOOST_TEST(a.size() == 0);
  const Tensor<T> empty;
  a = empty;
  BOOST_TEST((a.shape() == Shape{0}));
}

BOOST_AUTO_TEST_CASE_TEMPLATE(assigning_a_tensor_to_itself_changes_nothing, T, Scalars) {
  Tensor<T> a({2}, {1, 2});
  const Tensor<T>& copied = a;
  a = copied;
  BOOST_TEST((values(a) == std::vector<T>{1, 2}));
  Tensor<T>& moved = a;
  a = std::move(moved);
  BOOST_TEST((values(a) == std::vector<T>{1, 2}));
}

BOOST_AUTO_TEST_CASE_TEMPLATE(a_moved_tensor_keeps_its_address_and_leaves_an_empty_one, T,
                              Scalars) {
  Tensor<T> a({2}, {1, 2});
  const T* const address = a.data();
  Tensor<T> b = std::move(a);
  BOOST_TEST(b.data() == address);
  BOOST_TEST((a.shape() == Shape{0}));
  BOOST_TEST(a.begin() == a.end());
  Tensor<T> c({5});
  c = std::move(b);
  BOOST_TEST(c.data() == address);
  BOOST_TEST((b.shape() == Shape{0}));
  const Tensor<T> copy_of_moved = b;
  BOOST_TEST(copy_of_moved.size() == 0);
  b = c;
  BOOST_TEST((values(b) == std::vector<T>{1, 2}));
}

BOOST_AUTO_TEST_CASE_TEMPLATE(a_wrong_number_of_values_is_refused, T, Scalars) {
  const auto is = [](std::string wanted) {
    return [wanted](const ShapeError& error) { return error.what() == wanted; };
  };
  BOOST_CHECK_EXCEPTION(Tensor<T>({2, 3}, {1, 2}), ShapeError,
                        is("[Tensor] 2 values for shape (2, 3): expected 6"));
  BOOST_CHECK_EXCEPTION(Tensor<T>({0}, {1}), ShapeError,
                        is("[Tensor] 1 values for shape (0,): expected 0"));
  // The count is compared before anything is allocated.
  BOOST_CHECK_EXCEPTION(
      Tensor<T>(Shape{std::int64_t{1} << 50}, {1}), ShapeError,
      is("[Tensor] 1 values for shape (1125899906842624,): expected 1125899906842624"));
  const Tensor<T> a({2, 3});
  BOOST_CHECK_EXCEPTION(a.reshaped({4}), ShapeError,
                        is("[Tensor::reshaped] (2, 3) to (4,): 6 and 4 elements"));
}

BOOST_AUTO_TEST_CASE_TEMPLATE(reshaping_keeps_the_order, T, Scalars) {
  const Tensor<T> a({2, 3}, {0, 1, 2, 3, 4, 5});
  const Tensor<T> b = a.reshaped({3, 2});
  BOOST_TEST((b.shape() == Shape{3, 2}));
  BOOST_TEST(values(a) == values(b));
}

BOOST_AUTO_TEST_CASE(casting_rounds_to_the_nearest) {
  const Tensor<double> a({3}, {0.1, 1e300, std::numeric_limits<double>::quiet_NaN()});
  const Tensor<float> b = a.cast<float>();
  BOOST_TEST(b[0] == 0.1f);
  BOOST_TEST(std::isinf(b[1]));
  BOOST_TEST(std::isnan(b[2]));
  BOOST_TEST(b.cast<double>()[0] == static_cast<double>(0.1f));
}

BOOST_AUTO_TEST_CASE(views_look_and_do_not_own) {
  Tensor<float> a({2, 2}, {1, 2, 3, 4});
  const TensorView<float> view = a;
  view[3] = 40;
  BOOST_TEST(a(1, 1) == 40);
  const TensorView<const float> constant = view;
  BOOST_TEST(constant.data() == a.data());
  BOOST_TEST((constant.shape() == Shape{2, 2}));
  BOOST_TEST(constant.span().size() == 4u);
  static_assert(!std::is_constructible_v<TensorView<float>, const Tensor<float>&>);
  static_assert(!std::is_constructible_v<TensorView<float>, TensorView<const float>>);
  const TensorView<float> nothing;
  BOOST_TEST(nothing.size() == 0);
}
