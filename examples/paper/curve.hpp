#pragma once

#include <gradcon/io/file.hpp>

#include <algorithm>
#include <array>
#include <charconv>
#include <cstddef>
#include <filesystem>
#include <fstream>
#include <limits>
#include <sstream>
#include <string>
#include <string_view>
#include <vector>

/// Writes a text at once or not at all.
inline void write_text(const std::filesystem::path& path, std::string_view text) {
    gradcon::io::replace_file(path, std::as_bytes(std::span(text)));
}

/// Distinct lines of a text file.
class Lines {
  public:
    explicit Lines(std::filesystem::path path) : path_(std::move(path)) {
        std::ifstream file(path_);
        for (std::string line; std::getline(file, line);) lines_.push_back(line);
    }

    /// Adds a line that is not there yet. @return false when there would be more than `most`
    bool add(const std::string& line, std::size_t most) {
        if (std::ranges::find(lines_, line) != lines_.end()) return true;
        if (lines_.size() >= most) return false;
        lines_.push_back(line);
        std::string text;
        for (const std::string& one : lines_) text += one + "\n";
        write_text(path_, text);
        return true;
    }

  private:
    std::filesystem::path path_;
    std::vector<std::string> lines_;
};

/// How a training went, as a CSV file. A row for each epoch: losses, the decoder layers' mean alignment on held-out
/// images, and every tenth epoch and the last the AUROCs of reconstruction, gradient and GradCon on the test set.
class Curve {
  public:
    static constexpr std::array columns{
        "epoch",          "training_loss", "training_alignment", "validation_loss", "validation_alignment",
        "cosine_1",       "cosine_2",      "cosine_3",           "cosine_4",        "auroc_reconstruction",
        "auroc_gradient", "auroc_gradcon"};

    explicit Curve(std::filesystem::path path) : path_(std::move(path)) {
        std::ifstream file(path_);
        std::string line;
        std::getline(file, line);
        while (std::getline(file, line)) rows_.push_back(line);
    }

    /// Forgets what came after a checkpoint.
    void cut(std::size_t epochs) { rows_.resize(std::min(rows_.size(), epochs)); }
    void add(const std::string& row) { rows_.push_back(row); }

    void write() const {
        std::string text;
        for (const char* column : columns) text.append(text.empty() ? "" : ",").append(column);
        text += "\n";
        for (const std::string& row : rows_) text += row + "\n";
        write_text(path_, text);
    }

    /// A column's value in each epoch; NaN where there is none.
    std::vector<double> values(std::string_view column) const {
        const auto index = std::ranges::find(columns, column) - columns.begin();
        std::vector<double> all;
        for (const std::string& row : rows_) {
            std::istringstream cells(row);
            std::string cell;
            for (std::ptrdiff_t i = 0; i <= index; ++i)
                if (!std::getline(cells, cell, ',')) cell.clear();
            double value = std::numeric_limits<double>::quiet_NaN();
            std::from_chars(cell.data(), cell.data() + cell.size(), value);
            all.push_back(value);
        }
        return all;
    }

  private:
    std::filesystem::path path_;
    std::vector<std::string> rows_;
};
