// What the reports claim of R2 to R14, judged by our runs.
#pragma once

#include <string>
#include <vector>

#include "runs.hpp"
#include "statistics.hpp"

namespace reproduce {

/// One claim. `measured` shows both sides, mean and spread.
struct Claim {
  std::string row, reports, text, measured;
  Judgement judgement;
};

/// Published numbers are judged only where the data are `mnist`.
std::vector<Claim> judge_claims(const Results& results, bool mnist);

/// A number for each seed of a system that did not diverge: empty where it was not run.
std::vector<double> per_seed(const Results& results, const std::string& system,
                             double (*measure)(const Run&));
/// "0.9592 ± 0.0012", without the spread for one seed; "-" for none.
std::string mean_and_spread(const std::vector<double>& values, int digits);

}  // namespace reproduce
