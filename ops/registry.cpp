#include <chainrule/ops/registry.hpp>

#include <chainrule/ops/random_samples.hpp>

#include <array>

namespace chainrule {

namespace {

using V = Var<double>;
using Inputs = std::span<const V>;

std::vector<OpSample> joined(std::vector<OpSample> a, const std::vector<OpSample>& b) {
  a.insert(a.end(), b.begin(), b.end());
  return a;
}

// Samples of one input and of two that broadcast; `low` and `high` bound the entries.
std::vector<OpSample> unary(V (*op)(V, SourceLocation), double low = -2, double high = 2) {
  const auto record = [op](Inputs x) { return op(x[0], {}); };
  std::vector<OpSample> samples;
  for (const Shape& shape : {Shape{}, Shape{7}, Shape{3, 5}, Shape{2, 3, 2}, Shape{2, 1, 3, 2}}) {
    samples.push_back({{{shape, low, high}}, record});
  }
  return samples;
}

std::vector<OpSample> binary(V (*op)(V, V, SourceLocation), double low = -2, double high = 2) {
  const auto record = [op](Inputs x) { return op(x[0], x[1], {}); };
  const std::vector<std::array<Shape, 2>> pairs{{Shape{}, Shape{}},
                                                {Shape{4}, Shape{4}},
                                                {Shape{3, 4}, Shape{3, 4}},
                                                {Shape{3, 4}, Shape{4}},
                                                {Shape{4}, Shape{3, 4}},
                                                {Shape{3, 1}, Shape{1, 4}},
                                                {Shape{}, Shape{2, 3}},
                                                {Shape{2, 3}, Shape{}},
                                                {Shape{2, 1, 3}, Shape{4, 1}},
                                                {Shape{2, 3, 1, 2}, Shape{1, 3, 2, 1}}};
  std::vector<OpSample> samples;
  samples.reserve(pairs.size());
  for (const auto& [a, b] : pairs) {
    samples.push_back({{{a, low, high}, {b, low, high}}, record});
  }
  return samples;
}

std::vector<OpSample> rows(V (*op)(V, SourceLocation)) {
  const auto record = [op](Inputs x) { return op(x[0], {}); };
  std::vector<OpSample> samples;
  for (const Shape& shape : {Shape{5}, Shape{4, 3}, Shape{3, 1}, Shape{2, 2, 3}}) {
    samples.push_back({{{shape, -3, 3}}, record});
  }
  return samples;
}

std::vector<OpSample> pairs_of_rows(V (*op)(V, V, SourceLocation)) {
  const auto record = [op](Inputs x) { return op(x[0], x[1], {}); };
  std::vector<OpSample> samples;
  for (const Shape& shape : {Shape{5}, Shape{4, 3}, Shape{2, 2, 3}}) {
    samples.push_back({{{shape}, {shape}}, record});
  }
  return samples;
}

std::vector<OpSample> matmuls() {
  std::vector<OpSample> samples;
  for (const auto [m, k, n] : {std::array{3, 4, 2}, std::array{1, 5, 1}, std::array{4, 1, 3}}) {
    const Shape a{m, k}, at{k, m}, b{k, n}, bt{n, k};
    const auto sample = [&](const Shape& left, const Shape& right, Transpose flag) {
      samples.push_back({{{left}, {right}}, [flag](Inputs x) { return matmul(x[0], x[1], flag); }});
    };
    sample(a, b, Transpose::none);
    sample(at, b, Transpose::a);
    sample(a, bt, Transpose::b);
    sample(at, bt, Transpose::both);
  }
  for (const Shape& folded : {Shape{2, 3, 4}, Shape{2, 1, 3, 4}}) {
    samples.push_back({{{folded}, {{4, 2}}}, [](Inputs x) { return matmul(x[0], x[1]); }});
    samples.push_back(
        {{{folded}, {{2, 4}}}, [](Inputs x) { return matmul(x[0], x[1], Transpose::b); }});
  }
  return samples;
}

template <class Reduce>
std::vector<OpSample> reductions(Reduce reduce) {
  const SampleInput input{{2, 3, 4}};
  return {{{input}, [=](Inputs x) { return reduce(x[0], {}, false); }},
          {{input}, [=](Inputs x) { return reduce(x[0], {}, true); }},
          {{input}, [=](Inputs x) { return reduce(x[0], {0}, false); }},
          {{input}, [=](Inputs x) { return reduce(x[0], {1}, false); }},
          {{input},
           [=](Inputs x) {
             return reduce(x[0], {-1, 0}, false);
           }},
          {{{{2, 2, 1, 3}}},
           [=](Inputs x) {
             return reduce(x[0], {1, 3}, true);
           }},
          {{input}, [=](Inputs x) { return reduce(x[0], {1}, true); }}};
}

template <class Reduce>
std::vector<OpSample> reductions_from_scalars(Reduce reduce) {
  return joined(reductions(reduce), {{{{{}}}, [=](Inputs x) { return reduce(x[0], {}, false); }}});
}

// Integer leaves of the samples: addresses that last.
constexpr std::array<std::int32_t, 4> labels{2, 0, 1, 2};
constexpr std::int32_t step = 3;

// Samples of one input with attributes.
template <class Record>
std::vector<OpSample> with_attributes(Record op, double low, double high) {
  const auto record = [op](Inputs x) { return op(x[0]); };
  std::vector<OpSample> samples;
  for (const Shape& shape : {Shape{}, Shape{7}, Shape{2, 1, 3, 2}}) {
    samples.push_back({{{shape, low, high}}, record});
  }
  return samples;
}

// Two that broadcast, each of which wins somewhere: else a gradient would be zero.
std::vector<OpSample> rivals(V (*op)(V, V, SourceLocation)) {
  const auto record = [op](Inputs x) { return op(x[0], x[1], {}); };
  const std::vector<std::array<Shape, 2>> pairs{{Shape{9}, Shape{9}},
                                                {Shape{3, 4}, Shape{4}},
                                                {Shape{3, 1}, Shape{1, 4}},
                                                {Shape{2, 1, 3}, Shape{4, 1}},
                                                {Shape{2, 3, 1, 2}, Shape{1, 3, 2, 1}}};
  std::vector<OpSample> samples;
  samples.reserve(pairs.size());
  for (const auto& [a, b] : pairs) samples.push_back({{{a, -2, 2}, {b, -2, 2}}, record});
  return samples;
}

// The condition is a constant: no gradient flows to it.
std::vector<OpSample> wheres() {
  static constexpr std::array<double, 3> condition{1, 0, 1};
  std::vector<OpSample> samples;
  for (const auto& [a, b] :
       {std::array{Shape{3}, Shape{3}}, std::array{Shape{2, 3}, Shape{}},
        std::array{Shape{4, 1, 1}, Shape{2, 3}}, std::array{Shape{1, 2, 1, 3}, Shape{2, 1, 3}}}) {
    samples.push_back({{{a}, {b}}, [](Inputs x) {
                         const TensorView<const double> mask{condition.data(), Shape{3}};
                         return where(x[0].tape().constant(mask), x[0], x[1]);
                       }});
  }
  return samples;
}

std::vector<OpSample> transposes() {
  return {{{{{3, 4}}}, [](Inputs x) { return transpose(x[0]); }},
          {{{{2, 3, 4}}},
           [](Inputs x) {
             return transpose(x[0], {1, 2, 0});
           }},
          {{{{2, 1, 3, 4}}}, [](Inputs x) {
             return transpose(x[0], {-1, 0, 2, 1});
           }}};
}

std::vector<OpSample> concats() {
  return {{{{{3}}}, [](Inputs x) { return concat({x[0]}); }},
          {{{{2, 3}}, {{1, 3}}, {{4, 3}}}, [](Inputs x) { return concat(x, 0); }},
          {{{{2, 3}}, {{2, 1}}}, [](Inputs x) { return concat(x, -1); }},
          {{{{2, 3, 1, 2}}, {{2, 1, 1, 2}}}, [](Inputs x) { return concat(x, 1); }},
          {{{{2, 3}}}, [](Inputs x) {
             return concat({x[0], x[0]}, 1);
           }}};
}

std::vector<OpSample> stacks() {
  return {{{{{}}, {{}}}, [](Inputs x) { return stack(x); }},
          {{{{2, 3}}, {{2, 3}}}, [](Inputs x) { return stack(x, 1); }},
          {{{{2, 1, 3}}, {{2, 1, 3}}}, [](Inputs x) { return stack(x, -1); }}};
}

std::vector<RegisteredOp> make_table() {
  std::vector<RegisteredOp> table;
  const auto add_op = [&](std::string name, std::vector<OpSample> samples) {
    const auto random = detail::random_sample_of(name);
    table.push_back({std::move(name), false, std::move(samples), random});
  };
  const auto add_flat_op = [&](std::string name, std::vector<OpSample> samples) {
    const auto random = detail::random_sample_of(name);
    table.push_back({std::move(name), true, std::move(samples), random});
  };

  add_op("add", binary(add));
  add_op("broadcast_to", {{{{{3}}},
                           [](Inputs x) {
                             return broadcast_to(x[0], {2, 3});
                           }},
                          {{{{}}},
                           [](Inputs x) {
                             return broadcast_to(x[0], {2, 3});
                           }},
                          {{{{2, 1, 3}}}, [](Inputs x) {
                             return broadcast_to(x[0], {2, 2, 4, 3});
                           }}});
  add_op("sum_to", {{{{{2, 3}}}, [](Inputs x) { return sum_to(x[0], {3}); }},
                    {{{{2, 3}}},
                     [](Inputs x) {
                       return sum_to(x[0], {2, 1});
                     }},
                    {{{{2, 3, 4}}}, [](Inputs x) { return sum_to(x[0], {}); }}});

  add_op("sub", binary(sub));
  add_op("mul", binary(mul));
  add_op("mul0", binary(mul0));
  add_op("div", binary(div, 0.5, 2));
  add_op("neg", unary(neg));
  add_op("scale", {{{{{3, 4}}}, [](Inputs x) { return scale(x[0], -1.75); }}});
  add_op("shift", {{{{{3, 4}}}, [](Inputs x) { return shift(x[0], 0.625); }}});
  add_op("exp", unary(exp));
  add_op("log", unary(log, 0.5, 3));
  add_flat_op("greater", binary(greater));
  add_flat_op("equal", binary(equal));
  add_flat_op("sign", unary(sign, 0.1, 2));

  add_op("square", unary(square));
  add_op("sqrt", unary(sqrt, 0.5, 3));
  add_op("reciprocal", joined(unary(reciprocal, 0.5, 2), unary(reciprocal, -2, -1)));
  add_op("pow", joined(binary(pow, 0.5, 2),
                       joined(with_attributes([](V x) { return pow(x, -1.5); }, 0.5, 2),
                              with_attributes([](V x) { return pow(x, 3); }, -2, -1))));
  add_op("log1p", unary(log1p, -0.5, 3));
  add_op("expm1", unary(expm1));
  add_op("sin", unary(sin));
  add_op("cos", unary(cos));
  add_op("erf", unary(erf));
  add_op("erfc", unary(erfc));
  add_op("gaussian", joined(unary([](V x, SourceLocation) { return gaussian(x); }),
                            with_attributes([](V x) { return gaussian(x, -1.25, 0.5); }, -2, 2)));
  add_op("normal_cdf", unary(normal_cdf));

  add_op("abs", joined(unary(abs, 0.1, 2), unary(abs, -2, -0.1)));
  add_op("maximum", rivals(maximum));
  add_op("minimum", rivals(minimum));
  add_op("clamp", joined(with_attributes([](V x) { return clamp(x, -0.5, 1.5); }, -0.4, 1.4),
                         {{{{{5, 7}, -2, 2}}, [](Inputs x) { return clamp(x[0], -1, 0.75); }}}));
  add_op("where", wheres());
  // What it is given is flat here, as its own derivative says: differences would see x move.
  add_flat_op("stop_gradient", with_attributes([](V x) { return stop_gradient(sign(x)); }, 0.1, 2));

  add_op("sigmoid", unary(sigmoid, -4, 4));
  add_op("tanh", unary(tanh));
  add_op("improved_sigmoid", unary(improved_sigmoid, -3, 3));
  add_op("sech_squared",
         {{{{{3, 4}, -2, 2}}, [](Inputs x) { return sech_squared(x[0]); }},
          {{{{3, 4}, -2, 2}}, [](Inputs x) { return sech_squared(x[0], 0.25, 0.5); }}});
  add_op("relu", unary(relu));
  add_op("leaky_relu", joined(with_attributes([](V x) { return leaky_relu(x); }, 0.1, 2),
                              with_attributes([](V x) { return leaky_relu(x, 0.2); }, -2, -0.1)));
  add_op("elu", joined(with_attributes([](V x) { return elu(x); }, 0.1, 2),
                       with_attributes([](V x) { return elu(x, 1.5); }, -2, -0.1)));
  add_op("gelu", unary(gelu));
  add_op("silu", unary(silu, -4, 4));
  add_op("softplus", unary(softplus, -4, 4));

  add_op("matmul", matmuls());
  add_op("linear",
         {{{{{3, 4}}, {{4, 2}}, {{2}}}, [](Inputs x) { return linear(x[0], x[1], x[2]); }},
          {{{{1, 2}}, {{2, 1}}, {{1}}}, [](Inputs x) { return linear(x[0], x[1], x[2]); }}});

  add_op("sum", reductions_from_scalars([](V x, std::initializer_list<int> axes, bool keepdims) {
           return sum(x, axes, keepdims);
         }));
  add_op("mean", reductions_from_scalars([](V x, std::initializer_list<int> axes, bool keepdims) {
           return mean(x, axes, keepdims);
         }));

  add_op("max", reductions_from_scalars([](V x, std::initializer_list<int> axes, bool keepdims) {
           return max(x, axes, keepdims);
         }));
  add_op("min", reductions_from_scalars([](V x, std::initializer_list<int> axes, bool keepdims) {
           return min(x, axes, keepdims);
         }));
  add_flat_op("argmax", {{{{{5}}}, [](Inputs x) { return argmax(x[0]); }},
                         {{{{3, 4}}}, [](Inputs x) { return argmax(x[0], 0); }},
                         {{{{2, 3, 4}}}, [](Inputs x) { return argmax(x[0], 1, true); }}});
  add_op("logsumexp",
         reductions_from_scalars([](V x, std::initializer_list<int> axes, bool keepdims) {
           return logsumexp(x, axes, keepdims);
         }));
  add_op("variance",
         joined(reductions([](V x, std::initializer_list<int> axes, bool keepdims) {
                  return variance(x, axes, keepdims);
                }),
                {{{{{4, 3}}}, [](Inputs x) { return variance(x[0], {0}, false, 1); }}}));

  add_op("reshape", {{{{{2, 6}}}, [](Inputs x) { return reshape(x[0], {3, 1, 4}); }}});
  add_op("transpose", transposes());
  add_op("slice", {{{{{5}}}, [](Inputs x) { return slice(x[0], 0, 1, 4); }},
                   {{{{2, 3, 4}}}, [](Inputs x) { return slice(x[0], -2, 1, 3); }},
                   {{{{2, 3, 1, 4}}}, [](Inputs x) { return slice(x[0], 3, 0, 1); }}});
  add_op("pad", {{{{{3}}}, [](Inputs x) { return pad(x[0], 0, 2, 1); }},
                 {{{{2, 3, 4}}}, [](Inputs x) { return pad(x[0], 1, 0, 2); }},
                 {{{{2, 3, 1, 4}}}, [](Inputs x) { return pad(x[0], -1, 1, 0); }}});
  add_op("concat", concats());
  add_op("stack", stacks());

  add_op("pick", {{{{{4, 3}}}, [](Inputs x) { return pick(x[0], labels); }}});
  add_op("place", {{{{{4}}}, [](Inputs x) { return place(x[0], labels, 3); }}});
  add_op("gather_rows", {{{{{3, 2}}}, [](Inputs x) { return gather_rows(x[0], labels); }},
                         {{{{5}}}, [](Inputs x) { return gather_rows(x[0], labels); }},
                         {{{{3, 2, 1, 2}}}, [](Inputs x) { return gather_rows(x[0], labels); }}});
  add_op("scatter_add_rows",
         {{{{{4, 2}}}, [](Inputs x) { return scatter_add_rows(x[0], labels, 3); }},
          {{{{4}}}, [](Inputs x) { return scatter_add_rows(x[0], labels, 5); }},
          {{{{4, 1, 2, 2}}}, [](Inputs x) { return scatter_add_rows(x[0], labels, 3); }}});

  add_op("softmax", rows(softmax));
  add_op("log_softmax", rows(log_softmax));
  add_op("wedge_sum", pairs_of_rows(wedge_sum));
  add_op("weighted_deviation", pairs_of_rows(weighted_deviation));

  add_op("softmax_cross_entropy", {{{{{4, 3}, -3, 3}, {{4, 3}, 0.1, 1}},
                                    [](Inputs x) { return softmax_cross_entropy(x[0], x[1]); }}});
  add_op("softmax_cross_entropy_with_indices",
         {{{{{4, 3}, -3, 3}},
           [](Inputs x) { return softmax_cross_entropy_with_indices(x[0], labels); }}});
  add_op("mse", {{{{{4, 3}}, {{4, 3}}}, [](Inputs x) { return mse(x[0], x[1]); }},
                 {{{{}}, {{}}}, [](Inputs x) { return mse(x[0], x[1]); }}});
  add_op("binary_cross_entropy_with_logits",
         {{{{{4, 3}, -3, 3}, {{4, 3}, 0.1, 0.9}},
           [](Inputs x) { return binary_cross_entropy_with_logits(x[0], x[1]); }},
          {{{{5}, -3, 3}, {{5}, 0.1, 0.9}},
           [](Inputs x) { return binary_cross_entropy_with_logits(x[0], x[1]); }}});
  add_op("huber",
         {{{{{4, 3}, -2, 2}, {{4, 3}, -2, 2}}, [](Inputs x) { return huber(x[0], x[1]); }},
          {{{{5}, 1, 2}, {{5}, -2, -1}}, [](Inputs x) { return huber(x[0], x[1], 0.5); }}});

  add_op("dropout", {{{{{4, 5}}}, [](Inputs x) { return dropout(x[0], 0.4, 11, step); }},
                     {{{{2, 3, 2, 2}}}, [](Inputs x) { return dropout(x[0], 0.25, 12, step); }},
                     {{{{}}}, [](Inputs x) { return dropout(x[0], 0, 13, step); }}});
  return table;
}

}  // namespace

const std::vector<RegisteredOp>& all_ops() {
  static const std::vector<RegisteredOp> table = make_table();
  return table;
}

}  // namespace chainrule
