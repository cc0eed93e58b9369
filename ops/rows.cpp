// Entries and rows by index, with indices that are leaves: one entry a row, and whole rows.
#include <fmt/format.h>
#include <chainrule/ops/indices.hpp>
#include <chainrule/ops/ops.hpp>

#include <algorithm>

namespace chainrule {

namespace detail {

void check_indices(std::span<const std::int32_t> indices, std::int64_t columns,
                   std::string_view operation, SourceLocation location) {
  for (std::size_t row = 0; row < indices.size(); ++row) {
    if (indices[row] < 0 || indices[row] >= columns) {
      throw LabelError(operation,
                       fmt::format("index {} of row {} is out of range: expected 0 to {}",
                                   indices[row], row, columns - 1),
                       location);
    }
  }
}

}  // namespace detail

namespace {

void expect_one_index_per_row(const Call& call, const Shape& shape, int rank) {
  const std::int64_t given = std::ssize(call.attributes.indices);
  if (shape.rank() != rank || shape[0] != given) {
    throw ShapeError(call.op,
                     fmt::format("{} with {} indices: expected rank {} and one index a row",
                                 to_string(shape), given, rank),
                     call.location);
  }
}

// indices: one a row
template <class T>
constexpr Op<T> pick_op{
    .name = "pick",
    .shape =
        [](const Call& call) {
          call.expect_inputs(1);
          expect_one_index_per_row(call, call.input(0), 2);
          return Shape{call.input(0)[0]};
        },
    .forward =
        [](const Evaluation<T>& e) {
          const TensorView<const T> x = e.input(0);
          for (std::int64_t row = 0; row < e.output().size(); ++row) {
            e.output()[row] = x(row, e.attributes().indices[static_cast<std::size_t>(row)]);
          }
        },
    .adjoint =
        [](const Adjoint<T>& n, int) {
          return place(n.cotangent(), n.attributes().indices, n.input(0).shape()[1]);
        },
    .check =
        [](const Evaluation<T>& e) {
          detail::check_indices(e.attributes().indices, e.input(0).shape()[1], "pick",
                                e.node().location);
        }};

// indices: one an entry; shape: (N, K)
template <class T>
constexpr Op<T> place_op{
    .name = "place",
    .shape =
        [](const Call& call) {
          call.expect_inputs(1);
          expect_one_index_per_row(call, call.input(0), 1);
          return call.attributes.shape;
        },
    .forward =
        [](const Evaluation<T>& e) {
          const TensorView<T> y = e.output();
          std::fill(y.begin(), y.end(), T(0));
          for (std::int64_t row = 0; row < e.input(0).size(); ++row) {
            y(row, e.attributes().indices[static_cast<std::size_t>(row)]) = e.input(0)[row];
          }
        },
    .adjoint = [](const Adjoint<T>& n, int) { return pick(n.cotangent(), n.attributes().indices); },
    .check =
        [](const Evaluation<T>& e) {
          detail::check_indices(e.attributes().indices, e.attributes().shape[1], "place",
                                e.node().location);
        }};

void expect_rows(const Call& call) {
  call.expect_inputs(1);
  if (call.input(0).rank() == 0) {
    throw ShapeError(call.op, "(): expected a first axis of rows", call.location);
  }
}

/// The shape with another number of rows.
Shape with_rows(const Shape& shape, std::int64_t rows) {
  std::array<std::int64_t, Shape::max_rank> dimensions{rows};
  for (int axis = 1; axis < shape.rank(); ++axis) {
    dimensions[static_cast<std::size_t>(axis)] = shape[axis];
  }
  return Shape(std::span<const std::int64_t>(dimensions.data(), shape.dimensions().size()));
}

/// Entries of one row.
std::int64_t row_size(const Shape& shape) {
  std::int64_t size = 1;
  for (int axis = 1; axis < shape.rank(); ++axis) size *= shape[axis];
  return size;
}

// indices: one a row of the result
template <class T>
constexpr Op<T> gather_rows_op{
    .name = "gather_rows",
    .shape =
        [](const Call& call) {
          expect_rows(call);
          return with_rows(call.input(0), std::ssize(call.attributes.indices));
        },
    .forward =
        [](const Evaluation<T>& e) {
          const std::int64_t size = row_size(e.output().shape());
          T* y = e.output().data();
          for (const std::int64_t from : e.attributes().indices) {
            y = std::copy_n(e.input(0).data() + from * size, size, y);
          }
        },
    .adjoint =
        [](const Adjoint<T>& n, int) {
          return scatter_add_rows(n.cotangent(), n.attributes().indices, n.input(0).shape()[0]);
        },
    .check =
        [](const Evaluation<T>& e) {
          detail::check_indices(e.attributes().indices, e.input(0).shape()[0], "gather_rows",
                                e.node().location);
        }};

// indices: one a row of x; shape: (rows of the result,)
template <class T>
constexpr Op<T> scatter_add_rows_op{
    .name = "scatter_add_rows",
    .shape =
        [](const Call& call) {
          expect_rows(call);
          const std::int64_t given = std::ssize(call.attributes.indices);
          if (call.input(0)[0] != given) {
            throw ShapeError(call.op,
                             fmt::format("{} with {} indices: expected one index a row",
                                         to_string(call.input(0)), given),
                             call.location);
          }
          return with_rows(call.input(0), call.attributes.shape[0]);
        },
    .forward =
        [](const Evaluation<T>& e) {
          const std::int64_t size = row_size(e.output().shape());
          const T* x = e.input(0).data();
          std::fill(e.output().begin(), e.output().end(), T(0));
          for (const std::int64_t row : e.attributes().indices) {
            T* y = e.output().data() + row * size;
            for (std::int64_t i = 0; i < size; ++i) y[i] += *x++;
          }
        },
    .adjoint = [](const Adjoint<T>& n,
                  int) { return gather_rows(n.cotangent(), n.attributes().indices); },
    .check =
        [](const Evaluation<T>& e) {
          detail::check_indices(e.attributes().indices, e.attributes().shape[0], "scatter_add_rows",
                                e.node().location);
        }};

}  // namespace

template <class T>
Var<T> pick(Var<T> x, std::span<const std::int32_t> indices, SourceLocation location) {
  return x.tape(location).record(pick_op<T>, {x}, {.indices = indices}, location);
}
template <class T>
Var<T> place(Var<T> x, std::span<const std::int32_t> indices, std::int64_t columns,
             SourceLocation location) {
  const Shape shape{std::ssize(indices), columns};
  return x.tape(location).record(place_op<T>, {x}, {.shape = shape, .indices = indices}, location);
}
template <class T>
Var<T> gather_rows(Var<T> x, std::span<const std::int32_t> indices, SourceLocation location) {
  return x.tape(location).record(gather_rows_op<T>, {x}, {.indices = indices}, location);
}
template <class T>
Var<T> scatter_add_rows(Var<T> x, std::span<const std::int32_t> indices, std::int64_t rows,
                        SourceLocation location) {
  return x.tape(location).record(scatter_add_rows_op<T>, {x},
                                 {.shape = Shape{rows}, .indices = indices}, location);
}

#define CHAINRULE_INSTANTIATE(T)                                                              \
  template Var<T> pick(Var<T>, std::span<const std::int32_t>, SourceLocation);                \
  template Var<T> place(Var<T>, std::span<const std::int32_t>, std::int64_t, SourceLocation); \
  template Var<T> gather_rows(Var<T>, std::span<const std::int32_t>, SourceLocation);         \
  template Var<T> scatter_add_rows(Var<T>, std::span<const std::int32_t>, std::int64_t,       \
                                   SourceLocation);
CHAINRULE_INSTANTIATE(float)
CHAINRULE_INSTANTIATE(double)
#undef CHAINRULE_INSTANTIATE

}  // namespace chainrule
