#pragma once

#include "gradcon/core/error.hpp"
#include "gradcon/core/simd.hpp"

#include <concepts>
#include <cstddef>
#include <ranges>
#include <string>
#include <tuple>
#include <type_traits>
#include <utility>
#include <variant>
#include <vector>

// Parameters, gradients, tangents, reference gradients and Adam's moments are trees of tensors. A tree is
//   - a tensor (contiguous numbers: data(), size()),
//   - a record that lists its parts:
//         template <class Self> static auto fields(Self& s) { return std::tie(s.weight, ...); }
//   - a std::tuple, a range or a std::variant of trees.
// for_each_tensor visits all tensors of one or several trees of the same form.
namespace gradcon {
inline namespace GRADCON_INSTRUCTION_SET {

template <class T>
concept DenseTensor = requires(T& t) {
    { t.size() } -> std::convertible_to<std::size_t>;
    requires std::is_pointer_v<decltype(t.data())>;
    requires std::floating_point<std::remove_cvref_t<decltype(*t.data())>>;
};

/// The number type of a tensor.
template <class Tensor>
using element_t = std::remove_cvref_t<decltype(*std::declval<Tensor&>().data())>;

template <class T>
concept Record = requires(T& t) {
    std::remove_const_t<T>::fields(t);
};

namespace detail {
template <class T>
inline constexpr bool is_tuple = false;
template <class... Ts>
inline constexpr bool is_tuple<std::tuple<Ts...>> = true;
template <class T>
inline constexpr bool is_variant = false;
template <class... Ts>
inline constexpr bool is_variant<std::variant<Ts...>> = true;

template <class T>
constexpr bool is_tree();
template <class Tuple>
constexpr bool all_trees() {
    return []<std::size_t... I>(std::index_sequence<I...>) {
        return (is_tree<std::remove_cvref_t<std::tuple_element_t<I, Tuple>>>() && ...);
    }
    (std::make_index_sequence<std::tuple_size_v<Tuple>>{});
}
template <class... Ts>
constexpr bool all_alternatives(const std::variant<Ts...>*) {
    return (is_tree<Ts>() && ...);
}
template <class T>
constexpr bool is_tree() {
    using U = std::remove_const_t<T>;
    if constexpr (DenseTensor<T>) return true;
    else if constexpr (Record<T>) return all_trees<decltype(U::fields(std::declval<T&>()))>();
    else if constexpr (is_tuple<U>) return all_trees<U>();
    else if constexpr (is_variant<U>) return all_alternatives(static_cast<const U*>(nullptr));
    else if constexpr (std::ranges::range<T>) return is_tree<std::ranges::range_value_t<T>>();
    else return false;
}
} // namespace detail

template <class T>
concept TensorTree = detail::is_tree<std::remove_cvref_t<T>>();

namespace detail {
struct Unnamed {
    template <class Tree>
    Unnamed child(std::size_t) const {
        return {};
    }
};
struct Named {
    std::string path;
    template <class Tree>
    Named child(std::size_t i) const {
        std::string name = std::to_string(i);
        if constexpr (requires { Tree::field_names[i]; }) name = Tree::field_names[i];
        if (path.empty() || name.empty()) return {path + name}; // a part without a name adds none
        return {path + "." + name};
    }
};

/// The parts of a record or a tuple, as a tuple of references.
template <class Tree>
auto parts_of(Tree& tree) {
    if constexpr (Record<Tree>) return std::remove_const_t<Tree>::fields(tree);
    else return std::apply([](auto&... parts) { return std::tie(parts...); }, tree);
}

template <class Path, class F, class Tree, class... Trees>
void walk(const Path& path, F& f, Tree& tree, Trees&... trees) {
    using T = std::remove_const_t<Tree>;
    if constexpr (DenseTensor<Tree>) {
        if (!((trees.size() == tree.size()) && ...))
            throw ShapeError(message("two tensors at the same place of their trees differ in size: ", tree.size(),
                                     " against", (std::string{} + ... + (" " + std::to_string(trees.size())))));
        if constexpr (std::is_same_v<Path, Named>) f(path.path, tree, trees...);
        else f(tree, trees...);
    } else if constexpr (Record<Tree> || is_tuple<T>) {
        constexpr std::size_t count = std::tuple_size_v<decltype(parts_of(tree))>;
        [&]<std::size_t... I>(std::index_sequence<I...>) {
            [[maybe_unused]] const auto part = [&]<std::size_t K>(std::integral_constant<std::size_t, K>) {
                walk(path.template child<T>(K), f, std::get<K>(parts_of(tree)), std::get<K>(parts_of(trees))...);
            };
            (part(std::integral_constant<std::size_t, I>{}), ...);
        }
        (std::make_index_sequence<count>{});
    } else if constexpr (is_variant<T>) {
        if (!((tree.index() == trees.index()) && ...))
            throw ShapeError("two tensor trees hold different kinds of layers at the same place");
        [&]<std::size_t... I>(std::index_sequence<I...>) {
            const auto alternative = [&]<std::size_t K>(std::integral_constant<std::size_t, K>) {
                if (tree.index() == K) walk(path, f, std::get<K>(tree), std::get<K>(trees)...);
            };
            (alternative(std::integral_constant<std::size_t, I>{}), ...);
        }
        (std::make_index_sequence<std::variant_size_v<T>>{});
    } else {
        const std::size_t count = tree.size();
        if (!((trees.size() == count) && ...))
            throw ShapeError(message("two tensor trees differ in length: ", count, " against",
                                     (std::string{} + ... + (" " + std::to_string(trees.size())))));
        for (std::size_t i = 0; i < count; ++i) walk(path.template child<T>(i), f, tree[i], trees[i]...);
    }
}
} // namespace detail

/// f(tensor, tensors...) for every tensor of `tree` and those at the same place in `trees`, in a fixed order.
/// @throws ShapeError when the trees differ in form or in a tensor's size
template <class F, class Tree, class... Trees>
requires(TensorTree<Tree> && (TensorTree<Trees> && ...)) void for_each_tensor(F&& f, Tree&& tree, Trees&&... trees) {
    detail::walk(detail::Unnamed{}, f, tree, trees...);
}

/// f(name, tensor, tensors...): as for_each_tensor, with the path to the tensor, such as "decoder.0.weight".
template <class F, class Tree, class... Trees>
requires(TensorTree<Tree> && (TensorTree<Trees> && ...)) void for_each_named_tensor(F&& f, Tree&& tree,
                                                                                    Trees&&... trees) {
    detail::walk(detail::Named{}, f, tree, trees...);
}

namespace detail {
template <class T>
constexpr auto scalar_of() {
    if constexpr (DenseTensor<T>) return element_t<T>{};
    else if constexpr (requires { typename T::Scalar; }) return typename T::Scalar{};
    else if constexpr (Record<T> || is_tuple<T>)
        return scalar_of<std::remove_cvref_t<std::tuple_element_t<0, decltype(parts_of(std::declval<T&>()))>>>();
    else return scalar_of<std::ranges::range_value_t<T>>();
}
} // namespace detail

/// The number type of a tree's tensors: that of the first, or Scalar where a record says so.
template <class Tree>
using scalar_t = decltype(detail::scalar_of<std::remove_cvref_t<Tree>>());

/// The number of dimensions of a tensor: that of its shape(), or 1 for plain spans and vectors.
template <DenseTensor Tensor>
std::size_t rank(const Tensor& tensor) {
    if constexpr (requires { tensor.shape().size(); }) return tensor.shape().size();
    else return 1;
}

/// The number of tensors in a tree, and of all their elements.
template <TensorTree Tree>
std::size_t tensor_count(const Tree& tree) {
    std::size_t count = 0;
    for_each_tensor([&](const auto&) { ++count; }, tree);
    return count;
}
template <TensorTree Tree>
std::size_t parameter_count(const Tree& tree) {
    std::size_t count = 0;
    for_each_tensor([&](const auto& tensor) { count += tensor.size(); }, tree);
    return count;
}

} // namespace GRADCON_INSTRUCTION_SET
} // namespace gradcon
