#include "folders.hpp"

#include <algorithm>

namespace fs = std::filesystem;

bool has_mvtec_layout(const fs::path& folder) { return fs::is_directory(folder / "test" / "good"); }

std::string training_input(const std::string& input) {
    const fs::path good = fs::path(input) / "train" / "good";
    return fs::is_directory(good) ? good.string() : input;
}

std::vector<LabelledFolder> mvtec_test_folders(const fs::path& folder) {
    const fs::path test = has_mvtec_layout(folder) ? folder / "test" : folder;
    if (!fs::is_directory(test / "good")) return {};
    const fs::path truth = fs::canonical(test).parent_path() / "ground_truth";
    std::vector<LabelledFolder> folders{{.path = (test / "good").string()}};
    for (const auto& entry : fs::directory_iterator(test)) {
        const std::string defect = entry.path().filename().string();
        if (!entry.is_directory() || defect == "good" || defect.starts_with('.')) continue;
        const fs::path masks = truth / defect;
        folders.push_back({entry.path().string(), true, defect, fs::is_directory(masks) ? masks : fs::path()});
    }
    std::ranges::sort(folders.begin() + 1, folders.end(), {}, &LabelledFolder::defect);
    return folders;
}

fs::path mask_of(const fs::path& picture, const fs::path& masks) {
    if (masks.empty()) return {};
    for (const char* ending : {"_mask.png", ".png"})
        if (fs::path mask = masks / (picture.stem().string() + ending); fs::exists(mask)) return mask;
    return {};
}

std::vector<std::uint8_t> inside_mask(const Picture& mask) {
    const std::size_t channels = mask.shape()[2];
    std::vector<std::uint8_t> inside(mask.size() / channels);
    for (std::size_t i = 0; i < inside.size(); ++i) inside[i] = mask.data()[i * channels] > 127 ? 1 : 0;
    return inside;
}
