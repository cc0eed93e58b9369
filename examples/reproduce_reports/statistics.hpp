// Means, spreads, and what a difference of two means can tell.
#pragma once

#include <string>
#include <vector>

namespace reproduce {

/// Over seeds. The deviation is that of a sample (n - 1), and NaN for one value.
struct Summary {
  std::size_t count = 0;
  double mean = 0, deviation = 0;
};
Summary summarise(const std::vector<double>& values);

/// With one seed there is no telling, only what that seed says.
enum class Judgement {
  holds,
  does_not,
  cannot_tell,
  one_seed_yes,
  one_seed_no,
  not_run,
  not_mnist
};
std::string to_string(Judgement judgement);

/// Whether the mean of a is above that of b by more than `margin`. It holds, or does not, when the
/// difference lies more than t standard errors above, or below, the margin, with Student's t for
/// 95 % (two-sided) at n - 1 degrees of freedom, n the smaller number of seeds. One seed cannot
/// tell: then only the side of the margin is given.
Judgement is_above(const std::vector<double>& a, const std::vector<double>& b, double margin = 0);
/// Whether the means are within `margin` of each other, by the same measure.
Judgement is_near(const std::vector<double>& a, const std::vector<double>& b, double margin);

}  // namespace reproduce
