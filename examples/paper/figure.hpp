#pragma once

#include <algorithm>
#include <array>
#include <cstdint>
#include <string>
#include <vector>

/// A figure: a script for gnuplot that writes an SVG, or a picture as PNG.
struct Figure {
    std::string name, caption, script;
    std::vector<std::uint8_t> png{};
};

/// A name for a file: without spaces.
inline std::string file_name(std::string name) {
    std::ranges::replace(name, ' ', '-');
    return name;
}

/// A line or the outline of a histogram; points with a value that is not finite are left out.
struct Series {
    std::string name;
    std::vector<std::array<double, 2>> points{};
};

/// What is written beside the axes; `more` is gnuplot's.
struct Axes {
    std::string title, x, y, more{};
};

/// A script that plots the series in this style: "lines", "linespoints" or "fillsteps"; empty when there
/// is no point.
std::string plot(const Axes& axes, const std::vector<Series>& series, const std::string& style);

/// The SVG that a script in a file draws. @throws std::runtime_error when gnuplot fails
std::string draw(const std::string& script_path);

/// Whether there is a gnuplot here.
bool can_draw();
