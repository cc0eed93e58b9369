#include "report.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <filesystem>

#include "../protocol/output.hpp"
#include "claims.hpp"
#include "figures.hpp"
#include "results.hpp"

namespace reproduce {

using namespace chainrule;

namespace {

constexpr std::int64_t protocol_images = 20000;  // the first of the training set
// The bars of a published row.
constexpr double accuracy_tolerance = .006, loss_factor = 1.35, epoch_tolerance = .25;

double stop_epoch(const Run& run) { return static_cast<double>(run.stop_epoch); }
double train_loss(const Run& run) { return run.at_stop.train.loss; }
double train_accuracy(const Run& run) { return run.at_stop.train.accuracy; }
double validation_loss(const Run& run) { return run.at_stop.validation.loss; }
double validation_accuracy(const Run& run) { return run.at_stop.validation.accuracy; }
double best_step(const Run& run) { return static_cast<double>(run.at_best.step); }
double best_loss(const Run& run) { return run.at_best.validation.loss; }
double best_accuracy(const Run& run) { return run.at_best.validation.accuracy; }
double best_train_loss(const Run& run) { return run.at_best.train.loss; }
double seconds(const Run& run) { return run.seconds; }
double cpu_seconds(const Run& run) { return run.cpu_seconds; }

/// Whole numbers as they are, small losses with two more digits.
int loss_digits(double loss) { return loss < .01 ? 5 : 4; }

/// What of the three bars a row misses, as text; empty when it keeps all.
std::string misses(const Results& results, const std::string& id, const Published& published) {
  std::string text;
  const auto miss = [&](const std::string& what) { text += (text.empty() ? "" : "; ") + what; };
  const Summary accuracy = summarise(per_seed(results, id, validation_accuracy));
  const double off = accuracy.mean - published.validation_accuracy;
  const double allowed = std::max(
      accuracy_tolerance, accuracy.count > 1 ? 2 * accuracy.deviation + .004 : accuracy_tolerance);
  if (!(std::abs(off) <= allowed)) {
    miss(fmt::format("accuracy off by {:+.4f} (allowed {:.4f})", off, allowed));
  }
  const double ratio = summarise(per_seed(results, id, train_loss)).mean / published.train_loss;
  if (!(ratio <= loss_factor && ratio >= 1 / loss_factor)) {
    miss(fmt::format("training loss {:.2f} times theirs (allowed {})", ratio, loss_factor));
  }
  const double epochs = summarise(per_seed(results, id, stop_epoch)).mean;
  if (!(std::abs(epochs / published.stop_epoch - 1) <= epoch_tolerance)) {
    miss(fmt::format("stop epoch off by {:+.0f} %", 100 * (epochs / published.stop_epoch - 1)));
  }
  return text;
}

std::string published_table(const Data& data, const std::vector<System>& systems,
                            const Results& results) {
  std::string text =
      "| system | | stop epoch | training loss | training accuracy | validation loss | validation "
      "accuracy | verdict |\n|---|---|---|---|---|---|---|---|\n";
  for (const System& system : systems) {
    if (!system.published || system.own_statistics ||
        per_seed(results, system.id, stop_epoch).empty()) {
      continue;
    }
    const Published& p = *system.published;
    const std::string missed = misses(results, system.id, p);
    const std::string verdict = data.synthetic ? "not MNIST" : missed.empty() ? "agrees" : missed;
    const int digits = loss_digits(p.train_loss);
    text += fmt::format(
        "| **{}** {} | ours | {} | {} | {} | {} | {} | {} |\n", system.id, system.description,
        mean_and_spread(per_seed(results, system.id, stop_epoch), 1),
        mean_and_spread(per_seed(results, system.id, train_loss), digits),
        mean_and_spread(per_seed(results, system.id, train_accuracy), 4),
        mean_and_spread(per_seed(results, system.id, validation_loss), 4),
        mean_and_spread(per_seed(results, system.id, validation_accuracy), 4), verdict);
    text += fmt::format("| | published | {} | {} | {} | {} | {} | |\n", p.stop_epoch, p.train_loss,
                        p.train_accuracy, p.validation_loss, p.validation_accuracy);
  }
  return text;
}

/// The solution's own way beside ours, for every row that has a published figure.
std::string own_table(const Data& data, const std::vector<System>& systems,
                      const Results& results) {
  std::string text;
  for (const System& system : systems) {
    if (!system.own_statistics) continue;
    const auto own = per_seed(results, system.id, validation_accuracy);
    const std::string base = system.id.substr(0, system.id.find('-'));
    const auto ours = per_seed(results, base, validation_accuracy);
    if (own.empty() || own.size() != ours.size()) continue;  // not the same seeds
    const std::string missed = misses(results, system.id, *system.published);
    const double published = system.published->validation_accuracy;
    text += fmt::format("| {} | {:.4f} | {} | {} | {:+.4f} | {} | {} | {} |\n", base, published,
                        mean_and_spread(ours, 4), mean_and_spread(own, 4),
                        summarise(own).mean - summarise(ours).mean,
                        mean_and_spread(per_seed(results, system.id, train_loss),
                                        loss_digits(system.published->train_loss)),
                        mean_and_spread(per_seed(results, system.id, stop_epoch), 1),
                        data.synthetic   ? "not MNIST"
                        : missed.empty() ? "agrees"
                                         : missed);
  }
  if (text.empty()) return "";
  return fmt::format(
      "## The solution's own normalisation\n\n"
      "The course's solution normalises each set by its own mean and deviation. Here: ({:.4f}, "
      "{:.4f}) for training, ({:.4f}, {:.4f}) for validation. The same seeds, run that way too:\n\n"
      "| system | published accuracy | training statistics for both | each set's own | offset | "
      "training loss, own | stop epoch, own | verdict, own "
      "|\n|---|---|---|---|---|---|---|---|\n{}\n",
      data.statistics.mean, data.statistics.deviation, data.own_validation_statistics.mean,
      data.own_validation_statistics.deviation, text);
}

std::string all_runs_table(const std::vector<System>& systems, const Results& results) {
  std::string text =
      "| system | | parameters | stop epoch | at the stop: training loss | validation loss | "
      "accuracy | best at step | training loss | validation loss | accuracy | CPU s |\n"
      "|---|---|---|---|---|---|---|---|---|---|---|---|\n";
  for (const System& system : systems) {
    std::size_t diverged = 0, runs = 0;
    const Run* first = nullptr;
    for (const Run& run : results.runs) {
      if (run.system != system.id) continue;
      ++runs, diverged += !run.error.empty();
      if (!first) first = &run;
    }
    if (!first) continue;
    const auto cell = [&](double (*measure)(const Run&), int digits) {
      return mean_and_spread(per_seed(results, system.id, measure), digits);
    };
    const std::string note =
        diverged ? fmt::format(" ({} of {} runs diverged)", diverged, runs) : "";
    text += fmt::format("| {} | {}{} | {} | {} | {} | {} | {} | {} | {} | {} | {} | {} |\n",
                        system.id, system.description, note, first->parameters, cell(stop_epoch, 1),
                        cell(train_loss, 5), cell(validation_loss, 4), cell(validation_accuracy, 4),
                        cell(best_step, 0), cell(best_train_loss, 5), cell(best_loss, 4),
                        cell(best_accuracy, 4), cell(cpu_seconds, 1));
  }
  return text;
}

std::string claims_table(const std::vector<Claim>& claims) {
  std::string text = "| row | report | claim | measured | verdict |\n|---|---|---|---|---|\n";
  bool any = false;
  for (const Claim& claim : claims) {
    if (claim.judgement == Judgement::not_run) continue;
    any = true;
    text += fmt::format("| {} | {} | {} | {} | {} |\n", claim.row, claim.reports, claim.text,
                        claim.measured, to_string(claim.judgement));
  }
  return any ? text : "None of the systems that the claims compare was run.\n";
}

/// Claims that contradict each other, and which of them our runs support.
std::string contradictions(const std::vector<Claim>& claims) {
  const auto verdict = [&](const std::string& text) {
    const auto found = std::find_if(claims.begin(), claims.end(), [&](const Claim& claim) {
      return claim.text.rfind(text, 0) == 0;
    });
    return found == claims.end() ? Judgement::not_run : found->judgement;
  };
  struct Pair {
    std::string topic, first, first_reports, second, second_reports;
  };
  std::string text;
  for (const Pair& pair :
       {Pair{"128 units", "128 units are better at all", "000", "128 units validate worse than 64",
             "003, 004"},
        Pair{"momentum after the other two tricks", "momentum converges slightly slower", "000",
             "momentum converges faster", "001, 003"},
        Pair{"two hidden layers of about the same number of weights", "2x60 is as good", "000, 003",
             "2x32 performs worse", "004, with half the weights"},
        Pair{"what is wrong with ten layers", "ten layers are worse in training", "003",
             "ten layers tend to overfit", "002"}}) {
    const Judgement first = verdict(pair.first), second = verdict(pair.second);
    if (first == Judgement::not_run || second == Judgement::not_run) continue;
    const auto lowered = [](Judgement j) { return to_string(j); };
    text += fmt::format("- {}: “{}” ({}) {}; “{}” ({}) {}.\n", pair.topic, pair.first,
                        pair.first_reports, lowered(first), pair.second, pair.second_reports,
                        lowered(second));
  }
  return text.empty() ? "" : "\nWhere the reports contradict each other:\n\n" + text;
}

std::string early_stopping(const Data& data, const Results& results) {
  const auto with = per_seed(results, "R7", cpu_seconds),
             without = per_seed(results, "R14", cpu_seconds);
  if (with.empty() || without.empty()) return "";
  const auto row = [&](const std::string& name, const std::string& id) {
    return fmt::format("| {} | {} | {} | {} | {} | {} | {} | {} |\n", name,
                       mean_and_spread(per_seed(results, id, seconds), 1),
                       mean_and_spread(per_seed(results, id, cpu_seconds), 1),
                       mean_and_spread(per_seed(results, id, stop_epoch), 1),
                       mean_and_spread(per_seed(results, id, best_loss), 4),
                       mean_and_spread(per_seed(results, id, best_accuracy), 4),
                       mean_and_spread(per_seed(results, id, validation_loss), 4),
                       mean_and_spread(per_seed(results, id, validation_accuracy), 4));
  };
  return fmt::format(
      "## R14: early stopping\n\n"
      "| R7 | seconds | of CPU | stop epoch | best validation loss | accuracy there | validation "
      "loss at the stop | accuracy at the stop |\n|---|---|---|---|---|---|---|---|\n{}{}\n"
      "Early stopping saves {:.0f} % of the CPU time.{}\n\n",
      row("with", "R7"), row("without", "R14"),
      100 * (1 - summarise(with).mean / summarise(without).mean),
      data.synthetic ? " (The seconds that 004 publishes are of MNIST.)"
                     : " 004 publishes 342.85 s without and 132.17 s with it: 61 %.");
}

std::string gradient_tests(const Results& results) {
  if (results.gradient_tests.empty()) return "";
  std::string text =
      "## R13: gradient approximation test\n\n"
      "In double, on the first training images, at the initial weights of seed 0.\n\n"
      "| system | images | weights tested | course: central differences, 1e-3 | largest error "
      "(allowed "
      "1e-6) | largest gradient | weights whose gradient is within 1e-6 | gradcheck | entries "
      "| worst entry, relative | seconds |\n|---|---|---|---|---|---|---|---|---|---|---|\n";
  for (const GradientTest& test : results.gradient_tests) {
    std::int64_t checked = 0;
    double worst = 0;
    for (const LeafReport& leaf : test.gradcheck.leaves) {
      checked += leaf.checked;
      worst = std::max(worst, leaf.max_entry_error);
    }
    text += fmt::format(
        "| {} | {} | {} | {} | {:.1e} | {:.1e} | {} | {} | {} | {:.1e} | {:.0f} + "
        "{:.0f} |\n",
        test.system, test.images, test.tested, test.course_passed ? "pass" : "**FAIL**",
        test.largest_error, test.largest_gradient, test.blind,
        test.gradcheck.verdict == Verdict::pass ? "pass" : "**not a pass**", checked, worst,
        test.course_seconds, test.gradcheck_seconds);
  }
  return text +
         "\n000 hands in a test that fails and calls the result correct all the same (E11). An "
         "absolute tolerance says less the smaller the gradient: gradcheck judges relative to each "
         "tensor's largest entry, and measures its own noise.\n\n";
}

std::string statistics_section(const Data& data) {
  struct Stated {
    const char *report, *mean, *deviation;
    double tolerance;  // of what it says: 001 rounds, 002 prints what it computed
  };
  std::string text = fmt::format(
      "## R15: data set statistics\n\n"
      "| | mean | deviation | |\n|---|---|---|---|\n"
      "| ours, the first {} {} | {:.14f} | {:.14f} | |\n",
      data.train.images.count, data.synthetic ? "synthetic digits" : "training images",
      data.statistics.mean, data.statistics.deviation);
  for (const Stated& stated : {Stated{"001", "33.55", "78.88", .005},
                               Stated{"002", "33.55274553571429", "78.87550070784701", 1e-12}}) {
    const double mean = std::abs(std::stod(stated.mean) - data.statistics.mean);
    const double deviation = std::abs(std::stod(stated.deviation) - data.statistics.deviation);
    const char* const verdict = data.synthetic                               ? "not MNIST"
                                : data.train.images.count != protocol_images ? "of other images"
                                : mean <= stated.tolerance && deviation <= stated.tolerance
                                    ? "agrees"
                                    : "**does not agree**";
    text += fmt::format("| {} | {} | {} | {} |\n", stated.report, stated.mean, stated.deviation,
                        verdict);
  }
  return text + "\n";
}

std::string counts_section() {
  struct Count {
    std::string topology, reports, stated;
    protocol::Experiment experiment;
  };
  const auto of = [](std::vector<std::int64_t> hidden, Bias bias) {
    protocol::Experiment experiment;
    experiment.hidden = std::move(hidden);
    experiment.bias = bias;
    return experiment;
  };
  const std::vector<std::int64_t> ten(10, 64);
  const std::vector<Count> counts{
      {"785-64-10", "000 001 003", "50,880", of({64}, Bias::trick)},
      {"785-64-10", "004", "52,880 (E10)", of({64}, Bias::trick)},
      {"784-64-10, biases", "002", "784 * 64 + 64 + 64 * 10 + 10", of({64}, Bias::per_layer)},
      {"785-16-10", "", "", of({16}, Bias::trick)},
      {"785-32-10", "001", "25,440", of({32}, Bias::trick)},
      {"785-128-10", "001", "101,760 (there called too small: E15)", of({128}, Bias::trick)},
      {"785-60-60-10", "003", "51,300", of({60, 60}, Bias::trick)},
      {"785-60-60-10", "000", "51,360 (E8)", of({60, 60}, Bias::trick)},
      {"784-64-64-10, biases", "002", "55,050", of({64, 64}, Bias::per_layer)},
      {"785-32-32-10", "004", "“approximately the same”, 52,880 (E10)", of({32, 32}, Bias::trick)},
      {"784-10x64-10, biases", "002", "88,448 (E9)", of(ten, Bias::per_layer)},
      {"785-10x64-10", "", "", of(ten, Bias::trick)}};
  std::string text =
      "## R16: parameters\n\nBy `Mlp::parameter_count`.\n\n"
      "| network | ours | report | states | |\n|---|---|---|---|---|\n";
  for (const Count& count : counts) {
    const auto ours = protocol::make_network(count.experiment, 784).parameter_count();
    const bool wrong = count.stated.find("(E8)") != std::string::npos ||
                       count.stated.find("(E9)") != std::string::npos ||
                       count.stated.find("(E10)") != std::string::npos;
    text +=
        fmt::format("| {} | {} | {} | {} | {} |\n", count.topology,
                    fmt::format("{},{:03}", ours / 1000, ours % 1000), count.reports, count.stated,
                    count.stated.empty() ? ""
                    : wrong              ? "**wrong**"
                                         : "right");
  }
  return text + "\n";
}

std::string figures_section(const std::vector<Figure>& figures) {
  std::string text =
      "## R17: figures\n\nTraining loss: mean and spread over 10 steps of seed 0; the other "
      "curves: "
      "mean and spread over the seeds, up to where the first of them stops. On a logarithmic axis "
      "a "
      "band reaches as far down as up, from mean / f to mean * f with f = 1 + spread / mean: mean "
      "- "
      "spread is not always positive. All lines of a figure are drawn at the same steps.\n\n";
  for (const Figure& figure : figures) {
    if (figure.drawn) {
      text += fmt::format("![{0}](figures/{1}.svg)\n\n", figure.caption, figure.name);
    } else {
      text += fmt::format("{}: `gnuplot {}.gp` in `figures` draws it.\n\n", figure.caption,
                          figure.name);
    }
  }
  return text;
}

}  // namespace

std::string write_report(const Options& options, const Data& data,
                         const std::vector<System>& systems, const Results& results) {
  const auto figures = draw_figures(options, data, results);
  const auto claims = judge_claims(results, !data.synthetic);
  std::string text =
      fmt::format("# The reports, reproduced\n\n```text\n{}```\n\n", header(options, data));
  text += fmt::format(
      "{} seed{} a system{}. {} Figures are mean ± standard deviation over the seeds, at the stop: "
      "the course's solution does not restore the best weights. Stop epochs count from 0; {} means "
      "not stopped.\n\n",
      options.seeds, options.seeds == 1 ? "" : "s",
      results.missing ? fmt::format(", of which {} are not there yet", results.missing) : "",
      data.synthetic ? "Both sets are synthetic digits: what is published of MNIST is shown beside "
                       "them, not judged. Early stopping has seen the validation set."
                     : "What the reports call the validation set is MNIST's test set, and early "
                       "stopping has seen it.",
      options.epochs);
  const auto published = published_table(data, systems, results);
  if (std::count(published.begin(), published.end(), '\n') > 2) {
    text += "## R1, R3 to R7: beside 003's table\n\n" + published + "\n";
    if (!data.synthetic) {
      text += fmt::format(
          "A row agrees when the validation accuracy is within {}, or two of our deviations + "
          ".004, "
          "the training loss within a factor of {} and the stop epoch within {:.0f} %.\n\n",
          accuracy_tolerance, loss_factor, 100 * epoch_tolerance);
    }
  }
  text += own_table(data, systems, results);
  text +=
      "## Claims\n\nA comparison holds, or does not, when the difference of the means exceeds "
      "its 95 % interval (Student's t over the seeds); one seed cannot tell. 000's curves run "
      "to 96 epochs: its steps are compared within half and one and a half of them.\n\n" +
      claims_table(claims) + contradictions(claims) + "\n";
  text += early_stopping(data, results);
  text += gradient_tests(results);
  text += "## Every system\n\n" + all_runs_table(systems, results) + "\n";
  text += statistics_section(data) + counts_section() + figures_section(figures);

  const std::filesystem::path out = options.out;
  protocol::write_text(out / "report.md", text, "reproduce_reports");
  std::size_t drawn = 0;
  for (const Figure& figure : figures) drawn += figure.drawn;
  std::string line = fmt::format("wrote {0}/report.md, results.csv, results.json and {1} figures",
                                 out.string(), drawn);
  if (drawn < figures.size()) line += "; " + figures[drawn].message;
  if (results.missing) {
    line += fmt::format("; {} run{} not there and left out", results.missing,
                        results.missing == 1 ? " is" : "s are");
  }
  if (options.report_only) return line;
  return line + fmt::format("; {:.0f} s on {} threads", results.seconds, results.threads);
}

}  // namespace reproduce
