#pragma once

#include <cstdint>
#include <filesystem>
#include <fstream>
#include <random>
#include <stdexcept>
#include <string>
#include <vector>

// Small image sets of two classes, 0 bright and 1 dark, in the layouts of the published ones.

/// Training and test part of 120 images each, of `size` x `size` pixels.
inline void make_idx_set(const std::filesystem::path& folder, std::uint8_t size) {
    std::filesystem::create_directories(folder);
    std::mt19937 rng(1);
    constexpr std::uint8_t count = 120;
    for (const std::string part : {"train", "t10k"}) {
        std::ofstream images(folder / (part + "-images-idx3-ubyte"), std::ios::binary),
            labels(folder / (part + "-labels-idx1-ubyte"), std::ios::binary);
        const std::vector<std::uint8_t> image_header{0, 0, 8, 3, 0, 0, 0, count, 0, 0, 0, size, 0, 0, 0, size},
            label_header{0, 0, 8, 1, 0, 0, 0, count};
        images.write(reinterpret_cast<const char*>(image_header.data()),
                     static_cast<std::streamsize>(image_header.size()));
        labels.write(reinterpret_cast<const char*>(label_header.data()),
                     static_cast<std::streamsize>(label_header.size()));
        for (int n = 0; n < count; ++n) {
            labels.put(static_cast<char>(n % 2));
            for (int i = 0; i < size * size; ++i) images.put(static_cast<char>((n % 2 ? 30 : 180) + rng() % 50));
        }
        if (!images || !labels) throw std::runtime_error(folder.string() + ": cannot be written");
    }
}

/// CIFAR-10's six files of 40 records each.
inline void make_cifar10_set(const std::filesystem::path& folder) {
    std::filesystem::create_directories(folder);
    std::mt19937 rng(1);
    for (const std::string name :
         {"data_batch_1", "data_batch_2", "data_batch_3", "data_batch_4", "data_batch_5", "test_batch"}) {
        std::ofstream file(folder / (name + ".bin"), std::ios::binary);
        for (int n = 0; n < 40; ++n) {
            file.put(static_cast<char>(n % 2));
            for (int i = 0; i < 3 * 32 * 32; ++i) file.put(static_cast<char>((n % 2 ? 30 : 130) + rng() % 90));
        }
        if (!file) throw std::runtime_error(folder.string() + ": cannot be written");
    }
}
