#pragma once

#include "sample.hpp"

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

// Folders as people lay them out: MVTec AD's train/good, test/good, test/DEFECT, ground_truth/DEFECT/NAME_mask.png, or
// normal and abnormal.

/// A folder, or a file, whose samples are all normal or all abnormal.
struct LabelledFolder {
    std::string path;
    bool anomalous = false;
    std::string defect{};          // what MVTec AD's layout calls it; empty for normal samples
    std::filesystem::path masks{}; // the folder of its masks; empty without one
};

/// Has the folder MVTec AD's layout, normal and abnormal pictures below it?
bool has_mvtec_layout(const std::filesystem::path& folder);

/// Where the normal samples to train with are: train/good of MVTec AD's layout, or the input as it is.
std::string training_input(const std::string& input);

/// The labelled folders of MVTec AD's layout, or of its test folder, normal ones first; none for another layout.
std::vector<LabelledFolder> mvtec_test_folders(const std::filesystem::path& folder);

/// The mask of a picture, NAME_mask.png or NAME.png; empty when there is none.
std::filesystem::path mask_of(const std::filesystem::path& picture, const std::filesystem::path& masks);

/// 1 for each pixel of a mask that is brighter than 127: a defect, or where to look.
std::vector<std::uint8_t> inside_mask(const Picture& mask);
