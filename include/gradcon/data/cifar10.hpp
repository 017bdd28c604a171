#pragma once

#include "gradcon/core/error.hpp"
#include "gradcon/data/binary_file.hpp"
#include "gradcon/data/labelled_images.hpp"

#include <array>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <span>
#include <string>
#include <vector>

// The binary version of CIFAR-10 (Krizhevsky 2009, https://www.cs.toronto.edu/~kriz/cifar.html): records of a label, 0
// to 9, and the red, the green and the blue plane of an image, 32 x 32 bytes each.
namespace gradcon {
inline namespace GRADCON_INSTRUCTION_SET {
namespace data {

/// Reads one file of any number of records.
/// @return N x 32 x 32 x 3, red first, and the labels
/// @throws FileError for a file that is missing or empty, whose size is no multiple of 3,073, or with a label above 9
inline LabelledImages read_cifar10(const std::filesystem::path& path) {
    constexpr std::size_t side = 32, plane = side * side, channels = 3, record_size = 1 + channels * plane;
    BinaryFile file(path);
    if (file.size() == 0 || file.size() % record_size != 0)
        throw file.error("CIFAR-10 has one or more records of ", record_size, " bytes; found ", file.size(), " bytes");
    const auto count = static_cast<std::size_t>(file.size() / record_size);
    LabelledImages set;
    set.images.resize({count, side, side, channels});
    set.labels.reserve(count);
    std::uint8_t* to = set.images.data();
    for (std::size_t i = 0; i < count; ++i) {
        std::array<std::uint8_t, record_size> record{};
        file.read(record);
        if (record[0] > 9)
            throw file.error("CIFAR-10's labels are 0 to 9; record ", i, " of ", count, " has ", int{record[0]});
        set.labels.push_back(record[0]);
        for (std::size_t pixel = 0; pixel < plane; ++pixel)
            for (std::size_t channel = 0; channel < channels; ++channel) *to++ = record[1 + channel * plane + pixel];
    }
    return set;
}

/// Reads data_batch_1.bin to data_batch_5.bin, one after the other, and test_batch.bin from a folder.
/// @throws FileError as read_cifar10
inline OfficialParts read_cifar10_folder(const std::filesystem::path& folder) {
    std::vector<LabelledImages> batches;
    for (int batch = 1; batch <= 5; ++batch)
        batches.push_back(read_cifar10(folder / ("data_batch_" + std::to_string(batch) + ".bin")));
    return {concatenate(batches), read_cifar10(folder / "test_batch.bin")};
}

} // namespace data
} // namespace GRADCON_INSTRUCTION_SET
} // namespace gradcon
