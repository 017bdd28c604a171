#pragma once

#include "gradcon/core/simd.hpp"

#include <array>
#include <bit>
#include <cstddef>
#include <string_view>

namespace gradcon {
inline namespace GRADCON_INSTRUCTION_SET {
namespace io {

static_assert(std::endian::native == std::endian::little, "tensor files are little endian, and so must the machine be");

/// The number types of safetensors files.
enum class DType { boolean, u8, i8, f8_e5m2, f8_e4m3, i16, u16, f16, bf16, i32, u32, f32, f64, i64, u64 };

namespace detail {
struct DTypeInfo {
    std::string_view name;
    std::size_t size;
};
inline constexpr std::array<DTypeInfo, 15> dtypes{{{"BOOL", 1},
                                                   {"U8", 1},
                                                   {"I8", 1},
                                                   {"F8_E5M2", 1},
                                                   {"F8_E4M3", 1},
                                                   {"I16", 2},
                                                   {"U16", 2},
                                                   {"F16", 2},
                                                   {"BF16", 2},
                                                   {"I32", 4},
                                                   {"U32", 4},
                                                   {"F32", 4},
                                                   {"F64", 8},
                                                   {"I64", 8},
                                                   {"U64", 8}}};
} // namespace detail

inline std::string_view dtype_name(DType dtype) { return detail::dtypes[static_cast<std::size_t>(dtype)].name; }
/// Bytes of one element.
inline std::size_t dtype_size(DType dtype) { return detail::dtypes[static_cast<std::size_t>(dtype)].size; }
/// @return false when no type has this name
inline bool parse_dtype(std::string_view name, DType& dtype) {
    for (std::size_t i = 0; i < detail::dtypes.size(); ++i)
        if (detail::dtypes[i].name == name) return dtype = static_cast<DType>(i), true;
    return false;
}

} // namespace io
} // namespace GRADCON_INSTRUCTION_SET
} // namespace gradcon
