#pragma once

#include <gradcon/image/image_view.hpp>

#include <opencv2/imgcodecs.hpp>

#include <algorithm>
#include <cstdint>
#include <filesystem>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

// Pictures in the layout of MVTec AD: train/good, test/good, test/DEFECT, ground_truth/DEFECT/NAME_mask.png.
namespace mvtec {

struct Sample {
    std::filesystem::path path;
    std::string defect;         // "good", or what it is called
    std::filesystem::path mask; // empty where there is none
};

inline std::vector<std::filesystem::path> files_below(const std::filesystem::path& folder) {
    std::vector<std::filesystem::path> files;
    for (const auto& entry : std::filesystem::recursive_directory_iterator(folder))
        if (entry.is_regular_file()) files.push_back(entry.path());
    std::ranges::sort(files);
    return files;
}

inline std::vector<Sample> test_samples(const std::filesystem::path& root) {
    std::vector<Sample> samples;
    for (const auto& path : files_below(root / "test")) {
        Sample sample{path, path.parent_path().filename().string(), {}};
        const auto mask = root / "ground_truth" / sample.defect / (path.stem().string() + "_mask.png");
        if (std::filesystem::exists(mask)) sample.mask = mask;
        samples.push_back(std::move(sample));
    }
    return samples;
}

/// @throws std::runtime_error when OpenCV cannot read it
inline cv::Mat read(const std::filesystem::path& path, int colours = cv::IMREAD_COLOR) {
    cv::Mat picture = cv::imread(path.string(), colours);
    if (picture.empty()) throw std::runtime_error(path.string() + ": no picture that OpenCV reads");
    return picture;
}

inline gradcon::ImageView<std::uint8_t> view(const cv::Mat& picture) {
    return {.data = picture.data,
            .height = static_cast<std::size_t>(picture.rows),
            .width = static_cast<std::size_t>(picture.cols),
            .order = picture.channels() == 1 ? gradcon::PixelOrder::gray : gradcon::PixelOrder::bgr,
            .row_stride = static_cast<std::ptrdiff_t>(picture.step1())};
}

} // namespace mvtec
