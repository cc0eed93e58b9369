// The exact words of the errors: operation, shapes, what was expected, the user's file and line.
#include <chainrule/ops/ops.hpp>

#include "tests/support.hpp"

using namespace chainrule;
using namespace support;

namespace {

/// `f` throws E with exactly this text, behind which stands this file and a line.
template <class E = ShapeError, class F>
void check_text(F f, const std::string& text) {
  const std::string message = message_of<E>(f);
  const auto place = message.rfind(" (errors.cpp:");
  BOOST_REQUIRE_MESSAGE(place != std::string::npos, "no place in: " << message);
  BOOST_TEST(message.substr(0, place) == text);
  BOOST_TEST(std::stoi(message.substr(place + 13)) > 0);
}

struct Fixture {
  Tape<double> tape;
  Var<double> of(const Shape& shape) { return tape.constant(1, shape); }
};

}  // namespace

BOOST_FIXTURE_TEST_SUITE(errors, Fixture)

BOOST_AUTO_TEST_CASE(matrix_products) {
  const Var<double> x = of({32, 785}), w = of({784, 64});
  check_text([&] { matmul(x, w); },
             "[matmul] (32, 785) x (784, 64): inner dimensions 785 and 784 differ");
  check_text(
      [&] {
        matmul(of({3, 4}), of({3, 5}));
      },
      "[matmul] (3, 4) x (3, 5): inner dimensions 4 and 3 differ; they conform with "
      "Transpose::a");
  check_text(
      [&] {
        matmul(of({3, 4}), of({5, 4}));
      },
      "[matmul] (3, 4) x (5, 4): inner dimensions 4 and 5 differ; they conform with "
      "Transpose::b");
  check_text(
      [&] {
        matmul(of({3, 4}), of({5, 3}));
      },
      "[matmul] (3, 4) x (5, 3): inner dimensions 4 and 5 differ; they conform with "
      "Transpose::both");
  check_text(
      [&] {
        matmul(of({3, 4}), of({4, 5}), Transpose::a);
      },
      "[matmul] (3, 4)^T x (4, 5): inner dimensions 3 and 4 differ; they conform with "
      "Transpose::none");
  check_text(
      [&] {
        matmul(of({3}), of({3, 5}));
      },
      "[matmul] (3,) x (3, 5): ranks are 1 and 2, expected 2 and 2");
  check_text(
      [&] {
        linear(x, of({785, 64}), of({1, 64}));
      },
      "[linear] (32, 785) x (785, 64) + (1, 64): expected a bias of shape (64,)");
  check_text(
      [&] {
        linear(x, of({64, 785}), of({64}));
      },
      "[linear] (32, 785) x (64, 785): inner dimensions 785 and 64 differ");
}

BOOST_AUTO_TEST_CASE(broadcasting) {
  check_text(
      [&] {
        mul(of({2, 3}), of({2}));
      },
      "[mul] (2, 3) and (2,) do not broadcast: dimensions 3 and 2 differ, and neither is 1");
  check_text(
      [&] {
        greater(of({0, 3}), of({2, 3}));
      },
      "[greater] (0, 3) and (2, 3) do not broadcast: dimensions 0 and 2 differ, and neither "
      "is 1");
  check_text(
      [&] {
        broadcast_to(of({2, 3}), {3});
      },
      "[broadcast_to] (2, 3) does not stretch to (3,): each dimension, aligned at the last, "
      "must be equal or 1");
  check_text(
      [&] {
        sum_to(of({2, 3}), {2});
      },
      "[sum_to] (2, 3) cannot be summed to (2,), which does not stretch to it");
}

BOOST_AUTO_TEST_CASE(reductions_and_shapes) {
  check_text([&] { sum(of({2, 3}), {2}); }, "[sum] axis 2 is out of range for (2, 3): rank is 2");
  check_text(
      [&] {
        mean(of({2, 3}), {-3});
      },
      "[mean] axis -3 is out of range for (2, 3): rank is 2");
  check_text([&] { sum(of({}), {0}); }, "[sum] axis 0 is out of range for (): rank is 0");
  check_text([&] { sum(of({2, 3}), {0, -2}); }, "[sum] axis -2 of (2, 3) is given twice");
  check_text([&] { mean(of({0, 3})); }, "[mean] (0, 3): the mean of no elements");
  check_text([&] { mean(of({3, 0}), {1}); }, "[mean] (3, 0): the mean of no elements");
  check_text([&] { reshape(of({2, 3}), {4}); }, "[reshape] (2, 3) to (4,): 6 and 4 elements");
  BOOST_TEST(sum(of({0, 3})).item() == 0);
  BOOST_TEST((mean(of({0, 3}), {1}).shape() == Shape{0}));
}

BOOST_AUTO_TEST_CASE(softmax_and_losses) {
  const std::string empty = ": expected a last axis of at least one entry";
  check_text([&] { softmax(of({})); }, "[softmax] ()" + empty);
  check_text([&] { log_softmax(of({2, 0})); }, "[log_softmax] (2, 0)" + empty);
  check_text(
      [&] {
        wedge_sum(of({2, 3}), of({3}));
      },
      "[wedge_sum] (2, 3) and (3,): expected equal shapes");
  check_text(
      [&] {
        weighted_deviation(of({3}), of({2, 3}));
      },
      "[weighted_deviation] (3,) and (2, 3): expected equal shapes");
  check_text(
      [&] {
        softmax_cross_entropy(of({2, 3}), of({2}));
      },
      "[softmax_cross_entropy] logits (2, 3) and targets (2,): expected equal shapes");
  const std::string rows = ": expected (N, K) with at least one row and one class";
  check_text([&] { softmax_cross_entropy(of({3}), of({3})); },
             "[softmax_cross_entropy] logits (3,)" + rows);
  check_text(
      [&] {
        softmax_cross_entropy(of({0, 3}), of({0, 3}));
      },
      "[softmax_cross_entropy] logits (0, 3)" + rows);
}

BOOST_AUTO_TEST_CASE(labels) {
  const std::vector<std::int32_t> high{0, 3}, negative{-1, 0}, three{0, 1, 2};
  const Var<double> x = of({2, 3}), v = of({2});
  check_text<LabelError>([&] { pick(x, high); },
                         "[pick] index 3 of row 1 is out of range: expected 0 to 2");
  check_text<LabelError>([&] { place(v, negative, 3); },
                         "[place] index -1 of row 0 is out of range: expected 0 to 2");
  check_text<LabelError>([&] { softmax_cross_entropy_with_indices(x, high); },
                         "[softmax_cross_entropy_with_indices] index 3 of row 1 is out of range: "
                         "expected 0 to 2");
  check_text([&] { pick(x, three); },
             "[pick] (2, 3) with 3 indices: expected rank 2 and one index a row");
  check_text([&] { pick(v, high); },
             "[pick] (2,) with 2 indices: expected rank 2 and one index a row");
  check_text([&] { place(v, three, 3); },
             "[place] (2,) with 3 indices: expected rank 1 and one index a row");
  check_text([&] { softmax_cross_entropy_with_indices(x, three); },
             "[softmax_cross_entropy_with_indices] logits (2, 3) with 3 labels: expected one label "
             "a row");
}

BOOST_AUTO_TEST_CASE(wrong_numbers_of_inputs) {
  const Var<double> x = of({2, 3});
  const Op<double>& mul_op = *tape.node(mul(x, x).id()).op;
  check_text([&] { tape.record(mul_op, {x}); }, "[mul] 1 inputs: expected 2");
}

BOOST_AUTO_TEST_SUITE_END()
