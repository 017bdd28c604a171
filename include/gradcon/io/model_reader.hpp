#pragma once

#include "gradcon/core/error.hpp"
#include "gradcon/core/simd.hpp"
#include "gradcon/io/checksum.hpp"
#include "gradcon/io/description.hpp"
#include "gradcon/io/parameters.hpp"
#include "gradcon/io/safetensors.hpp"

#include <charconv>
#include <filesystem>
#include <set>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>
#include <vector>

namespace gradcon {
inline namespace GRADCON_INSTRUCTION_SET {
namespace io::detail {

/// One of our files while it is read. It remembers which tensors were asked for, so that it can refuse the others in
/// the end; and whatever is wrong becomes a FileError that says in which file and at which place.
class ModelReader {
  public:
    /// Checks the file's format, version and checksum before anything in it is believed.
    /// @param format metadata "format"; newest: the highest format_version that can be read
    ModelReader(const std::filesystem::path& path, const std::string& format, unsigned newest)
        : file_(read_safetensors(path)) {
        if (text("format") != format)
            refuse(message("its metadata says format \"", text("format"), "\", not \"", format, "\""));
        const std::string stated = text("format_version");
        unsigned version = 0;
        const auto [end, error] = std::from_chars(stated.data(), stated.data() + stated.size(), version);
        if (error != std::errc{} || end != stated.data() + stated.size() || version == 0)
            refuse("format_version must be a positive whole number; it is " + stated);
        if (version > newest)
            refuse(message("format version ", version, " is newer than this library, which reads up to ", newest));
        verify_checksum(file_);
    }

    /// For what does not count as reading: names, shapes, metadata.
    const Safetensors& file() const { return file_; }

    /// @throws FileError: the file, and what is wrong with it
    [[noreturn]] void refuse(const std::string& what) const { throw FileError(file_.path() + ": " + what); }

    /// What `read` gives; where it throws another Error than a FileError, the file and the place (if one is named) are
    /// put before.
    template <class Read>
    auto at(const std::string& place, Read&& read) const {
        try {
            return read();
        } catch (const FileError&) { throw; } catch (const Error& error) {
            refuse(place + ": " + error.what());
        }
    }

    bool has_tensor(std::string_view name) const { return file_.find(name) != nullptr; }

    /// A tensor of this form, in our layout. @throws FileError as from_pytorch does
    template <class T, DenseTensor Tensor>
    std::vector<T> tensor(const std::string& name, const Tensor& form) {
        read_.insert(name);
        return from_pytorch<T>(file_, name, form);
    }
    /// A tensor of one dimension. @throws FileError as io::read_vector does
    template <class T>
    std::vector<T> list(const std::string& name) {
        read_.insert(name);
        return read_vector<T>(file_, name);
    }
    /// Fills a tree that has the form. @throws FileError as read_parameters does; the tree is then unchanged
    template <TensorTree Tree>
    void parameters(const std::string& prefix, Tree& tree) {
        read_parameters(file_, prefix, tree);
        for_each_named_tensor([&](const std::string& name, const auto&) { read_.insert(prefix + pytorch_name(name)); },
                              tree);
    }
    /// Checks a tensor's shape, and leaves the rest to others.
    void expect(const std::string& name, const std::vector<std::size_t>& shape) {
        if (file_.at(name).shape != shape)
            refuse(message("tensor ", name, " must have shape [", shape_string(shape), "]; it has [",
                           shape_string(file_.at(name).shape), "]"));
        read_.insert(name);
    }
    /// What begins so need not be read.
    void pass_over(std::string_view prefix) {
        for (const auto& entry : file_.entries())
            if (entry.name.starts_with(prefix)) read_.insert(entry.name);
    }
    /// @throws FileError for a tensor that nobody read: a file has no room for others
    void refuse_unread() const {
        for (const auto& entry : file_.entries())
            if (!read_.contains(entry.name)) refuse("unexpected tensor " + entry.name);
    }

    bool has_metadata(const std::string& key) const { return file_.metadata().contains(key); }

    /// A text of the metadata; empty if there is none.
    std::string text(const std::string& key) const {
        return has_metadata(key) ? file_.metadata().at(key) : std::string();
    }
    /// @throws FileError when there is no such text, or it is no list of flat JSON objects
    std::vector<Description> descriptions(const std::string& key) const {
        if (!has_metadata(key)) refuse("metadata lacks " + key);
        return at("metadata " + key, [&] { return parse_descriptions(file_.metadata().at(key)); });
    }
    /// read(object) of a text that is a list of one object; its errors say so.
    template <class Read>
    auto object(const std::string& key, Read&& read) const {
        auto list = descriptions(key);
        if (list.size() != 1) refuse("metadata " + key + " must be one object");
        return at("metadata " + key, [&] { return read(list[0]); });
    }

  private:
    Safetensors file_;
    std::set<std::string> read_; // names of tensors
};

} // namespace io::detail
} // namespace GRADCON_INSTRUCTION_SET
} // namespace gradcon
