#pragma once

#include "gradcon/simd.hpp"
#include "gradcon/tensor.hpp"

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

namespace gradcon::inline GRADCON_INSTRUCTION_SET::data {

/// Images as files have them, N x height x width x channels with values 0 to 255, and a class for each.
struct LabelledImages {
    Tensor<std::uint8_t, 4> images;
    std::vector<std::uint8_t> labels;
};

/// Some of the images as a model takes them, in the order of `indices`: values in [0, 1].
/// @throws ValueError for an index that no image has
template <class T>
Tensor<T, 4> select(const LabelledImages& set, std::span<const std::size_t> indices) {
    const TensorView<const std::uint8_t, 4> from(set.images);
    Tensor<T, 4> to;
    to.resize({indices.size(), from.shape(1), from.shape(2), from.shape(3)});
    T* value = to.data();
    for (const std::size_t index : indices) {
        if (index >= from.samples())
            throw ValueError(message("image ", index, " of ", from.samples(), " does not exist"));
        const std::uint8_t* pixel = from.data() + index * from.sample_size();
        for (std::size_t i = 0; i < from.sample_size(); ++i) *value++ = static_cast<T>(pixel[i]) / T{255};
    }
    return to;
}

} // namespace gradcon::inline GRADCON_INSTRUCTION_SET::data
