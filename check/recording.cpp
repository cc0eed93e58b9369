#include <chainrule/check/recording.hpp>
#include <chainrule/ops/ops.hpp>

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstdint>
#include <limits>

namespace chainrule::detail {

namespace {

using V = Var<double>;

/// A constant of x's shape with entries of either sign, none near zero: each entry of x counts.
V random_like(V x, const Random& random) {
  Tensor<double> values(x.shape());
  for (std::int64_t i = 0; i < values.size(); ++i) {
    const double u = random.uniform(static_cast<std::uint64_t>(i), -1, 1);
    values[i] = std::copysign(0.5 + std::abs(u), u);
  }
  return x.tape().constant(values);
}

}  // namespace

Random stream(const GradcheckOptions& options, Stream purpose, std::size_t index) {
  const std::size_t place =
      index * static_cast<std::size_t>(Stream::count) + static_cast<std::size_t>(purpose);
  return {options.seed, Purpose::check, static_cast<std::uint32_t>(place)};
}

Recording::Recording(V y, std::span<const V> original, const std::vector<Tensor<double>>& point,
                     const GradcheckOptions& options) {
  copy_graph(y, original, point);
  if (f_.shape().size() != 1) f_ = sum(f_ * random_like(f_, stream(options, Stream::cotangent, 0)));
  for (int order = 1; order < options.order; ++order) {
    const std::span<const V> derivative = gradients(f_, leaves_);
    f_ = {};
    for (std::size_t i = 0; i < leaves_.size(); ++i) {
      const std::size_t index = static_cast<std::size_t>(order) * leaves_.size() + i;
      const Random random = stream(options, Stream::contraction, index);
      const V part = sum(derivative[i] * random_like(leaves_[i], random));
      f_ = f_ ? f_ + part : part;
    }
  }
  const std::span<const V> derivative = gradients(f_, leaves_);
  gradient_.assign(derivative.begin(), derivative.end());
  for (const V& g : gradient_) gradient_values_.push_back(g.value());
}

void Recording::copy_graph(V y, std::span<const V> original,
                           const std::vector<Tensor<double>>& point) {
  Tape<double>& from = y.tape();
  std::vector<V> copies(from.size());
  for (std::size_t i = 0; i < original.size(); ++i) {
    leaves_.push_back(tape_.input(point[i].view()));
    copies[original[i].id()] = leaves_.back();
  }
  std::vector<bool> needed(y.id() + 1);
  needed[y.id()] = true;
  for (NodeId id = y.id() + 1; id-- > 0;) {
    if (!needed[id]) continue;
    for (const NodeId in : from.node(id).inputs) needed[in] = true;
  }
  std::vector<V> inputs;
  for (NodeId id = 0; id <= y.id(); ++id) {
    const Node<double>& node = from.node(id);
    if (!needed[id] || copies[id]) continue;
    if (!node.op->forward) {
      copies[id] = tape_.input(from.var(id).value(), node.location);
      continue;
    }
    inputs.clear();
    for (const NodeId in : node.inputs) inputs.push_back(copies[in]);
    copies[id] = tape_.record(*node.op, inputs, node.attributes, node.location);
  }
  f_ = copies[y.id()];
}

double Recording::expected_rounding() {
  std::vector<bool> varies(tape_.size());
  for (const V leaf : leaves_) varies[leaf.id()] = true;
  std::vector<V> values;
  for (NodeId id = 0; id <= f_.id(); ++id) {
    for (const NodeId in : tape_.node(id).inputs) varies[id] = varies[id] || varies[in];
    if (varies[id] && tape_.node(id).op->forward) values.push_back(tape_.var(id));
  }
  if (values.empty()) return 0;
  double squares = 0;
  const std::span<const V> adjoints = tape_.gradients(f_, values, {}, {}, false);
  for (std::size_t i = 0; i < values.size(); ++i) {
    const auto value = values[i].value(), adjoint = adjoints[i].value();
    for (std::int64_t k = 0; k < value.size(); ++k) {
      const double error = value[k] * adjoint[k];
      if (std::isfinite(error)) squares += error * error;
    }
  }
  const double sum = std::sqrt(squares) * std::numeric_limits<double>::epsilon() / 4;
  return std::isfinite(sum) ? sum : 0;
}

std::vector<bool> Recording::replays(const Recording& other,
                                     const std::vector<Tensor<double>>& point) const {
  Plan<double> plan(gradient_);
  rebind(plan, leaves_, point);
  plan.run();
  std::vector<bool> same;
  for (std::size_t i = 0; i < leaves_.size(); ++i) {
    const auto replayed = plan.value(gradient_[i]), anew = other.gradient(i);
    const auto equal = [](double a, double b) {
      return std::bit_cast<std::uint64_t>(a) == std::bit_cast<std::uint64_t>(b);
    };
    same.push_back(std::equal(replayed.begin(), replayed.end(), anew.begin(), equal));
  }
  return same;
}

void rebind(Plan<double>& plan, std::span<const V> leaves,
            const std::vector<Tensor<double>>& values) {
  for (std::size_t i = 0; i < leaves.size(); ++i) {
    if (values[i].size() == 0) continue;
    const auto is_leaf = [data = leaves[i].value().data()](const Node<double>& node) {
      return node.data == data;
    };
    if (std::any_of(plan.nodes().begin(), plan.nodes().end(), is_leaf)) {
      plan.rebind(leaves[i], values[i]);
    }
  }
}

}  // namespace chainrule::detail
