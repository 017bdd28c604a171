#pragma once

#include "gradcon/kernels/dense.hpp"
#include "gradcon/kernels/gemm.hpp"
#include "gradcon/nn/bilinear.hpp"
#include "gradcon/nn/init.hpp"

#include <algorithm>
#include <cstddef>
#include <span>
#include <utility>

namespace gradcon {
inline namespace GRADCON_INSTRUCTION_SET {

/// y[n, 0, 0, o] = bias[o] + sum over i of x[n, 0, 0, i] * weight[i, o]
/// x: N x 1 x 1 x in_features; y: N x 1 x 1 x out_features. Flatten makes such an x from images.
class Linear : public Bilinear<Linear> {
  public:
    template <class T>
    struct Params : WeightAndBias<T, 2> {}; // weight: in_features x out_features
    template <class T>
    using Packed = PackedWeightAndBias<T>;

    /// @throws ValueError when a feature count is 0
    Linear(std::size_t in_features, std::size_t out_features) : in_features_(in_features), out_features_(out_features) {
        if (in_features == 0 || out_features == 0)
            throw ValueError(message("Linear: in_features and out_features are 1 or more; given: ", in_features,
                                     " and ", out_features));
    }

    std::size_t in_features() const { return in_features_; }
    std::size_t out_features() const { return out_features_; }

    /// @throws ShapeError when x is no vector of in_features
    Shape output_shape(const Shape& x) const {
        if (x[1] != 1 || x[2] != 1 || x[3] != in_features_)
            throw ShapeError(message("Linear: needs N x 1 x 1 x ", in_features_,
                                     " (Flatten makes such vectors); given: ", shape_string(x)));
        return {x[0], 1, 1, out_features_};
    }

    template <class T = float>
    Params<T> init(Rng& rng) const {
        Params<T> params;
        params.weight.resize({in_features_, out_features_});
        params.bias.resize({out_features_});
        init_uniform(params, in_features_, rng);
        return params;
    }

    /// A Linear layer is a convolution of a 1 x 1 image with a 1 x 1 kernel; `scatter` holds the transposed weight.
    template <class T>
    void pack(const Params<T>& params, Packed<T>& packed) const {
        using kernels::Index;
        const Index in = static_cast<Index>(in_features_), out = static_cast<Index>(out_features_);
        packed.gather.resize(in_features_ * out_features_);
        packed.scatter.resize(in_features_ * out_features_);
        kernels::pack_dense(in, out, packed.gather.data(),
                            [&](Index i, Index o) { return params.weight.data()[i * out + o]; });
        kernels::pack_dense(out, in, packed.scatter.data(),
                            [&](Index o, Index i) { return params.weight.data()[i * out + o]; });
        packed.bias = params.bias;
    }

  private:
    friend struct Bilinear<Linear>;

    template <class T>
    using Products = std::span<const kernels::Product<T>>;

    template <class T>
    void apply(Products<T> x, const kernels::Finish<T>& finish, TensorView<T, 4> y, kernels::Scratch<T>&) const {
        kernels::dense(x, &kernels::Packed<T>::gather, finish, y);
    }
    template <class T>
    void apply_adjoint(Products<T> dy, const kernels::Finish<T>& finish, TensorView<T, 4> dx,
                       kernels::Scratch<T>&) const {
        kernels::dense(dy, &kernels::Packed<T>::scatter, finish, dx);
    }

    template <class T>
    static kernels::ImagePair<T> pair(Batch<T> x, Batch<T> dy) {
        return {x, dy};
    }
    template <class T>
    void outer_product(std::span<const kernels::ImagePair<T>> pairs, kernels::AddTo<T>& add,
                       kernels::Scratch<T>&) const {
        for (const auto& [x, dy] : pairs)
            kernels::add_transposed_product(x.data(), dy.data(), add.gradient, x.samples(), in_features_,
                                            out_features_);
    }
    /// One sample's gradient is x dy': <R, x dy'> = sum of x_i <R_i, dy> and |x dy'|^2 = |x|^2 |dy|^2.
    template <class T>
    void outer_product(std::span<const kernels::ImagePair<T>> pairs, kernels::DotWithReference<T>& sums,
                       kernels::Scratch<T>&) const {
        const auto [x, dy] = vectors(pairs);
        sums.add({dot_with_rows(sums.reference(), x, dy), kernels::dot(x, x) * kernels::dot(dy, dy)});
    }
    /// And the sum of W_io (x_i dy_o)^2 is that of x_i^2 <W_i, dy^2>.
    template <class T>
    void outer_product(std::span<const kernels::ImagePair<T>> pairs, kernels::ProfileSums<T>& sums,
                       kernels::Scratch<T>& scratch) const {
        const auto [x, dy] = vectors(pairs);
        const auto& [reference, mean, weight] = sums.summands();
        scratch.values.resize(in_features_ + out_features_);
        const auto square = [](T v) { return v * v; };
        std::ranges::transform(x, scratch.values.begin(), square);
        std::ranges::transform(dy, scratch.values.begin() + static_cast<std::ptrdiff_t>(in_features_), square);
        const std::span<const T> squares(scratch.values);
        sums.add({dot_with_rows(reference, x, dy), kernels::dot(x, x) * kernels::dot(dy, dy),
                  dot_with_rows(mean, x, dy),
                  dot_with_rows(weight, squares.first(in_features_), squares.subspan(in_features_))});
    }

    template <class T>
    std::pair<std::span<const T>, std::span<const T>> vectors(std::span<const kernels::ImagePair<T>> pairs) const {
        return {{pairs[0].large.data(), in_features_}, {pairs[0].small.data(), out_features_}};
    }
    template <class T>
    static double dot_with_rows(const T* matrix, std::span<const T> x, std::span<const T> dy) {
        double sum = 0;
        for (std::size_t i = 0; i < x.size(); ++i)
            sum += double{x[i]} * kernels::dot(std::span(matrix + i * dy.size(), dy.size()), dy);
        return sum;
    }

    std::size_t in_features_, out_features_;
};

} // namespace GRADCON_INSTRUCTION_SET
} // namespace gradcon
