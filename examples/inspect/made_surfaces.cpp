// Local detection without a network, on pictures that this program makes: made_surfaces [SEED [PICTURES [WIDTH
// [LOCATIONS]]]].
// Prints how well flaws are found, beside the Mahalanobis distance of patches.
#include "mahalanobis.hpp"
#include "surfaces.hpp"

#include <gradcon/evaluation/intervals.hpp>
#include <gradcon/features/patches.hpp>
#include <gradcon/inspection/learn.hpp>

#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <exception>

namespace {

gradcon::ImageView<std::uint8_t> view(const surfaces::Picture& picture) {
    return {.data = picture.pixels.data(), .height = picture.height, .width = picture.width};
}

void run(std::uint64_t seed, std::size_t count, std::size_t width, std::size_t locations) {
    const std::size_t height = width * 4 / 5;
    gradcon::Rng rng(seed);
    std::vector<surfaces::Picture> normal;
    normal.reserve(count);
    for (std::size_t i = 0; i < count; ++i)
        normal.push_back(surfaces::brushed_metal(height, width, surfaces::Flaw::none, rng));

    std::vector<gradcon::ImageView<std::uint8_t>> views;
    views.reserve(count);
    for (const auto& picture : normal) views.push_back(view(picture));

    using Clock = std::chrono::steady_clock;
    auto start = Clock::now();
    gradcon::LearnLocalOptions options = gradcon::learn_options_for_patches();
    options.locations = locations;
    options.false_alarm_rate = 0.05;
    options.seed = seed;
    const auto inspector = gradcon::learn_local(gradcon::Patches(), views, options);
    const std::chrono::duration<double> learning = Clock::now() - start;
    const MahalanobisOfPatches baseline(normal, rng);

    std::vector<double> scores, distances;
    std::vector<std::uint8_t> anomalous;
    std::size_t alarms = 0, found = 0, places = 0, with_region = 0;
    std::chrono::duration<double> inspecting{};
    auto workspace = inspector.workspace();
    for (std::size_t i = 0; i < count + count / 2; ++i) {
        const bool flawed = i >= count;
        const auto flaw = flawed ? static_cast<surfaces::Flaw>(1 + i % 3) : surfaces::Flaw::none;
        const auto picture = surfaces::brushed_metal(height, width, flaw, rng);
        start = Clock::now();
        const gradcon::Inspection inspection = inspector.inspect(view(picture), workspace);
        inspecting += Clock::now() - start;
        scores.push_back(inspection.score);
        distances.push_back(baseline.score(picture));
        anomalous.push_back(flawed ? 1 : 0);
        if (!flawed) {
            alarms += inspection.anomalous ? 1 : 0;
            with_region += inspection.regions.empty() ? 0 : 1;
            continue;
        }
        found += inspection.anomalous ? 1 : 0;
        places += std::ranges::any_of(inspection.regions, [&](const gradcon::Region& region) {
            for (std::size_t y = region.box.top; y < region.box.bottom; ++y)
                for (std::size_t x = region.box.left; x < region.box.right; ++x)
                    if (picture.flaw[y * width + x] != 0) return true;
            return false;
        });
    }
    const auto print = [&](const char* name, const std::vector<double>& of) {
        const gradcon::Interval interval = gradcon::auroc_interval(of, anomalous);
        std::printf("%-32s AUROC %.3f [%.3f, %.3f]\n", name, interval.value, interval.low, interval.high);
    };
    print("gradcon, patches", scores);
    print("Mahalanobis of 8 x 8 patches", distances);
    const double abnormal = static_cast<double>(count / 2), all = static_cast<double>(count);
    std::printf("at a false-alarm rate of 5 %%: %.1f %% of the normal pictures raise an alarm, %.1f %% show a region\n",
                100 * static_cast<double>(alarms) / all, 100 * static_cast<double>(with_region) / all);
    std::printf("flaws: %.1f %% raise an alarm, %.1f %% are touched by a region\n",
                100 * static_cast<double>(found) / abnormal, 100 * static_cast<double>(places) / abnormal);
    std::printf("learned from %zu pictures of %zu x %zu in %.0f s, inspected %.1f pictures/s with one thread\n", count,
                height, width, learning.count(), static_cast<double>(scores.size()) / inspecting.count());
}

} // namespace

int main(int argc, char** argv) {
    try {
        const auto number = [&](int i, std::uint64_t otherwise) {
            return argc > i ? std::strtoull(argv[i], nullptr, 10) : otherwise;
        };
        run(number(1, 0), number(2, 300), number(3, 1280), number(4, gradcon::LearnLocalOptions{}.locations));
    } catch (const std::exception& error) {
        std::fprintf(stderr, "made_surfaces: %s\n", error.what());
        return 1;
    }
}
