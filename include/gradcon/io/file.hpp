#pragma once

#include "gradcon/error.hpp"
#include "gradcon/simd.hpp"

#include <cerrno>
#include <cstddef>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <span>
#include <string>
#include <system_error>
#include <vector>

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

namespace gradcon::inline GRADCON_INSTRUCTION_SET::io {

/// The whole content of a file. @throws FileError when it is missing, a folder, or cannot be read to its end
inline std::vector<std::byte> read_file(const std::filesystem::path& path) {
    std::error_code error;
    const auto status = std::filesystem::status(path, error);
    if (!std::filesystem::exists(status)) throw FileError(path.string() + ": no such file");
    if (!std::filesystem::is_regular_file(status)) throw FileError(path.string() + ": not a regular file");
    std::ifstream file(path, std::ios::binary);
    const auto size = std::filesystem::file_size(path, error);
    if (!file || error) throw FileError(path.string() + ": cannot be opened for reading");
    std::vector<std::byte> content(size);
    file.read(reinterpret_cast<char*>(content.data()), static_cast<std::streamsize>(size));
    if (static_cast<std::uintmax_t>(file.gcount()) != size)
        throw FileError(message(path.string(), ": ", file.gcount(), " of ", size, " bytes could be read"));
    return content;
}

/// Makes `content` the content of the file at `path`, at once or not at all: it is written to a new file beside it,
/// synced to disk and renamed over it, so that a crash at any moment leaves the old content or the new. POSIX.
/// @throws FileError (full disk, missing or read-only folder ...); then the old file is as before and nothing is left
/// beside it
inline void replace_file(const std::filesystem::path& path, std::span<const std::byte> content) {
    const auto failure = [&](const std::string& what) {
        return FileError(path.string() + ": " + what + ": " + std::strerror(errno));
    };
    std::string beside = path.string() + ".XXXXXX";
    const int file = ::mkstemp(beside.data());
    if (file < 0) throw failure("no file can be created beside it");
    const auto give_up = [&](const std::string& what) {
        const FileError error = failure(what);
        ::close(file);
        ::unlink(beside.c_str());
        return error;
    };
    for (std::size_t written = 0; written < content.size();) {
        const ssize_t count = ::write(file, content.data() + written, content.size() - written);
        if (count < 0 && errno == EINTR) continue;
        if (count <= 0) throw give_up("cannot be written");
        written += static_cast<std::size_t>(count);
    }
    if (::fchmod(file, 0644) != 0 || ::fsync(file) != 0) throw give_up("cannot be synced to disk");
    if (::rename(beside.c_str(), path.c_str()) != 0) throw give_up("cannot be replaced");
    ::close(file);
    const std::string folder = path.has_parent_path() ? path.parent_path().string() : ".";
    if (const int directory = ::open(folder.c_str(), O_RDONLY);
        directory >= 0) { // so that the rename itself is on disk
        ::fsync(directory);
        ::close(directory);
    }
}

} // namespace gradcon::inline GRADCON_INSTRUCTION_SET::io
