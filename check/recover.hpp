// What the user must have had, from what was handed in: dZ from dW by least squares, and the
// derivative of their activation as a curve. Internal.
#pragma once

#include <chainrule/check/locate.hpp>
#include <chainrule/check/network.hpp>
#include <optional>
#include <string>

namespace chainrule::detail {

/// The solution of A^T D = G for A (N, I) with N <= I and G (I, H), by Householder's QR of A^T.
struct LeastSquares {
  Tensor<double> solution;  ///< D (N, H)
  double residual = 0;      ///< |A^T D - G| / |G|
  double condition = 1;  ///< largest by smallest diagonal entry of R; infinite where A lacks rank
};
LeastSquares solve_transposed(TensorView<const double> a, TensorView<const double> g);

/// The dZ of each layer whose dW is wrong and whose dZ was not handed in, where the samples are at
/// most as many as the layer's inputs and the solution is unique. What cannot be known is said in
/// `notes`; so is a dW that no dZ gives, or none that agrees with a db that is right.
std::vector<Target> recover_deltas(const Graph& graph, const Network& network,
                                   const std::vector<V>& right, const std::vector<Target>& targets,
                                   std::vector<std::string>& notes);

/// dZl / dAl as a function of z, where layer l's dZ is known and dAl is what the right rules give
/// from the user's own values above, or dAl as it was handed in. Nothing where the points do not
/// lie on one function other than f', or z itself is wrong: then the fault is not the activation's
/// derivative.
std::optional<RecoveredCurve> recover_curve(const Graph& graph, const Network& network, int layer,
                                            const std::vector<Target>& targets);

}  // namespace chainrule::detail
