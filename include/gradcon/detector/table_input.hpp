#pragma once

#include "gradcon/core/error.hpp"
#include "gradcon/core/finite.hpp"
#include "gradcon/core/simd.hpp"
#include "gradcon/core/tensor.hpp"

#include <array>
#include <cmath>
#include <cstddef>
#include <span>
#include <string>
#include <utility>
#include <vector>

namespace gradcon {
inline namespace GRADCON_INSTRUCTION_SET {

/// How rows of numbers become what a network takes: each column less its mean, divided by its standard deviation. Of a
/// time series, `window` rows that follow one another make one sample, and the next begins `stride` rows later.
struct TableInput {
    std::vector<double> means, deviations; // of each column, deviations above 0
    std::vector<std::string> columns{};    // their names, or none
    std::size_t window = 1, stride = 1;

    /// @param rows of normal samples, one after the other, `width` numbers each; a column that never varies gets the
    /// deviation 1
    /// @throws ValueError for no rows, numbers that do not fill rows, or that are not finite
    static TableInput fit(std::span<const double> rows, std::size_t width, std::vector<std::string> columns = {},
                          std::size_t window = 1, std::size_t stride = 1) {
        if (width == 0 || rows.empty() || rows.size() % width != 0)
            throw ValueError(message("TableInput: needs rows of 1 number or more; given: ", rows.size(),
                                     " numbers for rows of ", width));
        TableInput input{std::vector<double>(width), std::vector<double>(width), std::move(columns), window, stride};
        const double count = static_cast<double>(rows.size() / width);
        for (std::size_t i = 0; i < rows.size(); ++i) {
            if (!is_finite(rows[i])) throw ValueError(message("TableInput: row ", i / width, " holds ", rows[i]));
            input.means[i % width] += rows[i] / count;
        }
        for (std::size_t i = 0; i < rows.size(); ++i)
            input.deviations[i % width] += std::pow(rows[i] - input.means[i % width], 2) / count;
        for (std::size_t k = 0; k < width; ++k) {
            double& d = input.deviations[k];
            d = std::sqrt(d);
            if (!(d > 1e-10 * std::abs(input.means[k]))) d = 1; // what is there is the rounding of the mean
        }
        input.check();
        return input;
    }

    std::size_t width() const { return means.size(); }
    /// The numbers of one sample.
    std::size_t values() const { return window * width(); }
    /// The samples in so many rows; a window that is not full is none. @pre stride > 0
    std::size_t samples(std::size_t rows) const { return rows < window ? 0 : (rows - window) / stride + 1; }

    /// @throws ValueError for lists that differ in length, or an option outside its range
    void check() const {
        bool usable = !means.empty() && means.size() == deviations.size() && window > 0 && stride > 0 &&
                      (columns.empty() || columns.size() == means.size());
        for (const double mean : means) usable = usable && is_finite(mean);
        for (const double deviation : deviations) usable = usable && is_finite(deviation) && deviation > 0;
        if (!usable)
            throw ValueError(message("TableInput: needs as many deviations, above 0, as means, all finite, a name for "
                                     "each column or none, and window and stride of 1 or more; given: ",
                                     means.size(), " means, ", deviations.size(), " deviations, ", columns.size(),
                                     " names, ", window, " and ", stride));
        element_count(std::array{window, means.size()}); // the numbers of a sample can be counted
    }
    friend bool operator==(const TableInput&, const TableInput&) = default;
};

/// One sample, `window` rows one after the other, as a network takes it.
/// @param to values() numbers  @throws ShapeError when the rows are of another length
template <class Number, class T>
void convert(std::span<const Number> rows, const TableInput& input, T* to) {
    if (rows.size() != input.values())
        throw ShapeError(message("a sample has ", input.window, " rows of ", input.width(), " numbers, ",
                                 input.values(), " in all; given: ", rows.size()));
    for (std::size_t i = 0; i < rows.size(); ++i) {
        const std::size_t k = i % input.width();
        to[i] = static_cast<T>((static_cast<double>(rows[i]) - input.means[k]) / input.deviations[k]);
    }
}

} // namespace GRADCON_INSTRUCTION_SET
} // namespace gradcon
