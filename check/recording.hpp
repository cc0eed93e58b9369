// The graph that gradcheck differentiates, on a tape of its own. Internal.
#pragma once

#include <chainrule/autograd/plan.hpp>
#include <chainrule/autograd/storage/random.hpp>
#include <chainrule/check/gradcheck.hpp>
#include <vector>

namespace chainrule::detail {

/// What the streams of random numbers of one check are for.
enum class Stream : std::size_t {
  cotangent,
  contraction,
  move,
  sample,
  direction,
  noise,
  steps,
  direction_steps,
  point,
  count
};
Random stream(const GradcheckOptions& options, Stream purpose, std::size_t index);

/// The graph of y, recorded anew with its leaves bound to `point`; the scalar f of which the last
/// derivative is checked, and that derivative.
class Recording {
 public:
  /// `point` must stay: it holds the values of the leaves.
  Recording(Var<double> y, std::span<const Var<double>> original,
            const std::vector<Tensor<double>>& point, const GradcheckOptions& options);
  Recording(const Recording&) = delete;
  Recording& operator=(const Recording&) = delete;

  std::span<const Var<double>> leaves() const { return leaves_; }
  Var<double> f() const { return f_; }
  /// df / dleaf. Any thread may read it, unlike the tape.
  TensorView<const double> gradient(std::size_t leaf) const { return gradient_values_[leaf]; }
  /// Standard deviation of the rounding errors of f that first-order analysis expects: eps / 4 of
  /// every value that depends on the leaves, carried to f by its adjoint, the squares added up. It
  /// overestimates where operations are exact.
  double expected_rounding();
  /// For each leaf, whether a plan of this recording gives the gradient that `other`, made at
  /// `point`, has there, in every bit.
  std::vector<bool> replays(const Recording& other, const std::vector<Tensor<double>>& point) const;

 private:
  void copy_graph(Var<double> y, std::span<const Var<double>> original,
                  const std::vector<Tensor<double>>& point);

  Tape<double> tape_;
  std::vector<Var<double>> leaves_, gradient_;
  std::vector<TensorView<const double>> gradient_values_;
  Var<double> f_;
};

/// Has a plan read `leaves` from `values`, as far as it depends on them.
void rebind(Plan<double>& plan, std::span<const Var<double>> leaves,
            const std::vector<Tensor<double>>& values);

}  // namespace chainrule::detail
