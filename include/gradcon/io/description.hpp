#pragma once

#include "gradcon/error.hpp"
#include "gradcon/simd.hpp"

#include <nlohmann/json.hpp>

#include <cstddef>
#include <cstdint>
#include <map>
#include <string>
#include <utility>
#include <variant>
#include <vector>

// What a model file says of its layers and its policy: lists of flat JSON objects. Parsing builds nothing else, so that
// hostile text can neither exhaust the stack nor hide a value; and unlike a JSON tree, whose destructor allocates, all
// of it survives the end of memory.
namespace gradcon::inline GRADCON_INSTRUCTION_SET::io {

/// A JSON object whose values are numbers, strings, or lists of either.
class Description {
  public:
    using Value = std::variant<std::uint64_t, double, std::string, std::vector<std::uint64_t>, std::vector<std::string>>;

    /// Adds a value (no initializer list: when memory ends within one, g++ 12 destroys elements that were never made).
    Description with(const std::string& key, Value value) && { return set(key, std::move(value)), std::move(*this); }
    /// @return false when the key is there already
    bool set(const std::string& key, Value value) { return values_.emplace(key, std::move(value)).second; }

    std::size_t size() const { return values_.size(); }

    /// @throws ValueError when the key is missing or its value of another kind
    template <class T>
    const T& at(const std::string& key) const {
        const auto found = values_.find(key);
        if (found == values_.end()) throw ValueError("lacks " + key);
        if (const T* value = std::get_if<T>(&found->second)) return *value;
        throw ValueError(key + " must be a " + kind<T>() + "; it is " + to_json(found->second));
    }
    /// A number, whole or not.
    double number(const std::string& key) const {
        const auto found = values_.find(key);
        if (found != values_.end())
            if (const auto* whole = std::get_if<std::uint64_t>(&found->second)) return static_cast<double>(*whole);
        return at<double>(key);
    }

    std::string to_json() const {
        std::string text = "{";
        for (const auto& [key, value] : values_) {
            if (text.size() > 1) text += ',';
            text.append(quote(key)).append(":").append(to_json(value));
        }
        return text += '}';
    }
    friend bool operator==(const Description&, const Description&) = default;

  private:
    template <class T>
    static std::string kind() {
        if constexpr (std::is_same_v<T, std::uint64_t>) return "whole number";
        else if constexpr (std::is_same_v<T, double>) return "number";
        else if constexpr (std::is_same_v<T, std::string>) return "text";
        else return "list";
    }
    static std::string quote(const std::string& text) { return nlohmann::json(text).dump(); }
    static std::string to_json(const Value& value) {
        return std::visit(
            []<class T>(const T& v) {
                if constexpr (std::is_same_v<T, std::string>) return quote(v);
                else if constexpr (std::is_arithmetic_v<T>) return nlohmann::json(v).dump();
                else {
                    std::string text = "[";
                    for (const auto& item : v) {
                        if (text.size() > 1) text += ',';
                        text += to_json(Value(item));
                    }
                    return text += ']';
                }
            },
            value);
    }

    std::map<std::string, Value> values_;
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
    bool set(Description::Value value) {
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

} // namespace gradcon::inline GRADCON_INSTRUCTION_SET::io
