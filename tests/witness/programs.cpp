#include "tests/witness/programs.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <chainrule/ops/ops.hpp>

#include <iterator>

namespace witness {

using namespace chainrule;
using V = Var<double>;

namespace {

constexpr const char* names[] = {"leaf",
                                 "neg",
                                 "scale",
                                 "shift",
                                 "exp",
                                 "log",
                                 "square",
                                 "sqrt",
                                 "reciprocal",
                                 "pow",
                                 "log1p",
                                 "expm1",
                                 "sin",
                                 "cos",
                                 "erf",
                                 "erfc",
                                 "gaussian",
                                 "normal_cdf",
                                 "abs",
                                 "clamp",
                                 "stop_gradient",
                                 "sigmoid",
                                 "tanh",
                                 "improved_sigmoid",
                                 "sech_squared",
                                 "relu",
                                 "leaky_relu",
                                 "elu",
                                 "gelu",
                                 "silu",
                                 "softplus",
                                 "add",
                                 "sub",
                                 "mul",
                                 "mul0",
                                 "div",
                                 "maximum",
                                 "minimum",
                                 "pow",
                                 "where",
                                 "sum",
                                 "sum_to",
                                 "broadcast_to",
                                 "reshape",
                                 "transpose",
                                 "slice",
                                 "pad",
                                 "concat",
                                 "stack",
                                 "pick",
                                 "place",
                                 "gather_rows",
                                 "scatter_add_rows",
                                 "mean",
                                 "max",
                                 "min",
                                 "logsumexp",
                                 "variance",
                                 "softmax",
                                 "log_softmax",
                                 "wedge_sum",
                                 "weighted_deviation",
                                 "matmul",
                                 "linear",
                                 "softmax_cross_entropy",
                                 "softmax_cross_entropy_with_indices",
                                 "mse",
                                 "binary_cross_entropy_with_logits",
                                 "huber"};
static_assert(std::size(names) == static_cast<std::size_t>(Kind::count));

Shape shape_of(const Dims& dims) { return Shape(std::span<const std::int64_t>(dims)); }

/// f(x, axes, keepdims), whose axes are a list in braces.
template <class F>
V over(F f, const Step& s) {
  const bool keep = s.flags & 1;
  switch (s.axes.size()) {
    case 0:
      return f(std::initializer_list<int>{}, keep);
    case 1:
      return f({s.axes[0]}, keep);
    case 2:
      return f({s.axes[0], s.axes[1]}, keep);
    case 3:
      return f({s.axes[0], s.axes[1], s.axes[2]}, keep);
    default:
      return f({s.axes[0], s.axes[1], s.axes[2], s.axes[3]}, keep);
  }
}

}  // namespace

const char* name_of(Kind kind) { return names[static_cast<std::size_t>(kind)]; }

V record_step(const Step& s, std::span<const V> x) {
  using Axes = std::initializer_list<int>;
  const double p = s.numbers[0], q = s.numbers[1];
  const int axis = s.axes.empty() ? 0 : s.axes[0];
  switch (s.kind) {
    case Kind::leaf:
      break;
    case Kind::neg:
      return neg(x[0]);
    case Kind::scale:
      return scale(x[0], p);
    case Kind::shift:
      return shift(x[0], p);
    case Kind::exp:
      return exp(x[0]);
    case Kind::log:
      return log(x[0]);
    case Kind::square:
      return square(x[0]);
    case Kind::sqrt:
      return sqrt(x[0]);
    case Kind::reciprocal:
      return reciprocal(x[0]);
    case Kind::power:
      return pow(x[0], p);
    case Kind::log1p:
      return log1p(x[0]);
    case Kind::expm1:
      return expm1(x[0]);
    case Kind::sin:
      return sin(x[0]);
    case Kind::cos:
      return cos(x[0]);
    case Kind::erf:
      return erf(x[0]);
    case Kind::erfc:
      return erfc(x[0]);
    case Kind::gaussian:
      return gaussian(x[0], p, q);
    case Kind::normal_cdf:
      return normal_cdf(x[0]);
    case Kind::abs:
      return abs(x[0]);
    case Kind::clamp:
      return clamp(x[0], p, q);
    case Kind::stop_gradient:
      return stop_gradient(x[0]);
    case Kind::sigmoid:
      return sigmoid(x[0]);
    case Kind::tanh:
      return tanh(x[0]);
    case Kind::improved_sigmoid:
      return improved_sigmoid(x[0]);
    case Kind::sech_squared:
      return sech_squared(x[0], p, q);
    case Kind::relu:
      return relu(x[0]);
    case Kind::leaky_relu:
      return leaky_relu(x[0], p);
    case Kind::elu:
      return elu(x[0], p);
    case Kind::gelu:
      return gelu(x[0]);
    case Kind::silu:
      return silu(x[0]);
    case Kind::softplus:
      return softplus(x[0]);
    case Kind::add:
      return add(x[0], x[1]);
    case Kind::sub:
      return sub(x[0], x[1]);
    case Kind::mul:
      return mul(x[0], x[1]);
    case Kind::mul0:
      return mul0(x[0], x[1]);
    case Kind::div:
      return div(x[0], x[1]);
    case Kind::maximum:
      return maximum(x[0], x[1]);
    case Kind::minimum:
      return minimum(x[0], x[1]);
    case Kind::pow:
      return pow(x[0], x[1]);
    case Kind::where:
      return where(greater(x[0], x[1]), x[2], x[3]);
    case Kind::sum:
      return over([&](Axes axes, bool keep) { return sum(x[0], axes, keep); }, s);
    case Kind::sum_to:
      return sum_to(x[0], shape_of(s.shape));
    case Kind::broadcast_to:
      return broadcast_to(x[0], shape_of(s.shape));
    case Kind::reshape:
      return reshape(x[0], shape_of(s.shape));
    case Kind::transpose:
      return transpose(x[0], std::span<const int>(s.axes));
    case Kind::slice:
      return slice(x[0], axis, s.begin, s.end);
    case Kind::pad:
      return pad(x[0], axis, s.begin, s.end);
    case Kind::concat:
      return concat(x, axis);
    case Kind::stack:
      return stack(x, axis);
    case Kind::pick:
      return pick(x[0], s.indices);
    case Kind::place:
      return place(x[0], s.indices, s.end);
    case Kind::gather_rows:
      return gather_rows(x[0], s.indices);
    case Kind::scatter_add_rows:
      return scatter_add_rows(x[0], s.indices, s.end);
    case Kind::mean:
      return over([&](Axes axes, bool keep) { return mean(x[0], axes, keep); }, s);
    case Kind::max:
      return over([&](Axes axes, bool keep) { return max(x[0], axes, keep); }, s);
    case Kind::min:
      return over([&](Axes axes, bool keep) { return min(x[0], axes, keep); }, s);
    case Kind::logsumexp:
      return over([&](Axes axes, bool keep) { return logsumexp(x[0], axes, keep); }, s);
    case Kind::variance:
      return over([&](Axes axes, bool keep) { return variance(x[0], axes, keep, s.flags / 2); }, s);
    case Kind::softmax:
      return softmax(x[0]);
    case Kind::log_softmax:
      return log_softmax(x[0]);
    case Kind::wedge_sum:
      return wedge_sum(x[0], x[1]);
    case Kind::weighted_deviation:
      return weighted_deviation(x[0], x[1]);
    case Kind::matmul:
      return matmul(x[0], x[1], static_cast<Transpose>(s.flags));
    case Kind::linear:
      return linear(x[0], x[1], x[2]);
    case Kind::softmax_cross_entropy:
      return softmax_cross_entropy(x[0], x[1]);
    case Kind::softmax_cross_entropy_with_indices:
      return softmax_cross_entropy_with_indices(x[0], s.indices);
    case Kind::mse:
      return mse(x[0], x[1]);
    case Kind::binary_cross_entropy_with_logits:
      return binary_cross_entropy_with_logits(x[0], x[1]);
    case Kind::huber:
      return huber(x[0], x[1], p);
    case Kind::count:
      break;
  }
  throw std::logic_error("not an operation");
}

std::vector<V> record(Tape<double>& tape, const Program& program, const Recorder& recorder) {
  std::vector<V> vars, inputs;
  for (const Step& s : program) {
    if (s.kind == Kind::leaf) {
      vars.push_back(tape.input(TensorView<const double>{s.values.data(), shape_of(s.shape)}));
      continue;
    }
    inputs.clear();
    for (const int k : s.inputs) inputs.push_back(vars[static_cast<std::size_t>(k)]);
    vars.push_back(recorder(s, inputs));
  }
  return vars;
}

int operations(const Program& program) {
  return static_cast<int>(std::count_if(program.begin(), program.end(),
                                        [](const Step& s) { return s.kind != Kind::leaf; }));
}

int reused(const Program& program) {
  std::vector<int> uses(program.size());
  for (const Step& s : program) {
    for (const int k : s.inputs) ++uses[static_cast<std::size_t>(k)];
  }
  return static_cast<int>(std::count_if(uses.begin(), uses.end(), [](int n) { return n > 1; }));
}

// --- drawing -----------------------------------------------------------------------------------

namespace {

class Drawer {
 public:
  Drawer(support::Source& source, const Drawing& drawing) : source_(source), drawing_(drawing) {}

  Program draw() {
    const int target = 4 + static_cast<int>(source_.below(drawing_.most_steps - 3));
    leaf(random_dims());
    leaf(random_dims());
    // Each dangling step costs a product, a sum and an addition in the end.
    for (int tries = 0; tries < 50 * target; ++tries) {
      if (operations_ + 3 * std::ssize(dangling()) - 1 + 4 > target && operations_ > 0) break;
      attempt();
    }
    finish();
    return std::move(program_);
  }

 private:
  const Array<double>& value(int k) const { return values_[static_cast<std::size_t>(k)]; }
  const Dims& dims(int k) const { return value(k).dims; }
  bool chance(double p) { return source_.uniform(0, 1) < p; }
  std::int64_t between(std::int64_t low, std::int64_t high) {
    return low + source_.below(high - low + 1);
  }

  Dims random_dims() {
    Dims dims(static_cast<std::size_t>(source_.below(20) == 0 ? 4 : source_.below(4)));
    for (auto& n : dims) n = chance(0.25) ? 1 : between(1, dims.size() > 2 ? 2 : 3);
    return dims;
  }

  int append(Step s, Array<double> value) {
    for (const int k : s.inputs) ++uses_[static_cast<std::size_t>(k)];
    if (s.kind != Kind::leaf) ++operations_;
    program_.push_back(std::move(s)), values_.push_back(std::move(value)), uses_.push_back(0);
    return static_cast<int>(program_.size()) - 1;
  }

  /// A new leaf, asked for its gradient while there are few.
  int leaf(const Dims& dims, double low = -2, double high = 2) {
    Step s;
    s.shape = dims;
    for (std::int64_t i = 0; i < size_of(dims); ++i) s.values.push_back(source_.uniform(low, high));
    s.differentiated = entries_ + size_of(dims) <= drawing_.most_entries;
    if (s.differentiated) entries_ += static_cast<int>(size_of(dims));
    Array<double> value{dims, s.values};
    return append(std::move(s), std::move(value));
  }

  std::vector<int> dangling() const {
    std::vector<int> result;
    for (std::size_t k = 0; k < program_.size(); ++k) {
      if (uses_[k] == 0) result.push_back(static_cast<int>(k));
    }
    return result;
  }

  /// A step to use: often one that nothing uses yet, else any, so that some are used again.
  int any() {
    const std::vector<int> loose = dangling();
    if (!loose.empty() && chance(0.55)) {
      return loose[static_cast<std::size_t>(source_.below(std::ssize(loose)))];
    }
    return static_cast<int>(source_.below(std::ssize(program_)));
  }
  /// One whose shape pleases, or -1.
  template <class Pleases>
  int any_with(Pleases pleases) {
    for (int tries = 0; tries < 12; ++tries) {
      const int k = any();
      if (pleases(dims(k))) return k;
    }
    return -1;
  }
  /// One with these dimensions: a step, or else a new leaf.
  int like(const Dims& wanted, double low = -2, double high = 2) {
    const int k = any_with([&](const Dims& d) { return d == wanted; });
    return k >= 0 ? k : leaf(wanted, low, high);
  }
  /// One that broadcasts with `other` without growing much.
  int beside(const Dims& other) {
    const int k = any_with([&](const Dims& d) {
      for (std::size_t i = 0; i < std::min(d.size(), other.size()); ++i) {
        const auto a = d[d.size() - 1 - i], b = other[other.size() - 1 - i];
        if (a != b && a != 1 && b != 1) return false;
      }
      return size_of(broadcast_dims(d, other)) <= 24;
    });
    if (k >= 0) return k;
    Dims dims = other;
    for (auto& n : dims) n = chance(0.4) ? 1 : n;
    dims.erase(dims.begin(), dims.begin() + source_.below(std::ssize(dims) + 1));
    return leaf(dims);
  }

  std::vector<int> some_axes(const Dims& dims) {
    std::vector<int> axes;
    for (int k = 0; k < std::ssize(dims); ++k) {
      if (chance(0.5)) axes.push_back(k);
    }
    return axes;
  }
  std::vector<std::int32_t> some_indices(std::int64_t count, std::int64_t below) {
    std::vector<std::int32_t> indices;
    for (std::int64_t i = 0; i < count; ++i) {
      indices.push_back(static_cast<std::int32_t>(source_.below(below)));
    }
    return indices;
  }

  bool all(int k, double low, double high) const {
    return std::all_of(value(k).v.begin(), value(k).v.end(),
                       [&](double x) { return low <= x && x <= high; });
  }
  /// Every entry stands away from `kink`, or exactly on it.
  bool clear_of(int k, double kink) const {
    return std::all_of(value(k).v.begin(), value(k).v.end(),
                       [&](double x) { return x == kink || std::abs(x - kink) > 1e-6; });
  }
  /// No two of these entries are nearly but not quite equal.
  static bool distinct(const std::vector<double>& x) {
    for (std::size_t i = 0; i < x.size(); ++i) {
      for (std::size_t j = 0; j < i; ++j) {
        if (x[i] != x[j] && std::abs(x[i] - x[j]) < 1e-6) return false;
      }
    }
    return true;
  }
  bool clear_pair(int a, int b) const {
    std::vector<double> x = value(a).v;
    x.insert(x.end(), value(b).v.begin(), value(b).v.end());
    return distinct(x);
  }

  /// Whether the operation may be given these inputs: away from poles and kinks.
  bool allowed(const Step& s) const {
    const int a = s.inputs[0], b = s.inputs.size() > 1 ? s.inputs[1] : a;
    switch (s.kind) {
      case Kind::exp:
      case Kind::expm1:
        return all(a, -20, 5);
      case Kind::log:
      case Kind::sqrt:
        return all(a, 0.05, 1e3);
      case Kind::power:
        return all(a, 0.1, 10);
      case Kind::log1p:
        return all(a, -0.9, 1e3);
      case Kind::sin:
      case Kind::cos:
        return all(a, -10, 10);
      case Kind::erfc:
      case Kind::normal_cdf:
      case Kind::gelu:
      case Kind::gaussian:
        return all(a, -4, 4);
      case Kind::sech_squared:
        return all(a, -10, 10);
      case Kind::reciprocal:
      case Kind::div:
        return std::all_of(value(b).v.begin(), value(b).v.end(),
                           [](double x) { return std::abs(x) > 0.1; });
      case Kind::pow:
        return all(a, 0.1, 10) && all(b, -3, 3);
      case Kind::abs:
      case Kind::relu:
      case Kind::leaky_relu:
      case Kind::elu:
        return clear_of(a, 0);
      case Kind::clamp:
        return clear_of(a, s.numbers[0]) && clear_of(a, s.numbers[1]);
      case Kind::maximum:
      case Kind::minimum:
      case Kind::where:
        return clear_pair(a, b);
      case Kind::max:
      case Kind::min:
        return distinct(value(a).v);
      case Kind::huber: {
        for (std::size_t i = 0; i < value(a).v.size(); ++i) {
          if (std::abs(std::abs(value(a).v[i] - value(b).v[i]) - s.numbers[0]) < 1e-6) return false;
        }
        return true;
      }
      default:
        return true;
    }
  }

  /// Draws one operation; nothing happens where it is not allowed.
  void attempt() {
    Step s;
    s.kind = static_cast<Kind>(between(1, static_cast<int>(Kind::count) - 1));
    const int a = any();
    const Dims x = dims(a);
    s.inputs = {a};
    const auto rank_at_least = [](std::size_t n) {
      return [n](const Dims& d) { return d.size() >= n; };
    };
    const auto set_first = [&](int k) {
      s.inputs = {k};
      return k >= 0;
    };
    if (s.kind <= Kind::softplus) {
      s.numbers = {source_.uniform(-1.5, 1.5), source_.uniform(0.3, 1.5)};
      if (s.kind == Kind::clamp) s.numbers = {source_.uniform(-1.5, 0), source_.uniform(0.1, 1.5)};
      if (s.kind == Kind::power) s.numbers[0] = source_.uniform(-2, 3);
    } else if (s.kind <= Kind::pow) {
      s.inputs.push_back(chance(0.1) ? a : beside(x));
    } else if (s.kind == Kind::where) {
      s.inputs.push_back(beside(x));
      s.inputs.push_back(beside(broadcast_dims(x, dims(s.inputs[1]))));
      Dims all = broadcast_dims(broadcast_dims(x, dims(s.inputs[1])), dims(s.inputs[2]));
      s.inputs.push_back(beside(all));
    } else {
      switch (s.kind) {
        case Kind::sum:
        case Kind::mean:
        case Kind::max:
        case Kind::min:
        case Kind::logsumexp:
        case Kind::variance:
          s.axes = some_axes(x);
          s.flags = chance(0.4);
          if (s.kind == Kind::variance && chance(0.3) &&
              size_of(x) > size_of(reduced_dims(x, s.axes, true))) {
            s.flags += 2;
          }
          break;
        case Kind::sum_to:
          s.shape = x;
          for (auto& n : s.shape) n = chance(0.4) ? 1 : n;
          s.shape.erase(s.shape.begin(), s.shape.begin() + source_.below(std::ssize(x) + 1));
          // What is cut off in front must have been summed: any size does.
          break;
        case Kind::broadcast_to:
          s.shape = x;
          for (auto& n : s.shape) n = n == 1 ? between(1, 3) : n;
          if (x.size() < 4 && chance(0.6)) s.shape.insert(s.shape.begin(), between(1, 2));
          if (size_of(s.shape) > 24) return;
          break;
        case Kind::reshape: {
          s.shape = x;
          if (chance(0.3) || x.empty()) {
            if (x.size() < 4) s.shape.insert(s.shape.begin() + source_.below(std::ssize(x) + 1), 1);
          } else {
            s.shape = {size_of(x)};
            for (const std::int64_t f : {3, 2}) {
              if (s.shape.back() % f != 0 || chance(0.3)) continue;
              s.shape.back() /= f;
              s.shape.insert(s.shape.begin(), f);
            }
          }
          break;
        }
        case Kind::transpose:
          for (int k = 0; k < std::ssize(x); ++k) s.axes.push_back(k);
          if (x.empty()) return;
          for (std::size_t k = s.axes.size(); k > 1; --k) {
            std::swap(s.axes[k - 1],
                      s.axes[static_cast<std::size_t>(source_.below(std::ssize(s.axes)))]);
          }
          break;
        case Kind::slice:
          if (x.empty()) return;
          s.axes = {static_cast<int>(source_.below(std::ssize(x)))};
          s.begin = source_.below(x[static_cast<std::size_t>(s.axes[0])]);
          s.end = between(s.begin + 1, x[static_cast<std::size_t>(s.axes[0])]);
          break;
        case Kind::pad:
          if (x.empty() || size_of(x) > 12) return;
          s.axes = {static_cast<int>(source_.below(std::ssize(x)))};
          s.begin = source_.below(2), s.end = source_.below(2);
          break;
        case Kind::concat:
          if (x.empty() || size_of(x) > 12) return;
          s.axes = {static_cast<int>(source_.below(std::ssize(x)))};
          s.inputs.push_back(chance(0.3) ? a : like(x));
          break;
        case Kind::stack:
          if (x.size() > 3 || size_of(x) > 12) return;
          s.axes = {static_cast<int>(source_.below(std::ssize(x) + 1))};
          s.inputs.push_back(chance(0.3) ? a : like(x));
          break;
        case Kind::pick:
          if (!set_first(any_with([](const Dims& d) { return d.size() == 2; }))) return;
          s.indices = some_indices(dims(s.inputs[0])[0], dims(s.inputs[0])[1]);
          break;
        case Kind::place:
          if (!set_first(any_with([](const Dims& d) { return d.size() == 1; }))) return;
          s.end = between(1, 3);
          s.indices = some_indices(dims(s.inputs[0])[0], s.end);
          break;
        case Kind::gather_rows:
          if (x.empty() || size_of(x) / x[0] > 8) return;
          s.indices = some_indices(between(1, 3), x[0]);
          break;
        case Kind::scatter_add_rows:
          if (x.empty() || size_of(x) / x[0] > 8) return;
          s.end = between(1, 3);
          s.indices = some_indices(x[0], s.end);
          break;
        case Kind::softmax:
        case Kind::log_softmax:
          if (!set_first(any_with(rank_at_least(1)))) return;
          break;
        case Kind::wedge_sum:
        case Kind::weighted_deviation:
          if (!set_first(any_with(rank_at_least(1)))) return;
          s.inputs.push_back(like(dims(s.inputs[0])));
          break;
        case Kind::matmul: {
          if (!set_first(any_with(rank_at_least(2)))) return;
          const Dims left = dims(s.inputs[0]);
          s.flags = static_cast<int>(source_.below(4)) & (left.size() > 2 ? 2 : 3);
          const std::int64_t k = s.flags & 1 ? left[0] : left.back();
          const bool tb = s.flags & 2;
          const int b =
              any_with([&](const Dims& d) { return d.size() == 2 && d[tb ? 1 : 0] == k; });
          const std::int64_t n = between(1, 3);
          s.inputs.push_back(b >= 0 ? b : leaf(tb ? Dims{n, k} : Dims{k, n}));
          break;
        }
        case Kind::linear: {
          if (!set_first(any_with([](const Dims& d) { return d.size() == 2; }))) return;
          const std::int64_t k = dims(s.inputs[0])[1];
          const int w = any_with([&](const Dims& d) { return d.size() == 2 && d[0] == k; });
          s.inputs.push_back(w >= 0 ? w : leaf({k, between(1, 3)}));
          s.inputs.push_back(like({dims(s.inputs[1])[1]}));
          break;
        }
        case Kind::softmax_cross_entropy:
        case Kind::softmax_cross_entropy_with_indices:
          if (!set_first(any_with([](const Dims& d) { return d.size() == 2; }))) return;
          if (s.kind == Kind::softmax_cross_entropy) {
            s.inputs.push_back(like(dims(s.inputs[0]), 0, 1));
          } else {
            s.indices = some_indices(dims(s.inputs[0])[0], dims(s.inputs[0])[1]);
          }
          break;
        case Kind::mse:
        case Kind::binary_cross_entropy_with_logits:
        case Kind::huber:
          s.inputs.push_back(like(x, 0.1, 0.9));
          s.numbers[0] = source_.uniform(0.3, 1.5);
          break;
        default:
          throw std::logic_error("not drawn");
      }
    }
    push(std::move(s));
  }

  /// Appends where the values stay finite and small; the number of the step, or -1.
  int push(Step s) {
    if (!allowed(s)) return -1;
    std::vector<const Array<double>*> in;
    for (const int k : s.inputs) in.push_back(&value(k));
    Array<double> result = evaluate<double>(s, in);
    if (std::ssize(result.v) > 48) return -1;
    for (const double v : result.v) {
      if (!(std::abs(v) <= 1e3)) return -1;
    }
    return append(std::move(s), std::move(result));
  }

  int must(Kind kind, std::vector<int> inputs) {
    Step s;
    s.kind = kind, s.inputs = std::move(inputs);
    std::vector<const Array<double>*> in;
    for (const int k : s.inputs) in.push_back(&value(k));
    Array<double> result = evaluate<double>(s, in);
    return append(std::move(s), std::move(result));
  }

  /// sum of <weights, step> over all dangling steps.
  void finish() {
    int total = -1;
    for (const int k : dangling()) {
      // Leaves that nothing uses stay out.
      if (program_[static_cast<std::size_t>(k)].kind == Kind::leaf) continue;
      entries_ = drawing_.most_entries;  // weights are constants
      const int part = must(Kind::sum, {must(Kind::mul, {k, leaf(dims(k))})});
      total = total < 0 ? part : must(Kind::add, {total, part});
    }
  }

  support::Source& source_;
  const Drawing drawing_;
  Program program_;
  std::vector<Array<double>> values_;
  std::vector<int> uses_;
  int operations_ = 0, entries_ = 0;
};

}  // namespace

Program draw(support::Source& source, const Drawing& drawing) {
  return Drawer(source, drawing).draw();
}

// --- failing programs ---------------------------------------------------------------------------

namespace {

/// Without the steps that the last one does not need; differentiated leaves stay only where needed.
Program live(const Program& program) {
  std::vector<bool> needed(program.size());
  needed.back() = true;
  for (std::size_t k = program.size(); k-- > 0;) {
    if (!needed[k]) continue;
    for (const int in : program[k].inputs) needed[static_cast<std::size_t>(in)] = true;
  }
  Program result;
  std::vector<int> place(program.size());
  for (std::size_t k = 0; k < program.size(); ++k) {
    if (!needed[k]) continue;
    place[k] = static_cast<int>(result.size());
    result.push_back(program[k]);
    for (int& in : result.back().inputs) in = place[static_cast<std::size_t>(in)];
  }
  return result;
}

}  // namespace

Program shrink(Program program, const std::function<bool(const Program&)>& fails) {
  const auto plain = [](const Program& p) {
    return run<double>(p, [&](std::size_t s, std::size_t k) { return p[s].values[k]; });
  };
  for (bool progress = true; progress;) {
    progress = false;
    for (std::size_t k = program.size(); k-- > 0;) {
      const auto values = plain(program);
      std::vector<Program> candidates;
      // The program up to here, where that is a scalar.
      if (values[k].v.size() == 1 && values[k].dims.empty() && k + 1 < program.size() &&
          program[k].kind != Kind::leaf) {
        candidates.emplace_back(program.begin(),
                                program.begin() + static_cast<std::ptrdiff_t>(k) + 1);
      }
      // An input of the same shape in its place.
      for (const int in : program[k].inputs) {
        if (values[static_cast<std::size_t>(in)].dims != values[k].dims) continue;
        Program p = program;
        if (k + 1 == p.size()) {
          p.resize(static_cast<std::size_t>(in) + 1);
        } else {
          for (Step& s : p) std::replace(s.inputs.begin(), s.inputs.end(), static_cast<int>(k), in);
        }
        candidates.push_back(std::move(p));
      }
      // Its value as a constant, or as a leaf that is differentiated.
      if (k + 1 < program.size()) {
        for (const bool differentiated : {false, true}) {
          if (program[k].kind == Kind::leaf && (differentiated || !program[k].differentiated))
            break;
          Program p = program;
          p[k] = Step{};
          p[k].shape = values[k].dims, p[k].values = values[k].v;
          p[k].differentiated = differentiated;
          candidates.push_back(std::move(p));
        }
      }
      for (Program& p : candidates) {
        p = live(p);
        const auto weight = [](const Program& q) {
          std::size_t entries = 0;
          for (const Step& s : q) entries += s.differentiated ? 1 + s.values.size() : 0;
          return std::tuple(operations(q), q.size(), entries);
        };
        if (weight(p) >= weight(program) || p.back().kind == Kind::leaf || !fails(p)) continue;
        program = std::move(p);
        progress = true;
        k = std::min(k, program.size());
        break;
      }
    }
  }
  return program;
}

std::string to_code(const Program& program) {
  std::string code = "Tape<double> tape;\n", wrt;
  for (std::size_t k = 0; k < program.size(); ++k) {
    const Step& s = program[k];
    std::string inputs;
    for (const int in : s.inputs) inputs += fmt::format("{}v{}", inputs.empty() ? "" : ", ", in);
    if (s.kind == Kind::leaf) {
      code += fmt::format("const Tensor<double> t{}(Shape{{{}}}, {{{}}});\n", k,
                          fmt::join(s.shape, ", "), fmt::join(s.values, ", "));
      code += fmt::format("const auto v{0} = tape.input(t{0});\n", k);
      if (s.differentiated) wrt += fmt::format("{}v{}", wrt.empty() ? "" : ", ", k);
      continue;
    }
    if (!s.indices.empty()) {
      code += fmt::format("const std::vector<std::int32_t> i{}{{{}}};\n", k,
                          fmt::join(s.indices, ", "));
      inputs += fmt::format(", i{}", k);
    }
    const std::string axes = fmt::format("{{{}}}", fmt::join(s.axes, ", "));
    switch (s.kind) {
      case Kind::where: {
        const auto& in = s.inputs;
        inputs = fmt::format("greater(v{}, v{}), v{}, v{}", in[0], in[1], in[2], in[3]);
        break;
      }
      case Kind::concat:
      case Kind::stack:
        inputs = fmt::format("{{{}}}, {}", inputs, s.axes[0]);
        break;
      case Kind::scale:
      case Kind::shift:
      case Kind::power:
      case Kind::leaky_relu:
      case Kind::elu:
      case Kind::huber:
        inputs += fmt::format(", {}", s.numbers[0]);
        break;
      case Kind::gaussian:
      case Kind::sech_squared:
      case Kind::clamp:
        inputs += fmt::format(", {}, {}", s.numbers[0], s.numbers[1]);
        break;
      case Kind::sum:
      case Kind::mean:
      case Kind::max:
      case Kind::min:
      case Kind::logsumexp:
        inputs += fmt::format(", {}, {}", axes, (s.flags & 1) != 0);
        break;
      case Kind::variance:
        inputs += fmt::format(", {}, {}, {}", axes, (s.flags & 1) != 0, s.flags / 2);
        break;
      case Kind::transpose:
        inputs += ", " + axes;
        break;
      case Kind::slice:
      case Kind::pad:
        inputs += fmt::format(", {}, {}, {}", s.axes[0], s.begin, s.end);
        break;
      case Kind::place:
      case Kind::scatter_add_rows:
        inputs += fmt::format(", {}", s.end);
        break;
      case Kind::matmul:
        inputs += fmt::format(", Transpose{{{}}}", s.flags);
        break;
      case Kind::sum_to:
      case Kind::broadcast_to:
      case Kind::reshape:
        inputs += fmt::format(", Shape{{{}}}", fmt::join(s.shape, ", "));
        break;
      default:
        break;
    }
    code += fmt::format("const auto v{} = {}({});\n", k, name_of(s.kind), inputs);
  }
  return code + fmt::format("const auto g = gradients(v{}, {{{}}});\n", program.size() - 1, wrt);
}

}  // namespace witness
