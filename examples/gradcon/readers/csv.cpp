#include "csv.hpp"

#include <algorithm>
#include <array>
#include <charconv>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <fstream>
#include <gradcon/core/error.hpp>
#include <gradcon/core/finite.hpp>
#include <gradcon/data/binary_file.hpp>
#include <ios>
#include <istream>
#include <optional>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>
#include <vector>

namespace readers {

namespace detail {

/// One line's cells without their quotes. Used again for each line, so that no cell needs memory of its own.
class CsvRecord {
  public:
    void clear() {
        text_.clear();
        ends_.clear();
    }
    void append(char c) { text_ += c; }
    void end_cell() { ends_.push_back(text_.size()); }

    std::size_t size() const { return ends_.size(); }
    bool blank() const { return size() == 1 && ends_[0] == 0; }
    std::string_view operator[](std::size_t cell) const {
        const std::size_t first = cell == 0 ? 0 : ends_[cell - 1];
        return std::string_view(text_).substr(first, ends_[cell] - first);
    }

  private:
    std::string text_;
    std::vector<std::size_t> ends_;
};

/// Cuts a stream into lines and cells.
class CsvLines {
  public:
    CsvLines(std::istream& from, std::string_view name, char separator)
        : from_(from), name_(name), separator_(separator), buffer_(std::size_t{1} << 16) {
        constexpr std::string_view mark = "\xEF\xBB\xBF"; // UTF-8's byte order mark
        if (more() && std::string_view(buffer_.data(), filled_).starts_with(mark)) at_ = mark.size();
    }

    /// The next line's cells. @return false when there is none
    bool read(CsvRecord& record) {
        enum class State { cell_begins, plain, quoted, quote_closed, line_ends } state = State::cell_begins;
        record.clear();
        if (!more()) return false;
        line_ = next_line_;
        while (more()) {
            const char c = buffer_[at_++];
            if (c == '\n') ++next_line_;
            if (state == State::quoted) {
                if (c == '"') state = State::quote_closed;
                else record.append(c);
            } else if (c == '\n') {
                record.end_cell();
                return true;
            } else if (state == State::line_ends) {
                throw error("a carriage return ends a line only together with a line feed");
            } else if (c == '\r') {
                state = State::line_ends;
            } else if (c == separator_) {
                record.end_cell();
                state = State::cell_begins;
            } else if (c == '"' && state == State::plain) {
                throw error("a quote stands within a cell that does not begin with one");
            } else if (c == '"') {
                if (state == State::quote_closed) record.append(c); // two quotes are one
                state = State::quoted;
            } else if (state == State::quote_closed) {
                throw error("a separator or the line's end follows a closing quote; found ", c);
            } else {
                record.append(c);
                state = State::plain;
            }
        }
        if (state == State::quoted) throw error("a quote that begins in this line is never closed");
        record.end_cell();
        return true;
    }

    /// The line where the last record begins, from 1 on.
    std::size_t line() const { return line_; }

    template <class... What>
    FileError error(const What&... what) const {
        return FileError(message(name_, ": line ", line_, ": ", what...));
    }

  private:
    bool more() {
        if (at_ < filled_) return true;
        if (from_.bad()) throw error("reading failed");
        from_.read(buffer_.data(), static_cast<std::streamsize>(buffer_.size()));
        if (from_.bad()) throw error("reading failed");
        filled_ = static_cast<std::size_t>(from_.gcount());
        at_ = 0;
        return filled_ > 0;
    }

    std::istream& from_;
    std::string_view name_;
    char separator_;
    std::vector<char> buffer_;
    std::size_t at_ = 0, filled_ = 0;
    std::size_t line_ = 1, next_line_ = 1;
};

enum class CsvCell { number, empty, text, not_finite, too_large };

/// Reads a cell that is to be a number; spaces and tabs around it do not matter.
inline CsvCell parse_cell(std::string_view cell, double& value) {
    const auto space = [](char c) { return c == ' ' || c == '\t'; };
    while (!cell.empty() && space(cell.front())) cell.remove_prefix(1);
    while (!cell.empty() && space(cell.back())) cell.remove_suffix(1);
    if (cell.empty()) return CsvCell::empty;
    if (cell.size() > 1 && cell[0] == '+' && cell[1] != '-') cell.remove_prefix(1); // from_chars knows no plus
    const char* end = cell.data() + cell.size();
    const auto [behind, failure] = std::from_chars(cell.data(), end, value);
    if (failure == std::errc::invalid_argument || behind != end) return CsvCell::text;
    if (failure == std::errc::result_out_of_range) return CsvCell::too_large;
    return gradcon::is_finite(value) ? CsvCell::number : CsvCell::not_finite;
}

} // namespace detail

Table read_csv(std::istream& from, const CsvOptions& options, std::string_view name) {
    detail::CsvLines lines(from, name, options.separator);
    detail::CsvRecord cells;
    if (!lines.read(cells)) throw FileError(message(name, ": the table is empty"));
    const std::size_t width = cells.size();

    std::optional<std::size_t> number; // what the label option says, should it be a number
    if (options.label) {
        const char *first = options.label->data(), *last = first + options.label->size();
        std::size_t value = 0;
        if (const auto [end, failure] = std::from_chars(first, last, value); failure == std::errc() && end == last)
            number = value;
    }
    bool has_header = options.header == CsvHeader::yes;
    for (std::size_t column = 0; options.header == CsvHeader::automatic && column < width; ++column)
        if (double ignored = 0; column != number && detail::parse_cell(cells[column], ignored) == detail::CsvCell::text)
            has_header = true;

    std::optional<std::size_t> label;
    if (options.label && has_header) {
        for (std::size_t column = 0; column < width; ++column)
            if (cells[column] == *options.label) {
                if (label) throw lines.error("two columns are named ", *options.label);
                label = column;
            }
        if (!label) {
            std::string names;
            for (std::size_t column = 0; column < width; ++column) names.append(" ").append(cells[column]);
            throw lines.error("no column is named ", *options.label, "; found", names);
        }
    } else if (options.label) {
        if (!number || *number >= width)
            throw lines.error("without a header the label column is a number below ", width,
                              "; given: ", *options.label);
        label = number;
    }
    Table table;
    table.width = width - (label ? 1 : 0);
    if (table.width == 0) throw lines.error("a table has a column of numbers; found only the label");
    bool there = true;
    if (has_header) {
        for (std::size_t column = 0; column < width; ++column)
            if (column != label) table.columns.emplace_back(cells[column]);
        there = lines.read(cells);
    }

    std::size_t blank = 0; // the first of the empty lines just read
    for (; there; there = lines.read(cells)) {
        if (cells.blank()) {
            if (blank == 0) blank = lines.line();
            continue;
        }
        if (blank != 0) throw FileError(message(name, ": line ", blank, ": empty, and not at the table's end"));
        if (cells.size() != width)
            throw lines.error("a row of ", cells.size(), " cells in a table of ", width, " columns");
        for (std::size_t column = 0; column < width; ++column) {
            double value = 0;
            const detail::CsvCell kind = detail::parse_cell(cells[column], value);
            if (column == label && kind != detail::CsvCell::empty) {
                table.labels.emplace_back(cells[column]);
                continue;
            }
            if (kind != detail::CsvCell::number) {
                constexpr std::array what{"", "is empty", "is no number", "is not finite", "is beyond double's range"};
                std::string column_name;
                if (has_header && column == label) column_name = " (" + *options.label + ")";
                else if (has_header) column_name = " (" + table.columns[table.values.size() % table.width] + ")";
                throw lines.error("column ", column + 1, column_name, " ", what[static_cast<std::size_t>(kind)], ": '",
                                  cells[column].substr(0, 40), "'");
            }
            table.values.push_back(value);
        }
        ++table.rows;
    }
    if (table.rows == 0) throw FileError(message(name, ": no row of numbers in the table"));
    return table;
}

Table read_csv(const std::filesystem::path& path, const CsvOptions& options) {
    const BinaryFile there(path); // or it says what is wrong
    std::ifstream file(path, std::ios::binary);
    return read_csv(file, options, path.string());
}

} // namespace readers
