// Constants, the output's delta, and what goes down from layer to layer.
#include <chainrule/check/candidate_writer.hpp>

#include <fmt/format.h>

#include <cmath>

namespace chainrule::detail {

namespace {

void append(std::vector<Edit>& edits, const std::vector<Edit>& more) {
  edits.insert(edits.end(), more.begin(), more.end());
}

}  // namespace

std::vector<Candidate> CandidateWriter::write() {
  constant_factors();
  output_deltas();
  activation_derivatives();
  ways_down();
  layer_parameters();
  bias_gradients();
  between_steps();
  weight_decay();
  literal_erratum_e6();
  // What goes down through Wl is dA(l-1).
  for (Candidate& c : found_) {
    if (c.layer < 2 || c.edits.empty()) continue;
    const Edit& edit = c.edits.front();
    const bool way_down = edit.at == At::contribution && edit.node == at(c.layer).product;
    if (way_down && edit.input == 0) c.formula_layer = c.layer - 1;
  }
  return std::move(found_);
}

Candidate& CandidateWriter::add(std::string_view id, int layer, Group group,
                                std::vector<Edit> edits, std::string detail) {
  Candidate candidate;
  candidate.id = id, candidate.layer = layer, candidate.group = group;
  candidate.edits = std::move(edits), candidate.detail = std::move(detail);
  found_.push_back(std::move(candidate));
  return found_.back();
}

void CandidateWriter::add_each(std::string_view id, int first, int last, Group group,
                               const std::function<std::vector<Edit>(int)>& edits,
                               const std::string& detail, std::string_view have) {
  std::vector<Edit> all;
  int layers = 0;
  for (int l = first; l <= last; ++l) {
    const std::vector<Edit> here = edits(l);
    if (here.empty()) continue;
    ++layers;
    append(all, here);
    add(id, l, group, here, detail).have = at_layer(have, l);
  }
  if (layers > 1) add(id, 0, group, all, detail).have = have;
}

std::vector<Edit> CandidateWriter::parameters(int l,
                                              const std::function<V(NodeId, V)>& make) const {
  std::vector<Edit> edits;
  for (const NodeId id : {at(l).w, at(l).b}) {
    if (id == no_node) continue;
    edits.push_back({At::leaf, id, 0, [make](const Site& s) { return make(s.node, s.cotangent); }});
  }
  return edits;
}

void CandidateWriter::constant_factors() {
  for (const NamedFactor& named : named_factors(network_, context_)) {
    const double factor = named.value;
    const auto scaled = [factor](const Site& s) { return scale(s.cotangent, factor); };
    const auto scaled_leaf = [factor](NodeId, V g) { return scale(g, factor); };
    const bool mean = named.id == "mean-missing";
    for (int l = depth(); l >= 1; --l) {
      const bool everywhere = l == depth();
      Candidate& through = add(mean && !everywhere ? "mean-missing-some" : named.id, l,
                               Group::factor, {delta(l, scaled)});
      if (!mean || !everywhere) {  // the catalogue has that one as people write it
        write_factor(through, named, "dZl", everywhere ? "(m o Yhat - Y) / N" : "f'(Zl) o dAl", l);
      }
      if (mean && depth() == 1) continue;
      Candidate& only =
          add(mean ? "mean-missing-some" : named.id, l, Group::factor, parameters(l, scaled_leaf));
      write_factor(only, named, "dWl", "A(l-1)^T dZl", l);
    }
    if (mean) continue;
    std::vector<Edit> all;
    for (int l = 1; l <= depth(); ++l) append(all, parameters(l, scaled_leaf));
    Candidate& everywhere = add(named.id, 0, Group::factor, std::move(all));
    write_factor(everywhere, named, "dWl", "A(l-1)^T dZl", 0);
  }
  const double n = samples();
  add("erratum-e4", depth(), Group::factor,
      {delta(depth(), [n](const Site& s) { return scale(s.cotangent, n); })});
}

void CandidateWriter::write_factor(Candidate& c, const NamedFactor& factor, std::string_view left,
                                   std::string_view right, int l) {
  const auto formula = [l](const std::string& text) {
    return l == 0 ? text + " for every l" : at_layer(text, l);
  };
  const bool sign = factor.value == -1;
  c.have = formula(fmt::format("{} = {}{}({})", left, factor.symbol, sign ? "" : " ", right));
  c.should = formula(fmt::format("{} = {}", left, right));
}

CandidateWriter::Make CandidateWriter::output_without_mass() const {
  return [y = network_.targets, z = network_.logits(), n = samples()](const Site& s) {
    return scale(sub(softmax(s.value(z)), y), 1 / n);
  };
}

void CandidateWriter::output_deltas() {
  const int L = depth();
  const V y = network_.targets;
  const double n = samples();
  const NodeId z = network_.logits();
  const auto yhat = [z](const Site& s) { return softmax(s.value(z)); };
  const auto put = [&](std::string_view id, Make make, std::string detail = {}) -> Candidate& {
    return add(id, L, Group::output, {delta(L, std::move(make))}, std::move(detail));
  };
  put("squared-error-output", [=](const Site& s) {
    const V p = yhat(s);
    return mul(s.cotangent, mul(p, complement(p, 1)));
  });
  put("softmax-jacobian-missing", [=](const Site& s) { return scale(div(y, yhat(s)), -1 / n); });
  put("softmax-twice", [=](const Site& s) {
    const V p = yhat(s);
    return mul(p, weighted_deviation(s.cotangent, p));
  });
  const auto swapped = [=](const Site& s) { return scale(sub(y, yhat(s)), 1 / n); };
  put("label-prediction-swapped", swapped);
  put("erratum-e1", swapped);
  put("mass-assumed-one", output_without_mass());
  const auto by_sigmoid = [=](const Site& s) { return scale(sub(sigmoid(s.value(z)), y), 1 / n); };
  put("sigmoid-output", by_sigmoid);
  put("erratum-e13", by_sigmoid);
  for (std::int64_t k = 0; k < std::min<std::int64_t>(network_.classes, 64); ++k) {
    Tensor<double> mask = Tensor<double>::filled({network_.classes}, 1);
    mask[k] = 0;
    const V kept = graph_.tape().constant(mask);
    put(
        "class-missing", [kept](const Site& s) { return mul(s.cotangent, kept); },
        fmt::format("class {}", k));
  }
}

void CandidateWriter::ways_down() {
  const Group group = Group::way_down;
  const auto by_weights = [this](int l, NodeId w) {
    return down(l, [w](const Site& s) { return matmul(s.cotangent, s.value(w), Transpose::b); });
  };
  const auto fits = [this](int l, int o) {
    return graph_.step(at(o).w).shape == graph_.step(at(l).w).shape;
  };
  std::vector<Edit> all;
  for (int l = 2; l <= depth(); ++l) {
    for (int o = 1; o <= depth(); ++o) {
      if (o == l || !fits(l, o)) continue;
      add("other-layer-weights", l, group, {by_weights(l, at(o).w)}, fmt::format("k = {}", o))
          .have = fmt::format("dA{} = dZ{} W{}^T", l - 1, l, o);
      if (o != l - 1) continue;
      add("erratum-e3", l, group, {by_weights(l, at(o).w)});
      all.push_back(by_weights(l, at(o).w));
    }
  }
  if (all.size() > 1 && static_cast<int>(all.size()) == depth() - 1) {
    add("other-layer-weights", 0, group, all, "k = l");
    add("erratum-e3", 0, group, all);
  }
  add_each("weights-not-transposed", 2, depth(), group, [this](int l) -> std::vector<Edit> {
    if (width(l) != width(l - 1)) return {};
    return {down(l, [](const Site& s) { return matmul(s.cotangent, s.input_value(1)); })};
  });
  // The report's own delta: with labels of mass one it is the right one.
  const Edit output = delta(depth(), output_without_mass());
  const auto with_output = [output](std::vector<Edit> edits) {
    edits.push_back(output);
    return edits;
  };
  add_each("erratum-e2", 2, depth(), group, [&](int l) -> std::vector<Edit> {
    return with_output({down(l, [](const Site& s) {
      const V w = sum(s.input_value(1), {1});
      return mul(sum(s.cotangent, {1}, true), reshape(w, {1, w.shape().size()}));
    })});
  });
  for (const double sign : {1.0, -1.0}) {
    add_each(
        "erratum-e5", 1, depth() - 1, group,
        [&](int l) -> std::vector<Edit> {
          if (width(l) != network_.classes) return {};
          return {delta(l, [a = at(l).activation, y = network_.targets, c = sign / samples()](
                               const Site& s) { return scale(sub(s.value(a), y), c); })};
        },
        sign > 0 ? "" : "negated");
  }
}

/// delta_j = f'(z_j) sum_k delta_k x_i, dw_ji = delta_j x_i: x_i is in the delta and once more in
/// the gradient of the weights.
void CandidateWriter::literal_erratum_e6() {
  if (depth() < 2) return;
  std::vector<Edit> edits{delta(depth(), output_without_mass())};
  for (int l = depth(); l >= 1; --l) {
    if (l < depth()) {
      edits.push_back(weights(l, [](const Site& s) {
        return matmul(square(s.input_value(0)), s.cotangent, Transpose::a);
      }));
    }
    if (l == 1) break;
    edits.push_back(down(l, [top = l == depth()](const Site& s) {
      const V total = sum(s.cotangent, {1}, true), a = s.input_value(0);
      return top ? broadcast_to(total, a.shape()) : mul(total, a);
    }));
  }
  add("erratum-e6", depth() - 1, Group::way_down, std::move(edits));
}

std::vector<NamedFactor> named_factors(const Network& network, const StepContext& context) {
  const double n = static_cast<double>(network.samples), k = static_cast<double>(network.classes);
  std::vector<NamedFactor> factors{{"sign", "-", -1},
                                   {"mean-missing", "N", n},
                                   {"mean-doubled", "1/N", 1 / n},
                                   {"mean-n-k", "1/K", 1 / k},
                                   {"mean-n-minus-1", "N/(N - 1)", n / (n - 1)},
                                   {"factor-two", "2", 2},
                                   {"factor-half", "1/2", 0.5}};
  if (context.learning_rate) factors.push_back({"learning-rate", "lr", *context.learning_rate});
  // One sample: N - 1 divides nothing, and N is no factor.
  std::erase_if(factors, [](const NamedFactor& factor) {
    return !std::isfinite(factor.value) || factor.value == 1;
  });
  return factors;
}

std::vector<Candidate> network_candidates(const Graph& graph, const Network& network,
                                          const StepContext& context, const std::vector<V>& right) {
  return CandidateWriter(graph, network, context, right).write();
}

}  // namespace chainrule::detail
