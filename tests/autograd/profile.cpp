// The table of a plan's times: what is counted, how it is sorted, and that it adds up.
#include <fmt/format.h>
#include <chainrule/autograd/profile.hpp>
#include <chainrule/ops/ops.hpp>

#include <numeric>

#include "tests/support.hpp"

using namespace chainrule;
using namespace support;

BOOST_AUTO_TEST_CASE_TEMPLATE(every_evaluated_node_is_counted_once, T, Precisions) {
  Source source(1);
  const Tensor<T> x = source.tensor<T>({64, 300}), w = source.tensor<T>({300, 200});
  Tape<T> tape;
  const Var<T> leaf = tape.input(w), z = tanh(matmul(tape.input(x), leaf));
  const Var<T> loss = sum(z + tanh(z));
  const Var<T> g = gradients(loss, {leaf})[0];
  Plan<T> p = plan({loss, g});
  const Profile table = profile(p, 20);
  BOOST_TEST(p.runs() == 21u);
  BOOST_TEST(same_bits(p.value(g), g.value()));
  BOOST_TEST(table.runs == 20);

  std::size_t nodes = 0, steps = 0;
  double seconds = 0, share = 0;
  for (const ProfileRow& row : table.rows) {
    std::size_t expected = 0;
    for (const Node<T>& node : p.nodes()) {
      expected += node.op->name == row.operation && node.op->forward &&
                  (node.adjoint_of != no_node) == row.backward;
    }
    BOOST_TEST(row.nodes == expected);
    BOOST_TEST(row.seconds > 0);
    nodes += row.nodes;
    seconds += row.seconds;
    share += row.share;
  }
  for (const Node<T>& node : p.nodes()) steps += node.op->forward != nullptr;
  BOOST_TEST(nodes == steps);
  BOOST_TEST(std::abs(seconds - table.seconds) <= 1e-12 * table.seconds);
  BOOST_TEST(std::abs(share - 1) <= 1e-12);
  BOOST_TEST(std::is_sorted(table.rows.begin(), table.rows.end(),
                            [](const auto& a, const auto& b) { return a.seconds > b.seconds; }));
  const auto has = [&](std::string_view op, bool backward, std::size_t count) {
    return std::any_of(table.rows.begin(), table.rows.end(), [&](const ProfileRow& row) {
      return row.operation == op && row.backward == backward && row.nodes == count;
    });
  };
  BOOST_TEST(has("matmul", false, 1));
  BOOST_TEST(has("matmul", true, 1));
  BOOST_TEST(has("tanh", false, 2));
  BOOST_TEST(has("sech_squared", true, 2));
}

BOOST_AUTO_TEST_CASE(times_are_added_to_those_of_runs_before) {
  Tape<double> tape;
  const Var<double> x = tape.constant(1, {8});
  Plan<double> p = plan({exp(x)});
  std::vector<double> seconds(p.size(), 1e6);
  p.run_timed(seconds);
  for (const double s : seconds) BOOST_TEST(s >= 1e6);
  BOOST_TEST(seconds[0] == 1e6);  // a constant, which no run evaluates
}

BOOST_AUTO_TEST_CASE(the_table_as_text) {
  const Profile table{
      {{"matmul", false, 2, 3e-3, 0.75}, {"sech_squared", true, 1, 1e-3, 0.25}}, 10, 4e-3};
  BOOST_TEST(to_string(table) ==
             "operation                pass      nodes   us per run     share\n"
             "matmul                   forward       2       300.00    75.0 %\n"
             "sech_squared             backward      1       100.00    25.0 %\n"
             "total, over 10 runs                    3       400.00   100.0 %\n");
}

BOOST_AUTO_TEST_CASE(misuse_is_refused) {
  Tape<double> tape;
  Plan<double> p = plan({exp(tape.constant(1))});
  check_error<UsageError>([&] { profile(p, 0); }, "0 runs: expected at least 1");
  std::vector<double> seconds(1);
  check_error<UsageError>([&] { p.run_timed(seconds); }, "1 entries for 2 nodes");
  BOOST_TEST(p.runs() == 0u);
}
