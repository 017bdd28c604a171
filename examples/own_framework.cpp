// The reference gradient and the alignment alone, in a training framework of one's own: the policy sees views of the
// framework's gradients and copies nothing.
#include <gradcon/constraint/gradcon.hpp>

#include <cstdio>
#include <span>
#include <vector>

namespace {

/// Somebody's framework: y = decode * code, with the gradient of |y - target|^2 in memory that it manages itself.
struct Framework {
    std::vector<float> decode{0.2F, -0.1F, 0.4F}, gradient = std::vector<float>(3);

    double backward(float code, const std::vector<float>& target) {
        double loss = 0;
        for (std::size_t i = 0; i < 3; ++i) {
            const float d = decode[i] * code - target[i];
            loss += double{d} * double{d};
            gradient[i] = 2 * d * code;
        }
        return loss;
    }
    /// Its gradient along `u`, the derivative of the alignment: here the Hessian is 2 code^2.
    void add_hessian_vector_product(float code, double alpha, const std::vector<float>& u) {
        for (std::size_t i = 0; i < 3; ++i) gradient[i] += static_cast<float>(alpha) * 2 * code * code * u[i];
    }
    void step(float rate) {
        for (std::size_t i = 0; i < 3; ++i) decode[i] -= rate * gradient[i];
    }
};

} // namespace

int main() {
    Framework net;
    std::vector<float> direction(3);
    // snippet: own framework
    using Gradients = std::vector<std::span<const float>>;
    const Gradients gradients{net.gradient}; // views: they follow whatever the framework writes
    std::vector<std::span<float>> u{direction};
    gradcon::GradCon<Gradients> policy{gradients, {.alpha = 0.03, .beta = 0.12}};

    for (int step = 0; step < 20; ++step) {
        const double loss = net.backward(0.5F, {1.0F, 1.0F, 0.5F});
        gradcon::fill(u, 0);
        const double penalty = policy.add_penalty_gradient(gradients, u); // u += dL_grad/dg
        net.add_hessian_vector_product(0.5F, policy.options().alpha, direction);
        policy.update(gradients); // the total loss's gradient joins the reference
        net.step(0.1F);
        if (step % 5 == 0) std::printf("step %2d  loss %.4f  alignment %+.4f\n", step, loss, -penalty);
    }
    const double usual = policy.score(net.backward(0.5F, {1.0F, 1.0F, 0.5F}), gradients);
    const double strange = policy.score(net.backward(0.5F, {-1.0F, 0.2F, -0.5F}), gradients);
    // end of snippet
    std::printf("score of a usual sample %.4f, of a strange one %.4f\n", usual, strange);
    return usual < strange ? 0 : 1;
}
