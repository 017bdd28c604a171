#include "training_set.hpp"

#include <algorithm>
#include <charconv>
#include <cstdio>
#include <optional>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

using gradcon::FileError;

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

namespace {

/// Pictures of the size and colours of the first, unless the options say otherwise.
gradcon::ImageInput image_input(const Options& options, const Sample& first) {
    gradcon::ImageInput input{};
    const auto picture = gradcon::view_of(first.picture);
    try {
        if (options.size.empty()) input = gradcon::image_input_like(picture);
    } catch (const gradcon::ValueError& error) { throw FileError(first.name + ": " + error.what() + " (--size)"); }
    if (!options.size.empty()) std::tie(input.height, input.width) = parse_size(options.size);
    const std::size_t channels = options.channels != 0 ? options.channels : first.picture.shape()[2];
    input.order = channels == 1 ? gradcon::PixelOrder::gray : gradcon::PixelOrder::rgb;
    return input;
}

/// Pictures, or the samples of a table.
struct Collected {
    std::optional<gradcon::PictureCollection<float>> pictures{};
    std::vector<double> rows{};
};

Collected collect(Source& source, const Options& options, const std::function<void()>& on_sample) {
    Collected collected;
    Sample sample;
    std::size_t count = 0, left_out = 0;
    while (source.next(sample)) {
        on_sample();
        ++count;
        try {
            sample.load();
        } catch (const FileError& error) {
            if (!options.keep_going) throw;
            ++left_out;
            std::fprintf(stderr, "left out: %s\n", error.what());
            continue;
        }
        if (!sample.is_picture()) {
            collected.rows.insert(collected.rows.end(), sample.rows.begin(), sample.rows.end());
            continue;
        }
        if (!collected.pictures) collected.pictures.emplace(image_input(options, sample));
        collected.pictures->add(gradcon::view_of(sample.picture));
    }
    if (left_out > 0) std::fprintf(stderr, "%zu of %zu left out\n", left_out, count);
    return collected;
}

} // namespace

gradcon::TrainingSet<float> read_training_set(const Options& options, const std::function<void()>& on_sample) {
    if (!options.size.empty()) parse_size(options.size);
    const auto source = open_sources(options.inputs, options.input);
    const Collected collected = collect(*source, options, on_sample);
    try {
        if (collected.pictures) return collected.pictures->split(options.seed);
        const gradcon::Table table{.width = std::max<std::size_t>(1, source->width()),
                                   .columns = source->columns(),
                                   .window = options.input.window,
                                   .stride = options.input.stride};
        return gradcon::split_table_samples<float>(collected.rows, table, options.seed);
    } catch (const gradcon::ValueError& error) { throw FileError(options.inputs.front() + ": " + error.what()); }
}
