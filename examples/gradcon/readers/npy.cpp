#include "npy.hpp"

#include <algorithm>
#include <array>
#include <bit>
#include <charconv>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <filesystem>
#include <gradcon/core/error.hpp>
#include <gradcon/core/tensor.hpp>
#include <gradcon/data/binary_file.hpp>
#include <gradcon/io/file.hpp>
#include <span>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>
#include <vector>

namespace readers {

namespace detail {

struct NpyHeader {
    std::string_view type;
    bool columns_first = false; // Fortran's order: the first index runs fastest
    std::vector<std::size_t> shape;
};

/// Reads such as {'descr': '<f8', 'fortran_order': False, 'shape': (3, 4), }.
class NpyHeaderParser {
  public:
    NpyHeaderParser(const BinaryFile& file, std::string_view text) : file_(file), text_(text) {}

    NpyHeader parse() {
        NpyHeader header;
        bool type = false, order = false, shape = false;
        const auto once = [&](bool& seen, std::string_view key) {
            if (std::exchange(seen, true)) throw error(message("one '", key, "'"));
        };
        expect("{");
        while (!taken("}")) {
            const std::string_view key = quoted();
            expect(":");
            if (key == "descr") {
                once(type, key);
                header.type = quoted();
            } else if (key == "fortran_order") {
                once(order, key);
                header.columns_first = taken("True");
                if (!header.columns_first) expect("False");
            } else if (key == "shape") {
                once(shape, key);
                header.shape = extents();
            } else {
                throw error("no keys but 'descr', 'fortran_order' and 'shape'");
            }
            if (!taken(",") && !next_is('}')) throw error("a comma between two entries");
        }
        skip_space();
        if (at_ != text_.size()) throw error("nothing after its last brace");
        if (!type || !order || !shape) throw error("the keys 'descr', 'fortran_order' and 'shape'");
        return header;
    }

  private:
    FileError error(std::string_view rule) const {
        return file_.error("an NPY header has ", rule, "; at byte ", at_, " of it: ", text_.substr(at_, 24));
    }
    void skip_space() {
        while (at_ < text_.size() && (text_[at_] == ' ' || (text_[at_] >= '\t' && text_[at_] <= '\r'))) ++at_;
    }
    bool next_is(char c) {
        skip_space();
        return at_ < text_.size() && text_[at_] == c;
    }
    bool taken(std::string_view word) {
        skip_space();
        const bool is = text_.substr(at_).starts_with(word);
        if (is) at_ += word.size();
        return is;
    }
    void expect(std::string_view word) {
        if (!taken(word)) throw error(message("here: ", word));
    }
    std::string_view quoted() {
        if (!next_is('\'') && !next_is('"')) throw error("here a text in quotes (a type of many fields is not read)");
        const std::size_t first = at_ + 1, last = text_.find(text_[at_], first);
        if (last == std::string_view::npos) throw error("here a text in quotes");
        at_ = last + 1;
        return text_.substr(first, last - first);
    }
    std::vector<std::size_t> extents() {
        std::vector<std::size_t> all;
        expect("(");
        while (!taken(")")) {
            skip_space();
            std::size_t extent = 0;
            const char* first = text_.data() + at_;
            const auto [end, failure] = std::from_chars(first, text_.data() + text_.size(), extent);
            if (failure != std::errc()) throw error("here an extent, 0 to 2^64 - 1");
            at_ += static_cast<std::size_t>(end - first);
            all.push_back(extent);
            if (!taken(",") && (all.size() == 1 || !next_is(')'))) throw error("a comma after each extent");
        }
        return all;
    }

    const BinaryFile& file_;
    std::string_view text_;
    std::size_t at_ = 0;
};

/// The values of type T that `bytes` hold, as double.
template <class T>
void convert(std::span<const std::uint8_t> bytes, std::span<double> to) {
    for (std::size_t i = 0; i < to.size(); ++i) {
        T value;
        std::memcpy(&value, bytes.data() + i * sizeof(T), sizeof(T));
        to[i] = static_cast<double>(value);
    }
}

struct NpyType {
    std::string_view name; // without the sign of the byte order
    std::size_t size;
    void (*convert)(std::span<const std::uint8_t>, std::span<double>);
};

inline constexpr std::array<NpyType, 11> npy_types{{{"f4", 4, convert<float>},
                                                    {"f8", 8, convert<double>},
                                                    {"i1", 1, convert<std::int8_t>},
                                                    {"i2", 2, convert<std::int16_t>},
                                                    {"i4", 4, convert<std::int32_t>},
                                                    {"i8", 8, convert<std::int64_t>},
                                                    {"u1", 1, convert<std::uint8_t>},
                                                    {"u2", 2, convert<std::uint16_t>},
                                                    {"u4", 4, convert<std::uint32_t>},
                                                    {"u8", 8, convert<std::uint64_t>},
                                                    {"b1", 1, convert<std::uint8_t>}}};

} // namespace detail

static_assert(std::endian::native == std::endian::little, "NPY files are read and written little endian");

Npy read_npy(const std::filesystem::path& path) {
    BinaryFile file(path);
    std::array<std::uint8_t, 8> begin{};
    constexpr std::string_view magic = "\x93NUMPY";
    if (file.size() < 10) throw file.error("an NPY file begins with 10 bytes or more; found ", file.size());
    file.read(begin);
    if (!std::equal(magic.begin(), magic.end(), begin.begin(),
                    [](char a, std::uint8_t b) { return static_cast<std::uint8_t>(a) == b; }))
        throw file.error("an NPY file begins with the bytes 147 78 85 77 80 89 (\\x93NUMPY); this one does not");
    if (begin[6] < 1 || begin[6] > 3 || begin[7] != 0)
        throw file.error("NPY versions 1.0, 2.0 and 3.0 are read; found ", int{begin[6]}, ".", int{begin[7]});
    std::array<std::uint8_t, 4> length{};
    const std::size_t length_size = begin[6] == 1 ? 2 : 4;
    if (file.size() < 8 + length_size) throw file.error("the file ends within the length of its NPY header");
    file.read(std::span(length).first(length_size));
    std::uint64_t header_size = 0;
    for (std::size_t i = length_size; i > 0; --i) header_size = header_size << 8 | length[i - 1];
    const std::uint64_t behind_length = file.size() - 8 - length_size;
    if (header_size > behind_length)
        throw file.error("the NPY header has ", header_size, " bytes; ", behind_length, " are there");
    std::vector<std::uint8_t> text(static_cast<std::size_t>(header_size));
    file.read(text);
    const detail::NpyHeader header =
        detail::NpyHeaderParser(file, {reinterpret_cast<const char*>(text.data()), text.size()}).parse();

    const std::string_view order = header.type.substr(0, 1), name = header.type.substr(order.size());
    const auto type = std::ranges::find(detail::npy_types, name, &detail::NpyType::name);
    if (type == detail::npy_types.end() || (order != "<" && (order != "|" || type->size != 1)))
        throw file.error("NPY types <f4 <f8 |i1 <i2 <i4 <i8 |u1 <u2 <u4 <u8 |b1 are read; found ", header.type);
    const std::uint64_t bytes_left = behind_length - header_size;
    std::uint64_t count = std::ranges::find(header.shape, 0U) == header.shape.end() ? 1 : 0;
    for (const std::size_t extent : header.shape) {
        if (count != 0 && extent > bytes_left / type->size / count)
            throw file.error("the NPY header asks for more than the file holds: ", shape_string(header.shape), " of ",
                             type->size, " bytes; ", bytes_left, " are there");
        count *= extent;
    }
    if (count * type->size != bytes_left)
        throw file.error("the NPY header asks for ", count, " values of ", type->size, " bytes; ", bytes_left,
                         " bytes are there");

    Npy array;
    array.shape = header.shape;
    array.values.resize(static_cast<std::size_t>(count));
    const std::size_t values_at_once = 65536;
    std::vector<std::uint8_t> bytes(std::min(values_at_once, array.values.size()) * type->size);
    for (std::size_t done = 0; done < array.values.size();) {
        const std::span to =
            std::span(array.values).subspan(done, std::min(values_at_once, array.values.size() - done));
        const std::span from = std::span(bytes).first(to.size() * type->size);
        file.read(from);
        type->convert(from, to);
        done += to.size();
    }
    if (name == "b1")
        for (double& value : array.values) value = value == 0 ? 0 : 1;
    if (header.columns_first && array.shape.size() > 1 && count > 0) {
        const std::vector<double> stored = std::exchange(array.values, std::vector<double>(array.values.size()));
        std::vector<std::size_t> index(array.shape.size(), 0); // in step with `to`
        for (double& to : array.values) {
            std::size_t from = 0;
            for (std::size_t axis = index.size(); axis > 0; --axis)
                from = from * array.shape[axis - 1] + index[axis - 1];
            to = stored[from];
            for (std::size_t axis = index.size(); axis > 0 && ++index[axis - 1] == array.shape[axis - 1]; --axis)
                index[axis - 1] = 0;
        }
    }
    return array;
}

void write_npy(const std::filesystem::path& path, std::span<const std::size_t> shape, std::span<const double> values) {
    if (shape.size() > 32)
        throw ShapeError(message("NumPy's arrays have 32 extents at most; this one has ", shape.size()));
    if (element_count(shape) != values.size())
        throw ShapeError(
            message("an array of shape (", shape_string(shape), ") has other than ", values.size(), " values"));
    std::string text = "{'descr': '<f8', 'fortran_order': False, 'shape': (";
    for (const std::size_t extent : shape) text += std::to_string(extent) + ", ";
    if (shape.size() > 1) text.resize(text.size() - 2); // of one extent, (3, ) keeps its comma
    text += "), }";
    constexpr std::size_t before = 10, boundary = 64; // where the values begin
    text.resize((before + text.size() + 1 + boundary - 1) / boundary * boundary - before - 1, ' ');
    text += '\n';
    const std::array<std::uint8_t, before> begin{0x93,
                                                 'N',
                                                 'U',
                                                 'M',
                                                 'P',
                                                 'Y',
                                                 1,
                                                 0,
                                                 static_cast<std::uint8_t>(text.size()),
                                                 static_cast<std::uint8_t>(text.size() >> 8)};
    std::vector<std::byte> file;
    const std::span<const std::byte> pieces[]{std::as_bytes(std::span(begin)), std::as_bytes(std::span(text)),
                                              std::as_bytes(values)};
    for (const auto piece : pieces) file.insert(file.end(), piece.begin(), piece.end());
    gradcon::io::replace_file(path, file);
}

} // namespace readers
