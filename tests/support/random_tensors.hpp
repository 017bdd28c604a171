#pragma once

#include <gradcon/gradcon.hpp>

#include <cmath>
#include <cstddef>
#include <filesystem>
#include <span>
#include <vector>

template <class T>
std::vector<T> random_values(std::size_t count, gradcon::Rng& rng, double low = -1, double high = 1) {
    std::vector<T> values(count);
    for (T& value : values) value = static_cast<T>(gradcon::uniform(rng, low, high));
    return values;
}

/// Images (or any activations), N x height x width x channels.
template <class T>
gradcon::Tensor<T, 4> random_images(const gradcon::Shape& shape, gradcon::Rng& rng, double low = 0, double high = 1) {
    gradcon::Tensor<T, 4> images;
    images.resize({shape[0], shape[1], shape[2], shape[3]});
    for (T& value : gradcon::elements(images)) value = static_cast<T>(gradcon::uniform(rng, low, high));
    return images;
}

template <gradcon::TensorTree Tree>
void randomize(Tree& tree, gradcon::Rng& rng, double low = -1, double high = 1) {
    gradcon::for_each_tensor(
        [&](auto& tensor) {
            for (auto& value : gradcon::elements(tensor))
                value = static_cast<std::remove_reference_t<decltype(value)>>(gradcon::uniform(rng, low, high));
        },
        tree);
}

/// A selector that monitors every tensor.
inline bool every_tensor(const gradcon::TensorInfo&) { return true; }

/// |a - b| / |b|, in double.
template <class A, class B>
double relative_error(const A& a, const B& b) {
    double difference = 0, norm = 0;
    for (std::size_t i = 0; i < static_cast<std::size_t>(b.size()); ++i) {
        const double x = a.data()[i], y = b.data()[i];
        difference += (x - y) * (x - y);
        norm += y * y;
    }
    return norm > 0 ? std::sqrt(difference / norm) : std::sqrt(difference);
}

/// A folder of its own for a test's files, removed at the end.
class TemporaryFolder {
  public:
    TemporaryFolder() {
        std::string name = (std::filesystem::temp_directory_path() / "gradcon-test-XXXXXX").string();
        if (mkdtemp(name.data()) == nullptr) throw std::runtime_error("no temporary folder");
        path = name;
    }
    ~TemporaryFolder() { std::filesystem::remove_all(path); }
    TemporaryFolder(const TemporaryFolder&) = delete;
    TemporaryFolder& operator=(const TemporaryFolder&) = delete;

    std::filesystem::path path;
};

/// `action` throws an E, whose message contains every one of `parts`.
template <class E, class Action>
bool throws_naming(Action&& action, std::initializer_list<std::string_view> parts) {
    try {
        action();
    } catch (const E& error) {
        for (const auto part : parts)
            if (std::string_view(error.what()).find(part) == std::string_view::npos) {
                std::fprintf(stderr, "the message lacks \"%.*s\": %s\n", static_cast<int>(part.size()), part.data(),
                             error.what());
                return false;
            }
        return true;
    }
    return false;
}
