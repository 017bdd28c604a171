#pragma once

#include "gradcon/core/error.hpp"
#include "gradcon/core/finite.hpp"
#include "gradcon/core/simd.hpp"

#include <nlohmann/json.hpp>

#include <array>
#include <cstddef>
#include <cstdint>
#include <map>
#include <string>
#include <tuple>
#include <type_traits>
#include <utility>
#include <vector>

// What a model file says of its layers and its policy: lists of flat JSON objects. Parsing builds nothing else, so that
// hostile text can neither exhaust the stack nor hide a value; and unlike a JSON tree, whose destructor allocates, all
// of it survives the end of memory.
namespace gradcon {
inline namespace GRADCON_INSTRUCTION_SET {
namespace io {

/// A number, a string, or a list of either. (Not a std::variant: where memory ends while one of strings and vectors is
/// copied, libstdc++ 12 destroys what was never made.)
class DescriptionValue {
  public:
    using Wholes = std::vector<std::uint64_t>;
    using Strings = std::vector<std::string>;

    DescriptionValue(std::uint64_t value) : kind_(0) { std::get<0>(values_) = value; }
    DescriptionValue(double value) : kind_(1) { std::get<1>(values_) = value; }
    DescriptionValue(std::string value) : kind_(2) { std::get<2>(values_) = std::move(value); }
    DescriptionValue(const char* value) : DescriptionValue(std::string(value)) {}
    DescriptionValue(Wholes value) : kind_(3) { std::get<3>(values_) = std::move(value); }
    DescriptionValue(Strings value) : kind_(4) { std::get<4>(values_) = std::move(value); }

    /// nullptr when it is of another kind than T
    template <class T>
    const T* get() const {
        const T* value = &std::get<T>(values_);
        return value == pointers()[kind_] ? value : nullptr;
    }
    template <class T>
    static const char* kind_name() {
        if constexpr (std::is_same_v<T, std::uint64_t>) return "whole number";
        else if constexpr (std::is_same_v<T, double>) return "number";
        else if constexpr (std::is_same_v<T, std::string>) return "text";
        else return "list";
    }

    /// @throws ValueError for a number that is not finite: JSON has none
    std::string to_json() const {
        const auto json = [](const auto& value) { return nlohmann::json(value).dump(); };
        if (const auto* whole = get<std::uint64_t>()) return json(*whole);
        if (const auto* real = get<double>()) {
            if (!is_finite(*real)) throw ValueError(message("a description holds ", *real, " and is not saved"));
            return json(*real);
        }
        if (const auto* text = get<std::string>()) return json(*text);
        std::string list = "[";
        const auto add = [&](const auto& items) {
            for (const auto& item : items) {
                if (list.size() > 1) list += ',';
                list += json(item);
            }
        };
        add(std::get<Wholes>(values_)); // one of the two is empty
        add(std::get<Strings>(values_));
        return list += ']';
    }
    friend bool operator==(const DescriptionValue&, const DescriptionValue&) = default;

  private:
    std::array<const void*, 5> pointers() const {
        return std::apply([](const auto&... value) { return std::array<const void*, 5>{&value...}; }, values_);
    }

    std::size_t kind_;
    std::tuple<std::uint64_t, double, std::string, Wholes, Strings> values_{};
};

/// A flat JSON object.
class Description {
  public:
    /// Adds a value (no initializer list: when memory ends within one, g++ 12 destroys elements that were never made).
    Description with(const std::string& key, DescriptionValue value) && {
        set(key, std::move(value));
        return std::move(*this);
    }
    /// @return false when the key is there already
    bool set(const std::string& key, DescriptionValue value) { return values_.emplace(key, std::move(value)).second; }

    std::size_t size() const { return values_.size(); }

    /// @throws ValueError when the key is missing or its value of another kind
    template <class T>
    const T& at(const std::string& key) const {
        const auto found = values_.find(key);
        if (found == values_.end()) throw ValueError("lacks " + key);
        if (const T* value = found->second.template get<T>()) return *value;
        throw ValueError(
            message(key, " must be a ", DescriptionValue::kind_name<T>(), "; it is ", found->second.to_json()));
    }
    /// A number, whole or not.
    double number(const std::string& key) const {
        const auto found = values_.find(key);
        if (found != values_.end())
            if (const auto* whole = found->second.get<std::uint64_t>()) return static_cast<double>(*whole);
        return at<double>(key);
    }

    std::string to_json() const {
        std::string text = "{";
        for (const auto& [key, value] : values_) {
            if (text.size() > 1) text += ',';
            text.append(nlohmann::json(key).dump()).append(":").append(value.to_json());
        }
        return text += '}';
    }
    friend bool operator==(const Description&, const Description&) = default;

  private:
    std::map<std::string, DescriptionValue> values_;
};

/// "[{...},{...}]"
inline std::string to_json(const std::vector<Description>& list) {
    std::string text = "[";
    for (const auto& description : list) {
        if (text.size() > 1) text += ',';
        text += description.to_json();
    }
    return text += ']';
}

namespace detail {
/// Accepts a list of flat objects, token by token.
class DescriptionHandler : public nlohmann::json_sax<nlohmann::json> {
  public:
    std::vector<Description> list;

    bool start_array(std::size_t) override {
        if (depth_ == 0) return depth_ = 1, true;
        if (depth_ != 2) return refuse("a list within a list");
        depth_ = 3;
        numbers_.clear();
        strings_.clear();
        return true;
    }
    bool end_array() override {
        if (depth_ == 1) return depth_ = 0, true;
        depth_ = 2;
        if (!numbers_.empty() && !strings_.empty()) return refuse("a list of numbers and text");
        return strings_.empty() ? set(numbers_) : set(strings_);
    }
    bool start_object(std::size_t) override {
        if (depth_ != 1) return refuse("an object where none may stand");
        depth_ = 2;
        list.emplace_back();
        return true;
    }
    bool end_object() override { return depth_ = 1, true; }
    bool key(std::string& key) override { return key_ = key, true; }
    bool string(std::string& value) override {
        if (depth_ == 3) return strings_.push_back(value), true;
        return set(value);
    }
    bool number_unsigned(std::uint64_t value) override {
        if (depth_ == 3) return numbers_.push_back(value), true;
        return set(value);
    }
    bool number_integer(std::int64_t value) override { return set(static_cast<double>(value)); }
    bool number_float(double value, const std::string&) override { return set(value); }
    bool null() override { return refuse("null"); }
    bool boolean(bool) override { return refuse("a boolean"); }
    bool binary(nlohmann::json::binary_t&) override { return refuse("binary data"); }
    bool parse_error(std::size_t position, const std::string&, const nlohmann::json::exception&) override {
        return refuse("byte " + std::to_string(position));
    }

  private:
    bool set(DescriptionValue value) {
        if (depth_ != 2) return refuse("a value outside an object");
        return list.back().set(key_, std::move(value)) || refuse("duplicate key " + key_);
    }
    static bool refuse(const std::string& what) { throw ValueError("not a valid list of JSON objects: " + what); }

    int depth_ = 0; // 1: in the list, 2: in an object, 3: in a list of values
    std::string key_;
    std::vector<std::uint64_t> numbers_;
    std::vector<std::string> strings_;
};
} // namespace detail

/// The inverse of to_json. @throws ValueError for any other text
inline std::vector<Description> parse_descriptions(const std::string& json) {
    if (json.empty() || json[0] != '[') throw ValueError("not a list of JSON objects");
    detail::DescriptionHandler handler;
    nlohmann::json::sax_parse(json, &handler);
    return std::move(handler.list);
}

} // namespace io
} // namespace GRADCON_INSTRUCTION_SET
} // namespace gradcon
