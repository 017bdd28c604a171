// From a picture or a row of numbers to a verdict, and model files that keep all that this takes.
#include "edit_file.hpp"
#include "random_detector.hpp"
#include "special_values.hpp"

#include <gradcon/io/detector_file.hpp>

#include <doctest/doctest.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <fstream>
#include <limits>
#include <thread>

using namespace gradcon;

namespace {

constexpr std::array terms{Statistic::code_distance, Statistic::cosine};

/// All that training leaves, and what the training samples, which are noise, score.
template <class T>
struct Training {
    TrainedModel<T> trained;
    Scores normal;
};

template <class T = float>
Training<T> train(const Autoencoder<Chain, Chain>& model, const Input& input) {
    const Shape sample = sample_shape(input);
    auto t = random_detector<T>(model, {12, sample[1], sample[2], sample[3]});
    auto profile = fit_profile(t.model, t.params, t.policy, t.images, t.serial);
    Scores normal = score_each(Scorer{t.model, t.params, t.policy, profile}, t.images, t.serial);
    const auto rule = recommended_score(normal);
    Calibration calibration(scores_by(rule, normal), 0.25);
    return {{t.model, t.params, t.policy, profile, rule, input, calibration, {{"data", "noise, 12 samples"}}},
            std::move(normal)};
}

const ImageInput picture_input{.height = 5, .width = 6, .order = PixelOrder::bgr, .offset = -1, .scale = 1.75};
const TableInput table_input{
    .means = {1, -2, 0.1}, .deviations = {0.5, 3, 1.0 / 3}, .columns = {"a", "\u00b0C", ""}, .window = 2, .stride = 3};

/// Of pictures, with all parts.
template <class T = float>
Training<T> picture_training() {
    return train<T>(models::cae({.height = 5, .width = 6, .channels = 3, .widths = {3}}), picture_input);
}
template <class T = float>
TrainedModel<T> picture_model() {
    return picture_training<T>().trained;
}
/// Of a table, with all parts.
template <class T = float>
TrainedModel<T> table_model() {
    return train<T>(models::mlp({.values = 6, .widths = {4, 2}}), table_input).trained;
}

std::vector<AnyScoreRule> all_rules(const Scores& normal) {
    return {GradConScore{},
            ReconstructionScore{},
            GradientScore{},
            LatentScore{},
            CodeDistanceScore{},
            FinishedAlignmentScore{},
            LogNormDensityScore::fit(normal),
            StandardizedSum::fit(terms, normal),
            ConformalSum::fit(terms, normal)};
}

/// A packed picture in colours, with memory of its own.
template <class P>
struct Picture {
    std::vector<P> memory;
    ImageView<P> view;

    Picture(std::size_t height, std::size_t width, Rng& rng) : memory(height * width * 3) {
        for (P& value : memory)
            value = std::is_same_v<P, float> ? static_cast<P>(uniform(rng, 0, 1))
                                             : static_cast<P>(random_index(rng, std::size_t{1} << 8 * sizeof(P)));
        view = {.data = memory.data(), .height = height, .width = width, .order = PixelOrder::rgb};
    }
    Picture(const Picture&) = delete;
    Picture& operator=(const Picture&) = delete;
};

bool same(const Verdict& a, const Verdict& b) {
    const auto equal = [](double x, double y) { return x == y || (is_nan(x) && is_nan(y)); };
    return equal(a.score, b.score) && equal(a.p_value, b.p_value) && a.anomalous == b.anomalous &&
           equal(a.reconstruction_error, b.reconstruction_error);
}

std::vector<double> table_rows(std::size_t count = 6) {
    Rng rng(31);
    return random_values<double>(count, rng, -2, 3);
}
std::span<const double> view(const std::vector<double>& values) { return values; }

/// What the detector says of a certain sample.
template <class T>
Verdict verdict_of(const Detector<T>& detector) {
    if (std::holds_alternative<TableInput>(detector.trained().input)) {
        const auto rows = table_rows();
        return detector.score(view(rows));
    }
    Rng rng(32);
    return detector.score(Picture<std::uint8_t>(9, 8, rng).view);
}

bool same(const Calibration& a, const Calibration& b) {
    return a.normal_scores() == b.normal_scores() && a.false_alarm_rate() == b.false_alarm_rate() &&
           a.own_threshold() == b.own_threshold();
}

/// Reads the file in both ways; the model and its verdicts are the saved ones, bit for bit.
template <class T>
void check_comes_back(const std::filesystem::path& path, const TrainedModel<T>& saved) {
    const auto check = [&](const TrainedModel<T>& loaded) {
        CHECK(loaded.input == saved.input);
        CHECK(same(loaded.calibration, saved.calibration));
        CHECK(loaded.notes == saved.notes);
        CHECK(loaded.score_rule.index() == saved.score_rule.index());
        CHECK(loaded.profile.mean == saved.profile.mean);
        CHECK(loaded.profile.weight == saved.profile.weight);
        CHECK(loaded.profile.code_mean == saved.profile.code_mean);
        CHECK(loaded.profile.code_whitening == saved.profile.code_whitening);
        CHECK(same(verdict_of(Detector(loaded)), verdict_of(Detector(saved))));
    };
    check(io::load_trained<T>(path));
    check(io::load<T>(path).trained());
}

std::string version_of(const std::filesystem::path& path) {
    return io::read_safetensors(path).metadata().at("format_version");
}

io::TensorToWrite& tensor_of(std::vector<io::TensorToWrite>& tensors, std::string_view name) {
    return *std::ranges::find(tensors, name, &io::TensorToWrite::name);
}

/// The tensor's numbers become these.
FileEdit set_values(const std::string& name, const std::vector<double>& values) {
    return [=](auto&, auto& tensors) {
        const auto bytes = std::as_bytes(std::span(values));
        tensor_of(tensors, name).bytes.assign(bytes.begin(), bytes.end());
        tensor_of(tensors, name).shape = {values.size()};
    };
}
/// Element i of a tensor becomes `value`, in its own type.
template <class T>
FileEdit set_value(const std::string& name, std::size_t i, T value) {
    return [=](auto&, auto& tensors) {
        std::memcpy(tensor_of(tensors, name).bytes.data() + i * sizeof(T), &value, sizeof(T));
    };
}
FileEdit set_shape(const std::string& name, const std::vector<std::size_t>& shape) {
    return [=](auto&, auto& tensors) { tensor_of(tensors, name).shape = shape; };
}
FileEdit without(const std::string& name) {
    return [=](auto& metadata, auto& tensors) {
        std::erase_if(tensors, [&](const auto& tensor) { return tensor.name == name; });
        metadata.erase(name);
    };
}
FileEdit with(const std::string& name) {
    return [=](auto&, auto& tensors) { tensors.push_back({name, io::DType::f64, {0}, {}}); };
}

} // namespace

TEST_SUITE("detector") {
    TEST_CASE_TEMPLATE("a verdict is the score rule's word on the picture as the network takes it", T, float, double) {
        const auto training = picture_training<T>();
        auto trained = training.trained;
        const Scores& normal = training.normal;
        Rng rng(1);
        const Picture<std::uint8_t> bytes(9, 7, rng);
        const Picture<float> floats(5, 6, rng);
        for (const AnyScoreRule& rule : all_rules(normal)) {
            trained.score_rule = rule;
            trained.calibration = Calibration(scores_by(rule, normal), 0.25);
            const Detector detector(trained);
            const Scorer scorer{trained.model, trained.params, trained.policy, trained.profile};
            auto w = detector.workspace();
            auto plain = scorer.workspace();
            const auto check = [&](const auto& picture) {
                Tensor<T, 4> sample;
                sample.resize({1, 5, 6, 3});
                ImageInputWorkspace<T> conversion;
                convert(picture, picture_input, conversion, sample.data());
                const Statistics expected = scorer.statistics(Batch<T>(sample), 0, plain);
                const Verdict v = detector.score(picture, w);
                CHECK(v.score == rule(expected));
                CHECK(v.p_value == trained.calibration.p_value(v.score));
                CHECK(v.anomalous == trained.calibration.is_anomalous(v.score));
                CHECK(v.reconstruction_error == expected.reconstruction_error());
                CHECK(std::ranges::equal(v.cosine, expected.cosine()));
                CHECK(same(detector.score(picture), v));
                CHECK(detector.score(picture).cosine.empty());
                const Statistics s = detector.statistics(picture, w);
                CHECK(s.code_distance() == expected.code_distance());
                CHECK(std::ranges::equal(s.fisher_norm(), expected.fisher_norm()));
                CHECK(same(detector.verdict(s), v));
                const auto prepared = detector.prepare(picture, w);
                CHECK(prepared.shape() == detector.shape());
                CHECK(std::equal(sample.begin(), sample.end(), prepared.data()));
            };
            check(bytes.view);
            check(floats.view);
        }
        CHECK(Detector(trained).shape() == Shape{1, 5, 6, 3});
    }

    TEST_CASE("strides and the order of colours in memory make no difference") {
        const Detector detector(picture_model());
        Rng rng(2);
        constexpr std::ptrdiff_t height = 9, width = 7;
        const Picture<std::uint8_t> packed(height, width, rng);
        const auto expected = detector.score(packed.view);
        std::vector<std::uint8_t> from_below(3 * packed.memory.size(), 50), planes = from_below, bgra = from_below;
        for (std::ptrdiff_t y = 0; y < height; ++y)
            for (std::ptrdiff_t x = 0; x < width; ++x)
                for (std::ptrdiff_t c = 0; c < 3; ++c) {
                    const auto put = [&](auto& memory, std::ptrdiff_t at) {
                        memory[static_cast<std::size_t>(at)] = packed.view.row(static_cast<std::size_t>(y))[3 * x + c];
                    };
                    put(from_below, (height - 1 - y) * (3 * width + 2) + 3 * x + c);
                    put(planes, (c * height + y) * width + x);
                    put(bgra, (y * width + x) * 4 + 2 - c);
                }
        auto picture = packed.view;
        picture.data = from_below.data() + (height - 1) * (3 * width + 2);
        picture.row_stride = -(3 * width + 2);
        CHECK(same(detector.score(picture), expected));
        picture = packed.view;
        picture.data = planes.data();
        picture.row_stride = width, picture.pixel_stride = 1, picture.channel_stride = height * width;
        CHECK(same(detector.score(picture), expected));
        picture = packed.view;
        picture.data = bgra.data();
        picture.order = PixelOrder::bgra;
        CHECK(same(detector.score(picture), expected));
        picture.order = PixelOrder::rgba;
        CHECK(!same(detector.score(picture), expected));
    }

    TEST_CASE("calibrated, recalibrated, with a threshold only, and not at all") {
        const Detector detector(picture_model());
        Rng rng(3);
        const Picture<std::uint16_t> picture(20, 31, rng);
        const double score = detector.score(picture.view).score;
        const auto verdict = [&](const Calibration& calibration) {
            const auto other = detector.with(calibration);
            CHECK(same(other.calibration(), calibration));
            const Verdict v = other.score(picture.view);
            CHECK(v.score == score);
            return v;
        };
        CHECK(verdict(Calibration({score, score - 1, score + 1}, 0.6)).p_value == 0.75);
        CHECK(!verdict(Calibration({score, score - 1, score + 1}, 0.6)).anomalous);
        CHECK(verdict(Calibration({score, score - 1, score + 1}, 0.8)).anomalous);
        CHECK(verdict(Calibration({score + 1}).with_threshold(score)).anomalous);
        CHECK(verdict(Calibration({score + 1}).with_threshold(score)).p_value == 1);
        CHECK(verdict(Calibration().with_threshold(score)).anomalous);
        CHECK(!verdict(Calibration().with_threshold(std::nextafter(score, infinity))).anomalous);
        CHECK(is_nan(verdict(Calibration().with_threshold(score)).p_value));
        CHECK(!verdict({}).anomalous);
        CHECK(is_nan(verdict({}).p_value));
        CHECK(same(detector.score(picture.view), Detector(detector.trained()).score(picture.view)));
    }

    TEST_CASE("rows of a table: standardised, several of them a sample") {
        const Detector detector(table_model());
        const auto& t = detector.trained();
        const Scorer scorer{t.model, t.params, t.policy, t.profile};
        auto w = detector.workspace();
        auto plain = scorer.workspace();
        const auto rows = table_rows(3 * 11);
        CHECK(detector.shape() == Shape{1, 1, 1, 6});
        CHECK(table_input.samples(11) == 4);
        for (std::size_t i = 0; i < table_input.samples(11); ++i) {
            const auto window = view(rows).subspan(i * 3 * 3, 6);
            Tensor<float, 4> sample;
            sample.resize({1, 1, 1, 6});
            convert(window, table_input, sample.data());
            const Statistics expected = scorer.statistics(Batch<float>(sample), 0, plain);
            const Verdict v = detector.score(window, w);
            CHECK(v.score == t.score_rule(expected));
            CHECK(std::ranges::equal(v.cosine, expected.cosine()));
            CHECK(same(detector.score(window), v));
            CHECK(v.anomalous == t.calibration.is_anomalous(v.score));
        }
        const std::vector<float> single(rows.begin(), rows.begin() + 6);
        const std::vector<double> rounded(single.begin(), single.end());
        CHECK(same(detector.score(std::span<const float>(single)), detector.score(view(rounded))));
    }

    TEST_CASE("a picture or a row with a number that is none is anomalous, whatever the score rule") {
        const auto training = picture_training();
        auto trained = training.trained;
        const Scores& normal = training.normal;
        Rng rng(4);
        for (const AnyScoreRule& rule : all_rules(normal)) {
            trained.score_rule = rule;
            trained.calibration = Calibration(scores_by(rule, normal), 0.01);
            const Detector detector(trained);
            for (const double wrong : {not_a_number, infinity, -infinity}) {
                Picture<float> picture(5, 6, rng);
                picture.memory[40] = static_cast<float>(wrong);
                const Verdict v = detector.score(picture.view);
                CHECK(is_nan(v.score));
                CHECK(v.anomalous);
                CHECK(v.p_value == 1.0 / 13);
            }
        }
        auto rows = table_rows();
        rows[3] = not_a_number;
        CHECK(Detector(table_model()).score(view(rows)).anomalous);
    }

    TEST_CASE("score_each: many pictures of all sizes, the same bits on any number of threads") {
        const Detector detector(picture_model());
        const std::size_t count = detector.scorer().count();
        Rng rng(5);
        std::vector<std::unique_ptr<Picture<std::uint8_t>>> pictures;
        std::vector<ImageView<std::uint8_t>> views;
        std::vector<Verdict> expected;
        std::vector<double> expected_cosines;
        for (std::size_t i = 0; i < 25; ++i) {
            pictures.push_back(std::make_unique<Picture<std::uint8_t>>(1 + i % 4 * 7, 1 + i % 3 * 11, rng));
            views.push_back(pictures.back()->view);
            auto w = detector.workspace();
            expected.push_back(detector.score(views.back(), w));
            expected_cosines.insert(expected_cosines.end(), expected.back().cosine.begin(),
                                    expected.back().cosine.end());
        }
        const std::span<const ImageView<std::uint8_t>> all(views);
        for (const std::size_t threads : {1U, 2U, 3U}) {
            ThreadPool pool(threads);
            std::vector workspaces(pool.workers(), detector.workspace());
            std::vector<Verdict> verdicts(all.size());
            std::vector<double> cosines(all.size() * count);
            score_each(detector, all, pool, std::span(workspaces), std::span(verdicts), std::span(cosines));
            CHECK(std::ranges::equal(verdicts, expected, [](auto& a, auto& b) { return same(a, b); }));
            CHECK(cosines == expected_cosines);
            CHECK(verdicts[7].cosine.data() == cosines.data() + 7 * count);
            CHECK(verdicts[7].cosine.size() == count);
            score_each(detector, all, pool, std::span(workspaces), std::span(verdicts));
            CHECK(std::ranges::equal(verdicts, expected, [](auto& a, auto& b) { return same(a, b); }));
            CHECK(verdicts[7].cosine.empty());
            score_each(detector, all.first(0), pool, std::span(workspaces), std::span(verdicts).first(0));

            const auto refused = [&](std::size_t rooms, std::size_t results, std::size_t numbers,
                                     std::initializer_list<std::string_view> parts) {
                CHECK(throws_naming<ValueError>(
                    [&] {
                        score_each(detector, all, pool, std::span(workspaces).first(rooms),
                                   std::span(verdicts).first(results), std::span(cosines).first(numbers));
                    },
                    parts));
            };
            refused(threads - 1, 25, 0, {"25 samples", "as many workspaces"});
            refused(threads, 24, 0, {"25 samples", ", 24 and 0"});
            refused(threads, 25, 1, {"25 cosines", ", 25 and 1"});
            views[20].data = nullptr;
            CHECK(throws_naming<ShapeError>(
                [&] { score_each(detector, all, pool, std::span(workspaces), std::span(verdicts)); }, {"no memory"}));
            views[20].data = pictures[20]->memory.data();
        }
        const Detector tables(table_model());
        const auto rows = table_rows(18);
        const std::array<std::span<const double>, 3> samples{view(rows).first(6), view(rows).subspan(6, 6),
                                                             view(rows).last(6)};
        ThreadPool pool(2);
        std::vector workspaces(2, tables.workspace());
        std::array<Verdict, 3> verdicts{};
        score_each(tables, std::span<const std::span<const double>>(samples), pool, std::span(workspaces),
                   std::span<Verdict>(verdicts));
        for (std::size_t i = 0; i < 3; ++i) CHECK(same(verdicts[i], tables.score(samples[i])));
    }

    TEST_CASE("eight threads share one detector, each with a workspace of its own") {
        const Detector detector(picture_model());
        Rng rng(6);
        const Picture<std::uint8_t> small(4, 3, rng), large(17, 12, rng);
        const std::array expected{detector.score(small.view), detector.score(large.view)};
        std::array<bool, 8> equal{};
        std::vector<std::thread> threads;
        for (bool& mine : equal)
            threads.emplace_back([&] {
                auto w = detector.workspace();
                mine = true;
                for (int i = 0; i < 10; ++i)
                    mine = mine && same(detector.score(i % 2 == 0 ? small.view : large.view, w), expected[i % 2 != 0]);
            });
        for (auto& thread : threads) thread.join();
        CHECK(std::ranges::count(equal, true) == 8);
    }

    TEST_CASE("what does not belong together is refused") {
        const auto training = picture_training();
        auto trained = training.trained;
        const Scores& normal = training.normal;
        const Detector pictures(trained), tables(table_model());
        Rng rng(7);
        const Picture<std::uint8_t> picture(5, 6, rng);
        const auto rows = table_rows();
        CHECK(throws_naming<ValueError>([&] { tables.score(picture.view); }, {"for rows of numbers"}));
        CHECK(throws_naming<ValueError>([&] { pictures.score(view(rows)); }, {"for pictures"}));
        CHECK(throws_naming<ShapeError>([&] { tables.score(view(rows).first(5)); }, {"6 in all", "given: 5"}));
        CHECK(throws_naming<ShapeError>([&] { pictures.score(ImageView<float>{}); }, {"0 x 0", "no memory"}));

        const auto refused = [&]<class E>(E, auto&& change, std::initializer_list<std::string_view> parts) {
            auto wrong = trained;
            change(wrong);
            CHECK(throws_naming<E>([&] { Detector detector(wrong); }, parts));
        };
        const ValueError value("");
        const ShapeError shape("");
        refused(value, [](auto& t) { t.input = std::monostate{}; }, {"what it is fed with"});
        refused(value, [](auto& t) { t.input = ImageInput{.height = 0}; }, {"height and width"});
        refused(value, [](auto& t) { t.input = TableInput{}; }, {"0 means"});
        refused(shape, [](auto& t) { t.input = ImageInput{.height = 5, .width = 6}; }, {"1 x 5 x 6 x 1"});
        refused(shape, [](auto& t) { t.input = table_input; }, {"1 x 1 x 1 x 6"});
        refused(shape, [](auto& t) { std::get<ImageInput>(t.input).height = 6; }, {"1 x 6 x 6 x 3", "5 or 7"});
        // The network takes 7 x 6, the codes of the profile are of 5 x 6.
        refused(shape, [](auto& t) { std::get<ImageInput>(t.input).height = 7; }, {"the profile's codes have 36"});
        refused(value, [](auto& t) { t.profile = {}; }, {"standardized_sum", "no profile"});
        refused(value,
                [](auto& t) {
                    t.profile.code_mean.clear();
                    t.profile.code_whitening.clear();
                },
                {"standardized_sum", "a profile without codes"});
        refused(value,
                [](auto& t) {
                    t.profile = {};
                    t.score_rule = CodeDistanceScore{};
                },
                {"code_distance", "no profile"});
        refused(value,
                [](auto& t) {
                    t.score_rule = LogNormDensityScore{{1, 2}, {1, 1}};
                },
                {"log_norm_density", "1 monitored tensors, with codes"});
        refused(shape, [](auto& t) { t.profile.mean[0].pop_back(); }, {"profile"});
        for (const auto& rule : all_rules(normal)) {
            trained.score_rule = rule;
            CHECK(is_finite(verdict_of(Detector(trained)).score));
        }
    }

    TEST_CASE_TEMPLATE("a model file brings everything back, bit for bit", T, float, double) {
        const TemporaryFolder folder;
        const auto path = folder.path / "model.safetensors";
        const auto round_trip = [&](const TrainedModel<T>& saved) {
            io::save(saved, path);
            check_comes_back(path, saved);
            CHECK(version_of(path) == "3");
        };
        const auto training = picture_training<T>();
        auto trained = training.trained;
        const Scores& normal = training.normal;
        for (const auto& rule : all_rules(normal)) {
            trained.score_rule = rule;
            trained.calibration = Calibration(scores_by(rule, normal), 1.0 / 3);
            round_trip(trained);
        }
        trained.calibration = trained.calibration.with_threshold(-1e-3 / 3);
        trained.notes = {{"", "empty"}, {"a.b", ""}, {"data", "\u00e9\n\"quoted\"\0 and more"}, {"checksum", "none"}};
        round_trip(trained);
        trained.calibration = Calibration().with_threshold(0.1);
        std::get<ImageInput>(trained.input).order = PixelOrder::rgb;
        round_trip(trained);
        trained.calibration = {};
        trained.notes.clear();
        round_trip(trained);
        auto table = table_model<T>();
        round_trip(table);
        std::get<TableInput>(table.input).columns.clear();
        round_trip(table);

        table.profile = {};
        table.score_rule = {};
        table.input = std::monostate{}; // a calibration alone
        io::save(table, path);
        CHECK(version_of(path) == "3");
        CHECK(same(io::load_trained<T>(path).calibration, table.calibration));
        CHECK(io::load_trained<T>(path).notes == table.notes);
        CHECK(!io::read_safetensors(path).find("self_test.samples"));
        auto params = table.params;
        auto policy = table.policy;
        fill(params, 0);
        io::load_model(path, table.model, params, policy); // passes over it
        CHECK(std::ranges::equal(policy.reference().exact(0), table.policy.reference().exact(0)));
    }

    TEST_CASE("a file's version is the lowest that has what is in it") {
        const TemporaryFolder folder;
        const auto path = folder.path / "model.safetensors";
        const auto full = picture_model();
        const auto version = [&](auto&& add) {
            TrainedModel<float> trained{full.model, full.params, full.policy};
            add(trained);
            io::save(trained, path);
            return version_of(path);
        };
        CHECK(version([](auto&) {}) == "1");
        const auto bytes = io::read_file(path);
        io::save_model(path, full.model, full.params, full.policy);
        CHECK(io::read_file(path) == bytes);
        CHECK(version([&](auto& t) { t.profile = full.profile; }) == "2");
        CHECK(version([](auto& t) { t.score_rule = ReconstructionScore{}; }) == "2");
        CHECK(version([](auto& t) { t.notes["author"] = "nobody"; }) == "3");
        CHECK(version([&](auto& t) { t.calibration = full.calibration; }) == "3");
        CHECK(version([](auto& t) { t.calibration = Calibration().with_threshold(1); }) == "3");
        CHECK(version([&](auto& t) { t.input = full.input; }) == "3");
    }

    TEST_CASE("files of versions 1 and 2 become detectors when they are told the input") {
        const TemporaryFolder folder;
        const auto path = folder.path / "model.safetensors";
        auto trained = picture_model();
        trained.calibration = {};
        trained.notes.clear();
        const auto check = [&] {
            CHECK(same(verdict_of(io::load(path, {.input = picture_input})), verdict_of(Detector(trained))));
            CHECK(throws_naming<FileError>([&] { io::load(path); },
                                           {"model.safetensors", "does not say what it is fed with", "ImageInput"}));
            CHECK(throws_naming<FileError>([&] { io::load(path, {.input = ImageInput{}}); },
                                           {"model.safetensors", "1 x 28 x 28 x 1"}));
            CHECK(throws_naming<ValueError>([&] { io::load(path, {.input = ImageInput{.height = 0}}); },
                                            {"height and width"}));
            CHECK(throws_naming<ValueError>([&] { io::load(path, {.input = Input{}}); }, {"fed with"}));
            CHECK(std::holds_alternative<std::monostate>(io::load_trained<float>(path).input));
        };
        io::save_model(path, trained.model, trained.params, trained.policy, trained.profile, trained.score_rule);
        CHECK(version_of(path) == "2");
        check();
        trained.profile = {};
        trained.score_rule = {};
        io::save_model(path, trained.model, trained.params, trained.policy);
        CHECK(version_of(path) == "1");
        check();
    }

    TEST_CASE("a file's input, calibration, threshold or rate can be overridden") {
        const TemporaryFolder folder;
        const auto path = folder.path / "model.safetensors";
        auto trained = picture_model();
        io::save(trained, path);
        const auto calibration = [&](const io::LoadOverrides& overrides) {
            return io::load(path, overrides).calibration();
        };
        const Calibration other({3, 1, 2}, 0.5);
        CHECK(same(calibration({}), trained.calibration));
        CHECK(same(calibration({.threshold = 0.7}), trained.calibration.with_threshold(0.7)));
        CHECK(same(calibration({.threshold = infinity}), trained.calibration.with_threshold(infinity)));
        CHECK(same(calibration({.false_alarm_rate = 0.1}), trained.calibration.with_false_alarm_rate(0.1)));
        CHECK(same(calibration({.calibration = other}), other));
        CHECK(same(calibration({.calibration = other, .threshold = 9}), other.with_threshold(9)));
        CHECK(calibration({.calibration = Calibration()}).empty());
        const auto refused = [&](const io::LoadOverrides& overrides, std::initializer_list<std::string_view> parts) {
            CHECK(throws_naming<ValueError>([&] { calibration(overrides); }, parts));
        };
        refused({.threshold = 0.7, .false_alarm_rate = 0.1}, {"not both"});
        refused({.threshold = not_a_number}, {"not a number"});
        refused({.false_alarm_rate = 0}, {"rate", "given: 0"});
        refused({.false_alarm_rate = 1}, {"rate", "given: 1"});
        refused({.calibration = Calibration(), .false_alarm_rate = 0.1}, {"model.safetensors", "not calibrated"});

        // Another input than the file's: its own self-test still passes.
        auto input = picture_input;
        input.offset = 0;
        trained.input = input;
        CHECK(same(verdict_of(io::load(path, {.input = input})), verdict_of(Detector(trained))));
        CHECK(throws_naming<FileError>([&] { io::load(path, {.input = table_input}); }, {"1 x 1 x 1 x 6"}));
        input.height = 7;
        CHECK(throws_naming<FileError>([&] { io::load(path, {.input = input}); }, {"the profile's codes"}));
        trained.profile = {};
        trained.score_rule = GradConScore{};
        io::save(trained, path);
        trained.input = input;
        CHECK(same(verdict_of(io::load(path, {.input = input})), verdict_of(Detector(trained))));

        // Of a threshold alone, and without any calibration.
        trained.calibration = Calibration().with_threshold(1);
        io::save(trained, path);
        CHECK(same(calibration({.threshold = 2}), Calibration().with_threshold(2)));
        refused({.false_alarm_rate = 0.1}, {"not calibrated"});
        trained.calibration = {};
        io::save(trained, path);
        CHECK(same(calibration({.threshold = 2}), Calibration().with_threshold(2)));
        refused({.false_alarm_rate = 0.1}, {"not calibrated"});
    }

    TEST_CASE("a model that does not score as it did where it was saved is refused") {
        const TemporaryFolder folder;
        const auto path = folder.path / "model.safetensors";
        const auto training = picture_training();
        auto trained = training.trained;
        const Scores& normal = training.normal;
        const auto fails = [&](const FileEdit& edit, std::initializer_list<std::string_view> parts) {
            io::save(trained, path);
            edit_file(path, edit);
            CHECK(throws_naming<FileError>([&] { io::load_trained<float>(path); }, {"model.safetensors", "self-test"}));
            CHECK(throws_naming<FileError>([&] { io::load(path); }, parts));
        };
        const auto rules = all_rules(normal);
        for (const auto& rule : rules) {
            trained.score_rule = rule;
            io::save(trained, path);
            const auto scores = io::read_safetensors(path).values<double>("self_test.scores");
            const bool unchanging = std::holds_alternative<LatentScore>(rule);
            fails(set_value<float>("up.0.bias", 0, 3),
                  {"the self-test failed: sample 0 scored", message("scored ", scores[0]), "scores ", " here"});
            for (std::size_t i = 0; i < 4; ++i) {
                const double changed = scores[i] + 2e-4 * (1 + std::abs(scores[i]));
                fails(set_value("self_test.scores", i, changed),
                      {"the self-test failed", i < 2 ? "sample 0" : "sample 1", message("scored ", changed),
                       message("scores ", scores[i])});
                edit_file(path, set_value("self_test.scores", i, scores[i] + 0.5e-4 * (1 + std::abs(scores[i]))));
                io::load(path);
            }
            CHECK((scores[1] == scores[3]) == unchanging);
        }
        fails(set_value("self_test.scores", 2, not_a_number), {"scored nan"});
        fails(set_value("self_test.scores", 3, infinity), {"scored inf"});
        fails(set_value("self_test.samples", 7, std::numeric_limits<float>::quiet_NaN()), {"scores nan"});

        // A sum of conformal p-values jumps: the test looks at what they are of.
        const auto conformal = ConformalSum::fit(terms, normal);
        trained.score_rule = conformal;
        const auto test = io::detail::SelfTest<float>::make(Detector(trained));
        trained.score_rule = conformal.sum;
        CHECK(test.scores == io::detail::SelfTest<float>::make(Detector(trained)).scores);
    }

    TEST_CASE("the self-test allows for other roundings: a file of floats read as doubles, and the other way round") {
        const TemporaryFolder folder;
        const auto path = folder.path / "model.safetensors";
        const auto check = [&]<class T, class U>(T, U) {
            const auto training = picture_training<T>();
            auto trained = training.trained;
            const Scores& normal = training.normal;
            for (const auto& rule : all_rules(normal)) {
                trained.score_rule = rule;
                io::save(trained, path);
                const auto loaded = io::load<U>(path);
                CHECK(loaded.trained().score_rule.index() == rule.index());
                CHECK(io::load_trained<U>(path).input == trained.input);
                if (!std::holds_alternative<ConformalSum>(rule))
                    CHECK(verdict_of(loaded).score ==
                          doctest::Approx(verdict_of(Detector(trained)).score).epsilon(1e-4));
            }
            io::save(table_model<T>(), path);
            CHECK(io::load<U>(path).shape() == Shape{1, 1, 1, 6});
        };
        check(float{}, double{});
        check(double{}, float{});
    }

    TEST_CASE("what could not be read again is not saved") {
        const TemporaryFolder folder;
        const auto path = folder.path / "model.safetensors";
        const auto pictures = picture_model(), table = table_model();
        io::save(pictures, path);
        const auto before = io::read_file(path);
        const auto refused = [&]<class E>(E, TrainedModel<float> wrong, auto&& change,
                                          std::initializer_list<std::string_view> parts) {
            change(wrong);
            CHECK(throws_naming<E>([&] { io::save(wrong, path); }, parts));
            CHECK(io::read_file(path) == before);
        };
        const ValueError value("");
        const ShapeError shape("");
        refused(shape, pictures, [](auto& t) { t.input = table_input; }, {"1 x 1 x 1 x 6"});
        refused(value, pictures, [](auto& t) { std::get<ImageInput>(t.input).scale = not_a_number; }, {"scale", "nan"});
        refused(value, table, [](auto& t) { std::get<TableInput>(t.input).deviations[1] = 0; }, {"above 0"});
        refused(value, table, [](auto& t) { std::get<TableInput>(t.input).columns[1] = "\xb0"; }, {"not UTF-8"});
        refused(value, table, [](auto& t) { t.notes["camera"] = "caf\xe9"; }, {"not UTF-8", "caf"});
        refused(value, table, [](auto& t) { t.notes["\xff"] = ""; }, {"not UTF-8"});
        refused(value, table, [](auto& t) { t.calibration = t.calibration.with_threshold(infinity); }, {"inf"});
        refused(value, table,
                [](auto& t) {
                    fill(t.params, 1e30);
                    t.score_rule = {};
                },
                {"the model scores noise with"});
        refused(value, pictures, [](auto& t) { t.profile = {}; }, {"a profile"});
    }

    TEST_CASE("a hostile input, calibration or self-test is refused by name") {
        const TemporaryFolder folder;
        const auto path = folder.path / "model.safetensors";
        const auto pictures = picture_model(), tables = table_model();
        const auto refused = [&](const TrainedModel<float>& saved, const FileEdit& edit,
                                 std::initializer_list<std::string_view> parts) {
            io::save(saved, path);
            edit_file(path, edit);
            INFO(*parts.begin());
            CHECK(throws_naming<FileError>([&] { io::load_trained<float>(path); }, parts));
            CHECK_THROWS_AS(io::load(path, {.calibration = Calibration()}), FileError);
        };
        const auto changed = replace_in_metadata;
        refused(pictures, set_metadata("format_version", "4"), {"version 4 is newer", "up to 3"});

        const auto input = [](const char* text) { return set_metadata("input", text); };
        refused(pictures, input("[{"), {"metadata input"});
        refused(pictures, input("[]"), {"metadata input", "one object"});
        refused(pictures, input("[{},{}]"), {"metadata input", "one object"});
        refused(pictures, input("[{}]"), {"metadata input", "lacks type"});
        refused(pictures, input(R"([{"type":"sound"}])"), {"metadata input", "type sound"});
        refused(pictures, input(R"([{"type":7}])"), {"metadata input", "type must be a text"});
        for (const char* key : {"height", "width"}) {
            const std::string part = '"' + std::string(key) + "\":", old = part + (part == "\"height\":" ? "5" : "6");
            refused(pictures, changed("input", old, part + "0"), {"metadata input", "height and width are 1 or more"});
            refused(pictures, changed("input", old, part + "1099511627776"), {"metadata input", key, "1099511627776"});
            refused(pictures, changed("input", old, part + "-5"), {"metadata input", key, "-5"});
            refused(pictures, changed("input", old, part + "5.5"), {"metadata input", key, "5.5"});
            refused(pictures, changed("input", old, part + "1048575"), {"self_test.samples must have shape"});
            refused(pictures, changed("input", part, "\"x\":"), {"metadata input", "lacks", key});
        }
        refused(pictures, changed("input", "bgr", "cmyk"), {"metadata input", "order cannot be cmyk"});
        refused(pictures, changed("input", "bgr", "bgra"), {"metadata input", "order cannot be bgra"});
        refused(pictures, changed("input", "bgr", "gray"), {"self_test.samples", "2 x 5 x 6 x 1"});
        refused(pictures, changed("input", "{", "{\"gamma\":2.2,"), {"metadata input", "unknown keys", "gamma"});
        refused(pictures, changed("input", "1.75", "1e999"), {"metadata input"});
        refused(pictures, changed("input", "1.75", "0"), {"metadata input", "scale"});
        refused(pictures, changed("input", "1.75", "\"1\""), {"metadata input", "scale must be a number"});

        refused(tables, changed("input", "{", "{\"mean\":2,"), {"metadata input", "unknown keys", "mean"});
        refused(tables, changed("input", "columns", "colours"), {"metadata input", "lacks columns"});
        refused(tables, changed("input", "\"a\",", ""), {"metadata input", "2 names"});
        refused(tables, changed("input", "[\"a\",", "[\"a\",\"b\","), {"metadata input", "4 names"});
        refused(tables, changed("input", "\"window\":2", "\"window\":0"), {"metadata input", "0 and 3"});
        refused(tables, changed("input", "\"window\":2", "\"window\":1"), {"self_test.samples", "2 x 1 x 1 x 3"});
        refused(tables, changed("input", "\"window\":2", "\"window\":1099511627776"), {"metadata input", "window"});
        refused(tables, changed("input", "\"stride\":3", "\"stride\":0"), {"metadata input", "2 and 0"});
        refused(tables, changed("input", "\"stride\":3", "\"stride\":1099511627776"), {"metadata input", "stride"});
        refused(tables, set_value("input.deviations", 1, 0.0), {"metadata input", "above 0"});
        refused(tables, set_value("input.deviations", 2, not_a_number), {"input.deviations", "nan"});
        refused(tables, set_value("input.means", 2, infinity), {"input.means", "inf"});
        refused(tables, set_values("input.deviations", {1, 1}), {"metadata input", "3 means, 2 deviations"});
        refused(tables, set_values("input.means", {}), {"metadata input", "0 means"});
        refused(tables, set_shape("input.means", {3, 1}), {"input.means", "one dimension"});

        const auto calibration = [](const char* text) { return set_metadata("calibration", text); };
        refused(pictures, calibration("[1]"), {"metadata calibration"});
        refused(pictures, calibration("[]"), {"metadata calibration", "one object"});
        refused(pictures, calibration("[{}]"), {"metadata calibration", "lacks false_alarm_rate"});
        refused(pictures, calibration(R"([{"threshold":1}])"), {"metadata calibration", "lacks false_alarm_rate"});
        for (const char* rate : {"0", "1", "0.0", "1.0", "-0.5", "17"})
            refused(pictures, changed("calibration", "0.25", rate), {"metadata calibration", "false_alarm_rate < 1"});
        refused(pictures, changed("calibration", "0.25", "1e999"), {"metadata calibration"});
        refused(pictures, changed("calibration", "0.25", "\"x\""), {"metadata calibration", "false_alarm_rate"});
        refused(pictures, changed("calibration", "0.25", "0.25,\"rate\":1"), {"metadata calibration", "lacks thr"});
        refused(pictures, changed("calibration", "0.25", "0.25,\"threshold\":1,\"rate\":1"),
                {"metadata calibration", "unknown keys", "rate"});
        refused(pictures, changed("calibration", "0.25", "0.25,\"threshold\":\"high\""), {"threshold must be"});
        refused(pictures, set_values("calibration.normal_scores", {}), {"metadata calibration", "normal scores"});
        refused(pictures, set_values("calibration.normal_scores", {1, 3, 2}), {"metadata calibration", "ascend"});
        refused(pictures, set_values("calibration.normal_scores", {1, not_a_number}),
                {"calibration.normal_scores", "nan"});
        refused(pictures, set_values("calibration.normal_scores", {1, infinity}), {"normal_scores", "inf"});

        refused(pictures, set_shape("self_test.samples", {2, 6, 5, 3}), {"self_test.samples", "2 x 6 x 5 x 3"});
        refused(pictures, set_shape("self_test.samples", {180}), {"self_test.samples", "2 x 5 x 6 x 3", "[180]"});
        refused(pictures, set_shape("self_test.scores", {4}), {"self_test.scores", "[2 x 2]", "[4]"});
        refused(pictures, [](auto&, auto& tensors) { tensor_of(tensors, "self_test.scores").dtype = io::DType::i64; },
                {"self_test.scores", "F32 or F64"});

        for (const char* name : {"input.means", "input.deviations", "calibration.normal_scores", "self_test.samples",
                                 "self_test.scores"}) {
            refused(tables, without(name), {name, "is missing"});
            TrainedModel<float> plain{tables.model, tables.params, tables.policy};
            refused(plain, with(name), {"unexpected tensor", name});
        }
        refused(pictures, without("calibration"), {"unexpected tensor calibration.normal_scores"});
        for (const char* name : {"calibration.other", "input.means", "input.", "self_test.more"})
            refused(pictures, with(name), {"unexpected tensor", name});
        io::save(tables, path);
        edit_file(path, without("input"));
        CHECK(throws_naming<FileError>([&] { io::load_trained<float>(path); }, {"unexpected tensor", "input.means"}));
    }

    TEST_CASE("truncation and every flipped bit of the header: an error, or the same detector") {
        const TemporaryFolder folder;
        const auto path = folder.path / "model.safetensors";
        auto trained =
            train(models::mlp({.values = 1, .widths = {1}}), TableInput{.means = {0}, .deviations = {1}}).trained;
        trained.profile = {};
        trained.score_rule = {};
        io::save(trained, path);
        const auto whole = io::read_file(path);
        const std::vector<double> row{0.3};
        const Verdict expected = Detector(trained).score(view(row));
        std::size_t accepted = 0;
        const auto read = [&](std::span<const std::byte> bytes) {
            std::filesystem::remove(path); // some file systems sync a file that is emptied and written again
            std::ofstream(path, std::ios::binary)
                .write(reinterpret_cast<const char*>(bytes.data()), static_cast<std::streamsize>(bytes.size()));
            try {
                const bool equal = same(io::load(path).score(view(row)), expected);
                CHECK(equal);
                ++accepted;
            } catch (const FileError&) {}
        };
        for (std::size_t size = 0; size < whole.size(); size += 7) read(std::span(whole).first(size));
        CHECK(accepted == 0);
        std::uint64_t length = 0;
        std::memcpy(&length, whole.data(), 8);
        auto flipped = whole;
        for (std::size_t bit = 0; bit < (8 + length) * 8; ++bit) {
            flipped[bit / 8] ^= static_cast<std::byte>(1 << bit % 8);
            read(flipped);
            flipped[bit / 8] = whole[bit / 8];
        }
        CHECK(accepted < 200); // such as of the word "checksum" itself
        read(whole);
        CHECK(accepted > 0);
    }
}
