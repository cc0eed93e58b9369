// The gradients of a layer's weights and biases, and what gets into them from other steps.
#include <chainrule/check/candidate_writer.hpp>

#include <fmt/format.h>

namespace chainrule::detail {

void CandidateWriter::layer_parameters() {
  const Group group = Group::parameters;
  const auto by_units = [this](int l, NodeId units) -> std::vector<Edit> {
    return {weights(
        l, [units](const Site& s) { return matmul(s.value(units), s.cotangent, Transpose::a); })};
  };
  for (int l = 1; l <= depth(); ++l) {
    for (int o = 1; o <= depth(); ++o) {
      if (o == l || width(o) != width(l)) continue;
      // The delta of a lower layer is not there yet when this one's turn comes, but it is right.
      const V dz = right_[at(o).z];
      std::vector<Edit> edits{
          weights(l, [dz](const Site& s) { return matmul(s.input_value(0), dz, Transpose::a); })};
      if (has_bias(l)) {
        edits.push_back(bias(l, [dz, shape = graph_.step(at(l).b).shape](const Site&) {
          return reshape(sum(dz, {0}), shape);
        }));
      }
      add("other-layer-delta", l, group, std::move(edits), fmt::format("k = {}", o)).have =
          at_layer("dWl = A(l-1)^T", l) + fmt::format(" dZ{}", o);
    }
  }
  add_each("input-for-activation", 2, depth(), group, [&](int l) {
    return width(l - 1) == width(0) ? by_units(l, network_.x) : std::vector<Edit>();
  });
  for (const std::string_view id : {"z-for-activation", "erratum-e14"}) {
    add_each(id, 2, depth(), group, [&](int l) { return by_units(l, at(l - 1).z); });
  }
  const auto overwritten = [&](bool by_delta, std::string_view have) {
    add_each(
        "activation-overwritten", 2, depth(), group,
        [&](int l) -> std::vector<Edit> {
          return {weights(l, [a = at(l - 1).activation, z = at(l - 1).z, by_delta](const Site& s) {
            // What dA(l-1) will be, or f' alone.
            const V above = by_delta ? matmul(s.cotangent, s.input_value(1), Transpose::b)
                                     : s.cotangent.tape().constant(1, s.value(z).shape());
            return matmul(Site{s.walk, a, 0, above}.right(), s.cotangent, Transpose::a);
          })};
        },
        "", have);
  };
  overwritten(false, "dWl = S^T dZl, S = f'(Z(l-1))");
  overwritten(true, "dWl = dZ(l-1)^T dZl");
  const std::int64_t n = network_.samples;
  if (n < 2) return;
  add_each("last-sample-missing", 1, depth(), group, [&](int l) {
    std::vector<Edit> edits{weights(l, [n](const Site& s) {
      return matmul(slice(s.input_value(0), 0, 0, n - 1), slice(s.cotangent, 0, 0, n - 1),
                    Transpose::a);
    })};
    if (has_bias(l)) {
      edits.push_back(bias(l, [n, shape = graph_.step(at(l).b).shape](const Site& s) {
        return reshape(sum(slice(s.cotangent, 0, 0, n - 1), {0}), shape);
      }));
    }
    return edits;
  });
}

void CandidateWriter::bias_gradients() {
  const auto on_bias = [this](double factor) {
    return [this, factor](int l) -> std::vector<Edit> {
      if (!has_bias(l)) return {};
      return {bias(l, [factor](const Site& s) { return scale(s.right(), factor); })};
    };
  };
  add_each("bias-averaged", 1, depth(), Group::parameters, on_bias(1 / samples()));
  add_each("bias-row-dropped", 1, depth(), Group::parameters, on_bias(0));
  add_each("bias-summed-over-units", 1, depth(), Group::parameters,
           [&](int l) -> std::vector<Edit> {
             if (!has_bias(l) || width(l) != network_.samples) return {};
             return {bias(l, [shape = graph_.step(at(l).b).shape](const Site& s) {
               return reshape(sum(s.cotangent, {1}), shape);
             })};
           });
  if (!network_.trick) return;
  Tensor<double> mask = Tensor<double>::filled({width(0), 1}, 1);
  mask[width(0) - 1] = 0;
  Candidate& row = add(
      "bias-row-dropped", 1, Group::parameters,
      {{At::leaf, at(1).w, 0,
        [kept = graph_.tape().constant(mask)](const Site& s) { return mul(s.cotangent, kept); }}});
  row.have = std::string("dW1's last row is 0");
  row.should = std::string("dW1's last row is the sum of dZ1's rows");
}

void CandidateWriter::add_from(std::string_view id, const std::map<NodeId, Tensor<double>>& values,
                               const std::function<V(V, V)>& make) {
  add_each(id, 1, depth(), Group::steps, [&](int l) -> std::vector<Edit> {
    for (const NodeId node : {at(l).w, at(l).b}) {
      if (node != no_node && !values.contains(node)) return {};
    }
    return parameters(l, [&values, make](NodeId node, V g) {
      return make(g, g.tape().constant(values.at(node)));
    });
  });
}

void CandidateWriter::between_steps() {
  add_each("accumulated-twice", 1, depth(), Group::steps,
           [&](int l) { return parameters(l, [](NodeId, V g) { return scale(g, 2.0); }); });
  add_from("accumulated-twice", context_.previous, [](V g, V old) { return g + old; });
  add_from("stale-gradient", context_.previous, [](V, V old) { return old; });
  after_update();
  if (context_.velocity.empty()) return;
  if (context_.momentum) {
    const double mu = *context_.momentum;
    add_from("momentum-folded", context_.velocity, [mu](V g, V v) { return g + scale(v, mu); });
    return;
  }
  Candidate& fitted = add("momentum-folded", 0, Group::steps, {});
  fitted.family = [&values = context_.velocity](double mu) {
    std::vector<Edit> edits;
    edits.reserve(values.size());
    for (const auto& [node, v] : values) {
      edits.push_back({At::leaf, node, 0, [&v = v, mu](const Site& s) {
                         return s.cotangent + scale(s.cotangent.tape().constant(v), mu);
                       }});
    }
    return edits;
  };
  fitted.low = 1e-6, fitted.high = 1, fitted.parameter = std::string("mu");
}

void CandidateWriter::after_update() {
  std::map<NodeId, V> updated;
  for (int l = 1; l <= depth(); ++l) {
    for (const NodeId node : {at(l).w, at(l).b}) {
      if (node == no_node) continue;
      if (const auto given = context_.updated.find(node); given != context_.updated.end()) {
        updated[node] = graph_.tape().constant(given->second);
      } else if (context_.learning_rate && right_[node]) {
        updated[node] = graph_.var(node) - scale(right_[node], *context_.learning_rate);
      } else {
        return;
      }
    }
  }
  std::vector<Edit> all;
  all.reserve(updated.size());
  for (const auto& [node, value] : updated) {
    all.push_back({At::value, node, 0, [value = value](const Site&) { return value; }});
  }
  add("after-update", 0, Group::steps, all);
  add_each("after-update", 2, depth(), Group::steps, [&](int l) -> std::vector<Edit> {
    return {down(l, [w = updated.at(at(l).w)](const Site& s) {
      return matmul(s.cotangent, w, Transpose::b);
    })};
  });
}

void CandidateWriter::weight_decay() {
  // What else reads the weights is the penalty.
  add_each("weight-decay-missing", 1, depth(), Group::steps, [&](int l) {
    std::vector<Edit> edits;
    for (const NodeId reader : graph_.readers(at(l).w)) {
      if (reader == at(l).product) continue;
      for (std::size_t i = 0; i < graph_.step(reader).inputs.size(); ++i) {
        if (graph_.step(reader).inputs[i] != at(l).w) continue;
        edits.push_back(
            {At::contribution, reader, static_cast<int>(i), [](const Site&) { return V(); }});
      }
    }
    return edits;
  });
  const auto decay = [](NodeId w, double lambda) -> Edit {
    return {At::leaf, w, 0,
            [lambda](const Site& s) { return s.cotangent + scale(s.value(s.node), lambda); }};
  };
  const auto fitted = [&](int layer, const std::vector<NodeId>& nodes) {
    Candidate& c = add("weight-decay-extra", layer, Group::steps, {});
    c.family = [decay, nodes](double lambda) {
      std::vector<Edit> edits;
      edits.reserve(nodes.size());
      for (const NodeId w : nodes) edits.push_back(decay(w, lambda));
      return edits;
    };
    c.low = 1e-12, c.high = 1e6, c.parameter = std::string("lambda");
  };
  std::vector<NodeId> all;
  for (int l = 1; l <= depth(); ++l) fitted(l, {at(l).w}), all.push_back(at(l).w);
  if (depth() > 1) fitted(0, all);
}

}  // namespace chainrule::detail
