// Writes the candidates of one network: where in its layers something can go wrong. Internal.
#pragma once

#include <chainrule/check/candidates.hpp>
#include <chainrule/check/mistakes.hpp>
#include <chainrule/ops/ops.hpp>

namespace chainrule::detail {

/// from - x
inline V complement(V x, double from) { return shift(neg(x), from); }

/// All candidates of one network, once.
class CandidateWriter {
 public:
  CandidateWriter(const Graph& graph, const Network& network, const StepContext& context,
                  const std::vector<V>& right)
      : graph_(graph), network_(network), context_(context), right_(right) {}
  std::vector<Candidate> write();

 private:
  using At = Edit::At;
  using Make = std::function<V(const Site&)>;

  int depth() const { return network_.depth(); }
  const NetworkLayer& at(int l) const { return network_.at(l); }
  double samples() const { return static_cast<double>(network_.samples); }
  std::int64_t width(int l) const {
    return l == 0 ? graph_.step(network_.x).shape[1] : graph_.step(at(l).w).shape[1];
  }
  std::string_view activation(int l) const { return graph_.step(at(l).activation).op->name; }

  Candidate& add(std::string_view id, int layer, Group group, std::vector<Edit> edits,
                 std::string detail = {});
  /// The mistake at each layer of first .. last for which `edits` gives some, and at all of them
  /// where those are several. `have`: the formula, where the catalogue's does not fit.
  void add_each(std::string_view id, int first, int last, Group group,
                const std::function<std::vector<Edit>(int)>& edits, const std::string& detail = {},
                std::string_view have = {});

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
  std::vector<Edit> parameters(int l, const std::function<V(NodeId, V)>& make) const;

  // candidates.cpp
  void constant_factors();
  static void write_factor(Candidate& c, const NamedFactor& factor, std::string_view left,
                           std::string_view right, int l);
  Make output_without_mass() const;
  void output_deltas();
  void ways_down();
  /// delta_j = f'(z_j) sum_k delta_k x_i, dw_ji = delta_j x_i: x_i is in the delta and once more in
  /// the gradient of the weights.
  void literal_erratum_e6();

  // candidate_derivatives.cpp
  void activation_derivatives();
  void relu_masks();

  // candidate_parameters.cpp
  void layer_parameters();
  void bias_gradients();
  /// dWl and dbl by what was handed in for them, at all layers and at each that has it.
  void add_from(std::string_view id, const std::map<NodeId, Tensor<double>>& values,
                const std::function<V(V right, V handed_in)>& make);
  void between_steps();
  void after_update();
  void weight_decay();

  const Graph& graph_;
  const Network& network_;
  const StepContext& context_;
  const std::vector<V>& right_;
  std::vector<Candidate> found_;
};

}  // namespace chainrule::detail
