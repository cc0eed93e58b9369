// Linear: one layer's weights, with or without a bias.
#pragma once

#include <chainrule/autograd/parameter.hpp>
#include <chainrule/ops/ops.hpp>

namespace chainrule {

/// X W + b, or X W where there is no bias. It refers to parameters that lie in its model's block.
template <class T>
struct Linear {
  const Parameter<T>* weights = nullptr;  ///< (fan-in, fan-out)
  const Parameter<T>* bias = nullptr;     ///< (fan-out,), or null

  /// (B, fan-in) -> (B, fan-out), recorded on x's tape. Throws ShapeError as matmul and linear do.
  Var<T> operator()(Var<T> x, SourceLocation location = SourceLocation::current()) const;
};

extern template struct Linear<float>;
extern template struct Linear<double>;

}  // namespace chainrule
