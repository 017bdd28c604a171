// peer_eigen N      images/s scored by plain Eigen, N at once, as one would write it: im2col and a matrix product for
//                   each layer, and each image's weight gradients stored as matrices. Scores are compared with ours.
#include "network.hpp"

#include <Eigen/Dense>

#include <cmath>
#include <cstdio>
#include <string>

namespace {

using Matrix = Eigen::Matrix<float, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor>;
using Eigen::Index;

/// A strided window between a large image of A channels and a small one of B; activations are (images * pixels) x
/// channels, weights (4 * 4 * A) x B.
struct Layer {
    Index large, a, small, b, padding;
    Matrix weight;
    Eigen::RowVectorXf bias;

    template <class F>
    void for_each_tap(Index images, F&& f) const {
        for (Index n = 0; n < images; ++n)
            for (Index oy = 0; oy < small; ++oy)
                for (Index ox = 0; ox < small; ++ox)
                    for (Index ky = 0; ky < 4; ++ky)
                        for (Index kx = 0; kx < 4; ++kx) {
                            const Index iy = 2 * oy - padding + ky, ix = 2 * ox - padding + kx;
                            if (iy >= 0 && ix >= 0 && iy < large && ix < large)
                                f((n * large + iy) * large + ix, (n * small + oy) * small + ox, (ky * 4 + kx) * a);
                        }
    }
    Matrix im2col(const Matrix& x, Index images) const {
        Matrix columns = Matrix::Zero(images * small * small, 16 * a);
        for_each_tap(images, [&](Index l, Index s, Index k) { columns.row(s).segment(k, a) = x.row(l); });
        return columns;
    }
    Matrix col2im(const Matrix& columns, Index images) const {
        Matrix x = Matrix::Zero(images * large * large, a);
        for_each_tap(images, [&](Index l, Index s, Index k) { x.row(l) += columns.row(s).segment(k, a); });
        return x;
    }
};

struct EigenScorer {
    std::vector<Layer> encoder, decoder;
    std::vector<Matrix> references;
    double beta;

    explicit EigenScorer(const Network& net) : beta(net.policy.options().beta) {
        const auto add = [](std::vector<Layer>& to, const auto& p, Index large, Index small, Index padding) {
            const auto& shape = p.weight.shape();
            Layer layer{large, static_cast<Index>(shape[2]), small, static_cast<Index>(shape[3]), padding, {}, {}};
            layer.weight = Eigen::Map<const Matrix>(p.weight.data(), 16 * layer.a, layer.b);
            layer.bias = Eigen::Map<const Eigen::RowVectorXf>(p.bias.data(), static_cast<Index>(p.bias.size()));
            to.push_back(std::move(layer));
        };
        const auto& e = net.params.encoder.layers;
        const auto& d = net.params.decoder.layers;
        add(encoder, std::get<0>(e), 28, 15, 2);
        add(encoder, std::get<2>(e), 15, 8, 2);
        add(encoder, std::get<4>(e), 8, 5, 2);
        add(encoder, std::get<6>(e), 5, 3, 2);
        add(decoder, std::get<0>(d), 4, 3, 2);
        add(decoder, std::get<2>(d), 8, 4, 1);
        add(decoder, std::get<4>(d), 14, 8, 2);
        add(decoder, std::get<6>(d), 28, 14, 1);
        for (std::size_t i = 0; i < 4; ++i) {
            const std::vector<double> values(net.policy.reference().values(i).begin(),
                                             net.policy.reference().values(i).end());
            references.push_back(Eigen::Map<const Eigen::Matrix<double, -1, -1, Eigen::RowMajor>>(
                                     values.data(), 16 * decoder[i].a, decoder[i].b)
                                     .cast<float>());
        }
    }

    void score(const float* images, Index count, double* scores) const {
        const Matrix x = Eigen::Map<const Matrix>(images, count * 28 * 28, 1);
        Matrix h = x;
        for (const Layer& layer : encoder)
            h = ((layer.im2col(h, count) * layer.weight).rowwise() + layer.bias).cwiseMax(0.0F);
        std::vector<Matrix> inputs, outputs;
        for (const Layer& layer : decoder) {
            inputs.push_back(h);
            h = layer.col2im(h * layer.weight.transpose(), count).rowwise() + layer.bias;
            if (&layer != &decoder.back()) h = h.cwiseMax(0.0F);
            else h = (1 + (-h.array()).exp()).inverse();
            outputs.push_back(h);
        }
        for (Index n = 0; n < count; ++n)
            scores[n] = static_cast<double>((h - x).middleRows(n * 784, 784).squaredNorm()) / 784;
        Matrix dy = 2.0F / 784 * (h - x).array() * h.array() * (1 - h.array());
        for (std::size_t i = 4; i-- > 0;) {
            const Layer& layer = decoder[i];
            if (i < 3) dy = (outputs[i].array() > 0).select(dy, 0);
            const Matrix columns = layer.im2col(dy, count);
            const Index positions = layer.small * layer.small;
            for (Index n = 0; n < count; ++n) {
                const Matrix gradient = columns.middleRows(n * positions, positions).transpose() *
                                        inputs[i].middleRows(n * positions, positions);
                const float cosine =
                    gradient.cwiseProduct(references[i]).sum() / (gradient.norm() * references[i].norm());
                scores[n] -= beta * static_cast<double>(cosine) / 4;
            }
            if (i > 0) dy = columns * layer.weight;
        }
    }
};

} // namespace

int main(int argc, char** argv) {
    const auto count = static_cast<Index>(argc > 1 ? std::stol(argv[1]) : 1);
    const Network net;
    const EigenScorer peer(net);
    gradcon::SerialExecutor serial;
    const auto expected = gradcon::score_each(gradcon::Scorer{net.model, net.params, net.policy}, net.images, serial);
    std::vector<double> scores(static_cast<std::size_t>(count));
    peer.score(net.images.data(), count, scores.data());
    for (std::size_t i = 0; i < scores.size(); ++i)
        if (!(std::abs(scores[i] - expected.score()[i]) < 1e-5))
            return std::fprintf(stderr, "Eigen scores %g where we score %g\n", scores[i], expected.score()[i]), 1;
    std::printf("%.6g\n",
                static_cast<double>(count) * rate([&] { peer.score(net.images.data(), count, scores.data()); }));
}
