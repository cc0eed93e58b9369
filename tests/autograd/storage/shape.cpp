// Shapes: limits, NumPy's broadcasting rule, axis sets, and the messages of their errors.
#include <array>
#include <boost/test/unit_test.hpp>
#include <chainrule/autograd/storage/shape.hpp>
#include <limits>
#include <string>
#include <vector>

using namespace chainrule;

namespace {

constexpr std::int64_t largest = std::numeric_limits<std::int64_t>::max();

/// The message of the ShapeError that f throws, or "nothing thrown".
template <class F>
std::string message(F f) {
  try {
    f();
  } catch (const ShapeError& error) {
    return error.what();
  }
  return "nothing thrown";
}

AxisMask mask(const Shape& shape, const std::vector<int>& axes) {
  return axis_mask(shape, axes, "sum");
}

/// Is b stretched to `to` by an independent reading of NumPy's rule: shape a is padded with leading
/// ones, and each of its dimensions is 1 or the target's?
bool stretches(const Shape& a, const Shape& to) {
  std::vector<std::int64_t> padded(a.dimensions().begin(), a.dimensions().end());
  if (padded.size() > to.dimensions().size()) return false;
  padded.insert(padded.begin(), to.dimensions().size() - padded.size(), 1);
  for (std::size_t i = 0; i < padded.size(); ++i) {
    if (padded[i] != 1 && padded[i] != to.dimensions()[i]) return false;
  }
  return true;
}

/// All shapes of rank 0 to 3 with dimensions 0 to 3.
std::vector<Shape> small_shapes() {
  std::vector<Shape> shapes = {{}};
  for (std::int64_t i = 0; i < 4; ++i) {
    shapes.push_back({i});
    for (std::int64_t j = 0; j < 4; ++j) {
      shapes.push_back({i, j});
      for (std::int64_t k = 0; k < 4; ++k) shapes.push_back({i, j, k});
    }
  }
  return shapes;
}

}  // namespace

BOOST_AUTO_TEST_CASE(a_shape_knows_its_rank_size_rows_and_last_dimension) {
  const Shape scalar, vector{5}, matrix{3, 4}, tensor{2, 3, 4, 5}, empty{3, 0};
  BOOST_TEST(scalar.rank() == 0);
  BOOST_TEST(scalar.size() == 1);
  BOOST_TEST(scalar.last() == 1);
  BOOST_TEST(scalar.rows() == 1);
  BOOST_TEST(vector.rows() == 1);
  BOOST_TEST(vector.last() == 5);
  BOOST_TEST(matrix.rows() == 3);
  BOOST_TEST(matrix[1] == 4);
  BOOST_TEST(tensor.size() == 120);
  BOOST_TEST(tensor.rows() == 24);
  BOOST_TEST(empty.size() == 0);
  BOOST_TEST(empty.rows() == 3);
  BOOST_TEST(empty.last() == 0);
}

BOOST_AUTO_TEST_CASE(equal_shapes_have_the_same_rank_and_dimensions) {
  BOOST_TEST((Shape{2, 3} == Shape{2, 3}));
  BOOST_TEST((Shape{2, 3} != Shape{3, 2}));
  BOOST_TEST((Shape{0} != Shape{}));
  BOOST_TEST((Shape{2} != Shape{2, 0}));
  BOOST_TEST((Shape{2} != Shape{2, 1}));
}

BOOST_AUTO_TEST_CASE(shapes_print_as_in_numpy) {
  BOOST_TEST(to_string(Shape{}) == "()");
  BOOST_TEST(to_string(Shape{64}) == "(64,)");
  BOOST_TEST(to_string(Shape{32, 785}) == "(32, 785)");
  BOOST_TEST(to_string(Shape{1, 0, 2, 3}) == "(1, 0, 2, 3)");
}

BOOST_AUTO_TEST_CASE(impossible_shapes_are_refused) {
  BOOST_TEST(message([] { Shape{2, -1}; }) == "[Shape] (2, -1) has the negative dimension -1");
  BOOST_TEST(message([] {
               Shape{1, 2, 3, 4, 5};
             }) == "[Shape] (1, 2, 3, 4, 5) has rank 5: at most rank 4 is supported");
  BOOST_TEST(message([] {
               Shape{4294967296, 4294967296};
             }) == "[Shape] (4294967296, 4294967296) has more elements than can be addressed");
  BOOST_TEST(message([] { Shape{largest}; }) ==
             "[Shape] (9223372036854775807) has more elements than can be addressed");
  // A zero dimension does not excuse the others.
  BOOST_TEST(message([] { Shape{0, 4294967296, 4294967296}; }) != "nothing thrown");
  BOOST_TEST(message([] { Shape{4294967296, 4294967296, 0}; }) != "nothing thrown");
  BOOST_TEST(message([] { Shape{1, 1L << 40}; }) == "nothing thrown");
}

BOOST_AUTO_TEST_CASE(broadcasting_follows_numpys_documented_examples) {
  const struct {
    Shape a, b, wanted;
  } table[] = {
      {{2, 256, 256, 3}, {3}, {2, 256, 256, 3}},
      {{8, 1, 6, 1}, {7, 1, 5}, {8, 7, 6, 5}},
      {{5, 4}, {1}, {5, 4}},
      {{5, 4}, {4}, {5, 4}},
      {{15, 3, 5}, {15, 1, 5}, {15, 3, 5}},
      {{15, 3, 5}, {3, 1}, {15, 3, 5}},
      {{}, {}, {}},
      {{}, {3, 2}, {3, 2}},
      {{0}, {}, {0}},
      {{0}, {1}, {0}},
      {{3, 0}, {3, 1}, {3, 0}},
      {{3, 1}, {0}, {3, 0}},
      {{1, 0}, {4, 1}, {4, 0}},
  };
  for (const auto& [a, b, wanted] : table) {
    BOOST_TEST_CONTEXT(to_string(a) << " and " << to_string(b)) {
      BOOST_TEST(to_string(broadcast_shape(a, b, "add")) == to_string(wanted));
      BOOST_TEST(to_string(broadcast_shape(b, a, "add")) == to_string(wanted));
    }
  }
}

// Exhaustively on small shapes: the result is the smallest shape to which both stretch, and there
// is an error exactly where no shape is.
BOOST_AUTO_TEST_CASE(broadcasting_is_the_least_common_stretch) {
  const std::vector<Shape> shapes = small_shapes();
  int errors = 0;
  for (const Shape& a : shapes) {
    for (const Shape& b : shapes) {
      BOOST_TEST_REQUIRE(broadcasts_to(a, b) == stretches(a, b), to_string(a)
                                                                     << " to " << to_string(b));
      const Shape* least = nullptr;
      for (const Shape& c : shapes) {
        if (stretches(a, c) && stretches(b, c) && (!least || stretches(c, *least))) least = &c;
      }
      const std::string thrown = message([&] {
        const Shape got = broadcast_shape(a, b, "add");
        BOOST_TEST_REQUIRE(least != nullptr, to_string(a) << " and " << to_string(b));
        BOOST_TEST_REQUIRE(to_string(got) == to_string(*least));
      });
      BOOST_TEST_REQUIRE((thrown == "nothing thrown") == (least != nullptr),
                         to_string(a) << " and " << to_string(b) << ": " << thrown);
      errors += least == nullptr;
    }
  }
  BOOST_TEST(errors > 1000);
}

BOOST_AUTO_TEST_CASE(a_broadcasting_error_names_operation_shapes_dimensions_and_place) {
  BOOST_TEST(message([] {
               broadcast_shape({2, 3}, {4}, "mul");
             }) ==
             "[mul] (2, 3) and (4,) do not broadcast: dimensions 3 and 4 differ, and neither is 1");
  BOOST_TEST(
      message([] {
        broadcast_shape({0, 3}, {2, 3}, "add");
      }) ==
      "[add] (0, 3) and (2, 3) do not broadcast: dimensions 0 and 2 differ, and neither is 1");
  BOOST_TEST(message([] {
               broadcast_shape({2}, {3}, "add", SourceLocation::current("/some/model.cpp", 12));
             }) ==
             "[add] (2,) and (3,) do not broadcast: dimensions 2 and 3 differ, and neither is 1 "
             "(model.cpp:12)");
}

BOOST_AUTO_TEST_CASE(axis_sets_count_from_either_end) {
  const Shape shape{2, 3, 4};
  BOOST_TEST(mask(shape, {}) == 0b111u);
  BOOST_TEST(mask(shape, {0}) == 0b001u);
  BOOST_TEST(mask(shape, {-1}) == 0b100u);
  BOOST_TEST(mask(shape, {-3, 1}) == 0b011u);
  BOOST_TEST(mask(shape, {2, 0, 1}) == 0b111u);
  BOOST_TEST(mask(Shape{}, {}) == 0u);
}

BOOST_AUTO_TEST_CASE(impossible_axes_are_refused) {
  const Shape shape{2, 3};
  BOOST_TEST(message([&] { mask(shape, {2}); }) ==
             "[sum] axis 2 is out of range for (2, 3): rank is 2");
  BOOST_TEST(message([&] { mask(shape, {-3}); }) ==
             "[sum] axis -3 is out of range for (2, 3): rank is 2");
  BOOST_TEST(message([&] { mask(Shape{}, {0}); }) ==
             "[sum] axis 0 is out of range for (): rank is 0");
  BOOST_TEST(message([&] { mask(shape, {1, 1}); }) == "[sum] axis 1 of (2, 3) is given twice");
  BOOST_TEST(message([&] { mask(shape, {1, -1}); }) == "[sum] axis -1 of (2, 3) is given twice");
  BOOST_TEST(message([&] { mask(shape, {std::numeric_limits<int>::min()}); }) ==
             "[sum] axis -2147483648 is out of range for (2, 3): rank is 2");
}

BOOST_AUTO_TEST_CASE(reduced_axes_become_one_or_go) {
  const Shape shape{2, 3, 4};
  BOOST_TEST(to_string(reduced_shape(shape, 0b010, true)) == "(2, 1, 4)");
  BOOST_TEST(to_string(reduced_shape(shape, 0b010, false)) == "(2, 4)");
  BOOST_TEST(to_string(reduced_shape(shape, 0b111, false)) == "()");
  BOOST_TEST(to_string(reduced_shape(shape, 0b111, true)) == "(1, 1, 1)");
  BOOST_TEST(to_string(reduced_shape(shape, 0, false)) == "(2, 3, 4)");
  BOOST_TEST(to_string(reduced_shape(Shape{0, 3}, 0b01, false)) == "(3,)");
}
