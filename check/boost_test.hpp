// For tests with Boost.Test: BOOST_TEST(passes(gradcheck(f, x, w))) prints the report when it
// fails. The only header of the library that knows Boost; include Boost.Test before it.
#pragma once

#include <boost/test/tools/assertion_result.hpp>
#include <chainrule/check/compare.hpp>
#include <chainrule/check/gradcheck.hpp>

namespace chainrule {

/// True unless the report (of gradcheck or compare) failed; then it carries the printed report.
template <class Report>
boost::test_tools::assertion_result passes(const Report& report) {
  boost::test_tools::assertion_result result(static_cast<bool>(report));
  if (!result) result.message() << "\n" << to_string(report);
  return result;
}

}  // namespace chainrule
