#include "folders.hpp"
#include "interrupt.hpp"
#include "model.hpp"
#include "progress.hpp"
#include "training.hpp"
#include "training_set.hpp"

#include "readers/picture_file.hpp"
#include <gradcon/inspection/learn.hpp>
#include <gradcon/io/inspector_file.hpp>

#include <algorithm>
#include <cstdio>
#include <filesystem>
#include <memory>
#include <utility>
#include <vector>

namespace fs = std::filesystem;
using gradcon::FileError;
using gradcon::message;

namespace {

/// Pictures that are decoded when they are asked for, one at a time, so that memory does not grow with their number.
class Pictures {
  public:
    explicit Pictures(std::vector<Sample> samples) : samples_(std::move(samples)) {}

    std::size_t size() const { return samples_.size(); }
    gradcon::ImageView<std::uint8_t> operator[](std::size_t i) const {
        stop_if_interrupted();
        progress_->step(size());
        *shown_ = samples_[i];
        shown_->load();
        return gradcon::view_of(shown_->picture);
    }

  private:
    std::vector<Sample> samples_;
    std::unique_ptr<Sample> shown_ = std::make_unique<Sample>();
    std::unique_ptr<PictureProgress> progress_ = std::make_unique<PictureProgress>();
};

/// All samples of the inputs; with --keep-going without those that cannot be decoded.
std::vector<Sample> list_pictures(const Options& options) {
    const auto source = open_sources(options.inputs, options.input);
    if (source->width() > 0) throw FileError(options.inputs.front() + ": features are for pictures, this is a table");
    std::vector<Sample> samples;
    std::size_t left_out = 0;
    for (Sample sample; source->next(sample);) {
        stop_if_interrupted();
        if (options.keep_going) {
            Sample decoded = sample;
            try {
                decoded.load();
            } catch (const FileError& error) {
                std::fprintf(stderr, "left out: %s\n", error.what());
                ++left_out;
                continue;
            }
        }
        samples.push_back(std::move(sample));
    }
    if (left_out > 0) std::fprintf(stderr, "%zu of %zu left out\n", left_out, left_out + samples.size());
    return samples;
}

void refuse_for_local(const Options& options) {
    const auto refuse = [](bool given, const char* option) {
        if (given) throw BadUse{message(option, " is for --whole, and not for a model of locations")};
    };
    refuse(options.width != 0, "--width");
    refuse(options.depth != 0, "--depth");
    refuse(options.resume, "--resume");
}

Features make_patches(const Options& options) {
    if (!options.size.empty()) throw BadUse{"--size is for networks and for --whole; patches have --patch-size"};
    if (!options.features.layers.empty()) throw BadUse{"--layers is for networks, not for patches"};
    gradcon::PatchOptions patches = options.features.patches;
    patches.colour = options.channels == 3;
    return {gradcon::Patches(std::move(patches))};
}

Features make_network(const Options& options) {
#ifdef GRADCON_OPENCV_DNN
    const FeatureOptions& f = options.features;
    if (options.channels != 0) throw BadUse{"--channels is for patches and for --whole; a network takes three colours"};
    if (f.layers.empty()) throw BadUse{"--features " + f.of + " needs --layers"};
    gradcon::NetworkInput input{.order = f.blue_first ? gradcon::PixelOrder::bgr : gradcon::PixelOrder::rgb};
    if (options.size.find('x') != std::string::npos) std::tie(input.height, input.width) = parse_size(options.size);
    else if (!options.size.empty()) input.longest_side = parse_size(options.size).first;
    std::ranges::copy(f.mean, input.mean.begin());
    std::ranges::copy(f.deviation, input.deviation.begin());
    try {
        return {gradcon::OpenCvDnn(f.of, f.layers, input)};
    } catch (const gradcon::ValueError& error) { throw FileError(f.of + ": " + error.what()); }
#else
    throw FileError(options.features.of + ": this gradcon was built without OpenCV's dnn, so it cannot run networks");
#endif
}

gradcon::LearnLocalOptions learn_options(const Options& options, const Features& features,
                                         gradcon::Executor& executor) {
    const FeatureOptions& f = options.features;
    gradcon::LearnLocalOptions learn;
    if (features.are_patches()) learn = gradcon::learn_options_for_patches();
    else learn.map.margin = 2; // what a network pads its input with looks strange in every picture
    learn.map.margin = f.margin.value_or(learn.map.margin);
    learn.map.smoothing = f.smoothing.value_or(learn.map.smoothing);
    learn.map.highest_share = f.highest_share.value_or(learn.map.highest_share);
    if (!f.area.empty()) {
        const Picture mask = readers::read_picture(f.area);
        learn.map.area = {mask.shape()[0], mask.shape()[1], inside_mask(mask)};
        try {
            learn.map.area.check();
        } catch (const gradcon::ValueError& error) { throw FileError(f.area + ": " + error.what()); }
    }
    learn.locations = f.locations.value_or(learn.locations);
    if (options.epochs != 0) learn.epochs = options.epochs;
    learn.constraint.alpha = options.alpha;
    learn.false_alarm_rate = options.false_alarm_rate;
    learn.seed = options.seed;
    learn.executor = &executor;
    learn.notes = {{"score", options.score}};
    if (!features.are_patches()) learn.notes["network"] = fs::absolute(f.of).lexically_normal().string();
    if (options.score != "recommended")
        learn.score_rule = [name = options.score](const gradcon::Scores& normal) {
            return make_score_rule(name, normal);
        };
    return learn;
}

} // namespace

bool wants_local(const Options& options) {
    if (options.features.whole && !options.features.of.empty())
        throw BadUse{"--whole and --features ask for different models"};
    if (!options.features.of.empty()) return true;
    const bool of_whole = options.features.whole || options.resume || !options.size.empty() || options.width != 0 ||
                          options.depth != 0 || !fs::is_directory(options.inputs.front());
    if (of_whole) return false;
    Sample first;
    if (!open_source(options.inputs.front(), options.input)->next(first)) return false;
    try {
        first.load();
    } catch (const FileError&) { return false; } // whoever reads all of them names it
    const auto [shorter, longer] = std::minmax(first.picture.shape()[0], first.picture.shape()[1]);
    return longer > gradcon::default_longest_side && shorter >= gradcon::Patches(options.features.patches).reach();
}

int train_local(const Options& options) {
    refuse_for_local(options);
    const bool patches = options.features.of.empty() || options.features.of == "patches";
    const Features features = patches ? make_patches(options) : make_network(options);
    try {
        const Pictures pictures(list_pictures(options));
        gradcon::ThreadPool threads(options.threads);
        InterruptibleExecutor executor(threads);
        const auto learn = learn_options(options, features, executor);
        std::fprintf(stderr, "%zu normal pictures; each place of a picture is looked at, by features of %s\n",
                     pictures.size(), patches ? "patches of pixels" : options.features.of.c_str());
        if (patches && options.features.of.empty())
            std::fprintf(stderr, "patches find flaws of a texture that repeats. Where good parts differ in form or "
                                 "content, take a network: --features NETWORK.onnx --layers ...; --whole learns one "
                                 "autoencoder of the whole picture\n");
        const Inspector inspector = [&] {
            try {
                Progress progress;
                return gradcon::learn_local(features, pictures, learn, std::ref(progress));
            } catch (const gradcon::FileError&) { throw; } catch (const gradcon::Error& error) {
                throw FileError(options.inputs.front() + ": " + error.what());
            }
        }();
        const gradcon::Calibration& calibration = inspector.calibration();
        gradcon::io::save(inspector, options.model);
        std::fprintf(stderr,
                     "%s: thresholds %.5g for a picture and %.5g for a region, for a false-alarm rate of %.3g, by %zu "
                     "pictures\n",
                     options.model.c_str(), calibration.threshold(), inspector.model().regions.threshold(),
                     calibration.false_alarm_rate(), calibration.size());
        print_explained(inspector.model().trained);
        return 0;
    } catch (const Interrupted&) { std::fprintf(stderr, "\nstopped; nothing is written\n"); }
    return interrupted_status;
}
