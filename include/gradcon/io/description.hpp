#pragma once

#include "gradcon/core/error.hpp"
#include "gradcon/core/finite.hpp"
#include "gradcon/core/simd.hpp"
#include "gradcon/io/json.hpp"

#include <algorithm>
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
// hostile text can neither exhaust the stack nor hide a value.
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

    /// @throws ValueError for a number that is not finite, or a text that is not UTF-8: JSON has neither
    std::string to_json() const {
        if (const auto* whole = get<std::uint64_t>()) return std::to_string(*whole);
        if (const auto* real = get<double>()) {
            if (!is_finite(*real)) throw ValueError(message("a description holds ", *real, " and is not saved"));
            return detail::json_text(*real);
        }
        if (const auto* text = get<std::string>()) return detail::json_text(*text);
        std::string list = "[";
        const auto add = [&](const std::string& item) { list.append(list.size() > 1 ? "," : "").append(item); };
        for (const std::uint64_t whole : std::get<Wholes>(values_)) add(std::to_string(whole));
        for (const std::string& text : std::get<Strings>(values_)) add(detail::json_text(text)); // one of both is empty
        return list += ']';
    }
    /// For messages.
    std::string text() const {
        if (const auto* whole = get<std::uint64_t>()) return std::to_string(*whole);
        if (const auto* real = get<double>()) return message(*real);
        if (const auto* text = get<std::string>()) return '"' + *text + '"';
        return "a list";
    }
    friend bool operator==(const DescriptionValue&, const DescriptionValue&) = default;

  private:
    std::array<const void*, 5> pointers() const {
        return std::apply([](const auto&... value) { return std::array<const void*, 5>{&value...}; }, values_);
    }

    std::size_t kind_;
    std::tuple<std::uint64_t, double, std::string, Wholes, Strings> values_{};
};

/// A flat JSON object. It is written with `with` and read with `take`, which removes what it reads: what is left in the
/// end is what the reader does not know.
class Description {
  public:
    /// Adds a value (no initializer list: when memory ends within one, g++ 12 destroys elements that were never made).
    Description with(const std::string& key, DescriptionValue value) && {
        set(key, std::move(value));
        return std::move(*this);
    }
    /// @return false when the key is there already
    bool set(const std::string& key, DescriptionValue value) { return values_.emplace(key, std::move(value)).second; }

    bool empty() const { return values_.empty(); }

    /// @throws ValueError when the key is missing or its value of another kind
    template <class T>
    T take(const std::string& key) {
        const auto found = values_.find(key);
        if (found == values_.end()) throw ValueError("lacks " + key);
        const T* value = found->second.template get<T>();
        if (value == nullptr)
            throw ValueError(
                message(key, " must be a ", DescriptionValue::kind_name<T>(), "; it is ", found->second.text()));
        T taken = *value;
        values_.erase(found);
        return taken;
    }
    /// A number, whole or not.
    double take_number(const std::string& key) {
        const auto found = values_.find(key);
        if (found != values_.end() && found->second.get<std::uint64_t>() != nullptr)
            return static_cast<double>(take<std::uint64_t>(key));
        return take<double>(key);
    }
    /// @throws ValueError beyond 2^20: far beyond every network, and so small that no product of three overflows
    std::size_t take_size(const std::string& key) {
        constexpr std::uint64_t largest = std::uint64_t{1} << 20;
        const auto value = take<std::uint64_t>(key);
        if (value > largest) throw ValueError(message(key, " is at most ", largest, "; it is ", value));
        return value;
    }
    /// One of `names`, as its place there. @throws ValueError for another word
    template <class Names>
    std::size_t take_name(const std::string& key, const Names& names) {
        const auto name = take<std::string>(key);
        const auto found = std::ranges::find(names, name);
        if (found == names.end()) throw ValueError(message(key, " cannot be ", name));
        return static_cast<std::size_t>(found - names.begin());
    }
    /// All values, which must be texts. @throws ValueError for one that is none
    std::map<std::string, std::string> texts() const {
        std::map<std::string, std::string> all;
        for (const auto& [key, value] : values_) {
            const auto* text = value.get<std::string>();
            if (text == nullptr) throw ValueError(message(key, " must be a text; it is ", value.text()));
            all[key] = *text;
        }
        return all;
    }
    /// @throws ValueError when a key is there that nobody took
    void refuse_rest() const {
        if (values_.empty()) return;
        std::string keys;
        for (const auto& [key, value] : values_) keys += ' ' + key;
        throw ValueError("has unknown keys:" + keys);
    }

    std::string to_json() const {
        std::string text = "{";
        for (const auto& [key, value] : values_) {
            if (text.size() > 1) text += ',';
            text.append(detail::json_text(key)).append(":").append(value.to_json());
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
/// Accepts a list of flat objects, event by event.
class DescriptionParser {
  public:
    std::vector<Description> list;

    void operator()(int depth, JsonEvent event, const Json& value) {
        if (event != JsonEvent::value || depth != 3) end_values();
        if (event == JsonEvent::array_start) {
            if (depth != 0 && depth != 2) throw ValueError("a list within a list");
            in_values_ = depth == 2;
        } else if (event == JsonEvent::object_start) {
            if (depth != 1) throw ValueError("an object where none may stand");
            list.emplace_back();
        } else if (event == JsonEvent::key) {
            key_ = value.get_ref<const std::string&>();
        } else if (depth == 3) {
            add(value);
        } else {
            if (depth != 2) throw ValueError("a value outside an object");
            set(scalar(value));
        }
    }
    /// After the last object, and where a list of values has ended.
    void end_values() {
        if (!std::exchange(in_values_, false)) return;
        if (!numbers_.empty() && !strings_.empty()) throw ValueError("a list of numbers and text");
        if (strings_.empty()) set(std::exchange(numbers_, {}));
        else set(std::exchange(strings_, {}));
    }

  private:
    void add(const Json& value) {
        if (value.is_string()) strings_.push_back(value.get_ref<const std::string&>());
        else if (value.is_number_unsigned()) numbers_.push_back(value.get<std::uint64_t>());
        else throw ValueError(std::string("in a list a ") + value.type_name() + " that is no text or whole number");
    }
    static DescriptionValue scalar(const Json& value) {
        if (value.is_string()) return value.get_ref<const std::string&>();
        if (value.is_number_unsigned()) return value.get<std::uint64_t>();
        if (value.is_number()) return value.get<double>();
        throw ValueError(std::string("a value of type ") + value.type_name());
    }
    void set(DescriptionValue value) {
        if (!list.back().set(key_, std::move(value))) throw ValueError("duplicate key " + key_);
    }

    std::string key_;
    bool in_values_ = false; // in a list that is the value of key_
    std::vector<std::uint64_t> numbers_;
    std::vector<std::string> strings_;
};
} // namespace detail

/// The inverse of to_json. @throws ValueError for any other text
inline std::vector<Description> parse_descriptions(const std::string& json) {
    if (json.empty() || json[0] != '[') throw ValueError("not a list of JSON objects");
    detail::DescriptionParser parser;
    try {
        detail::parse_json(json, parser);
        parser.end_values();
    } catch (const ValueError& error) {
        throw ValueError(std::string("not a valid list of JSON objects: ") + error.what());
    }
    return std::move(parser.list);
}

} // namespace io
} // namespace GRADCON_INSTRUCTION_SET
} // namespace gradcon
