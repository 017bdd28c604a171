// The convolution kernels are the larger part of what a program compiles: here once for each program
// (kernels_once.cpp), not once for each of its files.
#pragma once

#include <gradcon/gradcon.hpp>

// NOLINTNEXTLINE(cppcoreguidelines-macro-usage): a template is declared and defined by the same list
#define GRADCON_TESTS_KERNELS(INSTANTIATE, T)                                                                          \
    INSTANTIATE void gradcon::kernels::gather<T>(                                                                      \
        const gradcon::kernels::Window&, std::span<const gradcon::kernels::Product<T>>,                                \
        const gradcon::kernels::Finish<T>&, gradcon::TensorView<T, 4>, gradcon::AlignedVector<T>&);                    \
    INSTANTIATE void gradcon::kernels::scatter<T>(                                                                     \
        const gradcon::kernels::Window&, std::span<const gradcon::kernels::Product<T>>,                                \
        const gradcon::kernels::Finish<T>&, gradcon::TensorView<T, 4>, gradcon::AlignedVector<T>&);                    \
    INSTANTIATE void gradcon::kernels::outer_product<T>(const gradcon::kernels::Window&,                               \
                                                        std::span<const gradcon::kernels::ImagePair<T>>,               \
                                                        gradcon::kernels::AddTo<T>&, gradcon::kernels::Scratch<T>&);   \
    INSTANTIATE void gradcon::kernels::outer_product<T>(                                                               \
        const gradcon::kernels::Window&, std::span<const gradcon::kernels::ImagePair<T>>,                              \
        gradcon::kernels::DotWithReference<T>&, gradcon::kernels::Scratch<T>&);                                        \
    INSTANTIATE void gradcon::kernels::outer_product<T>(                                                               \
        const gradcon::kernels::Window&, std::span<const gradcon::kernels::ImagePair<T>>,                              \
        gradcon::kernels::ProfileSums<T>&, gradcon::kernels::Scratch<T>&);                                             \
    INSTANTIATE void gradcon::kernels::dense<T>(std::span<const gradcon::kernels::Product<T>>,                         \
                                                gradcon::AlignedVector<T> gradcon::kernels::Packed<T>::*,              \
                                                const gradcon::kernels::Finish<T>&, gradcon::TensorView<T, 4>);

GRADCON_TESTS_KERNELS(extern template, float)
GRADCON_TESTS_KERNELS(extern template, double)
