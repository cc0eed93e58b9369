// Right networks are never rejected: many random ones, at orders 1 to 3.
#include <boost/test/unit_test.hpp>
#include <chainrule/check/boost_test.hpp>

#include "tests/check/networks.hpp"

using namespace chainrule;
using networks::V;

namespace {

V activate(std::int64_t which, V z) {
  switch (which) {
    case 0:
      return sigmoid(z);
    case 1:
      return tanh(z);
    case 2:
      return improved_sigmoid(z);
    default:
      return relu(z);
  }
}

}  // namespace

BOOST_AUTO_TEST_CASE(two_hundred_right_networks_pass) {
  for (std::uint64_t seed = 0; seed < 200; ++seed) {
    support::Source source(seed);
    std::vector<std::int64_t> widths{2 + source.below(20)};
    for (std::int64_t hidden = source.below(3); hidden >= 0; --hidden) {
      widths.push_back(1 + source.below(12));
    }
    widths.push_back(2 + source.below(9));
    const networks::Network network(source, widths, 1 + source.below(20), source.uniform(0.5, 4));
    const std::int64_t activation = source.below(4);
    networks::Recorded recorded(network, [=](V z, int) { return activate(activation, z); });
    const GradcheckReport report = gradcheck(recorded.loss, recorded.weights, {.seed = seed});
    // A dead relu layer has a gradient of exactly zero, of which a check says that it saw nothing.
    bool dead = false;
    for (const V g : gradients(recorded.loss, recorded.weights)) {
      dead =
          dead || std::all_of(g.value().begin(), g.value().end(), [](double v) { return v == 0; });
    }
    BOOST_TEST_CONTEXT("seed " << seed << "\n" << to_string(report)) {
      BOOST_TEST((!dead || activation == 3));
      BOOST_TEST(((report.verdict == Verdict::pass) != dead));
      for (const LeafReport& leaf : report.leaves) BOOST_TEST(leaf.failures + leaf.undecided == 0);
    }
  }
}

BOOST_AUTO_TEST_CASE(higher_derivatives_of_a_tanh_network_pass) {
  for (const std::uint64_t seed : {1u, 2u, 3u}) {
    support::Source source(seed);
    const networks::Network network(source, {8, 6, 5, 4}, 7, 1);
    networks::Recorded recorded(network, [](V z, int) { return tanh(z); });
    for (const int order : {2, 3}) {
      const auto report =
          gradcheck(recorded.loss, recorded.weights, {.order = order, .seed = seed});
      BOOST_TEST((report.verdict == Verdict::pass), "seed " << seed << "\n" << to_string(report));
    }
  }
}

BOOST_AUTO_TEST_CASE(the_report_does_not_depend_on_the_number_of_threads) {
  support::Source source(5);
  const networks::Network network(source, {30, 20, 10}, 9, 2);
  networks::Recorded recorded(network, [](V z, int) { return relu(z); });
  const auto text = [&](int threads, std::uint64_t seed) {
    return to_json(gradcheck(recorded.loss, recorded.weights, {.seed = seed, .threads = threads}));
  };
  BOOST_TEST(text(1, 1) == text(3, 1));
  BOOST_TEST(text(1, 1) != text(1, 2));  // another sample, other directions
}

BOOST_AUTO_TEST_CASE(the_users_tape_and_memory_are_only_read) {
  support::Source source(5);
  networks::Network network(source, {30, 20, 10}, 9, 1);
  networks::Recorded recorded(network, [](V z, int) { return tanh(z); });
  const networks::Network before = network;
  const auto state = support::state_of(recorded.tape);
  BOOST_TEST(passes(gradcheck(recorded.loss, recorded.weights, {.order = 2, .threads = 2})));
  BOOST_TEST(support::state_of(recorded.tape) == state, boost::test_tools::per_element());
  for (std::size_t l = 0; l < network.weights.size(); ++l) {
    BOOST_TEST(support::same_bits(network.weights[l], before.weights[l]));
  }
  BOOST_TEST(support::same_bits(network.x, before.x));
}

BOOST_AUTO_TEST_CASE(a_full_check_looks_at_every_entry) {
  support::Source source(5);
  const networks::Network network(source, {40, 12, 10}, 9, 1);
  networks::Recorded recorded(network, [](V z, int) { return sigmoid(z); });
  const auto report = gradcheck(recorded.loss, recorded.weights,
                                {.mode = GradcheckMode::all_entries, .threads = 2});
  BOOST_TEST((report.verdict == Verdict::pass), to_string(report));
  BOOST_TEST(report.leaves[0].checked == 480);
  BOOST_TEST(report.leaves[1].checked == 120);
  BOOST_TEST(report.leaves[0].max_entry_error < 1e-9);
}
