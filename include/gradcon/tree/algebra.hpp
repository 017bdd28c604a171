#pragma once

#include "gradcon/kernels/cosine.hpp"
#include "gradcon/tree/tree.hpp"

#include <algorithm>
#include <cmath>
#include <span>

// The vector-space operations on trees of tensors. Sums are accumulated in double whatever the tensors' type.
namespace gradcon {
inline namespace GRADCON_INSTRUCTION_SET {

/// A tensor's elements in memory order.
template <DenseTensor Tensor>
auto elements(Tensor& tensor) {
    return std::span(tensor.data(), static_cast<std::size_t>(tensor.size()));
}

/// <a, b> over all tensors of two trees of the same form.
template <TensorTree A, TensorTree B>
double dot(const A& a, const B& b) {
    double sum = 0;
    for_each_tensor([&](const auto& x, const auto& y) { sum += kernels::dot(elements(x), elements(y)); }, a, b);
    return sum;
}

/// The Euclidean norm of all tensors of a tree together.
template <TensorTree Tree>
double norm(const Tree& tree) {
    return std::sqrt(dot(tree, tree));
}

/// cos(a, b) of two trees taken as one long vector each: in [-1, 1], 0 if either is 0.
template <TensorTree A, TensorTree B>
double cosine(const A& a, const B& b) {
    return cosine(dot(a, b), dot(a, a), dot(b, b));
}

/// y += alpha * x
template <class T>
void axpy(double alpha, std::span<const T> x, std::span<T> y) {
    const T factor = static_cast<T>(alpha);
    for (std::size_t i = 0; i < y.size(); ++i) y[i] += factor * x[i];
}
template <TensorTree X, TensorTree Y>
void axpy(double alpha, const X& x, Y& y) {
    for_each_tensor([&](auto& to, const auto& from) { axpy(alpha, elements(from), elements(to)); }, y, x);
}

/// Every element of the tree becomes `value`.
template <TensorTree Tree>
void fill(Tree& tree, double value) {
    for_each_tensor(
        [&](auto& tensor) { std::ranges::fill(elements(tensor), static_cast<element_t<decltype(tensor)>>(value)); },
        tree);
}

/// A tree of the same form, all zero.
template <TensorTree Tree>
Tree zeros_like(const Tree& tree) {
    Tree zeros = tree;
    fill(zeros, 0);
    return zeros;
}

/// to = from, for trees of the same form but perhaps different types; allocates nothing.
template <TensorTree From, TensorTree To>
void copy(const From& from, To& to) {
    for_each_tensor(
        [](auto& b, const auto& a) {
            std::ranges::transform(elements(a), elements(b).begin(),
                                   [](auto v) { return static_cast<element_t<decltype(b)>>(v); });
        },
        to, from);
}

} // namespace GRADCON_INSTRUCTION_SET
} // namespace gradcon
