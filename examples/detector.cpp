// From normal pictures to a detector in one file, and back. The whole program stands in the README.
// snippet: detector
#include <gradcon/detector.hpp>

#include <cmath>
#include <cstdio>
#include <vector>

/// A gray picture of your own kind.
struct Picture {
    static constexpr std::size_t height = 20, width = 24;
    std::vector<std::uint8_t> pixels = std::vector<std::uint8_t>(height * width);
};

/// Woven cloth, each time a little different. A flaw is a missing thread.
Picture cloth(gradcon::Rng& rng, bool flaw) {
    Picture picture;
    const double shift = gradcon::uniform(rng, 0, 6), light = gradcon::uniform(rng, 0.8, 1);
    const auto thread = static_cast<std::size_t>(gradcon::uniform(rng, 4, 16));
    for (std::size_t i = 0; i < picture.pixels.size(); ++i) {
        const std::size_t y = i / Picture::width, x = i % Picture::width;
        const double weave = 0.5 + 0.4 * std::sin(double(x) + shift) * std::cos(double(y));
        const bool missing = flaw && (y == thread || y == thread + 1);
        picture.pixels[i] = static_cast<std::uint8_t>(255 * light * (missing ? 0.2 : weave));
    }
    return picture;
}

/// How gradcon sees a picture: a view, nothing is copied.
gradcon::ImageView<std::uint8_t> view(const Picture& picture) {
    return {.data = picture.pixels.data(), .height = Picture::height, .width = Picture::width};
}

int main() {
    gradcon::Rng rng(1);
    std::vector<Picture> pictures(800);
    for (Picture& picture : pictures) picture = cloth(rng, false);
    std::vector<gradcon::ImageView<std::uint8_t>> normal;
    for (const Picture& picture : pictures) normal.push_back(view(picture));

    const auto learned = gradcon::learn(normal, {.widths = {8, 16}, .epochs = 15, .false_alarm_rate = 0.01});
    gradcon::io::save(learned, "cloth.safetensors");

    const auto detector = gradcon::io::load("cloth.safetensors"); // const: any number of threads may share it
    auto workspace = detector.workspace();                        // one for each thread
    int false_alarms = 0, found = 0;
    for (int i = 0; i < 1000; ++i) {
        if (detector.score(view(cloth(rng, false)), workspace).anomalous) ++false_alarms;
        if (detector.score(view(cloth(rng, true)), workspace).anomalous) ++found;
    }
    std::printf("of 1000 normal pictures %d were alarms, of 1000 with a flaw %d were found\n", false_alarms, found);
    const gradcon::Verdict verdict = detector.score(view(cloth(rng, true)), workspace);
    std::printf("one with a flaw: score %.2f, p-value %.4f\n", verdict.score, verdict.p_value);
}
// end of snippet
