#include <chainrule/autograd/storage/tensor.hpp>

#include <fmt/format.h>

#include <algorithm>
#include <utility>

namespace chainrule {

template <class T>
Tensor<T>::Tensor(const Shape& shape)
    : data_(static_cast<T*>(
          detail::allocate(static_cast<std::size_t>(shape.size()) * sizeof(T)))),
      shape_(shape) {
  std::fill_n(data(), size(), T(0));
}

template <class T>
Tensor<T>::Tensor(const Shape& shape, std::span<const T> values) {
  if (static_cast<std::int64_t>(values.size()) != shape.size()) {
    throw ShapeError("Tensor", fmt::format("{} values for shape {}: expected {}", values.size(),
                                           to_string(shape), shape.size()));
  }
  *this = Tensor(shape);
  std::copy(values.begin(), values.end(), data());
}

template <class T>
Tensor<T>::Tensor(Tensor&& other) noexcept
    : data_(std::move(other.data_)), shape_(std::exchange(other.shape_, Shape{0})) {}

template <class T>
Tensor<T>& Tensor<T>::operator=(const Tensor& other) {
  if (this == &other) return *this;
  // Same size: the address stays, so that a leaf bound to this tensor stays bound.
  if (size() == other.size() && data_) {
    std::copy(other.begin(), other.end(), data());
    shape_ = other.shape_;
    return *this;
  }
  return *this = Tensor(other);
}

template <class T>
Tensor<T>& Tensor<T>::operator=(Tensor&& other) noexcept {
  data_ = std::move(other.data_);
  shape_ = std::exchange(other.shape_, Shape{0});
  return *this;
}

template <class T>
Tensor<T> Tensor<T>::filled(const Shape& shape, T value) {
  Tensor result(shape);
  std::fill_n(result.data(), result.size(), value);
  return result;
}

template <class T>
Tensor<T> Tensor<T>::reshaped(const Shape& shape) const {
  if (shape.size() != size()) {
    throw ShapeError("Tensor::reshaped", fmt::format("{} to {}: {} and {} elements",
                                                     to_string(shape_), to_string(shape), size(),
                                                     shape.size()));
  }
  return Tensor(shape, span());
}

template class Tensor<float>;
template class Tensor<double>;

}  // namespace chainrule
