#include "training_set.hpp"

#include <gradcon/core/random.hpp>

#include <algorithm>
#include <array>
#include <charconv>
#include <cstdio>
#include <numeric>
#include <span>
#include <string>
#include <tuple>
#include <utility>
#include <variant>
#include <vector>

using gradcon::FileError;
using gradcon::message;

namespace {

/// "64" or "48x64", as height and width.
std::pair<std::size_t, std::size_t> parse_size(const std::string& text) {
    std::size_t height = 0, width = 0;
    const char *at = text.data(), *const end = at + text.size();
    const auto first = std::from_chars(at, end, height);
    auto last = first;
    if (first.ec == std::errc{} && first.ptr != end && *first.ptr == 'x')
        last = std::from_chars(first.ptr + 1, end, width);
    else width = height;
    if (last.ec != std::errc{} || last.ptr != end || height < 4 || width < 4 || height > 4096 || width > 4096)
        throw BadUse{"--size takes N or HxW, 4 to 4096 each, not \"" + text + "\""};
    return {height, width};
}

/// Pictures of the size of the first, as long as that has no side above 64; larger ones are reduced to that.
gradcon::ImageInput image_input(const Options& options, const Sample& sample) {
    const Picture& first = sample.picture;
    gradcon::ImageInput input;
    input.height = first.shape()[0];
    input.width = first.shape()[1];
    if (!options.size.empty()) std::tie(input.height, input.width) = parse_size(options.size);
    else if (const std::size_t longer = std::max(input.height, input.width); longer > 64) {
        input.height = std::max<std::size_t>(4, (input.height * 64 + longer / 2) / longer);
        input.width = std::max<std::size_t>(4, (input.width * 64 + longer / 2) / longer);
    } else if (std::min(input.height, input.width) < 4)
        throw FileError(message(sample.name, ": this first picture has ", input.height, " x ", input.width,
                                " pixels, too few to learn from: say with --size what size pictures are to have"));
    const std::size_t channels = options.channels != 0 ? options.channels : first.shape()[2];
    input.order = channels == 1 ? gradcon::PixelOrder::gray : gradcon::PixelOrder::rgb;
    return input;
}

/// All samples as the network takes them, in the source's order.
struct Read {
    gradcon::Input input;
    std::vector<float> values;
    std::vector<double> rows; // of a table, not yet standardised
    std::size_t count = 0;
};

Read read_all(Source& source, const Options& options, const std::function<void()>& on_sample) {
    Read read;
    Sample sample;
    gradcon::ImageInputWorkspace<float> workspace;
    std::size_t left_out = 0;
    while (source.next(sample)) {
        on_sample();
        try {
            sample.load();
        } catch (const FileError& error) {
            if (!options.keep_going) throw;
            ++left_out;
            std::fprintf(stderr, "left out: %s\n", error.what());
            continue;
        }
        ++read.count;
        if (!sample.is_picture()) {
            read.rows.insert(read.rows.end(), sample.rows.begin(), sample.rows.end());
            continue;
        }
        if (read.count == 1) read.input = image_input(options, sample);
        const auto& input = std::get<gradcon::ImageInput>(read.input);
        const std::size_t size = input.height * input.width * input.channels();
        read.values.resize(read.count * size);
        gradcon::convert(gradcon::view_of(sample.picture), input, workspace,
                         read.values.data() + (read.count - 1) * size);
    }
    if (left_out > 0) std::fprintf(stderr, "%zu of %zu left out\n", left_out, left_out + read.count);
    return read;
}

/// Which samples go where.
struct Parts {
    std::vector<std::size_t> train, validation, calibration;

    /// @param in_order for windows of a time series, whose neighbours share rows: the parts follow one another
    Parts(std::size_t count, bool in_order, gradcon::Rng& rng) {
        std::vector<std::size_t> order(count);
        std::iota(order.begin(), order.end(), std::size_t{0});
        if (!in_order) gradcon::shuffle(std::span(order), rng);
        const auto at = [&](std::size_t percent) {
            return order.begin() + static_cast<std::ptrdiff_t>(count * percent / 100);
        };
        train.assign(at(0), at(70));
        validation.assign(at(70), at(85));
        calibration.assign(at(85), at(100));
    }
};

TrainingSet::Samples select(const Read& read, std::span<const std::size_t> indices, const gradcon::Shape& shape) {
    TrainingSet::Samples samples;
    samples.resize({indices.size(), shape[1], shape[2], shape[3]});
    const std::size_t size = shape[1] * shape[2] * shape[3];
    for (std::size_t i = 0; i < indices.size(); ++i)
        if (const auto* table = std::get_if<gradcon::TableInput>(&read.input))
            gradcon::convert(std::span(read.rows).subspan(indices[i] * size, size), *table, samples.data() + i * size);
        else // not copy_n: GCC 12 warns of an impossible size
            for (std::size_t k = 0; k < size; ++k) samples.data()[i * size + k] = read.values[indices[i] * size + k];
    return samples;
}

} // namespace

TrainingSet read_training_set(const Options& options, const std::function<void()>& on_sample) {
    if (!options.size.empty()) parse_size(options.size);
    const auto source = open_sources(options.inputs, options.input);
    Read read = read_all(*source, options, on_sample);
    if (read.count < 20)
        throw FileError(
            message(options.inputs.front(), ": training needs 20 normal samples or more; there are ", read.count));
    gradcon::Rng rng(options.seed);
    const Parts parts(read.count, options.input.window > 1, rng);
    if (const std::size_t size = source->width() * options.input.window; size > 0) {
        std::vector<double> rows;
        for (const std::size_t i : parts.train) {
            const auto row = std::span<const double>(read.rows).subspan(i * size, size);
            rows.insert(rows.end(), row.begin(), row.end());
        }
        read.input = gradcon::TableInput::fit(rows, source->width(), source->columns(), options.input.window,
                                              options.input.stride);
    }
    const gradcon::Shape shape = gradcon::sample_shape(read.input);
    return {read.input, shape, select(read, parts.train, shape), select(read, parts.validation, shape),
            select(read, parts.calibration, shape)};
}
