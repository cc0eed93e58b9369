// f' and what people take for it.
#include <chainrule/check/candidate_writer.hpp>

#include <fmt/format.h>

#include <array>

namespace chainrule::detail {

namespace {

/// A function that people take for another, and its derivative: of z, and in closed form of a.
struct Activated {
  std::string_view name;
  V (*value)(V z);
  V (*derivative)(V z);
  V (*closed)(V a);
  std::string_view closed_text;  ///< the closed form, of t
};

constexpr double outer = 1.7159, inner = 2.0 / 3.0;

V sech(V x) { return sqrt(sech_squared(x)); }
V positive(V x) { return greater(x, x.tape().constant(0.0)); }

const std::array<Activated, 4> activations{{
    {"sigmoid", [](V z) { return sigmoid(z); }, [](V z) { return sech_squared(z, 0.25, 0.5); },
     [](V a) { return mul(a, complement(a, 1)); }, "t o (1 - t)"},
    {"tanh", [](V z) { return tanh(z); }, [](V z) { return sech_squared(z); },
     [](V a) { return complement(square(a), 1); }, "(1 - t^2)"},
    {"improved_sigmoid", [](V z) { return improved_sigmoid(z); },
     [](V z) { return sech_squared(z, outer * inner, inner); },
     [](V a) { return scale(complement(scale(square(a), 1 / outer), outer), inner); },
     "2/3 (1.7159 - t^2/1.7159)"},
    {"relu", [](V z) { return relu(z); }, [](V z) { return positive(z); },
     [](V a) { return positive(a); }, "[t > 0]"},
}};

/// "dZ1 = A1 o (1 - A1) o dA1" for t = A1.
std::string closed_formula(const Activated& g, const std::string& t, const std::string& l) {
  std::string slope;
  for (const char c : g.closed_text) {
    if (c == 't') {
      slope += t;
    } else {
      slope += c;
    }
  }
  return fmt::format("dZ{} = {} o dA{}", l, slope, l);
}

V rule_at_output(const Site& s) {
  const Graph::Step& step = s.walk.graph().step(s.node);
  const V a = s.output();
  const V again = a.tape().record(*step.op, {a}, step.attributes, step.location);
  return step.op->adjoint(Adjoint<double>(a.tape(), again.id(), s.cotangent), 0);
}

}  // namespace

void CandidateWriter::activation_derivatives() {
  const int last = depth() - 1;
  const Group group = Group::derivative;
  const auto by = [this](V (*f)(V), bool of_a) {
    return [this, f, of_a](int l) -> std::vector<Edit> {
      return {slope(l, [f, of_a](const Site& s) {
        return mul(s.cotangent, f(of_a ? s.output() : s.input_value(0)));
      })};
    };
  };
  const auto only_for = [this](std::string_view name, auto edits) {
    return [this, name, edits](int l) -> std::vector<Edit> {
      return activation(l) == name ? edits(l) : std::vector<Edit>();
    };
  };
  for (const Activated& g : activations) {
    const auto other = [this, &g](auto edits) {
      return [this, &g, edits](int l) -> std::vector<Edit> {
        return activation(l) == g.name ? std::vector<Edit>() : edits(l);
      };
    };
    add_each("other-activation-derivative", 1, last, group, other(by(g.derivative, false)),
             fmt::format("g = {}", g.name));
    add_each("other-activation-derivative", 1, last, group, other(by(g.closed, true)),
             fmt::format("g = {}, of a", g.name));
    const auto recomputed = [this, &g](int l) -> std::vector<Edit> {
      return {weights(l + 1, [&g, z = at(l).z](const Site& s) {
        return matmul(g.value(s.value(z)), s.cotangent, Transpose::a);
      })};
    };
    add_each("activation-recomputed", 1, last, group, other(recomputed),
             fmt::format("g = {}", g.name));
    const auto recomputed_both = [recomputed, by, &g](int l) {
      std::vector<Edit> edits = recomputed(l);
      edits.push_back(by(g.derivative, false)(l)[0]);
      return edits;
    };
    add_each("activation-recomputed", 1, last, group, other(recomputed_both),
             fmt::format("g = {}, in f' too", g.name));
    const std::size_t before = found_.size();
    add_each("derivative-z-one-minus-z", 1, last, group, only_for(g.name, by(g.closed, false)));
    for (std::size_t i = before; i < found_.size(); ++i) {
      const std::string l = found_[i].layer ? std::to_string(found_[i].layer) : "l";
      found_[i].have = closed_formula(g, "Z" + l, l);
      found_[i].should = closed_formula(g, "A" + l, l);
    }
  }
  add_each("derivative-missing", 1, last, group, [this](int l) -> std::vector<Edit> {
    return {slope(l, [](const Site& s) { return s.cotangent; })};
  });
  add_each("derivative-at-output", 1, last, group,
           [this](int l) -> std::vector<Edit> { return {slope(l, rule_at_output)}; });
  const auto improved = [&](std::string_view id, V (*f)(V)) {
    add_each(id, 1, last, group, only_for("improved_sigmoid", by(f, false)));
  };
  improved("inner-slope-missing", [](V z) { return sech_squared(z, outer, inner); });
  improved("outer-slope-missing", [](V z) { return sech_squared(z, inner, inner); });
  improved("one-minus-tanh-squared-z", [](V z) { return sech_squared(z); });
  improved("erratum-e7", [](V z) { return sech_squared(z, 2 * outer * inner, inner); });
  improved("closed-form-of-scaled-a",
           [](V z) { return scale(complement(square(improved_sigmoid(z)), 1), outer * inner); });
  const auto no_square = [&](std::string_view of, V (*f)(V), std::string_view have) {
    add_each("square-forgotten", 1, last, group, only_for(of, by(f, false)), "", have);
  };
  no_square(
      "tanh", [](V z) { return complement(tanh(z), 1); }, "dZl = (1 - Al) o dAl");
  no_square("tanh", sech, "dZl = sech(Zl) o dAl");
  no_square(
      "improved_sigmoid",
      [](V z) { return scale(complement(tanh(scale(z, inner)), 1), outer * inner); },
      "dZl = 1.7159 * 2/3 * (1 - tanh(2 Zl/3)) o dAl");
  no_square(
      "improved_sigmoid", [](V z) { return scale(sech(scale(z, inner)), outer * inner); },
      "dZl = 1.7159 * 2/3 * sech(2 Zl/3) o dAl");
  relu_masks();
}

void CandidateWriter::relu_masks() {
  const int last = depth() - 1;
  const auto is_relu = [this](int l) { return activation(l) == "relu"; };
  add_each(
      "relu-mask-wrong-tensor", 1, last, Group::derivative,
      [&](int l) -> std::vector<Edit> {
        if (!is_relu(l)) return {};
        return {slope(l, [](const Site& s) { return mul(s.cotangent, positive(s.cotangent)); })};
      },
      "T = dAl");
  const auto leaky = [](NodeId node, double slope_below) -> Edit {
    return {At::contribution, node, 0, [slope_below](const Site& s) {
              const V g = s.cotangent;
              return where(positive(s.input_value(0)), g, scale(g, slope_below));
            }};
  };
  std::vector<std::pair<int, NodeId>> relus;
  for (int l = 1; l <= last; ++l) {
    if (is_relu(l) || activation(l) == "leaky_relu") relus.emplace_back(l, at(l).activation);
    if (!is_relu(l)) continue;
    for (int o = 1; o <= last; ++o) {
      if (o == l || width(o) != width(l)) continue;
      add("relu-mask-wrong-tensor", l, Group::derivative,
          {slope(l,
                 [z = at(o).z](const Site& s) { return mul(s.cotangent, positive(s.value(z))); })},
          fmt::format("T = Z{}", o));
    }
  }
  const auto add_slope = [&](int layer, const std::vector<NodeId>& nodes) {
    Candidate& c = add("leaky-slope", layer, Group::derivative, {});
    c.family = [leaky, nodes](double s) {
      std::vector<Edit> edits;
      edits.reserve(nodes.size());
      for (const NodeId node : nodes) edits.push_back(leaky(node, s));
      return edits;
    };
    c.linear = nodes.size() == 1;
    c.low = 1e-6, c.high = 1 - 1e-6, c.parameter = std::string("s");
  };
  std::vector<NodeId> all;
  for (const auto& [l, node] : relus) add_slope(l, {node}), all.push_back(node);
  if (all.size() > 1) add_slope(0, all);
}

}  // namespace chainrule::detail
