// report.md: everything on one page.
#pragma once

#include <string>

#include "runs.hpp"

namespace reproduce {

/// Writes report.md and the figures into options.out. Returns a line about what was written.
std::string write_report(const Options& options, const Data& data,
                         const std::vector<System>& systems, const Results& results);

}  // namespace reproduce
