// Finite differences along a line, with their steps, noise and kinks: the numerical half of
// gradcheck. Internal.
#pragma once

#include <chainrule/check/gradcheck.hpp>
#include <chainrule/check/probe.hpp>
#include <vector>

namespace chainrule::detail {

/// What a derivative along a line is to be held against.
struct SlopeRequest {
  double autodiff = 0;
  double tolerance = 0;    // absolute
  double magnitude = 0;    // of the leaf's gradient: what a tenth of it matters to is no noise
  double noise = 0;        // sigma of f
  double step = 0;         // the first, but for a random factor
  double resolution = 0;   // the smallest step that moves the leaf as it says
  Probe::Sample centre{};  // f at the point
  Random random{0, Purpose::check};  // of the steps
  std::uint64_t place = 0;           // where in its sequence
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

/// Largest error that rounding alone gives the central stencil whose widest step is h.
double central_floor(double noise, double step);

/// See gradcheck.hpp for the method.
Slope find_slope(Probe& probe, const Line& line, const SlopeRequest& request);

/// The central stencil at ten steps, 1e-1 to 1e-10 times `scale`.
std::vector<SweepStep> sweep_table(Probe& probe, const Line& line, const SlopeRequest& request,
                                   double scale);

}  // namespace chainrule::detail
