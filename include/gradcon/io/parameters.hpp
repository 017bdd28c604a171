#pragma once

#include "gradcon/core/error.hpp"
#include "gradcon/core/finite.hpp"
#include "gradcon/core/tensor.hpp"
#include "gradcon/io/safetensors.hpp"
#include "gradcon/tree/algebra.hpp"

#include <algorithm>
#include <cstddef>
#include <cstring>
#include <numeric>
#include <span>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

// Parameter trees in safetensors files, under PyTorch's names and in PyTorch's layouts. Names: what the tree calls
// "encoder.0.weight" and "decoder.0.weight" is "down.0.weight" and "up.0.weight" in the paper's networks. Layouts: a
// weight's last two axes are its inputs and outputs here, and come first, exchanged, in PyTorch:
//     Linear [in, out] -> [out, in]      Conv2d [k, k, in, out] -> [out, in, k, k]
//     ConvTranspose2d [k, k, out, in] -> [in, out, k, k]              vectors as they are
namespace gradcon {
inline namespace GRADCON_INSTRUCTION_SET {
namespace io {

namespace detail {
/// The axes of our layout in the order of PyTorch's: the last two exchanged and in front.
inline std::vector<std::size_t> pytorch_axes(std::size_t rank) {
    std::vector<std::size_t> axes(rank);
    std::iota(axes.begin(), axes.end(), std::size_t{0});
    if (rank >= 2) {
        std::rotate(axes.begin(), axes.end() - 2, axes.end());
        std::swap(axes[0], axes[1]);
    }
    return axes;
}

template <class Tensor>
std::vector<std::size_t> pytorch_shape(const Tensor& tensor) {
    std::vector<std::size_t> shape;
    for (const std::size_t axis : pytorch_axes(rank(tensor))) shape.push_back(tensor.shape()[axis]);
    return shape;
}

/// f(offset in our layout, offset in PyTorch's) for each element.
template <class Tensor, class F>
void for_each_offset(const Tensor& tensor, F&& f) {
    const auto axes = pytorch_axes(rank(tensor));
    std::vector<std::size_t> strides(axes.size()), index(axes.size());
    std::size_t stride = 1;
    for (std::size_t axis = axes.size(); axis-- > 0; stride *= tensor.shape()[axis]) strides[axis] = stride;
    for (std::size_t theirs = 0, ours = 0; theirs < tensor.size(); ++theirs) {
        f(ours, theirs);
        for (std::size_t i = axes.size(); i-- > 0;) {
            ours += strides[axes[i]];
            if (++index[i] < tensor.shape()[axes[i]]) break;
            ours -= index[i] * strides[axes[i]];
            index[i] = 0;
        }
    }
}

template <class T>
constexpr DType dtype_of() {
    static_assert(std::is_same_v<T, float> || std::is_same_v<T, double>);
    return std::is_same_v<T, float> ? DType::f32 : DType::f64;
}
} // namespace detail

/// The file's name of a tensor: "encoder.0.weight" is "down.0.weight", "decoder.0.weight" is "up.0.weight".
inline std::string pytorch_name(std::string_view name) {
    for (const auto& [ours, theirs] :
         {std::pair<std::string_view, std::string_view>{"encoder.", "down."}, {"decoder.", "up."}})
        if (name.starts_with(ours)) return std::string(theirs).append(name.substr(ours.size()));
    return std::string(name);
}

/// `values` (in the layout of `tensor`, whose own elements are not read) as a file has them.
/// @throws ShapeError when there are not as many values as elements, ValueError for a number that is not finite:
/// from_pytorch would not take it back
template <DenseTensor Tensor, class T>
TensorToWrite to_pytorch(const std::string& name, const Tensor& tensor, std::span<const T> values) {
    if (values.size() != tensor.size())
        throw ShapeError(message("tensor ", name, " has ", tensor.size(), " elements; given: ", values.size()));
    TensorToWrite to{name, detail::dtype_of<T>(), detail::pytorch_shape(tensor),
                     std::vector<std::byte>(values.size_bytes())};
    detail::for_each_offset(tensor, [&](std::size_t ours, std::size_t theirs) {
        if (!is_finite(double{values[ours]}))
            throw ValueError(message("tensor ", name, " holds ", values[ours], " and is not saved"));
        std::memcpy(to.bytes.data() + theirs * sizeof(T), &values[ours], sizeof(T));
    });
    return to;
}

/// A plain vector as a file has it. @throws ValueError for a number that is not finite
template <class T>
TensorToWrite to_pytorch(const std::string& name, std::span<const T> values) {
    for (const T value : values)
        if (!is_finite(double{value}))
            throw ValueError(message("tensor ", name, " holds ", value, " and is not saved"));
    const auto bytes = std::as_bytes(values);
    return {name, detail::dtype_of<T>(), {values.size()}, {bytes.begin(), bytes.end()}};
}

/// A tensor of the file in our layout, as T. @param tensor gives the form that is expected
/// @throws FileError when it is missing, has another shape, is neither F32 nor F64, or a number in it is not finite
template <class T, DenseTensor Tensor>
std::vector<T> from_pytorch(const Safetensors& file, const std::string& name, const Tensor& tensor) {
    const auto shape = detail::pytorch_shape(tensor);
    if (file.at(name).shape != shape)
        throw FileError(message(file.path(), ": tensor ", name, " must have shape [", shape_string(shape),
                                "]; it has [", shape_string(file.at(name).shape), "]"));
    const auto theirs = file.values<T>(name);
    for (std::size_t i = 0; i < theirs.size(); ++i)
        if (!is_finite(double{theirs[i]}))
            throw FileError(message(file.path(), ": tensor ", name, " holds ", theirs[i], " at element ", i));
    std::vector<T> ours(theirs.size());
    detail::for_each_offset(tensor, [&](std::size_t to, std::size_t from) { ours[to] = theirs[from]; });
    return ours;
}

/// A plain vector of the file. @throws FileError when it is missing, has another rank, is neither F32 nor F64, or holds
/// a number that is not finite
template <class T>
std::vector<T> read_vector(const Safetensors& file, const std::string& name) {
    if (file.at(name).shape.size() != 1)
        throw FileError(
            message(file.path(), ": tensor ", name, " must have one dimension; it has ", file.at(name).shape.size()));
    auto values = file.values<T>(name);
    for (std::size_t i = 0; i < values.size(); ++i)
        if (!is_finite(double{values[i]}))
            throw FileError(message(file.path(), ": tensor ", name, " holds ", values[i], " at element ", i));
    return values;
}

/// Every tensor of a tree, under `prefix` + its PyTorch name.
template <TensorTree Tree>
void append_parameters(const Tree& tree, const std::string& prefix, std::vector<TensorToWrite>& tensors) {
    for_each_named_tensor(
        [&](const std::string& name, const auto& tensor) {
            tensors.push_back(to_pytorch(prefix + pytorch_name(name), tensor,
                                         std::span<const scalar_t<Tree>>(tensor.data(), tensor.size())));
        },
        tree);
}

/// Fills a tree from the tensors `prefix` + PyTorch name: weights of the authors' network, say, exported from PyTorch.
/// @param tree has the form (from model.init); it is unchanged when an error is thrown
/// @throws FileError as from_pytorch does
template <TensorTree Tree>
void read_parameters(const Safetensors& file, const std::string& prefix, Tree& tree) {
    Tree read = tree;
    for_each_named_tensor(
        [&](const std::string& name, auto& tensor) {
            const auto values = from_pytorch<scalar_t<Tree>>(file, prefix + pytorch_name(name), tensor);
            std::ranges::copy(values, tensor.data());
        },
        read);
    tree = std::move(read);
}

} // namespace io
} // namespace GRADCON_INSTRUCTION_SET
} // namespace gradcon
