// A function's values along lines through a point, and the noise in them. Internal.
#pragma once

#include <chainrule/autograd/plan.hpp>
#include <chainrule/autograd/storage/random.hpp>
#include <cstdint>
#include <span>
#include <vector>

namespace chainrule::detail {

/// A line through the point in the space of one leaf: along an entry, or along a direction.
struct Line {
  std::size_t leaf = 0;
  std::int64_t entry = -1;              // -1: along `direction`
  std::span<const double> direction{};  // of the leaf's size
};

/// f on lines through a point: a plan of its own on copies of its own, for one thread.
class Probe {
 public:
  struct Sample {
    double value;
    double offset;  // how far it is from the point: t, but for the rounding of an entry
    KinkSides sides;
  };
  /// `point` holds the values of the leaves, and must stay.
  Probe(Var<double> f, std::span<const Var<double>> leaves,
        const std::vector<Tensor<double>>& point);
  /// f at the point + t along the line.
  Sample at(const Line& line, double t);
  const Tensor<double>& point(std::size_t leaf) const { return (*point_)[leaf]; }

 private:
  const std::vector<Tensor<double>>* point_;
  std::vector<Tensor<double>> moved_;  // equal to the point between calls
  Var<double> f_;
  Plan<double> plan_;
};

/// Standard deviation of the rounding errors of f when a leaf moves: difference tables of fourth
/// order along random directions, at least eps |f| / 4. It is taken from the median of the
/// differences, so that a jump or a kink in the table does not count; of several step sizes the one
/// that shows least counts, since structure of f adds to what is there. At the smallest f may stand
/// still: what rounding does then, Recording::expected_rounding knows.
double measure_noise(Probe& probe, std::size_t leaf, const Random& random);

}  // namespace chainrule::detail
