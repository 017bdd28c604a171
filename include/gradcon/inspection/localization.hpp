#pragma once

#include "gradcon/inspection/regions.hpp"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <span>
#include <vector>

// How well score maps show where defects are, on pictures with masks of their defects.
namespace gradcon {
inline namespace GRADCON_INSTRUCTION_SET {

/// Collects the pixels of pictures with their scores and masks. Exact: every pixel's score is kept, 8 bytes each.
class Localization {
  public:
    /// Adds one picture.
    /// @param scores of its pixels, height * width; one that is not a number counts as infinity
    /// @param mask as many, not 0 where the defect is; empty for a normal picture
    /// @throws ShapeError when they do not fit
    template <class Score>
    void add(std::span<const Score> scores, std::span<const std::uint8_t> mask, std::size_t width) {
        if (width == 0 || scores.size() % width != 0 || (!mask.empty() && mask.size() != scores.size()))
            throw ShapeError(message("Localization: ", scores.size(), " scores and a mask of ", mask.size(),
                                     " pixels do not fit a picture of width ", width));
        if (!mask.empty()) {
            labelled_.assign(mask.begin(), mask.end());
            for (double& v : labelled_) v = v != 0 ? 1 : 0;
            find_regions(labelled_, width, 1, workspace_, regions_);
        }
        const auto first = static_cast<std::uint32_t>(areas_.size());
        for (std::size_t i = 0; i < scores.size(); ++i) {
            const float score = static_cast<float>(scores[i]);
            const std::uint32_t label = mask.empty() ? 0 : workspace_.labels[i];
            pixels_.push_back(
                {is_nan(score) ? std::numeric_limits<float>::infinity() : score, label == 0 ? 0 : first + label});
            if (label == 0) ++normal_;
        }
        if (!mask.empty())
            for (const Region& region : regions_) areas_.push_back(region.area);
    }

    std::size_t pixels() const { return pixels_.size(); }
    /// The defects: connected parts of the masks, corners touch.
    std::size_t defects() const { return areas_.size(); }

    /// The probability that a pixel of a defect scores higher than one outside; ties count half.
    /// @throws ValueError without defects or without other pixels
    double auroc() const {
        double area = 0, true_rate = 0;
        const double defective = static_cast<double>(pixels_.size() - normal_);
        sweep([&](double found_pixels, double, double false_rate_step) {
            area += false_rate_step * (true_rate + found_pixels / defective / 2);
            true_rate += found_pixels / defective;
            return true;
        });
        return area;
    }

    /// The area under the per-region overlap (Bergmann et al., 2020): at each threshold, the mean over the defects of
    /// the share of their pixels that reach it, against the share of other pixels that do; up to `limit` of these,
    /// divided by `limit`. 1 is perfect. Between two thresholds the curve is a straight line.
    /// @param limit in (0, 1]  @throws ValueError as auroc does, and for a limit out of range
    double aupro(double limit = 0.3) const {
        if (!(limit > 0 && limit <= 1))
            throw ValueError(message("Localization::aupro: a limit in (0, 1] is needed; given: ", limit));
        double area = 0, overlap = 0, false_rate = 0;
        sweep([&](double, double overlap_step, double false_rate_step) {
            if (false_rate + false_rate_step >= limit) {
                const double part = (limit - false_rate) / false_rate_step;
                area += (limit - false_rate) * (overlap + part * overlap_step / 2);
                return false;
            }
            area += false_rate_step * (overlap + overlap_step / 2);
            overlap += overlap_step;
            false_rate += false_rate_step;
            return true;
        });
        return area / limit;
    }

    /// The largest F1 of pixels over all thresholds: 2 TP / (2 TP + FP + FN). A threshold chosen so is too good for new
    /// pictures. @throws ValueError as auroc does
    double best_f1() const {
        const double defective = static_cast<double>(pixels_.size() - normal_);
        double best = 0, found = 0, wrong = 0;
        sweep([&](double found_pixels, double, double false_rate_step) {
            found += found_pixels;
            wrong += false_rate_step * static_cast<double>(normal_);
            best = std::max(best, 2 * found / (found + wrong + defective));
            return true;
        });
        return best;
    }

  private:
    struct Pixel {
        float score;
        std::uint32_t defect; // 1 for the first; 0 outside
    };

    /// Calls f(pixels of defects, gain in overlap, gain in the rate of false pixels) for each distinct score, from the
    /// highest on, until it returns false.
    template <class F>
    void sweep(F&& f) const {
        if (areas_.empty() || normal_ == 0)
            throw ValueError(message("Localization: defects and other pixels are needed; there are ", areas_.size(),
                                     " defects and ", normal_, " other pixels"));
        std::vector<Pixel> sorted = pixels_;
        std::ranges::sort(sorted, [](const Pixel& a, const Pixel& b) { return a.score > b.score; });
        const double defects = static_cast<double>(areas_.size());
        for (std::size_t i = 0; i < sorted.size();) {
            double found = 0, overlap = 0, normal = 0;
            const float score = sorted[i].score;
            for (; i < sorted.size() && sorted[i].score == score; ++i) {
                if (sorted[i].defect == 0) {
                    ++normal;
                    continue;
                }
                ++found;
                overlap += 1 / (static_cast<double>(areas_[sorted[i].defect - 1]) * defects);
            }
            if (!f(found, overlap, normal / static_cast<double>(normal_))) return;
        }
    }

    std::vector<Pixel> pixels_;
    std::vector<std::size_t> areas_; // of the defects
    std::size_t normal_ = 0;
    std::vector<double> labelled_;
    RegionWorkspace workspace_;
    std::vector<Region> regions_;
};

} // namespace GRADCON_INSTRUCTION_SET
} // namespace gradcon
