#pragma once

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <cstddef>
#include <cstdio>
#include <limits>
#include <string>
#include <vector>

inline constexpr double none = std::numeric_limits<double>::quiet_NaN();

/// A number of a table with its place in it, how sure one may be of it, and whose it is.
struct Entry {
    std::string row, column;
    double value = none;
    double spread = none;           // standard deviation over the seeds
    double low = none, high = none; // 95 % interval
    bool reported = false;          // by others; else measured here
};

/// Numbers by row and column. As CSV a line for each number with all its digits; to read, rows by columns.
struct Table {
    std::string name, title, remark;
    std::string rows_are; // the head of the first column
    std::vector<Entry> entries;

    /// What `key` (Entry::row or Entry::column) takes, in the order of first appearance.
    std::vector<std::string> keys(std::string Entry::*key) const {
        std::vector<std::string> all;
        for (const Entry& entry : entries)
            if (std::ranges::find(all, entry.*key) == all.end()) all.push_back(entry.*key);
        return all;
    }

    /// nullptr when there is none
    const Entry* find(const std::string& row, const std::string& column) const {
        const auto found = std::ranges::find_if(
            entries, [&](const Entry& entry) { return entry.row == row && entry.column == column; });
        return found == entries.end() ? nullptr : &*found;
    }
};

/// "0.934", "12.5", "6,338,176".
inline std::string readable(double value) {
    std::array<char, 64> text{};
    const int digits = std::abs(value) < 10 ? 3 : std::abs(value) < 100 ? 1 : 0;
    std::snprintf(text.data(), text.size(), "%.*f", digits, value);
    std::string digits_only = text.data();
    if (digits == 0)
        for (std::size_t at = digits_only.size(); at > 3 + (value < 0 ? 1U : 0U); digits_only.insert(at -= 3, 1, ',')) {
        }
    return digits_only;
}

inline std::string csv(const Table& table) {
    const auto quoted = [](const std::string& text) {
        return text.find_first_of(",\"\n") == std::string::npos ? text : '"' + text + '"';
    };
    const auto exact = [](double value) {
        std::array<char, 32> digits{};
        return std::isnan(value)
                   ? std::string()
                   : std::string(digits.data(), std::to_chars(digits.data(), digits.data() + 32, value).ptr);
    };
    std::string text = quoted(table.rows_are) + ",column,value,spread,low,high,source\n";
    for (const Entry& e : table.entries)
        text += quoted(e.row) + ',' + quoted(e.column) + ',' + exact(e.value) + ',' + exact(e.spread) + ',' +
                exact(e.low) + ',' + exact(e.high) + ',' + (e.reported ? "reported" : "measured") + '\n';
    return text;
}

inline std::string markdown(const Table& table) {
    const auto columns = table.keys(&Entry::column);
    std::string text = "# " + table.title + "\n\n" + table.remark + "\n\n| " + table.rows_are + " |", rule = "\n|---|";
    for (const std::string& column : columns) text += " " + column + " |", rule += "---|";
    text += rule + "\n";
    for (const std::string& row : table.keys(&Entry::row)) {
        text += "| " + row + " |";
        for (const std::string& column : columns) {
            const Entry* e = table.find(row, column);
            if (e) text.append(" ").append(readable(e->value));
            if (e && !std::isnan(e->spread)) text.append(" ± ").append(readable(e->spread));
            if (e && !std::isnan(e->low))
                text.append(" [").append(readable(e->low)).append(", ").append(readable(e->high)).append("]");
            if (e && e->reported) text += " (reported)";
            text += " |";
        }
        text += "\n";
    }
    return text;
}
