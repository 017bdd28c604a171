// From a folder of good parts to alarms and places: inspect FOLDER NETWORK.onnx LAYER...
// FOLDER has the layout of MVTec AD. Prints a line for each test picture and, where masks are there, how good the maps
// are. Pictures with regions are written into ./inspected, the score map beside them.
#include "mvtec_folder.hpp"

#include <gradcon/evaluation/intervals.hpp>
#include <gradcon/features/opencv_dnn.hpp>
#include <gradcon/inspection/learn.hpp>
#include <gradcon/inspection/localization.hpp>

#include <opencv2/imgproc.hpp>

#include <cstdio>
#include <exception>

namespace {

/// The score map over the picture, on one scale for all pictures: blue is usual, green is the regions' threshold.
cv::Mat heated(const cv::Mat& picture, const std::vector<double>& map, const gradcon::Calibration& regions) {
    const double usual = regions.normal_scores().front(), unit = (regions.threshold() - usual) / 128;
    cv::Mat heat(picture.rows, picture.cols, CV_8U), colours, blended;
    std::ranges::transform(map, heat.begin<std::uint8_t>(),
                           [&](double score) { return cv::saturate_cast<std::uint8_t>((score - usual) / unit); });
    cv::applyColorMap(heat, colours, cv::COLORMAP_JET);
    cv::addWeighted(picture, 0.6, colours, 0.4, 0, blended);
    return blended;
}

void run(const std::filesystem::path& root, const std::string& network, const std::vector<std::string>& layers) {
    std::vector<cv::Mat> good;
    std::vector<gradcon::ImageView<std::uint8_t>> views;
    for (const auto& path : mvtec::files_below(root / "train/good")) {
        good.push_back(mvtec::read(path));
        views.push_back(mvtec::view(good.back())); // of pixels that do not move with their cv::Mat
    }

    // Small pictures and a margin: see docs/inspection.md for how to choose.
    gradcon::LearnLocalOptions options;
    options.map.margin = 2;
    options.false_alarm_rate = 0.05;
    const auto inspector = gradcon::learn_local(gradcon::OpenCvDnn(network, layers, {.longest_side = 128}), views,
                                                options, [](const gradcon::Epoch& epoch) {
                                                    std::fprintf(stderr, "epoch %zu of %zu, held-out loss %.4f\n",
                                                                 epoch.number, epoch.epochs, epoch.validation.total);
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
        cv::Mat both;
        cv::hconcat(picture, heated(picture, map, inspector.model().regions), both);
        for (const gradcon::Region& region : inspection.regions) {
            const auto at = [](std::size_t x, std::size_t y) {
                return cv::Point(static_cast<int>(x), static_cast<int>(y));
            };
            cv::rectangle(both, at(region.box.left, region.box.top), at(region.box.right, region.box.bottom),
                          {0, 0, 255}, 2);
        }
        cv::imwrite("inspected/" + sample.defect + "-" + sample.path.stem().string() + ".png", both);
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
