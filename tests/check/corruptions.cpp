// What is in no catalogue gets no name: gradients with noise, permuted, multiplied by random
// numbers. CHAINRULE_ROUNDS is the number of corruptions (default 250; scripts/confusion.sh:
// 1,000).
#include <boost/test/unit_test.hpp>

#include <cstdlib>
#include <utility>

#include "tests/check/planted_step.hpp"

using namespace planted_step;

namespace {

#ifdef __SANITIZE_ADDRESS__
constexpr int default_rounds = 25;
#else
constexpr int default_rounds = 200;
#endif

/// Alters one tensor; returns what was done.
std::string corrupt(Source& source, Tensor<double>& tensor) {
  const auto any = [&] { return source.between(0, tensor.size() - 1); };
  const std::int64_t columns = tensor.shape().last(), rows = tensor.size() / columns;
  const auto swap_rows = [&](std::int64_t a, std::int64_t b) {
    for (std::int64_t j = 0; j < columns; ++j) {
      std::swap(tensor[a * columns + j], tensor[b * columns + j]);
    }
  };
  switch (source.between(0, 8)) {
    case 0: {  // relative noise of any size that is no rounding
      const double size = std::pow(10.0, source.uniform(-6, 0));
      for (double& x : tensor) x *= 1 + size * source.normal();
      return fmt::format("noise of {:.0e}", size);
    }
    case 1: {
      double sum = 0;
      for (const double x : tensor) sum += std::abs(x);
      for (double& x : tensor)
        x += 0.1 * sum / static_cast<double>(tensor.size()) * source.normal();
      return "added noise";
    }
    case 2:
      for (std::int64_t i = tensor.size(); i-- > 1;)
        std::swap(tensor[i], tensor[source.between(0, i)]);
      return "permuted entries";
    case 3:
      for (std::int64_t i = rows; i-- > 1;) swap_rows(i, source.between(0, i));
      return "permuted rows";
    case 4: {  // each column its own factor
      std::vector<double> factors;
      for (std::int64_t j = 0; j < columns; ++j) factors.push_back(source.uniform(0.2, 3));
      for (std::int64_t i = 0; i < tensor.size(); ++i) {
        tensor[i] *= factors[static_cast<std::size_t>(i % columns)];
      }
      return "random columns' factors";
    }
    case 5:
      for (double& x : tensor) x = source.normal();
      return "random numbers";
    case 6: {
      const double factor =
          source.uniform(0.05, 0.45) + 2.5 * static_cast<double>(source.between(0, 3));
      for (double& x : tensor) x *= factor;
      return fmt::format("times {}", factor);
    }
    case 7:
      for (double& x : tensor) x = std::sin(x) + x * x;
      return "sin(x) + x^2";
    default:
      tensor[any()] += source.uniform(0.1, 1);
      return "one entry";
  }
}

}  // namespace

BOOST_AUTO_TEST_CASE(a_corruption_has_no_name) {
  const char* text = std::getenv("CHAINRULE_ROUNDS");
  const int rounds = text ? std::atoi(text) : default_rounds;
  int skipped = 0;
  for (int round = 0; round < rounds; ++round) {
    Source source(3'000'000 + static_cast<std::uint64_t>(round));
    const Network network =
        draw_network(source, round % 3, 1 + round % 4, problems::activations[round / 4 % 4],
                     source.between(0, 1) == 1);
    const Step step(source, network, source.between(0, 3) == 0, source.between(0, 3) == 0);
    const Gradient right = step.gradient(std::span<const Plant>());
    Gradient wrong = right;
    std::string what;
    if (source.between(0, 2) == 0) {  // all tensors, each its own way
      for (auto& value : wrong.values) what += corrupt(source, value) + ", ";
    } else {
      const auto at = source.between(0, static_cast<std::int64_t>(wrong.values.size()) - 1);
      what = wrong.names[static_cast<std::size_t>(at)] + ": " +
             corrupt(source, wrong.values[static_cast<std::size_t>(at)]);
    }
    // what happens to be right, or a mistake of the catalogue, is no corruption
    bool known = close(wrong, right, right, 1e-9);
    for (const Plant& plant : possible_plants(network, step.context)) {
      known = known || close(wrong, step.gradient(plant), right, 1e-7);
    }
    if (known) {
      ++skipped;
      continue;
    }
    const Diagnosis diagnosis = step.diagnose(wrong);
    const std::string context =
        fmt::format("round {}, {}, {}:\n", round, step.describe(), what) + to_string(diagnosis);
    BOOST_TEST((diagnosis.verdict == DiagnosisVerdict::wrong), context);
    BOOST_TEST(diagnosis.mistakes.empty(), context);
    BOOST_TEST(diagnosis.pairs.empty(), context);
    bool entries = false;
    for (const Finding& finding : diagnosis.findings) {
      entries = entries || !finding.worst.empty();
      BOOST_TEST(finding.mistakes.empty(), context);
    }
    BOOST_TEST(entries, context);
  }
  BOOST_TEST_MESSAGE(rounds << " corruptions, " << skipped << " of them known or without effect");
  BOOST_TEST(skipped * 10 <= rounds);
}
