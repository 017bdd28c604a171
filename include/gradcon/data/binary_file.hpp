#pragma once

#include "gradcon/core/error.hpp"
#include "gradcon/core/simd.hpp"

#include <cstdint>
#include <filesystem>
#include <fstream>
#include <ios>
#include <span>
#include <string>
#include <system_error>
#include <utility>

namespace gradcon {
inline namespace GRADCON_INSTRUCTION_SET {
namespace data {

/// A file to read from front to back. Its size is known from the start, so that what a header promises can be checked
/// before anything of that size is allocated.
class BinaryFile {
  public:
    /// @throws FileError when it is missing, no regular file, or cannot be opened
    explicit BinaryFile(std::filesystem::path path) : path_(std::move(path)) {
        std::error_code failure;
        const auto status = std::filesystem::status(path_, failure);
        if (!std::filesystem::exists(status)) throw error("no such file");
        if (!std::filesystem::is_regular_file(status)) throw error("not a regular file");
        file_.open(path_, std::ios::binary);
        size_ = std::filesystem::file_size(path_, failure);
        if (!file_ || failure) throw error("cannot be opened for reading");
    }

    std::uint64_t size() const { return size_; }

    /// Fills `to` with the bytes that come next. @throws FileError when there are fewer
    void read(std::span<std::uint8_t> to) {
        file_.read(reinterpret_cast<char*>(to.data()), static_cast<std::streamsize>(to.size()));
        if (file_.gcount() != static_cast<std::streamsize>(to.size()))
            throw error("only ", file_.gcount(), " of the next ", to.size(), " bytes could be read");
    }

    /// Leaves out all bytes before position `offset`.
    void skip_to(std::uint64_t offset) { file_.seekg(static_cast<std::streamoff>(offset)); }

    /// An error whose message begins with the file's path.
    template <class... What>
    FileError error(const What&... what) const {
        return FileError(message(path_.string(), ": ", what...));
    }

  private:
    std::filesystem::path path_;
    std::ifstream file_;
    std::uint64_t size_ = 0;
};

} // namespace data
} // namespace GRADCON_INSTRUCTION_SET
} // namespace gradcon
