#include <chainrule/check/precision.hpp>
#include <chainrule/ops/ops.hpp>

#include <algorithm>
#include <stdexcept>
#include <unordered_map>

namespace chainrule {

namespace {

const std::vector<std::int32_t> labels{0, 2};
constexpr std::int32_t dropout_step = 0;

/// Records every operation of ops.hpp, and the first and second derivatives of each, so that the
/// operations which only rules record are on the tape too; lists the operations, node by node. The
/// lists of two scalars stand side by side. tests/check/precision walks the registry to see that
/// none is missing.
template <class T>
std::vector<const Op<T>*> recorded_operations() {
  Tape<T> tape;
  const Tensor<T> values({2, 3}, {T(0.5), T(0.25), T(0.75), T(0.375), T(0.625), T(0.125)});
  const Tensor<T> others({2, 3}, {T(0.25), T(0.5), T(0.125), T(0.75), T(0.375), T(0.625)});
  const Tensor<T> pair({2}, {T(0.5), T(0.25)});
  const Var<T> x = tape.input(values), y = tape.input(others), v = tape.input(pair);
  const std::vector<Var<T>> leaves{x, y, v};
  const std::vector<Var<T>> results{add(x, x),
                                    broadcast_to(v, {3, 2}),
                                    sum_to(x, {3}),
                                    sub(x, y),
                                    mul(x, y),
                                    mul0(x, y),
                                    div(x, y),
                                    neg(x),
                                    scale(x, 2),
                                    shift(x, 2),
                                    exp(x),
                                    log(x),
                                    greater(x, y),
                                    equal(x, y),
                                    sign(x),
                                    square(x),
                                    sqrt(x),
                                    reciprocal(x),
                                    pow(x, T(2.5)),
                                    pow(x, y),
                                    log1p(x),
                                    expm1(x),
                                    sin(x),
                                    cos(x),
                                    erf(x),
                                    erfc(x),
                                    gaussian(x),
                                    normal_cdf(x),
                                    abs(x),
                                    maximum(x, y),
                                    minimum(x, y),
                                    clamp(x, 0, 1),
                                    where(greater(x, y), x, y),
                                    stop_gradient(x),
                                    sigmoid(x),
                                    tanh(x),
                                    improved_sigmoid(x),
                                    sech_squared(x),
                                    relu(x),
                                    leaky_relu(x),
                                    elu(x),
                                    gelu(x),
                                    silu(x),
                                    softplus(x),
                                    matmul(x, y, Transpose::a),
                                    linear(x, matmul(y, x, Transpose::a), sum(y, {0})),
                                    sum(x),
                                    mean(x),
                                    max(x),
                                    min(x),
                                    argmax(x),
                                    logsumexp(x),
                                    variance(x),
                                    reshape(x, {3, 2}),
                                    transpose(x),
                                    slice(x, 1, 0, 2),
                                    pad(x, 1, 1, 1),
                                    concat({x, y}),
                                    stack({x, y}),
                                    pick(x, labels),
                                    place(v, labels, 3),
                                    gather_rows(transpose(x), labels),
                                    scatter_add_rows(x, labels, 3),
                                    softmax(x),
                                    log_softmax(x),
                                    wedge_sum(x, y),
                                    weighted_deviation(x, y),
                                    softmax_cross_entropy(x, y),
                                    softmax_cross_entropy_with_indices(x, labels),
                                    mse(x, y),
                                    binary_cross_entropy_with_logits(x, y),
                                    huber(x, y),
                                    dropout(x, 0.5, 0, dropout_step)};
  for (const Var<T> result : results) {
    // A cotangent that depends on the leaves, so that every adjoint has derivatives of its own.
    std::vector<Var<T>> first;
    for (const Var<T> dx : gradients(sum(square(result)), leaves)) first.push_back(dx);
    for (const Var<T> dx : first) gradients(sum(square(dx)), leaves);
  }
  std::vector<const Op<T>*> operations;
  for (NodeId id = 0; id < tape.size(); ++id) operations.push_back(tape.node(id).op);
  return operations;
}

using Twins = std::unordered_map<const Op<float>*, const Op<double>*>;

Twins pair_operations() {
  const auto from = recorded_operations<float>();
  const auto to = recorded_operations<double>();
  Twins twins;
  for (std::size_t i = 0; i < from.size(); ++i) {
    if (from.size() != to.size() || from[i]->name != to[i]->name) {
      throw std::logic_error("an operation of the library records other nodes in float");
    }
    twins.emplace(from[i], to[i]);
  }
  return twins;
}

const Twins& all_twins() {
  static const Twins twins = pair_operations();
  return twins;
}

}  // namespace

const Op<double>* in_double(const Op<float>& op) {
  const auto found = all_twins().find(&op);
  return found == all_twins().end() ? nullptr : found->second;
}

bool is_twin(const Op<double>& op) {
  return std::any_of(all_twins().begin(), all_twins().end(),
                     [&op](const auto& twin) { return twin.second == &op; });
}

DoubleRecording::DoubleRecording(Tape<float>& tape)
    : tape_(std::make_unique<Tape<double>>()), twins_(tape.size()) {
  std::vector<Var<double>> inputs;
  std::vector<double> values;
  for (NodeId id = 0; id < tape.size(); ++id) {
    const Node<float>& node = tape.node(id);
    if (!node.op->forward) {
      const TensorView<const float> value = tape.var(id).value(node.location);
      values.assign(value.begin(), value.end());
      twins_[id] =
          tape_->constant(TensorView<const double>(values.data(), value.shape()), node.location);
    } else if (const Op<double>* op = in_double(*node.op)) {
      inputs.clear();
      for (const NodeId in : node.inputs) inputs.push_back(twins_[in]);
      const auto known = [](const Var<double>& in) { return static_cast<bool>(in); };
      if (!std::all_of(inputs.begin(), inputs.end(), known)) continue;
      twins_[id] = tape_->record(*op, inputs, node.attributes, node.location);
    } else if (std::find(without_twin_.begin(), without_twin_.end(), node.op->name) ==
               without_twin_.end()) {
      without_twin_.emplace_back(node.op->name);
    }
    if (twins_[id] && !node.name.empty()) tape_->set_name(twins_[id], node.name, node.location);
  }
}

std::optional<Var<double>> DoubleRecording::find(NodeId id) const {
  if (id >= twins_.size() || !twins_[id]) return std::nullopt;
  return twins_[id];
}

}  // namespace chainrule
