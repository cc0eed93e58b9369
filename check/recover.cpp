#include <chainrule/check/recover.hpp>
#include <chainrule/ops/ops.hpp>

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <numeric>

namespace chainrule::detail {

namespace {

double dot(const double* a, const double* b, std::int64_t n) {
  // Four sums, which the compiler may keep in registers side by side.
  double s[4] = {0, 0, 0, 0};
  std::int64_t i = 0;
  for (; i + 4 <= n; i += 4) {
    for (int k = 0; k < 4; ++k) s[k] += a[i + k] * b[i + k];
  }
  for (; i < n; ++i) s[0] += a[i] * b[i];
  return (s[0] + s[1]) + (s[2] + s[3]);
}

/// Applies I - 2 v v^T / (v^T v) to x, with `beta` 2 / (v^T v).
void reflect(const double* v, double beta, double* x, std::int64_t n) {
  const double factor = beta * dot(v, x, n);
  for (std::int64_t i = 0; i < n; ++i) x[i] -= factor * v[i];
}

/// Von Neumann's ratio of the ranks: the mean square of the steps from one value to the next by
/// their variance. Near 0 for a function that is sampled along its argument, near 2 for values that
/// have nothing to do with their neighbours, however large the largest of them are; 2 for values
/// that are all equal.
double roughness(const std::vector<double>& values) {
  std::vector<double> sorted = values;
  std::ranges::sort(sorted);
  std::vector<double> ranks;  // the middle of those of equal values
  for (const double value : values) {
    const auto [begin, end] = std::ranges::equal_range(sorted, value);
    ranks.push_back(0.5 * static_cast<double>((begin - sorted.begin()) + (end - sorted.begin())));
  }
  const double mean = 0.5 * static_cast<double>(values.size());
  double steps = 0, spread = 0;
  for (std::size_t i = 0; i < ranks.size(); ++i) {
    if (i > 0) steps += (ranks[i] - ranks[i - 1]) * (ranks[i] - ranks[i - 1]);
    spread += (ranks[i] - mean) * (ranks[i] - mean);
  }
  return spread > 0 ? steps / spread : 2;
}

/// Whether db, if it was handed in and is right, is the sum over the samples of this dZ. Where it
/// is not, dW was not made of it.
bool agrees_with_bias(const NetworkLayer& layer, const Tensor<double>& dz, double tolerance,
                      const std::vector<Target>& targets) {
  const auto db = std::ranges::find_if(targets, [&](const Target& t) {
    return layer.b != no_node && t.gradient && t.node == layer.b && t.right;
  });
  if (db == targets.end() || db->error > db->allowed) return true;
  const std::int64_t samples = dz.shape()[0], units = dz.shape()[1];
  for (std::int64_t j = 0; j < units; ++j) {
    double sum = 0, size = 0;
    for (std::int64_t n = 0; n < samples; ++n) sum += dz(n, j), size += std::abs(dz(n, j));
    if (std::abs(sum - db->hand[j]) > std::max(1e-6, 10 * tolerance) * size) return false;
  }
  return true;
}

}  // namespace

LeastSquares solve_transposed(TensorView<const double> a, TensorView<const double> g) {
  const std::int64_t samples = a.shape()[0], inputs = a.shape()[1], units = g.shape()[1];
  // Columns of A^T and of G, one after the other.
  Tensor<double> q(a), rhs({units, inputs});
  for (std::int64_t i = 0; i < inputs; ++i) {
    for (std::int64_t j = 0; j < units; ++j) rhs(j, i) = g(i, j);
  }
  std::vector<double> diagonal(static_cast<std::size_t>(samples));
  double largest = 0, smallest = HUGE_VAL;
  for (std::int64_t k = 0; k < samples; ++k) {
    double* v = &q(k, k);
    const std::int64_t n = inputs - k;
    const double length = std::sqrt(dot(v, v, n));
    const double r = v[0] > 0 ? -length : length;
    diagonal[static_cast<std::size_t>(k)] = r;
    largest = std::max(largest, length), smallest = std::min(smallest, length);
    if (length == 0) break;
    v[0] -= r;
    const double beta = 2 / dot(v, v, n);
    for (std::int64_t c = k + 1; c < samples; ++c) reflect(v, beta, &q(c, k), n);
    for (std::int64_t j = 0; j < units; ++j) reflect(v, beta, &rhs(j, k), n);
  }
  LeastSquares result;
  result.condition = smallest > 0 ? largest / smallest : HUGE_VAL;
  result.solution = Tensor<double>(Shape{samples, units});
  if (!std::isfinite(result.condition)) return result;
  double rest = 0, all = 0;
  for (std::int64_t j = 0; j < units; ++j) {
    double* x = &rhs(j, 0);
    all += dot(x, x, inputs);
    rest += dot(x + samples, x + samples, inputs - samples);
    for (std::int64_t k = samples; k-- > 0;) {
      // R(k, c) stands in column c of A^T, which is row c of q
      for (std::int64_t c = k + 1; c < samples; ++c) x[k] -= q(c, k) * x[c];
      x[k] /= diagonal[static_cast<std::size_t>(k)];
      result.solution(k, j) = x[k];
    }
  }
  result.residual = all > 0 ? std::sqrt(rest / all) : 0;
  return result;
}

std::vector<Target> recover_deltas(const Graph& graph, const Network& network,
                                   const std::vector<V>& right, const std::vector<Target>& targets,
                                   std::vector<std::string>& notes) {
  std::vector<Target> found;
  const auto given = [&](NodeId node) {
    return std::ranges::find_if(targets,
                                [node](const Target& t) { return t.gradient && t.node == node; });
  };
  for (int l = network.depth(); l >= 1; --l) {
    const NetworkLayer& layer = network.at(l);
    const auto dw = given(layer.w);
    if (dw == targets.end() || given(layer.z) != targets.end() || !dw->right ||
        !all_finite(dw->hand) || dw->error <= dw->allowed) {
      continue;
    }
    const TensorView<const double> a = graph.var(layer.below).value();
    const std::int64_t samples = a.shape()[0], inputs = a.shape()[1];
    if (samples > inputs) {
      notes.push_back(
          fmt::format("dZ{} cannot be recovered from dW{}: {} samples for {} inputs; a "
                      "batch of at most {} would show it",
                      l, l, samples, inputs, inputs));
      continue;
    }
    const double work = static_cast<double>(inputs) * static_cast<double>(samples) *
                        static_cast<double>(2 * samples + 4 * dw->hand.shape()[1]);
    if (work > 1e9) continue;  // a second
    LeastSquares recovered = solve_transposed(a, dw->hand);
    const double tolerance = dw->tolerance * recovered.condition;
    if (!(tolerance < 1e-2)) {
      notes.push_back(
          fmt::format("dZ{} cannot be recovered from dW{}: the rows of A{} are not "
                      "independent",
                      l, l, l - 1));
      continue;
    }
    if (recovered.residual > 10 * dw->tolerance) {
      notes.push_back(
          fmt::format("no dZ{} gives dW{} = A{}^T dZ{} (residual {:.1e}): the product "
                      "itself, or what was added to it, is wrong",
                      l, l, l - 1, l, recovered.residual));
      continue;
    }
    if (!agrees_with_bias(layer, recovered.solution, tolerance, targets)) {
      notes.push_back(fmt::format(
          "the dZ{} that would give dW{} does not give db{}, which is right: the product "
          "A{}^T dZ{} itself, or what was added to it, is wrong",
          l, l, l, l - 1, l));
      continue;
    }
    Target target;
    target.name = fmt::format("dZ{}", l);
    target.node = layer.z;
    target.hand = std::move(recovered.solution);
    target.recovered = true;
    target.residual = recovered.residual;
    target.right = right[layer.z];
    target.size = norm(target.right.value());
    target.error = distance(target.hand, target.right.value());
    target.tolerance = tolerance;
    target.allowed = tolerance * target.size;
    found.push_back(std::move(target));
  }
  return found;
}

std::optional<RecoveredCurve> recover_curve(const Graph& graph, const Network& network, int layer,
                                            const std::vector<Target>& targets) {
  if (layer < 1 || layer >= network.depth()) return {};
  const NetworkLayer& at = network.at(layer);
  const auto known = std::ranges::find_if(
      targets, [&](const Target& t) { return t.gradient && t.node == at.z && t.right; });
  if (known == targets.end()) return {};

  Walk::Substitutes own;
  for (const Target& target : targets) {
    if (!target.right) continue;
    const bool forward = !target.gradient && (target.node == at.z || target.node == at.activation);
    if (forward && target.error > target.allowed) return {};  // z is not what f' was taken of
    if (!target.gradient || graph.step(target.node).is_leaf()) continue;
    if (target.node >= at.activation) {
      own.adjoints[target.node] = graph.tape().constant(target.hand);
    }
  }
  const Graph::Mark mark = graph.mark();
  RecoveredCurve curve;
  curve.node = graph.name(at.activation);
  curve.residual = known->residual;
  curve.activation = graph.step(at.activation).op->name;
  Walk walk(graph, std::span(&at.z, 1), {}, own);
  walk.run([](NodeId, V) { return true; });
  const V above = walk.adjoint(at.activation);
  const V ones = graph.tape().constant(1, graph.step(at.z).shape);
  const V slopes = Site{walk, at.activation, 0, ones}.right();
  const TensorView<const double> z = graph.var(at.z).value(), da = above.value(),
                                 right = slopes.value();
  const TensorView<const double> dz = known->hand;

  double largest = 0;
  for (const double x : da) largest = std::max(largest, std::abs(x));
  std::vector<std::int64_t> order;
  for (std::int64_t i = 0; i < z.size(); ++i) {
    if (std::abs(da[i]) > 1e-2 * largest) order.push_back(i);
  }
  std::ranges::sort(order, {}, [&](std::int64_t i) { return z[i]; });
  const auto ratio = [&](std::int64_t i) { return dz[i] / da[i]; };
  double steepest = 0;
  for (const std::int64_t i : order) steepest = std::max(steepest, std::abs(right[i]));
  std::vector<double> off;  // of the right derivative; rounding is none
  for (const std::int64_t i : order) {
    const double difference = ratio(i) - right[i];
    off.push_back(std::abs(difference) > 1e-6 * steepest ? difference : 0);
  }
  const bool is_function = order.size() >= 20 && roughness(off) < 0.5;
  if (is_function) {
    // From each of some forty stretches the point that is known best.
    const std::size_t bins = std::min<std::size_t>(41, order.size());
    for (std::size_t b = 0; b < bins; ++b) {
      const std::size_t begin = b * order.size() / bins, end = (b + 1) * order.size() / bins;
      const std::int64_t best = *std::max_element(
          order.begin() + static_cast<std::ptrdiff_t>(begin),
          order.begin() + static_cast<std::ptrdiff_t>(end),
          [&](std::int64_t i, std::int64_t j) { return std::abs(da[i]) < std::abs(da[j]); });
      curve.z.push_back(z[best]);
      curve.hand.push_back(ratio(best));
      curve.right.push_back(right[best]);
    }
  }
  graph.rewind(mark);
  if (!is_function) return {};
  return curve;
}

}  // namespace chainrule::detail
