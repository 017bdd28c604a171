#pragma once

#include <cstdint>
#include <cstring>
#include <string>
#include <string_view>
#include <vector>

// An ONNX file of one convolution, written field by field (protocol buffers: a key, then a number or a length).
namespace tiny_onnx {

inline std::string number(std::uint64_t v) {
    std::string bytes;
    for (; v >= 128; v >>= 7) bytes += static_cast<char>(v | 128);
    return bytes + static_cast<char>(v);
}
inline std::string field(unsigned key, std::uint64_t v) { return number(key << 3) + number(v); }
inline std::string field(unsigned key, std::string_view bytes) {
    return number(key << 3 | 2) + number(bytes.size()) + std::string(bytes);
}

inline std::string tensor(std::string_view name, const std::vector<std::uint64_t>& extents,
                          const std::vector<float>& values) {
    std::string t;
    for (const auto e : extents) t += field(1, e);
    std::string raw(values.size() * sizeof(float), '\0');
    std::memcpy(raw.data(), values.data(), raw.size());
    return t + field(2, 1) + field(8, name) + field(9, raw);
}

inline std::string whole_numbers(std::string_view name, const std::vector<std::uint64_t>& values) {
    std::string a = field(1, name);
    for (const auto v : values) a += field(8, v);
    return a + field(20, 7);
}

inline std::string value_info(std::string_view name, const std::vector<std::uint64_t>& extents) {
    std::string shape;
    for (const auto e : extents) shape += field(1, field(1, e));
    return field(1, name) + field(2, field(1, field(1, 1) + field(2, shape)));
}

/// y = weight * x + bias with a window of 3 x 3, stride 2 and padding 1. The output is called "features".
/// @param weight outputs x 3 x 3 x 3
inline std::string convolution(std::uint64_t outputs, const std::vector<float>& weight,
                               const std::vector<float>& bias) {
    const std::string node = field(1, "picture") + field(1, "weight") + field(1, "bias") + field(2, "features") +
                             field(3, "features") + field(4, "Conv") + field(5, whole_numbers("kernel_shape", {3, 3})) +
                             field(5, whole_numbers("strides", {2, 2})) + field(5, whole_numbers("pads", {1, 1, 1, 1}));
    const std::string graph = field(1, node) + field(2, "g") + field(5, tensor("weight", {outputs, 3, 3, 3}, weight)) +
                              field(5, tensor("bias", {outputs}, bias)) +
                              field(11, value_info("picture", {1, 3, 16, 16})) +
                              field(12, value_info("features", {1, outputs, 8, 8}));
    return field(1, 7) + field(7, graph) + field(8, field(1, "") + field(2, 11));
}

} // namespace tiny_onnx
