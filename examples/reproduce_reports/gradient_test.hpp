// R13: the gradient approximation test, as the course's code does it and as gradcheck does it.
#pragma once

#include <chainrule/check/gradcheck.hpp>
#include <chainrule/data/dataset.hpp>
#include <string>

#include "../protocol/experiment.hpp"

namespace reproduce {

struct GradientTest {
  std::string system;
  std::int64_t images = 0, weights = 0;
  // Central differences, f(w + e) - f(w - e) over 2 e with e = 1e-3, in double.
  std::int64_t tested = 0;  // weights
  double largest_error = 0, largest_gradient = 0;
  /// Weights whose gradient is within the tolerance itself: there the test accepts anything small.
  std::int64_t blind = 0;
  bool course_passed = false;  // |difference| <= 1e-6 for every weight
  double course_seconds = 0;
  chainrule::GradcheckReport gradcheck;
  double gradcheck_seconds = 0;
};

constexpr double course_epsilon = 1e-3, course_tolerance = 1e-6;

/// Both, at the initial weights. Both look at every weight, or at a sample: the course's way then
/// at every seventh.
GradientTest test_gradient(const std::string& system, const chainrule::Mlp<double>& model,
                           const chainrule::Dataset<double>& images, bool every_entry);

}  // namespace reproduce
