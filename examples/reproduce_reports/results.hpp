// results.csv and results.json, and the header that says what they are of.
#pragma once

#include <string>

#include "runs.hpp"

namespace reproduce {

/// Version, data, precision, BLAS, threads and protocol: what a reader needs to get it again.
std::string header(const Options& options, const Data& data);
/// Writes both files into options.out. Throws FileError.
void write_results(const Options& options, const Data& data, const Results& results);

}  // namespace reproduce
