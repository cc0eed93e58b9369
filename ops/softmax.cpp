// Softmax, its logarithm and derivatives along the last axis.
#include <fmt/format.h>
#include <chainrule/autograd/kernels.hpp>
#include <chainrule/autograd/storage/vector_math.hpp>
#include <chainrule/ops/ops.hpp>

#include <array>
#include <cmath>
#include <type_traits>

namespace chainrule {

namespace {

Shape rows_shape(const Call& call) {
  call.expect_inputs(1);
  const Shape& shape = call.input(0);
  if (shape.rank() == 0 || shape.last() == 0) {
    throw ShapeError(
        call.op, fmt::format("{}: expected a last axis of at least one entry", to_string(shape)),
        call.location);
  }
  return shape;
}

Shape pair_of_rows_shape(const Call& call) {
  call.expect_inputs(2);
  if (call.input(0) != call.input(1)) {
    throw ShapeError(call.op,
                     fmt::format("{} and {}: expected equal shapes", to_string(call.input(0)),
                                 to_string(call.input(1))),
                     call.location);
  }
  return call.input(0);
}

/// The first largest entry. A NaN stays where the search began or is passed over; the difference
/// from the winner makes the row NaN either way.
template <class T>
std::int64_t winner(std::int64_t n, const T* x) {
  std::int64_t best = 0;
  T top = x[0];  // beside its place: the next comparison need not wait for a load
  for (std::int64_t k = 1; k < n; ++k) {
    const bool higher = x[k] > top;
    top = higher ? x[k] : top;
    best = higher ? k : best;
  }
  return best;
}

/// Calls visit(row, winner, differences y = x - x_winner, sum over the others of e^y, the e^y) for
/// each row. Exponentials are taken for many short rows at once; rows longer than the buffer, in
/// pieces, hand on no exponentials.
template <class T, class Visit>
void for_each_softmax_row(const Evaluation<T>& e, Visit visit) {
  constexpr std::int64_t buffer_size = 1024;
  std::array<T, buffer_size> buffer;
  const TensorView<const T> x = e.input(0);
  const TensorView<T> y = e.output();
  const std::int64_t columns = x.shape().last(), rows = x.shape().rows();
  const auto subtract_winner = [&](std::int64_t row) {
    const T* from = x.data() + row * columns;
    const std::int64_t best = winner(columns, from);
    for (std::int64_t k = 0; k < columns; ++k) y[row * columns + k] = from[k] - from[best];
    return best;
  };
  if (columns > buffer_size) {
    for (std::int64_t row = 0; row < rows; ++row) {
      const std::int64_t best = subtract_winner(row);
      T others = 0;
      for (std::int64_t begin = 0; begin < columns; begin += buffer_size) {
        const std::int64_t n = std::min(buffer_size, columns - begin);
        vector_math::exp(n, y.data() + row * columns + begin, buffer.data());
        if (best >= begin && best < begin + n) {
          // Adding the winner's 1 and taking it back would cost the others' digits; a NaN stays.
          T& one = buffer[static_cast<std::size_t>(best - begin)];
          one -= 1;
        }
        others += detail::sum_run(n, buffer.data());
      }
      visit(row, best, others, static_cast<const T*>(nullptr));
    }
    return;
  }
  const std::int64_t block = buffer_size / columns;
  std::array<std::int64_t, buffer_size> best;
  for (std::int64_t begin = 0; begin < rows; begin += block) {
    const std::int64_t count = std::min(block, rows - begin);
    for (std::int64_t i = 0; i < count; ++i) {
      best[static_cast<std::size_t>(i)] = subtract_winner(begin + i);
    }
    vector_math::exp(count * columns, y.data() + begin * columns, buffer.data());
    for (std::int64_t i = 0; i < count; ++i) {
      T* exponentials = buffer.data() + i * columns;
      const std::int64_t w = best[static_cast<std::size_t>(i)];
      T others = exponentials[w] - 1;  // 0, or NaN
      for (std::int64_t k = 0; k < w; ++k) others += exponentials[k];
      for (std::int64_t k = w + 1; k < columns; ++k) others += exponentials[k];
      visit(begin + i, w, others, exponentials);
    }
  }
}

/// A running sum that does not lose digits in long rows: of float in double, of double with the
/// rounding errors summed beside it (Neumaier, 1974; Knuth's two-sum).
template <class T>
class RunningSum {
 public:
  void add(T x) {
    if constexpr (std::is_same_v<T, float>) {
      sum_ += x;
    } else {
      const double sum = sum_ + x, part = sum - sum_;
      lost_ += (sum_ - (sum - part)) + (x - part);
      sum_ = sum;
    }
  }
  /// An infinite sum has no rounding error to speak of: there it is NaN.
  double value() const { return std::isnan(lost_) ? sum_ : sum_ + lost_; }

 private:
  double sum_ = 0, lost_ = 0;
};

template <class T>
constexpr Op<T> log_softmax_op{
    "log_softmax", rows_shape,
    [](const Evaluation<T>& e) {
      const std::int64_t columns = e.output().shape().last();
      for_each_softmax_row(e, [&](std::int64_t row, std::int64_t, T others, const T*) {
        T* y = e.output().data() + row * columns;
        const T log_sum = std::log1p(others);
        for (std::int64_t k = 0; k < columns; ++k) y[k] -= log_sum;
      });
    },
    // exp(y) is softmax(x), as accurate and cheaper: both carry the rounding of the gap.
    [](const Adjoint<T>& n, int) { return wedge_sum(n.cotangent(), exp(n.output())); }};

template <class T>
constexpr Op<T> softmax_op{
    "softmax", rows_shape,
    [](const Evaluation<T>& e) {
      const std::int64_t columns = e.output().shape().last();
      for_each_softmax_row(e, [&](std::int64_t row, std::int64_t, T others, const T* exponentials) {
        T* y = e.output().data() + row * columns;
        if (exponentials) {
          std::copy_n(exponentials, columns, y);
        } else {
          vector_math::exp(columns, y, y);
        }
        const T sum = T(1) + others;
        for (std::int64_t k = 0; k < columns; ++k) y[k] /= sum;
      });
    },
    [](const Adjoint<T>& n, int) {
      return mul(n.output(), weighted_deviation(n.cotangent(), n.output()));
    }};

template <class T>
void wedge_sum_kernel(const Evaluation<T>& e) {
  const std::int64_t columns = e.output().shape().last(), rows = e.output().shape().rows();
  for (std::int64_t row = 0; row < rows; ++row) {
    const T* a = e.input(0).data() + row * columns;
    const T* b = e.input(1).data() + row * columns;
    T* y = e.output().data() + row * columns;
    const auto wedge = [&](std::int64_t k, const RunningSum<T>& sum_a, const RunningSum<T>& sum_b) {
      return static_cast<T>(static_cast<double>(a[k]) * sum_b.value() -
                            sum_a.value() * static_cast<double>(b[k]));
    };
    // Sums over the entries before k, then over those behind it: never the total minus one.
    RunningSum<T> before_a, before_b, behind_a, behind_b;
    for (std::int64_t k = 0; k < columns; ++k) {
      y[k] = wedge(k, before_a, before_b);
      before_a.add(a[k]), before_b.add(b[k]);
    }
    for (std::int64_t k = columns; k-- > 0;) {
      y[k] += wedge(k, behind_a, behind_b);
      behind_a.add(a[k]), behind_b.add(b[k]);
    }
  }
}

template <class T>
constexpr Op<T> wedge_sum_op{"wedge_sum", pair_of_rows_shape, wedge_sum_kernel<T>,
                             [](const Adjoint<T>& n, int i) {
                               if (i == 0) return weighted_deviation(n.cotangent(), n.input(1));
                               return neg(weighted_deviation(n.cotangent(), n.input(0)));
                             }};

template <class T>
void weighted_deviation_kernel(const Evaluation<T>& e) {
  const std::int64_t columns = e.output().shape().last(), rows = e.output().shape().rows();
  for (std::int64_t row = 0; row < rows; ++row) {
    const T* a = e.input(0).data() + row * columns;
    const T* w = e.input(1).data() + row * columns;
    T* y = e.output().data() + row * columns;
    // Measured from the entry with the largest weight c, that entry's own value is the sum of the
    // small terms alone: (a_k - a_c) sum(w) - sum_j w_j (a_j - a_c).
    std::int64_t c = 0;
    RunningSum<T> total, moment;
    for (std::int64_t k = 0; k < columns; ++k) {
      if (std::abs(w[k]) > std::abs(w[c])) c = k;
      total.add(w[k]);
    }
    for (std::int64_t k = 0; k < columns; ++k) moment.add(w[k] * (a[k] - a[c]));
    const double weight = total.value(), centre = moment.value();
    for (std::int64_t k = 0; k < columns; ++k) {
      y[k] = static_cast<T>(static_cast<double>(a[k] - a[c]) * weight - centre);
    }
  }
}

template <class T>
constexpr Op<T> weighted_deviation_op{"weighted_deviation", pair_of_rows_shape,
                                      weighted_deviation_kernel<T>, [](const Adjoint<T>& n, int i) {
                                        if (i == 0) return wedge_sum(n.cotangent(), n.input(1));
                                        return neg(weighted_deviation(n.input(0), n.cotangent()));
                                      }};

}  // namespace

template <class T>
Var<T> softmax(Var<T> x, SourceLocation location) {
  return x.tape(location).record(softmax_op<T>, {x}, {}, location);
}
template <class T>
Var<T> log_softmax(Var<T> x, SourceLocation location) {
  return x.tape(location).record(log_softmax_op<T>, {x}, {}, location);
}
template <class T>
Var<T> wedge_sum(Var<T> a, Var<T> b, SourceLocation location) {
  return a.tape(location).record(wedge_sum_op<T>, {a, b}, {}, location);
}
template <class T>
Var<T> weighted_deviation(Var<T> a, Var<T> w, SourceLocation location) {
  return a.tape(location).record(weighted_deviation_op<T>, {a, w}, {}, location);
}

#define CHAINRULE_INSTANTIATE(T)                             \
  template Var<T> softmax(Var<T>, SourceLocation);           \
  template Var<T> log_softmax(Var<T>, SourceLocation);       \
  template Var<T> wedge_sum(Var<T>, Var<T>, SourceLocation); \
  template Var<T> weighted_deviation(Var<T>, Var<T>, SourceLocation);
CHAINRULE_INSTANTIATE(float)
CHAINRULE_INSTANTIATE(double)
#undef CHAINRULE_INSTANTIATE

}  // namespace chainrule
