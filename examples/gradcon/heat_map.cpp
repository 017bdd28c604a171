#include "heat_map.hpp"

#include "readers/png.hpp"
#include <gradcon/core/finite.hpp>
#include <gradcon/inspection/score_map.hpp>

#include <algorithm>
#include <array>
#include <cmath>
#include <system_error>
#include <utility>

namespace fs = std::filesystem;

namespace {

constexpr Colour outline{0, 255, 255};

/// Black, violet, red, orange, light yellow: lighter is stranger, also for those who do not see colours.
Colour ramp(double share) {
    constexpr std::array<std::array<double, 3>, 5> stops{
        {{0, 0, 4}, {87, 16, 110}, {188, 55, 84}, {249, 142, 9}, {252, 255, 164}}};
    const double at = std::clamp(share, 0.0, 1.0) * static_cast<double>(stops.size() - 1);
    const auto first = std::min(static_cast<std::size_t>(at), stops.size() - 2);
    const double weight = at - static_cast<double>(first);
    Colour colour{};
    for (std::size_t k = 0; k < 3; ++k)
        colour[k] =
            static_cast<std::uint8_t>(std::lround(stops[first][k] * (1 - weight) + stops[first + 1][k] * weight));
    return colour;
}

Colour half_of_each(const Colour& a, const Colour& b) {
    Colour mixed{};
    for (std::size_t k = 0; k < 3; ++k) mixed[k] = static_cast<std::uint8_t>((a[k] + b[k] + 1) / 2);
    return mixed;
}

} // namespace

std::vector<double> map_of_pixels(const Inspector& inspector, const Scored& scored) {
    std::vector<double> pixels;
    const auto& shape = scored.sample.picture.shape();
    gradcon::enlarge(scored.map, scored.map_width, inspector.model().map.margin, shape[0], shape[1], pixels);
    return pixels;
}

HeatMap::HeatMap(const Inspector& inspector) : inspector_(inspector) {
    const gradcon::Calibration& regions = inspector.model().regions;
    usual_ = regions.normal_scores().front();
    double threshold = regions.threshold();
    if (!gradcon::is_finite(threshold)) threshold = regions.normal_scores().back();
    unit_ = std::max(threshold - usual_, 1e-9);
}

Picture HeatMap::sheet(const Scored& scored, const std::vector<std::uint8_t>& mask, std::size_t least,
                       std::size_t most) const {
    const Picture& picture = scored.sample.picture;
    const std::size_t height = picture.shape()[0], width = picture.shape()[1];
    const std::vector<double> map = map_of_pixels(inspector_, scored);
    Sheet sheet(mask.empty() ? 2 : 3, height, width, least, most, 12);
    const auto inside = [&](std::size_t y, std::size_t x) {
        return !scored.regions.empty() && !(map[y * width + x] < usual_ + unit_);
    };
    const std::size_t reach = sheet.step();
    const auto on_outline = [&](std::size_t y, std::size_t x) {
        if (!inside(y, x)) return false;
        return y < reach || x < reach || y + reach >= height || x + reach >= width || !inside(y - reach, x) ||
               !inside(y + reach, x) || !inside(y, x - reach) || !inside(y, x + reach);
    };
    sheet.panel([&](std::size_t y, std::size_t x) { return colour_at(picture, y, x); });
    sheet.panel([&](std::size_t y, std::size_t x) {
        if (on_outline(y, x)) return outline;
        const double score = map[y * width + x];
        return half_of_each(colour_at(picture, y, x), ramp(gradcon::is_nan(score) ? 1 : heat(score) / 2));
    });
    if (!mask.empty())
        sheet.panel([&](std::size_t y, std::size_t x) {
            return mask[y * width + x] != 0 ? Colour{255, 255, 255} : Colour{};
        });
    sheet.bar([&](double share) { return std::abs(share - 0.5) < 0.01 ? outline : ramp(share); });
    return sheet.pixels();
}

namespace {
const Inspector& with_maps(const Model& model) {
    if (model.local() == nullptr)
        throw BadUse{"--maps is for models of locations; this one is of whole samples (explain --out shows pictures)"};
    return *model.local();
}
} // namespace

HeatMapFiles::HeatMapFiles(fs::path folder, const Model& model)
    : folder_(std::move(folder)), heat_map_(with_maps(model)) {
    std::error_code error;
    fs::create_directories(folder_, error);
    if (error) throw gradcon::FileError(folder_.string() + ": the folder cannot be made: " + error.message());
}

void HeatMapFiles::write(const Scored& scored) {
    const fs::path of(scored.sample.name);
    const std::string parent = of.parent_path().filename().string();
    const std::string stem = (parent.empty() ? "" : parent + "-") + of.stem().string();
    std::string name = stem;
    for (std::size_t i = 2; !names_.insert(name).second; ++i) name = gradcon::message(stem, "-", i);
    readers::write_png(folder_ / (name + ".png"), gradcon::TensorView<const std::uint8_t, 3>(heat_map_.sheet(scored)));
}
