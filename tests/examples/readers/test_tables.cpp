// Readers of tables: CSV and NPY; the writer of NPY.
#include "random_tensors.hpp"
#include "write_file.hpp"

#include "../../../examples/gradcon/readers/csv.hpp"
#include "../../../examples/gradcon/readers/npy.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <cstring>
#include <fstream>
#include <iterator>
#include <limits>
#include <locale>
#include <sstream>
#include <string>

using namespace gradcon;

namespace {

namespace fs = std::filesystem;
using Names = std::vector<std::string>;
using Values = std::vector<double>;
using Sizes = std::vector<std::size_t>;

Bytes read_all(const fs::path& path) {
    std::ifstream file(path, std::ios::binary);
    return {std::istreambuf_iterator<char>(file), {}};
}

readers::Table csv(const std::string& text, const readers::CsvOptions& options = {}) {
    std::istringstream stream(text);
    return readers::read_csv(stream, options, "t.csv");
}

bool refuses_csv(const std::string& text, std::initializer_list<std::string_view> parts,
                 const readers::CsvOptions& options = {}) {
    return throws_naming<FileError>([&] { csv(text, options); }, parts);
}

/// An NPY file of this header, not filled up, and these bytes.
Bytes npy(std::string_view header, const Bytes& values, std::uint8_t version = 1) {
    Bytes bytes{0x93, 'N', 'U', 'M', 'P', 'Y', version, 0};
    for (std::size_t i = 0; i < (version == 1 ? 2U : 4U); ++i)
        bytes.push_back(static_cast<std::uint8_t>(header.size() >> 8 * i));
    bytes.insert(bytes.end(), header.begin(), header.end());
    bytes.insert(bytes.end(), values.begin(), values.end());
    return bytes;
}

std::string header(std::string_view type, std::string_view shape, bool columns_first = false) {
    return message("{'descr': '", type, "', 'fortran_order': ", columns_first ? "True" : "False", ", 'shape': ", shape,
                   ", }\n");
}

template <class T>
Bytes bytes_of(std::initializer_list<T> values) {
    Bytes bytes(values.size() * sizeof(T));
    std::memcpy(bytes.data(), std::data(values), bytes.size());
    return bytes;
}

} // namespace

TEST_SUITE("tables") {
    TEST_CASE("CSV: with a header and without, told by the first line or by the option") {
        const auto plain = csv("1,2.5,-3e2\n4,5,6\n");
        CHECK(plain.columns.empty());
        CHECK(plain.rows == 2);
        CHECK(plain.width == 3);
        CHECK(plain.values == Values{1, 2.5, -300, 4, 5, 6});
        CHECK(plain.labels.empty());
        const auto named = csv("a,b 2,\n1,2,3\n");
        CHECK(named.columns == Names{"a", "b 2", ""});
        CHECK(named.rows == 1);
        CHECK(named.values == Values{1, 2, 3});
        CHECK(csv("1,x\n2,3").columns == Names{"1", "x"});
        CHECK(csv("1,2\n3,4\n", {.header = readers::CsvHeader::yes}).columns == Names{"1", "2"});
        CHECK(csv("1,2\n3,4\n", {.header = readers::CsvHeader::yes}).values == Values{3, 4});
        CHECK(refuses_csv("a,b\n1,2\n", {"t.csv: line 1: column 1 is no number: 'a'"},
                          {.header = readers::CsvHeader::no}));
        // What is a number, though none to be had, and a cell left empty make no header: the row would be lost.
        CHECK(refuses_csv("1,nan\n3,4\n", {"line 1: column 2 is not finite: 'nan'"}));
        CHECK(refuses_csv("1,\n3,4\n", {"line 1: column 2 is empty"}));
        CHECK(csv("7").values == Values{7});
        CHECK(csv("x\n7\n8\n").values == Values{7, 8});
    }

    TEST_CASE("CSV: line ends, a byte order mark, quotes, spaces, separators") {
        const Values expected{1, 2, 3, 4};
        for (const char* text : {"1,2\n3,4", "1,2\n3,4\n", "1,2\r\n3,4\r\n", "1,2\r\n3,4", "1,2\n3,4\r",
                                 "\xEF\xBB\xBF"
                                 "1,2\n3,4\n",
                                 "\"1\",2\n3,\"4\"\n", "\"1\",\"2\"\r\n\"3\",\"4\"\r\n", " 1 ,\t2\n3, +4 \n",
                                 "1,2\n3,4\n\n\r\n\n", "+1.0,2e0\n30E-1,.4e+1"}) {
            const auto table = csv(text);
            CHECK_MESSAGE(table.values == expected, text);
            CHECK(table.columns.empty());
        }
        struct Comma : std::numpunct<char> {
            char do_decimal_point() const override { return ','; }
        };
        const std::locale before = std::locale::global(std::locale(std::locale::classic(), new Comma));
        CHECK(csv("1.5;2000\n", {.separator = ';'}).values == Values{1.5, 2000});
        std::locale::global(before);
        CHECK(csv("1;2\n3;4\n", {.separator = ';'}).values == expected);
        CHECK(csv("1\t2\n3\t4\n", {.separator = '\t'}).values == expected);
        CHECK(csv("\xEF\xBB\xBF\"a\",b\n1,2\n").columns == Names{"a", "b"});
        const auto quoted = csv("\"a,\"\"b\"\"\",\"two\r\nlines\",\"\"\"\"\r\n1,2,3\r\n");
        CHECK(quoted.columns == Names{"a,\"b\"", "two\r\nlines", "\""});
        CHECK(quoted.values == Values{1, 2, 3});
    }

    TEST_CASE("CSV: a label column by name or by number") {
        const std::string with_header = "x,kind,y\n1,cat,2\n3,\"dog, old\",4\n5,-,6\n",
                          without = "1,cat,2\n3,\"dog, old\",4\n5,-,6\n";
        for (const bool named : {false, true}) {
            const auto table = named ? csv(with_header, {.label = "kind"}) : csv(without, {.label = "1"});
            CHECK(table.columns == (named ? Names{"x", "y"} : Names{}));
            CHECK(table.labels == Names{"cat", "dog, old", "-"});
            CHECK(table.rows == 3);
            CHECK(table.width == 2);
            CHECK(table.values == Values{1, 2, 3, 4, 5, 6});
        }
        CHECK(csv("0,1,2\n5,6,7\n", {.label = "2"}).labels == Names{"2", "7"});
        CHECK(csv("2,1,0\n5,6,7\n", {.header = readers::CsvHeader::yes, .label = "2"}).labels == Names{"5"});
        CHECK(refuses_csv(with_header, {"t.csv: line 1", "no column is named sort", "found x kind y"},
                          {.label = "sort"}));
        CHECK(refuses_csv(with_header, {"no column is named 1"}, {.label = "1"}));
        CHECK(refuses_csv("a,a,b\n1,2,3\n", {"two columns are named a"}, {.label = "a"}));
        CHECK(refuses_csv("1,2,3\n", {"a number below 3", "given: kind"}, {.label = "kind"}));
        CHECK(refuses_csv("1,2,3\n", {"a number below 3", "given: 3"}, {.label = "3"}));
        CHECK(refuses_csv("1,2,3\n", {"a number below 3", "given: -1"}, {.label = "-1"}));
        CHECK(refuses_csv("a\nb\n", {"found only the label"}, {.label = "a"}));
    }

    TEST_CASE("CSV: broken tables are refused, naming line and column") {
        CHECK(refuses_csv("", {"t.csv: the table is empty"}));
        CHECK(refuses_csv("\xEF\xBB\xBF", {"t.csv: the table is empty"}));
        CHECK(refuses_csv("\n\n", {"no row of numbers"}));
        CHECK(refuses_csv("a,b\n", {"no row of numbers"}));
        CHECK(refuses_csv("1,2\n3\n", {"t.csv: line 2: a row of 1 cells in a table of 2 columns"}));
        CHECK(refuses_csv("a,b\n1,2\n1,2,3\n", {"line 3: a row of 3 cells in a table of 2 columns"}));
        CHECK(refuses_csv("\"a\n\n\",b\n1,2\n3,\n", {"line 5: column 2 (b) is empty"}));
        CHECK(refuses_csv("1,2\n\n3,4\n", {"t.csv: line 2: empty, and not at the table's end"}));
        CHECK(refuses_csv("\n1,2\n", {"line 1: empty"}));
        CHECK(refuses_csv("1,2\n3,\n", {"line 2: column 2 is empty"}));
        CHECK(refuses_csv("1,2\n3, \t\n", {"line 2: column 2 is empty"}));
        CHECK(refuses_csv("a,k,b\n1,x,2\n3,x,4z\n", {"line 3: column 3 (b) is no number: '4z'"}, {.label = "k"}));
        CHECK(refuses_csv("k,a,b\nx,1,2\nx,?,4\n", {"line 3: column 2 (a) is no number: '?'"}, {.label = "k"}));
        CHECK(refuses_csv("a,b,k\n1,2,x\n3,4,\n", {"line 3: column 3 (k) is empty"}, {.label = "k"}));
        CHECK(refuses_csv("k,a,b\nx,1,2\nx,3,\n", {"line 3: column 3 (b) is empty"}, {.label = "k"}));
        CHECK(refuses_csv("1,2\n3,\n", {"line 2: column 2 is empty"}, {.label = "1"}));
        for (const char* cell : {"1 2", "--1", "+-1", "+", "-", ".", "1e", "0x10", "1.2.3", "one", "\"1,5\"", "1'000"})
            CHECK(refuses_csv(message("1\n", cell, "\n"), {"line 2: column 1 is no number"}));
        for (const char* cell : {"nan", "NaN", "inf", "-inf", "Infinity", "+inf", "nan(3)"})
            CHECK(refuses_csv(message("1\n", cell, "\n"), {"line 2: column 1 is not finite"}));
        CHECK(refuses_csv("1\n1e999\n", {"line 2: column 1 is beyond double's range: '1e999'"}));
        CHECK(refuses_csv("1\n" + std::string(1000, 'x') + "\n", {"'" + std::string(40, 'x') + "'"}));
        CHECK(refuses_csv("1,2\n3,\"4\n5,6\n", {"line 2: a quote", "never closed"}));
        CHECK(refuses_csv("1,2\n3,\"4\"5\n", {"line 2", "follows a closing quote; found 5"}));
        CHECK(refuses_csv("1,2\n3,4\"5\n", {"line 2: a quote stands within"}));
        CHECK(refuses_csv("1,2\r3,4\r", {"line 1: a carriage return"}));
        std::istringstream stream("1,2\n");
        stream.setstate(std::ios::badbit);
        CHECK(throws_naming<FileError>([&] { readers::read_csv(stream); }, {"CSV: line 1: reading failed"}));
    }

    TEST_CASE("CSV: files, and lines that cross the reader's blocks") {
        const TemporaryFolder folder;
        const auto path = folder.path / "Me\u00dfwerte.csv";
        CHECK(throws_naming<FileError>([&] { readers::read_csv(path); }, {"werte.csv", "no such file"}));
        CHECK(throws_naming<FileError>([&] { readers::read_csv(folder.path); }, {"not a regular file"}));
        write_file(path, Bytes{});
        CHECK(throws_naming<FileError>([&] { readers::read_csv(path); }, {"werte.csv: the table is empty"}));
        std::string text = "\"first\",kind,third\r\n";
        Values expected;
        Names labels;
        for (int i = 0; i < 20000; ++i) {
            const double value = i / 7.0;
            labels.push_back("a \"quoted\", label " + std::to_string(i % 13));
            expected.insert(expected.end(), {value, -i / 1024.0});
            std::ostringstream line;
            line.imbue(std::locale::classic());
            line.precision(17);
            line << '"' << value << "\",\"a \"\"quoted\"\", label " << i % 13 << "\"," << -i / 1024.0 << "\r\n";
            text += line.str();
        }
        write_file(path, {text.begin(), text.end()});
        const auto table = readers::read_csv(path, {.label = "kind"});
        CHECK(table.columns == Names{"first", "third"});
        CHECK(table.rows == 20000);
        CHECK(table.values == expected);
        CHECK(table.labels == labels);
        text += "1,a\r\n";
        write_file(path, {text.begin(), text.end()});
        CHECK(throws_naming<FileError>([&] { readers::read_csv(path, {.label = "kind"}); },
                                       {"werte.csv: line 20002: a row of 2 cells"}));
    }

    TEST_CASE("CSV: every beginning and every flipped bit of a small table") {
        const std::string good = "a,\"b\"\r\n1.5,\"2\"\n-3e1,4\n";
        for (std::size_t size = 0; size <= good.size(); ++size) {
            try {
                const auto table = csv(good.substr(0, size));
                CHECK(table.values.size() == table.rows * table.width);
            } catch (const FileError&) {}
        }
        for (std::size_t bit = 0; bit < good.size() * 8; ++bit) {
            std::string flipped = good;
            flipped[bit / 8] = static_cast<char>(flipped[bit / 8] ^ 1 << bit % 8);
            try {
                const auto table = csv(flipped);
                CHECK(table.values.size() == table.rows * table.width);
            } catch (const FileError&) {}
        }
    }

    TEST_CASE("NPY: every type") {
        const TemporaryFolder folder;
        const auto path = folder.path / "a.npy";
        const auto read = [&](std::string_view type, const Bytes& values, std::string_view shape) {
            write_file(path, npy(header(type, shape), values));
            return readers::read_npy(path).values;
        };
        constexpr double inf = std::numeric_limits<double>::infinity();
        CHECK(read("<f8", bytes_of<double>({1.5, -inf}), "(2,)") == Values{1.5, -inf});
        CHECK(read("<f4", bytes_of<float>({0.1F, -2}), "(2,)") == Values{0.1F, -2});
        CHECK(read("|i1", {0x80, 0x7F}, "(2,)") == Values{-128, 127});
        CHECK(read("|u1", {0, 255}, "(2,)") == Values{0, 255});
        CHECK(read("<u1", {3}, "(1,)") == Values{3});
        CHECK(read("|b1", {0, 1, 2}, "(3,)") == Values{0, 1, 1});
        CHECK(read("<i2", {0, 0x80, 0xFF, 0x7F}, "(2,)") == Values{-32768, 32767});
        CHECK(read("<u2", {0xFE, 0xFF}, "(1,)") == Values{65534});
        CHECK(read("<i4", {0, 0, 0, 0x80, 1, 2, 0, 0}, "(2,)") == Values{-2147483648.0, 513});
        CHECK(read("<u4", {0xFF, 0xFF, 0xFF, 0xFF}, "(1,)") == Values{4294967295.0});
        CHECK(read("<i8", {0xFE, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF}, "(1,)") == Values{-2});
        CHECK(read("<u8", {0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF}, "(1,)") == Values{18446744073709551616.0});
        CHECK(is_nan(read("<f8", bytes_of<double>({std::numeric_limits<double>::quiet_NaN()}), "()")[0]));
        for (const char* type : {">f8", "=f8", "f8", "<f2", "<c8", "|f8", "|i2", ">u1", "|O", "<U3", "|S4", "<M8[ns]",
                                 "", "<", "|V8", "<f88"}) {
            write_file(path, npy(header(type, "(1,)"), Bytes(8)));
            CHECK(throws_naming<FileError>([&] { readers::read_npy(path); },
                                           {"a.npy", "<f4 <f8", message("found ", type)}));
        }
    }

    TEST_CASE("NPY: shapes, orders, versions, ways to write the header") {
        const TemporaryFolder folder;
        const auto path = folder.path / "\u00e9.npy";
        const auto read = [&](const Bytes& bytes) {
            write_file(path, bytes);
            return readers::read_npy(path);
        };
        CHECK(read(npy(header("|u1", "()"), {7})).shape.empty());
        CHECK(read(npy(header("|u1", "()"), {7})).values == Values{7});
        CHECK(read(npy(header("|u1", "(0, 3)"), {})).shape == Sizes{0, 3});
        CHECK(read(npy(header("|u1", "(18446744073709551615, 0, 5)"), {})).values.empty());
        // value(i, j, k) = 100 i + 10 j + k of 2 x 3 x 4
        Bytes rows_first, columns_first;
        for (std::uint8_t i = 0; i < 2; ++i)
            for (std::uint8_t j = 0; j < 3; ++j)
                for (std::uint8_t k = 0; k < 4; ++k)
                    rows_first.push_back(static_cast<std::uint8_t>(100 * i + 10 * j + k));
        for (std::uint8_t k = 0; k < 4; ++k)
            for (std::uint8_t j = 0; j < 3; ++j)
                for (std::uint8_t i = 0; i < 2; ++i)
                    columns_first.push_back(static_cast<std::uint8_t>(100 * i + 10 * j + k));
        const Values expected(rows_first.begin(), rows_first.end());
        for (std::uint8_t version = 1; version <= 3; ++version)
            for (const bool fortran : {false, true}) {
                const auto array =
                    read(npy(header("|u1", "(2, 3, 4)", fortran), fortran ? columns_first : rows_first, version));
                CHECK(array.shape == Sizes{2, 3, 4});
                CHECK(array.values == expected);
            }
        for (const char* text : {"{\"shape\":(2,),\"fortran_order\":True,\"descr\":\"|u1\"}",
                                 "{'shape':(2 , ),'descr':'|u1','fortran_order':False}",
                                 "  { 'descr' : '|u1' ,\n'fortran_order' :\tFalse , 'shape' : ( 2,) , }  \n  "})
            CHECK(read(npy(text, {4, 5})).values == Values{4, 5});
        Bytes many;
        for (std::uint32_t i = 0; i < 150000; ++i)
            for (std::uint32_t byte = 0; byte < 4; ++byte) many.push_back(static_cast<std::uint8_t>(i >> 8 * byte));
        const auto array = read(npy(header("<u4", "(3, 50000)"), many)); // more than one block
        bool same = true;
        for (std::size_t i = 0; i < 150000; ++i) same = same && array.values[i] == static_cast<double>(i);
        CHECK(same);
    }

    TEST_CASE("NPY: broken files are refused by rule, before anything is allocated") {
        const TemporaryFolder folder;
        const auto path = folder.path / "a.npy";
        const auto refused = [&](const Bytes& bytes, std::initializer_list<std::string_view> parts) {
            write_file(path, bytes);
            CHECK(throws_naming<FileError>([&] { readers::read_npy(path); }, parts));
        };
        CHECK(throws_naming<FileError>([&] { readers::read_npy(path); }, {"a.npy", "no such file"}));
        refused({}, {"a.npy", "10 bytes or more; found 0"});
        refused(Bytes(20, 'x'), {"147 78 85 77 80 89"});
        const Bytes good = npy(header("<f4", "(2, 3)"), Bytes(24, 1));
        Bytes other = good;
        other[6] = 4;
        refused(other, {"1.0, 2.0 and 3.0", "found 4.0"});
        other = good;
        other[7] = 1;
        refused(other, {"found 1.1"});
        refused({0x93, 'N', 'U', 'M', 'P', 'Y', 2, 0, 1, 1}, {"ends within the length"});
        refused({0x93, 'N', 'U', 'M', 'P', 'Y', 2, 0, 0xFF, 0xFF, 0xFF, 0xFF}, {"4294967295 bytes; 0 are there"});
        other = good;
        other.pop_back();
        refused(other, {"2 x 3 of 4 bytes; 23 are there"});
        other = good;
        other.push_back(0);
        refused(other, {"6 values of 4 bytes; 25 bytes are there"});
        refused(npy(header("<f4", "(1, 3)"), Bytes(24, 1)), {"3 values of 4 bytes; 24 bytes are there"});
        refused(npy(header("<f8", "(4294967296, 4294967296, 4294967296)"), Bytes(8)), {"more than the file holds"});
        refused(npy(header("<f8", "(18446744073709551615,)"), Bytes(8)), {"more than the file holds"});
        refused(npy(header("<f8", "(18446744073709551616,)"), Bytes(8)), {"an extent, 0 to 2^64 - 1"});
        refused(npy(header("<f8", "(-1,)"), Bytes(8)), {"an extent"});
        refused(npy(header("<f8", "(1)"), Bytes(8)), {"a comma after each extent"});
        refused(npy(header("<f8", "(1 1)"), Bytes(8)), {"a comma after each extent"});
        refused(npy(header("<f8", "[1]"), Bytes(8)), {"here: ("});
        refused(npy("{'descr': [('a', '<f8')], 'fortran_order': False, 'shape': (1,), }", Bytes(8)),
                {"a type of many fields is not read"});
        refused(npy("{'descr': '<f8', 'fortran_order': False, }", Bytes(8)), {"'descr', 'fortran_order' and 'shape'"});
        refused(npy("{'descr': '<f8', 'descr': '<f8', }", Bytes(8)), {"one 'descr'"});
        refused(npy("{'descr': '<f8', 'size': 3, }", Bytes(8)), {"no keys but", "3, }"});
        refused(npy("{'descr': '<f8', 'fortran_order': Maybe, 'shape': (1,), }", Bytes(8)), {"here: False", "Maybe"});
        refused(npy("{'descr': '<f8' 'fortran_order': False, 'shape': (1,), }", Bytes(8)), {"a comma between"});
        refused(npy(header("<f8", "(1,)") + "1", Bytes(8)), {"nothing after its last brace"});
        refused(npy("{'descr: ", Bytes(8)), {"a text in quotes"});
        refused(npy("", Bytes(8)), {"here: {"});
        for (const auto& bytes : {good, npy(header("|u1", "(2, 3)", true), Bytes(6, 1), 2)}) {
            for (std::size_t size = 0; size < bytes.size(); ++size) {
                write_file(path, Bytes(bytes.begin(), bytes.begin() + static_cast<std::ptrdiff_t>(size)));
                CHECK_THROWS_AS(readers::read_npy(path), FileError);
            }
            for (std::size_t bit = 0; bit < bytes.size() * 8; ++bit) {
                Bytes flipped = bytes;
                flipped[bit / 8] ^= static_cast<std::uint8_t>(1 << bit % 8);
                write_file(path, flipped);
                std::size_t values = 0;
                try {
                    values = readers::read_npy(path).values.size();
                } catch (const FileError&) {}
                CHECK((values == 0 || values == 6));
            }
        }
    }

    TEST_CASE("write_npy: NumPy's own bytes, read again as they were") {
        const TemporaryFolder folder;
        const auto path = folder.path / "\u6570.npy";
        readers::write_npy(path, Sizes{2, 1}, Values{1, -2.5});
        // what numpy.save of 1.24 writes
        const std::string dictionary = "{'descr': '<f8', 'fortran_order': False, 'shape': (2, 1), }";
        Bytes expected{0x93, 'N', 'U', 'M', 'P', 'Y', 1, 0, 118, 0};
        expected.insert(expected.end(), dictionary.begin(), dictionary.end());
        expected.resize(127, ' ');
        expected.push_back('\n');
        for (const std::uint8_t byte : bytes_of<double>({1, -2.5})) expected.push_back(byte);
        CHECK(read_all(path) == expected);
        Rng rng(1);
        for (const Sizes& shape : {Sizes{}, Sizes{0}, Sizes{5}, Sizes{3, 0}, Sizes{3, 4, 5}, Sizes(32, 1)}) {
            const Values values = random_values<double>(element_count(shape), rng);
            readers::write_npy(path, shape, values);
            CHECK(fs::file_size(path) % 64 == values.size() * 8 % 64);
            const auto array = readers::read_npy(path);
            CHECK(array.shape == shape);
            CHECK(array.values == values);
        }
        CHECK(throws_naming<ShapeError>(
            [&] {
                readers::write_npy(path, Sizes{2, 3}, Values{1});
            },
            {"2 x 3", "1 values"}));
        CHECK(throws_naming<ShapeError>([&] { readers::write_npy(path, Sizes(33, 1), Values{1}); }, {"32", "33"}));
        CHECK_THROWS_AS(readers::write_npy(path, Sizes{std::size_t{1} << 63, 2}, Values{}), ShapeError);
        CHECK(readers::read_npy(path).shape == Sizes(32, 1)); // still the last
        CHECK(throws_naming<FileError>([&] { readers::write_npy(folder.path / "none" / "a.npy", Sizes{1}, Values{1}); },
                                       {"none/a.npy", "no file can be created"}));
        CHECK(std::distance(fs::directory_iterator(folder.path), {}) == 1);
    }
}
