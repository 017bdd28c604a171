#pragma once

#include "gradcon/core/error.hpp"
#include "gradcon/core/simd.hpp"

#include <nlohmann/json.hpp>

#include <string>
#include <string_view>

// The only door to nlohmann-json: writing one value, and reading a text event by event. Its other entries (a SAX
// reader, CBOR and so on) bring in the readers of all binary formats, which take longer to compile than all of this.
namespace gradcon {
inline namespace GRADCON_INSTRUCTION_SET {
namespace io::detail {

using Json = nlohmann::json;
using JsonEvent = Json::parse_event_t;

/// A number or a text as JSON. @throws ValueError for a text that JSON cannot hold
inline std::string json_text(const Json& value) {
    try {
        return value.dump();
    } catch (const Json::exception&) {
        throw ValueError("not UTF-8, and not saved: " + value.dump(-1, ' ', true, Json::error_handler_t::replace));
    }
}

/// Calls `on_event(depth, event, value)` for each beginning of an object or a list, each key and each value of a JSON
/// text, in order. `depth` counts the objects and lists around it. Nothing of the text is kept, however large it is.
/// @throws ValueError for a text that is no JSON; whatever `on_event` throws ends the reading
template <class OnEvent>
void parse_json(std::string_view text, OnEvent&& on_event) {
    const Json::parser_callback_t callback = [&](int depth, JsonEvent event, Json& value) {
        if (event == JsonEvent::object_end || event == JsonEvent::array_end) return false;
        on_event(depth, event, value);
        return event == JsonEvent::object_start || event == JsonEvent::array_start; // to be told of what is in them
    };
    try {
        [[maybe_unused]] const Json nothing = Json::parse(text.data(), text.data() + text.size(), callback);
    } catch (const Json::parse_error& error) {
        throw ValueError("not valid JSON at byte " + std::to_string(error.byte));
    } catch (const Json::exception&) { throw ValueError("not valid JSON: a number is out of range"); }
}

} // namespace io::detail
} // namespace GRADCON_INSTRUCTION_SET
} // namespace gradcon
