// Everything that the paper reports, on the images at hand.
#include "scoring.hpp"
#include "training.hpp"

#include <cstdio>
#include <exception>

namespace {

std::vector<Experiment> experiments(const Options& options, const std::string& set) {
    std::vector<Experiment> all;
    for (const std::uint64_t seed : options.seeds)
        for (const std::uint64_t inlier : options.classes)
            all.push_back({.set = set, .inlier = static_cast<std::uint8_t>(inlier), .seed = seed});
    return all;
}

void run(const Options& options) {
    ImageSets sets(options);
    gradcon::ThreadPool threads(options.threads);
    std::vector<Experiment> all;
    for (const std::string& set : options.tables)
        for (const Experiment& e : experiments(options, set)) all.push_back(e);
    double images = 0;
    for (const Experiment& e : all)
        images += static_cast<double>(std::min(sets.split(e).train.size(), options.most_images) * options.epochs);
    Progress progress(images);
    for (const Experiment& e : all) {
        const std::filesystem::path folder = std::filesystem::path(options.out) / e.name();
        const Data data = sets.data(e);
        const Detector detector = train(e, data, folder, options.epochs, threads, progress);
        score(detector, data, folder, threads);
    }
}

} // namespace

int main(int argc, char** argv) {
    try {
        if (argc == 2 && std::string_view(argv[1]) == "--help") return std::fputs(usage, stdout) < 0;
        run(parse_options(argc, argv));
        return 0;
    } catch (const std::exception& error) {
        std::fprintf(stderr, "paper: %s\n", error.what());
        return 1;
    }
}
