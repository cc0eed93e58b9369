#include <chainrule/check/diagnose.hpp>

#include <fmt/format.h>
#include <chainrule/check/candidates.hpp>
#include <chainrule/check/locate.hpp>
#include <chainrule/check/match.hpp>
#include <chainrule/check/mistakes.hpp>
#include <chainrule/check/precision.hpp>
#include <chainrule/check/recover.hpp>

#include <algorithm>
#include <cmath>
#include <limits>
#include <set>

namespace chainrule {

using detail::Candidate;
using detail::Graph;
using detail::Group;
using detail::Match;
using detail::Network;
using detail::StepContext;
using detail::Target;
using detail::V;
using detail::Walk;

namespace {

/// A value that was handed in, in double, with its node on the tape.
struct Given {
  std::string name;
  V node;
  bool gradient;
  Tensor<double> value;
};

/// The one conversation about one step, all in double.
class Diagnosing {
 public:
  Diagnosing(V loss, const std::vector<Given>& hand, double epsilon,
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
    network_ = detail::recognise_network(graph_);
    find_right_adjoints();
    detail::measure_targets(graph_, right_, targets_, epsilon, tolerance);
  }

  const Graph& graph() const { return graph_; }
  StepContext& context() { return context_; }

  Diagnosis run() {
    wanted_ = detail::wanted_nodes(targets_);
    if (network_) {
      std::vector<Target> recovered =
          detail::recover_deltas(graph_, *network_, right_, targets_, unknown_);
      std::ranges::move(recovered, std::back_inserter(targets_));
    }
    diagnosis_.findings = detail::locate(graph_, targets_);
    decide_verdict();
    if (diagnosis_.verdict == DiagnosisVerdict::shape) explain_shapes();
    if (diagnosis_.verdict != DiagnosisVerdict::wrong) return std::move(diagnosis_);
    if (!all_finite()) return std::move(diagnosis_);
    if (network_ && only_the_mean_is_elsewhere()) return std::move(diagnosis_);
    name_mistakes();
    attribute_findings();
    if (diagnosis_.mistakes.empty() && diagnosis_.pairs.empty() &&
        diagnosis_.verdict == DiagnosisVerdict::wrong) {
      std::ranges::copy(unknown_, std::back_inserter(diagnosis_.notes));
    }
    if (network_ && diagnosis_.verdict == DiagnosisVerdict::wrong) draw_curve();
    return std::move(diagnosis_);
  }

 private:
  static std::vector<V> nodes_of(const std::vector<Given>& hand) {
    std::vector<V> nodes;
    for (const Given& given : hand) nodes.push_back(given.node);
    return nodes;
  }

  void find_right_adjoints() {
    std::vector<NodeId> wanted = detail::wanted_nodes(targets_);
    if (network_) {
      for (const detail::NetworkLayer& layer : network_->layers) {
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

  void decide_verdict() {
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

  const Target& target_of(const Finding& finding) const {
    return *std::ranges::find(targets_, finding.tensor, &Target::name);
  }

  bool all_finite() const {
    return std::ranges::all_of(targets_, [](const Target& target) {
      return detail::all_finite(target.hand) &&
             (!target.right || detail::all_finite(target.right.value()));
    });
  }

  /// Other shapes: which transposition would conform, and what the shape is that of.
  void explain_shapes() {
    for (Finding& finding : diagnosis_.findings) {
      if (finding.verdict != DiagnosisVerdict::shape) continue;
      const Target& target = target_of(finding);
      const V expected = target.gradient ? right_[target.node] : graph_.var(target.node);
      finding.reason = compare(finding.tensor, target.hand, expected.value()).reason;
      if (network_) explain_shape_in_network(finding, target);
    }
  }

  void explain_shape_in_network(Finding& finding, const Target& target) {
    for (int l = 1; l <= network_->depth(); ++l) {
      const detail::NetworkLayer& layer = network_->at(l);
      if (target.node == layer.b && target.hand.shape() == graph_.step(layer.z).shape) {
        // Not summed: then the rows are the deltas that the user has.
        const auto dz = std::ranges::find_if(
            targets_, [&](const Target& t) { return t.gradient && t.node == layer.z; });
        const V right = right_[layer.z];
        const bool has_own = dz != targets_.end() && dz->right;
        const TensorView<const double> expected = has_own ? dz->hand.view() : right.value();
        const double off = detail::distance(target.hand, expected);
        const double size = detail::norm(expected);
        if (off <= 1e3 * epsilon_ * size) add_entry("bias-not-summed", l, off / size);
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

  /// Whether all parameters are right, and only deltas are N times theirs: then 1/N stands in the
  /// gradients of the weights instead, which is another way to write the same thing.
  bool only_the_mean_is_elsewhere() {
    const double n = static_cast<double>(network_->samples);
    bool parameters = false;
    for (const Finding& finding : diagnosis_.findings) {
      const Target& target = target_of(finding);
      const bool leaf = graph_.step(target.node).is_leaf();
      parameters |= leaf && target.gradient;
      if (finding.verdict != DiagnosisVerdict::wrong) continue;
      if (leaf || !target.gradient || finding.residual > finding.tolerance ||
          std::abs(finding.scale - n) > 1e-9 * n) {
        return false;
      }
    }
    if (!parameters) return false;
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

  void draw_curve() {
    std::optional<RecoveredCurve> curve =
        detail::recover_curve(graph_, *network_, diagnosis_.layer, targets_);
    if (!curve) return;
    std::size_t middle = 0;
    double off = 0, largest = 0;
    for (std::size_t i = 0; i < curve->z.size(); ++i) {
      if (std::abs(curve->z[i]) < std::abs(curve->z[middle])) middle = i;
      off = std::max(off, std::abs(curve->hand[i] - curve->right[i]));
      largest = std::max(largest, std::abs(curve->right[i]));
    }
    if (off <= 1e-6 * largest) return;  // what is wrong is not here
    diagnosis_.notes.push_back(fmt::format(
        "your f' is not f' of {}: at z = {:.3g} yours is {:.4g}, it should be {:.4g}",
        curve->activation, curve->z[middle], curve->hand[middle], curve->right[middle]));
    diagnosis_.curve = std::move(curve);
  }

  void add_entry(std::string_view id, int layer, double residual) {
    Candidate candidate;
    candidate.id = id, candidate.layer = layer;
    add_mistake(named(candidate, residual));
  }

  void name_mistakes() {
    if (network_) {
      std::vector<Candidate> candidates =
          detail::network_candidates(graph_, *network_, context_, right_);
      try_single(candidates);
      if (diagnosis_.mistakes.empty()) name_each_fault(candidates);
      if (diagnosis_.mistakes.empty()) try_pairs(candidates);
    }
    if (!diagnosis_.mistakes.empty() || !diagnosis_.pairs.empty()) return;
    std::vector<NodeId> wrong;
    for (const Finding& finding : diagnosis_.findings) {
      const Target& target = target_of(finding);
      if (finding.verdict == DiagnosisVerdict::wrong && target.gradient && !target.recovered) {
        wrong.push_back(target.node);
      }
    }
    std::vector<Candidate> candidates = detail::graph_candidates(graph_, wrong);
    try_single(candidates);
    if (diagnosis_.mistakes.empty()) doubt_small_errors();
  }

  /// What no mistake explains and is not ten times the measured noise may be noise.
  void doubt_small_errors() {
    for (const Finding& finding : diagnosis_.findings) {
      if (finding.verdict != DiagnosisVerdict::wrong) continue;
      if (!target_of(finding).noisy || finding.error > 10 * finding.tolerance) return;
    }
    for (Finding& finding : diagnosis_.findings) {
      if (finding.verdict != DiagnosisVerdict::wrong) continue;
      finding.verdict = DiagnosisVerdict::cannot_decide;
      finding.is_first_fault = finding.contaminated = false;
      finding.reason = fmt::format("off by {:.1e}, where rounding alone could make a difference of "
                                   "{:.1e}",
                                   finding.error, finding.tolerance);
    }
    diagnosis_.verdict = DiagnosisVerdict::cannot_decide;
    diagnosis_.layer = 0;
    diagnosis_.tensor.clear();
  }

  void try_single(std::vector<Candidate>& candidates) {
    for (Candidate& candidate : candidates) {
      if (candidate.family && !detail::fit_parameter(graph_, targets_, wanted_, candidate)) {
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

  /// The node whose rule an edit is about: an adjoint comes from the rule of what reads the node.
  NodeId faulty_node(const detail::Edit& edit) const {
    if (edit.at == detail::Edit::At::contribution) return edit.node;
    const std::vector<NodeId>& readers = graph_.readers(edit.node);
    return readers.empty() ? edit.node : readers.front();
  }

  /// Several faults, each with the user's own values above it.
  void name_each_fault(const std::vector<Candidate>& candidates) {
    std::vector<Finding*> faults;
    for (Finding& finding : diagnosis_.findings) {
      const bool gradient = target_of(finding).gradient && !finding.recovered;
      if (finding.verdict == DiagnosisVerdict::wrong && !finding.contaminated && gradient) {
        faults.push_back(&finding);
      }
    }
    if (faults.size() < 2) return;
    for (Finding* fault : faults) {
      Target target = target_of(*fault);
      std::vector<Target> others;
      for (const Target& other : targets_) {
        // What was recovered from this very value says nothing about it.
        if (!(other.recovered && other.name == fmt::format("dZ{}", fault->layer))) {
          others.push_back(other);
        }
      }
      const Walk::Substitutes own = detail::own_values(graph_, others);
      Walk(graph_, std::span(&target.node, 1), {}, own).run([&](NodeId, V adjoint) {
        target.right = adjoint;
        return true;
      });
      target.size = detail::norm(target.right.value());
      target.error = detail::distance(target.hand, target.right.value());
      target.allowed = 10 * std::max(target.allowed, target.tolerance * target.size);
      const std::vector<Target> alone{target};
      for (const Candidate& candidate : candidates) {
        if (candidate.family) continue;
        const Match match = detail::match(graph_, alone, std::span(&target.node, 1),
                                          candidate.edits, own);
        const auto known = [&](const NamedMistake& m) { return m.id == candidate.id; };
        if (match.fits && std::ranges::none_of(fault->mistakes, known)) {
          fault->mistakes.push_back(named(candidate, match.residual));
        }
      }
    }
    const auto named_all = [](const Finding* fault) { return !fault->mistakes.empty(); };
    if (!std::ranges::all_of(faults, named_all)) {
      for (Finding* fault : faults) fault->mistakes.clear();
      return;
    }
    diagnosis_.mistakes = faults.front()->mistakes;
  }

  /// A constant factor and one more mistake.
  void try_pairs(const std::vector<Candidate>& candidates) {
    for (const auto& [candidate, match] : scaled_) {
      if (candidate->group == Group::factor) continue;
      for (const auto& [id, symbol, factor] : detail::named_factors(*network_, context_)) {
        if (std::abs(match.factor - factor) > 1e-9 * std::abs(factor)) continue;
        const Mistake& entry = find_mistake(id);
        NamedMistake constant{std::string(id), std::string(entry.text), "", "", 0,
                              {{"factor", factor}}, match.scaled_residual};
        add_pair(constant, named(*candidate, match.scaled_residual));
      }
    }
    if (!diagnosis_.pairs.empty()) return;
    for (std::size_t i = 0; i < candidates.size(); ++i) {
      for (std::size_t j = i + 1; j < candidates.size(); ++j) {
        const Candidate &a = candidates[i], &b = candidates[j];
        if (!may_come_together(a, b)) continue;
        std::vector<detail::Edit> edits = a.edits;
        edits.insert(edits.end(), b.edits.begin(), b.edits.end());
        const Match match = detail::match(graph_, targets_, wanted_, edits);
        if (match.fits) add_pair(named(a, match.residual), named(b, match.residual));
      }
    }
  }

  /// The list of pairs: mistakes of two groups, none of them a reading of another's.
  static bool may_come_together(const Candidate& a, const Candidate& b) {
    const auto listed = [](const Candidate& c) {
      return !c.family && c.group != Group::factor && c.group != Group::steps &&
             !c.id.starts_with("erratum");
    };
    return listed(a) && listed(b) && a.group != b.group;
  }

  void add_pair(NamedMistake a, NamedMistake b) {
    for (const auto& [first, second] : diagnosis_.pairs) {
      if (first.id == a.id && second.id == b.id) return;
    }
    diagnosis_.pairs.emplace_back(std::move(a), std::move(b));
  }

  /// One mistake gives all that is wrong, so that what lies below its place is no fault of its own.
  void attribute_findings() {
    if (diagnosis_.mistakes.empty()) return;
    for (Finding& finding : diagnosis_.findings) {
      if (finding.verdict == DiagnosisVerdict::wrong && !finding.is_first_fault &&
          finding.mistakes.empty()) {
        finding.explained = true;
      }
    }
  }

  NamedMistake named(const Candidate& candidate, double residual) const {
    const Mistake& entry = find_mistake(candidate.id);
    NamedMistake mistake;
    mistake.id = candidate.id;
    mistake.text = entry.text;
    if (!candidate.detail.empty()) mistake.text += fmt::format(" ({})", candidate.detail);
    mistake.layer = candidate.layer;
    const int layer = candidate.layer ? candidate.layer : diagnosis_.layer;
    mistake.have = in_this_network(
        candidate.have.empty() ? at_layer(entry.wrong, layer) : candidate.have);
    mistake.should = in_this_network(
        candidate.should.empty() ? at_layer(entry.right, layer) : candidate.should);
    if (candidate.value) mistake.parameters.emplace_back(candidate.parameter, *candidate.value);
    mistake.residual = residual;
    return mistake;
  }

  /// A formula of the catalogue with this network's derivative for f', and without m where each
  /// sample's targets add up to one.
  std::string in_this_network(std::string formula) const {
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
      const std::string slope = f == "sigmoid"            ? fmt::format("A{0} o (1 - A{0})", l)
                                : f == "tanh"             ? fmt::format("(1 - A{}^2)", l)
                                : f == "improved_sigmoid" ? fmt::format("1.7159 * 2/3 * sech^2(2 Z{}/3)", l)
                                : f == "relu"             ? fmt::format("[Z{} > 0]", l)
                                                          : fmt::format("{}'(Z{})", f, l);
      replace(fmt::format("f'(Z{})", l), slope);
    }
    return formula;
  }

  bool unit_mass() const {
    const TensorView<const double> y = network_->targets.value();
    for (std::int64_t n = 0; n < y.shape()[0]; ++n) {
      double mass = 0;
      for (std::int64_t k = 0; k < y.shape()[1]; ++k) mass += y(n, k);
      if (std::abs(mass - 1) > 1e-12) return false;
    }
    return true;
  }

  /// Of several ways of one mistake the first stays, with the smaller residual.
  void add_mistake(NamedMistake mistake) {
    for (const NamedMistake& known : diagnosis_.mistakes) {
      if (known.id == mistake.id) return;
    }
    diagnosis_.mistakes.push_back(std::move(mistake));
  }

  Tape<double> tape_;
  Graph graph_;
  double epsilon_;
  std::vector<Target> targets_;
  std::optional<Network> network_;
  StepContext context_;
  std::vector<V> right_;
  std::vector<NodeId> wanted_;
  std::vector<std::pair<const Candidate*, Match>> scaled_;  // candidates that fit with a factor
  std::vector<std::string> unknown_;  // what recover cannot know; of interest where nothing fits
  Diagnosis diagnosis_;
};

// --- names -------------------------------------------------------------------------------------

template <class T>
Tensor<double> in_doubles(TensorView<const T> view) {
  Tensor<double> result(view.shape());
  for (std::int64_t i = 0; i < view.size(); ++i) result[i] = static_cast<double>(view[i]);
  return result;
}

/// "dW1" is the gradient of W1, where there is a W1; "Z1" is a value.
template <class T>
std::vector<Given> read_hand(Tape<double>& tape, std::span<const NamedValue<T>> hand,
                             SourceLocation location) {
  if (hand.empty()) {
    throw UsageError("diagnose", "no values: expected at least one, since nothing is always right",
                     location);
  }
  std::vector<Given> result;
  std::set<std::string_view> seen;
  for (const auto& [name, value] : hand) {
    if (!seen.insert(name).second) {
      throw NameError("diagnose", fmt::format("'{}' is given twice", name), location);
    }
    const bool gradient = name.starts_with('d') && tape.has_name(name.substr(1));
    const V node = tape.find(gradient ? name.substr(1) : name, location);
    result.push_back({std::string(name), node, gradient, in_doubles<T>(value)});
  }
  return result;
}

template <class T>
void read_context(Tape<double>& tape, Diagnosing& diagnosing, const DiagnoseOptions<T>& options,
                  SourceLocation location) {
  StepContext& context = diagnosing.context();
  context.learning_rate = options.learning_rate;
  context.momentum = options.momentum;
  context.weight_decay = options.weight_decay;
  const auto read = [&](const std::vector<NamedValue<T>>& from,
                        std::map<NodeId, Tensor<double>>& to) {
    for (const auto& [name, value] : from) {
      const bool gradient = name.starts_with('d') && tape.has_name(name.substr(1));
      const V on_tape = tape.find(gradient ? name.substr(1) : name, location);
      if (value.shape() != on_tape.shape()) {
        throw ShapeError("diagnose",
                         fmt::format("option '{}' {}: expected the shape of its parameter, {}",
                                     name, to_string(value.shape()), to_string(on_tape.shape())),
                         location);
      }
      const NodeId node = diagnosing.graph().find(on_tape.id());
      if (node != no_node) to.insert_or_assign(node, in_doubles<T>(value));
    }
  };
  read(options.previous_gradient, context.previous);
  read(options.updated, context.updated);
  read(options.velocity, context.velocity);
}

template <class T>
Diagnosis diagnose_in_double(V loss, std::span<const NamedValue<T>> hand,
                             const DiagnoseOptions<T>& options, SourceLocation location) {
  const std::vector<Given> given = read_hand(loss.tape(), hand, location);
  Diagnosing diagnosing(loss, given, static_cast<double>(std::numeric_limits<T>::epsilon()),
                        options.tolerance);
  read_context(loss.tape(), diagnosing, options, location);
  return diagnosing.run();
}

template <class T>
void expect_scalar(Var<T> loss, SourceLocation location) {
  if (loss.shape(location).size() == 1) return;
  throw UsageError("diagnose",
                   fmt::format("the loss has shape {}: expected one element", to_string(loss.shape())),
                   location);
}

}  // namespace

template <class T>
Diagnosis diagnose(Var<T> loss, std::span<const NamedValue<std::type_identity_t<T>>> hand,
                   const DiagnoseOptions<std::type_identity_t<T>>& options,
                   SourceLocation location) {
  expect_scalar(loss, location);
  if constexpr (std::is_same_v<T, double>) {
    return diagnose_in_double<double>(loss, hand, options, location);
  } else {
    DoubleRecording recording(loss.tape());
    const std::optional<V> twin = recording.find(loss.id());
    if (!twin) {
      throw UsageError("diagnose",
                       fmt::format("the loss depends on '{}', an operation of your own that is not "
                                   "known in double: record the step on a Tape<double>",
                                   recording.without_twin().front()),
                       location);
    }
    return diagnose_in_double<float>(*twin, hand, options, location);
  }
}

template Diagnosis diagnose(Var<float>, std::span<const NamedValue<float>>,
                            const DiagnoseOptions<float>&, SourceLocation);
template Diagnosis diagnose(Var<double>, std::span<const NamedValue<double>>,
                            const DiagnoseOptions<double>&, SourceLocation);

}  // namespace chainrule
