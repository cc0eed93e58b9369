#include <chainrule/check/candidates.hpp>
#include <chainrule/check/mistakes.hpp>
#include <chainrule/ops/ops.hpp>

#include <fmt/format.h>

#include <array>
#include <cmath>

namespace chainrule::detail {

namespace {

using At = Edit::At;
using Make = std::function<V(const Site&)>;

/// A function that people take for another, and its derivative: of z, and in closed form of a.
struct Activated {
  std::string_view name;
  V (*value)(V z);
  V (*derivative)(V z);
  V (*closed)(V a);
  std::string_view closed_text;  ///< the closed form, of t
};

constexpr double outer = 1.7159, inner = 2.0 / 3.0;

V complement(V x, double from) { return shift(neg(x), from); }  // from - x
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

/// Writes the candidates of one network.
class Writer {
 public:
  Writer(const Graph& graph, const Network& network, const StepContext& context,
         const std::vector<V>& right)
      : graph_(graph), network_(network), context_(context), right_(right) {}

  std::vector<Candidate> write() {
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

 private:
  int depth() const { return network_.depth(); }
  const NetworkLayer& at(int l) const { return network_.at(l); }
  double samples() const { return static_cast<double>(network_.samples); }
  std::int64_t width(int l) const {
    return l == 0 ? graph_.step(network_.x).shape[1] : graph_.step(at(l).w).shape[1];
  }
  std::string_view activation(int l) const { return graph_.step(at(l).activation).op->name; }

  static void append(std::vector<Edit>& edits, const std::vector<Edit>& more) {
    edits.insert(edits.end(), more.begin(), more.end());
  }
  Candidate& add(std::string_view id, int layer, Group group, std::vector<Edit> edits,
                 std::string detail = {}) {
    Candidate candidate;
    candidate.id = id, candidate.layer = layer, candidate.group = group;
    candidate.edits = std::move(edits), candidate.detail = std::move(detail);
    found_.push_back(std::move(candidate));
    return found_.back();
  }
  /// The mistake at each layer of first .. last for which `edits` gives some, and at all of them
  /// where those are several.
  /// `have`: the formula, where the catalogue's does not fit.
  template <class Edits>
  void add_each(std::string_view id, int first, int last, Group group, Edits edits,
                const std::string& detail = {}, std::string_view have = {}) {
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

  // The places of a layer where something can go wrong.
  Edit delta(int l, Make make) const { return {At::adjoint, at(l).z, 0, std::move(make)}; }
  Edit slope(int l, Make make) const {
    return {At::contribution, at(l).activation, 0, std::move(make)};
  }
  Edit down(int l, Make make) const {
    return {At::contribution, at(l).product, 0, std::move(make)};
  }
  Edit weights(int l, Make make) const {
    return {At::contribution, at(l).product, 1, std::move(make)};
  }
  Edit bias(int l, Make make) const {
    return {At::contribution, at(l).bias_reader, at(l).bias_input, std::move(make)};
  }
  bool has_bias(int l) const { return at(l).b != no_node; }
  /// dWl and dbl as they are handed in.
  std::vector<Edit> parameters(int l, const std::function<V(NodeId, V)>& make) const {
    std::vector<Edit> edits;
    for (const NodeId id : {at(l).w, at(l).b}) {
      if (id == no_node) continue;
      edits.push_back(
          {At::leaf, id, 0, [make](const Site& s) { return make(s.node, s.cotangent); }});
    }
    return edits;
  }

  void constant_factors() {
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
          write_factor(through, named, "dZl", everywhere ? "(m o Yhat - Y) / N" : "f'(Zl) o dAl",
                       l);
        }
        if (mean && depth() == 1) continue;
        Candidate& only = add(mean ? "mean-missing-some" : named.id, l, Group::factor,
                              parameters(l, scaled_leaf));
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

  Make output_without_mass() const {
    return [y = network_.targets, z = network_.logits(), n = samples()](const Site& s) {
      return scale(sub(softmax(s.value(z)), y), 1 / n);
    };
  }

  static void write_factor(Candidate& c, const NamedFactor& factor, std::string_view left,
                           std::string_view right, int l) {
    const auto formula = [l](const std::string& text) {
      return l == 0 ? text + " for every l" : at_layer(text, l);
    };
    const bool sign = factor.value == -1;
    c.have = formula(fmt::format("{} = {}{}({})", left, factor.symbol, sign ? "" : " ", right));
    c.should = formula(fmt::format("{} = {}", left, right));
  }

  void output_deltas() {
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
    const auto by_sigmoid = [=](const Site& s) {
      return scale(sub(sigmoid(s.value(z)), y), 1 / n);
    };
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

  void activation_derivatives() {
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

  /// "dZ1 = A1 o (1 - A1) o dA1" for t = A1.
  static std::string closed_formula(const Activated& g, const std::string& t,
                                    const std::string& l) {
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

  static V rule_at_output(const Site& s) {
    const Graph::Step& step = s.walk.graph().step(s.node);
    const V a = s.output();
    const V again = a.tape().record(*step.op, {a}, step.attributes, step.location);
    return step.op->adjoint(Adjoint<double>(a.tape(), again.id(), s.cotangent), 0);
  }

  void relu_masks() {
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
            {slope(l, [z = at(o).z](
                          const Site& s) { return mul(s.cotangent, positive(s.value(z))); })},
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

  void ways_down() {
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

  void layer_parameters() {
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
            return {
                weights(l, [a = at(l - 1).activation, z = at(l - 1).z, by_delta](const Site& s) {
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

  void bias_gradients() {
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
    Candidate& row =
        add("bias-row-dropped", 1, Group::parameters,
            {{At::leaf, at(1).w, 0, [kept = graph_.tape().constant(mask)](const Site& s) {
                return mul(s.cotangent, kept);
              }}});
    row.have = std::string("dW1's last row is 0");
    row.should = std::string("dW1's last row is the sum of dZ1's rows");
  }

  /// dWl and dbl by what was handed in for them, at all layers and at each that has it.
  template <class MakeOf>
  void add_from(std::string_view id, const std::map<NodeId, Tensor<double>>& values, MakeOf make) {
    add_each(id, 1, depth(), Group::steps, [&](int l) -> std::vector<Edit> {
      for (const NodeId node : {at(l).w, at(l).b}) {
        if (node != no_node && !values.contains(node)) return {};
      }
      return parameters(l, [&values, make](NodeId node, V g) {
        return make(g, g.tape().constant(values.at(node)));
      });
    });
  }

  void between_steps() {
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

  void after_update() {
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

  void weight_decay() {
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

  /// delta_j = f'(z_j) sum_k delta_k x_i, dw_ji = delta_j x_i: x_i is in the delta and once more in
  /// the gradient of the weights.
  void literal_erratum_e6() {
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

  const Graph& graph_;
  const Network& network_;
  const StepContext& context_;
  const std::vector<V>& right_;
  std::vector<Candidate> found_;
};

}  // namespace

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
  return Writer(graph, network, context, right).write();
}

}  // namespace chainrule::detail
