// The confusion matrix: every mistake of reference/mistakes.hpp is planted, over networks of all
// kinds, and the diagnosis must name just the set of catalogue entries that give the planted
// gradient, at the layer where it first goes wrong.
//
// CHAINRULE_CONFUSION_SEEDS is the number of seeds (default 1: seed 0); with
// CHAINRULE_CONFUSION_OUT the table is written to that file. scripts/confusion.sh sets both.
#include <boost/test/unit_test.hpp>
#include <chainrule/autograd/tape.hpp>
#include <chainrule/check/diagnose.hpp>
#include <chainrule/ops/ops.hpp>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <cstdlib>
#include <fstream>
#include <map>
#include <set>

#include "tests/check/planted_step.hpp"

using namespace planted_step;

namespace {

/// What became of the plants of one mistake.
struct Row {
  int plants = 0, without_effect = 0, alone = 0, right_set = 0, right_layer = 0;
  std::map<std::string, int> named;  // how often each entry was printed
  int cases() const { return plants - without_effect; }
};

struct Matrix {
  std::map<reference::Mistake, Row> rows;
  std::vector<std::string> failures;
  int networks = 0;
};

/// One plant of each mistake: the variants take turns.
std::vector<Plant> choose(Source& source, const std::vector<Plant>& possible) {
  std::map<reference::Mistake, std::vector<Plant>> variants;
  for (const Plant& plant : possible) variants[plant.mistake].push_back(plant);
  std::vector<Plant> chosen;
  for (const auto& [mistake, group] : variants) {
    chosen.push_back(group[static_cast<std::size_t>(
        source.between(0, static_cast<std::int64_t>(group.size()) - 1))]);
  }
  return chosen;
}

void plant_all(Matrix& matrix, std::uint64_t seed, int kind, int depth, Activation activation,
               bool biases) {
  Source source(1 + seed * 1000 +
                static_cast<std::uint64_t>(kind * 100 + depth * 10 +
                                           static_cast<int>(activation) * 2 +
                                           static_cast<int>(biases)));
  const std::uint64_t turn =
      seed + static_cast<std::uint64_t>(kind + depth + static_cast<int>(activation) + biases);
  const bool mass_half = turn % 3 == 0, decay = turn % 4 == 3;
  Step step(source, draw_network(source, kind, depth, activation, biases), mass_half, decay);
  step.with_deltas = turn % 5 == 4;
  ++matrix.networks;
  const Gradient right = step.gradient(std::span<const Plant>());
  const std::vector<Plant> possible = possible_plants(step.problem.network, step.context);
  std::vector<Gradient> gradients;
  for (const Plant& plant : possible) gradients.push_back(step.gradient(plant));
  for (const Plant& plant : choose(source, possible)) {
    Row& row = matrix.rows[plant.mistake];
    ++row.plants;
    const Gradient wrong = step.gradient(plant);
    if (close(wrong, right, right, 1e-12)) {
      ++row.without_effect;
      continue;
    }
    std::set<std::string> expected, named;
    for (std::size_t i = 0; i < possible.size(); ++i) {
      if (close(gradients[i], wrong, right, 1e-9)) expected.emplace(id(possible[i].mistake));
    }
    const Diagnosis diagnosis = step.diagnose(wrong);
    for (const NamedMistake& mistake : diagnosis.mistakes) named.insert(mistake.id);
    row.alone += expected.size() == 1;
    row.right_set += named == expected;
    const int layer = first_wrong_layer(wrong, right);
    row.right_layer += diagnosis.layer == layer;
    for (const std::string& name : named) ++row.named[name];
    if (named != expected || diagnosis.layer != layer) {
      matrix.failures.push_back(
          fmt::format("seed {}, {}: {}: expected {} at layer {}, named {} at layer {} ({})", seed,
                      step.describe(), to_string(plant), fmt::join(expected, " "), layer,
                      fmt::join(named, " "), diagnosis.layer, to_string(diagnosis.verdict)));
    }
  }
}

// Not optimised and with AddressSanitizer it is 20 times slower: a quarter of the networks.
#ifdef __SANITIZE_ADDRESS__
constexpr int stride = 4;
#else
constexpr int stride = 1;
#endif

Matrix run(int seeds) {
  Matrix matrix;
  int next = 0;
  for (int seed = 0; seed < seeds; ++seed) {
    for (int depth = 1; depth <= 4; ++depth) {
      for (const Activation activation : problems::activations) {
        for (const bool biases : {false, true}) {
          // All kinds of widths by the script, one of them by turns where there is one seed.
          const int turn = (depth + static_cast<int>(activation) + biases) % 3;
          for (int kind = 0; kind < 3; ++kind) {
            if (seeds > 1 || (kind == turn && next++ % stride == 0)) {
              plant_all(matrix, static_cast<std::uint64_t>(seed), kind, depth, activation, biases);
            }
          }
        }
      }
    }
  }
  return matrix;
}

std::string table(const Matrix& matrix) {
  std::string text =
      "| planted | plants | without effect | alone | set right | layer right | named, how often |\n"
      "|---|---:|---:|---:|---:|---:|---|\n";
  for (const auto& [mistake, row] : matrix.rows) {
    std::string named;
    for (const auto& [name, count] : row.named) {
      named += fmt::format("{}{} {}", named.empty() ? "" : ", ", name, count);
    }
    text += fmt::format("| {} | {} | {} | {} | {}/{} | {}/{} | {} |\n", id(mistake), row.plants,
                        row.without_effect, row.alone, row.right_set, row.cases(), row.right_layer,
                        row.cases(), named);
  }
  return text;
}

}  // namespace

BOOST_AUTO_TEST_CASE(the_confusion_matrix_is_the_identity) {
  const char* seeds = std::getenv("CHAINRULE_CONFUSION_SEEDS");
  const Matrix matrix = run(seeds ? std::atoi(seeds) : 1);
  for (std::size_t i = 0; i < matrix.failures.size() && i < 40; ++i) {
    BOOST_ERROR(matrix.failures[i]);
  }
  int plants = 0, skipped = 0;
  for (const auto& [mistake, row] : matrix.rows) {
    plants += row.plants, skipped += row.without_effect;
    BOOST_TEST((row.right_set == row.cases() && row.right_layer == row.cases()),
               id(mistake) << ": " << row.right_set << " sets and " << row.right_layer
                           << " layers of " << row.cases());
  }
  for (const auto mistake : reference::all_mistakes()) {
    if (stride > 1) break;
    BOOST_TEST(matrix.rows.contains(mistake), id(mistake) << " was never planted");
  }
  const std::string text = fmt::format(
      "{} mistakes planted in {} networks, {} of them without effect and skipped; {} sets or "
      "layers "
      "differ.\n\n{}",
      plants, matrix.networks, skipped, matrix.failures.size(), table(matrix));
  BOOST_TEST_MESSAGE(text);
  if (const char* out = std::getenv("CHAINRULE_CONFUSION_OUT")) {
    std::ofstream file(out);
    file << text;
    BOOST_REQUIRE(file.flush().good());
  }
}
