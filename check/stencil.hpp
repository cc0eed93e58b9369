// Finite differences along a line, with their step, noise and kinks: the numerical half of
// gradcheck. Internal.
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
    KinkSides sides;
  };
  /// `point` holds the values of the leaves, and must stay.
  Probe(Var<double> f, std::span<const Var<double>> leaves,
        const std::vector<Tensor<double>>& point);
  /// f at the point + t along the line.
  Sample at(const Line& line, double t);

 private:
  const std::vector<Tensor<double>>* point_;
  std::vector<Tensor<double>> moved_;  // equal to the point between calls
  Var<double> f_;
  Plan<double> plan_;
};

/// Standard deviation of the rounding errors of f when a leaf moves: difference tables of fourth
/// order along random directions, at least eps |f| / 4.
double measure_noise(Probe& probe, std::size_t leaf, const Tensor<double>& point,
                     const Random& random);

/// What a derivative along a line is to be held against.
struct SlopeRequest {
  double autodiff = 0;
  double tolerance = 0;  // absolute
  double noise = 0;      // sigma of f
  double step = 0;       // the first, a power of two
  Probe::Sample centre;  // f at the point
};

/// A derivative along a line.
struct Slope {
  double low = 0, high = 0;  // equal away from kinks; else the one-sided slopes
  double uncertainty = 0;    // absolute: noise floor, or what neighbouring steps differ by
  bool kink = false;         // no stencil keeps its side at the smallest useful step
  bool found = false;        // false: the sides change too close by for one-sided slopes as well

  /// The nearest to `value` that it can be.
  double nearest(double value) const { return value < low ? low : value > high ? high : value; }
};

/// Largest error that rounding alone gives the central stencil at step h: 3 sigma sum |c_k| / h.
double central_floor(double noise, double step);

/// See gradcheck.hpp for the method.
Slope find_slope(Probe& probe, const Line& line, const SlopeRequest& request);

}  // namespace chainrule::detail
