#pragma once

#include "gradcon/core/error.hpp"
#include "gradcon/core/simd.hpp"

#include <cerrno>
#include <cstdint>
#include <cstdio>
#include <cstring>
#include <filesystem>
#include <initializer_list>
#include <span>
#include <string>
#include <system_error>

namespace gradcon {
inline namespace GRADCON_INSTRUCTION_SET {
namespace data {

/// Makes the pieces, one after the other, the content of the file at `path`: they are written to a new file beside it,
/// which is then renamed over it. The old file's permissions stay. Unlike io::replace_file it does not wait for the
/// disk: after a power cut the file may be damaged.
/// @throws FileError (full disk, missing or read-only folder ...); then the old file is as before and nothing is left
/// beside it
inline void write_whole(const std::filesystem::path& path,
                        std::initializer_list<std::span<const std::uint8_t>> pieces) {
    namespace fs = std::filesystem;
    const auto fail = [&](const char* what, const std::string& cause) {
        return FileError(message(path.string(), ": ", what, ": ", cause));
    };
    struct Beside {
        fs::path path;
        std::FILE* file = nullptr;
        bool renamed = false;
        bool close() {
            std::FILE* open = file;
            file = nullptr;
            return std::fclose(open) == 0;
        }
        ~Beside() {
            std::error_code ignored;
            if (file != nullptr) close();
            if (!path.empty() && !renamed) fs::remove(path, ignored);
        }
    } beside;
    for (unsigned number = 0; beside.file == nullptr; ++number) {
        fs::path name = path;
        name += message(".new", number);
        beside.file = std::fopen(name.c_str(), "wbx"); // x: never a file that is there already
        if (const int cause = errno; beside.file == nullptr && cause != EEXIST)
            throw fail("no file can be created beside it", std::strerror(cause));
        if (beside.file != nullptr) beside.path = std::move(name);
    }
    for (const auto piece : pieces)
        if (!piece.empty() && std::fwrite(piece.data(), 1, piece.size(), beside.file) != piece.size())
            throw fail("cannot be written", std::strerror(errno));
    if (!beside.close()) throw fail("cannot be written", std::strerror(errno));
    std::error_code error;
    const auto old = fs::status(path, error);
    error.clear();
    if (fs::is_regular_file(old)) fs::permissions(beside.path, old.permissions(), error);
    if (!error) fs::rename(beside.path, path, error);
    if (error) throw fail("cannot be replaced", error.message());
    beside.renamed = true;
}

} // namespace data
} // namespace GRADCON_INSTRUCTION_SET
} // namespace gradcon
