// The element types of operands, as bits: arithmetic is done in fp32, or by tensor cores.
#pragma once

namespace ww {

struct bf16 { uint16_t bits; };
struct f16 { uint16_t bits; };
struct e4m3 { uint8_t bits; };  // 8-bit floats: 4 bits of exponent, 3 of mantissa, no infinity
struct e5m2 { uint8_t bits; };
struct s8 { int8_t bits; };    // products add up in 32-bit integers

}  // namespace ww
