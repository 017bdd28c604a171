#pragma once

#include <charconv>
#include <cstddef>
#include <cstdint>
#include <stdexcept>
#include <string>
#include <string_view>

struct Options {
    std::string data = "/usr/share/datasets/fashion-mnist", model = "detector.safetensors", json;
    std::uint8_t inlier = 0;
    std::size_t epochs = 25, threads = 0;
    std::uint64_t seed = 0;
};

inline constexpr const char* usage =
    R"(quickstart: trains GradCon on one class of an IDX image set, and finds the others
  --data DIR     folder with {train,t10k}-{images-idx3,labels-idx1}-ubyte[.gz]   (Fashion-MNIST as Debian installs it)
  --inlier K     the class that is normal                                       (0)
  --epochs N     passes over the training images                                (25)
  --seed S       of initial weights, split and order                            (0)
  --threads T    0: all                                                         (0)
  --model FILE   where the detector goes; the contact sheet goes beside, as PNG (detector.safetensors)
  --json FILE    writes the results as JSON                                     (nowhere)
)";

template <class Number>
Number parse_number(std::string_view option, std::string_view text, Number lowest, Number highest) {
    Number value{};
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
    if (error != std::errc{} || end != text.data() + text.size() || value < lowest || value > highest)
        throw std::runtime_error(std::string(option) + " takes a whole number from " + std::to_string(lowest) + " to " +
                                 std::to_string(highest) + ", not \"" + std::string(text) + "\"");
    return value;
}

inline Options parse_options(int argc, char** argv) {
    Options options;
    for (int i = 1; i < argc; i += 2) {
        const std::string_view option = argv[i];
        if (i + 1 == argc) throw std::runtime_error(std::string(option) + " needs a value");
        const std::string_view value = argv[i + 1];
        if (option == "--data") options.data = value;
        else if (option == "--inlier") options.inlier = parse_number<std::uint8_t>(option, value, 0, 255);
        else if (option == "--epochs") options.epochs = parse_number<std::size_t>(option, value, 1, 1'000'000);
        else if (option == "--seed") options.seed = parse_number<std::uint64_t>(option, value, 0, UINT64_MAX);
        else if (option == "--threads") options.threads = parse_number<std::size_t>(option, value, 0, 4096);
        else if (option == "--model") options.model = value;
        else if (option == "--json") options.json = value;
        else throw std::runtime_error("unknown option " + std::string(option));
    }
    return options;
}
