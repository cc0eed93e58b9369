// Verdict: what a check says.
#pragma once

#include <chainrule/autograd/storage/shape.hpp>
#include <cstdint>
#include <string>
#include <string_view>

namespace chainrule {

/// `cannot_decide` is no failure: rounding alone could be to blame, or too much lies on kinks, and
/// another witness must decide. A report converts to true unless it failed.
enum class Verdict { pass, fail, cannot_decide };

/// "pass", "FAIL", "cannot decide".
std::string_view to_string(Verdict verdict);

/// The place of an entry, by its row-major index: "(3, 17)", "(5,)", "()"; as to_string(Shape).
std::string entry_to_string(const Shape& shape, std::int64_t index);

}  // namespace chainrule
