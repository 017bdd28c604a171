// From a folder of good parts to alarms and places: inspect FOLDER NETWORK.onnx LAYER...
// FOLDER has the layout of MVTec AD. Prints a line for each test picture and, where masks are there, how good the maps
// are; writes the pictures with the most anomalous places marked into ./inspected.
#include "mvtec_folder.hpp"

#include <gradcon/evaluation/intervals.hpp>
#include <gradcon/features/opencv_dnn.hpp>
#include <gradcon/inspection/learn.hpp>
#include <gradcon/inspection/localization.hpp>

#include <opencv2/imgproc.hpp>

#include <cstdio>
#include <exception>
#include <ranges>

namespace {

void run(const std::filesystem::path& root, const std::string& network, const std::vector<std::string>& layers) {
    std::vector<cv::Mat> good;
    for (const auto& path : mvtec::files_below(root / "train/good")) good.push_back(mvtec::read(path));

    // Small pictures and a margin: see docs/inspection.md for how to choose.
    gradcon::LearnLocalOptions options;
    options.map.margin = 2;
    options.false_alarm_rate = 0.05;
    const auto inspector =
        gradcon::learn_local(gradcon::OpenCvDnn(network, layers, {.longest_side = 128}),
                             std::views::transform(good, mvtec::view), options, [](const gradcon::Epoch& epoch) {
                                 std::fprintf(stderr, "epoch %zu of %zu, held-out loss %.4f\n", epoch.number,
                                              epoch.epochs, epoch.validation.total);
                             });

    std::filesystem::create_directory("inspected");
    auto workspace = inspector.workspace(); // one for each thread
    std::vector<double> scores, map;
    std::vector<std::uint8_t> anomalous;
    gradcon::Localization places;
    for (const mvtec::Sample& sample : mvtec::test_samples(root)) {
        cv::Mat picture = mvtec::read(sample.path);
        const gradcon::Inspection inspection = inspector.inspect(mvtec::view(picture), workspace);
        std::printf("%s/%s score %.3f p %.3f%s, %zu regions\n", sample.defect.c_str(),
                    sample.path.filename().string().c_str(), inspection.score, inspection.p_value,
                    inspection.anomalous ? " ALARM" : "", inspection.regions.size());
        scores.push_back(inspection.score);
        anomalous.push_back(sample.defect == "good" ? 0 : 1);

        const auto height = static_cast<std::size_t>(picture.rows), width = static_cast<std::size_t>(picture.cols);
        gradcon::enlarge(inspection.map, inspection.width, options.map.margin, height, width, map);
        std::vector<std::uint8_t> mask;
        if (!sample.mask.empty()) {
            const cv::Mat truth = mvtec::read(sample.mask, cv::IMREAD_GRAYSCALE) > 127;
            mask.assign(truth.begin<std::uint8_t>(), truth.end<std::uint8_t>());
        }
        if (sample.defect == "good" || !mask.empty()) places.add(std::span<const double>(map), mask, width);

        if (inspection.regions.empty()) continue;
        for (const gradcon::Region& region : inspection.regions)
            cv::rectangle(picture,
                          {cv::Point(static_cast<int>(region.box.left), static_cast<int>(region.box.top)),
                           cv::Point(static_cast<int>(region.box.right), static_cast<int>(region.box.bottom))},
                          {0, 0, 255}, 2);
        cv::imwrite("inspected/" + sample.defect + "-" + sample.path.stem().string() + ".png", picture);
    }
    const gradcon::Interval auroc = gradcon::auroc_interval(scores, anomalous);
    std::printf("pictures: AUROC %.3f [%.3f, %.3f]\n", auroc.value, auroc.low, auroc.high);
    if (places.defects() > 0)
        std::printf("pixels: AUROC %.3f, AUPRO up to .3 false positives %.3f, %zu defects\n", places.auroc(),
                    places.aupro(), places.defects());
}

} // namespace

int main(int argc, char** argv) {
    try {
        if (argc < 4) throw std::runtime_error("usage: inspect FOLDER NETWORK.onnx LAYER...");
        run(argv[1], argv[2], {argv + 3, argv + argc});
    } catch (const std::exception& error) {
        std::fprintf(stderr, "inspect: %s\n", error.what());
        return 1;
    }
}
