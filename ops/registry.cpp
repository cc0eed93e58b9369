#include <chainrule/ops/registry.hpp>

#include <array>

namespace chainrule {

namespace {

using V = Var<double>;
using Inputs = std::span<const V>;

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
  return samples;
}

template <class Reduce>
std::vector<OpSample> reductions(Reduce reduce) {
  const SampleInput input{{2, 3, 4}};
  return {{{{{}}}, [=](Inputs x) { return reduce(x[0], {}, false); }},
          {{input}, [=](Inputs x) { return reduce(x[0], {}, false); }},
          {{input}, [=](Inputs x) { return reduce(x[0], {}, true); }},
          {{input}, [=](Inputs x) { return reduce(x[0], {0}, false); }},
          {{input}, [=](Inputs x) { return reduce(x[0], {1}, false); }},
          {{input},
           [=](Inputs x) {
             return reduce(x[0], {-1, 0}, false);
           }},
          {{input}, [=](Inputs x) { return reduce(x[0], {1}, true); }}};
}

// Integer leaves of the samples: addresses that last.
constexpr std::array<std::int32_t, 4> labels{2, 0, 1, 2};

std::vector<RegisteredOp> make_table() {
  std::vector<RegisteredOp> table;
  const auto add_op = [&](std::string name, std::vector<OpSample> samples) {
    table.push_back({std::move(name), false, std::move(samples)});
  };
  const auto add_flat_op = [&](std::string name, std::vector<OpSample> samples) {
    table.push_back({std::move(name), true, std::move(samples)});
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

  add_op("sigmoid", unary(sigmoid, -4, 4));
  add_op("tanh", unary(tanh));
  add_op("improved_sigmoid", unary(improved_sigmoid, -3, 3));
  add_op("sech_squared",
         {{{{{3, 4}, -2, 2}}, [](Inputs x) { return sech_squared(x[0]); }},
          {{{{3, 4}, -2, 2}}, [](Inputs x) { return sech_squared(x[0], 0.25, 0.5); }}});
  add_op("relu", unary(relu));

  add_op("matmul", matmuls());
  add_op("linear",
         {{{{{3, 4}}, {{4, 2}}, {{2}}}, [](Inputs x) { return linear(x[0], x[1], x[2]); }},
          {{{{1, 2}}, {{2, 1}}, {{1}}}, [](Inputs x) { return linear(x[0], x[1], x[2]); }}});

  add_op("sum", reductions([](V x, std::initializer_list<int> axes, bool keepdims) {
           return sum(x, axes, keepdims);
         }));
  add_op("mean", reductions([](V x, std::initializer_list<int> axes, bool keepdims) {
           return mean(x, axes, keepdims);
         }));

  add_op("reshape", {{{{{2, 6}}}, [](Inputs x) { return reshape(x[0], {3, 1, 4}); }}});

  add_op("softmax", rows(softmax));
  add_op("log_softmax", rows(log_softmax));
  add_op("wedge_sum", pairs_of_rows(wedge_sum));
  add_op("weighted_deviation", pairs_of_rows(weighted_deviation));
  add_op("pick", {{{{{4, 3}}}, [](Inputs x) { return pick(x[0], labels); }}});
  add_op("place", {{{{{4}}}, [](Inputs x) { return place(x[0], labels, 3); }}});
  add_op("softmax_cross_entropy", {{{{{4, 3}, -3, 3}, {{4, 3}, 0.1, 1}},
                                    [](Inputs x) { return softmax_cross_entropy(x[0], x[1]); }}});
  add_op("softmax_cross_entropy_with_indices",
         {{{{{4, 3}, -3, 3}},
           [](Inputs x) { return softmax_cross_entropy_with_indices(x[0], labels); }}});
  return table;
}

}  // namespace

const std::vector<RegisteredOp>& all_ops() {
  static const std::vector<RegisteredOp> table = make_table();
  return table;
}

}  // namespace chainrule
