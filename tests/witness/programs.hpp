// Random programs of tensor operations: drawn, recorded with the library, printed as code, shrunk.
#pragma once

#include <functional>
#include <string>

#include "tests/support.hpp"
#include "tests/witness/interpreter.hpp"

namespace witness {

/// The name of a kind in ops.hpp.
const char* name_of(Kind kind);

/// Records one step with the library.
using Recorder = std::function<chainrule::Var<double>(
    const Step& step, std::span<const chainrule::Var<double>> inputs)>;
/// What a program means to the library: the function of ops.hpp that the kind names.
chainrule::Var<double> record_step(const Step& step,
                                   std::span<const chainrule::Var<double>> inputs);
/// Records all steps. Leaves are bound to the program's own memory.
std::vector<chainrule::Var<double>> record(chainrule::Tape<double>& tape, const Program& program,
                                           const Recorder& recorder = record_step);

/// What a program is drawn with.
struct Drawing {
  int most_steps = 40;    ///< operations; leaves are not counted
  int most_entries = 24;  ///< of all differentiated leaves together
};
/// A program whose last step is a scalar: every dangling step, weighted, goes into it. Inputs are
/// drawn so that steps are used again; values stay within 1e3 and clear of kinks and poles.
Program draw(support::Source& source, const Drawing& drawing = {});

/// The number of operations.
int operations(const Program& program);
/// How many steps use another one that is used elsewhere too.
int reused(const Program& program);

/// The program as C++ to paste into a test.
std::string to_code(const Program& program);

/// The smallest program found that still fails: steps are replaced by constants of their values, or
/// by one of their inputs, while `fails` holds.
Program shrink(Program program, const std::function<bool(const Program&)>& fails);

}  // namespace witness
