// explain: the derivation that one should have written, rule by rule with shapes; and the backward
// graph with the place of a diagnosis in red.
#pragma once

#include <chainrule/check/diagnose.hpp>
#include <string>

namespace chainrule {

/// The chain of local derivatives from `loss` down to `of`, along every path, in the order of the
/// backward pass: a line for each contribution, with the shape of what it gives, the formula, and
/// the operation whose rule it is.
///
///   dZ2 (32, 10)  = (m o Yhat - Y) / N      Yhat = softmax(Z2), m the mass of Y's rows
///   dA1 (32, 64)  = dZ2 W2^T                Z2 = matmul(A1, W2)
///   dZ1 (32, 64)  = dA1 o A1 o (1 - A1)     A1 = sigmoid(Z1)
///   dW1 (785, 64) = X^T dZ1                 Z1 = matmul(X, W1)
///
/// Throws UsageError where the loss does not depend on `of`, and for Vars that are stale or of two
/// tapes.
template <class T>
std::string explain(Var<T> loss, Var<T> of, SourceLocation location = SourceLocation::current());

/// The forward and backward graph of the step in Graphviz's language, as to_dot (dot.hpp) draws it,
/// with what the first fault touches in red: the value that is wrong, and the nodes of the rule
/// that went wrong, where the diagnosis knows it.
template <class T>
std::string to_dot(Var<T> loss, const Diagnosis& diagnosis,
                   SourceLocation location = SourceLocation::current());

// Doxygen takes these for overloads.
/// \cond
extern template std::string explain(Var<float>, Var<float>, SourceLocation);
extern template std::string explain(Var<double>, Var<double>, SourceLocation);
extern template std::string to_dot(Var<float>, const Diagnosis&, SourceLocation);
extern template std::string to_dot(Var<double>, const Diagnosis&, SourceLocation);
/// \endcond

}  // namespace chainrule
