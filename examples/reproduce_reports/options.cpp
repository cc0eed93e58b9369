#include "options.hpp"

#include <algorithm>
#include <thread>

#include "../protocol/options.hpp"
#include "systems.hpp"

namespace reproduce {

namespace {

constexpr std::int64_t train_size = 20000, synthetic_train_size = 4000;

std::vector<std::string> split(const std::string& text) {
  std::vector<std::string> parts;
  for (std::size_t at = 0;;) {
    const std::size_t comma = text.find(',', at);
    parts.push_back(text.substr(at, comma - at));
    if (comma == std::string::npos) return parts;
    at = comma + 1;
  }
}

}  // namespace

bool Options::wants(const std::string& group) const {
  return only.empty() || std::find(only.begin(), only.end(), group) != only.end();
}

std::variant<Options, int> parse_options(int argc, char** argv) {
  Options options;
  CLI::App app{
      "Runs every system of the five reports by the course's protocol, several seeds each, and\n"
      "writes one page (report.md) with our figures beside the published ones, the curves, and "
      "all\n"
      "results as CSV and JSON."};
  app.name("reproduce_reports");
  app.set_version_flag("--version", CHAINRULE_VERSION);
  app.option_defaults()->take_last();

  protocol::add_data(app, options.data);
  app.add_option("--out", options.out, "where everything is written")
      ->option_text("DIR")
      ->required();
  protocol::add_whole(app, "--seeds", options.seeds, 1, 1000,
                      "runs of each system: seeds 0, 1, ... [5]")
      ->option_text("N");
  protocol::add_whole(app, "--threads", options.threads, 1, 256,
                      "experiments side by side [as many as there are processors]")
      ->option_text("T");
  std::string known;
  for (const std::string& group : groups()) known += (known.empty() ? "" : " ") + group;
  app.add_option_function<std::string>(
         "--only",
         [&](const std::string& text) {
           options.only = split(text);
           for (const std::string& group : options.only) {
             const auto all = groups();
             if (std::find(all.begin(), all.end(), group) == all.end()) {
               throw CLI::ValidationError("--only",
                                          fmt::format("'{}': expected some of {}", group, known));
             }
           }
         },
         "systems: " + known + " [all]")
      ->option_text("R3,R7,...");
  protocol::add_whole(app, "--train-size", options.train_size, 32, protocol::most_images,
                      "first images of the training set [20000; 4000 synthetic digits]")
      ->option_text("N");
  protocol::add_whole(app, "--epochs", options.epochs, 1, protocol::most_epochs, "at most [50]")
      ->option_text("E");
  protocol::add_choice(app, "--precision", options.precision, protocol::precisions,
                       "of the training [float]");
  bool sampled = false, full = false;
  app.add_option_function<std::string>(
         "--check",
         [&](const std::string& text) {
           sampled = text == "sampled", full = text == "full";
           if (!sampled && !full) {
             throw CLI::ValidationError("--check",
                                        fmt::format("'{}': expected full|sampled", text));
           }
         },
         "weights that R13 tests: every one, or a sample [full; sampled on synthetic digits]")
      ->option_text("full|sampled");
  app.add_flag("--resume", options.resume, "takes the runs that are in --out already from there");

  app.add_flag("--report-only", options.report_only,
               "trains nothing: writes the page anew from the runs that are in --out");

  if (const auto status = protocol::parse(app, argc, argv)) return *status;
  if (options.report_only) options.resume = true;
  if (options.threads == 0) {
    options.threads = static_cast<int>(std::clamp(std::thread::hardware_concurrency(), 1u, 256u));
  }
  if (options.train_size == 0)
    options.train_size = options.data ? train_size : synthetic_train_size;
  options.every_entry = full || (!sampled && options.data);
  return options;
}

}  // namespace reproduce
