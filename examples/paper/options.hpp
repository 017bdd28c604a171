#pragma once

#include <algorithm>
#include <charconv>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

struct Options {
    std::vector<std::string> tables;
    std::string fmnist, mnist, cifar10, out = "results"; // a folder of images that is empty is not there
    std::size_t epochs = 100, threads = 0, most_images = SIZE_MAX;
    std::vector<std::uint64_t> classes{0, 1, 2, 3, 4, 5, 6, 7, 8, 9}, seeds{0};
    bool quick = false;
};

inline constexpr const char* usage =
    R"(paper: trains and scores what the GradCon paper reports; stopped at any moment, it goes on where it was
  paper [TABLE ...] [options]    without TABLE: all whose images are there
TABLES
  mnist          AUROC by score and class
  fmnist         the same, and AUROC and F1 by outlier ratio
  cifar10        AUROC by score and class
  rules          scores beyond GradCon: one is chosen on the even classes of all three sets, judged on the odd ones
  conditions     CURE-TSR's conditions and levels, on Fashion-MNIST: AUROC by score
  networks       CAE and VAE, with and without the gradient term, by loss and class (CIFAR-10)
  cost           parameters, and time for an image (the only numbers that differ from run to run)
OPTIONS
  --fmnist DIR   {train,t10k}-{images-idx3,labels-idx1}-ubyte[.gz]   (Fashion-MNIST where Debian installs it)
  --mnist DIR    the same of MNIST                                   (none)
  --cifar10 DIR  data_batch_1.bin ... data_batch_5.bin, test_batch.bin, of any number of records   (none)
  --epochs N     at least, for each training                         (100)
  --classes K,.. that are normal, one after the other                (0,1,2,3,4,5,6,7,8,9)
  --seeds S,..   of split, initial weights and order                 (0)
  --images N     at most, of each training, validation and test set; 20 or more   (all)
  --threads T    0: all                                              (0)
  --out DIR      trainings, scores, tables, figures and the page index.html   (results)
  --quick        all tables from 2 epochs of classes 0 and 1 with 200 images: a trial, no result
                 (options after it change that)
)";

inline std::vector<std::uint64_t> parse_numbers(std::string_view option, std::string_view text, std::uint64_t highest) {
    const auto refuse = [&](const std::string& rule) {
        return std::runtime_error(std::string(option) + " takes " + rule + ", not \"" + std::string(text) + "\"");
    };
    std::vector<std::uint64_t> values;
    const char *at = text.data(), *const end = text.data() + text.size();
    while (true) {
        std::uint64_t value = 0;
        const auto [next, error] = std::from_chars(at, end, value);
        if (error != std::errc{} || value > highest || (next != end && *next != ','))
            throw refuse("whole numbers up to " + std::to_string(highest) + ", with commas between");
        if (std::ranges::find(values, value) != values.end()) throw refuse("each number once");
        values.push_back(value);
        if (next == end) return values;
        at = next + 1;
    }
}

inline Options parse_options(int argc, char** argv) {
    Options options;
    if (const std::string folder = "/usr/share/datasets/fashion-mnist"; std::filesystem::is_directory(folder))
        options.fmnist = folder;
    const auto one = [](std::string_view option, std::string_view text, std::uint64_t lowest, std::uint64_t highest) {
        const auto values = parse_numbers(option, text, highest);
        if (values.size() != 1 || values[0] < lowest)
            throw std::runtime_error(std::string(option) + " takes one number, " + std::to_string(lowest) +
                                     " or more, not \"" + std::string(text) + "\"");
        return values[0];
    };
    for (int i = 1; i < argc; ++i) {
        const std::string_view option = argv[i];
        if (!option.starts_with("--")) {
            options.tables.emplace_back(option);
            continue;
        }
        if (option == "--quick") {
            options.quick = true;
            options.epochs = 2;
            options.classes = {0, 1};
            options.most_images = 200;
            continue;
        }
        if (++i == argc) throw std::runtime_error(std::string(option) + " needs a value");
        const std::string_view value = argv[i];
        if (option == "--fmnist") options.fmnist = value;
        else if (option == "--mnist") options.mnist = value;
        else if (option == "--cifar10") options.cifar10 = value;
        else if (option == "--epochs") options.epochs = one(option, value, 1, 1'000'000);
        else if (option == "--classes") options.classes = parse_numbers(option, value, 9);
        else if (option == "--seeds") options.seeds = parse_numbers(option, value, UINT64_MAX);
        else if (option == "--images") options.most_images = one(option, value, 20, SIZE_MAX);
        else if (option == "--threads") options.threads = one(option, value, 0, 4096);
        else if (option == "--out") options.out = value;
        else throw std::runtime_error("unknown option " + std::string(option));
    }
    return options;
}
