#pragma once

#include "scoring.hpp"

#include <gradcon/evaluation/intervals.hpp>

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

/// A folder of pictures, a file of images or a table. Without a class of its own its labels say which sample is normal.
struct LabelledInput {
    std::string path;
    std::optional<bool> anomalous;
    std::string defect{};          // what abnormal samples are called, in MVTec AD's layout
    std::filesystem::path masks{}; // the folder with masks of them
};

/// How well the model's own rule tells the samples with one kind of defect from normal ones.
struct DefectResult {
    std::string defect;
    std::size_t samples = 0, found = 0;
    gradcon::Interval auroc; // 0 to 1 when there are fewer than 2 samples
};

/// How well maps show where the defects are, on pictures with masks and normal ones.
struct PixelResult {
    std::size_t pictures = 0, defects = 0;
    double auroc = 0, aupro = 0, best_f1 = 0;
};

/// How well one score rule tells the samples apart.
struct RuleResult {
    std::string name;
    std::vector<double> scores; // of all samples; infinity for one that is not finite
    gradcon::Interval auroc;
    gradcon::Confusion at; // its threshold, and what that decides
    bool chosen_here;      // the threshold, on the evaluated normal samples themselves
};

/// All that is kept of the samples, and what comes of it.
struct Evaluation {
    std::vector<LabelledInput> inputs;
    std::vector<std::string> names;
    std::vector<std::uint8_t> anomalous;                // 1 for an abnormal sample
    std::vector<std::string> defects;                   // of each sample, empty if it has none or it has no name
    std::map<std::string, std::filesystem::path> masks; // by the sample's name
    gradcon::Scores statistics;
    std::size_t left_out = 0, normals = 0, abnormals = 0;
    double rate = 0;               // of false alarms, that thresholds are chosen for
    std::vector<RuleResult> rules; // the model's own first
    std::vector<DefectResult> by_defect;
    std::optional<PixelResult> pixels;
    std::size_t with_region = 0; // normal pictures that show a region
};

/// Wilson's interval of a share, `part` of `whole`, with 95 %.
std::pair<double, double> share_interval(std::size_t part, std::size_t whole);

/// Some of the samples once more, pictures not yet loaded.
std::map<std::string, Sample> read_again(const Evaluation& evaluation, std::set<std::string> names,
                                         const Options& options, const Model& model);

/// 1 where the defect is. @throws gradcon::FileError for a mask of another size than the picture
std::vector<std::uint8_t> read_mask(const std::filesystem::path& file, const Picture& picture);
