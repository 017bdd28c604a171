#pragma once

#include "gradcon/core/error.hpp"
#include "gradcon/tree/tree.hpp"

#include <cstddef>
#include <span>
#include <string>
#include <string_view>
#include <type_traits>
#include <vector>

// The tensors of a tree by their names.
namespace gradcon {
inline namespace GRADCON_INSTRUCTION_SET {

/// A tensor of a tree: its name, its extents and a view of its elements in row-major order. A convolution's weight is
/// kernel x kernel x channels x channels, a Linear's is in x out.
template <class T>
struct NamedTensor {
    std::string name; // such as "decoder.0.weight"
    std::vector<std::size_t> shape;
    std::span<T> values;

    std::size_t size() const { return values.size(); }
    T* data() const { return values.data(); }
    T& operator[](std::size_t i) const { return values[i]; }
};

/// All tensors of a tree with their names, in the order of for_each_tensor. The views are valid while the tree is.
template <class Tree>
requires TensorTree<Tree>
auto named_tensors(Tree& tree) {
    using T = scalar_t<Tree>;
    using Element = std::conditional_t<std::is_const_v<Tree>, const T, T>;
    std::vector<NamedTensor<Element>> found;
    for_each_named_tensor(
        [&](const std::string& name, auto& tensor) {
            std::vector<std::size_t> shape{static_cast<std::size_t>(tensor.size())};
            if constexpr (requires { tensor.shape().begin(); })
                shape.assign(tensor.shape().begin(), tensor.shape().end());
            found.push_back({name, std::move(shape), {tensor.data(), static_cast<std::size_t>(tensor.size())}});
        },
        tree);
    return found;
}

/// The tensor of that name: tensor(gradient, "decoder.0.weight").
/// @throws ValueError when there is none; it lists the names that there are
template <class Tree>
requires TensorTree<Tree>
auto tensor(Tree& tree, std::string_view name) {
    std::string names;
    for (auto& found : named_tensors(tree)) {
        if (found.name == name) return found;
        names += (names.empty() ? "" : ", ") + found.name;
    }
    throw ValueError(message("there is no tensor \"", name, "\"; there are: ", names));
}
template <class Tree>
requires(TensorTree<Tree> && !std::is_lvalue_reference_v<Tree>) void tensor(Tree&& tree,
                                                                            std::string_view name) = delete;

} // namespace GRADCON_INSTRUCTION_SET
} // namespace gradcon
