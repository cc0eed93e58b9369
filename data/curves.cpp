#include <chainrule/data/curves.hpp>
#include <chainrule/data/file.hpp>
#include <chainrule/data/process.hpp>

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <iterator>
#include <string_view>

namespace chainrule {

namespace {

/// One line of text: no control character ends a comment or a string early.
std::string one_line(std::string_view text) {
  std::string result(text);
  for (char& c : result) {
    if (static_cast<unsigned char>(c) < 32 || c == 127) c = ' ';
  }
  return result;
}

/// A gnuplot string in double quotes. Octal numbers stand for what means something in there: the
/// quote, the backslash, and the backquote, which would run a command. (In single quotes
/// gnuplot 5.4 mistakes a quote at the beginning for the end of the string.)
/// `ending` is gnuplot's own text, such as \n, before the closing quote.
std::string gnuplot_string(std::string_view text, std::string_view ending = "") {
  std::string result = "\"";
  for (const char c : one_line(text)) {
    if (c == '"' || c == '\\' || c == '`') {
      result += fmt::format("\\{:03o}", static_cast<unsigned>(c));
    } else {
      result += c;
    }
  }
  result += ending;
  return result + '"';
}

void check(const Curves& curves, SourceLocation location) {
  if (curves.panels.empty()) throw UsageError("write_curves", "no panels", location);
  if (curves.panels_in_a_row == 0) {
    throw UsageError("write_curves", "0 panels in a row: expected at least 1", location);
  }
  for (const Panel& panel : curves.panels) {
    if (panel.lines.empty()) {
      throw UsageError("write_curves", fmt::format("panel '{}' has no lines", panel.y_label),
                       location);
    }
    if (panel.y_range) {
      const auto [low, high] = *panel.y_range;
      if (!std::isfinite(low) || !std::isfinite(high) || !(low < high) ||
          (panel.log_scale && !(low > 0))) {
        throw UsageError("write_curves",
                         fmt::format("panel '{}' shows {} to {}: expected finite numbers, low < "
                                     "high{}",
                                     panel.y_label, low, high,
                                     panel.log_scale ? ", above 0 on a logarithmic axis" : ""),
                         location);
      }
    }
    for (const Line& line : panel.lines) {
      if (line.x.size() != line.y.size() ||
          (!line.spread.empty() && line.spread.size() != line.y.size())) {
        throw ShapeError(
            "write_curves",
            fmt::format("line '{}' of panel '{}': {} values of x, {} of y, {} of "
                        "spread: expected equal numbers, or no spread",
                        line.name, panel.y_label, line.x.size(), line.y.size(), line.spread.size()),
            location);
      }
    }
  }
}

std::string number(double value) {
  return std::isnan(value) ? std::string("nan") : fmt::format("{}", value);
}

std::string data_text(const Curves& curves) {
  std::string text = fmt::format("# {}\n# columns: {}, value, spread\n", one_line(curves.title),
                                 one_line(curves.x_label));
  for (const Panel& panel : curves.panels) {
    for (const Line& line : panel.lines) {
      text += fmt::format("\n\n# {}: {}\n", one_line(panel.y_label), one_line(line.name));
      // An empty block would not count, and shift the numbers of those behind it.
      if (line.x.empty()) text += "nan nan nan\n";
      for (std::size_t i = 0; i < line.x.size(); ++i) {
        text += fmt::format("{} {} {}\n", number(line.x[i]), number(line.y[i]),
                            line.spread.empty() ? "0" : number(line.spread[i]));
      }
    }
  }
  return text;
}

constexpr std::string_view preamble = R"(set encoding utf8
set datafile missing 'nan'
set border 3 lw 1 lc rgb '#404040'
set tics out nomirror font ',10'
set grid ytics lw 0.5 lt 1 lc rgb '#dddddd'
set key above center horizontal maxrows 4 noenhanced font ',10' samplen 2
set style fill transparent solid 0.18 noborder
set format x '%g'
)";

/// Wong's palette (Nature Methods 8, 441, 2011), told apart by colour-blind readers too.
constexpr std::string_view colours[] = {"#0072b2", "#d55e00", "#009e73", "#cc79a7",
                                        "#e69f00", "#56b4e9", "#000000", "#8c510a"};

/// The plot command of one panel, whose first line is block `block` of the data.
std::string panel_text(const Panel& panel, std::string_view data, std::size_t block) {
  std::string text = fmt::format("set ylabel {} noenhanced\n{}\n", gnuplot_string(panel.y_label),
                                 panel.log_scale ? "set logscale y\nset format y '10^{%T}'"
                                                 : "unset logscale y\nset format y '%g'");
  text += panel.y_range
              ? fmt::format("set yrange [{}:{}]\n", panel.y_range->low, panel.y_range->high)
              : std::string("set autoscale y\n");
  // Few points are shown as points too, in all lines or in none; a line of one would be invisible.
  const bool few = std::all_of(panel.lines.begin(), panel.lines.end(),
                               [](const Line& line) { return line.x.size() <= 40; });
  std::string bands, lines;
  for (const Line& line : panel.lines) {
    const std::size_t index = static_cast<std::size_t>(&line - panel.lines.data());
    const auto colour = colours[index % std::size(colours)];
    const auto source = fmt::format("{} index {}", data, block + index);
    if (!line.spread.empty()) {
      bands +=
          fmt::format("  {} using 1:{}:($2+$3) with filledcurves lc rgb '{}' notitle, \\\n", source,
                      panel.log_scale ? "($2>0 ? $2/(1+$3/$2) : NaN)" : "($2-$3)", colour);
    }
    const auto style = few || line.x.size() == 1 ? "linespoints pt 7 ps 0.5" : "lines";
    lines += fmt::format("{}  {} using 1:2 with {} lw 2 dt {} lc rgb '{}' title {}",
                         lines.empty() ? "" : ", \\\n", source, style,
                         index / std::size(colours) + 1, colour, gnuplot_string(line.name));
  }
  return fmt::format("{}plot \\\n{}{}\n", text, bands, lines);
}

/// Names are relative and begin with ./, since gnuplot gives `<`, `|`, `-` and `$` a meaning.
std::string script_text(const Curves& curves, const std::string& name) {
  const std::size_t count = curves.panels.size();
  const std::size_t columns = std::min(count, curves.panels_in_a_row);
  const std::size_t rows = (count + columns - 1) / columns;
  std::string text = fmt::format("# Draws {}.svg and {}.png; to be run in its own folder.\n{}",
                                 one_line(name), one_line(name), preamble);
  text += fmt::format("set xlabel {} noenhanced\n", gnuplot_string(curves.x_label));
  for (const bool svg : {true, false}) {
    text += fmt::format("\nset terminal {} size {},{} font 'DejaVu Sans,11' background '#ffffff'\n",
                        svg ? "svg" : "pngcairo", 520 * columns, 400 * rows + 40);
    text += fmt::format("set output {}\n", gnuplot_string("./" + name + (svg ? ".svg" : ".png")));
    text += fmt::format("set multiplot layout {},{} title {} noenhanced font ',13'\n", rows,
                        columns, gnuplot_string(curves.title, "\\n"));  // room above the keys
    std::size_t block = 0;
    for (const Panel& panel : curves.panels) {
      text += panel_text(panel, gnuplot_string("./" + name + ".dat"), block);
      block += panel.lines.size();
    }
    text += "unset multiplot\nunset output\n";
  }
  return text;
}

}  // namespace

CurvesWritten write_curves(const std::filesystem::path& stem, const Curves& curves,
                           SourceLocation location) {
  check(curves, location);
  const auto with = [&](std::string_view ending) {
    auto path = stem;
    return path += ending;
  };
  const std::string name = stem.filename().string();
  CurvesWritten written{with(".dat"), with(".gp"), {}, {}, {}};
  detail::write_file(written.data, data_text(curves), "write_curves");
  detail::write_file(written.script, script_text(curves, name), "write_curves");

  const auto directory = stem.has_parent_path() ? stem.parent_path() : std::filesystem::path(".");
  const auto gnuplot = detail::run_process({"gnuplot", "./" + name + ".gp"}, directory);
  if (gnuplot.problem.empty()) {
    written.svg = with(".svg");
    written.png = with(".png");
  }
  written.message = fmt::format("wrote {} and {}", written.data.string(), written.script.string());
  if (written.drawn()) {
    written.message += fmt::format(", drew {} and {}", written.svg.string(), written.png.string());
  } else {
    written.message += "; no picture: " + gnuplot.problem;
  }
  if (!gnuplot.output.empty()) written.message += fmt::format("; it says: {}", gnuplot.output);
  return written;
}

}  // namespace chainrule
