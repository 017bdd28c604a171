#pragma once

#include <gradcon/core/error.hpp>
#include <gradcon/core/tensor.hpp>
#include <gradcon/data/binary_file.hpp>

#include <array>
#include <csetjmp>
#include <cstddef>
#include <cstdint>
#include <string_view>
#include <vector>

// What the readers of pictures and tables share. They are the command's, not the library's: they need libpng and
// libjpeg.
namespace readers {

using gradcon::element_count;
using gradcon::FileError;
using gradcon::message;
using gradcon::shape_string;
using gradcon::ShapeError;
using gradcon::Tensor;
using gradcon::TensorView;
using gradcon::data::BinaryFile;

/// Pictures with more pixels are refused unless the caller allows them: a small file can ask for far more memory than
/// the machine has.
inline constexpr std::size_t default_most_pixels = 100'000'000;

namespace detail {

/// All bytes of a file of which nothing was read yet. @throws FileError as BinaryFile::read
inline std::vector<std::uint8_t> all_bytes(BinaryFile& file) {
    std::vector<std::uint8_t> bytes(static_cast<std::size_t>(file.size()));
    file.read(bytes);
    return bytes;
}

/// @throws FileError for a picture without pixels, or with more than `most`
inline void check_pixels(const BinaryFile& file, std::uint64_t width, std::uint64_t height, std::size_t most) {
    if (width == 0 || height == 0) throw file.error("no image has ", width, " x ", height, " pixels");
    if (width > most / height)
        throw file.error(width, " x ", height, " pixels are more than the ", most, " that most_pixels allows");
}

/// The way out of a C library whose error callback must not return. An exception must not cross that library's frames,
/// which may lack what unwinding needs; a jump may, as long as it leaves no object with a destructor behind.
class CErrors {
  public:
    /// Ends the calls that finish() has under way.
    [[noreturn]] void raise(std::string_view text) {
        text_[text.copy(text_.data(), text_.size() - 1)] = '\0';
        std::longjmp(back_, 1); // NOLINT(modernize-avoid-setjmp-longjmp): see above
    }

    /// Makes the calls. They may have no object with a destructor of their own, nor throw.
    /// @return false when one of them ended in raise()
    template <class Calls>
    bool finish(const Calls& calls) {
        if (setjmp(back_) != 0) return false;
        calls();
        return true;
    }

    /// What raise() was given.
    const char* text() const { return text_.data(); }

  private:
    std::jmp_buf back_{};
    std::array<char, 256> text_{};
};

} // namespace detail

} // namespace readers
