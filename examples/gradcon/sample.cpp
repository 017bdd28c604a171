#include "sample.hpp"

#include "readers/csv.hpp"
#include "readers/npy.hpp"
#include "readers/picture_file.hpp"
#include <gradcon/core/finite.hpp>
#include <gradcon/data/cifar10.hpp>
#include <gradcon/data/idx.hpp>

#include <algorithm>
#include <iostream>
#include <utility>

namespace fs = std::filesystem;
using gradcon::FileError;
using gradcon::message;

namespace {

class PictureFiles final : public Source {
  public:
    explicit PictureFiles(std::vector<fs::path> files) : files_(std::move(files)) {}
    bool next(Sample& sample) override {
        if (at_ == files_.size()) return false;
        sample = {files_[at_].string(), files_[at_]};
        ++at_;
        return true;
    }
    std::size_t count() const override { return files_.size(); }

  private:
    std::vector<fs::path> files_;
    std::size_t at_ = 0;
};

/// Names on standard input, read as they come.
class PictureList final : public Source {
  public:
    PictureList() { std::ios::sync_with_stdio(false); } // or cin does not tell what it has
    bool waits() const override { return std::cin.rdbuf()->in_avail() == 0; }
    bool next(Sample& sample) override {
        for (std::string line; std::getline(std::cin, line);) {
            if (!line.empty() && line.back() == '\r') line.pop_back();
            if (line.empty()) continue;
            sample = {line, line};
            return true;
        }
        return false;
    }
};

/// The images of an IDX or a CIFAR-10 file.
class ImageSet final : public Source {
  public:
    /// @param labels of each image, or none
    ImageSet(std::string name, gradcon::Tensor<std::uint8_t, 4> images, const std::vector<std::uint8_t>& labels,
             const std::string& only_label)
        : name_(std::move(name)), images_(std::move(images)), labels_(labels) {
        if (!only_label.empty() && labels_.empty())
            throw FileError(name_ + ": there are no labels, so none can be \"" + only_label + "\"");
        for (std::size_t i = 0; i < images_.shape()[0]; ++i)
            if (only_label.empty() || std::to_string(labels_[i]) == only_label) taken_.push_back(i);
        if (taken_.empty()) throw FileError(name_ + ": no image has the label " + only_label);
    }
    bool next(Sample& sample) override {
        if (at_ == taken_.size()) return false;
        const std::size_t i = taken_[at_++];
        sample = {message(name_, ":", i), {}};
        if (!labels_.empty()) sample.label = std::to_string(labels_[i]);
        const auto& shape = images_.shape();
        sample.picture.resize({shape[1], shape[2], shape[3]});
        const std::size_t size = sample.picture.size();
        std::copy_n(images_.data() + i * size, size, sample.picture.data());
        return true;
    }
    std::size_t count() const override { return taken_.size(); }

  private:
    std::string name_;
    gradcon::Tensor<std::uint8_t, 4> images_;
    std::vector<std::uint8_t> labels_;
    std::vector<std::size_t> taken_;
    std::size_t at_ = 0;
};

/// Windows of a table's rows. A window of several rows has the label of its last one, and none where labels differ from
/// the one that is asked for.
class TableRows final : public Source {
  public:
    TableRows(std::string name, readers::Table table, const InputOptions& options)
        : name_(std::move(name)), table_(std::move(table)), options_(options) {
        const auto& o = options_;
        if (!o.only_label.empty() && table_.labels.empty())
            throw FileError(name_ + ": there are no labels, so none can be \"" + o.only_label + "\"");
        for (std::size_t first = 0; first + o.window <= table_.rows; first += o.stride) {
            bool take = true;
            if (!o.only_label.empty())
                for (std::size_t row = first; row < first + o.window; ++row)
                    take = take && table_.labels[row] == o.only_label;
            if (take) taken_.push_back(first);
        }
        if (taken_.empty())
            throw FileError(message(name_, ": no window of ", o.window, " of its ", table_.rows, " rows",
                                    o.only_label.empty() ? "" : " has the label " + o.only_label));
    }
    bool next(Sample& sample) override {
        if (at_ == taken_.size()) return false;
        const std::size_t first = taken_[at_++], width = table_.width;
        sample = {message(name_, ":", first + first_line_), {}};
        const auto begin = table_.values.begin() + static_cast<std::ptrdiff_t>(first * width);
        sample.rows.assign(begin, begin + static_cast<std::ptrdiff_t>(options_.window * width));
        if (!table_.labels.empty()) sample.label = table_.labels[first + options_.window - 1];
        return true;
    }
    std::size_t count() const override { return taken_.size(); }
    std::vector<std::string> columns() const override { return table_.columns; }
    std::size_t width() const override { return table_.width; }

  private:
    std::string name_;
    readers::Table table_;
    InputOptions options_;
    std::size_t first_line_ = table_.columns.empty() ? 1 : 2; // that has numbers
    std::vector<std::size_t> taken_;                          // the first row of each window
    std::size_t at_ = 0;
};

class Sources final : public Source {
  public:
    Sources(const std::vector<std::string>& inputs, const InputOptions& options) {
        for (const auto& input : inputs) {
            sources_.push_back(open_source(input, options));
            const Source &first = *sources_.front(), &last = *sources_.back();
            if (last.width() == first.width() && last.columns() == first.columns()) continue;
            const bool both_tables = last.width() > 0 && first.width() > 0;
            throw FileError(input + (both_tables ? ": has other columns than " : ": is of another kind than ") +
                            inputs.front() + "; inputs are pictures, or tables of the same columns");
        }
    }
    bool waits() const override { return at_ < sources_.size() && sources_[at_]->waits(); }
    bool next(Sample& sample) override {
        while (at_ < sources_.size() && !sources_[at_]->next(sample)) ++at_;
        return at_ < sources_.size();
    }
    std::size_t count() const override {
        std::size_t sum = 0;
        for (const auto& source : sources_) {
            if (source->count() == 0) return 0;
            sum += source->count();
        }
        return sum;
    }
    std::vector<std::string> columns() const override { return sources_.front()->columns(); }
    std::size_t width() const override { return sources_.front()->width(); }

  private:
    std::vector<std::unique_ptr<Source>> sources_;
    std::size_t at_ = 0;
};

std::unique_ptr<Source> open_idx(const std::string& input, const InputOptions& options) {
    const auto idx = gradcon::data::read_idx(input);
    if (idx.shape.size() != 3 && idx.shape.size() != 4)
        throw FileError(message(input, ": IDX images have 3 or 4 dimensions; these have ", idx.shape.size()));
    gradcon::Tensor<std::uint8_t, 4> images;
    images.resize({idx.shape[0], idx.shape[1], idx.shape[2], idx.shape.size() == 4 ? idx.shape[3] : 1});
    std::ranges::copy(idx.values, images.data());
    std::vector<std::uint8_t> labels;
    std::string beside = fs::path(input).filename().string();
    if (const auto at = beside.find("images-idx3"); at != std::string::npos) {
        beside.replace(at, 11, "labels-idx1");
        if (const auto file = fs::path(input).replace_filename(beside); fs::exists(file))
            labels = gradcon::data::read_idx(file).values;
        if (!labels.empty() && labels.size() != idx.shape[0])
            throw FileError(message(input, ": ", idx.shape[0], " images, but ", labels.size(), " labels in ", beside));
    }
    return std::make_unique<ImageSet>(input, std::move(images), labels, options.only_label);
}

std::unique_ptr<Source> open_npy(const std::string& input, const InputOptions& options) {
    auto npy = readers::read_npy(input);
    if (npy.shape.size() != 2)
        throw FileError(
            message(input, ": a table has 2 dimensions, rows and columns; this one has ", npy.shape.size()));
    readers::Table table;
    table.rows = npy.shape[0];
    table.width = npy.shape[1];
    table.values = std::move(npy.values);
    for (std::size_t i = 0; i < table.values.size(); ++i)
        if (!gradcon::is_finite(table.values[i]))
            throw FileError(
                message(input, ": row ", i / table.width, ", column ", i % table.width, " holds ", table.values[i]));
    if (!options.labels.empty()) {
        for (const double label : readers::read_npy(options.labels).values) table.labels.push_back(message(label));
        if (table.labels.size() != table.rows)
            throw FileError(
                message(input, ": ", table.rows, " rows, but ", table.labels.size(), " labels in ", options.labels));
    }
    return std::make_unique<TableRows>(input, std::move(table), options);
}

std::string extension(const fs::path& path) {
    std::string text = path.extension().string();
    std::ranges::transform(text, text.begin(), [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
    return text;
}

} // namespace

void Sample::load() {
    if (!file.empty() && picture.size() == 0) picture = readers::read_picture(file);
}

std::unique_ptr<Source> open_source(const std::string& input, const InputOptions& options) {
    const auto no_labels = [&] {
        if (!options.only_label.empty())
            throw FileError(input + ": pictures have no labels, so none can be \"" + options.only_label + "\"");
    };
    if (input == "-") {
        no_labels();
        return std::make_unique<PictureList>();
    }
    if (!fs::exists(input)) throw FileError(input + ": no such file or folder");
    if (fs::is_directory(input)) {
        no_labels();
        return std::make_unique<PictureFiles>(readers::find_pictures(input));
    }
    const std::string kind = extension(input), name = fs::path(input).filename().string();
    if (kind == ".npy") return open_npy(input, options);
    if (kind == ".csv" || kind == ".tsv" || kind == ".txt") {
        readers::CsvOptions csv;
        if (kind == ".tsv") csv.separator = '\t';
        if (!options.label_column.empty()) csv.label = options.label_column;
        return std::make_unique<TableRows>(input, readers::read_csv(fs::path(input), csv), options);
    }
    if (kind == ".bin") {
        auto set = gradcon::data::read_cifar10(input);
        return std::make_unique<ImageSet>(input, std::move(set.images), set.labels, options.only_label);
    }
    if (name.find("-idx") != std::string::npos || kind == ".idx" || kind == ".gz") return open_idx(input, options);
    no_labels();
    return std::make_unique<PictureFiles>(std::vector<fs::path>{input});
}

std::unique_ptr<Source> open_sources(const std::vector<std::string>& inputs, const InputOptions& options) {
    if (inputs.size() == 1) return open_source(inputs[0], options);
    return std::make_unique<Sources>(inputs, options);
}
