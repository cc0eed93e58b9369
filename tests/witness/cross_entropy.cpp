// Softmax cross-entropy everywhere: logits from 0 to 1e300, gaps to 700 and beyond, infinities, NaN
// and labels of mass 0 to 3, against quad precision; loss and gradient within 8 eps max(1, gap).
#include <fmt/format.h>
#include <chainrule/ops/ops.hpp>

#include <boost/multiprecision/cpp_bin_float.hpp>
#include <limits>

#include "tests/support.hpp"

using namespace chainrule;
using namespace support;

namespace {

using Quad = boost::multiprecision::cpp_bin_float_quad;

// Where the sanitizers run, quad precision is slow.
#ifdef __OPTIMIZE__
constexpr bool optimised = true;
#else
constexpr bool optimised = false;
#endif

/// e^x, 0 where quad's exponents end.
Quad exponential(const Quad& x) { return x < -11000 ? Quad(0) : Quad(exp(x)); }

/// One row in quad precision, from the very numbers that the library is given.
template <class T>
struct Row {
  std::vector<Quad> p, log_p;
  double gap = 0;  ///< the largest difference of two logits that e^x can still see, or 1400

  explicit Row(std::span<const T> x) : p(x.size()), log_p(x.size()) {
    std::size_t best = 0;
    for (std::size_t k = 0; k < x.size(); ++k) best = x[k] > x[best] ? k : best;
    Quad others = 0;
    for (std::size_t k = 0; k < x.size(); ++k) {
      log_p[k] = Quad(x[k]) - Quad(x[best]);
      if (k != best) others += exponential(log_p[k]);
      gap = std::max(gap, std::min(1400.0, static_cast<double>(Quad(-log_p[k]))));
    }
    const Quad log_sum = others < 1e-18 ? Quad(others - others * others / 2) : log(1 + others);
    for (std::size_t k = 0; k < x.size(); ++k) {
      p[k] = exponential(log_p[k]) / (1 + others);
      log_p[k] -= log_sum;
    }
    log_p[best] = -log_sum;
  }
};

/// The error of `value` in units of eps max(1, gap) scale. What is lost to the smallest numbers of T
/// does not count: half of one for each of `terms` exponentials, and what the last steps round.
template <class T>
double error(T value, const Quad& exact, const Quad& scale, double gap, std::int64_t terms = 1) {
  if (!std::isfinite(value)) return HUGE_VAL;
  using Limits = std::numeric_limits<T>;
  const Quad difference = abs(Quad(value) - exact);
  if (difference <= (2 + terms) * Quad(Limits::denorm_min())) return 0;
  const Quad unit = Quad(Limits::epsilon()) * scale * std::max(1.0, gap);
  if (unit == 0) return HUGE_VAL;
  return static_cast<double>(Quad(difference / unit));
}

struct Worst {
  double loss = 0, gradient = 0;
  int cases = 0;
};

/// All public forms on one matrix of logits: rows of targets, and class indices where there are.
template <class T>
void check(const Tensor<T>& x, const Tensor<T>& y, std::span<const std::int32_t> labels,
           Worst& worst) {
  const std::int64_t rows = x.shape()[0], columns = x.shape()[1];
  Tape<T> tape;
  const Var<T> z = tape.input(x);
  std::vector<Var<T>> losses{softmax_cross_entropy(z, tape.input(y))};
  if (!labels.empty()) losses.push_back(softmax_cross_entropy_with_indices(z, labels));
  for (const Var<T>& loss : losses) {
    const TensorView<const T> dz = gradients(loss, {z})[0].value();
    Quad total = 0;
    double widest = 0;
    for (std::int64_t n = 0; n < rows; ++n) {
      const Row<T> row(x.span().subspan(std::size_t(n * columns), std::size_t(columns)));
      widest = std::max(widest, row.gap);
      for (std::int64_t k = 0; k < columns; ++k) {
        const Quad target = Quad(y(n, k));
        Quad slope = 0, scale = 0;
        for (std::int64_t j = 0; j < columns; ++j) {
          if (j == k) continue;
          const Quad forth = Quad(y(n, j)) * row.p[std::size_t(k)],
                     back = target * row.p[std::size_t(j)];
          slope += (forth - back) / rows, scale += (forth + back) / rows;
        }
        // With one label a row no terms of opposite sign meet, and scale is the entry itself.
        const double e = error(dz(n, k), slope, scale, row.gap, columns);
        worst.gradient = std::max(worst.gradient, e);
        BOOST_TEST(e <= 8, "dz(" << n << ", " << k << ") = " << dz(n, k) << ", not " << slope
                                 << "; gap " << row.gap << ", " << columns << " classes");
        if (target != 0) total -= target * row.log_p[std::size_t(k)] / rows;
      }
    }
    if (abs(total) > Quad(std::numeric_limits<T>::max())) continue;
    const double e = error(loss.item(), total, total, widest, 3 * columns);
    worst.loss = std::max(worst.loss, e);
    BOOST_TEST(e <= 8, "loss " << loss.item() << ", not " << total << "; gap " << widest);
    ++worst.cases;
  }
}

/// Rows around `centre` with one winner `gap` above the best of the others.
template <class T>
Tensor<T> logits(Source& source, std::int64_t rows, std::int64_t columns, double centre,
                 double gap) {
  Tensor<T> x({rows, columns});
  for (T& v : x) v = static_cast<T>(centre + source.uniform(-1, 0));
  for (std::int64_t n = 0; n < rows; ++n) {
    x(n, source.below(columns)) = static_cast<T>(centre + gap + source.uniform(0, 0.5));
  }
  return x;
}

template <class T>
std::int64_t winner(const Tensor<T>& x, std::int64_t n) {
  std::int64_t best = 0;
  for (std::int64_t k = 0; k < x.shape()[1]; ++k) best = x(n, k) > x(n, best) ? k : best;
  return best;
}

}  // namespace

BOOST_AUTO_TEST_CASE_TEMPLATE(every_magnitude_gap_and_mass, T, Precisions) {
  Source source(81);
  Worst worst;
  const double largest = std::is_same_v<T, float> ? 1e37 : 1e300;
  for (const double centre : {0.0, 1.0, -300.0, 1e4, -1e10, 1e18, -largest, largest}) {
    for (const double gap : {0.0, 1e-8, 0.5, 2.0, 10.0, 20.0, 35.0, 36.7, 40.0, 80.0, 104.0, 200.0,
                             500.0, 700.0, 1e3, 1e20, largest}) {
      for (const std::int64_t columns : {1, 2, 3, 10, 40}) {
        if (columns == 40 && centre != 0) continue;
        if (!optimised && columns != 3) continue;
        const std::int64_t rows = 2;
        const Tensor<T> x = logits<T>(source, rows, columns, centre, gap);
        for (const double mass : {0.0, 0.3, 1.0, 3.0}) {
          Tensor<T> on_winner(x.shape()), anywhere(x.shape()), soft(x.shape());
          std::vector<std::int32_t> winners, labels;
          for (std::int64_t n = 0; n < rows; ++n) {
            winners.push_back(static_cast<std::int32_t>(winner(x, n)));
            labels.push_back(static_cast<std::int32_t>(source.below(columns)));
            on_winner(n, winners.back()) = anywhere(n, labels.back()) = static_cast<T>(mass);
            double sum = 0;
            std::vector<double> share;
            for (std::int64_t k = 0; k < columns; ++k) {
              share.push_back(source.uniform(0, 1)), sum += share.back();
            }
            for (std::int64_t k = 0; k < columns; ++k) {
              soft(n, k) = static_cast<T>(mass * share[std::size_t(k)] / sum);
            }
          }
          using Labels = std::span<const std::int32_t>;
          check(x, on_winner, mass == 1 ? Labels(winners) : Labels(), worst);
          check(x, anywhere, mass == 1 ? Labels(labels) : Labels(), worst);
          check(x, soft, {}, worst);
          if (mass != 0) continue;
          Tape<T> tape;
          const Var<T> z = tape.input(x), loss = softmax_cross_entropy(z, tape.input(soft));
          BOOST_TEST(loss.item() == 0);
          for (const T slope : gradients(loss, {z})[0].value()) BOOST_TEST(slope == 0);
        }
      }
    }
  }
  fmt::print("{}: {} losses; worst, in eps max(1, gap): loss {:.2f}, gradient {:.2f}\n",
             sizeof(T) == 4 ? "float" : "double", worst.cases, worst.loss, worst.gradient);
}

BOOST_AUTO_TEST_CASE(a_gap_beyond_36_still_has_a_loss) {
  Tape<double> tape;
  const Tensor<double> x({1, 2}, {40, 0}), y({1, 2}, {1, 0});
  const Var<double> z = tape.input(x), loss = softmax_cross_entropy(z, tape.input(y));
  BOOST_TEST(-std::log(1 / (1 + std::exp(-40.0))) == 0);  // the usual formula
  BOOST_TEST(loss.item() == std::exp(-40.0), boost::test_tools::tolerance(1e-15));
  BOOST_TEST(gradients(loss, {z})[0].value()[0] == -std::exp(-40.0),
             boost::test_tools::tolerance(1e-15));
}

BOOST_AUTO_TEST_CASE_TEMPLATE(rows_of_two_hundred_thousand_classes, T, Precisions) {
  Source source(82);
  const std::int64_t columns = optimised ? 200'000 : 20'000;
  Worst worst;
  const Tensor<T> x = source.tensor<T>({1, columns}, -4, 4);
  Tensor<T> y(x.shape());
  y(0, 77) = 1;
  Tape<T> tape;
  const Var<T> z = tape.input(x), loss = softmax_cross_entropy(z, tape.input(y));
  const auto dz = gradients(loss, {z})[0].value();
  // The gradient of such a row sums to zero, and its entries are p_k.
  Quad sum = 0, size = 0;
  const Row<double> row(Tensor<double>(x.shape(), std::vector<double>(x.begin(), x.end())).span());
  for (std::int64_t k = 0; k < columns; ++k) {
    const Quad exact = k == 77 ? Quad(row.p[77] - 1) : row.p[std::size_t(k)];
    worst.gradient = std::max(worst.gradient, error(dz[k], exact, abs(exact), row.gap));
    sum += Quad(dz[k]), size += abs(Quad(dz[k]));
  }
  BOOST_TEST(worst.gradient <= 8);
  BOOST_TEST(error(loss.item(), Quad(-row.log_p[77]), Quad(-row.log_p[77]), row.gap) <= 8);
  // Soft labels of many small masses: sums of 200,000 terms.
  Tensor<T> soft(x.shape());
  for (T& v : soft) v = static_cast<T>(source.uniform(0, 2) / static_cast<double>(columns));
  const Var<T> other = softmax_cross_entropy(z, tape.input(soft));
  const auto ds = gradients(other, {z})[0].value();
  Quad mass = 0;
  for (const T v : soft) mass += Quad(v);
  double largest = 0;
  for (std::int64_t k = 0; k < columns; ++k) {
    const Quad forth = mass * row.p[std::size_t(k)], back = Quad(soft[k]);
    largest = std::max(largest, error(ds[k], Quad(forth - back), Quad(forth + back), row.gap));
  }
  BOOST_TEST(largest <= 8);
  fmt::print("{}, {} classes: gradient {:.2f} with a hard label, {:.2f} with soft ones\n",
             sizeof(T) == 4 ? "float" : "double", columns, worst.gradient, largest);
}

BOOST_AUTO_TEST_CASE_TEMPLATE(infinities_and_nan, T, Precisions) {
  const T inf = std::numeric_limits<T>::infinity(), nan = std::numeric_limits<T>::quiet_NaN();
  const std::vector<std::int32_t> labels{2};
  const auto both = [&](const Tensor<T>& x, const Tensor<T>& y, auto judge) {
    Tape<T> tape;
    const Var<T> z = tape.input(x);
    for (const Var<T>& loss :
         {softmax_cross_entropy(z, tape.input(y)), softmax_cross_entropy_with_indices(z, labels)}) {
      judge(loss.item(), gradients(loss, {z})[0].value());
    }
  };
  const Tensor<T> y({1, 3}, {0, 0, 1});
  // An impossible class is as if it were not there.
  both(Tensor<T>({1, 3}, {1, -inf, 2}), y, [&](T loss, TensorView<const T> dz) {
    Tape<T> tape;
    const Tensor<T> shorter({1, 2}, {1, 2}), one_hot({1, 2}, {0, 1});
    const Var<T> z = tape.input(shorter), other = softmax_cross_entropy(z, tape.input(one_hot));
    const auto expected = gradients(other, {z})[0].value();
    BOOST_TEST(loss == other.item());
    BOOST_TEST(dz[0] == expected[0]);
    BOOST_TEST(dz[1] == 0);
    BOOST_TEST(dz[2] == expected[1]);
  });
  // A label on one costs everything.
  both(Tensor<T>({1, 3}, {1, 2, -inf}), y, [&](T loss, TensorView<const T> dz) {
    BOOST_TEST(loss == inf);
    BOOST_TEST(dz[2] == -1, boost::test_tools::tolerance(T(1e-6)));
  });
  // No distribution: NaN, never a number.
  for (const Tensor<T>& x : {Tensor<T>({1, 3}, {-inf, -inf, -inf}), Tensor<T>({1, 3}, {0, 1, inf}),
                             Tensor<T>({1, 3}, {inf, 0, 0}), Tensor<T>({1, 3}, {nan, 0, 0}),
                             Tensor<T>({1, 3}, {0, 0, nan}), Tensor<T>({1, 3}, {0, nan, inf})}) {
    both(x, y, [&](T loss, TensorView<const T> dz) {
      BOOST_TEST(std::isnan(loss));
      for (const T v : dz) BOOST_TEST(std::isnan(v));
    });
  }
}

BOOST_AUTO_TEST_CASE_TEMPLATE(a_shift_of_a_row_changes_no_bit, T, Precisions) {
  Source source(83);
  Tensor<T> x({5, 10}), shifted({5, 10});
  std::vector<std::int32_t> labels;
  const T shifts[] = {-700, 64, 1024, -3, 0.5};
  for (std::int64_t n = 0; n < 5; ++n) {
    labels.push_back(static_cast<std::int32_t>(source.below(10)));
    for (std::int64_t k = 0; k < 10; ++k) {
      x(n, k) = static_cast<T>(source.below(4096)) / 256;  // so that the shift is exact
      shifted(n, k) = x(n, k) + shifts[n];
    }
  }
  const Tensor<T> y = source.tensor<T>({5, 10}, 0, 1);
  Tape<T> tape;
  const Var<T> a = tape.input(x), b = tape.input(shifted), targets = tape.input(y);
  const std::pair<Var<T>, Var<T>> pairs[] = {
      {softmax_cross_entropy(a, targets), softmax_cross_entropy(b, targets)},
      {softmax_cross_entropy_with_indices(a, labels),
       softmax_cross_entropy_with_indices(b, labels)}};
  for (const auto& [la, lb] : pairs) {
    BOOST_TEST(la.item() == lb.item());
    BOOST_TEST(same_bits(gradients(la, {a})[0].value(), gradients(lb, {b})[0].value()));
  }
}
