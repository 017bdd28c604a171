#include "random_tensors.hpp"

#include <gradcon/detector/learn.hpp>

#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <numeric>
#include <set>
#include <vector>

using namespace gradcon;

namespace {

using Bytes = std::vector<std::uint8_t>;
constexpr std::size_t height = 12, width = 10;

/// Stripes, each time a little different; of another direction if they are a flaw.
Bytes stripes(Rng& rng, bool flaw) {
    Bytes picture(height * width);
    const double shift = uniform(rng, 0, 6);
    for (std::size_t y = 0; y < height; ++y)
        for (std::size_t x = 0; x < width; ++x)
            picture[y * width + x] = static_cast<std::uint8_t>(
                127 + 100 * std::sin(1.5 * static_cast<double>(flaw ? y : x) + shift) + uniform(rng, -20, 20));
    return picture;
}

ImageView<std::uint8_t> view(const Bytes& picture) {
    return {.data = picture.data(), .height = height, .width = width};
}

std::vector<Bytes> many(std::size_t count, bool flaw, std::uint64_t seed) {
    Rng rng(seed);
    std::vector<Bytes> pictures(count);
    for (Bytes& picture : pictures) picture = stripes(rng, flaw);
    return pictures;
}

std::vector<ImageView<std::uint8_t>> views(const std::vector<Bytes>& pictures) {
    std::vector<ImageView<std::uint8_t>> all;
    for (const Bytes& picture : pictures) all.push_back(view(picture));
    return all;
}

LearnOptions small() { return {.widths = {4, 4}, .epochs = 4, .learning_rate = 5e-3, .seed = 3}; }

} // namespace

TEST_SUITE("learn") {
    TEST_CASE("a split has every sample once: 70, 15 and 15 of 100") {
        for (const bool in_order : {false, true}) {
            Rng rng(1);
            const Split split = split_samples(107, in_order, rng);
            CHECK(split.training.size() == 74);
            CHECK(split.validation.size() == 16);
            CHECK(split.calibration.size() == 17);
            std::vector<std::size_t> all = split.training;
            all.insert(all.end(), split.validation.begin(), split.validation.end());
            all.insert(all.end(), split.calibration.begin(), split.calibration.end());
            CHECK(std::ranges::is_sorted(all) == in_order);
            std::ranges::sort(all);
            std::vector<std::size_t> expected(107);
            std::iota(expected.begin(), expected.end(), std::size_t{0});
            CHECK(all == expected);
        }
    }

    TEST_CASE("learn is its steps, bit for bit: split, fit, profile, rule, calibration") {
        const auto pictures = many(60, false, 1);
        SerialExecutor serial;
        LearnOptions options = small();
        options.executor = &serial;
        std::size_t epochs = 0;
        const Detector<float> detector = learn(views(pictures), options, [&](Epoch&) { ++epochs; });
        CHECK(epochs == 4);

        const ImageInput input{.height = height, .width = width};
        Rng split_rng(3), rng(3);
        const Split split = split_samples(60, false, split_rng);
        ImageInputWorkspace<float> workspace;
        const auto part = [&](const std::vector<std::size_t>& indices) {
            Tensor<float, 4> images;
            images.resize({indices.size(), height, width, 1});
            for (std::size_t i = 0; i < indices.size(); ++i)
                convert(view(pictures[indices[i]]), input, workspace, images.data() + i * height * width);
            return images;
        };
        const auto normal = part(split.training), held_out = part(split.validation), last = part(split.calibration);
        const auto model = models::cae({.height = height, .width = width, .widths = {4, 4}});
        auto params = model.init(rng);
        scale_to_he(params);
        GradCon policy{params.decoder, {}};
        Adam adam{params, {.learning_rate = 5e-3}};
        fit(model, params, policy, adam, normal, rng, {.epochs = 4, .validation = held_out, .executor = &serial});
        const auto profile = fit_profile(model, params, policy, normal, serial);
        const Scorer scorer{model, params, policy, profile};
        const auto rule = recommended_score(score_each(scorer, held_out, serial));
        const auto scores = scores_by(rule, score_each(scorer, last, serial));

        auto sorted = scores;
        std::ranges::sort(sorted);
        CHECK(detector.calibration().normal_scores() == sorted);
        CHECK(detector.calibration().false_alarm_rate() == doctest::Approx(1.0 / 10)); // 9 samples keep no less
        CHECK(detector.trained().notes.at("samples") == "42");
        CHECK(detector.score(view(pictures[split.calibration[2]])).score == scores[2]);

        LearnOptions with_threads = small(); // a pool of its own
        CHECK(learn(views(pictures), with_threads).calibration().normal_scores() == sorted);
    }

    TEST_CASE("what is strange scores higher") {
        const auto normal = many(200, false, 1), fresh = many(50, false, 2), strange = many(50, true, 3);
        LearnOptions options = small();
        options.epochs = 15;
        const Detector<float> detector = learn(views(normal), options);
        std::vector<double> scores;
        std::vector<std::uint8_t> labels;
        for (const auto* set : {&fresh, &strange})
            for (const Bytes& picture : *set) {
                scores.push_back(detector.score(view(picture)).score);
                labels.push_back(set == &strange);
            }
        CHECK(auroc(scores, labels) > 0.9);
    }

    TEST_CASE("pictures are resized to the first one's size, to no side above 64, or as the options say") {
        Bytes large(100 * 80 * 3, 90);
        const auto repeated = [&](std::size_t h, std::size_t w, PixelOrder order) {
            return std::vector<ImageView<std::uint8_t>>(
                20, {.data = large.data(), .height = h, .width = w, .order = order});
        };
        const auto input_of = [](const auto& pictures, LearnOptions options) {
            options.epochs = 1;
            options.widths = {2};
            return std::get<ImageInput>(learn(pictures, options).trained().input);
        };
        CHECK(input_of(repeated(12, 10, PixelOrder::gray), {}) == ImageInput{.height = 12, .width = 10});
        CHECK(input_of(repeated(100, 80, PixelOrder::bgr), {}) ==
              ImageInput{.height = 64, .width = 51, .order = PixelOrder::rgb});
        CHECK(input_of(repeated(100, 80, PixelOrder::bgr), {.height = 8, .width = 9, .channels = 1}) ==
              ImageInput{.height = 8, .width = 9});
    }

    TEST_CASE("the widths of a network that nobody gave others") {
        using Widths = std::vector<std::size_t>;
        CHECK(default_widths({1, 28, 28, 1}) == Widths{32, 32, 64, 64}); // the paper's
        CHECK(default_widths({1, 400, 300, 3}) == Widths{32, 32, 64, 64});
        CHECK(default_widths({1, 9, 40, 3}) == Widths{32, 64});
        CHECK(default_widths({1, 5, 5, 1}) == Widths{32});
        CHECK(default_widths({1, 9, 9, 1}, 8, 3) == Widths{8, 8, 16});
        CHECK(default_widths({1, 1, 1, 6}) == Widths{16, 3});
        CHECK(default_widths({1, 1, 1, 500}) == Widths{256, 128});
        CHECK(default_widths({1, 1, 1, 1}) == Widths{16, 2});
        CHECK(default_widths({1, 1, 1, 6}, 4, 3) == Widths{4, 2, 1});
    }

    TEST_CASE("tables: standardised by the training part; windows stay in order") {
        Rng rng(5);
        std::vector<double> values(3 * 200);
        for (std::size_t i = 0; i < values.size(); ++i) values[i] = uniform(rng, 0, 1) * (i % 3 == 1 ? 1000 : 1);
        const Table table{.values = values, .width = 3};
        const Detector<float> detector = learn(table, {.widths = {6, 2}, .epochs = 2, .seed = 3});
        const auto& input = std::get<TableInput>(detector.trained().input);
        CHECK(input.means[1] == doctest::Approx(500).epsilon(0.1));
        CHECK(detector.trained().score_rule.index() == AnyScoreRule(StandardizedSum{}).index());
        const std::vector<double> outlier{0.5, 90000, 0.5};
        CHECK(detector.score(outlier).anomalous);

        const auto set = split_table({.values = values, .width = 3, .window = 4, .stride = 2}, 3);
        CHECK(set.training.shape()[0] == 69); // of the 99 windows in 200 rows
        CHECK(set.shape() == Shape{1, 1, 1, 12});
        // The second window begins two rows after the first.
        for (std::size_t k = 0; k < 6; ++k) CHECK(set.training(0, 0, 0, 6 + k) == set.training(1, 0, 0, k));
    }

    TEST_CASE("a training that is taken up again ends in the same bits, and one of other samples is noticed") {
        const auto pictures = many(40, false, 1);
        const auto set = [&](std::uint64_t seed) {
            PictureCollection collection(ImageInput{.height = height, .width = width});
            for (const Bytes& picture : pictures) collection.add(view(picture));
            return collection.split(seed);
        };
        Learning whole(set(3), small());
        CHECK(whole.belongs());
        whole.fit();
        Learning first(set(3), small());
        first.fit([](Epoch& epoch) { epoch.stop = epoch.number == 2; });
        Learning second(set(3), small());
        second.training() = first.training();
        CHECK(second.belongs());
        second.fit();
        CHECK(second.finish().calibration().normal_scores() == whole.finish().calibration().normal_scores());
        Learning other(set(4), small());
        other.training() = first.training();
        CHECK(!other.belongs());
    }

    TEST_CASE("the weight of the alignment follows the variance, and what is explained is said") {
        Tensor<float, 4> samples; // of two numbers: 0, 2 and 4; always 7. The variances are 8 / 3 and 0
        samples.resize({3, 1, 1, 2});
        for (std::size_t i = 0; i < 3; ++i) {
            samples.data()[2 * i] = static_cast<float>(2 * i);
            samples.data()[2 * i + 1] = 7;
        }
        CHECK(variance_of(samples) == doctest::Approx(4.0 / 3).epsilon(1e-12));
        CHECK(alpha_for(0.03, 0.05) == 0.03);
        CHECK(alpha_for(0.03, 0.0125) == doctest::Approx(0.0075));
        CHECK(alpha_for(0.03, 0) == 0);

        const auto pictures = many(60, false, 1);
        auto faint = pictures; // a tenth of the contrast
        for (Bytes& picture : faint)
            for (auto& v : picture) v = static_cast<std::uint8_t>(120 + (int{v} - 120) / 10);
        LearnOptions options = small();
        const auto bright = learn(views(pictures), options), dim = learn(views(faint), options);
        CHECK(bright.trained().policy.options().alpha == options.constraint.alpha);
        CHECK(dim.trained().policy.options().alpha < options.constraint.alpha / 10);

        PictureCollection<float> collection({.height = height, .width = width});
        for (const Bytes& picture : pictures) collection.add(view(picture));
        const TrainingSet<float> set = collection.split(options.seed);
        SerialExecutor serial;
        const Scores held_out = score_each(bright.scorer(), set.validation, serial);
        double error = 0;
        for (std::size_t i = 0; i < held_out.samples(); ++i) error += held_out[i].reconstruction_error();
        const double share = 1 - error / static_cast<double>(held_out.samples()) / variance_of(set.validation);
        CHECK(std::stod(bright.trained().notes.at("explained")) == doctest::Approx(share).epsilon(1e-5));
    }

    TEST_CASE("score rules of one's own, rates, and what is refused") {
        const auto pictures = many(40, false, 1);
        LearnOptions options = small();
        options.epochs = 1;
        options.false_alarm_rate = 0.2;
        options.score_rule = [](const Scores&) { return AnyScoreRule(ReconstructionScore{}); };
        options.notes = {{"line", "7"}};
        const Detector<float> detector = learn(views(pictures), options);
        CHECK(detector.trained().score_rule.index() == AnyScoreRule(ReconstructionScore{}).index());
        CHECK(detector.calibration().false_alarm_rate() == 0.2);
        CHECK(detector.trained().notes.at("line") == "7");

        CHECK(throws_naming<ValueError>([&] { learn(views(pictures), {.false_alarm_rate = 0.01}); },
                                        {"0.01", "99", "6"}));
        CHECK(throws_naming<ValueError>([&] { learn(views(many(19, false, 1)), small()); }, {"20", "19"}));
        CHECK(throws_naming<ValueError>([&] { learn(std::vector<ImageView<float>>{}, small()); }, {"20", "0"}));
        CHECK(throws_naming<ValueError>([&] { split_table({.values = {}, .width = 0}, 1); }, {"width", "0"}));
        const std::vector<double> ragged(61);
        CHECK(throws_naming<ValueError>([&] { split_table({.values = ragged, .width = 3}, 1); }, {"61"}));
        Bytes tiny(9);
        const std::vector<ImageView<std::uint8_t>> small_ones(20, {.data = tiny.data(), .height = 3, .width = 3});
        CHECK(throws_naming<ValueError>([&] { learn(small_ones, {}); }, {"3 x 3"}));
    }
}
