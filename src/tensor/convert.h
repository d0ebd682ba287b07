/* SPDX-License-Identifier: Apache-2.0 */
/* Small float formats: exact decode, encode with round-half-even.
 *
 * Formats: IEEE 754 binary16; bfloat16; the OCP 8-bit formats E4M3FN and E5M2 with their FNUZ
 * variants (no infinity, no negative zero, NaN is 0x80); E2M1, E2M3 and E3M2 (finite
 * values only); and E8M0 (a power of two, 0xFF is NaN). */
#ifndef HN_TENSOR_CONVERT_H
#define HN_TENSOR_CONVERT_H

#include "tensor/tensor.h"

float hn_f16_to_f32(uint16_t h);
uint16_t hn_f32_to_f16(float f);
static inline float hn_bf16_to_f32(uint16_t h)
{
    union { uint32_t u; float f; } v = { .u = (uint32_t)h << 16 };
    return v.f;
}
uint16_t hn_f32_to_bf16(float f);

/* Any float type up to 16 bits, by its raw bits. */
double hn_small_to_f64(hn_dtype t, unsigned bits);

/* saturate: values past the largest finite become that value, otherwise infinity or NaN,
 * whichever the format has (ONNX Cast's attribute of that name). */
unsigned hn_f64_to_small(hn_dtype t, double v, bool saturate);

/* One element of a type under 8 bits, as raw bits. */
unsigned hn_get_packed(const void *p, size_t i, unsigned bits);
void hn_put_packed(void *p, size_t i, unsigned bits, unsigned v);

#endif
