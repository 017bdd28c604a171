#include <gradcon/core/random.hpp>
#include <gradcon/features/feature_scaling.hpp>

#include <doctest/doctest.h>

#include <cmath>
#include <limits>
#include <vector>

namespace {

/// Rows with correlated channels, far from 0.
std::vector<float> correlated(std::size_t count, gradcon::Rng& rng) {
    std::vector<float> rows;
    for (std::size_t i = 0; i < count; ++i) {
        const double a = gradcon::standard_normal(rng), b = gradcon::standard_normal(rng),
                     c = gradcon::standard_normal(rng), d = gradcon::standard_normal(rng);
        for (const double v : {100 + 3 * a, -50 + 2 * a + b, 7 + 0.1 * c, 1.0 + a - b + 0.5 * c + d})
            rows.push_back(static_cast<float>(v));
    }
    return rows;
}

/// The mean of y_i y_j over scaled rows, with its mean taken off.
std::vector<double> covariance(const gradcon::FeatureScaling& scaling, const std::vector<float>& rows) {
    const std::size_t n = scaling.outputs(), count = rows.size() / scaling.channels();
    std::vector<double> sum(n), products(n * n);
    gradcon::AlignedVector<float> centred;
    std::vector<float> scaled(count * n);
    gradcon::FeatureScaler(scaling).apply(rows.data(), count, scaled.data(), centred);
    for (std::size_t i = 0; i < count; ++i) {
        const float* y = scaled.data() + i * n;
        for (std::size_t a = 0; a < n; ++a) {
            sum[a] += double{y[a]} / double(count);
            for (std::size_t b = 0; b < n; ++b) products[a * n + b] += double{y[a]} * double{y[b]} / double(count);
        }
    }
    for (std::size_t a = 0; a < n; ++a)
        for (std::size_t b = 0; b < n; ++b) products[a * n + b] -= sum[a] * sum[b];
    return products;
}

} // namespace

TEST_SUITE("feature scaling") {
    TEST_CASE("many locations at once are scaled as by the definition") {
        gradcon::Rng rng(2);
        for (const std::size_t channels : {1U, 7U, 33U})
            for (const std::size_t outputs : {1U, 5U, 33U, 70U})
                for (const std::size_t count : {1U, 255U, 600U}) {
                    gradcon::FeatureScaling scaling;
                    for (std::size_t i = 0; i < channels; ++i)
                        scaling.mean.push_back(static_cast<float>(gradcon::standard_normal(rng)));
                    for (std::size_t i = 0; i < channels * outputs; ++i)
                        scaling.matrix.push_back(static_cast<float>(gradcon::standard_normal(rng)));
                    std::vector<float> from(count * channels), to(count * outputs);
                    for (float& v : from) v = static_cast<float>(gradcon::standard_normal(rng));
                    gradcon::AlignedVector<float> centred;
                    gradcon::FeatureScaler(scaling).apply(from.data(), count, to.data(), centred);
                    double largest = 0; // difference, in units of the most that rounding can do
                    for (std::size_t k = 0; k < count; ++k)
                        for (std::size_t o = 0; o < outputs; ++o) {
                            double sum = 0, size = 0;
                            for (std::size_t i = 0; i < channels; ++i) {
                                const double product = double{scaling.matrix[o * channels + i]} *
                                                       (double{from[k * channels + i]} - double{scaling.mean[i]});
                                sum += product;
                                size += std::abs(product);
                            }
                            const double unit = static_cast<double>(channels + 2) * 0x1p-24 * size + 1e-30;
                            largest = std::max(largest, std::abs(double{to[k * outputs + o]} - sum) / unit);
                        }
                    CHECK(largest <= 1);
                }
    }

    TEST_CASE("standardised, each channel has variance 1; whitened, the outputs are uncorrelated too") {
        gradcon::Rng rng(1);
        const auto rows = correlated(5000, rng);
        gradcon::FeatureStatistics statistics(4);
        for (std::size_t i = 0; i < rows.size(); i += 4) statistics.add(rows.data() + i);
        const auto standardised = statistics.fit();
        const auto c = covariance(standardised, rows);
        for (std::size_t i = 0; i < 4; ++i) CHECK(c[i * 5] == doctest::Approx(1).epsilon(1e-4));
        const auto whitened = statistics.fit({.whiten = true, .shrinkage = 0});
        const auto d = covariance(whitened, rows);
        for (std::size_t i = 0; i < 4; ++i)
            for (std::size_t j = 0; j < 4; ++j) CHECK(std::abs(d[i * 4 + j] - (i == j ? 1 : 0)) < 2e-3);
        const auto reduced = statistics.fit({.whiten = true, .components = 2});
        CHECK(reduced.outputs() == 2);
        reduced.check();
    }

    TEST_CASE("eigenvectors: A v = lambda v, orthonormal, descending") {
        gradcon::Rng rng(2);
        for (const std::size_t n : {1U, 2U, 5U, 40U}) {
            std::vector<double> a(n * n);
            for (std::size_t i = 0; i < n; ++i)
                for (std::size_t j = 0; j <= i; ++j) a[i * n + j] = a[j * n + i] = gradcon::uniform(rng, -1, 1);
            const auto [values, vectors] = gradcon::kernels::eigenvectors(a, n);
            for (std::size_t k = 0; k < n; ++k) {
                if (k > 0) CHECK(values[k] <= values[k - 1]);
                for (std::size_t i = 0; i < n; ++i) {
                    double product = 0, dot = 0;
                    for (std::size_t j = 0; j < n; ++j) {
                        product += a[i * n + j] * vectors[k * n + j];
                        dot += vectors[i * n + j] * vectors[k * n + j];
                    }
                    CHECK(std::abs(product - values[k] * vectors[k * n + i]) < 1e-12 * double(n));
                    CHECK(std::abs(dot - (i == k ? 1 : 0)) < 1e-13 * double(n));
                }
            }
        }
    }

    TEST_CASE("what cannot be scaled is refused") {
        gradcon::FeatureStatistics statistics(2);
        const float same[] = {1, 2}, bad[] = {1, std::numeric_limits<float>::infinity()};
        statistics.add(same);
        CHECK_THROWS_WITH_AS(statistics.fit(), "features of 2 locations or more are needed; given: 1",
                             gradcon::ValueError);
        statistics.add(same);
        CHECK_THROWS_AS(statistics.fit(), gradcon::ValueError);
        CHECK_THROWS_AS(statistics.add(bad), gradcon::ValueError);
        CHECK_THROWS_AS(statistics.fit({.whiten = true, .shrinkage = -1}), gradcon::ValueError);
        CHECK_THROWS_AS((gradcon::FeatureScaling{{1, 2}, {1}}.check()), gradcon::ShapeError);
    }
}
