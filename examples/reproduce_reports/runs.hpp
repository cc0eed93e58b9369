// The runs: every system with every seed, side by side on threads of their own.
#pragma once

#include <chainrule/data/images.hpp>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "gradient_test.hpp"
#include "options.hpp"
#include "systems.hpp"

namespace reproduce {

/// A validation, and the batch loss over the steps up to it (ten, where there are so many).
struct Point {
  chainrule::Validation scores;
  double batch_mean = 0, batch_spread = 0;
};

/// One system with one seed.
struct Run {
  std::string system;
  std::uint64_t seed = 0;
  std::string error;  // why it diverged; then there are no scores
  std::string topology;
  std::int64_t parameters = 0, steps = 0, stop_epoch = 0;
  bool stopped_early = false;
  double seconds = 0;      // by the clock
  double cpu_seconds = 0;  // of the processor: not what others on the machine do at the time
  chainrule::Validation at_stop, at_best;
  std::vector<Point> curve;
  /// The mean over 100 images of |dZl|, the 2-norm of the gradient of one image's loss, for l = 1,
  /// 2, ...: before the first step and at the stop.
  std::vector<double> deltas_at_start, deltas_at_stop;
};

/// The images, and what is needed to normalise them.
struct Data {
  std::string source;
  bool synthetic = false;
  chainrule::LabelledImages train, validation;
  chainrule::PixelStatistics statistics, own_validation_statistics;
};

/// Reads or draws the images. Throws as the readers, and as protocol::check_images.
Data load_data(const Options& options);

/// What was trained and tested.
struct Results {
  std::vector<Run> runs;                     // in the order of systems and seeds
  std::vector<GradientTest> gradient_tests;  // R13
  double seconds = 0;
  int threads = 0, resumed = 0;
  int missing = 0;  // with --report-only: runs that were asked for and are not there
};

/// Runs what the options ask for and writes each run into <out>/runs as it ends; with a progress
/// line on standard error. Throws what a run throws other than NumericError. With --report-only
/// nothing is run or written; throws FileError where there is no run to report.
Results run_all(const Options& options, const Data& data, const std::vector<System>& systems);

/// |dZl| for each layer, as in Run.
std::vector<double> delta_norms(const chainrule::Mlp<double>& model,
                                const chainrule::Dataset<double>& images);

}  // namespace reproduce
