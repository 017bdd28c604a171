// The whole of GradCon in one file, for study, with nothing but Eigen. docs/theory.md derives the formulas,
// tests/examples/test_minimal.cpp shows that the library computes the same.
#include <Eigen/Dense>

#include <cmath>
#include <cstddef>
#include <cstdio>
#include <numbers>
#include <random>
#include <utility>
#include <vector>

namespace minimal {

using Eigen::Index;
using Matrix = Eigen::MatrixXd; // of images: a column for each pixel, image after image, and a row for each channel
using Rng = std::mt19937_64;

constexpr Index kernel = 4, taps = kernel * kernel, stride = 2, padding = 1; // a layer halves or doubles images
constexpr Index side = 16, pixels = side * side;                             // of the images of this program

double uniform(Rng& rng, double low, double high) { return std::uniform_real_distribution(low, high)(rng); }

/// f(pixel, its place in a patch) for each pixel (y, x) of small images of `size` x `size` and each tap (ky, kx) of the
/// kernel there: it meets pixel 2 (y, x) - 1 + (ky, kx) of the large images.
template <class Large, class Patches, class F>
void for_each_tap(Large& large, Patches& patches, Index size, F&& f) {
    const Index channels = large.rows(), double_size = stride * size;
    for (Index small = 0; small < patches.cols(); ++small)
        for (Index tap = 0; tap < taps; ++tap) {
            const Index y = stride * (small / size % size) - padding + tap / kernel;
            const Index x = stride * (small % size) - padding + tap % kernel;
            if (y < 0 || y >= double_size || x < 0 || x >= double_size) continue;
            f(large.col((small / (size * size) * double_size + y) * double_size + x),
              patches.col(small).segment(tap * channels, channels));
        }
}

/// For each pixel of the small images a patch: a column with all that the kernel sees of the large ones ("im2col").
Matrix unfold(const Matrix& large, Index size) {
    Matrix patches = Matrix::Zero(taps * large.rows(), large.cols() / (stride * stride));
    for_each_tap(large, patches, size, [](auto pixel, auto place) { place = pixel; });
    return patches;
}

/// Its adjoint: what several patches say of a pixel is added up.
Matrix fold(const Matrix& patches, Index size) {
    Matrix large = Matrix::Zero(patches.rows() / taps, patches.cols() * stride * stride);
    for_each_tap(large, patches, size, [](auto pixel, auto place) { pixel += place; });
    return large;
}

/// A tensor that is learnt, random at first as in PyTorch; its gradient; Adam's means of the gradient and its square.
struct Parameter {
    Matrix value, gradient, mean, square;

    Parameter(Index rows, Index columns, Index fan_in, Rng& rng) : value(rows, columns) {
        const double bound = 1 / std::sqrt(static_cast<double>(fan_in));
        for (double& v : value.reshaped()) v = uniform(rng, -bound, bound);
        gradient = mean = square = Matrix::Zero(rows, columns);
    }
    /// Step number t = 1, 2, ... of Adam. The means begin at 0, for which 1 - beta^t makes up.
    void adam(int t, double rate) {
        const double beta1 = 0.9, beta2 = 0.999, epsilon = 1e-8;
        mean = beta1 * mean + (1 - beta1) * gradient;
        square = beta2 * square + (1 - beta2) * gradient.cwiseAbs2();
        const Eigen::ArrayXXd m = mean.array() / (1 - std::pow(beta1, t)),
                              v = square.array() / (1 - std::pow(beta2, t));
        value.array() -= rate * m / (v.sqrt() + epsilon);
    }
};

enum Kind { convolution, transposed };
enum Activation { relu, sigmoid };

/// y = f(a), a = W * x + b: a convolution, or a transposed one, and an activation. W * x is linear in W and in x, so it
/// has two adjoints:  <W * x, da> = <x, W' da> = <W, x (x) da>.
struct Layer {
    Kind kind;
    Activation f;
    Index size;                                // of the smaller of its two images
    Parameter weight, bias;                    // weight: small image's channels x (taps, large image's channels)
    Matrix reference, u;                       // the mean of the weight's past gradients; its tangent
    Matrix x, y, dy, da, x_dot, a_dot, da_dot; // what one pass leaves for the next

    Layer(Kind k, Activation activation, Index small_size, Index small, Index large, Rng& rng)
        : kind(k), f(activation), size(small_size), weight(small, taps * large, taps * large, rng),
          bias(k == convolution ? small : large, 1, taps * large, rng), reference(weight.gradient), u(reference) {}

    Matrix times(const Matrix& w, const Matrix& in) const { // W * x
        return kind == convolution ? Matrix(w * unfold(in, size)) : fold(w.transpose() * in, size);
    }
    Matrix adjoint(const Matrix& w, const Matrix& out) const { // W' da
        return kind == convolution ? fold(w.transpose() * out, size) : Matrix(w * unfold(out, size));
    }
    Matrix outer(const Matrix& in, const Matrix& out) const { // x (x) da
        return kind == convolution ? out * unfold(in, size).transpose() : in * unfold(out, size).transpose();
    }
    Matrix slope() const { // f'(a), by y = f(a)
        return f == relu ? Matrix((y.array() > 0).cast<double>()) : Matrix(y.array() * (1 - y.array()));
    }
    Matrix curvature() const { // f''(a)
        return f == relu ? Matrix(0 * y) : Matrix(slope().array() * (1 - 2 * y.array()));
    }

    Matrix forward(const Matrix& in) {
        x = in;
        const Matrix a = times(weight.value, x).colwise() + bias.value.col(0);
        return y = f == relu ? Matrix(a.cwiseMax(0)) : Matrix(1 / (1 + (-a.array()).exp()));
    }
    /// From dL/dy to dL/dx by the chain rule; leaves dL/dW and dL/db.
    Matrix backward(const Matrix& out) {
        dy = out;
        da = slope().cwiseProduct(dy);
        weight.gradient = outer(x, da);
        bias.gradient = da.rowwise().sum();
        return adjoint(weight.value, da);
    }
    /// The derivative of `forward` along x_dot and W_dot = u, by the product rule.
    Matrix forward_tangent(const Matrix& in) {
        x_dot = in;
        a_dot = times(weight.value, x_dot) + times(u, x);
        return slope().cwiseProduct(a_dot);
    }
    /// The derivative of `backward` along them, line by line; dL/dW and dL/db grow by alpha times theirs.
    Matrix backward_tangent(const Matrix& out, double alpha) {
        da_dot = slope().cwiseProduct(out) + curvature().cwiseProduct(a_dot).cwiseProduct(dy);
        weight.gradient += alpha * (outer(x_dot, da) + outer(x, da_dot));
        bias.gradient += alpha * da_dot.rowwise().sum();
        return adjoint(weight.value, da_dot) + adjoint(u, da);
    }
    double cosine() const { return reference.normalized().cwiseProduct(weight.gradient.normalized()).sum(); }
};

struct Losses {
    double reconstruction, alignment, total;
};
struct Score {
    double mse, gradient, score; // of one image; higher is more anomalous
    std::vector<double> cosines; // of the decoder's gradients with their references
};

/// An autoencoder under the gradient constraint of Kwon et al. (ECCV 2020).
struct GradCon {
    std::vector<Layer> encoder, decoder;
    double alpha = 0.03, beta = 0.12, learning_rate = 1e-3;
    int steps = 0;

    /// Forward to the reconstruction y, with L = |y - x|^2 / M for M pixel values, and back through the decoder from
    /// dL/dy = 2 (y - x) / M, which leaves g_i = dL/dW_i there. @return L, and dL/dz at the code z
    std::pair<double, Matrix> reconstruct(const Matrix& images) {
        Matrix y = images;
        for (Layer& layer : encoder) y = layer.forward(y);
        for (Layer& layer : decoder) y = layer.forward(y);
        Matrix d = 2 / static_cast<double>(images.size()) * (y - images);
        for (std::size_t i = decoder.size(); i-- > 0;) d = decoder[i].backward(d);
        return {(y - images).cwiseAbs2().mean(), d};
    }

    /// One step of training down J = L + alpha L_grad, L_grad = -(1/n) sum cos(r_i, g_i). The reference r_i, the mean
    /// of dJ/dW_i over all steps before, is a constant here, but g_i depends on all weights, so with H = d2L/dtheta2
    ///     dL_grad/dtheta = H u,   u_i = dL_grad/dg_i = -(1/n) (r_i/|r_i| - cos_i g_i/|g_i|) / |g_i|
    /// H u is the derivative of dL/dtheta along u: tangents through both passes give it for all weights at once. The
    /// encoder has no u, so none arise in its forward pass; its backward pass is linear and takes both terms in one.
    Losses train(const Matrix& images) {
        auto [loss, dz] = reconstruct(images);
        double alignment = 0;
        for (Layer& layer : decoder) { // in the first step the reference is 0, hence cos and u
            const Matrix &r = layer.reference, &g = layer.weight.gradient;
            const double n = static_cast<double>(decoder.size()), cos = layer.cosine();
            alignment -= cos / n;
            layer.u = 0 * g;
            if (g.norm() > 0) layer.u = (cos * g.normalized() - r.normalized()) / (n * g.norm());
        }
        Matrix tangent = 0 * dz;
        for (Layer& layer : decoder) tangent = layer.forward_tangent(tangent);
        tangent *= 2 / static_cast<double>(images.size()); // of dL/dy = 2 (y - x) / M
        for (std::size_t i = decoder.size(); i-- > 0;) tangent = decoder[i].backward_tangent(tangent, alpha);
        dz += alpha * tangent;
        for (std::size_t i = encoder.size(); i-- > 0;) dz = encoder[i].backward(dz);
        ++steps;
        for (Layer& layer : decoder) layer.reference += (layer.weight.gradient - layer.reference) / steps;
        for (auto* part : {&encoder, &decoder})
            for (Layer& layer : *part)
                for (Parameter* p : {&layer.weight, &layer.bias}) p->adam(steps, learning_rate);
        return {loss, alignment, loss + alpha * alignment};
    }

    /// mse + beta L_grad of one image, with the gradients of its own mse.
    Score score(const Matrix& image) {
        Score s{reconstruct(image).first, 0, 0, {}};
        for (const Layer& layer : decoder) {
            s.cosines.push_back(layer.cosine());
            s.gradient -= layer.cosine() / static_cast<double>(decoder.size());
        }
        s.score = s.mse + beta * s.gradient;
        return s;
    }
};

/// For images of 16 x 16 pixels and one channel: 16 -> 8 -> 4 -> 2 pixels and back.
GradCon small_detector(Rng& rng) {
    return {{{convolution, relu, 8, 8, 1, rng}, {convolution, relu, 4, 8, 8, rng}, {convolution, relu, 2, 8, 8, rng}},
            {{transposed, relu, 2, 8, 8, rng}, {transposed, relu, 4, 8, 8, rng}, {transposed, sigmoid, 8, 8, 1, rng}}};
}

/// Noisy images of stripes, which in normal ones run much the same way, in the others any other way.
Matrix stripes(Index count, bool normal, Rng& rng) {
    Matrix images(1, count * pixels);
    for (Index n = 0; n < count; ++n) {
        const double angle = normal ? uniform(rng, 0, 0.6) : uniform(rng, 0.6, std::numbers::pi);
        const double pitch = 2 * std::numbers::pi / uniform(rng, 4, 8), phase = uniform(rng, 0, 2 * std::numbers::pi);
        for (Index i = 0; i < pixels; ++i) {
            const auto x = static_cast<double>(i % side), y = static_cast<double>(i / side);
            const double wave = std::sin(pitch * (std::cos(angle) * x + std::sin(angle) * y) + phase);
            images(0, n * pixels + i) = 0.5 + 0.4 * wave + uniform(rng, -0.1, 0.1);
        }
    }
    return images;
}

/// The probability that an anomaly scores higher than a normal image.
double auroc(const std::vector<Score>& normal, const std::vector<Score>& anomalous, double Score::*by) {
    double wins = 0;
    for (const Score& a : normal)
        for (const Score& b : anomalous) wins += b.*by > a.*by ? 1 : b.*by == a.*by ? 0.5 : 0;
    return wins / static_cast<double>(normal.size() * anomalous.size());
}

} // namespace minimal

int main() {
    using namespace minimal;
    Rng rng(1);
    GradCon detector = small_detector(rng);
    for (int step = 1; step <= 800; ++step) {
        const Losses losses = detector.train(stripes(32, true, rng));
        if (step % 200 == 0)
            std::printf("step %4d  mse %.4f  alignment %+.3f\n", step, losses.reconstruction, -losses.alignment);
    }
    std::vector<Score> normal, other;
    for (int n = 0; n < 300; ++n) {
        normal.push_back(detector.score(stripes(1, true, rng)));
        other.push_back(detector.score(stripes(1, false, rng)));
    }
    std::printf("AUROC  reconstruction %.3f  gradient %.3f  GradCon %.3f\n", auroc(normal, other, &Score::mse),
                auroc(normal, other, &Score::gradient), auroc(normal, other, &Score::score));
    return 0;
}
