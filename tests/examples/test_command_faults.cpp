// What the command says of bad input: a table of faults, each made here. After each the folder is as before: nothing
// half-written, the model file as it was.
#include "command.hpp"
#include "edit_file.hpp"

#include "../../examples/gradcon/readers/npy.hpp"
#include <gradcon/io/safetensors.hpp>

#include <cstring>
#include <functional>
#include <limits>
#include <map>

using namespace command;
using encoded::append;
using encoded::big_endian;
using encoded::encode;
using encoded::first;
using encoded::Jpeg;
using encoded::Png;
using encoded::text;

namespace {

struct Fault {
    std::string what;
    std::function<void(const Place&)> make;
    Words arguments;
    int status;
    Words says;
};

/// Every file of the folder, but for what the command said.
std::map<std::string, std::string> content(const Place& place) {
    std::map<std::string, std::string> files;
    for (const auto& entry : fs::recursive_directory_iterator(place.path()))
        if (entry.is_regular_file() && entry.path().parent_path().filename() != "said")
            files[entry.path().string()] = read(entry.path());
    return files;
}

void check(const Place& place, const Fault& fault) {
    INFO(fault.what);
    fault.make(place);
    const auto before = content(place);
    const Run run = place.run(fault.arguments);
    CHECK_MESSAGE(run.status == fault.status, run.out, run.err);
    for (const std::string& part : fault.says)
        CHECK_MESSAGE(run.err.find(part) != std::string::npos, "\"", part, "\" is not in: ", run.err);
    if (fault.status != 0) CHECK(content(place) == before);
}

/// A place with the model and some pictures of the trained one.
struct Copy : Place {
    Copy() {
        fs::copy_file(trained() / "m", *this / "m");
        write_stripes(*this / "good", 20, false, 5);
    }
};

void check_all(const std::vector<Fault>& faults) {
    for (const Fault& fault : faults) check(Copy(), fault);
}

std::function<void(const Place&)> file(const fs::path& name, Bytes bytes) {
    return [=](const Place& place) { write(place / name, bytes); };
}

std::function<void(const Place&)> file(const fs::path& name, const std::string& characters) {
    return file(name, text(characters));
}

Bytes png(std::uint32_t width, std::uint32_t height) { return encode(Png{.width = width, .height = height}); }

/// A PNG file with a header of that size and next to nothing behind it.
Bytes huge_png(std::uint32_t side) {
    Bytes bytes{137, 'P', 'N', 'G', 13, 10, 26, 10};
    append(bytes, encoded::chunk("IHDR", encoded::header(Png{.width = side, .height = side})));
    append(bytes, encoded::chunk("IDAT", {0x78, 0x9C, 1, 2, 3, 4}));
    return bytes;
}

Bytes idx(std::initializer_list<std::uint32_t> shape, std::size_t values, std::uint8_t type = 8) {
    Bytes bytes{0, 0, type, static_cast<std::uint8_t>(shape.size())};
    for (const std::uint32_t extent : shape) append(bytes, big_endian(extent, 4));
    bytes.resize(bytes.size() + values, 7);
    return bytes;
}

Bytes gzipped(const Bytes& bytes) {
    Bytes packed(compressBound(bytes.size()) + 64);
    z_stream z{};
    REQUIRE(deflateInit2(&z, 9, Z_DEFLATED, 15 + 16, 8, Z_DEFAULT_STRATEGY) == Z_OK);
    Bytes from = bytes;
    z.next_in = from.data();
    z.avail_in = static_cast<uInt>(from.size());
    z.next_out = packed.data();
    z.avail_out = static_cast<uInt>(packed.size());
    REQUIRE(deflate(&z, Z_FINISH) == Z_STREAM_END);
    packed.resize(z.total_out);
    deflateEnd(&z);
    return packed;
}

void write_constant(const fs::path& folder, std::size_t count, std::uint8_t value) {
    Picture picture;
    picture.resize({16, 16, 1});
    std::ranges::fill(picture, value);
    for (std::size_t i = 0; i < count; ++i) write_png(folder / (std::to_string(i) + ".png"), picture);
}

/// The model file, edited, with a checksum that fits.
std::function<void(const Place&)> edited(const FileEdit& edit) {
    return [=](const Place& place) { edit_file(place / "m", edit); };
}

const std::function<void(const Place&)> nothing = [](const Place&) {};
const Words score_bad{"score", "bad", "--model", "m"};

} // namespace

TEST_SUITE("command") {
    TEST_CASE("bad pictures: scoring and training stop, and name them") {
        struct Bad {
            std::string what, name;
            Bytes bytes;
            Words says;
        };
        Bytes no_end = png(9, 9);
        const Bytes jpeg = encode(Jpeg{.width = 24, .height = 24});
        const std::vector<Bad> pictures{
            {"an empty file", "a.png", {}, {"the file is empty"}},
            {"no picture", "a.png", text("GIF89a and more"), {"neither PNG, JPEG, BMP, PGM nor PPM"}},
            {"a PNG file cut short", "a.png", first(no_end, 50), {"damaged PNG data"}},
            {"a JPEG file cut short", "a.jpg", first(jpeg, jpeg.size() / 2), {"damaged JPEG data"}},
            {"a BMP file cut short", "a.bmp", first(encoded::bmp(9, 9), 100), {"a.bmp: "}},
            {"a PGM file cut short", "a.pgm", text("P5 9 9 255 123"), {"a.pgm: "}},
            {"a PNG file of 50,000 x 50,000", "a.png", huge_png(50000), {"50000 x 50000 pixels", "100000000"}},
            {"a PNG file that claims more than it can hold",
             "a.png",
             huge_png(9000),
             {"9000 x 9000 pixels", "can hold"}},
        };
        for (const Bad& bad : pictures) {
            const auto make = file("bad/" + bad.name, bad.bytes);
            Words says = bad.says;
            says.push_back("gradcon: bad/" + bad.name + ": ");
            check_all(
                {{bad.what, make, {"score", "good", "bad", "--model", "m"}, 3, says},
                 {bad.what, make, {"train", "good", "bad", "--model", "m", "--width", "8"}, 3, says},
                 {bad.what, make, {"calibrate", "good", "bad", "--model", "m", "--false-alarm-rate", "0.1"}, 3, says},
                 {bad.what, make, {"explain", "bad", "--model", "m", "--out", "why.png"}, 3, says}});
        }
    }

    TEST_CASE("unusual pictures are pictures") {
        const Copy place;
        const auto kind = [](std::size_t type, std::size_t depth, bool interlaced) {
            return encode(Png{.width = 9,
                              .height = 7,
                              .depth = depth,
                              .type = type,
                              .interlaced = interlaced,
                              .before_data = type == 3 ? encoded::palette(std::size_t{1} << depth) : Bytes()});
        };
        Jpeg cmyk{.width = 16, .height = 8, .channels = 4, .space = JCS_CMYK}, progressive{.width = 17, .height = 9},
            turned{.width = 16, .height = 8};
        progressive.set_up = [](jpeg_compress_struct& c) { jpeg_simple_progression(&c); };
        turned.app1 = {encoded::exif(6)};
        const std::vector<std::pair<std::string, Bytes>> pictures{{"1x1.png", png(1, 1)},
                                                                  {"1x50.png", png(1, 50)},
                                                                  {"200x3.png", png(200, 3)},
                                                                  {"16-bit.png", kind(2, 16, false)},
                                                                  {"palette.png", kind(3, 4, false)},
                                                                  {"alpha.png", kind(6, 8, false)},
                                                                  {"gray-alpha.png", kind(4, 16, true)},
                                                                  {"interlaced.png", kind(2, 8, true)},
                                                                  {"cmyk.jpg", encode(cmyk)},
                                                                  {"progressive.jpg", encode(progressive)},
                                                                  {"turned.jpg", encode(turned)}};
        for (const auto& [name, bytes] : pictures) write(place / "odd" / name, bytes);
        write_constant(place / "odd/constant", 1, 0);
        write_constant(place / "odd/white", 1, 255);
        const Run run = place.done({"score", "odd", "--model", "m"});
        CHECK(std::ranges::count(run.out, '\n') == 14);
        CHECK(run.out.find("nan") == std::string::npos);
        for (const auto& [name, bytes] : pictures)
            place.done({"explain", "odd/" + name, "--model", "m", "--out", "why.png"});
        // and can be trained on, whichever is the first: 1 x 1 pictures cannot give a size, but take one
        place.done({"train", "odd", "good", "--model", "new", "--size", "8x12", "--width", "4", "--epochs", "1"});
    }

    TEST_CASE("faults of folders and of what is asked for") {
        check_all({
            {"no such folder", nothing, {"train", "nowhere", "--model", "n"}, 3, {"nowhere: no such file or folder"}},
            {"no picture in the folder",
             file("bad/a.txt", "no picture"),
             {"train", "bad", "--model", "n"},
             3,
             {"bad: no .png, .jpg"}},
            {"one picture",
             [](const Place& p) { write_stripes(p / "bad", 1, false, 1); },
             {"train", "bad", "--model", "n"},
             3,
             {"bad: training needs 20 normal samples or more; there are 1"}},
            {"only bad pictures",
             file("bad/a.png", "no picture"),
             {"train", "bad", "--keep-going", "--model", "n"},
             3,
             {"1 of 1 left out", "there are 0"}},
            {"codes too long for their distance",
             nothing,
             {"train", "good", "--size", "128x160", "--score", "code_distance", "--model", "n"},
             2,
             {"--score code_distance: this network's codes have"}},
            {"nothing left to calibrate with",
             file("bad/a.png", "no picture"),
             {"calibrate", "bad", "--keep-going", "--model", "m"},
             3,
             {"bad: no sample is left to calibrate with"}},
            {"too few samples for the rate",
             nothing,
             {"train", "good", "--false-alarm-rate", "0.001", "--model", "n"},
             3,
             {"good: a false-alarm rate of 0.001 needs 999 normal samples to calibrate with; there are 3"}},
            {"too few to calibrate with",
             nothing,
             {"calibrate", "good", "--false-alarm-rate", "0.01", "--model", "m"},
             3,
             {"good: a false-alarm rate of 0.01 needs 99 normal samples; there are 20"}},
            {"a rate that the calibration cannot keep",
             nothing,
             {"score", "good", "--false-alarm-rate", "0.001", "--model", "m"},
             3,
             {"m: a false-alarm rate of 0.001 needs a calibration on 999 normal samples; this one had 30"}},
            {"a rate of 1",
             nothing,
             {"score", "good", "--false-alarm-rate", "1", "--model", "m"},
             2,
             {"--false-alarm-rate"}},
            {"rate and threshold",
             nothing,
             {"score", "good", "--false-alarm-rate", "0.1", "--threshold", "1", "--model", "m"},
             2,
             {"excludes"}},
            {"a size of 3",
             nothing,
             {"train", "good", "--size", "3", "--model", "n"},
             2,
             {"--size takes N or HxW, 4 to 4096 each, not \"3\""}},
            {"no size", nothing, {"train", "good", "--size", "16x", "--model", "n"}, 2, {"not \"16x\""}},
            {"pictures of 1 x 1 without --size",
             file("bad/a.png", png(1, 1)),
             {"train", "bad", "good", "--model", "n"},
             3,
             {"bad/a.png: the first picture has 1 x 1 pixels", "--size"}},
            {"pictures have no class",
             nothing,
             {"train", "good", "--class", "1", "--model", "n"},
             3,
             {"good: pictures have no labels, so none can be \"1\""}},
            {"a word that is no command", nothing, {"learn", "good"}, 2, {"A subcommand is required"}},
            {"no input", nothing, {"train"}, 2, {"INPUT is required"}},
            {"an unknown option", nothing, {"score", "good", "--model", "m", "--wrong"}, 2, {"--wrong"}},
            {"nothing to go on with",
             nothing,
             {"train", "good", "--resume", "--model", "n"},
             3,
             {"n.checkpoint: no such file"}},
            {"a checkpoint that is none",
             file("n.checkpoint", "no checkpoint"),
             {"train", "good", "--resume", "--model", "n"},
             3,
             {"n.checkpoint: "}},
            {"a folder that is not there",
             nothing,
             {"train", "good", "--epochs", "1", "--width", "4", "--model", "none/n"},
             3,
             {"none/n"}},
            {"no place for the figures",
             [](const Place& p) {
                 fs::create_directories(p / "l");
                 fs::copy(p / "good", p / "l/normal", fs::copy_options::recursive);
                 fs::copy(p / "good", p / "l/abnormal", fs::copy_options::recursive);
             },
             {"evaluate", "l", "--model", "m", "--json", "none/f.json"},
             3,
             {"none/f.json"}},
        });
    }

    TEST_CASE("faults of labelled folders") {
        const auto copy = [](Words names) {
            return [=](const Place& p) {
                for (const auto& name : names) {
                    fs::create_directories(p / "l");
                    fs::copy(p / "good", p / "l" / name);
                }
            };
        };
        const Words evaluate{"evaluate", "l", "--model", "m", "--json", "f.json", "--report", "r.html"};
        check_all({{"no abnormal ones", copy({"normal"}), evaluate, 3, {"l/abnormal: no such folder", "AUROC"}},
                   {"no normal ones", copy({"abnormal"}), evaluate, 3, {"l/normal: no such folder", "AUROC"}},
                   {"an empty class",
                    [=](const Place& p) {
                        copy({"normal"})(p);
                        fs::create_directories(p / "l/abnormal");
                    },
                    evaluate,
                    3,
                    {"l/abnormal: no .png", "AUROC"}},
                   {"one class", copy({"normal", "other"}), evaluate, 3, {"l/abnormal: no such folder"}},
                   {"a class of one",
                    [=](const Place& p) {
                        copy({"normal"})(p);
                        write_stripes(p / "l/abnormal", 1, true, 3);
                    },
                    evaluate,
                    3,
                    {"20 normal samples and 1 abnormal ones", "fewer than 2"}},
                   {"no labels",
                    nothing,
                    {"evaluate", "good/000.png", "--model", "m"},
                    3,
                    {"good/000.png: its samples have no labels"}}});
    }

    TEST_CASE("all scores tied: constant pictures") {
        const Copy place;
        write_constant(place / "flat", 40, 90);
        place.done({"train", "flat", "--model", "f", "--width", "4", "--epochs", "2", "--false-alarm-rate", "0.2"});
        const Run same = place.done({"score", "flat", "--model", "f"});
        CHECK(same.err.find("40 scored, 0 anomalous") != std::string::npos); // each as high as the calibration's
        write_constant(place / "l/normal", 5, 90);
        write_constant(place / "l/abnormal", 5, 90);
        const Run tied = place.done({"evaluate", "l", "--model", "f", "--report", "page.html"});
        CHECK(tied.out.find(" 0.5000 ") != std::string::npos);
        CHECK(read(place / "page.html").find("may be chance") != std::string::npos);
    }

    TEST_CASE("faults of image sets") {
        const auto score = [](const char* name) { return Words{"score", name, "--model", "m"}; };
        Bytes bomb = idx({2, 16, 16}, 512);
        bomb.resize(20'000'000);
        Bytes labels{0};
        append(labels, Bytes(3072, 9));
        Bytes label_10 = labels;
        label_10[0] = 10;
        check_all({
            {"IDX of another magic",
             file("a-idx3", Bytes{1, 0, 8, 3}),
             score("a-idx3"),
             3,
             {"a-idx3: IDX begins with two zero bytes; found 1 and 0"}},
            {"IDX of floats",
             file("a.idx", idx({2, 16, 16}, 512, 13)),
             score("a.idx"),
             3,
             {"a.idx: IDX type must be 8"}},
            {"IDX that claims too much",
             file("a.idx", idx({4000, 4000, 4000}, 10)),
             score("a.idx"),
             3,
             {"more than the file can hold"}},
            {"IDX cut short",
             file("a.idx", idx({2, 16, 16}, 511)),
             score("a.idx"),
             3,
             {"asks for 512 values; the file ends after 511"}},
            {"IDX of labels",
             file("a-idx1", idx({9}, 9)),
             score("a-idx1"),
             3,
             {"IDX images have 3 or 4 dimensions; these have 1"}},
            {"a gzip bomb", file("a.gz", gzipped(bomb)), score("a.gz"), 3, {"a.gz: data after the 512 values"}},
            {"a gzip file that claims 64 GB",
             file("a.gz", gzipped(idx({4000, 4000, 4000}, 10))),
             score("a.gz"),
             3,
             {"more than the file can hold"}},
            {"gzip cut short", file("a.gz", first(gzipped(idx({2, 16, 16}, 512)), 30)), score("a.gz"), 3, {"a.gz: "}},
            {"another number of labels",
             [](const Place& p) {
                 write(p / "t-images-idx3-u", idx({2, 16, 16}, 512));
                 write(p / "t-labels-idx1-u", idx({3}, 3));
             },
             score("t-images-idx3-u"),
             3,
             {"2 images, but 3 labels"}},
            {"CIFAR-10 of a wrong size",
             file("a.bin", first(labels, 3000)),
             score("a.bin"),
             3,
             {"a.bin: CIFAR-10 has one or more records of 3073 bytes; found 3000"}},
            {"an empty CIFAR-10 file", file("a.bin", Bytes()), score("a.bin"), 3, {"found 0 bytes"}},
            {"CIFAR-10 with a label of 10",
             file("a.bin", label_10),
             score("a.bin"),
             3,
             {"CIFAR-10's labels are 0 to 9"}},
            {"a class that is not there",
             file("a.bin", labels),
             {"train", "a.bin", "--class", "3", "--model", "n"},
             3,
             {"a.bin: no image has the label 3"}},
        });
    }

    TEST_CASE("faults of tables") {
        const auto good = [](const Place& p) { write(p / "good.csv", text(table(60, false, 3))); };
        const Copy place;
        good(place);
        place.done({"train", "good.csv", "--model", "t", "--epochs", "1"});
        struct Bad {
            std::string what, text;
            Words says;
        };
        for (const Bad& bad : std::vector<Bad>{
                 {"ragged rows", "speed,load,heat\n1,2,3\n1,2\n", {"line 3: a row of 2 cells in a table of 3 columns"}},
                 {"an empty cell", "speed,load,heat\n1,,3\n", {"line 2: column 2 (load) is empty"}},
                 {"a word", "speed,load,heat\n1,2,3\n1,two,3\n", {"line 3: column 2 (load) is no number: 'two'"}},
                 {"a number that is none", "speed,load,heat\n1,nan,3\n", {"column 2 (load) is not finite"}},
                 {"a broken quote", "speed,load,heat\n1,\"2,3\n", {"never closed"}},
                 {"a quote within a cell", "speed,load,heat\n1,2\"2\",3\n", {"a quote stands within a cell"}},
                 {"a lone carriage return",
                  "speed,load,heat\r1,2,3\r",
                  {"a carriage return ends a line only together with a line feed"}},
                 {"no rows", "speed,load,heat\n", {"no row of numbers"}},
                 {"an empty file", "", {"the table is empty"}},
                 {"columns of another table",
                  "speed,load,cold\n1,2,3\n",
                  {"column 3 is called cold, that of the model heat"}},
                 {"a column too many",
                  "speed,load,heat,label\n1,2,3,4\n",
                  {"tables of 3 columns of numbers, this one has 4", "--label-column"}}}) {
            Words says = bad.says;
            says.push_back("gradcon: bad.csv: ");
            check(place, {bad.what, file("bad.csv", bad.text), {"score", "bad.csv", "--model", "t"}, 3, says});
        }
        const auto npy = [](const char* name, std::vector<std::size_t> shape, std::vector<double> values) {
            return [=](const Place& p) { readers::write_npy(p / name, shape, values); };
        };
        const std::vector<Fault> faults{
            {"CRLF and quotes are read",
             file("c.csv", "\"speed\",load,heat\r\n\"10\",2,3\r\n"),
             {"score", "c.csv", "--model", "t"},
             0,
             {}},
            {"no such label column",
             good,
             {"train", "good.csv", "--label-column", "class", "--model", "n"},
             3,
             {"no column is named class; found speed load heat"}},
            {"no labels",
             good,
             {"train", "good.csv", "--class", "1", "--model", "n"},
             3,
             {"good.csv: there are no labels, so none can be \"1\""}},
            {"nothing but labels",
             file("b.csv", "class\na\nb\n"),
             {"train", "b.csv", "--label-column", "class", "--model", "n"},
             3,
             {"found only the label"}},
            {"a window longer than the table",
             good,
             {"train", "good.csv", "--window", "61", "--model", "n"},
             3,
             {"no window of 61 of its 60 rows"}},
            {"few rows",
             file("b.csv", "a,b\n1,2\n"),
             {"train", "b.csv", "--model", "n"},
             3,
             {"needs 20 normal samples or more; there are 1"}},
            {"pictures for a table's model",
             nothing,
             {"score", "good", "--model", "t"},
             3,
             {"good: the model is for tables, these are pictures"}},
            {"a table for a pictures' model",
             good,
             {"score", "good.csv", "--model", "m"},
             3,
             {"good.csv: the model is for pictures, this is a table"}},
            {"a picture of a row",
             good,
             {"explain", "good.csv", "--model", "t", "--out", "why.png"},
             2,
             {"--out is for pictures"}},
            {"tables and pictures",
             good,
             {"train", "good.csv", "good", "--model", "n"},
             3,
             {"good: is of another kind than good.csv"}},
            {"one class",
             file("b.csv", "speed,load,heat,class\n1,2,3,good\n1,2,4,good\n1,2,4,good\n"),
             {"evaluate", "b.csv", "--label-column", "class", "--model", "t"},
             3,
             {"3 normal samples and 0 abnormal ones", "labels: good"}},
            {"no label to evaluate with",
             good,
             {"evaluate", "good.csv", "--model", "t"},
             3,
             {"its samples have no labels"}},
            {"NPY of one dimension",
             npy("x.npy", {3}, {1, 2, 3}),
             {"score", "x.npy", "--model", "t"},
             3,
             {"x.npy: a table has 2 dimensions, rows and columns; this one has 1"}},
            {"NPY with NaN",
             npy("x.npy", {1, 3}, {1, std::numeric_limits<double>::quiet_NaN(), 3}),
             {"score", "x.npy", "--model", "t"},
             3,
             {"x.npy: row 0, column 1 holds nan"}},
            {"NPY that is none",
             file("x.npy", "1,2,3"),
             {"score", "x.npy", "--model", "t"},
             3,
             {"x.npy: an NPY file begins with"}},
            {"NPY of other labels",
             [=](const Place& p) {
                 npy("x.npy", {2, 3}, {1, 2, 3, 4, 5, 6})(p);
                 npy("y.npy", {3}, {0, 0, 1})(p);
             },
             {"evaluate", "x.npy", "--labels", "y.npy", "--model", "t"},
             3,
             {"x.npy: 2 rows, but 3 labels in y.npy"}},
        };
        for (const Fault& fault : faults) check(place, fault);
        // a column that never changes is no reason to stop
        std::string constant = "a,b\n";
        for (int i = 0; i < 40; ++i) constant += gradcon::message(i % 7, ",5\n");
        write(place / "constant.csv", text(constant));
        place.done({"train", "constant.csv", "--model", "n", "--epochs", "1"});
        CHECK(place.done({"score", "constant.csv", "--model", "n"}).out.find("nan") == std::string::npos);
    }

    TEST_CASE("faults of model files") {
        const auto change = [](const std::function<void(std::string&)>& f) {
            return [=](const Place& p) {
                std::string bytes = read(p / "m");
                f(bytes);
                write(p / "m", text(bytes));
            };
        };
        const auto set = [](const char* tensor, auto value) {
            return edited([=](auto&, auto& tensors) {
                for (auto& t : tensors)
                    if (t.name == tensor) std::memcpy(t.bytes.data(), &value, sizeof value);
            });
        };
        std::vector<Fault> faults;
        const auto add = [&](const char* what, const std::function<void(const Place&)>& make, const Words& says) {
            for (const Words& arguments :
                 std::vector<Words>{{"score", "good", "--model", "m"},
                                    {"calibrate", "good", "--model", "m", "--false-alarm-rate", "0.1"},
                                    {"info", "--model", "m"},
                                    {"selftest", "--model", "m"}})
                faults.push_back({what, make, arguments, 3, says});
        };
        add("no model file", [](const Place& p) { fs::remove(p / "m"); }, {"gradcon: m: no such file"});
        add("a folder",
            [](const Place& p) {
                fs::remove(p / "m");
                fs::create_directory(p / "m");
            },
            {"m: not a regular file"});
        add("an empty file", change([](std::string& b) { b.clear(); }), {"m: safetensors needs 8 bytes"});
        add("cut short", change([](std::string& b) { b.resize(b.size() - 100); }), {"m: "});
        add("cut in the header", change([](std::string& b) { b.resize(500); }), {"m: "});
        add("bytes behind the end", change([](std::string& b) { b += "more"; }), {"m: the tensors take "});
        add("a flipped bit", change([](std::string& b) { b[b.size() / 2] = static_cast<char>(b[b.size() / 2] ^ 1); }),
            {"m: damaged: the content's checksum is "});
        add("a newer version", edited(set_metadata("format_version", "99")),
            {"m: format version 99 is newer than this library, which reads up to 3"});
        add("another format", edited(set_metadata("format", "pt")),
            {"m: its metadata says format \"pt\", not \"gradcon\""});
        add("a weight that is no number", set("down.0.weight", std::numeric_limits<float>::quiet_NaN()),
            {"m: ", "down.0.weight", "nan"});
        add("a self-test that fails", set("self_test.scores", 1e6), {"m: the self-test failed: sample 0 scored 1e+06"});
        add("no self-test", edited([](auto&, auto& tensors) {
                std::erase_if(tensors, [](const auto& t) { return t.name == "self_test.samples"; });
            }),
            {"m: tensor self_test.samples is missing"});
        add("a missing tensor", edited([](auto&, auto& tensors) {
                std::erase_if(tensors, [](const auto& t) { return t.name == "up.0.weight"; });
            }),
            {"m: tensor up.0.weight is missing"});
        add("another input", edited(replace_in_metadata("input", "16", "24")), {"m: "});
        add("no input", edited([](auto& metadata, auto&) { metadata.erase("input"); }), {"m: "});
        check_all(faults);
    }

    TEST_CASE("a disk that is full: the old file stays, and nothing else is left") {
        // files may have 20,000 bytes each, which is less than the model's
        const Copy place;
        REQUIRE(fs::file_size(place / "m") > 20000);
        for (const Words& arguments :
             std::vector<Words>{{"calibrate", "good", "--model", "m", "--false-alarm-rate", "0.1"},
                                {"train", "good", "--model", "m", "--width", "16", "--epochs", "1"}}) {
            const auto before = content(place);
            const Run run = place.wait_for(place.start(arguments, "", "said/in", 20000));
            CHECK(run.status == 3);
            CHECK_MESSAGE(run.err.find("File too large") != std::string::npos, run.err);
            CHECK(content(place) == before);
        }
        const Run run =
            place.wait_for(place.start({"score", "good", "good", "good", "--model", "m"}, "", "said/in", 300));
        CHECK(run.status == 3);
        CHECK_MESSAGE(run.err.find("standard output") != std::string::npos, run.err);
    }

    TEST_CASE("folders that may not be read or written" * doctest::skip(geteuid() == 0)) {
        const Copy place;
        fs::create_directories(place / "shut");
        fs::permissions(place / "shut", fs::perms::none);
        const Run unreadable = place.run({"score", "shut", "--model", "m"});
        CHECK(unreadable.status == 3);
        CHECK(unreadable.err.find("shut: cannot be read as a folder") != std::string::npos);
        fs::permissions(place / "shut", fs::perms::owner_read | fs::perms::owner_exec);
        const Run unwritable =
            place.run({"calibrate", "good", "--model", "m", "--false-alarm-rate", "0.1", "--out", "shut/m"});
        CHECK(unwritable.status == 3);
        CHECK(unwritable.err.find("shut/m") != std::string::npos);
        fs::permissions(place / "shut", fs::perms::owner_all);
    }
}
