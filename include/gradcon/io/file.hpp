#pragma once

#include "gradcon/core/error.hpp"
#include "gradcon/core/simd.hpp"

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

namespace gradcon {
inline namespace GRADCON_INSTRUCTION_SET {
namespace io {

/// The whole content of a file. @throws FileError when it is missing, a folder, or cannot be read to its end
inline std::vector<std::byte> read_file(const std::filesystem::path& path) {
    std::error_code error;
    const auto status = std::filesystem::status(path, error);
    if (!std::filesystem::exists(status)) throw FileError(path.string() + ": no such file");
    if (!std::filesystem::is_regular_file(status)) throw FileError(path.string() + ": not a regular file");
    std::ifstream file(path, std::ios::binary);
    file.seekg(0, std::ios::end); // of the open file: another may take its name at any time, see replace_file
    const std::streamoff size = file.tellg();
    if (!file || size < 0) throw FileError(path.string() + ": cannot be opened for reading");
    file.seekg(0);
    std::vector<std::byte> content(static_cast<std::size_t>(size));
    file.read(reinterpret_cast<char*>(content.data()), size);
    if (file.gcount() != size)
        throw FileError(message(path.string(), ": ", file.gcount(), " of ", size, " bytes could be read"));
    return content;
}

/// Makes `content` the content of the file at `path`, at once or not at all: it is written to a new file beside it,
/// synced to disk and renamed over it, so that a crash at any moment leaves the old content or the new. The old file's
/// permissions stay; a new file's are 0666 less the umask. POSIX.
/// @throws FileError (full disk, missing or read-only folder ...); then the old file is as before and nothing is left
/// beside it
inline void replace_file(const std::filesystem::path& path, std::span<const std::byte> content) {
    const auto check = [&](bool done, const char* what) {
        if (const int cause = errno; !done) throw FileError(path.string() + ": " + what + ": " + std::strerror(cause));
    };
    const std::string folder = path.has_parent_path() ? path.parent_path().string() : ".";
    struct stat old {};
    const bool replaces = ::stat(path.c_str(), &old) == 0;
    std::string beside;
    struct Beside {
        int file;
        const char* name;
        ~Beside() {
            if (file >= 0) ::close(file);
            if (name != nullptr) ::unlink(name);
        }
    } left{-1, nullptr};
    // Not mkstemp: its files are 0600, and the umask can be asked for only by setting it, for all threads.
    for (unsigned number = 0; left.file < 0; ++number) {
        beside = message(path.string(), ".", ::getpid(), ".", number);
        left.file = ::open(beside.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
        check(left.file >= 0 || errno == EEXIST, "no file can be created beside it");
    }
    left.name = beside.c_str();
    for (std::size_t written = 0; written < content.size();) {
        const ssize_t count = ::write(left.file, content.data() + written, content.size() - written);
        if (count < 0 && errno == EINTR) continue;
        check(count > 0, "cannot be written");
        written += static_cast<std::size_t>(count);
    }
    if (replaces) check(::fchmod(left.file, old.st_mode & 0777) == 0, "cannot be given its permissions");
    check(::fsync(left.file) == 0, "cannot be synced to disk");
    check(::rename(beside.c_str(), path.c_str()) == 0, "cannot be replaced");
    left.name = nullptr; // from here on nothing may throw
    if (const int directory = ::open(folder.c_str(), O_RDONLY); directory >= 0) {
        ::fsync(directory); // so that the rename itself is on disk
        ::close(directory);
    }
}

} // namespace io
} // namespace GRADCON_INSTRUCTION_SET
} // namespace gradcon
