// R17: the reports' figures.
#pragma once

#include <string>
#include <vector>

#include "runs.hpp"

namespace reproduce {

/// What was drawn: "curves_sigmoid_first" for curves_sigmoid_first.svg, .png, .gp and .dat.
struct Figure {
  std::string name, caption;
  bool drawn = false;
  std::string message;  // of write_curves
};

/// Draws all that the results have something for into options.out / figures.
std::vector<Figure> draw_figures(const Options& options, const Data& data, const Results& results);

}  // namespace reproduce
