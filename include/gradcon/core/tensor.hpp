#pragma once

#include "gradcon/core/instruction_set.hpp"

// The only header that includes xtensor: its headers were flat up to 0.25 and are nested in folders from 0.26 on.
#if __has_include(<xtensor/containers/xtensor.hpp>)
#include <xtensor/containers/xtensor.hpp>
#else
#include <xtensor/xtensor.hpp>
#endif

#include "gradcon/core/error.hpp"

#include <algorithm>
#include <array>
#include <cstddef>
#include <limits>
#include <new>
#include <span>
#include <string>
#include <type_traits>
#include <vector>

namespace gradcon {
inline namespace GRADCON_INSTRUCTION_SET {

/// Storage on a 64-byte boundary, so that a SIMD load of consecutive channels never straddles two cache lines.
template <class T>
struct AlignedAllocator {
    using value_type = T;

    AlignedAllocator() = default;
    template <class U>
    AlignedAllocator(const AlignedAllocator<U>&) {}

    T* allocate(std::size_t count) {
        if (count > std::numeric_limits<std::size_t>::max() / sizeof(T)) throw std::bad_array_new_length();
        return static_cast<T*>(::operator new (count * sizeof(T), std::align_val_t{64}));
    }
    void deallocate(T* pointer, std::size_t) { ::operator delete (pointer, std::align_val_t{64}); }

    friend bool operator==(const AlignedAllocator&, const AlignedAllocator&) { return true; }
};

/// Plain storage with that alignment.
template <class T>
using AlignedVector = std::vector<T, AlignedAllocator<T>>;

/// A dense row-major xtensor of N dimensions that owns its elements.
template <class T, std::size_t N>
using Tensor = xt::xtensor_container<xt::uvector<T, AlignedAllocator<T>>, N, xt::layout_type::row_major>;

/// The extents of a batch of activations: samples, height, width, channels (NHWC).
using Shape = std::array<std::size_t, 4>;

/// "2 x 28 x 28 x 1", for messages.
template <class Extents>
std::string shape_string(const Extents& shape) {
    std::string text;
    for (const auto extent : shape) text += (text.empty() ? "" : " x ") + std::to_string(extent);
    return text;
}

/// The number of elements of a shape. @throws ShapeError when the product does not fit a std::size_t.
template <class Extents>
std::size_t element_count(const Extents& shape) {
    std::size_t count = 1;
    for (const std::size_t extent : shape) {
        if (extent != 0 && count > std::numeric_limits<std::size_t>::max() / extent)
            throw ShapeError("shape " + shape_string(shape) + " has more elements than can be addressed");
        count *= extent;
    }
    return count;
}

/// A row-major tensor in memory that someone else owns: a pointer and N extents, copied freely.
template <class T, std::size_t N>
class TensorView {
  public:
    using value_type = std::remove_const_t<T>;

    TensorView() = default;
    TensorView(T* data, const std::array<std::size_t, N>& shape) : data_(data), shape_(shape) {}

    /// Views a whole Tensor, or any row-major container with N extents in shape() and elements in data().
    template <class Container>
    requires(!std::is_same_v<std::remove_cvref_t<Container>, TensorView>) && requires(Container& c) {
        { c.data() } -> std::convertible_to<T*>;
        { c.shape().size() } -> std::convertible_to<std::size_t>;
    }
    TensorView(Container&& container) : data_(container.data()) {
        if (container.shape().size() != N)
            throw ShapeError(
                message("a tensor of ", N, " dimensions is needed, this one has ", container.shape().size()));
        std::copy(container.shape().begin(), container.shape().end(), shape_.begin());
    }

    T* data() const { return data_; }
    const std::array<std::size_t, N>& shape() const { return shape_; }
    std::size_t shape(std::size_t dimension) const { return shape_[dimension]; }
    std::size_t size() const {
        std::size_t count = 1;
        for (const std::size_t extent : shape_) count *= extent;
        return count;
    }
    std::size_t samples() const { return shape_[0]; }
    std::size_t sample_size() const { return shape_[0] == 0 ? 0 : size() / shape_[0]; }

    /// `count` consecutive samples (entries of the first dimension) from `first` on. @pre first + count <= samples()
    TensorView slice(std::size_t first, std::size_t count) const {
        auto extents = shape_;
        extents[0] = count;
        return {data_ + first * sample_size(), extents};
    }

  private:
    T* data_ = nullptr;
    std::array<std::size_t, N> shape_{};
};

/// What passes from layer to layer: samples x height x width x channels, read only. A vector of F features is
/// 1 x 1 x F.
template <class T>
using Batch = TensorView<const T, 4>;

/// Room for `shape` in a tensor that is used again and again; it allocates only when a sample's shape changes or more
/// samples come than ever before. The elements are whatever was there. @return a view with exactly `shape`
template <class T>
TensorView<T, 4> reserve(Tensor<T, 4>& tensor, const Shape& shape) {
    const auto& have = tensor.shape();
    if (have[0] < shape[0] || !std::equal(shape.begin() + 1, shape.end(), have.begin() + 1)) {
        element_count(shape);
        tensor = {}; // resize would be left with the new shape and no memory, should there be none
        tensor = Tensor<T, 4>(shape);
    }
    return {tensor.data(), shape};
}

} // namespace GRADCON_INSTRUCTION_SET
} // namespace gradcon
