#include <chainrule/ops/random_samples.hpp>

#include <algorithm>
#include <memory>
#include <utility>

namespace chainrule {

std::int64_t Choices::between(std::int64_t low, std::int64_t high) {
  return low + static_cast<std::int64_t>(
                   random_.below(next_++, static_cast<std::uint64_t>(high - low + 1)));
}

Shape Choices::shape(int low_rank, int high_rank, bool empty) {
  std::vector<std::int64_t> dimensions(static_cast<std::size_t>(between(low_rank, high_rank)));
  std::int64_t size = 1;
  for (auto& n : dimensions) {
    n = chance(0.25) ? 1 : between(2, 4);
    if (empty && chance(0.04)) n = 0;
    if (size * n > 36) n = 1;
    size *= n;
  }
  return Shape(std::span<const std::int64_t>(dimensions));
}

Shape Choices::stretched_to(const Shape& shape) {
  std::vector<std::int64_t> dimensions;
  const std::int64_t left_out = chance(0.3) ? between(0, shape.rank()) : 0;
  for (int axis = static_cast<int>(left_out); axis < shape.rank(); ++axis) {
    dimensions.push_back(chance(0.3) ? 1 : shape[axis]);
  }
  return Shape(std::span<const std::int64_t>(dimensions));
}

namespace {

using V = Var<double>;
using Inputs = std::span<const V>;
using Axes = std::initializer_list<int>;
using Indices = std::shared_ptr<const std::vector<std::int32_t>>;

/// An interval in which the operation has neither kink nor pole.
struct Domain {
  double low = -2, high = 2;
};

// An operation as a constant, for the tables of functions below.
template <V (*op)(V, SourceLocation), Domain... domains>
OpSample one(Choices& choices) {
  static constexpr Domain all[] = {domains..., Domain{}};
  constexpr std::int64_t count = sizeof...(domains);
  const Domain d = all[count > 1 ? choices.between(0, count - 1) : 0];
  return {{{choices.shape(), d.low, d.high}}, [](Inputs x) { return op(x[0], {}); }};
}

/// Two inputs that broadcast to a shape.
std::vector<SampleInput> pair(Choices& choices, Domain d = {}) {
  const Shape shape = choices.shape();
  Shape a = choices.stretched_to(shape), b = choices.stretched_to(shape);
  return {{a, d.low, d.high}, {b, d.low, d.high}};
}
template <V (*op)(V, V, SourceLocation), Domain domain = Domain{}>
OpSample two(Choices& choices) {
  return {pair(choices, domain), [](Inputs x) { return op(x[0], x[1], {}); }};
}

/// Some axes, none of them of size 0 where `full`.
std::vector<int> some_axes(Choices& choices, const Shape& shape) {
  std::vector<int> axes;
  for (int axis = 0; axis < shape.rank(); ++axis) {
    if (choices.chance(0.5)) axes.push_back(choices.chance(0.5) ? axis : axis - shape.rank());
  }
  return axes;
}

/// f(x, axes, keepdims)
template <class F>
V over(F f, V x, const std::vector<int>& axes, bool keepdims) {
  switch (axes.size()) {
    case 0:
      return f(x, Axes{}, keepdims);
    case 1:
      return f(x, Axes{axes[0]}, keepdims);
    case 2:
      return f(x, Axes{axes[0], axes[1]}, keepdims);
    case 3:
      return f(x, Axes{axes[0], axes[1], axes[2]}, keepdims);
    default:
      return f(x, Axes{axes[0], axes[1], axes[2], axes[3]}, keepdims);
  }
}

template <V (*op)(V, Axes, bool, SourceLocation), bool empty = false>
OpSample reduction(Choices& choices) {
  const Shape shape = choices.shape(0, Shape::max_rank, empty);
  const std::vector<int> axes = some_axes(choices, shape);
  const bool keepdims = choices.chance(0.5);
  return {{{shape, -2, 2}}, [=](Inputs x) {
            return over([](V v, Axes a, bool keep) { return op(v, a, keep, {}); }, x[0], axes,
                        keepdims);
          }};
}

OpSample variances(Choices& choices) {
  const Shape shape = choices.shape(1, Shape::max_rank, false);
  const std::vector<int> axes = some_axes(choices, shape);
  const bool keepdims = choices.chance(0.5);
  std::int64_t count = axes.empty() ? shape.size() : 1;
  for (const int axis : axes) count *= shape[axis < 0 ? axis + shape.rank() : axis];
  const int ddof = count > 1 && choices.chance(0.5) ? 1 : 0;
  return {{{shape, -2, 2}}, [=](Inputs x) {
            return over([=](V v, Axes a, bool keep) { return variance(v, a, keep, ddof); }, x[0],
                        axes, keepdims);
          }};
}

OpSample argmaxes(Choices& choices) {
  const Shape shape = choices.shape(1, Shape::max_rank, false);
  const int axis = static_cast<int>(choices.between(-shape.rank(), shape.rank() - 1));
  const bool keepdims = choices.chance(0.5);
  return {{{shape}}, [=](Inputs x) { return argmax(x[0], axis, keepdims); }};
}

OpSample broadcasts(Choices& choices) {
  const Shape shape = choices.shape();
  return {{{choices.stretched_to(shape)}}, [=](Inputs x) { return broadcast_to(x[0], shape); }};
}
OpSample sums_to(Choices& choices) {
  const Shape shape = choices.shape(), target = choices.stretched_to(shape);
  return {{{shape}}, [=](Inputs x) { return sum_to(x[0], target); }};
}

OpSample wheres(Choices& choices) {
  const Shape shape = choices.shape();
  const Shape condition = choices.stretched_to(shape), a = choices.stretched_to(shape),
              b = choices.stretched_to(shape);
  std::vector<double> mask;
  for (std::int64_t i = 0; i < condition.size(); ++i) mask.push_back(choices.chance(0.5) ? 1 : 0);
  return {{{a}, {b}}, [=](Inputs x) {
            const TensorView<const double> view{mask.data(), condition};
            return where(x[0].tape().constant(view), x[0], x[1]);
          }};
}

OpSample matmuls(Choices& choices) {
  const auto dimension = [&] { return choices.chance(0.05) ? 0 : choices.between(1, 4); };
  const std::int64_t m = dimension(), k = dimension(), n = dimension();
  if (choices.chance(0.25)) {
    const Shape a = choices.chance(0.5) ? Shape{2, m, k} : Shape{1, 2, m, k};
    if (choices.chance(0.5)) {
      return {{{a}, {{k, n}}}, [](Inputs x) { return matmul(x[0], x[1]); }};
    }
    return {{{a}, {{n, k}}}, [](Inputs x) { return matmul(x[0], x[1], Transpose::b); }};
  }
  const auto flag = static_cast<Transpose>(choices.between(0, 3));
  const bool ta = flag == Transpose::a || flag == Transpose::both;
  const bool tb = flag == Transpose::b || flag == Transpose::both;
  return {{{ta ? Shape{k, m} : Shape{m, k}}, {tb ? Shape{n, k} : Shape{k, n}}},
          [flag](Inputs x) { return matmul(x[0], x[1], flag); }};
}
OpSample linears(Choices& choices) {
  const auto dimension = [&] { return choices.chance(0.05) ? 0 : choices.between(1, 4); };
  const std::int64_t m = dimension(), k = dimension(), n = dimension();
  return {{{{m, k}}, {{k, n}}, {{n}}}, [](Inputs x) { return linear(x[0], x[1], x[2]); }};
}

OpSample reshapes(Choices& choices) {
  const Shape shape = choices.shape();
  std::vector<std::int64_t> dimensions{shape.size()};
  for (const std::int64_t factor : {3, 2, 1}) {
    if (dimensions.back() % factor != 0 || choices.chance(0.4)) continue;
    dimensions.back() /= factor;
    dimensions.insert(dimensions.begin(), factor);
  }
  const Shape target{std::span<const std::int64_t>(dimensions)};
  return {{{shape}}, [=](Inputs x) { return reshape(x[0], target); }};
}
OpSample transposes(Choices& choices) {
  const Shape shape = choices.shape();
  std::vector<int> axes;
  for (int axis = 0; axis < shape.rank(); ++axis) {
    axes.insert(axes.begin() + choices.between(0, axis), axis);
  }
  for (int& axis : axes) axis -= choices.chance(0.3) ? shape.rank() : 0;
  return {{{shape}}, [=](Inputs x) { return transpose(x[0], std::span<const int>(axes)); }};
}

/// An axis of a shape, counted from either end.
int some_axis(Choices& choices, const Shape& shape) {
  return static_cast<int>(choices.between(-shape.rank(), shape.rank() - 1));
}
std::int64_t length(const Shape& shape, int axis) {
  return shape[axis < 0 ? axis + shape.rank() : axis];
}

OpSample slices(Choices& choices) {
  const Shape shape = choices.shape(1);
  const int axis = some_axis(choices, shape);
  const std::int64_t begin = choices.between(0, length(shape, axis)),
                     end = choices.between(begin, length(shape, axis));
  return {{{shape}}, [=](Inputs x) { return slice(x[0], axis, begin, end); }};
}
OpSample pads(Choices& choices) {
  const Shape shape = choices.shape(1);
  const int axis = some_axis(choices, shape);
  const std::int64_t before = choices.between(0, 2), after = choices.between(0, 2);
  return {{{shape}}, [=](Inputs x) { return pad(x[0], axis, before, after); }};
}
OpSample concats(Choices& choices) {
  const Shape shape = choices.shape(1);
  const int axis = some_axis(choices, shape);
  std::vector<SampleInput> parts;
  for (std::int64_t count = choices.between(1, 3); count > 0; --count) {
    std::vector<std::int64_t> dimensions(shape.dimensions().begin(), shape.dimensions().end());
    dimensions[static_cast<std::size_t>(axis < 0 ? axis + shape.rank() : axis)] =
        choices.between(0, 3);
    parts.push_back({Shape(std::span<const std::int64_t>(dimensions))});
  }
  return {parts, [=](Inputs x) { return concat(x, axis); }};
}
OpSample stacks(Choices& choices) {
  const Shape shape = choices.shape(0, 3);
  const int axis = static_cast<int>(choices.between(-shape.rank() - 1, shape.rank()));
  const std::vector<SampleInput> parts(static_cast<std::size_t>(choices.between(1, 3)), {shape});
  return {parts, [=](Inputs x) { return stack(x, axis); }};
}

Indices some_indices(Choices& choices, std::int64_t count, std::int64_t below) {
  auto indices = std::make_shared<std::vector<std::int32_t>>();
  for (std::int64_t i = 0; i < count; ++i) {
    indices->push_back(static_cast<std::int32_t>(choices.between(0, below - 1)));
  }
  return indices;
}
std::int64_t some_rows(Choices& choices) {
  return choices.chance(0.05) ? 0 : choices.between(1, 4);
}
OpSample picks(Choices& choices) {
  const std::int64_t rows = some_rows(choices), columns = choices.between(1, 4);
  const Indices indices = some_indices(choices, rows, columns);
  return {{{{rows, columns}}}, [=](Inputs x) { return pick(x[0], *indices); }};
}
OpSample places(Choices& choices) {
  const std::int64_t rows = some_rows(choices), columns = choices.between(1, 4);
  const Indices indices = some_indices(choices, rows, columns);
  return {{{{rows}}}, [=](Inputs x) { return place(x[0], *indices, columns); }};
}
OpSample gathers(Choices& choices) {
  const Shape shape = choices.shape(1, Shape::max_rank, false);
  const Indices indices = some_indices(choices, some_rows(choices), shape[0]);
  return {{{shape}}, [=](Inputs x) { return gather_rows(x[0], *indices); }};
}
OpSample scatters(Choices& choices) {
  const Shape shape = choices.shape(1);
  const std::int64_t rows = choices.between(1, 4);
  const Indices indices = some_indices(choices, shape[0], rows);
  return {{{shape}}, [=](Inputs x) { return scatter_add_rows(x[0], *indices, rows); }};
}

/// Rows: the last axis has at least one entry.
Shape some_rows_shape(Choices& choices) {
  Shape shape = choices.shape(1);
  while (shape.last() == 0) shape = choices.shape(1);
  return shape;
}
template <V (*op)(V, SourceLocation)>
OpSample rows(Choices& choices) {
  return {{{some_rows_shape(choices), -3, 3}}, [](Inputs x) { return op(x[0], {}); }};
}
template <V (*op)(V, V, SourceLocation)>
OpSample pairs_of_rows(Choices& choices) {
  const Shape shape = choices.shape(1);
  return {{{shape}, {shape}}, [](Inputs x) { return op(x[0], x[1], {}); }};
}

OpSample cross_entropies(Choices& choices) {
  const Shape shape = choices.shape(2, 2, false);
  return {{{shape, -3, 3}, {shape, 0.1, 1}},
          [](Inputs x) { return softmax_cross_entropy(x[0], x[1]); }};
}
OpSample cross_entropies_with_indices(Choices& choices) {
  const Shape shape = choices.shape(2, 2, false);
  const Indices indices = some_indices(choices, shape[0], shape[1]);
  return {{{shape, -3, 3}},
          [=](Inputs x) { return softmax_cross_entropy_with_indices(x[0], *indices); }};
}
template <V (*op)(V, V, SourceLocation), Domain prediction, Domain target>
OpSample losses(Choices& choices) {
  const Shape shape = choices.shape(0, Shape::max_rank, false);
  return {{{shape, prediction.low, prediction.high}, {shape, target.low, target.high}},
          [](Inputs x) { return op(x[0], x[1], {}); }};
}

// Operations with attributes, at some value of them.
V scaled(V x, SourceLocation) { return scale(x, -1.75); }
V shifted(V x, SourceLocation) { return shift(x, 0.625); }
V root_of_cube(V x, SourceLocation) { return pow(x, 1.5); }
V cube(V x, SourceLocation) { return pow(x, 3); }
V bell(V x, SourceLocation) { return gaussian(x, -1.25, 0.5); }
V inside(V x, SourceLocation) { return clamp(x, -0.5, 1.5); }
V flat(V x, SourceLocation) { return stop_gradient(sign(x)); }
V bump(V x, SourceLocation) { return sech_squared(x, 0.25, 0.5); }
V leaky(V x, SourceLocation) { return leaky_relu(x, 0.2); }
V softer(V x, SourceLocation) { return elu(x, 1.5); }
V close(V a, V b, SourceLocation) { return huber(a, b, 1.25); }
V dropped(V x, SourceLocation) {
  static constexpr std::int32_t step = 3;
  return dropout(x, 0.4, 11, step);
}
OpSample powers(Choices& choices) {
  if (choices.chance(0.6)) return two<pow, Domain{0.5, 2}>(choices);
  if (choices.chance(0.5)) return one<cube, Domain{-2, -1}>(choices);
  return one<root_of_cube, Domain{0.5, 2}>(choices);
}

constexpr Domain positive{0.5, 3}, right{0.1, 2}, left{-2, -0.1}, wide{-4, 4};

struct Entry {
  std::string_view name;
  OpSample (*draw)(Choices&);
};
constexpr Entry entries[] = {
    {"add", two<add>},
    {"broadcast_to", broadcasts},
    {"sum_to", sums_to},
    {"sub", two<sub>},
    {"mul", two<mul>},
    {"mul0", two<mul0>},
    {"div", two<div, Domain{0.5, 2}>},
    {"neg", one<neg>},
    {"scale", one<scaled>},
    {"shift", one<shifted>},
    {"exp", one<exp>},
    {"log", one<log, positive>},
    {"greater", two<greater>},
    {"equal", two<equal>},
    {"sign", one<sign, right, left>},
    {"square", one<square>},
    {"sqrt", one<sqrt, positive>},
    {"reciprocal", one<reciprocal, Domain{0.5, 2}, Domain{-2, -1}>},
    {"pow", powers},
    {"log1p", one<log1p, Domain{-0.5, 3}>},
    {"expm1", one<expm1>},
    {"sin", one<sin>},
    {"cos", one<cos>},
    {"erf", one<erf>},
    {"erfc", one<erfc>},
    {"gaussian", one<bell>},
    {"normal_cdf", one<normal_cdf>},
    {"abs", one<abs, right, left>},
    {"maximum", two<maximum>},
    {"minimum", two<minimum>},
    {"clamp", one<inside, Domain{-0.4, 1.4}, Domain{}>},
    {"where", wheres},
    {"stop_gradient", one<flat, right, left>},
    {"sigmoid", one<sigmoid, wide>},
    {"tanh", one<tanh>},
    {"improved_sigmoid", one<improved_sigmoid>},
    {"sech_squared", one<bump>},
    {"relu", one<relu, right, Domain{}>},
    {"leaky_relu", one<leaky, right, left, Domain{}>},
    {"elu", one<softer, right, left>},
    {"gelu", one<gelu>},
    {"silu", one<silu, wide>},
    {"softplus", one<softplus, wide>},
    {"matmul", matmuls},
    {"linear", linears},
    {"sum", reduction<sum, true>},
    {"mean", reduction<mean>},
    {"max", reduction<max>},
    {"min", reduction<min>},
    {"argmax", argmaxes},
    {"logsumexp", reduction<logsumexp>},
    {"variance", variances},
    {"reshape", reshapes},
    {"transpose", transposes},
    {"slice", slices},
    {"pad", pads},
    {"concat", concats},
    {"stack", stacks},
    {"pick", picks},
    {"place", places},
    {"gather_rows", gathers},
    {"scatter_add_rows", scatters},
    {"softmax", rows<softmax>},
    {"log_softmax", rows<log_softmax>},
    {"wedge_sum", pairs_of_rows<wedge_sum>},
    {"weighted_deviation", pairs_of_rows<weighted_deviation>},
    {"softmax_cross_entropy", cross_entropies},
    {"softmax_cross_entropy_with_indices", cross_entropies_with_indices},
    {"mse", losses<mse, Domain{}, Domain{}>},
    {"binary_cross_entropy_with_logits",
     losses<binary_cross_entropy_with_logits, Domain{-3, 3}, Domain{0.1, 0.9}>},
    {"huber", losses<close, Domain{}, Domain{}>},
    {"dropout", one<dropped>},
};

}  // namespace

OpSample (*detail::random_sample_of(std::string_view operation))(Choices&) {
  const auto found = std::find_if(std::begin(entries), std::end(entries),
                                  [&](const Entry& e) { return e.name == operation; });
  return found == std::end(entries) ? nullptr : found->draw;
}

}  // namespace chainrule
