#include "options.hpp"
#include "progress.hpp"
#include "scoring.hpp"

#include <gradcon/gradcon.hpp>
#include <gradcon/io/checkpoint.hpp>

#include <algorithm>
#include <atomic>
#include <charconv>
#include <chrono>
#include <csignal>
#include <filesystem>
#include <numeric>
#include <optional>
#include <span>
#include <utility>
#include <variant>

using gradcon::FileError;
using gradcon::message;

namespace {

using Trained = gradcon::TrainedModel<float>;
using Model = Trained::Model;
using Samples = gradcon::Tensor<float, 4>;

/// Ctrl-C was pressed.
std::atomic<bool> interrupted = false;

struct Interrupted {};

/// Lends a pool's threads until Ctrl-C is pressed: fit then undoes the epoch that has begun.
class InterruptibleExecutor final : public gradcon::Executor {
  public:
    explicit InterruptibleExecutor(gradcon::ThreadPool& threads) : threads_(threads) {}
    std::size_t workers() const override { return threads_.workers(); }
    void run(std::size_t count, gradcon::TaskRef task) override {
        if (interrupted) throw Interrupted{};
        threads_.run(count, task);
    }

  private:
    gradcon::ThreadPool& threads_;
};

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
gradcon::ImageInput image_input(const Options& options, const Picture& first) {
    gradcon::ImageInput input;
    input.height = first.shape()[0];
    input.width = first.shape()[1];
    if (!options.size.empty()) std::tie(input.height, input.width) = parse_size(options.size);
    else if (const std::size_t longer = std::max(input.height, input.width); longer > 64) {
        input.height = std::max<std::size_t>(4, (input.height * 64 + longer / 2) / longer);
        input.width = std::max<std::size_t>(4, (input.width * 64 + longer / 2) / longer);
    }
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

Read read_all(Source& source, const Options& options) {
    Read read;
    Sample sample;
    gradcon::ImageInputWorkspace<float> workspace;
    std::size_t left_out = 0;
    while (source.next(sample)) {
        if (interrupted) throw Interrupted{};
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
        if (read.count == 1) read.input = image_input(options, sample.picture);
        const auto& input = std::get<gradcon::ImageInput>(read.input);
        const std::size_t size = input.height * input.width * input.channels();
        read.values.resize(read.count * size);
        gradcon::convert(gradcon::view_of(gradcon::TensorView<const std::uint8_t, 3>(sample.picture)), input, workspace,
                         read.values.data() + (read.count - 1) * size);
    }
    if (left_out > 0) std::fprintf(stderr, "%zu of %zu left out\n", left_out, left_out + read.count);
    return read;
}

/// Of the normal samples 70 % train, 15 % choose the best epoch and fit the score, and 15 % calibrate: these must be
/// samples that nothing was fitted to.
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

Samples select(const Read& read, std::span<const std::size_t> indices, const gradcon::Shape& shape) {
    Samples samples;
    samples.resize({indices.size(), shape[1], shape[2], shape[3]});
    const std::size_t size = shape[1] * shape[2] * shape[3];
    for (std::size_t i = 0; i < indices.size(); ++i)
        if (const auto* table = std::get_if<gradcon::TableInput>(&read.input))
            gradcon::convert(std::span(read.rows).subspan(indices[i] * size, size), *table, samples.data() + i * size);
        else // not copy_n: GCC 12 warns of an impossible size
            for (std::size_t k = 0; k < size; ++k) samples.data()[i * size + k] = read.values[indices[i] * size + k];
    return samples;
}

/// The paper's widths for pictures, 32, 32, 64, 64, of as many layers as the picture has room for; for rows twice their
/// numbers and then half as many.
Model make_model(const Options& options, const gradcon::Shape& shape) {
    if (shape[1] == 1 && shape[2] == 1) {
        const std::size_t values = shape[3];
        const std::size_t first = options.width != 0 ? options.width : std::clamp<std::size_t>(2 * values, 16, 256);
        std::vector<std::size_t> widths{first};
        for (std::size_t layer = 1; layer < (options.depth != 0 ? options.depth : 2); ++layer)
            widths.push_back(
                std::max<std::size_t>(1, std::min(widths.back() / 2, std::max<std::size_t>(2, values / 2))));
        return gradcon::models::mlp({.values = values, .widths = widths});
    }
    const std::size_t width = options.width != 0 ? options.width : 32;
    std::size_t depth = options.depth;
    if (depth == 0)
        for (std::size_t side = std::min(shape[1], shape[2]); side > 3 && depth < 4; side = side / 2 + 1) ++depth;
    std::vector<std::size_t> widths;
    for (std::size_t layer = 0; layer < depth; ++layer) widths.push_back(layer < (depth + 1) / 2 ? width : 2 * width);
    return gradcon::models::cae({.height = shape[1], .width = shape[2], .channels = shape[3], .widths = widths});
}

/// The score policy of that name, fitted on normal samples.
gradcon::AnyScorePolicy make_score_policy(const std::string& name, const gradcon::Scores& normal) {
    if (name == "recommended") {
        if (!normal.code_distance.empty()) return gradcon::recommended_score(normal);
        // longer codes than a profile keeps: the error takes the distance's place
        constexpr std::array statistics{gradcon::Statistic::reconstruction_error, gradcon::Statistic::cosine};
        return gradcon::StandardizedSum::fit(statistics, normal);
    }
    if (name == "gradcon") return gradcon::GradConScore{};
    if (name == "reconstruction") return gradcon::ReconstructionScore{};
    if (name == "gradient") return gradcon::GradientScore{};
    if (name == "code_distance") return gradcon::CodeDistanceScore{};
    if (name == "finished_alignment") return gradcon::FinishedAlignmentScore{};
    if (name == "log_norm_density") return gradcon::LogNormDensityScore::fit(normal);
    throw BadUse{"--score cannot be " + name};
}

/// The rate that was asked for, or 0.01, or what so few samples can keep.
double usable_rate(const Options& options, std::size_t samples) {
    const double wanted = options.false_alarm_rate.value_or(0.01);
    const std::size_t needed = gradcon::samples_needed(wanted);
    if (samples >= needed) return wanted;
    if (options.false_alarm_rate)
        throw FileError(message(options.inputs.front(), ": a false-alarm rate of ", wanted, " needs ", needed,
                                " normal samples to calibrate with; there are ", samples));
    const double least = 1.000001 / static_cast<double>(samples + 1);
    std::fprintf(stderr, "with %zu samples to calibrate with the false-alarm rate is %.3g; %.3g needs %zu\n", samples,
                 least, wanted, needed);
    return least;
}

} // namespace

int train(const Options& options) try {
    using Clock = std::chrono::steady_clock;
    std::signal(SIGINT, [](int) { interrupted = true; });
    std::signal(SIGTERM, [](int) { interrupted = true; });
    if (!options.size.empty()) parse_size(options.size);
    const auto source = open_sources(options.inputs, options.input);
    Read read = read_all(*source, options);
    if (read.count < 20)
        throw FileError(
            message(options.inputs.front(), ": training needs 20 normal samples or more; there are ", read.count));
    gradcon::Rng rng(options.seed);
    const Parts parts(read.count, options.input.window > 1, rng);
    if (source->width() > 0) {
        std::vector<double> rows;
        const std::size_t size = source->width() * options.input.window;
        for (const std::size_t i : parts.train)
            rows.insert(rows.end(), read.rows.begin() + static_cast<std::ptrdiff_t>(i * size),
                        read.rows.begin() + static_cast<std::ptrdiff_t>((i + 1) * size));
        read.input = gradcon::TableInput::fit(rows, source->width(), source->columns(), options.input.window,
                                              options.input.stride);
    }
    const gradcon::Shape shape = gradcon::sample_shape(read.input);
    const Samples normal = select(read, parts.train, shape), held_out = select(read, parts.validation, shape),
                  calibrating = select(read, parts.calibration, shape);
    read.values = {};
    read.rows = {};
    const double rate = usable_rate(options, parts.calibration.size());
    std::fprintf(stderr, "%zu normal samples of %s: %zu train, %zu choose the best epoch, %zu calibrate\n", read.count,
                 gradcon::shape_string(std::array{shape[1], shape[2], shape[3]}).c_str(), parts.train.size(),
                 parts.validation.size(), parts.calibration.size());

    const Model model = make_model(options, shape);
    auto params = model.init<float>(rng);
    gradcon::scale_to_he(params);
    const gradcon::GradCon policy{params.decoder, {.alpha = 0.03, .beta = 0.12}};
    gradcon::Training training{params, policy, gradcon::Adam{params, {.learning_rate = 1e-3}}, rng};
    const std::string checkpoint = options.model + ".checkpoint";
    if (options.resume) {
        if (!std::filesystem::exists(checkpoint))
            throw FileError(checkpoint + ": no such file, so there is no training to go on with");
        gradcon::io::load_checkpoint(checkpoint, model, training);
        std::fprintf(stderr, "going on after epoch %zu\n", training.epochs);
    }
    gradcon::ThreadPool threads(options.threads);
    InterruptibleExecutor executor(threads);
    Progress progress;
    auto saved = Clock::now();
    Clock::duration saving{};
    const auto on_epoch = [&](gradcon::Epoch& epoch) {
        progress(epoch);
        const auto now = Clock::now();
        if (epoch.number < options.epochs && now - saved < 20 * saving) return; // a twentieth of the time, no more
        gradcon::io::save_checkpoint(checkpoint, model, training);
        saved = Clock::now();
        saving = saved - now;
    };
    try {
        gradcon::fit(model, training, normal, {.epochs = options.epochs, .validation = held_out, .executor = &executor},
                     on_epoch);
    } catch (const Interrupted&) {
        progress.interrupt();
        gradcon::io::save_checkpoint(checkpoint, model, training);
        std::fprintf(stderr, "stopped after epoch %zu, which is in %s; the same command with --resume goes on\n",
                     training.epochs, checkpoint.c_str());
        return 130;
    }

    Trained trained{model, training.best_params, training.best_policy};
    trained.input = read.input;
    trained.profile = gradcon::fit_profile(model, trained.params, trained.policy, normal, threads);
    const gradcon::Scorer scorer{model, trained.params, trained.policy, trained.profile};
    trained.score_policy = make_score_policy(options.score, gradcon::score_each(scorer, held_out, threads));
    trained.calibration = gradcon::Calibration(
        gradcon::scores_by(trained.score_policy, gradcon::score_each(scorer, calibrating, threads)), rate);
    trained.notes = {{"samples", std::to_string(parts.train.size())},
                     {"epochs", std::to_string(training.epochs)},
                     {"best_epoch", std::to_string(training.best_epoch)},
                     {"seed", std::to_string(options.seed)},
                     {"score", options.score}};
    save_model(options.model, trained);
    std::filesystem::remove(checkpoint);
    std::fprintf(stderr, "%s: best epoch %zu, held-out error %.5f, threshold %.5g for a false-alarm rate of %.3g\n",
                 options.model.c_str(), training.best_epoch, training.best.reconstruction,
                 trained.calibration.threshold(), rate);
    return 0;
} catch (const Interrupted&) {
    std::fprintf(stderr, "stopped before training began; nothing is written\n");
    return 130;
}
