#include <chainrule/autograd/storage/random.hpp>
#include <chainrule/check/locate.hpp>
#include <chainrule/ops/ops.hpp>

#include <fmt/format.h>

#include <algorithm>
#include <cctype>
#include <cmath>
#include <limits>
#include <map>

namespace chainrule::detail {

double norm(TensorView<const double> a) {
  double largest = 0, sum = 0;
  for (const double x : a) largest = std::isnan(x) ? HUGE_VAL : std::max(largest, std::abs(x));
  if (largest == 0 || !std::isfinite(largest)) return largest;
  for (const double x : a) sum += (x / largest) * (x / largest);
  return largest * std::sqrt(sum);
}

double distance(TensorView<const double> a, TensorView<const double> b) {
  double largest = 0, sum = 0;
  for (std::int64_t i = 0; i < a.size(); ++i) {
    const double off = std::abs(a[i] - b[i]);
    largest = std::isnan(off) ? HUGE_VAL : std::max(largest, off);
  }
  if (largest == 0 || !std::isfinite(largest)) return largest;
  for (std::int64_t i = 0; i < a.size(); ++i) {
    const double d = (a[i] - b[i]) / largest;
    sum += d * d;
  }
  return largest * std::sqrt(sum);
}

double dot(TensorView<const double> a, TensorView<const double> b) {
  double sum = 0;
  for (std::int64_t i = 0; i < a.size(); ++i) sum += a[i] * b[i];
  return sum;
}

bool all_finite(TensorView<const double> a) {
  return std::all_of(a.begin(), a.end(), [](double x) { return std::isfinite(x); });
}

std::vector<NodeId> wanted_nodes(const std::vector<Target>& targets) {
  std::vector<NodeId> nodes;
  for (const Target& target : targets) {
    if (target.gradient) nodes.push_back(target.node);
  }
  return nodes;
}

namespace {

double relative(double error, double size) {
  return error == 0 ? 0 : size > 0 ? error / size : HUGE_VAL;
}

int layer_of(const std::string& name) {
  std::size_t end = name.size();
  while (end > 0 && std::isdigit(static_cast<unsigned char>(name[end - 1]))) --end;
  return end == name.size() || name.size() - end > 6 ? 0 : std::stoi(name.substr(end));
}

V noise_like(V x, const Random& random, double size) {
  Tensor<double> values(x.shape());
  for (std::int64_t i = 0; i < values.size(); ++i) {
    values[i] = size * random.uniform(static_cast<std::uint64_t>(i), -1, 1);
  }
  return x.tape().constant(values);
}

/// What underflow may do to x. An exact zero stays one: it may stand at a kink.
V underflow_like(V x, const Random& random, double size) {
  Tensor<double> values(x.shape());
  const TensorView<const double> at = x.value();
  for (std::int64_t i = 0; i < values.size(); ++i) {
    values[i] = at[i] == 0 ? 0 : size * random.uniform(static_cast<std::uint64_t>(i), -1, 1);
  }
  return x.tape().constant(values);
}

/// Whose derivatives are written with a difference that cancels: a (1 - a), 1 - a^2.
constexpr std::string_view saturating[] = {"sigmoid", "tanh", "improved_sigmoid", "softplus",
                                           "silu",    "gelu", "normal_cdf",       "erf"};

/// The distance between the smallest numbers of the precision: what lies below it is lost, however
/// small epsilon is.
double underflow(double epsilon) {
  return epsilon < 1e-12 ? std::numeric_limits<double>::denorm_min()
                         : static_cast<double>(std::numeric_limits<float>::denorm_min());
}

/// What rounding to `epsilon` may do, once.
std::vector<Edit> perturbations(const Graph& graph, double epsilon, std::uint32_t draw) {
  const double quanta = 4 * underflow(epsilon);  // some, since sums have many terms
  std::vector<Edit> edits;
  const auto random = [draw](NodeId node, int what) {
    return Random(draw, Purpose::check, node * 8 + static_cast<std::uint32_t>(what));
  };
  for (NodeId id = 0; id < graph.size(); ++id) {
    const Graph::Step& step = graph.step(id);
    const bool leaf = step.is_leaf();
    edits.push_back({Edit::At::value, id, 0, [=](const Site& s) {
                       const V x = s.output();
                       const V noisy = x + x * noise_like(x, random(id, 0), epsilon);
                       return leaf ? noisy : noisy + underflow_like(x, random(id, 0), quanta);
                     }});
    if (leaf) continue;
    const bool saturates = std::ranges::find(saturating, step.op->name) != std::end(saturating);
    for (std::size_t i = 0; i < step.inputs.size(); ++i) {
      const int input = static_cast<int>(i);
      edits.push_back({Edit::At::contribution, id, input, [=](const Site& s) {
                         const V part = s.right();
                         const Random own = random(id, 1 + input);
                         V noisy = part + part * noise_like(part, own, epsilon) +
                                   underflow_like(part, own, quanta);
                         if (s.walk.graph().step(id).op->name == "log_softmax") {
                           // yhat and y, each rounded, before they are subtracted
                           const V p = exp(s.output()), mass = sum(abs(s.cotangent), {-1}, true);
                           noisy = noisy + mass * p * noise_like(part, random(id, 6), epsilon) +
                                   s.cotangent * noise_like(part, random(id, 7), epsilon);
                         } else if (saturates) {
                           noisy = noisy + s.cotangent * noise_like(part, random(id, 5), epsilon);
                         }
                         return noisy;
                       }});
    }
  }
  return edits;
}

}  // namespace

void measure_targets(const Graph& graph, const std::vector<V>& right, std::vector<Target>& targets,
                     double epsilon, std::optional<double> tolerance) {
  std::int64_t dimension = 1024;
  for (NodeId id = 0; id < graph.size(); ++id) {
    if (graph.step(id).shape.size() == 0) continue;
    for (const std::int64_t d : graph.step(id).shape.dimensions()) {
      dimension = std::max(dimension, d);
    }
  }
  const double floor = std::max(8 * epsilon * std::sqrt(static_cast<double>(dimension)),
                                epsilon < 1e-12 ? 1e-12 : 0);
  for (Target& target : targets) {
    const V expected = target.gradient ? right[target.node] : graph.var(target.node);
    if (target.hand.shape() != expected.shape()) continue;
    target.right = expected;
    target.size = norm(expected.value());
    target.allowed = floor * target.size;
    target.error = all_finite(target.hand) ? distance(target.hand, expected.value()) : HUGE_VAL;
  }
  const std::vector<NodeId> wanted = wanted_nodes(targets);
  for (std::uint32_t draw = 1; draw <= 3; ++draw) {
    const Graph::Mark mark = graph.mark();
    const std::vector<Edit> edits = perturbations(graph, epsilon, draw);
    Walk walk(graph, wanted, edits);
    const auto widen = [&](Target& target, V perturbed) {
      if (!target.right) return;
      const double change = distance(perturbed.value(), target.right.value());
      target.allowed = std::max(target.allowed, floor * target.size + 20 * change);
    };
    for (Target& target : targets) {
      if (!target.gradient) widen(target, walk.value(target.node));
    }
    walk.run([&](NodeId node, V adjoint) {
      for (Target& target : targets) {
        if (target.gradient && target.node == node) widen(target, adjoint);
      }
      return true;
    });
    graph.rewind(mark);
  }
  for (Target& target : targets) {
    target.noisy = target.allowed > 2 * floor * target.size && !tolerance;
    if (tolerance) target.allowed = *tolerance * target.size;
    target.tolerance = relative(target.allowed, target.size);
  }
}

namespace {

/// The worst entries, the scale and the residual.
void describe(Finding& finding, const Target& target) {
  const TensorView<const double> hand = target.hand, right = target.right.value();
  finding.error = relative(target.error, target.size);
  if (!all_finite(hand)) {
    finding.reason = "it has entries that are not finite";
    finding.residual = HUGE_VAL;
  } else if (target.size > 0 && norm(hand) <= 1e-12 * target.size) {
    finding.reason = norm(hand) == 0 ? "it is zero everywhere" : "it is zero up to rounding";
    finding.scale = finding.residual = 0;
  } else if (target.size > 0) {
    finding.scale = dot(hand, right) / (target.size * target.size);
    Tensor<double> scaled(right);
    for (double& x : scaled) x *= finding.scale;
    const double own = norm(hand);
    finding.residual = own > 0 ? distance(hand, scaled) / own : 0;
  } else if (target.error > target.allowed) {
    finding.reason = "it should be zero everywhere";
    finding.scale = 0, finding.residual = 1;
  }
  std::vector<std::int64_t> order(static_cast<std::size_t>(hand.size()));
  for (std::size_t i = 0; i < order.size(); ++i) order[i] = static_cast<std::int64_t>(i);
  const auto count = std::min<std::size_t>(3, order.size());
  const auto off = [&](std::int64_t i) {
    const double d = std::abs(hand[i] - right[i]);
    return std::isnan(d) ? HUGE_VAL : d;
  };
  std::partial_sort(order.begin(), order.begin() + static_cast<std::ptrdiff_t>(count), order.end(),
                    [&](std::int64_t a, std::int64_t b) { return off(a) > off(b); });
  // Beside an entry that is wrong by far, those that are off by rounding say nothing.
  const double negligible = count > 0 ? 1e-6 * std::min(off(order[0]), 1e300) : 0;
  for (std::size_t i = 0; i < count; ++i) {
    if (off(order[i]) > negligible)
      finding.worst.push_back({order[i], hand[order[i]], right[order[i]]});
  }
}

}  // namespace

Walk::Substitutes own_values(const Graph& graph, const std::vector<Target>& targets) {
  Walk::Substitutes own;
  for (const Target& target : targets) {
    if (!target.right || !all_finite(target.hand)) continue;
    const V value = graph.tape().constant(target.hand);
    if (!target.gradient) own.values[target.node] = value;
    if (target.gradient && !graph.step(target.node).is_leaf()) own.adjoints[target.node] = value;
  }
  return own;
}

std::vector<Finding> locate(const Graph& graph, std::vector<Target>& targets) {
  // From the loss down: forward values in their order, then adjoints as the walk meets them.
  std::vector<NodeId> order;
  const std::vector<NodeId> wanted = wanted_nodes(targets);
  const Walk::Substitutes own = own_values(graph, targets);
  std::map<NodeId, double> local;  // error against the rules continued from the user's values
  Walk walk(graph, wanted, {}, own);
  std::map<NodeId, double> local_value;
  for (const Target& target : targets) {
    if (target.gradient || !target.right) continue;
    const V computed = walk.computed(target.node);
    local_value[target.node] =
        relative(distance(target.hand, computed.value()), norm(computed.value()));
  }
  walk.run([&](NodeId node, V adjoint) {
    order.push_back(node);
    for (const Target& target : targets) {
      if (!target.gradient || target.node != node || !target.right) continue;
      local[node] = relative(distance(target.hand, adjoint.value()), norm(adjoint.value()));
    }
    return true;
  });
  std::ranges::stable_sort(targets, [&](const Target& a, const Target& b) {
    if (a.gradient != b.gradient) return !a.gradient;
    if (!a.gradient) return a.node < b.node;
    return std::ranges::find(order, a.node) < std::ranges::find(order, b.node);
  });
  std::vector<Finding> findings;
  bool first = true;
  std::map<int, bool> recovered;  // by layer: whether it is only contaminated
  for (const Target& target : targets) {
    Finding finding;
    finding.tensor = target.name;
    finding.layer = layer_of(target.name);
    finding.shape = graph.step(target.node).shape;
    finding.hand_shape = target.hand.shape();
    finding.recovered = target.recovered;
    finding.tolerance = target.tolerance;
    if (!target.right) {
      finding.verdict = DiagnosisVerdict::shape;
    } else {
      describe(finding, target);
      finding.local_error = target.gradient ? local[target.node] : local_value[target.node];
      if (!all_finite(target.right.value())) {
        finding.verdict = DiagnosisVerdict::cannot_decide;
        finding.reason = "the tape's own value is not finite";
      } else if (!std::isfinite(target.size) || !std::isfinite(target.allowed)) {
        finding.verdict = DiagnosisVerdict::cannot_decide;
        finding.reason = "the tape's own value is so large that differences overflow";
      } else if (target.error <= target.allowed) {
        finding.verdict = DiagnosisVerdict::right;
        if (target.error > 1e-2 * target.size) {
          finding.verdict = DiagnosisVerdict::cannot_decide;
          finding.reason = fmt::format(
              "it is off by {:.1e}, and rounding alone could make a "
              "difference of {:.1e}",
              finding.error, target.tolerance);
        }
      } else {
        finding.verdict = DiagnosisVerdict::wrong;
        finding.contaminated = !first && finding.local_error <= 10 * target.tolerance;
      }
    }
    // What was recovered stands for the weights' gradient, whose finding comes next or later.
    if (target.recovered) {
      recovered[finding.layer] = finding.contaminated;
    } else if (const auto delta = recovered.find(finding.layer);
               delta != recovered.end() && finding.shape.rank() == 2 &&
               finding.verdict == DiagnosisVerdict::wrong) {
      finding.contaminated = !first && delta->second;
    }
    if (first && !target.recovered &&
        (finding.verdict == DiagnosisVerdict::wrong ||
         finding.verdict == DiagnosisVerdict::shape)) {
      finding.is_first_fault = true;
      first = false;
    }
    findings.push_back(std::move(finding));
  }
  return findings;
}

}  // namespace chainrule::detail
