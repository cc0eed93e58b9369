#include "figures.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <chainrule/data/curves.hpp>
#include <chainrule/ops/ops.hpp>
#include <cmath>
#include <filesystem>
#include <limits>

#include "../protocol/output.hpp"
#include "statistics.hpp"

namespace reproduce {

using namespace chainrule;

namespace {

/// A system as a line, and what the key calls it.
struct Shown {
  std::string system, name;
};

constexpr std::size_t most_points = 100;  // of a line, or a few more; others are no longer seen

std::vector<const Run*> runs_of(const Results& results, const std::string& system) {
  std::vector<const Run*> runs;
  for (const Run& run : results.runs) {
    if (run.system == system && run.error.empty()) runs.push_back(&run);
  }
  return runs;
}

/// Of how many validations one is drawn: the same in all lines of a figure, so that they are
/// compared at the same steps, whatever the length of each.
std::size_t stride_of(const Results& results, const std::vector<Shown>& shown) {
  std::size_t longest = 1;
  for (const Shown& s : shown) {
    for (const Run* run : runs_of(results, s.system)) {
      longest = std::max(longest, run->curve.size());
    }
  }
  return (longest + most_points - 1) / most_points;
}

/// The points that are drawn: all of the first epoch, which is steep, then every `stride`th, and
/// the last.
std::vector<std::size_t> thinned(std::size_t count, std::size_t stride) {
  constexpr std::size_t an_epoch = 5;
  std::vector<std::size_t> indices;
  for (std::size_t i = 0; i < count; ++i) {
    if (i < an_epoch || i % stride == 0 || i + 1 == count) indices.push_back(i);
  }
  return indices;
}

/// The batch loss of the first seed: mean and spread over ten steps.
Line batch_line(const Results& results, const Shown& shown, std::size_t stride) {
  Line line{shown.name, {}, {}};
  const auto runs = runs_of(results, shown.system);
  for (const std::size_t i : thinned(runs.front()->curve.size(), stride)) {
    const Point& point = runs.front()->curve[i];
    line.x.push_back(static_cast<double>(point.scores.step));
    line.y.push_back(point.batch_mean);
    line.spread.push_back(point.batch_spread);
  }
  return line;
}

/// Mean and spread of a score over the seeds, up to where the first of them stops.
Line score_line(const Results& results, const Shown& shown, std::size_t stride,
                double (*score)(const Validation&)) {
  Line line{shown.name, {}, {}};
  const auto runs = runs_of(results, shown.system);
  std::size_t length = std::numeric_limits<std::size_t>::max();
  for (const Run* run : runs) length = std::min(length, run->curve.size());
  for (const std::size_t i : thinned(length, stride)) {
    std::vector<double> values;
    values.reserve(runs.size());
    for (const Run* run : runs) values.push_back(score(run->curve[i].scores));
    const Summary summary = summarise(values);
    line.x.push_back(static_cast<double>(runs.front()->curve[i].scores.step));
    line.y.push_back(summary.mean);
    if (summary.count > 1) line.spread.push_back(summary.deviation);
  }
  return line;
}

double train_loss(const Validation& v) { return v.train.loss; }
double validation_loss(const Validation& v) { return v.validation.loss; }
double train_accuracy(const Validation& v) { return v.train.accuracy; }
double validation_accuracy(const Validation& v) { return v.validation.accuracy; }

/// From a little below the lowest accuracy at the end of a line up to 1: what comes before is steep
/// and tells nothing.
Range accuracy_range(const std::vector<Line>& lines) {
  double lowest = .95;
  for (const Line& line : lines) lowest = std::min(lowest, line.y.back());
  return {std::max(0., std::floor(20 * lowest - 1) / 20), 1};
}

/// From below the lowest validation loss to twice the highest at the end of a line, so that its
/// rise is seen: the first steps are far above.
Range loss_range(const std::vector<Line>& lines) {
  double lowest = HUGE_VAL, last = 0;
  for (const Line& line : lines) {
    lowest = std::min(lowest, *std::min_element(line.y.begin(), line.y.end()));
    last = std::max(last, line.y.back());
  }
  return {std::floor(20 * lowest - .5) / 20, 2 * last};
}

/// For a logarithmic axis: from the lowest to the highest of lines and bands, out to the next 1, 2
/// or 5 of a decade.
Range log_range(const std::vector<Line>& lines) {
  double low = HUGE_VAL, high = 0;
  for (const Line& line : lines) {
    for (std::size_t i = 0; i < line.y.size(); ++i) {
      const double y = line.y[i], spread = line.spread.empty() ? 0 : line.spread[i];
      if (!(y > 0)) continue;
      low = std::min(low, y / (1 + spread / y));
      high = std::max(high, y + spread);
    }
  }
  if (!(low <= high)) return {.1, 1};  // nothing that such an axis could show
  const double below = std::pow(10, std::floor(std::log10(low)));
  const double above = std::pow(10, std::floor(std::log10(high)));
  low = low >= 5 * below ? 5 * below : low >= 2 * below ? 2 * below : below;
  high = high < 2 * above ? 2 * above : high < 5 * above ? 5 * above : 10 * above;
  return {low, high};
}

/// The four panels of every comparison; nothing where fewer than two systems were run.
std::vector<Panel> comparison(const Results& results, const std::vector<Shown>& all) {
  std::vector<Shown> shown;
  for (const Shown& s : all) {
    if (!runs_of(results, s.system).empty()) shown.push_back(s);
  }
  if (shown.size() < 2) return {};
  const std::size_t stride = stride_of(results, shown);
  std::vector<Panel> panels{{"training loss of ten batches", true, {}},
                            {"validation loss", false, {}},
                            {"training accuracy", false, {}},
                            {"validation accuracy", false, {}}};
  for (const Shown& s : shown) {
    panels[0].lines.push_back(batch_line(results, s, stride));
    panels[1].lines.push_back(score_line(results, s, stride, validation_loss));
    panels[2].lines.push_back(score_line(results, s, stride, train_accuracy));
    panels[3].lines.push_back(score_line(results, s, stride, validation_accuracy));
  }
  panels[0].y_range = log_range(panels[0].lines);
  panels[1].y_range = loss_range(panels[1].lines);
  for (const std::size_t accuracies : {2, 3}) {
    panels[accuracies].y_range = accuracy_range(panels[accuracies].lines);
  }
  return panels;
}

/// Training and validation of one system.
std::vector<Panel> both_sets(const Results& results, const std::string& system) {
  if (runs_of(results, system).empty()) return {};
  const Shown training{system, "training"}, validation{system, "validation"};
  const std::size_t stride = stride_of(results, {training});
  std::vector<Panel> panels{{"loss",
                             true,
                             {score_line(results, training, stride, train_loss),
                              score_line(results, validation, stride, validation_loss)}},
                            {"accuracy",
                             false,
                             {score_line(results, training, stride, train_accuracy),
                              score_line(results, validation, stride, validation_accuracy)}}};
  panels[0].y_range = log_range(panels[0].lines);
  panels[1].y_range = accuracy_range(panels[1].lines);
  return panels;
}

/// f and f' by the tape: the derivative is the gradient of the sum.
std::vector<Panel> activations() {
  constexpr int count = 121;
  Tensor<double> z({count});
  std::vector<double> x;
  x.reserve(count);
  for (int i = 0; i < count; ++i) x.push_back(z[i] = -6 + 0.1 * i);
  std::vector<Panel> panels{{"f(z)", false, {}}, {"f'(z)", false, {}}};
  for (const Activation activation : {Activation::sigmoid, Activation::improved_sigmoid}) {
    Tape<double> tape;
    const Var<double> leaf = tape.input(z);
    const Var<double> y = activate(activation, leaf);
    const Var<double> derivative = gradients(sum(y), {leaf})[0];
    const std::string name =
        activation == Activation::sigmoid ? "sigmoid" : "improved sigmoid 1.7159 tanh(2z/3)";
    const auto values = [](Var<double> v) {
      return std::vector<double>(v.value().begin(), v.value().end());
    };
    panels[0].lines.push_back({name, x, values(y)});
    panels[1].lines.push_back({name, x, values(derivative)});
  }
  return panels;
}

/// |dZl| by layer: mean and spread over the seeds, of each network divided by the last hidden one.
std::vector<Panel> delta_panels(const Options& options, const Data& data, const Results& results) {
  const auto line_of = [](const std::string& name, const std::vector<std::vector<double>>& norms) {
    Line line{name, {}, {}};
    for (std::size_t l = 0; l + 1 < norms.front().size(); ++l) {  // hidden layers
      std::vector<double> values;
      values.reserve(norms.size());
      for (const auto& of_seed : norms) values.push_back(of_seed[l]);
      const Summary summary = summarise(values);
      line.x.push_back(static_cast<double>(l + 1));
      line.y.push_back(summary.mean);
      if (summary.count > 1) line.spread.push_back(summary.deviation);
    }
    return line;
  };
  Panel start{"|dZl| before the first step", true, {}}, stop{"|dZl| at the stop", true, {}};
  const System ten = find_system(all_systems(), "R11");
  struct Variant {
    std::string name;
    Activation activation;
    Initialiser initialiser;
  };
  const auto sample = make_dataset<double>(
      data.train.head(std::min<std::int64_t>(100, data.train.images.count), {}), data.statistics,
      BiasColumn::yes);
  for (const Variant& v : {Variant{"sigmoid, U(-1, 1)", Activation::sigmoid, Initialiser::uniform},
                           Variant{"sigmoid, fan-in", Activation::sigmoid, Initialiser::fan_in},
                           Variant{"improved sigmoid, fan-in (R11)", Activation::improved_sigmoid,
                                   Initialiser::fan_in},
                           Variant{"ReLU, He", Activation::relu, Initialiser::he}}) {
    std::vector<std::vector<double>> norms;
    for (int seed = 0; seed < options.seeds; ++seed) {
      protocol::Experiment experiment = ten.experiment;
      experiment.activation = v.activation;
      experiment.initialiser = v.initialiser;
      experiment.seed = static_cast<std::uint64_t>(seed);
      norms.push_back(delta_norms(
          protocol::make_network(experiment, data.train.images.rows * data.train.images.columns),
          sample));
    }
    start.lines.push_back(line_of(v.name, norms));
  }
  std::vector<std::vector<double>> trained;
  for (const Run* run : runs_of(results, "R11")) trained.push_back(run->deltas_at_stop);
  std::vector<Panel> panels{start};
  if (!trained.empty()) {
    stop.lines.push_back(line_of("R11", trained));
    // A decade more each way, so that what hardly changes looks like it.
    const Range close = log_range(stop.lines);
    stop.y_range = Range{close.low / 10, close.high * 10};
    panels.push_back(stop);
  }
  return panels;
}

}  // namespace

std::vector<Figure> draw_figures(const Options& options, const Data& data, const Results& results) {
  const std::filesystem::path folder = std::filesystem::path(options.out) / "figures";
  protocol::prepare_directory(folder, "reproduce_reports");
  std::vector<Figure> figures;
  // `of_data`: whether it depends on the images.
  const auto draw = [&](const std::string& name, const std::string& text,
                        const std::string& x_label, std::vector<Panel> panels,
                        bool of_data = true) {
    if (panels.empty()) return;
    const std::string caption = text + (of_data && data.synthetic ? ", synthetic digits" : "");
    const CurvesWritten written =
        write_curves(folder / name, {caption, x_label, std::move(panels), 2});
    figures.push_back({name, caption, written.drawn(), written.message});
  };
  const auto compare = [&](const std::string& name, const std::string& caption,
                           const std::vector<Shown>& shown) {
    draw(name, caption, "training step", comparison(results, shown));
  };
  draw("start", "R1, the starting point", "training step", both_sets(results, "R1"));
  compare("shuffling",
          "R1 and R2: with and without shuffling (then the same batches come in every epoch)",
          {{"R1", "R1 shuffled"}, {"R2", "R2 not shuffled"}});
  compare("tricks_sigmoid_first", "Tricks added one by one: sigmoid, weights, momentum (000, 001)",
          {{"R1", "R1 none"},
           {"R4", "R4 + improved sigmoid"},
           {"R6", "R6 + improved weights"},
           {"R7", "R7 + momentum"}});
  compare("tricks_weights_first", "Tricks added one by one: weights, sigmoid, momentum (003, 004)",
          {{"R1", "R1 none"},
           {"R3", "R3 + improved weights"},
           {"R6", "R6 + improved sigmoid"},
           {"R7", "R7 + momentum"}});
  compare("tricks_alone", "Each trick alone",
          {{"R1", "R1 none"},
           {"R3", "R3 improved weights"},
           {"R4", "R4 improved sigmoid"},
           {"R5", "R5 momentum"}});
  compare("relu", "ReLU (002)",
          {{"R1", "R1 sigmoid, U(-1, 1)"},
           {"R8-random", "R8 ReLU, U(-1, 1)"},
           {"R8-he", "R8 ReLU, He"},
           {"R6b-relu", "R6b ReLU, He, momentum"},
           {"R6b-sigmoid", "R6b sigmoid, fan-in, momentum"}});
  compare("width", "Width, with all tricks",
          {{"R9-16", "R9 16 units"},
           {"R9-32", "R9 32 units"},
           {"R7", "R7 64 units"},
           {"R9-128", "R9 128 units"}});
  compare("depth", "Depth, with all tricks",
          {{"R7", "R7 64"},
           {"R10-2x60", "R10 60-60"},
           {"R10-2x64", "R10 64-64, biases"},
           {"R10-2x32", "R10 32-32"},
           {"R11", "R11 ten of 64"}});
  compare("early_stopping", "R7 with and without early stopping",
          {{"R14", "R14 without"}, {"R7", "R7 with"}});
  draw("activations", "The two activations and their derivatives, by the tape", "z", activations(),
       false);
  draw("deltas", "Ten hidden layers of 64: the size of the deltas by depth", "layer",
       delta_panels(options, data, results));
  return figures;
}

}  // namespace reproduce
