// Curves: training histories and the like as a picture, by gnuplot when it is there.
#pragma once

#include <chainrule/autograd/storage/error.hpp>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

namespace chainrule {

/// Points (x_i, y_i) joined by straight lines; NaN leaves a gap. A `spread` that is not empty draws
/// the band y_i - spread_i to y_i + spread_i behind the line. On a logarithmic axis it reaches as
/// far down as up, from y_i / f to y_i f with f = 1 + spread_i / y_i: y_i - spread_i, which is
/// almost that where the spread is small, has no place there when it is not positive.
struct Line {
  std::string name;                 ///< in the key
  std::vector<double> x;            ///< where the points stand
  std::vector<double> y;            ///< as many as x
  std::vector<double> spread = {};  ///< as many as x, or none
};

/// The values that an axis shows: low < high.
struct Range {
  double low;   ///< the lower end
  double high;  ///< the upper end
};

/// One pair of axes. A logarithmic axis leaves out what is not positive; what lies outside a given
/// range is cut off.
struct Panel {
  std::string y_label;                ///< beside the y axis
  bool log_scale = false;             ///< of y
  std::vector<Line> lines;            ///< at least one
  std::optional<Range> y_range = {};  ///< else what the lines need
};

/// Panels side by side, `panels_in_a_row` to a row, over the same kind of x.
struct Curves {
  std::string title;                ///< above all panels
  std::string x_label;              ///< below each of them
  std::vector<Panel> panels;        ///< at least one
  std::size_t panels_in_a_row = 3;  ///< at least one
};

/// What write_curves did. `svg` and `png` are empty unless gnuplot drew them; `message` says what
/// was written and, when there is no picture, why, with gnuplot's own words.
struct CurvesWritten {
  std::filesystem::path data;    ///< `<stem>.dat`
  std::filesystem::path script;  ///< `<stem>.gp`
  std::filesystem::path svg;     ///< `<stem>.svg`, or empty
  std::filesystem::path png;     ///< `<stem>.png`, or empty
  std::string message;           ///< for people
  /// Whether there is a picture.
  bool drawn() const { return !svg.empty(); }
};

/// Writes `<stem>.dat` (one block of x, y and spread a line), `<stem>.gp` (a script that draws them:
/// `gnuplot <name>.gp` in the folder), and, when gnuplot is on PATH, `<stem>.svg` and `<stem>.png` by
/// running it. A missing or failing gnuplot is no exception, but a message. Texts are shown as they
/// are; a control character in one becomes a space. Throws UsageError without panels, for no panels
/// in a row, a panel without lines or a range that is not finite, low < high (and positive on a
/// logarithmic axis), ShapeError when x, y and spread differ in length, FileError when the data or
/// the script cannot be written.
CurvesWritten write_curves(const std::filesystem::path& stem, const Curves& curves,
                           SourceLocation location = SourceLocation::current());

}  // namespace chainrule
