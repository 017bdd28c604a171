// export_pictures SET CLASS FOLDER: one class of an image set as a user of the command would have it, as PNG files:
//     FOLDER/train, FOLDER/calibrate, FOLDER/fresh            1/2, 1/4 and 1/4 of the class's training images
//     FOLDER/labelled/normal, FOLDER/labelled/abnormal        the class's test images, and 1,000 of other classes
// SET is a folder with MNIST's or Fashion-MNIST's IDX files, or with CIFAR-10's.
#include "readers/png.hpp"
#include <gradcon/data/cifar10.hpp>
#include <gradcon/data/idx.hpp>

#include <algorithm>
#include <cctype>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <exception>
#include <filesystem>
#include <string>
#include <vector>

namespace {

namespace fs = std::filesystem;
using gradcon::data::LabelledImages;

/// Indices of the class's images, or of all others.
std::vector<std::size_t> find(const LabelledImages& set, int label, bool others) {
    std::vector<std::size_t> found;
    for (std::size_t i = 0; i < set.labels.size(); ++i)
        if ((set.labels[i] != label) == others) found.push_back(i);
    return found;
}

/// Writes the images of indices first to last as FOLDER/LABEL-INDEX.png.
void write(const LabelledImages& set, const std::vector<std::size_t>& indices, std::size_t first, std::size_t last,
           const fs::path& folder) {
    fs::create_directories(folder);
    const auto& shape = set.images.shape();
    const std::size_t size = shape[1] * shape[2] * shape[3];
    gradcon::Tensor<std::uint8_t, 3> picture;
    picture.resize({shape[1], shape[2], shape[3]});
    for (std::size_t k = first; k < last; ++k) {
        std::copy_n(set.images.data() + indices[k] * size, size, picture.data());
        const std::string name = gradcon::message(int{set.labels[indices[k]]}, "-", indices[k], ".png");
        readers::write_png(folder / name, gradcon::TensorView<const std::uint8_t, 3>(picture));
    }
    std::printf("%s: %zu pictures of %zu x %zu\n", folder.c_str(), last - first, shape[1], shape[2]);
}

} // namespace

int main(int argc, char** argv) try {
    if (argc != 4 || std::isdigit(static_cast<unsigned char>(*argv[2])) == 0) {
        std::fprintf(stderr, "export_pictures SET CLASS FOLDER\n");
        return 2;
    }
    const fs::path set = argv[1], folder = argv[3];
    const int label = std::stoi(argv[2]);
    const auto parts = fs::exists(set / "test_batch.bin") ? gradcon::data::read_cifar10_folder(set)
                                                          : gradcon::data::read_idx_split(set);
    const auto normal = find(parts.train, label, false), tested = find(parts.test, label, false);
    if (normal.empty()) throw gradcon::FileError(gradcon::message(set.string(), ": no image has the label ", label));
    write(parts.train, normal, 0, normal.size() / 2, folder / "train");
    write(parts.train, normal, normal.size() / 2, normal.size() * 3 / 4, folder / "calibrate");
    write(parts.train, normal, normal.size() * 3 / 4, normal.size(), folder / "fresh");
    write(parts.test, tested, 0, tested.size(), folder / "labelled/normal");
    const auto others = find(parts.test, label, true);
    write(parts.test, others, 0, std::min<std::size_t>(1000, others.size()), folder / "labelled/abnormal");
    return 0;
} catch (const std::exception& error) {
    std::fprintf(stderr, "export_pictures: %s\n", error.what());
    return 1;
}
