#pragma once

#include "decoding.hpp"

#include <cstddef>
#include <filesystem>
#include <istream>
#include <optional>
#include <string>
#include <vector>

// Tables of numbers as text, one row a line: RFC 4180, with a separator of one's choice.
namespace readers {

/// Is the first line one of names? `automatic`: it is when any of its cells, but for the label's, holds a text that is
/// no number.
enum class CsvHeader { automatic, yes, no };

struct CsvOptions {
    char separator = ',';
    CsvHeader header = CsvHeader::automatic;
    std::optional<std::string> label =
        {}; // a column of texts: its name or, when there are no names, its number from 0 on
};

/// Rows of numbers, each with a label when there is a label column.
struct Table {
    std::vector<std::string> columns; // the names of the columns of numbers; empty without a header
    std::size_t rows = 0, width = 0;
    std::vector<double> values;      // rows x width
    std::vector<std::string> labels; // rows, or empty
};

/// Reads a table in one pass. Cells may be quoted; lines end with LF or CR LF; a byte order mark is left out, and so
/// are empty lines at the end. Numbers are written with a point, whatever the program's locale.
/// @param name what messages call the stream
/// @throws FileError, naming the line, for empty cells, cells of a number column that are no number or not finite;
/// lines with other than the first line's number of cells; broken quotes; a label column that is not there; a table
/// without rows or without a column of numbers
Table read_csv(std::istream& from, const CsvOptions& options = {}, std::string_view name = "CSV");

/// The same of a file. @throws FileError as that, and when it is missing or cannot be read
Table read_csv(const std::filesystem::path& path, const CsvOptions& options = {});

} // namespace readers
