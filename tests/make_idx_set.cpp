// make_idx_set FOLDER: a small IDX image set of two classes, bright and dark, for a run of the quickstart.
#include <cstdint>
#include <filesystem>
#include <fstream>
#include <random>
#include <string>
#include <vector>

int main(int argc, char** argv) {
    if (argc != 2) return 1;
    const std::filesystem::path folder = argv[1];
    std::filesystem::create_directories(folder);
    std::mt19937 rng(1);
    constexpr std::uint8_t count = 120, size = 12;
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
        if (!images || !labels) return 1;
    }
}
