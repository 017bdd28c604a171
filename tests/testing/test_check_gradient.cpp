#include "layer_checks.hpp"

#include <doctest/doctest.h>

using namespace gradcon;
using testing::check_gradient;

namespace {

/// The same with a mistake in one pass: check_gradient must notice.
struct WrongTangent : Gain {
    template <class T>
    Batch<T> backward_tangent(const Params<T>& p, const Params<T>&, Cache<T>& c, Cache<T>& c_dot, Batch<T> dy_dot,
                              Params<T>& g_dot) const {
        add_products(c_dot.x, c.dy, g_dot);
        return scaled(p, dy_dot, c_dot.dx);
    }
};
struct WrongGradient : Gain {
    template <class T>
    Batch<T> backward(const Params<T>& p, Cache<T>& c, Batch<T> dy, Params<T>& g) const {
        add_products(c.x, c.dy = dy, g);
        return scaled(p, scaled(p, dy, c.y), c.dx);
    }
};

} // namespace

TEST_SUITE("check_gradient") {
    TEST_CASE("check_gradient notices a wrong backward and a wrong tangent") {
        CHECK(!check_gradient(WrongTangent{{3}}, {2, 5, 5, 3}).passed);
        const auto wrong = check_gradient(WrongGradient{{3}}, {2, 5, 5, 3});
        CHECK(!wrong.passed);
        CHECK(wrong.backward > 1e-3);
        CHECK(wrong.message.find("backward") != std::string::npos);
    }
}
