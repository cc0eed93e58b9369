// The flat block: order, versions, copies, names.
#include <chainrule/models/parameters.hpp>

#include <boost/test/unit_test.hpp>
#include <utility>

#include "tests/support.hpp"

using namespace chainrule;

BOOST_AUTO_TEST_CASE(parameters_lie_one_behind_the_other) {
  Parameters<float> block({{"W1", {3, 2}}, {"b1", {2}}, {"W2", {2, 4}}});
  BOOST_TEST(block.count() == 16);
  BOOST_TEST(block[1].value().data() == block.values().data() + 6);
  BOOST_TEST(block[2].value().data() == block.values().data() + 8);
  BOOST_TEST(block[2].gradient().data() == block.gradients().data() + 8);
  BOOST_TEST(&block.find("b1") == &block[1]);
}

BOOST_AUTO_TEST_CASE(writing_raises_the_version_of_all) {
  Parameters<float> block({{"a", {2}}, {"b", {2}}});
  const auto before = block[1].version();
  block[0].mutable_value()[0] = 1;
  BOOST_TEST(block[1].version() == before + 1);
  block.mutable_values()[3] = 2;
  BOOST_TEST(block[0].version() == before + 2);
  BOOST_TEST(block[1].value()[1] == 2);
}

BOOST_AUTO_TEST_CASE(moving_keeps_addresses_and_copying_makes_new_ones) {
  Parameters<double> block({{"a", {2}}});
  block.mutable_values()[0] = 7;
  block.gradients()[1] = 3;
  const Parameter<double>* address = &block[0];
  Parameters<double> moved = std::move(block);
  BOOST_TEST(&moved[0] == address);
  const Parameters<double> copy = moved;
  BOOST_TEST(&copy[0] != address);
  moved.mutable_values()[0] = 8;
  moved.gradients()[1] = 4;
  BOOST_TEST(copy.values()[0] == 7);
  BOOST_TEST(copy.gradients()[1] == 3);
  const Parameters<float> rounded(copy);
  BOOST_TEST(rounded[0].value()[0] == 7.0f);
  BOOST_TEST(rounded[0].name() == "a");
}

BOOST_AUTO_TEST_CASE(names_are_unique_and_known) {
  BOOST_CHECK_EXCEPTION(Parameters<float>({{"W1", {2}}, {"W1", {2}}}), NameError,
                        [](const NameError& e) {
                          return std::string(e.what()) == "[Parameters] 'W1' is given twice";
                        });
  Parameters<float> block({{"W1", {2}}, {"b1", {2}}});
  support::check_error<NameError>(
      [&] { block.find("W2"); },
      "[Parameters::find] no parameter is named 'W2'; there are: W1, b1 (parameters.cpp:");
  BOOST_TEST(&std::as_const(block).find("b1") == &block[1]);
}

BOOST_AUTO_TEST_CASE(assignment_keeps_the_block_and_its_addresses) {
  const std::vector<ParameterSpec> layout{{"a", {2}}, {"b", {1}}};
  Parameters<double> block(layout), other(layout);
  std::fill_n(other.mutable_values().data(), 3, 4.0);
  std::fill_n(other.gradients().data(), 3, 5.0);
  const Parameter<double>* address = &block[0];
  const double* values = block.values().data();
  const auto version = block[0].version();
  block = other;
  BOOST_TEST(&block[0] == address);
  BOOST_TEST(block.values().data() == values);
  BOOST_TEST(block.values()[2] == 4);
  BOOST_TEST(block.gradients()[2] == 5);
  BOOST_TEST(block[0].version() > version);
  other.mutable_values()[1] = 6;
  block = std::move(other);
  BOOST_TEST(&block[0] == address);
  BOOST_TEST(block.values()[1] == 6);
  block = *&block;
  BOOST_TEST(block.values()[1] == 6);
  for (const auto& layout_b : {std::vector<ParameterSpec>{{"a", {2}}},
                               {{"a", {2}}, {"c", {1}}},
                               {{"a", {2}}, {"b", {2}}},
                               {{"a", {2}}, {"b", {1}}, {"c", {1}}}}) {
    const Parameters<double> different(layout_b);
    BOOST_TEST(!block.same_layout(different));
    BOOST_TEST(support::message_of<ShapeError>([&] { block = different; })
                   .ends_with("to a (2,), b (1,): expected equal names and shapes"));
  }
  BOOST_TEST(block.values()[1] == 6);
}

BOOST_AUTO_TEST_CASE(a_block_that_was_moved_from_is_named) {
  Parameters<double> block({{"a", {2}}});
  Parameters<double> moved = std::move(block);
  const auto refused = [](auto f) {
    BOOST_TEST(support::message_of<UsageError>(f) ==
               "[Parameters] a block of parameters that was moved from is used");
  };
  refused([&] { block.size(); });
  refused([&] { block.count(); });
  refused([&] { block[0]; });
  refused([&] { block.find("a"); });
  refused([&] { block.specs(); });
  refused([&] { block.values(); });
  refused([&] { block.mutable_values(); });
  refused([&] { block.gradients(); });
  refused([&] { Parameters<double> copy(block); });
  refused([&] { moved = block; });
  BOOST_TEST(!block.same_layout(moved));
  block = moved;
  BOOST_TEST(block.count() == 2);
  BOOST_TEST(&block[0] != &moved[0]);
}

BOOST_AUTO_TEST_CASE(more_numbers_than_can_be_addressed) {
  const std::int64_t many = INT64_MAX >> 6;
  const std::vector<ParameterSpec> specs(65, {"w", {many}});
  BOOST_TEST(support::message_of<ShapeError>([&] { Parameters<float> block(specs); })
                 .find("more numbers than can be addressed") != std::string::npos);
}
