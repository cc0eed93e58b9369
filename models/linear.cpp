#include <chainrule/models/linear.hpp>

namespace chainrule {

template <class T>
Var<T> Linear<T>::operator()(Var<T> x, SourceLocation location) const {
  Tape<T>& tape = x.tape(location);
  const Var<T> w = tape.parameter(*weights, location);
  if (!bias) return matmul(x, w, Transpose::none, location);
  return linear(x, w, tape.parameter(*bias, location), location);
}

template struct Linear<float>;
template struct Linear<double>;

}  // namespace chainrule
