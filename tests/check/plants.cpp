// Steps that NumPy wrote, with one mistake each (plants/make_plants.py): an independent hand. The
// library's own planted mistakes must give the same gradients, and the diagnosis must name them.
#include <boost/test/unit_test.hpp>
#include <chainrule/data/npz.hpp>
#include <chainrule/data/safetensors.hpp>
#include <chainrule/reference/mistakes.hpp>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <filesystem>
#include <fstream>
#include <map>
#include <set>
#include <sstream>

#include "tests/reference/contexts.hpp"

using namespace problems;

namespace {

namespace fs = std::filesystem;

const fs::path folder = fs::path(CHAINRULE_SOURCE_DIR) / "tests/check/plants";

struct Row {
  std::string file, model, activation, bias, options;
  int layer;
  std::set<std::string> mistakes;
};

std::vector<std::string> split(const std::string& text, char separator) {
  std::vector<std::string> parts;
  std::istringstream stream(text);
  for (std::string part; std::getline(stream, part, separator);) {
    if (!part.empty() || separator == ',') parts.push_back(part);
  }
  if (separator == ',' && text.ends_with(',')) parts.emplace_back();
  return parts;
}

std::vector<Row> read_rows() {
  std::ifstream file(folder / "plants.csv");
  std::vector<Row> rows;
  std::string line;
  std::getline(file, line);
  while (std::getline(file, line)) {
    const auto parts = split(line, ',');
    BOOST_REQUIRE(parts.size() == 7u);
    const auto mistakes = split(parts[6], ' ');
    rows.push_back({parts[0],
                    parts[1],
                    parts[2],
                    parts[3],
                    parts[4],
                    std::stoi(parts[5]),
                    {mistakes.begin(), mistakes.end()}});
  }
  return rows;
}

/// The file as a problem, and what else is in it.
struct Step {
  explicit Step(const Row& row) {
    const fs::path path = folder / row.file;
    for (const NamedTensor& tensor :
         path.extension() == ".npz" ? read_npz(path) : read_safetensors(path)) {
      single = single || std::holds_alternative<Tensor<float>>(tensor.value);
      tensors.emplace(
          tensor.name,
          std::visit([](const auto& v) { return v.template cast<double>(); }, tensor.value));
    }
    for (const std::string& width : split(row.model, '-')) {
      problem.network.widths.push_back(std::stoi(width));
    }
    const std::map<std::string, Activation> names{{"sigmoid", Activation::sigmoid},
                                                  {"improved", Activation::improved_sigmoid},
                                                  {"tanh", Activation::tanh},
                                                  {"relu", Activation::relu}};
    problem.network.activation = names.at(row.activation);
    problem.network.biases = row.bias == "layer";
    const Tensor<double>& x = tensors.at("X");
    problem.samples = x.shape()[0];
    for (std::int64_t n = 0; n < problem.samples; ++n) {
      for (std::int64_t i = 0; i < x.shape()[1]; ++i) problem.X.push_back(x(n, i));
      if (!problem.network.biases) problem.X.push_back(1);
    }
    problem.Y = values("Y");
    for (int l = 1; l <= problem.network.layers(); ++l) {
      problem.W.push_back(values(fmt::format("W{}", l)));
      if (problem.network.biases) problem.b.push_back(values(fmt::format("b{}", l)));
    }
    context.previous_dW = group("previous_dW"), context.previous_db = group("previous_db");
    context.velocity_W = group("velocity_W"), context.velocity_b = group("velocity_b");
    const auto options = split(row.options, ' ');
    if (options.size() == 2) {
      const double value = std::stod(options[1]);
      if (options[0] == "--learning-rate") context.learning_rate = value;
      if (options[0] == "--momentum") context.momentum = value;
      if (options[0] == "--weight-decay") {
        context.weight_decay = value, context.loss_has_decay = true;
      }
    }
    // a decay that nobody speaks of is found by its term, whatever the constant
    if (!context.weight_decay) context.weight_decay = 0.01;
  }
  std::vector<double> values(const std::string& name) const {
    const auto span = tensors.at(name).span();
    return {span.begin(), span.end()};
  }
  std::vector<Tensor<double>> group(const std::string& prefix) const {
    std::vector<Tensor<double>> result;
    for (int l = 1; tensors.contains(fmt::format("{}{}", prefix, l)); ++l) {
      result.push_back(tensors.at(fmt::format("{}{}", prefix, l)));
    }
    return result;
  }

  Problem<double> problem;
  Context context;
  std::map<std::string, Tensor<double>> tensors;
  bool single = false;
};

/// Whether the file's gradients are those of the plant, relative to the right ones' size too: what
/// is zero up to rounding is equal.
bool same(const Step& step, const Plant& plant, const Values<Tensor<double>>& right) {
  const auto values = planted(step.problem.network, step.problem.inputs(), plant, step.context);
  bool equal = true;
  values.for_each([&](const std::string& name, const Tensor<double>& value) {
    if (!name.starts_with("dW") && !name.starts_with("db")) return;
    const Tensor<double>& file = step.tensors.at(name);
    double difference = 0, size = 0, right_size = 0;
    equal = equal && file.shape() == value.shape();
    for (std::int64_t i = 0; i < value.size() && equal; ++i) {
      difference += std::pow(file[i] - value[i], 2), size += value[i] * value[i];
    }
    for (const double x : right.value(name)) right_size += x * x;
    const double tolerance = step.single ? 1e-4 : 1e-10;
    equal =
        equal && std::sqrt(difference) <= tolerance * std::sqrt(std::max(size, right_size / 100));
  });
  return equal;
}

}  // namespace

BOOST_AUTO_TEST_CASE(the_reference_plants_the_same) {
  std::set<std::string> seen;
  for (const Row& row : read_rows()) {
    const Step step(row);
    const Network& network = step.problem.network;
    const auto right =
        planted(network, step.problem.inputs(), std::span<const Plant>(), step.context);
    std::set<std::string> mistakes;
    for (const Plant& plant : possible_plants(network, step.context)) {
      if (same(step, plant, right)) mistakes.emplace(id(plant.mistake));
    }
    if (row.mistakes.empty()) {
      // the right gradient is also that of a mistake without effect
      mistakes.erase("mass-assumed-one"), mistakes.erase("erratum-e2");
    }
    BOOST_TEST((mistakes == row.mistakes),
               row.file << " is " << fmt::format("{}", fmt::join(mistakes, " ")) << ", expected "
                        << fmt::format("{}", fmt::join(row.mistakes, " ")));
    seen.insert(row.mistakes.begin(), row.mistakes.end());
  }
  BOOST_TEST(2 * seen.size() >= all_mistakes().size(), "only " << seen.size());
}
