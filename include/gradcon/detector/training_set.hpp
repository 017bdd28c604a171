#pragma once

#include "gradcon/core/error.hpp"
#include "gradcon/core/random.hpp"
#include "gradcon/core/tensor.hpp"
#include "gradcon/detector/trained_model.hpp"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <numeric>
#include <span>
#include <string>
#include <utility>
#include <vector>

// Normal samples as a network takes them, and their three parts: to train, to choose with, to calibrate with.
namespace gradcon {
inline namespace GRADCON_INSTRUCTION_SET {

/// The indices of the samples in each part. Calibration needs samples that nothing was fitted to.
struct Split {
    std::vector<std::size_t> training, validation, calibration;
};

/// Splits N samples: 70 % train, 15 % choose the best epoch and fit the score rule, 15 % calibrate.
/// @param in_order keeps the samples in order instead of shuffling them. Windows of a time series need that: neighbours
/// share rows, so a random split would calibrate with rows that were trained on.
/// @param rng used unless in_order
inline Split split_samples(std::size_t samples, bool in_order, Rng& rng) {
    std::vector<std::size_t> order(samples);
    std::iota(order.begin(), order.end(), std::size_t{0});
    if (!in_order) shuffle(std::span(order), rng);
    const auto at = [&](std::size_t percent) {
        return order.begin() + static_cast<std::ptrdiff_t>(samples * percent / 100);
    };
    return {{at(0), at(70)}, {at(70), at(85)}, {at(85), at(100)}};
}

/// What `learn` learns from: each part is a tensor N x height x width x channels (of a table N x 1 x 1 x values).
/// Without samples to calibrate with, the detector is not calibrated.
template <class T = float>
struct TrainingSet {
    Input input;
    Tensor<T, 4> training, validation, calibration;

    /// The shape of one sample, 1 x height x width x channels.
    Shape shape() const { return sample_shape(input); }
};

/// The fewest samples that can be split and learned from.
inline constexpr std::size_t fewest_samples = 20;

namespace detail {
inline void check_sample_count(std::size_t samples) {
    if (samples < fewest_samples)
        throw ValueError(message("training needs ", fewest_samples, " normal samples or more; there are ", samples));
}

/// @param write writes sample i to a pointer
template <class T, class Write>
Tensor<T, 4> gather(std::span<const std::size_t> indices, const Shape& shape, Write&& write) {
    Tensor<T, 4> samples;
    samples.resize({indices.size(), shape[1], shape[2], shape[3]});
    const std::size_t size = shape[1] * shape[2] * shape[3];
    for (std::size_t i = 0; i < indices.size(); ++i) write(indices[i], samples.data() + i * size);
    return samples;
}

template <class T, class Write>
TrainingSet<T> make_training_set(const Input& input, const Split& split, const Write& write) {
    const Shape shape = sample_shape(input);
    return {input, gather<T>(split.training, shape, write), gather<T>(split.validation, shape, write),
            gather<T>(split.calibration, shape, write)};
}
} // namespace detail

/// The longest side of what a whole picture is reduced to, unless something else is said. A defect of a few pixels does
/// not survive that: see inspection.hpp.
inline constexpr std::size_t default_longest_side = 64;

/// What a network takes of pictures like this one: its own size, but no side longer than `longest_side`; gray stays
/// gray, colours become red, green, blue.
/// @param picture height, width and order are read
/// @param longest_side 4 or more
/// @throws ValueError for a picture with a side of fewer than 4 pixels
template <Pixel P>
ImageInput image_input_like(const ImageView<P>& picture, std::size_t longest_side = default_longest_side) {
    ImageInput input{.height = picture.height, .width = picture.width};
    if (const std::size_t longer = std::max(input.height, input.width); longer > longest_side) {
        const auto reduced = [&](std::size_t side) {
            return std::max<std::size_t>(4, (side * longest_side + longer / 2) / longer);
        };
        input.height = reduced(picture.height);
        input.width = reduced(picture.width);
    } else if (std::min(input.height, input.width) < 4) {
        throw ValueError(message("the first picture has ", picture.height, " x ", picture.width,
                                 " pixels, too few to learn from: give the height and width that pictures shall have"));
    }
    input.order = picture.order == PixelOrder::gray ? PixelOrder::gray : PixelOrder::rgb;
    return input;
}

/// Collects pictures one by one, each converted at once: a folder may be larger than the memory.
template <class T = float>
class PictureCollection {
  public:
    /// @throws ValueError for an input out of range
    explicit PictureCollection(const ImageInput& input) : input_(input), size_(element_count(sample_shape(input))) {}

    /// @throws ShapeError for a picture without pixels
    template <Pixel P>
    void add(const ImageView<P>& picture) {
        values_.resize((count_ + 1) * size_);
        convert(picture, input_, workspace_, values_.data() + count_ * size_);
        ++count_;
    }
    std::size_t count() const { return count_; }
    const ImageInput& input() const { return input_; }

    /// @param seed of the random split  @throws ValueError for fewer than 20 pictures
    TrainingSet<T> split(std::uint64_t seed) const {
        detail::check_sample_count(count_);
        Rng rng(seed);
        return detail::make_training_set<T>(input_, split_samples(count_, false, rng), [&](std::size_t i, T* to) {
            const T* from = values_.data() + i * size_;
            for (std::size_t k = 0; k < size_; ++k) to[k] = from[k]; // GCC 12 warns of copy_n: an impossible size
        });
    }

  private:
    ImageInput input_;
    std::size_t size_, count_ = 0;
    std::vector<T> values_;
    ImageInputWorkspace<T> workspace_;
};

/// Rows of numbers to learn from.
struct Table {
    std::span<const double> values{};   // row after row
    std::size_t width = 1;              // numbers in a row, 1 or more
    std::vector<std::string> columns{}; // their names, or none
    std::size_t window = 1, stride = 1; // rows that make one sample, and how many later the next begins: 1 or more
};

/// Standardises samples of a table by the training part's columns, and splits them: at random, or in order where a
/// sample is a window of several rows.
/// @param samples one sample after the other, window * width numbers each
/// @param description of the table; its `values` are not read
/// @throws ValueError for fewer than 20 samples, a part of a sample, or a number that is not finite
template <class T = float>
TrainingSet<T> split_table_samples(std::span<const double> samples, const Table& description, std::uint64_t seed) {
    const std::size_t size = description.window * description.width;
    if (size == 0 || samples.size() % size != 0)
        throw ValueError(message("samples of ", description.window, " rows of ", description.width,
                                 " numbers cannot fill ", samples.size(), " numbers"));
    const std::size_t count = samples.size() / size;
    detail::check_sample_count(count);
    Rng rng(seed);
    const Split split = split_samples(count, description.window > 1, rng);
    std::vector<double> rows;
    for (const std::size_t i : split.training) {
        const auto sample = samples.subspan(i * size, size);
        rows.insert(rows.end(), sample.begin(), sample.end());
    }
    const TableInput input =
        TableInput::fit(rows, description.width, description.columns, description.window, description.stride);
    return detail::make_training_set<T>(
        input, split, [&](std::size_t i, T* to) { convert(samples.subspan(i * size, size), input, to); });
}

/// The same for a table, whose rows become windows first.
/// @throws ValueError also for values that do not fill the rows, and a width, window or stride of 0
template <class T = float>
TrainingSet<T> split_table(const Table& table, std::uint64_t seed) {
    if (table.width == 0 || table.window == 0 || table.stride == 0 || table.values.size() % table.width != 0)
        throw ValueError(message("a table needs a width, window and stride of 1 or more and values that fill its rows; "
                                 "given: ",
                                 table.width, ", ", table.window, ", ", table.stride, " and ", table.values.size(),
                                 " values"));
    if (table.window == 1 && table.stride == 1) return split_table_samples<T>(table.values, table, seed);
    const std::size_t rows = table.values.size() / table.width, size = table.window * table.width;
    std::vector<double> samples;
    for (std::size_t row = 0; row + table.window <= rows; row += table.stride) {
        const auto window = table.values.subspan(row * table.width, size);
        samples.insert(samples.end(), window.begin(), window.end());
    }
    return split_table_samples<T>(samples, table, seed);
}

} // namespace GRADCON_INSTRUCTION_SET
} // namespace gradcon
