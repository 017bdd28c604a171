// Must not compile, and must say which signature is wrong.
#include <gradcon/gradcon.hpp>

struct Halfway : gradcon::ReLU {
    template <class T>
    gradcon::Batch<T> backward_reduce(const gradcon::NoParams&, Cache<T>&, gradcon::Batch<T> dy,
                                      std::span<gradcon::kernels::Reduction<T>>, bool) const {
        return dy;
    }
};
static_assert(gradcon::check_layer<Halfway>());
