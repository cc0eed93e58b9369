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
      "[matmul] (3,) x (3, 5): ranks are 1 and 2, expected 2 to 4 and 2");
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

BOOST_AUTO_TEST_CASE(winners_and_variance) {
  check_text([&] { max(of({2, 3}), {2}); }, "[max] axis 2 is out of range for (2, 3): rank is 2");
  check_text([&] { min(of({0, 3})); }, "[min] (0, 3): the min of no elements");
  check_text([&] { argmax(of({})); }, "[argmax] axis -1 is out of range for (): rank is 0");
  check_text([&] { argmax(of({2, 0})); }, "[argmax] (2, 0): the argmax of no elements");
  check_text([&] { logsumexp(of({0})); }, "[logsumexp] (0,): the logsumexp of no elements");
  check_text([&] { variance(of({3}), {0}, false, 3); },
             "[variance] (3,): the variance of 3 elements with ddof 3: expected 0 <= ddof < "
             "elements");
  BOOST_TEST((max(of({0, 3}), {1}).shape() == Shape{0}));
}

BOOST_AUTO_TEST_CASE(axes_and_parts) {
  const Var<double> x = of({2, 3});
  check_text(
      [&] {
        transpose(x, {0, 0});
      },
      "[transpose] (2, 3) by (0, 0): expected each of its 2 axes once");
  check_text([&] { transpose(x, {0}); },
             "[transpose] (2, 3) by (0): expected each of its 2 axes once");
  check_text(
      [&] {
        transpose(x, {0, 1, 1});
      },
      "[transpose] (2, 3) by (0, 1, 1): expected each of its 2 axes once");
  check_text(
      [&] {
        transpose(x, {0, 2});
      },
      "[transpose] (2, 3) by (0, 2): expected each of its 2 axes once");
  check_text([&] { slice(x, 1, 2, 4); },
             "[slice] (2, 3) from 2 to 4 of axis 1: expected 0 <= begin <= end <= 3");
  check_text([&] { slice(x, -1, 2, 1); },
             "[slice] (2, 3) from 2 to 1 of axis 1: expected 0 <= begin <= end <= 3");
  check_text([&] { slice(x, 2, 0, 1); }, "[slice] axis 2 is out of range for (2, 3): rank is 2");
  check_text([&] { pad(x, 0, -1, 0); },
             "[pad] (2, 3) by -1 and 0 along axis 0: expected numbers >= 0");
  check_text(
      [&] {
        concat({x, of({3, 2})});
      },
      "[concat] (2, 3) and (3, 2): expected shapes that differ along axis 0 alone");
  check_text(
      [&] {
        concat({x, of({3})}, 1);
      },
      "[concat] (2, 3) and (3,): expected shapes that differ along axis 1 alone");
  const std::vector<Var<double>> none;
  check_text<UsageError>([&] { concat(none); },
                         "[concat] nothing is given: expected at least one Var");
  check_text<UsageError>([&] { stack(none); },
                         "[stack] nothing is given: expected at least one Var");
  const Var<double> wide = of({1, 1, 1, 1}), other = of({3});
  const auto nodes = tape.size();
  check_text(
      [&] {
        stack({x, other});
      },
      "[stack] (2, 3) and (3,): expected equal shapes of rank 0 to 3");
  check_text(
      [&] {
        stack({wide, wide});
      },
      "[stack] (1, 1, 1, 1) and (1, 1, 1, 1): expected equal shapes of rank 0 to 3");
  check_text(
      [&] {
        stack({x, x}, 3);
      },
      "[stack] axis 3 is out of range for parts of shape (2, 3): expected -3 to 2");
  BOOST_TEST(tape.size() == nodes);  // nothing was recorded before the error
}

BOOST_AUTO_TEST_CASE(rows_by_index) {
  const std::vector<std::int32_t> high{0, 3}, negative{-1, 0};
  const Var<double> x = of({2, 3});
  check_text<LabelError>([&] { gather_rows(x, high); },
                         "[gather_rows] index 3 of row 1 is out of range: expected 0 to 1");
  check_text<LabelError>([&] { scatter_add_rows(x, negative, 4); },
                         "[scatter_add_rows] index -1 of row 0 is out of range: expected 0 to 3");
  check_text([&] { gather_rows(of({}), high); }, "[gather_rows] (): expected a first axis of rows");
  check_text(
      [&] {
        scatter_add_rows(of({3, 1}), high, 4);
      },
      "[scatter_add_rows] (3, 1) with 2 indices: expected one index a row");
}

BOOST_AUTO_TEST_CASE(numbers_out_of_range) {
  const Var<double> x = of({2, 3});
  static const std::int32_t step = 0, before = -1;
  check_text<UsageError>([&] { clamp(x, 2, 1); }, "[clamp] bounds 2 and 1: expected low <= high");
  check_text<UsageError>([&] { clamp(x, std::nan(""), 1); },
                         "[clamp] bounds nan and 1: expected low <= high");
  check_text<UsageError>([&] { gaussian(x, 1, 0); },
                         "[gaussian] a rate of 0: expected a positive number");
  check_text<UsageError>([&] { huber(x, x, 0); },
                         "[huber] a delta of 0: expected a positive number");
  check_text<UsageError>([&] { dropout(x, 1, 0, step); },
                         "[dropout] a rate of 1: expected 0 <= rate < 1");
  check_text<LabelError>([&] { dropout(x, 0.5, 0, before); },
                         "[dropout] step -1: expected a number >= 0");
}

BOOST_AUTO_TEST_CASE(pairs_and_choices) {
  const Var<double> x = of({2, 3}), y = of({3});
  const auto nodes = tape.size();
  const std::string both = ": expected equal shapes of at least one entry";
  check_text([&] { mse(x, y); }, "[mse] prediction (2, 3) and target (3,)" + both);
  check_text([&] { huber(x, y); }, "[huber] prediction (2, 3) and target (3,)" + both);
  check_text([&] { binary_cross_entropy_with_logits(x, y); },
             "[binary_cross_entropy_with_logits] logits (2, 3) and targets (3,)" + both);
  BOOST_TEST(tape.size() == nodes);
  check_text([&] { mse(of({0}), of({0})); }, "[mse] prediction (0,) and target (0,)" + both);
  check_text([&] { where(x, y, of({2})); },
             "[where] (2, 3) and (2,) do not broadcast: dimensions 3 and 2 differ, and neither is "
             "1");
  check_text([&] { maximum(x, of({2})); },
             "[maximum] (2, 3) and (2,) do not broadcast: dimensions 3 and 2 differ, and neither "
             "is 1");
  check_text([&] { pow(x, of({2})); },
             "[pow] (2, 3) and (2,) do not broadcast: dimensions 3 and 2 differ, and neither is 1");
  check_text(
      [&] {
        matmul(of({2, 3, 4}), of({4, 5}), Transpose::a);
      },
      "[matmul] (2, 3, 4)^T x (4, 5): ranks are 3 and 2, expected 2 and 2");
  check_text(
      [&] {
        matmul(of({2, 3, 4}), of({5, 4}));
      },
      "[matmul] (2, 3, 4) x (5, 4): inner dimensions 4 and 5 differ; they conform with "
      "Transpose::b");
}

BOOST_AUTO_TEST_CASE(wrong_numbers_of_inputs) {
  const Var<double> x = of({2, 3});
  const Op<double>& mul_op = *tape.node(mul(x, x).id()).op;
  check_text([&] { tape.record(mul_op, {x}); }, "[mul] 1 inputs: expected 2");
}

BOOST_AUTO_TEST_SUITE_END()
