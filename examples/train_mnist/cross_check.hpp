// The cross-check: autodiff against the hand derivation and against finite differences.
#pragma once

#include <chainrule/data/dataset.hpp>
#include <chainrule/models/mlp.hpp>
#include <string>
#include <vector>

#include "options.hpp"

namespace train_mnist {

/// One parameter's gradient.
struct CrossCheckRow {
  std::string tensor;  // "dW1"
  chainrule::Shape shape;
  double autodiff_vs_derivation;  // norm-wise, the larger of both forms
  double autodiff_vs_numeric;     // worst entry, relative to the largest
  std::string witness;            // "finite differences" or "dual numbers"
  std::int64_t entries;           // that the witness has looked at
  std::string verdict;            // "pass" or "fail"
  std::string note;               // what a reader should know, or empty
};

struct CrossCheck {
  std::vector<CrossCheckRow> rows;
  double seconds = 0;
  bool passed() const;
  std::string table() const;
};

/// Checks every parameter's gradient of the mean loss of `model` on `images`, in double. Finite
/// differences look at a sample of entries or at all; a tensor that they cannot decide, because its
/// gradient lies below their noise, is put before dual numbers through the reference instead.
CrossCheck cross_check(const chainrule::Mlp<double>& model,
                       const chainrule::Dataset<double>& images, const Options& options);

}  // namespace train_mnist
