#include "random_tensors.hpp"
#include "write_file.hpp"

#include <gradcon/data/cifar10.hpp>

#include <doctest/doctest.h>

#include <fstream>
#include <string>

using namespace gradcon;

namespace {

/// Records with these labels; byte i of record r is 7 r + 3 i.
Bytes cifar(const Bytes& labels) {
    Bytes bytes;
    for (std::size_t r = 0; r < labels.size(); ++r) {
        bytes.push_back(labels[r]);
        for (std::size_t i = 0; i < 3072; ++i) bytes.push_back(static_cast<std::uint8_t>(7 * r + 3 * i));
    }
    return bytes;
}

} // namespace

TEST_SUITE("CIFAR-10") {
    TEST_CASE("CIFAR-10: planes become pixels, and the folder's two parts") {
        const TemporaryFolder folder;
        for (std::uint8_t batch = 1; batch <= 5; ++batch)
            write_file(folder.path / ("data_batch_" + std::to_string(batch) + ".bin"), cifar({batch, 9}));
        CHECK(throws_naming<FileError>([&] { data::read_cifar10_folder(folder.path); },
                                       {"test_batch.bin", "no such file"}));
        write_file(folder.path / "test_batch.bin", cifar({0, 3, 8}));
        const auto parts = data::read_cifar10_folder(folder.path);
        CHECK(parts.train.images.shape() == std::array<std::size_t, 4>{10, 32, 32, 3});
        CHECK(parts.train.labels == Bytes{1, 9, 2, 9, 3, 9, 4, 9, 5, 9});
        CHECK(parts.test.labels == Bytes{0, 3, 8});
        for (const std::size_t channel : {0U, 1U, 2U})
            CHECK(parts.test.images(2, 5, 6, channel) ==
                  static_cast<std::uint8_t>(7 * 2 + 3 * (channel * 1024 + 5 * 32 + 6)));
        CHECK(parts.train.images(7, 31, 31, 2) == static_cast<std::uint8_t>(7 + 3 * 3071));
    }

    TEST_CASE("broken CIFAR-10 files are refused by rule") {
        const TemporaryFolder folder;
        const auto path = folder.path / "batch.bin";
        const auto refused = [&](const Bytes& bytes, std::initializer_list<std::string_view> parts) {
            write_file(path, bytes);
            CHECK(throws_naming<FileError>([&] { data::read_cifar10(path); }, parts));
        };
        CHECK(throws_naming<FileError>([&] { data::read_cifar10(path); }, {"batch.bin", "no such file"}));
        CHECK(throws_naming<FileError>([&] { data::read_cifar10(folder.path); }, {"not a regular file"}));
        refused({}, {"batch.bin", "3073 bytes", "found 0"});
        refused(Bytes(3072, 0), {"found 3072"});
        refused(Bytes(2 * 3073 + 1, 0), {"found 6147"});
        refused(cifar({1, 10, 2}), {"0 to 9", "record 1 of 3", "has 10"});
    }
}
