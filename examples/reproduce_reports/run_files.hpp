// Runs in files: <out>/runs/R7-seed3.json, so that an interrupted hour is not lost.
#pragma once

#include <filesystem>
#include <string>

#include "runs.hpp"

namespace reproduce {

class RunFiles {
 public:
  /// Makes the folder, unless options.report_only. The options and the data are those of every run
  /// in it.
  RunFiles(std::filesystem::path folder, const Options& options, const Data& data);

  /// Fills the run from its file. False where there is none. Throws FileError for a file of another
  /// experiment, or a damaged one.
  bool read(const System& system, Run& run) const;
  void write(const System& system, const Run& run) const;
  bool read(GradientTest& test) const;
  void write(const GradientTest& test) const;

 private:
  std::filesystem::path path(const std::string& name) const;
  std::string settings(const System& system, std::uint64_t seed) const;
  std::string test_settings() const;
  /// What to do about a file of other settings.
  std::string advice() const;

  std::filesystem::path folder_;
  const Options& options_;
  const Data& data_;
};

}  // namespace reproduce
