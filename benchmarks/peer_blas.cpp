// peer_blas N       GB/s of <a, b> and |b|^2 over two streams of N floats by two calls of BLAS.
#include "network.hpp"

#include <cblas.h>

#include <cstdio>
#include <string>

int main(int argc, char** argv) {
    const auto n = static_cast<std::size_t>(argc > 1 ? std::stol(argv[1]) : 1);
    gradcon::AlignedVector<float> a(n, 0.5F), b(n, -0.25F);
    volatile float sink = 0;
    const int size = static_cast<int>(n);
    std::printf("%.6g\n", 8e-9 * static_cast<double>(n) * rate([&] {
                              sink = cblas_sdot(size, a.data(), 1, b.data(), 1) +
                                     cblas_sdot(size, b.data(), 1, b.data(), 1);
                          }));
}
