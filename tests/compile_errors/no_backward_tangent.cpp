// Must not compile, and must say what is missing.
#include <gradcon/gradcon.hpp>

struct Halfway : gradcon::ReLU {
    template <class T>
    void backward_tangent() const {}
};
static_assert(gradcon::check_layer<Halfway>());
