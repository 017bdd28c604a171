// A layer of one's own: a struct with Params, Cache and four passes, and the check that they agree with one another.
#include <gradcon/gradcon.hpp>
#include <gradcon/testing/check_gradient.hpp>

#include <cstdio>
#include <tuple>

// snippet: own layer
/// y = gain[channel] * x, a learnt gain for each channel. Its passes are the products of (x, gain) and their tangents.
struct ChannelGain {
    std::size_t channels;

    template <class T>
    struct Params {
        gradcon::Tensor<T, 1> gain;

        template <class Self>
        static auto fields(Self& self) {
            return std::tie(self.gain);
        }
        static constexpr std::array<const char*, 1> field_names{"gain"};
    };
    template <class T>
    struct Cache { // belongs to the caller: the layer itself stays const
        gradcon::Batch<T> x, dy;
        gradcon::Tensor<T, 4> y, dx;
    };

    gradcon::Shape output_shape(const gradcon::Shape& x) const { return x; }

    template <class T>
    Params<T> init(gradcon::Rng&) const {
        Params<T> params{gradcon::Tensor<T, 1>(std::array{channels})};
        gradcon::fill(params, 1);
        return params;
    }

    template <class T>
    gradcon::Batch<T> forward(const Params<T>& p, gradcon::Batch<T> x, Cache<T>& c) const {
        c.x = x;
        return scale(p, x, c.y);
    }
    template <class T>
    gradcon::Batch<T> backward(const Params<T>& p, Cache<T>& c, gradcon::Batch<T> dy, Params<T>& g) const {
        c.dy = dy;
        add_products(c.x, dy, g);
        return scale(p, dy, c.dx);
    }
    template <class T>
    gradcon::Batch<T> forward_tangent(const Params<T>& p, const Params<T>& p_dot, Cache<T>& c, Cache<T>& c_dot,
                                      gradcon::Batch<T> x_dot) const {
        c_dot.x = x_dot;
        return sum(scale(p, x_dot, c_dot.y), scale(p_dot, c.x, c_dot.dx), c_dot.y);
    }
    template <class T>
    gradcon::Batch<T> backward_tangent(const Params<T>& p, const Params<T>& p_dot, Cache<T>& c, Cache<T>& c_dot,
                                       gradcon::Batch<T> dy_dot, Params<T>& g_dot) const {
        add_products(c_dot.x, c.dy, g_dot);
        add_products(c.x, dy_dot, g_dot);
        return sum(scale(p, dy_dot, c_dot.dx), scale(p_dot, c.dy, c_dot.y), c_dot.dx);
    }

  private:
    template <class T>
    gradcon::Batch<T> scale(const Params<T>& p, gradcon::Batch<T> from, gradcon::Tensor<T, 4>& storage) const {
        const auto to = gradcon::reserve(storage, from.shape());
        for (std::size_t i = 0; i < from.size(); ++i) to.data()[i] = p.gain.data()[i % channels] * from.data()[i];
        return to;
    }
    template <class T>
    void add_products(gradcon::Batch<T> a, gradcon::Batch<T> b, Params<T>& g) const {
        for (std::size_t i = 0; i < a.size(); ++i) g.gain.data()[i % channels] += a.data()[i] * b.data()[i];
    }
    template <class T>
    static gradcon::Batch<T> sum(gradcon::Batch<T> a, gradcon::Batch<T> b, gradcon::Tensor<T, 4>& into) {
        for (std::size_t i = 0; i < a.size(); ++i) into.data()[i] = a.data()[i] + b.data()[i];
        return {into.data(), a.shape()};
    }
};
static_assert(gradcon::check_layer<ChannelGain>()); // names the pass that is missing, and its signature
// end of snippet

int main() {
    const auto check = gradcon::testing::check_gradient(ChannelGain{3}, {2, 5, 5, 3});
    std::printf("%s\n", check.message.c_str());
    if (!check.passed) return 1;

    // It takes its place among the others, and trains.
    const gradcon::Autoencoder model{
        gradcon::Sequential{gradcon::Conv2d{1, 8, {.kernel_size = 4, .stride = 2, .padding = 1}}, ChannelGain{8},
                            gradcon::ReLU{}},
        gradcon::Sequential{gradcon::ConvTranspose2d{8, 1, {.kernel_size = 4, .stride = 2, .padding = 1}},
                            gradcon::Sigmoid{}}};
    gradcon::Rng rng(0);
    auto params = model.init(rng);
    gradcon::GradCon policy{params.decoder, {}};
    gradcon::Adam adam{params, {}};
    gradcon::Tensor<float, 4> images(std::array<std::size_t, 4>{64, 12, 12, 1});
    for (float& pixel : images) pixel = static_cast<float>(gradcon::uniform(rng, 0.5, 1));
    const auto result = gradcon::fit(model, params, policy, adam, images, rng, {.epochs = 5});
    std::printf("trained for %zu epochs, loss %.4f\n", result.epochs, result.best.reconstruction);
}
