// The main job from outside: exit statuses, messages, JSON and files.
#include <nlohmann/json.hpp>

#include "program.hpp"

using namespace program;

namespace {

Outcome run(const std::string& arguments, const char* data = nullptr) {
  return program::run(TRAIN_MNIST, arguments, data);
}

const std::string brief = "--train-size 320 --epochs 1 --hidden 8 ";

}  // namespace

BOOST_AUTO_TEST_CASE(bad_options_end_in_one_line) {
  check_one_line(run("--activation sigmund"), "'sigmund': expected improved|relu|sigmoid|tanh");
  check_one_line(run("--hidden 64,,64"), "'64,,64': expected widths");
  check_one_line(run("--hidden 64,"), "'64,': expected widths");
  check_one_line(run("--hidden -3"), "--hidden");
  check_one_line(run("--momentum"), "--momentum");
  check_one_line(run("--epochs 0"), "'0': expected a whole number from 1 to 1000000");
  check_one_line(run("--batch many"), "--batch");
  check_one_line(run("--seed -1"), "'-1': expected a whole number from 0 to 2^64 - 1");
  check_one_line(run("--seed 99999999999999999999"), "expected a whole number from 0 to 2^64 - 1");
  check_one_line(run("--threads 1000000"), "'1000000': expected a whole number from 1 to 256");
  check_one_line(run("--batch 0x10"), "'0x10': expected a whole number");
  check_one_line(run("--train-size 1e3"), "'1e3': expected a whole number");
  check_one_line(run("--learning-rate 1e-50"), "1e-50: in float that is 0");
  check_one_line(run("--learning-rate 1e39"), "1e+39: in float that is inf");
  check_one_line(run("--nonsense"), "--nonsense");
  check_one_line(run("stray"), "stray");
  check_one_line(run("--learning-rate 0"), "'0': expected a positive number");
  check_one_line(run("--learning-rate nan"), "'nan': expected a positive number");
  check_one_line(run("--momentum 1"), "'1': expected 0 <= G < 1");
  check_one_line(run("--train-size 320 --batch 321"),
                 "321: expected at most the 320 training images");
}

BOOST_AUTO_TEST_CASE(bad_files_end_in_one_line) {
  const Directory empty;
  check_one_line(run("--data " + empty.path.string()), empty.path.string());
  check_one_line(run("--data /nowhere/at/all"), "/nowhere/at/all");
  check_one_line(run("", "/nowhere/at/all"), "/nowhere/at/all");
  std::ofstream(empty.path / "file") << "x";
  check_one_line(run(brief + "--out " + (empty.path / "file").string()), "file");
  std::ofstream(empty.path / "train-images-idx3-ubyte") << "not an IDX file";
  for (const char* name :
       {"train-labels-idx1-ubyte", "t10k-images-idx3-ubyte", "t10k-labels-idx1-ubyte"}) {
    std::ofstream(empty.path / name) << "x";
  }
  check_one_line(run("--data " + empty.path.string()), "train-images-idx3-ubyte");
  write_mnist(empty.path, 32, 0, 7);
  const std::string few = "--train-size 32 --data " + empty.path.string();
  check_one_line(run(few), "no validation images");
  write_mnist(empty.path, 32, 8, 0);
  check_one_line(run(few), "all pixels of the 32 training images are 0");
}

BOOST_AUTO_TEST_CASE(numbers_are_decimal) {
  const auto json = [](const std::string& options) {
    const Outcome outcome = run(brief + "--check off --json " + options);
    BOOST_TEST_REQUIRE(outcome.status == 0, outcome.err);
    return nlohmann::json::parse(outcome.out);
  };
  BOOST_TEST(json("--batch 010")["batch"] == 10);
  BOOST_TEST(json("--learning-rate 1e-50 --precision double")["learning_rate"] == 1e-50);
}

BOOST_AUTO_TEST_CASE(a_run_that_diverges_says_so_with_status_1) {
  const Outcome outcome =
      run(brief + "--check off --activation relu --learning-rate 1e30 --momentum 0.9");
  BOOST_TEST(outcome.status == 1, outcome.err);
  BOOST_TEST(outcome.err.find("the weights have diverged") != std::string::npos, outcome.err);
  BOOST_TEST((outcome.out + outcome.err).find("-nan") == std::string::npos, outcome.err);
}

BOOST_AUTO_TEST_CASE(threads_that_cannot_be_started_are_refused) {
#if !defined(__SANITIZE_ADDRESS__)  // whose shadow memory alone is above every limit
  const Outcome outcome = program::run(TRAIN_MNIST, brief + "--check off --threads 64", nullptr,
                                       "ulimit -v 1500000; timeout 60");
  check_one_line(outcome, "64 asked for, but only");
#endif
}

BOOST_AUTO_TEST_CASE(the_version_is_no_error) {
  const Outcome outcome = run("--version");
  BOOST_TEST(outcome.status == 0);
  BOOST_TEST(outcome.out == std::string(VERSION) + "\n");
}

BOOST_AUTO_TEST_CASE(wide_and_vanishing_networks_pass_the_cross_check) {
  const auto rows = [](const std::string& options) {
    const Outcome outcome = run("--train-size 4 --batch 4 --epochs 1 --seed 1 --json " + options);
    BOOST_TEST(outcome.status == 0, outcome.err);
    return nlohmann::json::parse(outcome.out)["cross_check"];
  };
  // Two sums of 200,001 terms differ by more than two of 785.
  const Directory directory;
  write_mnist(directory.path, 4, 1, -1, 400, 500);
  for (const auto& row : rows("--hidden 1 --data " + directory.path.string())) {
    BOOST_TEST(row["verdict"] == "pass", row.dump());
  }
  // The first layers' gradients are subnormal numbers, and zeros.
  std::string deep = "1";
  for (int i = 1; i < 450; ++i) deep += ",1";
  bool subnormal = false;
  for (const auto& row : rows("--init fan-in --hidden " + deep)) {
    BOOST_TEST(row["verdict"] == "pass", row.dump());
    subnormal = subnormal || row["note"].get<std::string>().find("all zero") != std::string::npos;
  }
  BOOST_TEST(subnormal);
}

BOOST_AUTO_TEST_CASE(output_that_cannot_be_written_is_an_error) {
  const auto status = [](const std::string& rest) {
    const int raw =
        std::system(fmt::format("env -u CHAINRULE_DATA '{}' {}", TRAIN_MNIST, rest).c_str());
    return WIFEXITED(raw) ? WEXITSTATUS(raw) : -1;
  };
  if (!fs::exists("/dev/full")) return;
  BOOST_TEST(status("--bogus 2>/dev/full") == 2);
  BOOST_TEST(status(brief + "--check off >/dev/full 2>/dev/null") == 2);
  BOOST_TEST(status(brief + "--check off --json >/dev/full 2>/dev/null") == 2);
}

BOOST_AUTO_TEST_CASE(help_is_no_error) {
  const Outcome outcome = run("--help");
  BOOST_TEST(outcome.status == 0);
  for (const char* option :
       {"--data", "--hidden", "--activation", "--init", "--bias", "--momentum", "--learning-rate",
        "--batch", "--epochs", "--patience", "--no-shuffle", "--train-size", "--seed",
        "--precision", "--threads", "--check", "--out", "--json", "--version"}) {
    BOOST_TEST(outcome.out.find(option) != std::string::npos, option);
  }
}

BOOST_AUTO_TEST_CASE(json_has_standard_output_to_itself) {
  const Outcome outcome = run(brief + "--json --seed 3");
  BOOST_TEST_REQUIRE(outcome.status == 0, outcome.err);
  const auto json = nlohmann::json::parse(outcome.out);  // one object and nothing else
  BOOST_TEST(json["seed"] == 3);
  BOOST_TEST(json["steps"] == 10);
  BOOST_TEST(json["stop_epoch"] == 1);
  BOOST_TEST(json["parameters"] == 785 * 8 + 8 * 10);
  BOOST_TEST(json["seconds"].get<double>() > 0);
  for (const char* at : {"at_stop", "at_best"}) {
    for (const char* key :
         {"train_loss", "train_accuracy", "validation_loss", "validation_accuracy"}) {
      BOOST_TEST(json[at][key].is_number(), at << "." << key);
    }
    BOOST_TEST(json[at]["validation_accuracy"].get<double>() <= 1);
  }
  BOOST_TEST(json["cross_check"].size() == 2u);
  for (const auto& row : json["cross_check"]) {
    BOOST_TEST(row["verdict"] == "pass");
    BOOST_TEST(row["witness"].is_string());
    BOOST_TEST(row["autodiff_vs_derivation"].get<double>() <= 1e-12);
    BOOST_TEST(row["autodiff_vs_numeric"].get<double>() <= 1e-8);
  }
  BOOST_TEST(json["cross_check"][1]["tensor"] == "dW2");
  BOOST_TEST(outcome.err.find("synthetic digits") != std::string::npos, outcome.err);
}

BOOST_AUTO_TEST_CASE(every_choice_runs) {
  for (const char* choice :
       {"--activation improved --init fan-in --momentum 0.9 --learning-rate 0.02",
        "--activation tanh --init fan-in --bias layer", "--activation relu --init he --no-shuffle",
        "--hidden none", "--hidden 8,8,8 --init fan-in --precision double --threads 2",
        "--check full --hidden none --train-size 64"}) {
    const Outcome outcome = run(brief + choice);
    BOOST_TEST(outcome.status == 0, choice << ": " << outcome.err << outcome.out);
    BOOST_TEST(outcome.out.find("passed in") != std::string::npos, outcome.out);
    BOOST_TEST(outcome.out.find("at the best") != std::string::npos, outcome.out);
  }
}

BOOST_AUTO_TEST_CASE(the_same_seed_gives_the_same_run) {
  const auto scores = [](const std::string& seed) {
    const auto json = nlohmann::json::parse(run(brief + "--check off --json --seed " + seed).out);
    return json["at_stop"].dump();
  };
  const std::string first = scores("5");
  BOOST_TEST(scores("5") == first);
  BOOST_TEST(scores("6") != first);
}

BOOST_AUTO_TEST_CASE(out_gets_history_run_and_curves) {
  const Directory directory;
  const fs::path out = directory.path / "a" / "b";
  const Outcome outcome = run(brief + "--check off --out " + out.string());
  BOOST_TEST_REQUIRE(outcome.status == 0, outcome.err);
  const auto json = nlohmann::json::parse(read(out / "run.json"));
  BOOST_TEST(json["steps"] == 10);
  // Steps count from 0 everywhere: in the lines, in the table, in JSON and in the history.
  BOOST_TEST(json["at_stop"]["step"] == 9);
  for (const char* line : {"\nepoch   0/1  step      0  ", "\nepoch   0/1  step      9  ",
                           "\nat the stop, step 9  "}) {
    BOOST_TEST(outcome.out.find(line) != std::string::npos, outcome.out);
  }
  BOOST_TEST(outcome.out.find("step     10 ") == std::string::npos, outcome.out);
  const std::string history = read(out / "history.csv");
  BOOST_TEST(history.substr(0, history.find_first_of("\r\n")) ==
             "step,epoch,train_loss,train_accuracy,validation_loss,validation_accuracy");
  BOOST_TEST(std::count(history.begin(), history.end(), '\n') == 7);  // steps 0, 2, ..., 8, and 9
  BOOST_TEST(history.find("\n0,0,") != std::string::npos, history);
  BOOST_TEST(history.find("\n9,") != std::string::npos, history);
  const std::string batch_loss = read(out / "batch_loss.csv");
  BOOST_TEST(std::count(batch_loss.begin(), batch_loss.end(), '\n') == 11);
  BOOST_TEST(fs::exists(out / "curves.gp"));
  const bool gnuplot = std::system("command -v gnuplot >/dev/null") == 0;
  BOOST_TEST(fs::exists(out / "curves.png") == gnuplot);
  BOOST_TEST(fs::exists(out / "curves.svg") == gnuplot);
}

BOOST_AUTO_TEST_CASE(real_mnist) {
  const char* data = std::getenv("CHAINRULE_DATA");
  if (!data || !*data) {
    fmt::print("SKIPPED: CHAINRULE_DATA is not set, so the real MNIST was not tried\n");
    return;
  }
  const Outcome outcome = run("--epochs 1 --init fan-in --json", data);
  BOOST_TEST_REQUIRE(outcome.status == 0, outcome.err);
  const auto json = nlohmann::json::parse(outcome.out);
  BOOST_TEST(json["parameters"] == 50880);
  BOOST_TEST(json["steps"] == 625);
  BOOST_TEST(json["at_stop"]["validation_accuracy"].get<double>() > 0.88);
}
