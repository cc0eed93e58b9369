// The catalogue: the mistakes that diagnose knows by name.
#pragma once

#include <span>
#include <string>
#include <string_view>

namespace chainrule {

/// A mistake that people make in a derivation. Formulas are those of a softmax classifier with
/// samples in rows: A0 = X, Zl = A(l-1) Wl + 1 bl^T, Al = f(Zl), o is the product entry by entry,
/// m the mass of each sample's targets.
struct Mistake {
  std::string_view id;     ///< "mean-missing"
  std::string_view text;   ///< one line
  std::string_view wrong;  ///< the formula with the mistake, for layer l
  std::string_view right;  ///< the formula that should stand there
  std::string_view needs;  ///< what must be handed in besides the step; empty for nothing
};

/// All of them, in the order of docs/diagnosis.md.
std::span<const Mistake> all_mistakes();
/// The mistake of that id. Throws NameError.
const Mistake& find_mistake(std::string_view id);

/// A formula with the layer's number put in for l, l-1, l+1: "dZl = dAl" at 2 is "dZ2 = dA2".
std::string at_layer(std::string_view formula, int layer);

}  // namespace chainrule
