// reproduce_reports from outside: a short run on synthetic digits, what it writes, and its errors.
#include <nlohmann/json.hpp>
#include <set>

#include "program.hpp"

using namespace program;

namespace {

Outcome reproduce(const std::string& arguments) { return run(REPRODUCE_REPORTS, arguments); }

const std::string brief = "--train-size 320 --epochs 2 --threads 2 ";

std::string replaced(std::string text, const std::string& what, const std::string& by) {
  const auto at = text.find(what);
  BOOST_TEST_REQUIRE(at != std::string::npos, what << " is not there");
  return text.replace(at, what.size(), by);
}

}  // namespace

BOOST_AUTO_TEST_CASE(bad_options_end_in_one_line) {
  check_one_line(reproduce(""), "--out is required");
  check_one_line(reproduce("--out x --only R3,R99"), "'R99': expected some of R1 R2");
  check_one_line(reproduce("--out x --only ''"), "'': expected some of");
  check_one_line(reproduce("--out x --seeds 0"), "'0': expected a whole number from 1 to 1000");
  check_one_line(reproduce("--out x --threads -1"), "'-1': expected a whole number from 1 to 256");
  check_one_line(reproduce("--out x --epochs 2.5"), "'2.5': expected a whole number");
  check_one_line(reproduce("--out x --check some"), "'some': expected full|sampled");
  check_one_line(reproduce("--out x --nonsense"), "--nonsense");
}

BOOST_AUTO_TEST_CASE(bad_files_are_found_before_training) {
  const Directory directory;
  const std::string out = " --out " + (directory.path / "out").string();
  check_one_line(reproduce("--data /nowhere/at/all" + out), "/nowhere/at/all");
  check_one_line(run(REPRODUCE_REPORTS, out, "/from/the/environment"), "/from/the/environment");
  check_one_line(run(REPRODUCE_REPORTS, "--data /from/the/line" + out, "/from/the/environment"),
                 "/from/the/line");
  std::ofstream(directory.path / "file") << "x";
  check_one_line(reproduce("--out " + (directory.path / "file").string()), "file: cannot be made");
  check_one_line(reproduce("--out /proc/self"), "/proc/self: cannot be written to");
  write_mnist(directory.path, 32, 0, 7);
  check_one_line(reproduce("--train-size 32 --data " + directory.path.string() + out),
                 "no validation images");
  write_mnist(directory.path, 32, 8, 7);
  check_one_line(reproduce("--train-size 32 --data " + directory.path.string() + out),
                 "all pixels of the 32 training images are 7");
  check_one_line(reproduce("--train-size 33 --data " + directory.path.string() + out), "33");
}

BOOST_AUTO_TEST_CASE(the_environment_names_the_data_unless_it_is_empty) {
  const Directory directory;
  write_mnist(directory.path, 64, 8, -1);
  const auto data_of = [&](const char* environment) {
    const fs::path out = directory.path / "out";
    const Outcome outcome =
        run(REPRODUCE_REPORTS,
            "--train-size 64 --epochs 1 --seeds 1 --only R9 --out " + out.string(), environment);
    BOOST_TEST_REQUIRE(outcome.status == 0, outcome.err);
    return nlohmann::json::parse(read(out / "results.json"))["data"].get<std::string>();
  };
  BOOST_TEST(data_of(directory.path.c_str()).find("MNIST") == 0u);
  BOOST_TEST(data_of("").find("synthetic digits") == 0u);
  const std::string help = reproduce("--help").out;
  BOOST_TEST(help.find("$CHAINRULE_DATA") != std::string::npos, help);
}

BOOST_AUTO_TEST_CASE(report_only_refuses_what_it_cannot_report_and_changes_nothing) {
  const Directory directory;
  const fs::path out = directory.path / "out";
  const std::string settings = "--train-size 64 --epochs 1 --seeds 1 --only R9 --out ";
  const auto files = [&] {
    std::string text;
    for (const auto& entry : fs::recursive_directory_iterator(directory.path)) {
      text += entry.path().string() + " " + (entry.is_regular_file() ? read(entry) : "") + "\n";
    }
    return text;
  };
  const auto refuse = [&](const std::string& arguments, const std::string& wanted) {
    const std::string before = files();
    check_one_line(reproduce("--report-only " + arguments), wanted);
    BOOST_TEST((files() == before), arguments << " changed something");
  };
  refuse(settings + out.string(), "/out: has none of the runs that --report-only was to report");
  fs::create_directories(out);
  std::ofstream(out / "report.md") << "somebody's\n";
  refuse(settings + out.string(), "/out: has none of the runs");
  BOOST_TEST_REQUIRE(reproduce(settings + out.string()).status == 0);
  BOOST_TEST(read(out / "report.md").find("| cannot be told (this seed: ") != std::string::npos);
  refuse("--train-size 64 --epochs 2 --seeds 1 --only R9 --out " + out.string(),
         "R9-16-seed0.json: is of another experiment; --report-only needs the --data");
  refuse("--train-size 64 --epochs 1 --seeds 1 --only R7,R13 --out " + out.string(),
         "/out: has none of the runs");

  // What is there is reported, and what is not is counted.
  fs::remove(out / "runs" / "R9-32-seed0.json");
  const Outcome outcome = reproduce("--report-only " + settings + out.string());
  BOOST_TEST(outcome.status == 0, outcome.err);
  BOOST_TEST(outcome.out.find("; 1 run is not there and left out") != std::string::npos,
             outcome.out);
  const std::string report = read(out / "report.md");
  BOOST_TEST(report.find("| R9-128 |") != std::string::npos, report);
  BOOST_TEST(report.find("| R9-32 |") == std::string::npos, report);
}

BOOST_AUTO_TEST_CASE(lines_of_a_figure_are_drawn_at_the_same_steps) {
  const Directory directory;
  const fs::path out = directory.path / "out";
  const std::string settings =
      "--train-size 64 --epochs 1 --seeds 1 --only R9 --out " + out.string();
  BOOST_TEST_REQUIRE(reproduce(settings).status == 0);
  // The runs that these would be, had they gone on for longer.
  for (const auto& [name, count] :
       {std::pair("16", 250), std::pair("32", 97), std::pair("128", 3)}) {
    const fs::path path = out / "runs" / fmt::format("R9-{}-seed0.json", name);
    auto json = nlohmann::ordered_json::parse(read(path));
    auto point = json["curve"][0];
    json["curve"].clear();
    for (int i = 0; i < count; ++i) {
      point["step"] = 125 * i;
      json["curve"].push_back(point);
    }
    std::ofstream(path) << json.dump();
  }
  BOOST_TEST_REQUIRE(reproduce("--report-only " + settings).status == 0);

  // Blocks of x, y and spread: the first panel's three lines are the first three.
  std::vector<std::set<int>> steps;
  std::istringstream data(read(out / "figures" / "width.dat"));
  for (std::string line; std::getline(data, line);) {
    if (line.rfind("# training loss of ten batches", 0) == 0) {
      steps.emplace_back();
    } else if (!line.empty() && line[0] != '#' && steps.size() <= 3) {
      steps.back().insert(std::stoi(line));
    }
    if (line.rfind("# validation loss", 0) == 0) break;
  }
  BOOST_TEST_REQUIRE(steps.size() == 3u);
  const std::vector<int> last{249 * 125, 96 * 125, 2 * 125};
  for (std::size_t i = 0; i < 3; ++i) {
    BOOST_TEST(*steps[i].begin() == 0);
    BOOST_TEST(*steps[i].rbegin() == last[i]);
    for (const int step : steps[i]) {
      BOOST_TEST((step == last[i] || steps[0].count(step) == 1u),
                 "line " << i << ", step " << step);
    }
    for (const int step : steps[0]) {
      BOOST_TEST((step > last[i] || steps[i].count(step) == 1u), "line " << i << ", step " << step);
    }
  }
  BOOST_TEST(steps[0].size() < 110u);  // thinned
  BOOST_TEST(steps[0].size() > 60u);
}

BOOST_AUTO_TEST_CASE(a_short_run_writes_everything) {
  const Directory directory;
  const fs::path out = directory.path / "a" / "b";
  const Outcome outcome =
      reproduce(brief + "--seeds 2 --only R1,R2,R7,R9,R11,R12,R14,own --out " + out.string());
  BOOST_TEST_REQUIRE(outcome.status == 0, outcome.err);

  const auto json = nlohmann::json::parse(read(out / "results.json"));
  std::set<std::string> systems;
  for (const auto& row : json["rows"]) {
    systems.insert(row["system"].get<std::string>());
    BOOST_TEST(row["seed"].get<int>() <= 1);
    BOOST_TEST(row["stop_epoch"] == 2);
    BOOST_TEST(row["steps"] == 20);
    BOOST_TEST(row["seconds"].get<double>() > 0);
    for (const char* at : {"at_stop", "at_best"}) {
      for (const char* key :
           {"train_loss", "train_accuracy", "validation_loss", "validation_accuracy"}) {
        BOOST_TEST(row[at][key].is_number(), at << "." << key);
      }
    }
    BOOST_TEST(row["at_best"]["validation_loss"].get<double>() <=
               row["at_stop"]["validation_loss"].get<double>());
  }
  BOOST_TEST(json["rows"].size() == 2 * 15u);  // 6 of them "own", 3 widths
  BOOST_TEST(systems.count("R9-128") == 1u);
  const auto count = [&](const std::string& system) {
    for (const auto& row : json["rows"]) {
      if (row["system"] == system) return row["parameters"].get<int>();
    }
    return 0;
  };
  BOOST_TEST(count("R1") == 50880);
  BOOST_TEST(count("R12") == 50890);
  BOOST_TEST(count("R9-32") == 25440);
  BOOST_TEST(count("R11") == 87744);

  const std::string csv = read(out / "results.csv");
  const std::string names = csv.substr(0, csv.find('\n'));
  BOOST_TEST(names.substr(0, 12) == "system,seed,");
  std::istringstream lines(csv);
  int rows = 0;
  for (std::string line; std::getline(lines, line); ++rows) {
    BOOST_TEST(
        std::count(line.begin(), line.end(), ',') == std::count(names.begin(), names.end(), ','),
        line);
  }
  BOOST_TEST(rows == 1 + 2 * 15);

  const std::string report = read(out / "report.md");
  for (const char* part :
       {"| **R1** ", "| published | 47 |", "not MNIST", "the solution's own", "shuffling",
        "R14: early stopping", "51,300", "figures/depth", "figures/deltas"}) {
    const auto lower = [](std::string text) {
      for (char& c : text) c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
      return text;
    };
    BOOST_TEST(lower(report).find(lower(part)) != std::string::npos, part);
  }
  // What 004 measured on MNIST is no measure of a run on synthetic digits, which figures are said
  // to be of.
  BOOST_TEST(report.find("342.85") == std::string::npos,
             "R14's published seconds on synthetic digits");
  BOOST_TEST(report.find("![Width, with all tricks, synthetic digits](") != std::string::npos);
  BOOST_TEST(read(out / "figures" / "width.gp").find("tricks, synthetic digits") !=
             std::string::npos);
  BOOST_TEST(read(out / "figures" / "activations.gp").find("synthetic") == std::string::npos);
  const bool gnuplot = std::system("command -v gnuplot >/dev/null") == 0;
  for (const char* name :
       {"start", "shuffling", "width", "depth", "early_stopping", "activations", "deltas"}) {
    for (const char* ending : {".dat", ".gp"}) {
      BOOST_TEST(fs::exists(out / "figures" / (std::string(name) + ending)), name << ending);
    }
    for (const char* ending : {".svg", ".png"}) {
      BOOST_TEST(fs::exists(out / "figures" / (std::string(name) + ending)) == gnuplot, name);
    }
  }
}

BOOST_AUTO_TEST_CASE(the_gradient_test_is_run_and_passes) {
  const Directory directory;
  const Outcome outcome =
      reproduce("--train-size 32 --epochs 1 --seeds 1 --only R13 --out " + directory.path.string());
  BOOST_TEST_REQUIRE(outcome.status == 0, outcome.err);
  const auto json = nlohmann::json::parse(read(directory.path / "results.json"));
  BOOST_TEST_REQUIRE(json["gradient_tests"].size() == 2u);
  for (const auto& test : json["gradient_tests"]) {
    BOOST_TEST(test["gradcheck"] == "pass");
    BOOST_TEST(test["course_passed"] == true);
    BOOST_TEST(test["weights"] == 50880);
    BOOST_TEST(test["course_tested"] == 7269);                   // every seventh
    BOOST_TEST(test["course_largest_error"].get<double>() > 0);  // a stencil is never exact
    BOOST_TEST(test["course_largest_error"].get<double>() <= 1e-6);
  }
}

BOOST_AUTO_TEST_CASE(threads_do_not_change_the_results_and_runs_are_resumed) {
  const Directory directory;
  const auto rows = [&](const std::string& name, const std::string& options) {
    const fs::path out = directory.path / name;
    const Outcome outcome = reproduce("--train-size 320 --epochs 2 --seeds 2 --only R7,R12 " +
                                      options + " --out " + out.string());
    BOOST_TEST_REQUIRE(outcome.status == 0, outcome.err);
    auto json = nlohmann::json::parse(read(out / "results.json"));
    for (auto& row : json["rows"]) row.erase("seconds"), row.erase("cpu_seconds");
    return std::pair(json["rows"].dump(), json["resumed"].get<int>());
  };
  const auto one = rows("one", "--threads 1");
  BOOST_TEST(one.second == 0);
  BOOST_TEST(rows("three", "--threads 3").first == one.first);
  BOOST_TEST(rows("double", "--precision double").first != one.first);

  // A file of a run that is there is taken, whatever it says; one that is not is run again.
  const fs::path run = directory.path / "one" / "runs" / "R7-seed1.json";
  const std::string text = read(run);
  std::ofstream(run) << replaced(text, "\"stop_epoch\":2", "\"stop_epoch\":77");
  fs::remove(directory.path / "one" / "runs" / "R12-seed0.json");
  const auto again = rows("one", "--resume");
  BOOST_TEST(again.second == 3);
  BOOST_TEST(again.first != one.first);
  BOOST_TEST(again.first.find("\"stop_epoch\":77") != std::string::npos);

  // Without training: what is there, and nothing else.
  fs::remove(directory.path / "one" / "runs" / "R12-seed0.json");
  const auto page = nlohmann::json::parse(again.first),
             fewer = nlohmann::json::parse(rows("one", "--report-only").first);
  BOOST_TEST(page.size() == 4u);
  BOOST_TEST(fewer.size() == 3u);
  BOOST_TEST(!fs::exists(directory.path / "one" / "runs" / "R12-seed0.json"));

  const std::string resume =
      "--seeds 2 --only R7 --resume --train-size 320 --out " + (directory.path / "one").string();
  const Outcome other = reproduce(resume + " --epochs 3");
  BOOST_TEST(other.status == 2);
  BOOST_TEST(other.err.find("R7-seed0.json: is of another experiment") != std::string::npos,
             other.err);
  std::ofstream(run) << R"({"settings": 3})";
  const Outcome foreign = reproduce(resume + " --epochs 2");
  BOOST_TEST(foreign.status == 2);
  BOOST_TEST(foreign.err.find("R7-seed1.json: is of another experiment") != std::string::npos,
             foreign.err);
  std::ofstream(run) << text.substr(0, 100);
  const Outcome damaged = reproduce(resume + " --epochs 2");
  BOOST_TEST(damaged.status == 2);
  BOOST_TEST(damaged.err.find("R7-seed1.json: is damaged") != std::string::npos, damaged.err);
}
