// The flat block: order, versions, copies, names.
#include <chainrule/models/parameters.hpp>

#include <boost/test/unit_test.hpp>
#include <utility>

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
  const Parameter<double>* address = &block[0];
  Parameters<double> moved = std::move(block);
  BOOST_TEST(&moved[0] == address);
  const Parameters<double> copy = moved;
  BOOST_TEST(&copy[0] != address);
  moved.mutable_values()[0] = 8;
  BOOST_TEST(copy.values()[0] == 7);
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
  BOOST_CHECK_EXCEPTION(block.find("W2"), NameError, [](const NameError& e) {
    return std::string(e.what()) ==
           "[Parameters::find] no parameter is named 'W2'; there are: W1, b1";
  });
}
