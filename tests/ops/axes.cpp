// Reductions, shapes and rows against plain loops; ties, NaN and infinities in reductions; leaves
// of indices, which every run of a plan checks; dropout's mask.
#include <chainrule/ops/ops.hpp>

#include <functional>
#include <limits>

#include "tests/support.hpp"

using namespace chainrule;
using namespace support;

namespace {

template <class T>
constexpr T inf = std::numeric_limits<T>::infinity();
template <class T>
constexpr T not_a_number = std::numeric_limits<T>::quiet_NaN();

using Index = std::array<std::int64_t, 4>;

/// Calls f(index, offset) for each entry; axes that a shape has not are 0.
template <class F>
void for_each_entry(const Shape& shape, F f) {
  for (std::int64_t flat = 0; flat < shape.size(); ++flat) {
    Index index{};
    std::int64_t rest = flat;
    for (int axis = shape.rank(); axis-- > 0;) {
      index[static_cast<std::size_t>(axis)] = rest % shape[axis];
      rest /= shape[axis];
    }
    f(index, flat);
  }
}

std::int64_t offset_of(const Index& index, const Shape& shape) {
  std::int64_t offset = 0;
  for (int axis = 0; axis < shape.rank(); ++axis) {
    offset = offset * shape[axis] + index[static_cast<std::size_t>(axis)];
  }
  return offset;
}

/// The entries that are reduced to each result, in row-major order.
template <class T>
std::vector<std::vector<double>> groups(const Tensor<T>& x, std::initializer_list<int> axes) {
  const Shape kept = reduced_shape(x.shape(), axis_mask(x.shape(), axes, "test"), true);
  std::vector<std::vector<double>> result(static_cast<std::size_t>(kept.size()));
  for_each_entry(x.shape(), [&](Index index, std::int64_t flat) {
    for (int axis = 0; axis < kept.rank(); ++axis) {
      if (kept[axis] == 1) index[static_cast<std::size_t>(axis)] = 0;
    }
    result[static_cast<std::size_t>(offset_of(index, kept))].push_back(double(x[flat]));
  });
  return result;
}

}  // namespace

BOOST_AUTO_TEST_CASE_TEMPLATE(reductions, T, Precisions) {
  Source source(51);
  const double eps = std::numeric_limits<T>::epsilon();
  const Tensor<T> x = source.tensor<T>({3, 4, 2, 5}, -4, 4);
  Tape<T> tape;
  const Var<T> v = tape.input(x);
  for (const std::initializer_list<int> axes : std::initializer_list<std::initializer_list<int>>{
           {}, {0}, {1}, {-1}, {0, 2}, {-3, 3}, {1, 2, 3}}) {
    for (const bool keepdims : {false, true}) {
      const Shape shape = reduced_shape(x.shape(), axis_mask(x.shape(), axes, "test"), keepdims);
      const Var<T> most = max(v, axes, keepdims), least = min(v, axes, keepdims),
                   soft = logsumexp(v, axes, keepdims), spread = variance(v, axes, keepdims),
                   unbiased = variance(v, axes, keepdims, 1);
      for (const Var<T>& y : {most, least, soft, spread, unbiased}) {
        BOOST_TEST((y.shape() == shape));
      }
      std::int64_t i = 0;
      for (const std::vector<double>& group : groups(x, axes)) {
        const double n = double(group.size());
        double sum = 0, exponentials = 0, squares = 0;
        for (const double value : group) sum += value, exponentials += std::exp(value);
        for (const double value : group) squares += std::pow(value - sum / n, 2);
        BOOST_TEST(double(most.value()[i]) == *std::max_element(group.begin(), group.end()));
        BOOST_TEST(double(least.value()[i]) == *std::min_element(group.begin(), group.end()));
        BOOST_TEST(std::abs(double(soft.value()[i]) - std::log(exponentials)) < 20 * eps);
        BOOST_TEST(std::abs(double(spread.value()[i]) - squares / n) < 40 * eps * squares / n);
        BOOST_TEST(std::abs(double(unbiased.value()[i]) - squares / (n - 1)) <
                   40 * eps * squares / n);
        ++i;
      }
    }
  }
  const Var<T> where_most = argmax(v, 1), kept = argmax(v, -1, true);
  BOOST_TEST((where_most.shape() == Shape{3, 2, 5}));
  BOOST_TEST((kept.shape() == Shape{3, 4, 2, 1}));
  std::int64_t i = 0;
  for (const auto& group : groups(x, {1})) {
    BOOST_TEST(double(where_most.value()[i++]) ==
               double(std::max_element(group.begin(), group.end()) - group.begin()));
  }
}

BOOST_AUTO_TEST_CASE_TEMPLATE(ties_nan_and_infinities, T, Precisions) {
  Tape<T> tape;
  const Tensor<T> x({4, 3}, {2, 5, 5, not_a_number<T>, 1, not_a_number<T>, -inf<T>, -inf<T>,
                             -inf<T>, 1, inf<T>, 2});
  const Var<T> v = tape.input(x);
  const Var<T> most = max(v, {1}), least = min(v, {1}), place = argmax(v), soft = logsumexp(v, {1});
  BOOST_TEST(most.value()[0] == 5);
  BOOST_TEST(least.value()[0] == 2);
  for (const Var<T>& y : {most, least, soft, variance(v, {1})}) {
    BOOST_TEST(std::isnan(y.value()[1]));
  }
  BOOST_TEST(most.value()[2] == -inf<T>);
  BOOST_TEST(soft.value()[2] == -inf<T>);
  BOOST_TEST(soft.value()[3] == inf<T>);
  BOOST_TEST(same_bits(place.value(), Tensor<T>({4}, {1, 0, 0, 1})));
  // Both fives get half of the gradient, at every order.
  const Tensor<T> tied({3}, {2, 5, 5}), least_tied({3}, {2, 2, 5});
  const Var<T> t = tape.input(tied), l = tape.input(least_tied);
  BOOST_TEST(same_bits(gradients(max(t), {t})[0].value(), Tensor<T>({3}, {0, 0.5, 0.5})));
  BOOST_TEST(same_bits(gradients(min(l), {l})[0].value(), Tensor<T>({3}, {0.5, 0.5, 0})));
}

// A textbook logsumexp overflows or loses the remainder; a one-pass variance loses all digits.
BOOST_AUTO_TEST_CASE_TEMPLATE(accuracy_of_reductions, T, Precisions) {
  const T eps = std::numeric_limits<T>::epsilon();
  Tape<T> tape;
  const T gap = sizeof(T) == 4 ? T(30) : T(200);
  const Tensor<T> confident({2}, {0, -gap}), large({2}, {1000, 1000});
  const Var<T> c = tape.input(confident);
  const T remainder = std::exp(-gap);
  BOOST_TEST(std::abs(logsumexp(c).item() - remainder) <= 4 * eps * remainder);
  BOOST_TEST(logsumexp(tape.input(large)).item() == T(1000) + std::log(T(2)));
  // d^2 / dx_0^2 = p_0 p_1, which 1 - p_0 would lose.
  const Var<T> p = gradients(logsumexp(c), {c})[0];
  const Tensor<T> first({2}, {1, 0});
  const Var<T> h = gradients(sum(mul(p, tape.input(first))), {c})[0];
  BOOST_TEST(std::abs(h.value()[0] - remainder) <= 8 * eps * remainder);
  const T far = sizeof(T) == 4 ? T(1 << 20) : T(1ll << 40);
  const Tensor<T> shifted({4}, {far + 1, far + 2, far + 3, far + 6});
  BOOST_TEST(variance(tape.input(shifted)).item() == T(3.5));
}

BOOST_AUTO_TEST_CASE_TEMPLATE(long_rows_of_logsumexp, T, Precisions) {
  Source source(52);
  const Tensor<T> x = source.tensor<T>({2, 1000}, -3, 3);
  Tape<T> tape;
  const Var<T> y = logsumexp(tape.input(x), {1});
  std::int64_t i = 0;
  for (const auto& group : groups(x, {1})) {
    double total = 0;
    for (const double value : group) total += std::exp(value);
    BOOST_TEST(std::abs(double(y.value()[i++]) - std::log(total)) <
               8 * double(std::numeric_limits<T>::epsilon()) * std::log(total));
  }
}

BOOST_AUTO_TEST_CASE_TEMPLATE(transposition, T, Precisions) {
  Source source(53);
  const Tensor<T> x = source.tensor<T>({2, 3, 4, 5});
  std::array<int, 4> order{0, 1, 2, 3};
  do {
    Tape<T> tape;
    const Var<T> y = transpose(tape.input(x), std::span<const int>(order));
    bool all = true;
    for_each_entry(y.shape(), [&](const Index& index, std::int64_t flat) {
      Index from{};
      for (std::size_t k = 0; k < 4; ++k) from[static_cast<std::size_t>(order[k])] = index[k];
      all = all && y.value()[flat] == x[offset_of(from, x.shape())];
    });
    BOOST_TEST(all);
  } while (std::next_permutation(order.begin(), order.end()));
  Tape<T> tape;
  const Tensor<T> m({2, 3}, {1, 2, 3, 4, 5, 6});
  BOOST_TEST(same_bits(transpose(tape.input(m)).value(), Tensor<T>({3, 2}, {1, 4, 2, 5, 3, 6})));
  BOOST_TEST((transpose(tape.constant(1, {0, 3})).shape() == Shape{3, 0}));
  BOOST_TEST(transpose(tape.constant(7)).item() == 7);
}

BOOST_AUTO_TEST_CASE_TEMPLATE(parts_along_an_axis, T, Precisions) {
  Source source(54);
  const Tensor<T> x = source.tensor<T>({3, 4, 2, 5});
  for (int axis = -4; axis < 4; ++axis) {
    const int place = axis < 0 ? axis + 4 : axis;
    const std::int64_t n = x.shape()[place];
    Tape<T> tape;
    const Var<T> v = tape.input(x);
    // What is cut at any place and put together again is the same.
    for (std::int64_t cut = 0; cut <= n; ++cut) {
      const Var<T> left = slice(v, axis, 0, cut), right = slice(v, axis, cut, n);
      BOOST_TEST((left.shape()[place] == cut));
      BOOST_TEST(same_bits(concat({left, right}, axis).value(), x));
      // pad is slice's inverse, and puts zeros elsewhere.
      const Var<T> both = add(pad(left, axis, 0, n - cut), pad(right, axis, cut, 0));
      BOOST_TEST(same_bits(both.value(), x));
    }
    const Var<T> middle = slice(v, axis, 1, 2);
    bool all = true;
    for_each_entry(middle.shape(), [&](Index index, std::int64_t flat) {
      index[static_cast<std::size_t>(place)] += 1;
      all = all && middle.value()[flat] == x[offset_of(index, x.shape())];
    });
    BOOST_TEST(all);
  }
  Tape<T> tape;
  const Tensor<T> a({2}, {1, 2}), b({2}, {3, 4});
  const std::vector<Var<T>> parts{tape.input(a), tape.input(b)};
  BOOST_TEST(same_bits(stack(parts).value(), Tensor<T>({2, 2}, {1, 2, 3, 4})));
  BOOST_TEST(same_bits(stack(parts, 1).value(), Tensor<T>({2, 2}, {1, 3, 2, 4})));
  BOOST_TEST(same_bits(stack(parts, -1).value(), Tensor<T>({2, 2}, {1, 3, 2, 4})));
  BOOST_TEST(same_bits(pad(parts[0], 0, 1, 2).value(), Tensor<T>({5}, {0, 1, 2, 0, 0})));
}

BOOST_AUTO_TEST_CASE_TEMPLATE(rows_by_index, T, Precisions) {
  Tape<T> tape;
  const Tensor<T> table({3, 2}, {1, 2, 3, 4, 5, 6});
  std::vector<std::int32_t> indices{2, 0, 2};
  const Var<T> v = tape.input(table), rows = gather_rows(v, indices);
  BOOST_TEST(same_bits(rows.value(), Tensor<T>({3, 2}, {5, 6, 1, 2, 5, 6})));
  const Var<T> back = scatter_add_rows(rows, indices, 4);
  BOOST_TEST(same_bits(back.value(), Tensor<T>({4, 2}, {1, 2, 0, 0, 10, 12, 0, 0})));
  const Var<T> g = gradients(sum(rows), {v})[0];
  BOOST_TEST(same_bits(g.value(), Tensor<T>({3, 2}, {1, 1, 0, 0, 2, 2})));
  // Indices are an address, read and checked at every run.
  Plan<T> replay = plan({rows, g});
  indices = {1, 1, 1};
  replay.run();
  BOOST_TEST(same_bits(replay.value(rows), Tensor<T>({3, 2}, {3, 4, 3, 4, 3, 4})));
  BOOST_TEST(same_bits(replay.value(g), Tensor<T>({3, 2}, {0, 0, 3, 3, 0, 0})));
  indices[1] = 3;
  BOOST_CHECK_THROW(replay.run(), LabelError);
  indices[1] = -1;
  BOOST_CHECK_THROW(replay.run(), LabelError);
}

BOOST_AUTO_TEST_CASE_TEMPLATE(matmul_folds_leading_axes, T, Precisions) {
  Source source(55);
  const Tensor<T> a = source.tensor<T>({2, 3, 4, 5}), b = source.tensor<T>({5, 6}),
                  bt = source.tensor<T>({6, 5});
  Tape<T> tape;
  const Var<T> va = tape.input(a), vb = tape.input(b), vt = tape.input(bt);
  const Var<T> flat = matmul(reshape(va, {24, 5}), vb), y = matmul(va, vb);
  BOOST_TEST((y.shape() == Shape{2, 3, 4, 6}));
  BOOST_TEST(same_bits(reshape(y, {24, 6}).value(), flat.value()));
  const Var<T> z = matmul(reshape(va, {6, 4, 5}), vt, Transpose::b);
  BOOST_TEST((z.shape() == Shape{6, 4, 6}));
  BOOST_TEST(same_bits(reshape(z, {24, 6}).value(),
                       matmul(reshape(va, {24, 5}), vt, Transpose::b).value()));
  const auto g = gradients(sum(square(y)), {va, vb}), f = gradients(sum(square(flat)), {va, vb});
  BOOST_TEST(same_bits(g[0].value(), f[0].value()));
  BOOST_TEST(same_bits(g[1].value(), f[1].value()));
  BOOST_TEST((matmul(tape.constant(1, {0, 3, 5}), vb).shape() == Shape{0, 3, 6}));
}

BOOST_AUTO_TEST_CASE_TEMPLATE(losses, T, Precisions) {
  const double eps = std::numeric_limits<T>::epsilon();
  Source source(56);
  const Tensor<T> a = source.tensor<T>({4, 5}, -3, 3), b = source.tensor<T>({4, 5}, -3, 3),
                  y = source.tensor<T>({4, 5}, 0, 1);
  Tape<T> tape;
  const Var<T> va = tape.input(a), vb = tape.input(b), vy = tape.input(y);
  double square_sum = 0, entropy = 0, robust = 0;
  for (std::int64_t i = 0; i < 20; ++i) {
    const double d = double(a[i]) - double(b[i]), p = 1 / (1 + std::exp(-double(a[i])));
    square_sum += d * d;
    entropy -= double(y[i]) * std::log(p) + (1 - double(y[i])) * std::log(1 - p);
    robust += std::abs(d) <= 1.5 ? d * d / 2 : 1.5 * (std::abs(d) - 0.75);
  }
  BOOST_TEST(std::abs(double(mse(va, vb).item()) - square_sum / 20) < 9 * eps * square_sum / 20);
  BOOST_TEST(std::abs(double(binary_cross_entropy_with_logits(va, vy).item()) - entropy / 20) <
             9 * eps * entropy / 20);
  BOOST_TEST(std::abs(double(huber(va, vb, T(1.5)).item()) - robust / 20) < 9 * eps * robust / 20);
  // Confident and right: loss and gradient keep their digits, where softplus(z) - z y has none.
  const Tensor<T> sure({2}, {60, -60}), hard({2}, {1, 0});
  const Var<T> z = tape.input(sure), loss = binary_cross_entropy_with_logits(z, tape.input(hard));
  const double small = std::exp(-60.0);
  BOOST_TEST(std::abs(double(loss.item()) - small) < 4 * eps * small);
  BOOST_TEST(std::abs(double(gradients(loss, {z})[0].value()[0]) + small / 2) < 4 * eps * small);
  const Tensor<T> certain({2}, {inf<T>, -inf<T>});
  BOOST_TEST(binary_cross_entropy_with_logits(tape.input(certain), tape.input(hard)).item() == 0);
}

BOOST_AUTO_TEST_CASE_TEMPLATE(dropout_masks, T, Precisions) {
  std::int32_t step = 0;
  const Tensor<T> ones = Tensor<T>::filled({100, 1000}, T(1));
  Tape<T> tape;
  const Var<T> x = tape.input(ones), y = dropout(x, 0.25, 7, step);
  const Var<T> g = gradients(sum(y), {x})[0];
  const Tensor<T> first(y.value());
  std::int64_t kept = 0;
  for (const T value : first) {
    BOOST_REQUIRE((value == 0 || value == T(1 / 0.75)));
    kept += value != 0;
  }
  BOOST_TEST(std::abs(double(kept) - 75000) < 5 * std::sqrt(1e5 * 0.25 * 0.75));
  // The gradient has the mask of the value, at every step; a step's mask is always the same.
  BOOST_TEST(same_bits(g.value(), first));
  Plan<T> replay = plan({y, g});
  std::vector<Tensor<T>> masks;
  for (step = 0; step < 3; ++step) {
    replay.run();
    masks.emplace_back(replay.value(y));
    BOOST_TEST(same_bits(replay.value(g), masks.back()));
  }
  BOOST_TEST(same_bits(masks[0], first));
  step = 1;
  replay.run();
  BOOST_TEST(same_bits(replay.value(y), masks[1]));
  BOOST_TEST(same_bits(dropout(x, 0.25, 7, step).value(), masks[1]));
  // Masks of different steps and of different seeds agree as often as independent ones.
  const Tensor<T> other(dropout(x, 0.25, 8, step).value());
  for (const Tensor<T>* mask :
       std::initializer_list<const Tensor<T>*>{&masks[0], &masks[2], &other}) {
    std::int64_t same = 0;
    for (std::int64_t i = 0; i < mask->size(); ++i) same += (*mask)[i] == masks[1][i];
    BOOST_TEST(std::abs(double(same) - 62500) < 5 * std::sqrt(1e5 * 0.625 * 0.375));
  }
  BOOST_TEST(same_bits(dropout(x, 0, 7, step).value(), ones));
  BOOST_TEST(std::isnan(dropout(tape.constant(not_a_number<T>), 0.999, 7, step).item()));
  step = -1;
  BOOST_CHECK_THROW(replay.run(), LabelError);
}

// Leaves are addresses, so a temporary does not compile.
template <class I>
concept takes_rows = requires(Var<double> x, I indices) {
  gather_rows(x, std::forward<I>(indices));
  scatter_add_rows(x, std::forward<I>(indices), 3);
};
template <class I>
concept takes_step = requires(Var<double> x, I step) {
  dropout(x, 0.5, 1, std::forward<I>(step));
};
static_assert(takes_rows<std::vector<std::int32_t>&>);
static_assert(!takes_rows<std::vector<std::int32_t>>);
static_assert(takes_step<std::int32_t&>);
static_assert(!takes_step<std::int32_t>);
static_assert(!takes_step<std::int64_t&>);  // converted: a temporary too

// The numbers of a mask are part of what a resumed run depends on: they never change.
BOOST_AUTO_TEST_CASE(dropout_golden_mask) {
  static const std::int32_t step = 5;
  Tape<double> tape;
  const Var<double> y = dropout(tape.constant(1, {24}), 0.5, 123, step);
  std::string mask;
  for (const double value : y.value()) mask += value != 0 ? '1' : '0';
  BOOST_TEST(mask == "110110100000100100101100");
}
