#pragma once

#include "gradcon/core/error.hpp"
#include "gradcon/core/simd.hpp"
#include "gradcon/core/tensor.hpp"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

namespace gradcon {
inline namespace GRADCON_INSTRUCTION_SET {
namespace data {

/// Images as files have them, N x height x width x channels with values 0 to 255, and a class for each.
struct LabelledImages {
    Tensor<std::uint8_t, 4> images;
    std::vector<std::uint8_t> labels;
};

/// A set as it was published: images to train on, and others to test with.
struct OfficialParts {
    LabelledImages train, test;
};

/// The images of all parts, one after the other. @throws ShapeError when parts differ in height, width or channels
inline LabelledImages concatenate(std::span<const LabelledImages> parts) {
    Shape shape{};
    for (const LabelledImages& part : parts) {
        const auto& next = part.images.shape();
        if (shape[0] != 0 && !std::equal(shape.begin() + 1, shape.end(), next.begin() + 1))
            throw ShapeError(
                message("images of one set have one size; found ", shape_string(shape), " and ", shape_string(next)));
        shape = {shape[0] + next[0], next[1], next[2], next[3]};
    }
    LabelledImages all;
    all.images.resize({shape[0], shape[1], shape[2], shape[3]});
    std::uint8_t* to = all.images.data();
    for (const LabelledImages& part : parts) {
        to = std::copy(part.images.begin(), part.images.end(), to);
        all.labels.insert(all.labels.end(), part.labels.begin(), part.labels.end());
    }
    return all;
}

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

} // namespace data
} // namespace GRADCON_INSTRUCTION_SET
} // namespace gradcon
