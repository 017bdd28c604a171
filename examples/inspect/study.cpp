// What the parts of local GradCon bring, on a folder in the layout of MVTec AD, beside simple methods on the same
// features: study FOLDER NETWORK.onnx LONGEST_SIDE MARGIN SEED LAYER...
#include "mvtec_folder.hpp"

#include <gradcon/evaluation/intervals.hpp>
#include <gradcon/features/opencv_dnn.hpp>
#include <gradcon/inspection/learn.hpp>
#include <gradcon/inspection/localization.hpp>
#include <gradcon/kernels/whitening.hpp>

#include <array>
#include <cstdio>
#include <cstdlib>
#include <exception>
#include <limits>

namespace {

using gradcon::Statistic;
using Inspector = gradcon::Inspector<gradcon::OpenCvDnn>;

struct Rule {
    const char* name;
    std::vector<Statistic> statistics;
};
const std::vector<Rule> rules{{"error", {Statistic::reconstruction_error}},
                              {"alignment", {Statistic::cosine}},
                              {"finished alignment", {Statistic::mean_cosine}},
                              {"Fisher norm", {Statistic::fisher_norm}},
                              {"code distance", {Statistic::code_distance}},
                              {"error + alignment", {Statistic::reconstruction_error, Statistic::cosine}},
                              {"error + finished alignment", {Statistic::reconstruction_error, Statistic::mean_cosine}},
                              {"error + code distance", {Statistic::reconstruction_error, Statistic::code_distance}}};

/// Scores of the test pictures by one method, and how good they are.
struct Measured {
    std::vector<double> scores;
    gradcon::Localization places;
    std::size_t alarms = 0, rare_alarms = 0, regions = 0; // on good pictures
};

struct Test {
    std::vector<mvtec::Sample> samples;
    std::vector<cv::Mat> pictures;
    std::vector<std::vector<std::uint8_t>> masks;
    std::vector<std::uint8_t> anomalous;
};

void add_places(Measured& measured, std::span<const double> map, std::size_t width, std::size_t margin,
                const Test& test, std::size_t i) {
    const cv::Mat& picture = test.pictures[i];
    const auto height = static_cast<std::size_t>(picture.rows), columns = static_cast<std::size_t>(picture.cols);
    std::vector<double> enlarged;
    gradcon::enlarge(map, width, margin, height, columns, enlarged);
    if (test.anomalous[i] == 0 || !test.masks[i].empty())
        measured.places.add(std::span<const double>(enlarged), test.masks[i], columns);
}

void print(const char* name, const Measured& measured, const Test& test, bool rates) {
    const gradcon::Interval auroc = gradcon::auroc_interval(measured.scores, test.anomalous);
    std::printf("| %s | %.3f [%.3f, %.3f] | %.3f | %.3f |", name, auroc.value, auroc.low, auroc.high,
                measured.places.auroc(), measured.places.aupro());
    if (rates) {
        const auto good = static_cast<double>(std::ranges::count(test.anomalous, 0));
        std::printf(" alarms on good pictures: %.3f at .05, %.3f at .01; %.3f show a region at .01",
                    static_cast<double>(measured.alarms) / good, static_cast<double>(measured.rare_alarms) / good,
                    static_cast<double>(measured.regions) / good);
    }
    std::printf("\n");
    std::fflush(stdout);
}

Measured measure(const Inspector& inspector, const Test& test) {
    Measured measured;
    auto workspace = inspector.workspace();
    for (std::size_t i = 0; i < test.samples.size(); ++i) {
        const auto inspection = inspector.inspect(mvtec::view(test.pictures[i]), workspace);
        measured.scores.push_back(inspection.score);
        add_places(measured, inspection.map, inspection.width, inspector.model().map.margin, test, i);
        if (test.anomalous[i] != 0 || inspector.calibration().empty()) continue;
        measured.alarms += inspection.p_value <= 0.05 ? 1 : 0;
        measured.rare_alarms += inspection.anomalous ? 1 : 0;
        measured.regions += inspection.regions.empty() ? 0 : 1;
    }
    return measured;
}

/// Maps by any distance of a location's features, brought to pictures as the inspector does it.
template <class Distance>
Measured measure_distance(const Inspector& inspector, const Test& test, const Distance& distance) {
    Measured measured;
    auto workspace = inspector.workspace();
    const std::size_t values = inspector.model().scaling.outputs();
    const gradcon::MapSmoothing smoothing(inspector.model().map.smoothing);
    std::vector<double> map, storage;
    for (std::size_t i = 0; i < test.samples.size(); ++i) {
        const auto [height, width] = inspector.prepare(mvtec::view(test.pictures[i]), workspace);
        map.clear();
        for (std::size_t at = 0; at < height * width; ++at)
            map.push_back(distance(std::span<const float>(workspace.features).subspan(at * values, values)));
        smoothing.apply(map, width, storage);
        measured.scores.push_back(gradcon::mean_of_highest(map, inspector.model().map.highest_share, storage));
        add_places(measured, map, width, inspector.model().map.margin, test, i);
    }
    return measured;
}

void run(const std::filesystem::path& root, const std::string& network, std::size_t side, std::size_t margin,
         std::uint64_t seed, const std::vector<std::string>& layers) {
    cv::setNumThreads(1);
    std::vector<cv::Mat> good;
    for (const auto& path : mvtec::files_below(root / "train/good")) good.push_back(mvtec::read(path));
    Test test{mvtec::test_samples(root), {}, {}, {}};
    for (const mvtec::Sample& sample : test.samples) {
        test.pictures.push_back(mvtec::read(sample.path));
        test.anomalous.push_back(sample.defect == "good" ? 0 : 1);
        auto& mask = test.masks.emplace_back();
        if (sample.mask.empty()) continue;
        const cv::Mat truth = mvtec::read(sample.mask, cv::IMREAD_GRAYSCALE) > 127;
        mask.assign(truth.begin<std::uint8_t>(), truth.end<std::uint8_t>());
    }
    const gradcon::OpenCvDnn extractor(network, layers, {.longest_side = side});
    std::vector<gradcon::ImageView<std::uint8_t>> pictures;
    for (const cv::Mat& picture : good) pictures.push_back(mvtec::view(picture));
    std::printf("seed %zu, longest side %zu, margin %zu\n\n| method | pictures: AUROC | pixels: AUROC | AUPRO | |\n"
                "|---|---|---|---|---|\n",
                static_cast<std::size_t>(seed), side, margin);
    for (const double alpha : {0.0, 0.03, 0.3}) {
        gradcon::Scores held_out;
        gradcon::LearnLocalOptions options;
        options.map.margin = margin;
        options.constraint.alpha = alpha;
        options.seed = seed;
        options.score_rule = [&](const gradcon::Scores& normal) -> gradcon::AnyScoreRule {
            held_out = normal;
            return gradcon::StandardizedSum::fit(rules[0].statistics, normal);
        };
        const Inspector inspector = gradcon::learn_local(extractor, pictures, options);
        for (const Rule& rule : rules) {
            gradcon::LocalModel model = inspector.model();
            model.trained.score_rule = gradcon::StandardizedSum::fit(rule.statistics, held_out);
            const bool calibrated = &rule == &rules[0];
            if (!calibrated) model.trained.calibration = {}, model.regions = {};
            const std::string name = "alpha " + std::to_string(alpha).substr(0, 4) + ": " + rule.name;
            print(name.c_str(), measure(Inspector(extractor, std::move(model)), test), test, calibrated);
        }
        if (alpha != 0) continue;

        // Of locations drawn from the training pictures, scaled alike.
        gradcon::Rng rng(seed);
        auto workspace = inspector.workspace();
        const std::size_t values = inspector.model().scaling.outputs();
        std::vector<float> locations;
        for (const cv::Mat& picture : good) {
            const auto [height, width] = inspector.prepare(mvtec::view(picture), workspace);
            for (int k = 0; k < 60; ++k) {
                const float* from = workspace.features.data() + gradcon::random_index(rng, height * width) * values;
                locations.insert(locations.end(), from, from + values);
            }
        }
        const std::size_t count = locations.size() / values;
        std::vector<double> mean(values), products(values * values);
        gradcon::kernels::add_outer_squares(std::span<const float>(locations), 0, 1, std::span(mean),
                                            std::span(products));
        for (double& v : mean) v /= static_cast<double>(count);
        for (double& v : products) v /= static_cast<double>(count);
        const auto whitening = gradcon::kernels::whitening(mean, products);
        const gradcon::AlignedVector<float> narrow(whitening.begin(), whitening.end());
        gradcon::AlignedVector<float> centred;
        print("Mahalanobis",
              measure_distance(inspector, test,
                               [&](std::span<const float> x) {
                                   return gradcon::kernels::mahalanobis(std::span<const float>(narrow),
                                                                        std::span<const double>(mean), x, centred);
                               }),
              test, false);
        for (const std::size_t percent : {1U, 10U}) {
            const std::size_t kept = count * percent / 100; // drawn at random: the locations are in random order
            std::vector<float> memory;
            for (std::size_t i = 0; i < kept; ++i) {
                const float* from = locations.data() + gradcon::random_index(rng, count) * values;
                memory.insert(memory.end(), from, from + values);
            }
            const std::string name = "nearest neighbour of " + std::to_string(percent) + " % of the locations";
            print(name.c_str(),
                  measure_distance(inspector, test,
                                   [&](std::span<const float> x) {
                                       float least = std::numeric_limits<float>::infinity();
                                       for (std::size_t i = 0; i < kept; ++i) {
                                           const float* m = memory.data() + i * values;
                                           float sum = 0;
                                           for (std::size_t k = 0; k < values; ++k)
                                               sum += (x[k] - m[k]) * (x[k] - m[k]);
                                           least = std::min(least, sum);
                                       }
                                       return std::sqrt(double{least});
                                   }),
                  test, false);
        }
    }
}

} // namespace

int main(int argc, char** argv) {
    try {
        if (argc < 7) throw std::runtime_error("usage: study FOLDER NETWORK.onnx LONGEST_SIDE MARGIN SEED LAYER...");
        run(argv[1], argv[2], std::strtoull(argv[3], nullptr, 10), std::strtoull(argv[4], nullptr, 10),
            std::strtoull(argv[5], nullptr, 10), {argv + 6, argv + argc});
    } catch (const std::exception& error) {
        std::fprintf(stderr, "study: %s\n", error.what());
        return 1;
    }
}
