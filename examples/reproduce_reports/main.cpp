// Every system of the five reports by one program, and one page about what came out.
//
// Exit status: 0; 1 when a gradient test fails; 2 for bad options and bad files.
#include <fmt/format.h>

#include <chainrule/autograd/storage/blas.hpp>
#include <cstdio>

#include "../protocol/options.hpp"
#include "../protocol/output.hpp"
#include "options.hpp"
#include "report.hpp"
#include "results.hpp"
#include "runs.hpp"

using namespace chainrule;
using namespace reproduce;

namespace {

const std::string program = "reproduce_reports";

int run_main(const Options& options) {
  blas::set_threads(1);  // the experiments run side by side
  if (!options.report_only) protocol::prepare_directory(options.out, program);
  const Data data = load_data(options);
  const std::vector<System> systems = all_systems();
  if (!options.report_only) fmt::print("{}\n", header(options, data));
  std::fflush(stdout);
  const Results results = run_all(options, data, systems);
  write_results(options, data, results);
  fmt::print("{}\n", write_report(options, data, systems, results));
  for (const GradientTest& test : results.gradient_tests) {
    if (!test.gradcheck || !test.course_passed) {
      protocol::complain(program, fmt::format("the gradient test of {} failed", test.system));
      return 1;
    }
  }
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  try {
    const auto parsed = parse_options(argc, argv);
    if (const int* status = std::get_if<int>(&parsed)) return *status;
    const int status = run_main(std::get<Options>(parsed));
    if (std::fflush(stdout) != 0 || std::ferror(stdout)) {
      protocol::complain(program, "standard output cannot be written");
      return 2;
    }
    return status;
  } catch (const std::exception& error) {
    protocol::complain(program, error.what());
    return 2;
  }
}
