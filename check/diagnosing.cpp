#include <chainrule/check/diagnosing.hpp>

#include <fmt/format.h>
#include <chainrule/check/recover.hpp>

#include <algorithm>
#include <cmath>

namespace chainrule::detail {

Diagnosing::Diagnosing(V loss, const std::vector<Given>& hand, double epsilon,
                       std::optional<double> tolerance)
    : graph_(tape_, loss, nodes_of(hand)), epsilon_(epsilon) {
  for (const Given& given : hand) {
    Target target;
    target.name = given.name;
    target.node = graph_.find(given.node.id());
    target.gradient = given.gradient;
    target.hand = given.value;
    targets_.push_back(std::move(target));
  }
  network_ = recognise_network(graph_);
  find_right_adjoints();
  measure_targets(graph_, right_, targets_, epsilon, tolerance);
}

Diagnosis Diagnosing::run() {
  wanted_ = wanted_nodes(targets_);
  if (network_) {
    std::vector<Target> recovered = recover_deltas(graph_, *network_, right_, targets_, unknown_);
    std::ranges::move(recovered, std::back_inserter(targets_));
  }
  diagnosis_.findings = locate(graph_, targets_);
  decide_verdict();
  if (diagnosis_.verdict == DiagnosisVerdict::shape) explain_shapes();
  if (diagnosis_.verdict != DiagnosisVerdict::wrong) return std::move(diagnosis_);
  if (!everything_is_finite()) return std::move(diagnosis_);
  if (network_ && only_the_mean_is_elsewhere()) return std::move(diagnosis_);
  if (network_) name_factors();
  note_zeros();
  name_mistakes();
  if (diagnosis_.mistakes.empty() && diagnosis_.pairs.empty() &&
      diagnosis_.verdict == DiagnosisVerdict::wrong) {
    suggest();
  }
  if (network_ && diagnosis_.verdict == DiagnosisVerdict::wrong) draw_curve();
  return std::move(diagnosis_);
}

std::vector<V> Diagnosing::nodes_of(const std::vector<Given>& hand) {
  std::vector<V> nodes;
  nodes.reserve(hand.size());
  for (const Given& given : hand) nodes.push_back(given.node);
  return nodes;
}

void Diagnosing::find_right_adjoints() {
  std::vector<NodeId> wanted = wanted_nodes(targets_);
  if (network_) {
    for (const NetworkLayer& layer : network_->layers) {
      wanted.push_back(layer.w), wanted.push_back(layer.z);
      if (layer.b != no_node) wanted.push_back(layer.b);
    }
  }
  right_.resize(graph_.size());
  Walk walk(graph_, wanted, {});
  walk.run([&](NodeId node, V adjoint) {
    right_[node] = adjoint;
    return true;
  });
}

void Diagnosing::decide_verdict() {
  const auto has = [this](DiagnosisVerdict verdict) {
    return std::ranges::any_of(diagnosis_.findings,
                               [&](const Finding& f) { return f.verdict == verdict; });
  };
  for (const DiagnosisVerdict verdict :
       {DiagnosisVerdict::shape, DiagnosisVerdict::wrong, DiagnosisVerdict::cannot_decide}) {
    if (!has(verdict)) continue;
    diagnosis_.verdict = verdict;
    break;
  }
  for (const Finding& finding : diagnosis_.findings) {
    if (!finding.is_first_fault) continue;
    diagnosis_.layer = finding.layer;
    diagnosis_.tensor = finding.tensor;
  }
}

const Target& Diagnosing::target_of(const Finding& finding) const {
  return *std::ranges::find(targets_, finding.tensor, &Target::name);
}

bool Diagnosing::everything_is_finite() const {
  return std::ranges::all_of(targets_, [](const Target& target) {
    return all_finite(target.hand) && (!target.right || all_finite(target.right.value()));
  });
}

void Diagnosing::explain_shapes() {
  for (Finding& finding : diagnosis_.findings) {
    if (finding.verdict != DiagnosisVerdict::shape) continue;
    const Target& target = target_of(finding);
    const V expected = target.gradient ? right_[target.node] : graph_.var(target.node);
    finding.reason = compare(finding.tensor, target.hand, expected.value()).reason;
    if (network_) explain_shape_in_network(finding, target);
  }
}

void Diagnosing::explain_shape_in_network(Finding& finding, const Target& target) {
  for (int l = 1; l <= network_->depth(); ++l) {
    const NetworkLayer& layer = network_->at(l);
    const Shape delta = graph_.step(layer.z).shape, rows{delta[0]};
    if (target.node == layer.b && (target.hand.shape() == delta || target.hand.shape() == rows)) {
      // Not summed, or over the wrong axis, as the user's own deltas show, or the right ones.
      const auto dz = std::ranges::find_if(
          targets_, [&](const Target& t) { return t.gradient && t.node == layer.z; });
      const V right = right_[layer.z];
      const bool has_own = dz != targets_.end() && dz->right;
      const TensorView<const double> expected = has_own ? dz->hand.view() : right.value();
      const double size = norm(expected);
      const auto residual = [size](double off) { return size > 0 ? off / size : 0; };
      if (target.hand.shape() == delta) {
        const double off = distance(target.hand, expected);
        if (off <= 1e3 * epsilon_ * size) add_entry("bias-not-summed", l, residual(off));
      } else {
        Tensor<double> sums(rows);
        for (std::int64_t i = 0; i < expected.size(); ++i) sums[i / delta[1]] += expected[i];
        const double off = distance(target.hand, sums);
        if (off <= 1e3 * epsilon_ * size) add_entry("bias-summed-over-units", l, residual(off));
      }
    }
    const bool hidden_delta = l < network_->depth() &&
                              (target.node == layer.z || target.node == layer.activation) &&
                              target.gradient;
    if (hidden_delta && target.hand.shape() == network_->targets.shape()) {
      finding.reason += fmt::format(
          "; it is Y's shape: report 001's erratum E5 writes the output's error, y - f(z), for "
          "the hidden delta, which has a shape only where layer {} has as many units as there "
          "are classes",
          l);
    }
    if (hidden_delta && target.hand.shape() == graph_.step(layer.below).shape) {
      finding.reason += fmt::format(
          "; it is A{}'s shape: report 001's erratum E3 writes the layer's own weights, W{}, for "
          "the next layer's, W{}",
          l - 1, l, l + 1);
    }
  }
}

bool Diagnosing::only_the_mean_is_elsewhere() {
  const double n = static_cast<double>(network_->samples);
  if (n < 2) return false;
  const auto is_leaf = [this](const Finding& finding) {
    return graph_.step(target_of(finding).node).is_leaf();
  };
  for (const Finding& finding : diagnosis_.findings) {
    const Target& target = target_of(finding);
    if (finding.verdict == DiagnosisVerdict::wrong && (is_leaf(finding) || !target.gradient)) {
      return false;
    }
    if (!target.gradient || is_leaf(finding) || finding.recovered) continue;
    // Every delta is N times the right one, and a gradient of its own layer has the 1/N.
    const bool n_times =
        finding.residual <= finding.tolerance && std::abs(finding.scale - n) <= 1e-9 * n;
    const bool made_of_it = std::ranges::any_of(diagnosis_.findings, [&](const Finding& f) {
      return f.layer == finding.layer && is_leaf(f) && target_of(f).gradient;
    });
    if (!n_times || !made_of_it) return false;
  }
  for (Finding& finding : diagnosis_.findings) {
    if (finding.verdict != DiagnosisVerdict::wrong) continue;
    finding.verdict = DiagnosisVerdict::right;
    finding.is_first_fault = finding.contaminated = false;
    finding.reason = "N times the tape's: 1/N stands in the gradients of the weights instead";
  }
  diagnosis_.verdict = DiagnosisVerdict::right;
  diagnosis_.layer = 0;
  diagnosis_.tensor.clear();
  diagnosis_.notes.push_back(
      "the deltas leave 1/N to the gradients of the weights, and these are right");
  return true;
}

void Diagnosing::note_zeros() {
  int zeros = 0, gradients = 0;
  for (const Target& target : targets_) {
    if (!target.gradient || target.recovered) continue;
    ++gradients;
    zeros += target.error > target.allowed && norm(target.hand) == 0;
  }
  if (zeros == 0) return;
  diagnosis_.notes.push_back(
      zeros == gradients
          ? "you have zero everywhere: was the backward pass run, or were the gradients cleared "
            "before they were handed in?"
          : fmt::format("{} of the {} gradients {} zero everywhere: was what computes {} run?",
                        zeros, gradients, zeros == 1 ? "is" : "are", zeros == 1 ? "it" : "them"));
}

void Diagnosing::name_factors() {
  const double n = static_cast<double>(network_->samples),
               k = static_cast<double>(network_->classes);
  const std::pair<std::string_view, double> constants[] = {{"N", n},
                                                           {"1/N", 1 / n},
                                                           {"K", k},
                                                           {"1/K", 1 / k},
                                                           {"N K", n * k},
                                                           {"1/(N K)", 1 / (n * k)},
                                                           {"N - 1", n - 1},
                                                           {"1/(N - 1)", 1 / (n - 1)},
                                                           {"N/(N - 1)", n / (n - 1)},
                                                           {"(N - 1)/N", (n - 1) / n},
                                                           {"N/K", n / k},
                                                           {"K/N", k / n},
                                                           {"2/N", 2 / n},
                                                           {"N/2", n / 2}};
  for (Finding& finding : diagnosis_.findings) {
    if (finding.verdict != DiagnosisVerdict::wrong || finding.residual > finding.tolerance)
      continue;
    const double c = std::abs(finding.scale), near = std::max(1e-9, 3 * finding.tolerance);
    if (near > 1e-4 || std::abs(c - 1) <= near) continue;
    for (const auto& [name, value] : constants) {
      if (!std::isfinite(value) || value <= 0 || !(std::abs(c - value) <= near * value)) continue;
      finding.factor = fmt::format("{}{}", finding.scale < 0 ? "-" : "", name);
      break;
    }
  }
}

void Diagnosing::suggest() {
  bool all_wrong = true, one_factor = true;
  const auto fault = std::ranges::find(diagnosis_.findings, true, &Finding::is_first_fault);
  for (const Finding& finding : diagnosis_.findings) {
    if (finding.recovered || !target_of(finding).gradient) continue;
    const double near = std::max(1e-9, finding.tolerance);
    all_wrong = all_wrong && finding.verdict == DiagnosisVerdict::wrong;
    one_factor = one_factor && finding.scale != 0 && finding.residual <= near &&
                 std::abs(finding.scale - fault->scale) <= near * std::abs(fault->scale);
  }
  if (all_wrong && one_factor && diagnosis_.findings.size() > 1) {
    diagnosis_.notes.push_back(
        fmt::format("all of it is {:.7g} x the right one: a learning rate, which is named when it "
                    "is handed in, or a weight of the loss?",
                    fault->scale));
    return;
  }
  if (!network_) return;
  std::ranges::copy(unknown_, std::back_inserter(diagnosis_.notes));
  const auto has = [this](NodeId node, bool gradient) {
    return std::ranges::any_of(targets_, [&](const Target& t) {
      return t.node == node && t.gradient == gradient && t.right;
    });
  };
  const int l = diagnosis_.layer;
  const auto values = std::ranges::any_of(targets_, [](const Target& t) { return !t.gradient; });
  if (!values && all_wrong) {
    diagnosis_.notes.push_back(
        network_->depth() > 1
            ? "hand in Z1 and A1 too: they show whether the forward pass is that of this network"
            : "hand in Z1 too: it shows whether the forward pass is that of this network");
  }
  std::string deltas;
  for (int k = l; k >= 1; --k) {
    const bool wrong = std::ranges::any_of(diagnosis_.findings, [&](const Finding& f) {
      return f.layer == k && f.verdict == DiagnosisVerdict::wrong;
    });
    if (wrong && !has(network_->at(k).z, true)) {
      deltas += fmt::format("{}dZ{}", deltas.empty() ? "" : ", ", k);
    }
  }
  if (deltas.empty()) return;
  const bool several = deltas.find(',') != std::string::npos;
  diagnosis_.notes.push_back(fmt::format(
      "hand in {} too: {} whether the delta is wrong or what is made of it{}", deltas,
      several ? "they show" : "it shows", several ? ", and each layer is judged by itself" : ""));
}

void Diagnosing::draw_curve() {
  std::optional<RecoveredCurve> curve =
      recover_curve(graph_, *network_, diagnosis_.layer, targets_);
  if (!curve || curve->z.empty()) return;
  const auto off = [&](std::size_t i) { return std::abs(curve->hand[i] - curve->right[i]); };
  std::size_t middle = 0, worst = 0;
  double largest = 0;
  for (std::size_t i = 0; i < curve->z.size(); ++i) {
    if (std::abs(curve->z[i]) < std::abs(curve->z[middle])) middle = i;
    if (off(i) > off(worst)) worst = i;
    largest = std::max(largest, std::abs(curve->right[i]));
  }
  if (off(worst) <= 1e-6 * largest) return;           // what is wrong is not here
  if (off(middle) <= 1e-3 * largest) middle = worst;  // near 0 the two do not differ to speak of
  diagnosis_.notes.push_back(
      fmt::format("your f' is not f' of {}: at z = {:.3g} yours is {:.4g}, it should be {:.4g}",
                  curve->activation, curve->z[middle], curve->hand[middle], curve->right[middle]));
  diagnosis_.curve = std::move(curve);
}

}  // namespace chainrule::detail
