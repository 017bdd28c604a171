#pragma once

#include "scoring.hpp"
#include "sheet.hpp"

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <set>
#include <string>
#include <vector>

/// The map of a scored picture, of the picture's size.
std::vector<double> map_of_pixels(const Inspector& inspector, const Scored& scored);

/// What the panels of a sheet are, from left to right.
constexpr const char* heat_reading = "the picture; its scores, on one scale for all pictures of a model (the mark on "
                                     "the bar is the threshold of a region), regions outlined";

/// Pictures beside the map of their scores.
class HeatMap {
  public:
    explicit HeatMap(const Inspector& inspector);

    /// @param mask where the defect is, height * width, not 0 there; or empty
    /// @param least, most of a panel's longer side
    Picture sheet(const Scored& scored, const std::vector<std::uint8_t>& mask = {}, std::size_t least = 256,
                  std::size_t most = SIZE_MAX) const;

  private:
    /// 0 for what is usual, 1 at the threshold of a region, 2 and above at the top of the scale.
    double heat(double score) const { return (score - usual_) / unit_; }

    Inspector inspector_;
    double usual_, unit_;
};

/// A folder into which the sheets of scored pictures go, each a PNG that is called like the picture.
class HeatMapFiles {
  public:
    /// @throws BadUse for a model that has no maps, gradcon::FileError when the folder cannot be made
    HeatMapFiles(std::filesystem::path folder, const Model& model);
    /// @throws gradcon::FileError when the file cannot be written
    void write(const Scored& scored);

  private:
    std::filesystem::path folder_;
    HeatMap heat_map_;
    std::set<std::string> names_;
};
