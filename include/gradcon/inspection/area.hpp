#pragma once

#include "gradcon/core/error.hpp"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <vector>

namespace gradcon {
inline namespace GRADCON_INSTRUCTION_SET {

/// Where to look: a picture that is not 0 there, of any size; it is laid over each picture. Empty: everywhere.
struct Area {
    std::size_t height = 0, width = 0;
    std::vector<std::uint8_t> inside{}; // height * width

    bool empty() const { return inside.empty(); }
    /// @throws ShapeError when the sizes do not fit, ValueError when nothing is inside
    void check() const {
        if (inside.size() != height * width)
            throw ShapeError(message("Area: ", inside.size(), " values for ", height, " x ", width, " pixels"));
        if (!empty() && std::ranges::none_of(inside, [](std::uint8_t v) { return v != 0; }))
            throw ValueError("Area: no pixel is inside");
    }
    /// Of a map of rows x columns locations, those whose centre is inside, by number and ascending; all when empty.
    /// @param margin locations at each border of the map that are not counted
    /// @param numbers become them  @throws ShapeError when there is none
    void locations(std::size_t rows, std::size_t columns, std::size_t margin, std::vector<std::size_t>& numbers) const {
        numbers.clear();
        const auto at = [](std::size_t i, std::size_t count, std::size_t pixels) {
            return (2 * i + 1) * pixels / (2 * count);
        };
        for (std::size_t y = margin; y < rows - margin; ++y)
            for (std::size_t x = margin; x < columns - margin; ++x)
                if (empty() || inside[at(y, rows, height) * width + at(x, columns, width)] != 0)
                    numbers.push_back((y - margin) * (columns - 2 * margin) + x - margin);
        if (numbers.empty()) throw ShapeError(message("Area: of ", rows, " x ", columns, " locations none is inside"));
    }
    friend bool operator==(const Area&, const Area&) = default;
};

} // namespace GRADCON_INSTRUCTION_SET
} // namespace gradcon
