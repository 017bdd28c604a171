#pragma once

#include <gradcon/core/tensor.hpp>
#include <gradcon/image/image_view.hpp>

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <string>
#include <vector>

using Picture = gradcon::Tensor<std::uint8_t, 3>; // height x width x 1 (gray) or 3 (red first)

/// A picture, or some rows of a table, with a name for people.
struct Sample {
    std::string name;
    std::filesystem::path file; // where the picture is, as long as it is not loaded
    Picture picture{};
    std::vector<double> rows{};
    std::string label{}; // as the input has it; empty without labels

    bool is_picture() const { return rows.empty(); }

    /// Decodes the file, if there is one; many threads may load samples of their own.
    /// @throws gradcon::FileError for a bad file
    void load();
};

/// What inputs need to be told beyond their names.
struct InputOptions {
    std::string label_column;           // of a table: never learned from
    std::string labels;                 // a file with a label for each row of a .npy
    std::string only_label;             // samples with other labels are left out
    std::size_t window = 1, stride = 1; // rows of a table that make one sample
};

/// The samples of an input, one after the other.
class Source {
  public:
    virtual ~Source() = default;
    /// @return false when there are no more
    virtual bool next(Sample& sample) = 0;
    /// How many there are; 0 when that is not known.
    virtual std::size_t count() const { return 0; }
    /// Would next() have to wait for whoever sends samples?
    virtual bool waits() const { return false; }
    /// The names of a table's columns, if it has any, and their number; 0 for pictures.
    virtual std::vector<std::string> columns() const { return {}; }
    virtual std::size_t width() const { return 0; }
};

/// Opens a folder of pictures, a picture, an IDX file, a CIFAR-10 file, a .npy file, a .csv table, or "-": a list of
/// pictures on standard input, one name a line.
/// @throws gradcon::FileError when there is no such thing
std::unique_ptr<Source> open_source(const std::string& input, const InputOptions& options);

/// Several inputs, one after the other.
std::unique_ptr<Source> open_sources(const std::vector<std::string>& inputs, const InputOptions& options);
