// Curves: data and script always, pictures when gnuplot is there, and a word when it is not.
#include <chainrule/data/curves.hpp>

#include <boost/test/unit_test.hpp>

#include <cmath>
#include <cstdlib>

#include <tests/data/temporary.hpp>

using namespace chainrule;

namespace {

Curves sample() {
  Curves curves{"Loss and accuracy", "step", {{"loss", true, {}}, {"accuracy", false, {}}}};
  Line loss{"training", {}, {}}, rate{"validation", {}, {}};
  for (int i = 1; i <= 50; ++i) {
    loss.x.push_back(i), loss.y.push_back(1.0 / i), loss.spread.push_back(0.1 / i);
    rate.x.push_back(i), rate.y.push_back(1 - 0.5 / i);
  }
  curves.panels[0].lines = {loss};
  curves.panels[1].lines = {rate, {"one point", {25}, {0.7}}};
  return curves;
}

/// PATH for the length of a scope.
class Path {
 public:
  explicit Path(const fs::path& path) : before_(std::getenv("PATH")) {
    ::setenv("PATH", path.c_str(), 1);
  }
  ~Path() { ::setenv("PATH", before_.c_str(), 1); }

 private:
  std::string before_;
};

bool has_gnuplot() { return std::system("gnuplot --version >/dev/null 2>&1") == 0; }

/// A program named gnuplot in a directory of its own, which is then PATH.
void pretend(const fs::path& directory, std::string_view script) {
  fs::create_directory(directory);
  const auto program = write(directory / "gnuplot", script);
  fs::permissions(program, fs::perms::owner_all);
}

}  // namespace

BOOST_FIXTURE_TEST_SUITE(curves, TemporaryDirectory)

BOOST_AUTO_TEST_CASE(data_is_in_blocks) {
  const Path nowhere(path());
  auto curves = sample();
  curves.panels.resize(1);
  curves.panels[0].lines = {{"a\nb", {1, 2}, {0.1, std::nan("")}, {0.5, 0.25}}, {"empty", {}, {}}};
  const auto written = write_curves(*this / "c", curves);
  BOOST_TEST(written.data == *this / "c.dat");
  BOOST_TEST(read(written.data) ==
             "# Loss and accuracy\n# columns: step, value, spread\n"
             "\n\n# loss: a b\n1 0.1 0.5\n2 nan 0.25\n"
             "\n\n# loss: empty\nnan nan nan\n");
}

BOOST_AUTO_TEST_CASE(draws_when_gnuplot_is_there) {
  const auto written = write_curves(*this / "it's 100% `here` $x", sample());
  BOOST_TEST_MESSAGE(written.message);
  BOOST_TEST(fs::exists(written.script));
  if (!has_gnuplot()) {
    BOOST_TEST(!written.drawn());
    BOOST_TEST_MESSAGE("gnuplot is not installed: the pictures were not tried");
    return;
  }
  BOOST_REQUIRE(written.drawn());
  BOOST_TEST(written.message.find("it says") == std::string::npos);
  BOOST_TEST(read(written.png).substr(1, 3) == "PNG");
  BOOST_TEST(fs::file_size(written.png) > 5000u);
  const auto svg = read(written.svg);
  for (const auto text : {"<svg", "Loss and accuracy", "validation", "accuracy"}) {
    BOOST_TEST(svg.find(text) != std::string::npos);
  }
}

BOOST_AUTO_TEST_CASE(texts_are_texts) {
  if (!has_gnuplot()) return;
  auto curves = sample();
  curves.title = "it's '; system \"touch owned\"; `touch owned` a_b {x} ^2\nnext";
  curves.panels[0].lines[0].name = "'.system('touch owned').'\"\\`touch owned`";
  curves.panels[1].y_label = "y\\n\"q\"";
  const auto written = write_curves(*this / "| touch owned", curves);
  BOOST_TEST_MESSAGE(written.message);
  BOOST_REQUIRE(written.drawn());
  BOOST_TEST(!fs::exists(*this / "owned"));
  BOOST_TEST(!fs::exists("owned"));
  const auto svg = read(written.svg);
  for (const auto text : {"`touch owned` a_b {x} ^2 next", "\\`touch owned`", "y\\n"}) {
    BOOST_TEST(svg.find(text) != std::string::npos);
  }
}

BOOST_AUTO_TEST_CASE(says_when_gnuplot_is_missing) {
  fs::create_directory(*this / "bin");
  const Path nothing(*this / "bin");
  const auto written = write_curves(*this / "c", sample());
  BOOST_TEST(!written.drawn());
  BOOST_TEST(written.png.empty());
  BOOST_TEST(fs::exists(written.data));
  BOOST_TEST(fs::exists(written.script));
  BOOST_TEST(written.message.find("no picture: gnuplot is not on PATH") != std::string::npos);
}

BOOST_AUTO_TEST_CASE(says_when_gnuplot_fails) {
  pretend(*this / "bin", "#!/bin/sh\necho \"no such terminal\" >&2\nexit 3\n");
  const Path failing(*this / "bin");
  auto written = write_curves(*this / "c", sample());
  BOOST_TEST(!written.drawn());
  BOOST_TEST(written.message.find("gnuplot failed with exit status 3; it says: no such terminal") !=
             std::string::npos);
  pretend(*this / "bin", "#!/bin/sh\nkill -9 $$\n");
  written = write_curves(*this / "c", sample());
  BOOST_TEST(!written.drawn());
  BOOST_TEST(written.message.find("gnuplot was ended by signal 9") != std::string::npos);
}

BOOST_AUTO_TEST_CASE(ranges_and_rows) {
  auto curves = sample();
  curves.panels[1].y_range = Range{0.5, 1};
  curves.panels_in_a_row = 1;
  const auto written = write_curves(*this / "c", curves);
  const auto script = read(written.script);
  BOOST_TEST(script.find("multiplot layout 2,1") != std::string::npos);
  const auto loss = script.find("set ylabel \"loss\""), rate = script.find("\"accuracy\"", loss);
  BOOST_TEST(script.substr(loss, rate - loss).find("set autoscale y") != std::string::npos);
  BOOST_TEST(script.find("set yrange [0.5:1]", rate) != std::string::npos);
  if (has_gnuplot()) {
    BOOST_TEST(written.drawn(), written.message);
    // 520 x 840 in the PNG's header.
    const auto png = read(written.png);
    const auto at = [&](std::size_t i) { return static_cast<unsigned char>(png[i]); };
    BOOST_TEST(at(18) * 256 + at(19) == 520);
    BOOST_TEST(at(22) * 256 + at(23) == 840);
  }
}

BOOST_AUTO_TEST_CASE(points_are_shown_in_all_lines_of_a_panel_or_in_none) {
  const auto points = [&](std::vector<std::size_t> sizes) {
    Panel panel{"y", false, {}};
    for (const std::size_t size : sizes) {
      panel.lines.push_back({"line", std::vector<double>(size, 1), std::vector<double>(size, 2)});
    }
    const Path nowhere(path());
    const auto script = read(write_curves(*this / "c", {"points", "x", {panel}}).script);
    std::size_t count = 0;
    for (auto at = script.find("linespoints"); at != std::string::npos;
         at = script.find("linespoints", at + 1)) {
      ++count;
    }
    return count / 2;  // the script draws twice: SVG and PNG
  };
  BOOST_TEST(points({40, 3}) == 2u);
  BOOST_TEST(points({41, 3}) == 0u);
  BOOST_TEST(points({41, 1}) == 1u);  // which would be invisible
}

BOOST_AUTO_TEST_CASE(bands_on_a_logarithmic_axis_have_no_holes) {
  Line line{"loss", {1, 2, 3, 4, 5}, {1, 1, 0.1, 1, 1}, {0.5, 0.5, 0.2, 0.5, 0.5}};
  for (const bool log_scale : {true, false}) {
    const auto written = write_curves(*this / "c", {"bands", "x", {{"y", log_scale, {line}}}});
    const auto script = read(written.script);
    BOOST_TEST((script.find("using 1:($2-$3):($2+$3)") != std::string::npos) == !log_scale);
    if (!has_gnuplot()) continue;
    BOOST_REQUIRE(written.drawn());
    const auto svg = read(written.svg);
    std::size_t polygons = 0;
    for (auto at = svg.find("<polygon"); at != std::string::npos; at = svg.find("<polygon", at + 1))
      ++polygons;
    BOOST_TEST(polygons == 1u);
  }
  if (!has_gnuplot()) return;
  // The lower edge, as gnuplot computes it: the point 0.1 with spread 0.2 stands at 0.1 / 3.
  write_curves(*this / "c", {"bands", "x", {{"y", true, {line}}}});
  auto script = read(*this / "c.gp");
  const auto from = script.find("using 1:") + 8, to = script.find(":($2+$3)");
  BOOST_REQUIRE(to != std::string::npos);
  write(*this / "t.gp",
        "set table 't'\nplot './c.dat' index 0 using 1:" + script.substr(from, to - from) + "\n");
  BOOST_REQUIRE(std::system(("cd '" + path().string() + "' && gnuplot t.gp").c_str()) == 0);
  BOOST_TEST(read(*this / "t").find("0.0333333") != std::string::npos, read(*this / "t"));
}

BOOST_AUTO_TEST_CASE(rejects_what_is_no_curve) {
  const auto stem = *this / "c";
  BOOST_CHECK_EXCEPTION(write_curves(stem, {"title", "x", {}}), UsageError,
                        says("no panels", "curves.cpp"));
  auto curves = sample();
  curves.panels[0].lines.clear();
  BOOST_CHECK_EXCEPTION(write_curves(stem, curves), UsageError, says("panel 'loss' has no lines"));
  curves = sample();
  curves.panels[0].lines[0].x.pop_back();
  BOOST_CHECK_EXCEPTION(write_curves(stem, curves), ShapeError,
                        says("line 'training' of panel 'loss': 49 values of x, 50 of y"));
  curves = sample();
  curves.panels_in_a_row = 0;
  BOOST_CHECK_EXCEPTION(write_curves(stem, curves), UsageError, says("0 panels in a row"));
  curves = sample();
  curves.panels[1].y_range = Range{1, 1};
  BOOST_CHECK_EXCEPTION(write_curves(stem, curves), UsageError,
                        says("panel 'accuracy' shows 1 to 1"));
  curves.panels[1].y_range = {};
  curves.panels[0].y_range = Range{0, 1};
  BOOST_CHECK_EXCEPTION(write_curves(stem, curves), UsageError,
                        says("above 0 on a logarithmic axis"));
  BOOST_TEST(!fs::exists(*this / "c.dat"));
  BOOST_CHECK_EXCEPTION(write_curves(*this / "no" / "c", sample()), FileError,
                        says("c.dat", "No such file or directory"));
}

BOOST_AUTO_TEST_SUITE_END()
