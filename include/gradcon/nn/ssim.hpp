#pragma once

#include "gradcon/core/error.hpp"
#include "gradcon/core/tensor.hpp"
#include "gradcon/nn/loss.hpp"

#include <algorithm>
#include <cstddef>

namespace gradcon {
inline namespace GRADCON_INSTRUCTION_SET {

/// 1 - SSIM (Wang et al., 2004), the mean over images, channels and all windows of `window` x `window` pixels that lie
/// within the image. It compares structure where the mean squared error compares values. For pixel values in [0, 1].
///
/// With means over a window m(.), a = m(y), b = m(y^2), c = m(y t), var y = b - a^2 and cov = c - a m(t),
///     SSIM = (2 a m(t) + c1) (2 cov + c2) / ((a^2 + m(t)^2 + c1) (var y + var t + c2)),   c1 = 0.01^2, c2 = 0.03^2
/// so dSSIM/dy_i = (S_a + 2 y_i S_b + t_i S_c) / window^2, where S_a, S_b and S_c are SSIM's derivatives in a, b and c.
/// The tangent differentiates that once more along y_dot, by dual numbers.
/// Cost: window^2 operations a pixel. Window: 1 or more, at most the image's sides.
struct SsimLoss {
    std::size_t window = 7;

    /// sum over the block's images of (1 - SSIM of the image) * pixel values of an image, in double
    /// @throws ShapeError for images smaller than the window
    template <class T>
    double sum(Batch<T> y, Batch<T> t) const {
        double total = 0;
        for_each_window(y.shape(), [&](const Window& at) {
            const auto m = means<double>(at, y, t, y, false);
            total += weight(y.shape()) * (1 - derivatives(m).value);
        });
        return total;
    }

    /// dy  @throws ShapeError for images smaller than the window
    template <class T>
    Batch<T> gradient(Batch<T> y, Batch<T> t, std::size_t elements, Tensor<T, 4>& storage) const {
        return differentiate<double>(y, t, y, elements, storage, false);
    }

    /// dy_dot  @throws ShapeError for images smaller than the window
    template <class T>
    Batch<T> gradient_tangent(Batch<T> y, Batch<T> t, Batch<T> y_dot, std::size_t elements,
                              Tensor<T, 4>& storage) const {
        return differentiate<Dual>(y, t, y_dot, elements, storage, true);
    }

  private:
    /// A number with its derivative along y_dot.
    struct Dual {
        double value = 0, dot = 0;

        Dual() = default;
        Dual(double v, double d = 0) : value(v), dot(d) {}
        friend Dual operator+(Dual a, Dual b) { return {a.value + b.value, a.dot + b.dot}; }
        friend Dual operator-(Dual a, Dual b) { return {a.value - b.value, a.dot - b.dot}; }
        friend Dual operator*(Dual a, Dual b) { return {a.value * b.value, a.dot * b.value + a.value * b.dot}; }
        friend Dual operator/(Dual a, Dual b) {
            return {a.value / b.value, (a.dot - a.value / b.value * b.dot) / b.value};
        }
    };
    static double part(double number, bool) { return number; }
    static double part(const Dual& number, bool tangent) { return tangent ? number.dot : number.value; }
    static double number(double value, double, const double*) { return value; }
    static Dual number(double value, double dot, const Dual*) { return {value, dot}; }

    struct Window {
        std::size_t image, top, left, channel;
    };
    template <class Number>
    struct Means {
        Number a{}, b{}, c{};    // m(y), m(y^2), m(y t)
        double t = 0, t_var = 0; // m(t), var t
    };
    template <class Number>
    struct Derivatives {
        Number value, a, b, c;
    };

    /// What a window's 1 - SSIM weighs in `sum`: an image's pixel values over its windows.
    double weight(const Shape& s) const {
        return static_cast<double>(s[1] * s[2] * s[3]) /
               static_cast<double>((s[1] - window + 1) * (s[2] - window + 1) * s[3]);
    }

    template <class F>
    void for_each_window(const Shape& s, F&& f) const {
        if (window == 0 || s[1] < window || s[2] < window)
            throw ShapeError(message("SsimLoss: windows of ", window, " x ", window,
                                     " pixels need images of at least that size; given: ", s[1], " x ", s[2]));
        for (std::size_t n = 0; n < s[0]; ++n)
            for (std::size_t top = 0; top + window <= s[1]; ++top)
                for (std::size_t left = 0; left + window <= s[2]; ++left)
                    for (std::size_t c = 0; c < s[3]; ++c) f(Window{n, top, left, c});
    }
    /// f(index of the pixel value in the batch) for each pixel of the window
    template <class F>
    void for_each_pixel(const Window& at, const Shape& s, F&& f) const {
        for (std::size_t y = at.top; y < at.top + window; ++y)
            for (std::size_t x = at.left; x < at.left + window; ++x)
                f(((at.image * s[1] + y) * s[2] + x) * s[3] + at.channel);
    }

    template <class Number, class T>
    Means<Number> means(const Window& at, Batch<T> y, Batch<T> t, Batch<T> y_dot, bool tangent) const {
        Means<Number> m;
        double t_square = 0;
        const double n = static_cast<double>(window * window);
        for_each_pixel(at, y.shape(), [&](std::size_t i) {
            const double target = t.data()[i];
            const Number v = number(y.data()[i], tangent ? double{y_dot.data()[i]} : 0, static_cast<Number*>(nullptr));
            m.a = m.a + v / n;
            m.b = m.b + v * v / n;
            m.c = m.c + v * target / n;
            m.t += target / n;
            t_square += target * target / n;
        });
        m.t_var = t_square - m.t * m.t;
        return m;
    }

    template <class Number>
    static Derivatives<Number> derivatives(const Means<Number>& m) {
        constexpr double c1 = 0.01 * 0.01, c2 = 0.03 * 0.03;
        const Number a1 = 2 * m.t * m.a + c1, a2 = Number(2.0) * (m.c - m.a * m.t) + c2;
        const Number b1 = m.a * m.a + m.t * m.t + c1, b2 = m.b - m.a * m.a + m.t_var + c2;
        const Number denominator = b1 * b2, value = a1 * a2 / denominator;
        return {value,
                2 * m.t * (a2 - a1) / denominator - Number(2.0) * value * m.a * (Number(1.0) / b1 - Number(1.0) / b2),
                Number(-1.0) * value / b2, Number(2.0) * a1 / denominator};
    }

    template <class Number, class T>
    Batch<T> differentiate(Batch<T> y, Batch<T> t, Batch<T> y_dot, std::size_t elements, Tensor<T, 4>& storage,
                           bool tangent) const {
        const auto out = reserve(storage, y.shape());
        std::fill_n(out.data(), out.size(), T{0});
        const double scale = -weight(y.shape()) / static_cast<double>(elements) / static_cast<double>(window * window);
        for_each_window(y.shape(), [&](const Window& at) {
            const auto s = derivatives(means<Number>(at, y, t, y_dot, tangent));
            for_each_pixel(at, y.shape(), [&](std::size_t i) {
                const Number v =
                    number(y.data()[i], tangent ? double{y_dot.data()[i]} : 0, static_cast<Number*>(nullptr));
                const Number slope = s.a + Number(2.0) * v * s.b + Number(double{t.data()[i]}) * s.c;
                out.data()[i] += static_cast<T>(scale * part(slope, tangent));
            });
        });
        return out;
    }
};

} // namespace GRADCON_INSTRUCTION_SET
} // namespace gradcon
