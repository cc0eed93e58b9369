// Which mistakes of the catalogue give what was handed in.
#include <chainrule/check/diagnosing.hpp>

#include <fmt/format.h>
#include <chainrule/check/mistakes.hpp>

#include <algorithm>
#include <cmath>

namespace chainrule::detail {

void Diagnosing::add_entry(std::string_view id, int layer, double residual) {
  Candidate candidate;
  candidate.id = id, candidate.layer = layer;
  add_mistake(named(candidate, residual));
}

void Diagnosing::name_mistakes() {
  const auto named = [this] { return !diagnosis_.mistakes.empty() || !diagnosis_.pairs.empty(); };
  bool each_named = false;
  if (network_) {
    std::vector<Candidate> candidates = network_candidates(graph_, *network_, context_, right_);
    try_single(candidates);
    if (!named()) each_named = name_each_fault(candidates);
    if (!named() && !each_named) try_pairs(candidates);
  }
  if (!named() && !each_named) {
    std::vector<Candidate> candidates = graph_candidates(graph_, wrong_gradients());
    try_single(candidates);
  }
  if (named()) {
    // One answer for all values: what single faults look like is beside the point.
    for (Finding& finding : diagnosis_.findings) finding.mistakes.clear();
    attribute_findings();
    return;
  }
  if (!each_named) doubt_small_errors();
  if (diagnosis_.verdict != DiagnosisVerdict::wrong) return;
  for (const Finding& finding : diagnosis_.findings) {
    if (finding.is_first_fault) diagnosis_.mistakes = finding.mistakes;
  }
}

std::vector<NodeId> Diagnosing::wrong_gradients() const {
  std::vector<NodeId> wrong;
  for (const Finding& finding : diagnosis_.findings) {
    const Target& target = target_of(finding);
    if (finding.verdict == DiagnosisVerdict::wrong && target.gradient && !target.recovered) {
      wrong.push_back(target.node);
    }
  }
  return wrong;
}

void Diagnosing::doubt_small_errors() {
  for (const Finding& finding : diagnosis_.findings) {
    if (finding.verdict != DiagnosisVerdict::wrong) continue;
    const Target& target = target_of(finding);
    if (!target.noisy || target.error > 10 * target.allowed) return;
  }
  for (Finding& finding : diagnosis_.findings) {
    if (finding.verdict != DiagnosisVerdict::wrong) continue;
    finding.verdict = DiagnosisVerdict::cannot_decide;
    finding.is_first_fault = finding.contaminated = false;
    finding.mistakes.clear();
    const Target& target = target_of(finding);
    const bool zero = target.size == 0;  // then nothing is relative to it
    finding.reason = fmt::format(
        "off by {:.1e}, where rounding alone could make a difference of "
        "{:.1e}",
        zero ? target.error : finding.error, zero ? target.allowed : finding.tolerance);
  }
  diagnosis_.verdict = DiagnosisVerdict::cannot_decide;
  diagnosis_.layer = 0;
  diagnosis_.tensor.clear();
}

void Diagnosing::try_single(std::vector<Candidate>& candidates) {
  for (Candidate& candidate : candidates) {
    if (candidate.family && !fit_parameter(graph_, targets_, wanted_, candidate)) {
      continue;
    }
    const Match match = detail::match(graph_, targets_, wanted_, candidate.edits);
    if (match.fits) {
      add_mistake(named(candidate, match.residual));
      if (diagnosis_.faulty_node.empty()) {
        diagnosis_.faulty_node = graph_.name(faulty_node(candidate.edits.front()));
      }
    }
    if (match.fits_scaled && !match.fits) scaled_.emplace_back(&candidate, match);
  }
}

NodeId Diagnosing::faulty_node(const Edit& edit) const {
  if (edit.at == Edit::At::contribution) return edit.node;
  const std::vector<NodeId>& readers = graph_.readers(edit.node);
  return readers.empty() ? edit.node : readers.front();
}

bool Diagnosing::in_layer(const Target& target, int layer) const {
  if (layer < 1 || layer > network_->depth()) return false;
  const NetworkLayer& at = network_->at(layer);
  return target.node == at.w || (at.b != no_node && target.node == at.b);
}

bool Diagnosing::name_each_fault(const std::vector<Candidate>& candidates) {
  std::vector<Finding*> faults;
  for (Finding& finding : diagnosis_.findings) {
    const bool gradient = target_of(finding).gradient && !finding.recovered;
    if (finding.verdict == DiagnosisVerdict::wrong && !finding.contaminated && gradient) {
      faults.push_back(&finding);
    }
  }
  if (faults.size() < 2) return false;
  for (Finding* fault : faults) {
    Target target = target_of(*fault);
    std::vector<Target> others;
    for (const Target& other : targets_) {
      // What was recovered from this very value says nothing about it.
      if (!(other.recovered && other.name == fmt::format("dZ{}", fault->layer))) {
        others.push_back(other);
      }
    }
    const Walk::Substitutes own = own_values(graph_, others);
    Walk(graph_, std::span(&target.node, 1), {}, own).run([&](NodeId, V adjoint) {
      target.right = adjoint;
      return true;
    });
    target.size = norm(target.right.value());
    target.error = distance(target.hand, target.right.value());
    target.allowed = 10 * std::max(target.allowed, target.tolerance * target.size);
    // Off by so little that what alters nothing here would fit as well.
    if (target.error <= target.allowed) continue;
    // The mistake must leave as it is what is right in this layer: a bias gradient has its own
    // fault where the weights' is right.
    std::vector<Target> both{target};
    std::vector<NodeId> nodes{target.node};
    for (const Target& other : targets_) {
      if (other.gradient && other.right && other.node != target.node &&
          in_layer(other, fault->layer) && other.error <= other.allowed) {
        both.push_back(other);
        nodes.push_back(other.node);
      }
    }
    for (const Candidate& candidate : candidates) {
      if (candidate.family) continue;
      const Match match = detail::match(graph_, both, nodes, candidate.edits, own);
      const auto known = [&](const NamedMistake& m) { return m.id == candidate.id; };
      if (match.fits && std::ranges::none_of(fault->mistakes, known)) {
        fault->mistakes.push_back(named(candidate, match.residual));
      }
    }
  }
  return std::ranges::none_of(faults, [](const Finding* f) { return f->mistakes.empty(); });
}

void Diagnosing::try_pairs(const std::vector<Candidate>& candidates) {
  for (const auto& [candidate, match] : scaled_) {
    if (candidate->group == Group::factor) continue;
    for (const auto& [id, symbol, factor] : named_factors(*network_, context_)) {
      if (std::abs(match.factor - factor) > 1e-9 * std::abs(factor)) continue;
      const Mistake& entry = find_mistake(id);
      NamedMistake constant{std::string(id),      std::string(entry.text), "", "", 0,
                            {{"factor", factor}}, match.scaled_residual};
      add_pair(constant, named(*candidate, match.scaled_residual));
    }
  }
  if (!diagnosis_.pairs.empty()) return;
  for (std::size_t i = 0; i < candidates.size(); ++i) {
    for (std::size_t j = i + 1; j < candidates.size(); ++j) {
      const Candidate &a = candidates[i], &b = candidates[j];
      if (!may_come_together(a, b)) continue;
      std::vector<Edit> edits = a.edits;
      edits.insert(edits.end(), b.edits.begin(), b.edits.end());
      const Match match = detail::match(graph_, targets_, wanted_, edits);
      if (match.fits) add_pair(named(a, match.residual), named(b, match.residual));
    }
  }
}

bool Diagnosing::may_come_together(const Candidate& a, const Candidate& b) {
  const auto listed = [](const Candidate& c) {
    return !c.family && c.group != Group::factor && c.group != Group::steps &&
           !c.id.starts_with("erratum");
  };
  return listed(a) && listed(b) && a.group != b.group;
}

void Diagnosing::add_pair(NamedMistake a, NamedMistake b) {
  for (const auto& [first, second] : diagnosis_.pairs) {
    if (first.id == a.id && second.id == b.id) return;
  }
  diagnosis_.pairs.emplace_back(std::move(a), std::move(b));
}

void Diagnosing::attribute_findings() {
  if (diagnosis_.mistakes.empty()) return;
  for (Finding& finding : diagnosis_.findings) {
    if (finding.verdict == DiagnosisVerdict::wrong && !finding.is_first_fault &&
        finding.mistakes.empty()) {
      finding.explained = true;
    }
  }
}

NamedMistake Diagnosing::named(const Candidate& candidate, double residual) const {
  const Mistake& entry = find_mistake(candidate.id);
  NamedMistake mistake;
  mistake.id = candidate.id;
  mistake.text = entry.text;
  if (!candidate.detail.empty()) mistake.text += fmt::format(" ({})", candidate.detail);
  mistake.layer = candidate.layer;
  const int layer = candidate.formula_layer ? candidate.formula_layer
                    : candidate.layer       ? candidate.layer
                                            : diagnosis_.layer;
  mistake.have =
      in_this_network(candidate.have.empty() ? at_layer(entry.wrong, layer) : candidate.have);
  mistake.should =
      in_this_network(candidate.should.empty() ? at_layer(entry.right, layer) : candidate.should);
  if (mistake.id == "erratum-e2" || mistake.id == "erratum-e6") {
    if (unit_mass()) {
      mistake.text += " (zero up to rounding, because sum_k delta_k = 0)";
    } else {  // the reports' delta is then another one, and comes first
      const auto delta = [&](std::string_view mass) {
        return fmt::format("dZ{} = ({}Yhat - Y) / N, ", network_->depth(), mass);
      };
      mistake.have = delta("") + mistake.have;
      mistake.should = delta("m o ") + mistake.should;
    }
  }
  if (candidate.value) mistake.parameters.emplace_back(candidate.parameter, *candidate.value);
  mistake.residual = residual;
  return mistake;
}

std::string Diagnosing::in_this_network(std::string formula) const {
  if (!network_) return formula;
  const auto replace = [&formula](const std::string& from, const std::string& to) {
    for (std::size_t at = formula.find(from); at != std::string::npos;
         at = formula.find(from, at + to.size())) {
      formula.replace(at, from.size(), to);
    }
  };
  if (unit_mass()) replace("m o Yhat", "Yhat");
  for (int l = 1; l < network_->depth(); ++l) {
    const std::string_view f = graph_.step(network_->at(l).activation).op->name;
    const std::string slope = f == "sigmoid" ? fmt::format("A{0} o (1 - A{0})", l)
                              : f == "tanh"  ? fmt::format("(1 - A{}^2)", l)
                              : f == "improved_sigmoid"
                                  ? fmt::format("1.7159 * 2/3 * sech^2(2 Z{}/3)", l)
                              : f == "relu" ? fmt::format("[Z{} > 0]", l)
                                            : fmt::format("{}'(Z{})", f, l);
    replace(fmt::format("f'(Z{})", l), slope);
  }
  return formula;
}

bool Diagnosing::unit_mass() const {
  const TensorView<const double> y = network_->targets.value();
  for (std::int64_t n = 0; n < y.shape()[0]; ++n) {
    double mass = 0;
    for (std::int64_t k = 0; k < y.shape()[1]; ++k) mass += y(n, k);
    if (std::abs(mass - 1) > 1e-12) return false;
  }
  return true;
}

void Diagnosing::add_mistake(NamedMistake mistake) {
  for (const NamedMistake& known : diagnosis_.mistakes) {
    if (known.id == mistake.id) return;
  }
  diagnosis_.mistakes.push_back(std::move(mistake));
}

}  // namespace chainrule::detail
