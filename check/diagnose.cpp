#include <chainrule/check/diagnose.hpp>

#include <fmt/format.h>
#include <chainrule/check/candidates.hpp>
#include <chainrule/check/locate.hpp>
#include <chainrule/check/match.hpp>
#include <chainrule/check/mistakes.hpp>
#include <chainrule/check/precision.hpp>

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
      : graph_(tape_, loss, nodes_of(hand)) {
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
    diagnosis_.findings = detail::locate(graph_, targets_);
    decide_verdict();
    if (diagnosis_.verdict != DiagnosisVerdict::wrong) return std::move(diagnosis_);
    wanted_ = detail::wanted_nodes(targets_);
    name_mistakes();
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

  void name_mistakes() {
    if (!network_) return;
    std::vector<Candidate> candidates =
        detail::network_candidates(graph_, *network_, context_, right_);
    std::vector<std::pair<const Candidate*, Match>> scaled;
    for (Candidate& candidate : candidates) {
      if (candidate.family && !detail::fit_parameter(graph_, targets_, wanted_, candidate)) {
        continue;
      }
      const Match match = detail::match(graph_, targets_, wanted_, candidate.edits);
      if (match.fits) add_mistake(named(candidate, match.residual));
      if (match.fits_scaled && !match.fits) scaled.emplace_back(&candidate, match);
    }
    if (!diagnosis_.mistakes.empty()) return;
    for (const auto& [candidate, match] : scaled) {
      for (const auto& [id, factor] : detail::named_factors(*network_, context_)) {
        if (std::abs(match.factor - factor) > 1e-9 * std::abs(factor)) continue;
        const Mistake& entry = find_mistake(id);
        NamedMistake constant{std::string(id), std::string(entry.text), "", "", 0,
                              {{"factor", factor}}, match.scaled_residual};
        diagnosis_.pairs.emplace_back(constant, named(*candidate, match.scaled_residual));
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
    mistake.have = at_layer(candidate.have.empty() ? entry.wrong : candidate.have, layer);
    mistake.should = at_layer(candidate.should.empty() ? entry.right : candidate.should, layer);
    if (candidate.value) mistake.parameters.emplace_back(candidate.parameter, *candidate.value);
    mistake.residual = residual;
    return mistake;
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
  std::vector<Target> targets_;
  std::optional<Network> network_;
  StepContext context_;
  std::vector<V> right_;
  std::vector<NodeId> wanted_;
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
