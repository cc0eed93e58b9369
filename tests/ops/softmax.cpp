// Softmax, its logarithm and cross-entropy, with their derivatives, against quad precision: a
// confident row keeps its digits.
#include <chainrule/ops/ops.hpp>

#include <boost/multiprecision/cpp_bin_float.hpp>
#include <limits>

#include "tests/support.hpp"

using namespace chainrule;
using namespace support;

namespace {

using Quad = boost::multiprecision::cpp_bin_float_quad;

/// One row in quad precision, from the very numbers that the library is given.
template <class T>
struct Row {
  std::vector<Quad> p, log_p;

  explicit Row(std::span<const T> x) : p(x.size()), log_p(x.size()) {
    std::size_t best = 0;
    for (std::size_t k = 0; k < x.size(); ++k) best = x[k] > x[best] ? k : best;
    Quad others = 0;
    for (std::size_t k = 0; k < x.size(); ++k) {
      log_p[k] = Quad(x[k]) - Quad(x[best]);
      if (k != best) others += exp(log_p[k]);
    }
    // ln(1 + s), where s may be 1e-300: by its series there, which two terms exhaust.
    const Quad log_sum = others < 1e-18 ? Quad(others - others * others / 2) : log(1 + others);
    for (std::size_t k = 0; k < x.size(); ++k) {
      p[k] = exp(log_p[k]) / (1 + others);
      log_p[k] -= log_sum;
    }
  }
};

/// Rows of K logits with one winner, `gap` above the best of the others.
template <class T>
Tensor<T> rows_with_gap(Source& source, std::int64_t rows, std::int64_t columns, double gap) {
  Tensor<T> x = source.tensor<T>({rows, columns}, -1, 0);
  for (std::int64_t n = 0; n < rows; ++n) {
    x(n, source.below(columns)) = static_cast<T>(gap + source.uniform(0, 0.5));
  }
  return x;
}

template <class T>
std::vector<double> gaps() {
  if (std::is_same_v<T, float>) return {0, 0.1, 1, 5, 10, 16, 17, 20, 40, 80};
  return {0, 0.1, 1, 5, 10, 20, 35, 36, 37, 40, 100, 300, 700};
}

/// |a - b| <= ulps eps scale
template <class T>
bool within(T a, const Quad& b, const Quad& scale, double ulps) {
  return abs(Quad(a) - b) <= Quad(ulps) * Quad(std::numeric_limits<T>::epsilon()) * scale;
}

/// Loss and gradients for logits and targets, compared with quad precision.
template <class T>
void check_loss(const Tensor<T>& x, const Tensor<T>& y, bool hard, double gap) {
  const std::int64_t rows = x.shape()[0], columns = x.shape()[1];
  const double ulps = 6 * std::max(1.0, gap);
  Tape<T> tape;
  const Var<T> z = tape.input(x), targets = tape.input(y);
  const Var<T> loss = softmax_cross_entropy(z, targets);
  const auto g = gradients(loss, {z, targets});
  Quad total = 0;
  for (std::int64_t n = 0; n < rows; ++n) {
    const Row<T> row(x.span().subspan(std::size_t(n * columns), std::size_t(columns)));
    for (std::int64_t k = 0; k < columns; ++k) {
      Quad gradient = 0, scale = 0;
      for (std::int64_t j = 0; j < columns; ++j) {
        const Quad forth = Quad(y(n, j)) * row.p[std::size_t(k)],
                   back = Quad(y(n, k)) * row.p[std::size_t(j)];
        if (j != k) gradient += (forth - back) / rows, scale += (forth + back) / rows;
      }
      // Where the label is hard no two terms have opposite signs, and each entry is exact by
      // itself.
      if (hard) BOOST_REQUIRE(scale == abs(gradient));
      BOOST_TEST(within(g[0].value()(n, k), gradient, scale, ulps),
                 "gap " << gap << ", dz " << g[0].value()(n, k) << ", not " << gradient);
      const Quad term = -row.log_p[std::size_t(k)];
      BOOST_TEST(within(g[1].value()(n, k), term / rows, term / rows, ulps));
      if (y(n, k) != 0) total += Quad(y(n, k)) * term / rows;
    }
  }
  BOOST_TEST(within(loss.item(), total, total, ulps),
             "gap " << gap << ", loss " << loss.item() << ", not " << total);
}

}  // namespace

BOOST_AUTO_TEST_CASE_TEMPLATE(hard_labels_of_any_mass, T, Precisions) {
  Source source(41);
  for (const double gap : gaps<T>()) {
    const Tensor<T> x = rows_with_gap<T>(source, 6, 10, gap);
    for (const double mass : {0.5, 1.0, 3.0}) {
      Tensor<T> on_winner(x.shape()), anywhere(x.shape());
      for (std::int64_t n = 0; n < 6; ++n) {
        std::int64_t best = 0;
        for (std::int64_t k = 0; k < 10; ++k) best = x(n, k) > x(n, best) ? k : best;
        on_winner(n, best) = static_cast<T>(mass);
        anywhere(n, source.below(10)) = static_cast<T>(mass);
      }
      check_loss(x, on_winner, true, gap);
      check_loss(x, anywhere, true, gap);
    }
  }
}

BOOST_AUTO_TEST_CASE_TEMPLATE(soft_labels, T, Precisions) {
  Source source(42);
  for (const double gap : gaps<T>()) {
    const Tensor<T> x = rows_with_gap<T>(source, 6, 10, gap);
    check_loss(x, source.tensor<T>(x.shape(), 0, 1), false, gap);
  }
}

BOOST_AUTO_TEST_CASE_TEMPLATE(rows_of_any_length, T, Precisions) {
  Source source(43);
  for (const std::int64_t columns : {1, 2, 3, 500, 1023, 1024, 1025, 2000, 5000}) {
    const Tensor<T> x = source.tensor<T>({3, columns}, -5, 5);
    Tensor<T> y(x.shape());
    for (std::int64_t n = 0; n < 3; ++n) y(n, source.below(columns)) = 1;
    Tape<T> tape;
    const Var<T> z = tape.input(x), p = softmax(z), log_p = log_softmax(z);
    const Var<T> loss = softmax_cross_entropy(z, tape.input(y));
    const Var<T> g = gradients(loss, {z})[0];
    for (std::int64_t n = 0; n < 3; ++n) {
      const Row<T> row(x.span().subspan(std::size_t(n * columns), std::size_t(columns)));
      // Exponents of up to 10 and sums of K positive terms.
      const double ulps = 20 + 0.1 * std::sqrt(static_cast<double>(columns));
      bool values = true, slopes = true;
      for (std::int64_t k = 0; k < columns; ++k) {
        const Quad &expected = row.p[std::size_t(k)], &expected_log = row.log_p[std::size_t(k)];
        values = values && within(p.value()(n, k), expected, expected, ulps);
        values = values && within(log_p.value()(n, k), expected_log, abs(expected_log), ulps);
        Quad slope = expected / 3;
        if (y(n, k) != 0) slope = columns == 1 ? Quad(0) : Quad((expected - 1) / 3);
        slopes = slopes && within(g.value()(n, k), slope, abs(slope), ulps);
      }
      BOOST_TEST(values, "values of rows of " << columns);
      BOOST_TEST(slopes, "gradients of rows of " << columns);
    }
    if (columns == 1) BOOST_TEST(loss.item() == 0);
  }
}

BOOST_AUTO_TEST_CASE_TEMPLATE(derivatives_of_softmax_of_a_confident_row, T, Precisions) {
  Source source(44);
  for (const double gap : gaps<T>()) {
    const Tensor<T> x = rows_with_gap<T>(source, 4, 10, gap), v = source.tensor<T>({4, 10});
    Tensor<T> y(x.shape());
    for (std::int64_t n = 0; n < 4; ++n) y(n, 3) = 1;
    Tape<T> tape;
    const Var<T> z = tape.input(x), direction = tape.input(v);
    const Var<T> first = gradients(softmax(z), {z}, direction)[0];
    const Var<T> g = gradients(softmax_cross_entropy(z, tape.input(y)), {z})[0];
    const Var<T> second = gradients(sum(g * direction), {z})[0];  // the same over N
    for (std::int64_t n = 0; n < 4; ++n) {
      const Row<T> row(x.span().subspan(std::size_t(n * 10), 10));
      for (std::int64_t k = 0; k < 10; ++k) {
        Quad expected = 0, scale = 0;
        for (std::int64_t j = 0; j < 10; ++j) {
          const Quad weight = row.p[std::size_t(k)] * row.p[std::size_t(j)];
          if (j != k) expected += weight * (Quad(v(n, k)) - Quad(v(n, j))), scale += 2 * weight;
        }
        const double ulps = 8 * std::max(1.0, gap);
        BOOST_TEST(within(first.value()(n, k), expected, scale, ulps), "gap " << gap);
        BOOST_TEST(within(second.value()(n, k), expected / 4, scale / 4, ulps), "gap " << gap);
      }
    }
  }
}

BOOST_AUTO_TEST_CASE_TEMPLATE(class_indices_are_one_hot_rows, T, Precisions) {
  Source source(45);
  const Tensor<T> x = source.tensor<T>({40, 7}, -20, 20);
  Tensor<T> y(x.shape());
  std::vector<std::int32_t> labels;
  for (std::int64_t n = 0; n < 40; ++n) {
    labels.push_back(static_cast<std::int32_t>(source.below(7)));
    y(n, labels.back()) = 1;
  }
  Tape<T> tape;
  const Var<T> z = tape.input(x);
  const Var<T> a = softmax_cross_entropy(z, tape.input(y));
  const Var<T> b = softmax_cross_entropy_with_indices(z, labels);
  BOOST_TEST(a.item() == b.item(), boost::test_tools::tolerance(T(1e-6)));
  const Tensor<T> ga(gradients(a, {z})[0].value()), gb(gradients(b, {z})[0].value());
  for (std::int64_t i = 0; i < x.size(); ++i) BOOST_TEST(ga[i] == gb[i]);
}

BOOST_AUTO_TEST_CASE_TEMPLATE(a_shift_of_all_logits_changes_nothing, T, Precisions) {
  Source source(46);
  Tensor<T> x({5, 10}), shifted({5, 10});
  for (std::int64_t i = 0; i < x.size(); ++i) {
    x[i] = static_cast<T>(source.below(4096)) / 256;  // the shift is exact
    shifted[i] = x[i] - 500;
  }
  const Tensor<T> y = source.tensor<T>({5, 10}, 0, 1);
  Tape<T> tape;
  const Var<T> a = tape.input(x), b = tape.input(shifted), targets = tape.input(y);
  const Var<T> la = softmax_cross_entropy(a, targets), lb = softmax_cross_entropy(b, targets);
  BOOST_TEST(la.item() == lb.item());
  BOOST_TEST(same_bits(softmax(a).value(), softmax(b).value()));
  BOOST_TEST(same_bits(gradients(la, {a})[0].value(), gradients(lb, {b})[0].value()));
}

BOOST_AUTO_TEST_CASE(a_row_without_mass_counts_for_nothing) {
  Source source(47);
  const Tensor<double> x = source.tensor({4, 5}, -30, 30), y({4, 5});
  Tape<double> tape;
  const Var<double> z = tape.input(x), loss = softmax_cross_entropy(z, tape.input(y));
  BOOST_TEST(loss.item() == 0);
  for (const double slope : gradients(loss, {z})[0].value()) BOOST_TEST(slope == 0);
}

BOOST_AUTO_TEST_CASE(huge_logits) {
  Tape<double> tape;
  const Tensor<double> x({2, 3}, {1e300, -1e300, 0, 1e300, -1e300, 0}),
      y({2, 3}, {1, 0, 0, 0, 1, 0});
  const Var<double> z = tape.input(x), loss = softmax_cross_entropy(z, tape.input(y));
  BOOST_TEST(loss.item() == 1e300);
  const TensorView<const double> g = gradients(loss, {z})[0].value();
  const Tensor<double> expected({2, 3}, {0, 0, 0, 0.5, -0.5, 0});
  for (std::int64_t i = 0; i < 6; ++i) BOOST_TEST(g[i] == expected[i]);
}

BOOST_AUTO_TEST_CASE_TEMPLATE(infinite_logits, T, Precisions) {
  const T inf = std::numeric_limits<T>::infinity();
  Tape<T> tape;
  const Tensor<T> x({1, 3}, {1, -inf, 2}), without({1, 2}, {1, 2});
  const Var<T> z = tape.input(x), short_row = log_softmax(tape.input(without));
  const Var<T> row = log_softmax(z);
  BOOST_TEST(row.value()[0] == short_row.value()[0]);
  BOOST_TEST(row.value()[1] == -inf);
  BOOST_TEST(row.value()[2] == short_row.value()[1]);
  BOOST_TEST(softmax(z).value()[1] == 0);
  // 0 ln 0 = 0; a label on what is impossible costs everything.
  const Tensor<T> possible({1, 3}, {T(0.25), 0, T(0.75)}), impossible({1, 3}, {0, 1, 0});
  const Var<T> loss = softmax_cross_entropy(z, tape.input(possible));
  const T expected = -(T(0.25) * short_row.value()[0] + T(0.75) * short_row.value()[1]);
  BOOST_TEST(loss.item() == expected, boost::test_tools::tolerance(T(1e-6)));
  const TensorView<const T> g = gradients(loss, {z})[0].value();
  BOOST_TEST(g[1] == 0);
  BOOST_TEST(g[0] == -g[2], boost::test_tools::tolerance(T(1e-6)));
  BOOST_TEST(softmax_cross_entropy(z, tape.input(impossible)).item() == inf);
  // There is no distribution to speak of where nothing, or infinity, is possible.
  const Tensor<T> nothing({3, 2}, {-inf, -inf, inf, 1, std::numeric_limits<T>::quiet_NaN(), 1});
  for (const T value : log_softmax(tape.input(nothing)).value()) BOOST_TEST(!(value <= 0));
}
