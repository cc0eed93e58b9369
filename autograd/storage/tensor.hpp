// Tensor: a value that owns dense, row-major, 64-byte-aligned numbers; TensorView: a look at some.
#pragma once

#include <chainrule/autograd/storage/memory.hpp>
#include <chainrule/autograd/storage/shape.hpp>
#include <cstddef>
#include <initializer_list>
#include <span>
#include <type_traits>
#include <vector>

namespace chainrule {

template <class T>
class Tensor;

/// A pointer and a shape: what tape and plan hand out. It owns nothing, and is valid as long as
/// what it looks at: for a tape's values until clear(), for a plan's until the next run().
template <class T>
class TensorView {
 public:
  /// Of shape (0,): no elements.
  TensorView() = default;
  /// shape.size() row-major numbers from `data` on, which the caller keeps alive.
  TensorView(T* data, const Shape& shape) : data_(data), shape_(shape) {}
  /// A view of mutable numbers is also a view of constant ones.
  template <class U>
  requires(std::is_same_v<const U, T>) TensorView(const TensorView<U>& other)
      : data_(other.data()), shape_(other.shape()) {}
  /// All of a tensor, valid until it is moved from, assigned to or destroyed.
  TensorView(const Tensor<std::remove_const_t<T>>& tensor) requires(std::is_const_v<T>);
  /// The same, for reading and writing where T is not const.
  TensorView(Tensor<std::remove_const_t<T>>& tensor);

  T* data() const { return data_; }                    ///< the first entry
  const Shape& shape() const { return shape_; }        ///< (0,) for a view of nothing
  std::int64_t size() const { return shape_.size(); }  ///< number of entries
  T* begin() const { return data_; }                   ///< the first entry
  T* end() const { return data_ + size(); }            ///< past the last entry
  /// All entries in row-major order.
  std::span<T> span() const { return {data_, static_cast<std::size_t>(size())}; }
  /// Entry by its row-major index, unchecked.
  T& operator[](std::int64_t index) const { return data_[index]; }
  /// Entry (row, column) of a rank-2 view, unchecked.
  T& operator()(std::int64_t row, std::int64_t column) const {
    return data_[row * shape_.last() + column];
  }

 private:
  T* data_ = nullptr;
  Shape shape_{0};
};

/// Dense, row-major numbers of type float or double: a value, copied and compared as such.
template <class T>
class Tensor {
  static_assert(std::is_same_v<T, float> || std::is_same_v<T, double>);

 public:
  /// Shape (0,): no elements.
  Tensor() = default;
  /// All zero.
  explicit Tensor(const Shape& shape);
  /// The given values in row-major order. Throws ShapeError when their number is not shape.size().
  Tensor(const Shape& shape, std::span<const T> values);
  /// The same for a braced list: Tensor<double>({2, 3}, {1, 2, 3, 4, 5, 6}).
  Tensor(const Shape& shape, std::initializer_list<T> values)
      : Tensor(shape, std::span<const T>(values.begin(), values.size())) {}
  /// A copy of what the view looks at.
  explicit Tensor(TensorView<const T> view) : Tensor(view.shape(), view.span()) {}
  /// A copy of the numbers.
  Tensor(const Tensor& other) : Tensor(other.shape(), other.span()) {}
  /// Takes the memory over; `other` is left with shape (0,).
  Tensor(Tensor&& other) noexcept;
  /// A copy of the numbers. A leaf bound to this tensor follows, a view of it is stale.
  Tensor& operator=(const Tensor& other);
  /// Takes the memory over; `other` is left with shape (0,).
  Tensor& operator=(Tensor&& other) noexcept;
  ~Tensor() = default;

  /// Every entry `value`.
  static Tensor filled(const Shape& shape, T value);

  T* data() { return data_.get(); }              ///< the first entry; null where there is none
  const T* data() const { return data_.get(); }  ///< the first entry; null where there is none
  const Shape& shape() const { return shape_; }  ///< of rank 0 to 4
  std::int64_t size() const { return shape_.size(); }  ///< number of entries
  T* begin() { return data(); }                        ///< the first entry
  T* end() { return data() + size(); }                 ///< past the last entry
  const T* begin() const { return data(); }            ///< the first entry
  const T* end() const { return data() + size(); }     ///< past the last entry
  /// All entries in row-major order.
  std::span<T> span() { return {data(), static_cast<std::size_t>(size())}; }
  /// All entries in row-major order.
  std::span<const T> span() const { return {data(), static_cast<std::size_t>(size())}; }
  /// Entry by its row-major index, unchecked.
  T& operator[](std::int64_t index) { return data_[static_cast<std::size_t>(index)]; }
  /// Entry by its row-major index, unchecked.
  const T& operator[](std::int64_t index) const { return data_[static_cast<std::size_t>(index)]; }
  /// Entry (row, column) of a rank-2 tensor, unchecked.
  T& operator()(std::int64_t row, std::int64_t column) {
    return data()[row * shape_.last() + column];
  }
  /// Entry (row, column) of a rank-2 tensor, unchecked.
  const T& operator()(std::int64_t row, std::int64_t column) const {
    return data()[row * shape_.last() + column];
  }
  /// A look at all of it, for writing too.
  TensorView<T> view() { return {data(), shape_}; }
  /// A look at all of it.
  TensorView<const T> view() const { return {data(), shape_}; }
  /// The same numbers under another shape of the same size. Throws ShapeError otherwise.
  Tensor reshaped(const Shape& shape) const;
  /// The same numbers, rounded to U.
  template <class U>
  Tensor<U> cast() const {
    Tensor<U> result(shape_);
    for (std::int64_t i = 0; i < size(); ++i) result[i] = static_cast<U>((*this)[i]);
    return result;
  }

 private:
  detail::Buffer<T> data_;
  Shape shape_{0};
};

template <class T>
TensorView<T>::TensorView(const Tensor<std::remove_const_t<T>>& tensor) requires(std::is_const_v<T>)
    : data_(tensor.data()), shape_(tensor.shape()) {}
template <class T>
TensorView<T>::TensorView(Tensor<std::remove_const_t<T>>& tensor)
    : data_(tensor.data()), shape_(tensor.shape()) {}

/// The numbers as NumPy prints them, with four digits after the point: nested brackets, aligned
/// columns, exponents where the numbers differ widely, `...` for all but three at either end of an
/// axis where there are more than 1000. "0.5" for rank 0, "[]" where there are none.
template <class T>
std::string to_string(TensorView<T> view);
/// The same for a tensor.
template <class T>
std::string to_string(const Tensor<T>& tensor) {
  return to_string(tensor.view());
}
/// Writes to_string(view).
template <class T>
std::ostream& operator<<(std::ostream& out, TensorView<T> view);
/// Writes to_string(tensor).
template <class T>
std::ostream& operator<<(std::ostream& out, const Tensor<T>& tensor) {
  return operator<<(out, tensor.view());
}

extern template class Tensor<float>;
extern template class Tensor<double>;

}  // namespace chainrule
