#pragma once

#include "gradcon/core/instruction_set.hpp"

#include <locale>
#include <sstream>
#include <stdexcept>
#include <string>

// The exceptions have no instruction set in their names: whatever file throws one, any file can catch it.
namespace gradcon {

/// Root of everything that gradcon throws on purpose; what() names the rule that was broken and the values seen.
class Error : public std::runtime_error {
  public:
    using std::runtime_error::runtime_error;
};

/// A tensor or an image has another shape than the rule asks for.
class ShapeError : public Error {
  public:
    using Error::Error;
};

/// An option or an argument lies outside its admissible range.
class ValueError : public Error {
  public:
    using Error::Error;
};

/// A file that cannot be read or written, or breaks its format's rules; what() begins with the path.
class FileError : public Error {
  public:
    using Error::Error;
};

/// Training met a number that is not finite; the epoch has not happened (see fit).
class DivergenceError : public Error {
  public:
    using Error::Error;
};

inline namespace GRADCON_INSTRUCTION_SET {

/// The pieces of a text, streamed one after the other; numbers look the same whatever the program's locale.
template <class... Pieces>
std::string message(const Pieces&... pieces) {
    std::ostringstream out;
    out.exceptions(std::ios::badbit); // or a text whose memory ends would be cut short without a word
    out.imbue(std::locale::classic());
    (out << ... << pieces);
    return out.str();
}

} // namespace GRADCON_INSTRUCTION_SET
} // namespace gradcon
