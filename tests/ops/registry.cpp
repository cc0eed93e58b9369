// The registry is complete, and every sample of it has the derivative that differences give: a
// wrong rule is caught here, whoever wrote it.
#include <chainrule/ops/registry.hpp>

#include <fstream>
#include <regex>
#include <set>

#include "tests/support.hpp"

using namespace chainrule;
using namespace support;

namespace {

/// Names of the functions that a header declares as `Var<T> name(`, those in namespace detail and
/// operators left out.
std::set<std::string> declared_in(const std::string& header) {
  std::ifstream file(std::string(CHAINRULE_SOURCE_DIR) + "/" + header);
  BOOST_REQUIRE(file);
  const std::regex declaration("(?:inline )?Var<\\w+> (\\w+)\\(.*");
  std::set<std::string> names;
  bool hidden = false;
  for (std::string line; std::getline(file, line);) {
    hidden = line == "namespace detail {" || (hidden && line != "}  // namespace detail");
    std::smatch match;
    if (!hidden && std::regex_match(line, match, declaration)) names.insert(match[1]);
  }
  return names;
}

/// The inputs of a sample, drawn from their intervals.
std::vector<Tensor<double>> draw(const OpSample& sample, Source& source) {
  std::vector<Tensor<double>> inputs;
  for (const SampleInput& input : sample.inputs) {
    inputs.push_back(source.tensor(input.shape, input.low, input.high));
  }
  return inputs;
}

std::vector<Var<double>> leaves_of(Tape<double>& tape, const std::vector<Tensor<double>>& inputs) {
  std::vector<Var<double>> leaves;
  for (const Tensor<double>& input : inputs) leaves.push_back(tape.input(input));
  return leaves;
}

template <class Check>
void for_each_sample(Check check) {
  Source source(21);
  for (const RegisteredOp& op : all_ops()) {
    for (std::size_t s = 0; s < op.samples.size(); ++s) {
      BOOST_TEST_CONTEXT(op.name << ", sample " << s) {
        check(op, op.samples[s], draw(op.samples[s], source), source);
      }
    }
  }
}

}  // namespace

BOOST_AUTO_TEST_CASE(the_table_is_what_the_headers_declare) {
  std::set<std::string> declared = declared_in("ops/ops.hpp");
  declared.merge(declared_in("autograd/basic_ops.hpp"));
  BOOST_TEST(declared.size() >= 30u);
  std::set<std::string> registered;
  for (const RegisteredOp& op : all_ops()) {
    BOOST_TEST(registered.insert(op.name).second, op.name << " is there twice");
    BOOST_TEST(!op.samples.empty(), op.name << " has no samples");
  }
  BOOST_TEST(registered == declared, boost::test_tools::per_element());
}

BOOST_AUTO_TEST_CASE(the_parser_finds_what_is_missing) {
  BOOST_TEST(declared_in("autograd/basic_ops.hpp") ==
                 (std::set<std::string>{"add", "broadcast_to", "sum_to"}),
             boost::test_tools::per_element());
}

BOOST_AUTO_TEST_CASE(samples_record_and_their_gradients_have_the_inputs_shapes) {
  for_each_sample([](const RegisteredOp& op, const OpSample& sample,
                     const std::vector<Tensor<double>>& inputs, Source& source) {
    Tape<double> tape;
    const auto leaves = leaves_of(tape, inputs);
    const Var<double> y = sample.record(leaves);
    for (const double v : y.value()) BOOST_TEST(std::isfinite(v));
    const Tensor<double> cotangent = source.tensor(y.shape());
    const auto g = gradients(y, leaves, tape.input(cotangent));
    for (std::size_t i = 0; i < leaves.size(); ++i) {
      BOOST_TEST((g[i].shape() == leaves[i].shape()));
      if (!op.zero_derivative) continue;
      BOOST_TEST(same_bits(g[i].value(), Tensor<double>(leaves[i].shape())));
    }
  });
}

BOOST_AUTO_TEST_CASE(first_derivatives) {
  for_each_sample([](const RegisteredOp& op, const OpSample& sample,
                     std::vector<Tensor<double>> inputs, Source& source) {
    if (op.zero_derivative) return;
    Tensor<double> cotangent;
    const auto value = [&] {
      Tape<double> tape;
      const Var<double> y = sample.record(leaves_of(tape, inputs));
      if (cotangent.shape() != y.shape()) cotangent = source.tensor(y.shape());
      return sum(y * tape.input(cotangent)).item();
    };
    value();
    Tape<double> tape;
    const auto leaves = leaves_of(tape, inputs);
    const auto g = gradients(sample.record(leaves), leaves, tape.input(cotangent));
    for (std::size_t i = 0; i < leaves.size(); ++i) {
      const Tensor<double> exact(g[i].value());
      const Tensor<double> numeric = central_differences(inputs[i], value);
      BOOST_TEST(relative_error(numeric, exact) < 1e-6);
    }
  });
}

// The derivative of <gradient, random> with respect to the inputs and to the cotangent.
BOOST_AUTO_TEST_CASE(second_derivatives) {
  for_each_sample([](const RegisteredOp& op, const OpSample& sample,
                     std::vector<Tensor<double>> inputs, Source& source) {
    if (op.zero_derivative) return;
    const Shape shape = [&] {
      Tape<double> tape;
      return sample.record(leaves_of(tape, inputs)).shape();
    }();
    inputs.push_back(source.tensor(shape));  // the cotangent is one more input
    std::vector<Tensor<double>> directions;
    for (const Tensor<double>& input : inputs) directions.push_back(source.tensor(input.shape()));
    const auto product = [&](Tape<double>& tape, const std::vector<Var<double>>& leaves) {
      const std::span<const Var<double>> x(leaves.data(), leaves.size() - 1);
      const auto g = gradients(sample.record(x), x, leaves.back());
      Var<double> result = tape.constant(0);
      for (std::size_t i = 0; i < x.size(); ++i) {
        result = result + sum(g[i] * tape.input(directions[i]));
      }
      return result;
    };
    const auto value = [&] {
      Tape<double> tape;
      return product(tape, leaves_of(tape, inputs)).item();
    };
    Tape<double> tape;
    const auto leaves = leaves_of(tape, inputs);
    const auto h = gradients(product(tape, leaves), leaves);
    for (std::size_t i = 0; i < leaves.size(); ++i) {
      const Tensor<double> exact(h[i].value());
      const Tensor<double> numeric = central_differences(inputs[i], value);
      double difference = 0, norm = 0;
      for (std::int64_t k = 0; k < exact.size(); ++k) {
        difference += std::pow(exact[k] - numeric[k], 2), norm += exact[k] * exact[k];
      }
      // Second derivatives may vanish, so here the scale is at least one.
      BOOST_TEST(std::sqrt(difference) < 1e-6 * std::max(1.0, std::sqrt(norm)));
    }
  });
}
