/* SPDX-License-Identifier: Apache-2.0 */
#include "tensor/convert.h"

#include <math.h>
#include <string.h>

/* What tells the small formats apart. */
typedef struct format {
    uint8_t exp_bits, man_bits;
    int16_t bias;
    bool has_inf;        /* the top exponent is infinity and NaN, as in IEEE 754 */
    bool nuz;            /* no negative zero: its code is the one NaN */
    bool has_nan;
} format;

static const format formats[HN_DTYPE_COUNT] = {
    [HN_F16]        = { 5, 10, 15, true, false, true },
    [HN_BF16]       = { 8, 7, 127, true, false, true },
    [HN_F8E4M3FN]   = { 4, 3, 7, false, false, true },
    [HN_F8E4M3FNUZ] = { 4, 3, 8, false, true, true },
    [HN_F8E5M2]     = { 5, 2, 15, true, false, true },
    [HN_F8E5M2FNUZ] = { 5, 2, 16, false, true, true },
    [HN_F4E2M1]     = { 2, 1, 1, false, false, false },
    [HN_F6E2M3]     = { 2, 3, 1, false, false, false },
    [HN_F6E3M2]     = { 3, 2, 3, false, false, false },
};

double hn_small_to_f64(hn_dtype t, unsigned bits)
{
    if (t == HN_F8E8M0)
        return bits == 0xFF ? NAN : ldexp(1.0, (int)bits - 127);

    const format *f = &formats[t];
    unsigned man = bits & ((1u << f->man_bits) - 1);
    unsigned exp_max = (1u << f->exp_bits) - 1;
    unsigned exp = (bits >> f->man_bits) & exp_max;
    bool neg = (bits >> (f->man_bits + f->exp_bits)) & 1;

    if (f->nuz && neg && exp == 0 && man == 0)
        return NAN;
    if (f->has_inf && exp == exp_max)
        return man ? NAN : neg ? -INFINITY : INFINITY;
    if (!f->has_inf && !f->nuz && f->has_nan && exp == exp_max && man == (1u << f->man_bits) - 1)
        return NAN;
    double v = exp ? ldexp(1.0 + ldexp(man, -f->man_bits), (int)exp - f->bias)
                   : ldexp(man, 1 - f->bias - f->man_bits);
    return neg ? -v : v;
}

/* The code of the largest finite value, sign left out. */
static unsigned largest(const format *f)
{
    unsigned all = (1u << (f->exp_bits + f->man_bits)) - 1;
    if (f->has_inf)
        return all - (1u << f->man_bits);
    return f->has_nan && !f->nuz ? all - 1 : all;
}

static unsigned encode_e8m0(double v, bool saturate)
{
    if (isnan(v) || v < 0)
        return 0xFF;
    if (v == 0)
        return 0;
    if (isinf(v))
        return saturate ? 0xFE : 0xFF;
    int e;
    double m = frexp(v, &e);             /* v = m * 2^e, m in [0.5, 1) */
    e += 126 + (m > 0.75 || (m == 0.75 && ((e + 126) & 1)));
    return e < 0 ? 0 : e > 0xFE ? (saturate ? 0xFE : 0xFF) : (unsigned)e;
}

unsigned hn_f64_to_small(hn_dtype t, double v, bool saturate)
{
    if (t == HN_F8E8M0)
        return encode_e8m0(v, saturate);

    const format *f = &formats[t];
    unsigned sign = (signbit(v) ? 1u : 0u) << (f->exp_bits + f->man_bits);
    unsigned all = (1u << (f->exp_bits + f->man_bits)) - 1;
    unsigned inf = f->has_inf ? largest(f) + 1 : 0;

    if (isnan(v)) {
        if (f->nuz)
            return 1u << (f->exp_bits + f->man_bits);
        return f->has_inf ? sign | inf | 1u << (f->man_bits - 1) : f->has_nan ? sign | all : 0;
    }

    double a = fabs(v);
    unsigned code;
    if (isinf(a)) {
        code = all + 1;
    } else {
        /* Scale so that one unit in the last place is 1, then round half to even. */
        int e;
        frexp(a, &e);
        int lowest = 1 - f->bias;                       /* exponent of the smallest normal */
        int exp = a == 0 || e - 1 < lowest ? lowest : e - 1;
        double units = nearbyint(ldexp(a, f->man_bits - exp));
        double top = ldexp(1.0, f->man_bits);
        /* The code is linear in units: a rounding up carries into the exponent by itself. */
        double c = units < top ? units : (exp - lowest + 1) * top + (units - top);
        code = c > all ? all + 1 : (unsigned)c;
    }
    if (code > largest(f)) {
        if (saturate)
            code = largest(f);
        else if (f->has_inf)
            code = inf;
        else
            return f->nuz ? 1u << (f->exp_bits + f->man_bits)
                          : sign | (f->has_nan ? all : largest(f));
    }
    if (code == 0 && f->nuz)
        return 0;
    return sign | code;
}

float hn_f16_to_f32(uint16_t h)
{
    union { uint32_t u; float f; } v;
    uint32_t sign = (uint32_t)(h & 0x8000) << 16, exp = h >> 10 & 31, man = h & 1023;
    if (exp == 0) {
        v.f = (float)man * 0x1p-24f;
        v.u |= sign;
    } else {
        v.u = sign | (exp == 31 ? 0x7F800000u : (exp + 112) << 23) | man << 13;
    }
    return v.f;
}

uint16_t hn_f32_to_f16(float f) { return (uint16_t)hn_f64_to_small(HN_F16, (double)f, false); }

uint16_t hn_f32_to_bf16(float f)
{
    union { float f; uint32_t u; } v = { .f = f };
    if (isnan(f))
        return (uint16_t)(v.u >> 16 | 0x40);
    return (uint16_t)((v.u + 0x7FFF + (v.u >> 16 & 1)) >> 16);
}

/* Eight elements fill `bits` bytes exactly, so no position can overflow. */
unsigned hn_get_packed(const void *from, size_t i, unsigned bits)
{
    unsigned at = (unsigned)(i % 8) * bits, shift = at % 8;
    const uint8_t *p = (const uint8_t *)from + i / 8 * bits + at / 8;
    unsigned v = shift + bits > 8 ? p[0] | (unsigned)p[1] << 8 : p[0];
    return v >> shift & ((1u << bits) - 1);
}

void hn_put_packed(void *to, size_t i, unsigned bits, unsigned v)
{
    unsigned at = (unsigned)(i % 8) * bits, shift = at % 8, mask = ((1u << bits) - 1) << shift;
    uint8_t *p = (uint8_t *)to + i / 8 * bits + at / 8;
    v <<= shift;
    p[0] = (uint8_t)((p[0] & ~mask) | (v & mask));
    if (shift + bits > 8)
        p[1] = (uint8_t)((p[1] & ~(mask >> 8)) | (v & mask) >> 8);
}

static int64_t sign_extend(unsigned v, unsigned bits)
{
    return (v >> (bits - 1) & 1) ? (int64_t)v - (1 << bits) : (int64_t)v;
}

/* float to integer as C would where C defines it, and 0 or a bound where it does not. */
static int64_t truncate(double v)
{
    if (isnan(v))
        return 0;
    if (v >= 0x1p63)
        return v < 0x1p64 ? (int64_t)(uint64_t)v : INT64_MAX;
    return v <= -0x1p63 ? INT64_MIN : (int64_t)v;
}

/* One statement over every element, as a statement itself. */
#define EACH(...) do { for (size_t i = 0; i < count; i++) { __VA_ARGS__; } } while (0)
#define PLAIN(X, T)                                                                                \
    X(T, F32, float) X(T, F64, double) X(T, U8, uint8_t) X(T, I8, int8_t) X(T, BOOL, uint8_t)       \
    X(T, U16, uint16_t) X(T, I16, int16_t) X(T, U32, uint32_t) X(T, I32, int32_t) X(T, I64, int64_t)

void hn_get_f64(const hn_tensor *t, size_t first, size_t count, double *out)
{
    switch (t->dtype) {
#define GET(T, id, type) case HN_##id: { const type *p = (const type *)t->data + first; \
                                         EACH(out[i] = (double)p[i]); break; }
    PLAIN(GET, )
#undef GET
    case HN_U64: { const uint64_t *p = (const uint64_t *)t->data + first; EACH(out[i] = (double)p[i]); break; }
    case HN_F16: { const uint16_t *p = (const uint16_t *)t->data + first;
                   EACH(out[i] = (double)hn_f16_to_f32(p[i])); break; }
    case HN_BF16: { const uint16_t *p = (const uint16_t *)t->data + first;
                    EACH(out[i] = (double)hn_bf16_to_f32(p[i])); break; }
    case HN_F8E4M3FN: case HN_F8E4M3FNUZ: case HN_F8E5M2: case HN_F8E5M2FNUZ: case HN_F8E8M0:
        EACH(out[i] = hn_small_to_f64(t->dtype, ((const uint8_t *)t->data)[first + i]));
        break;
    case HN_F4E2M1: case HN_F6E2M3: case HN_F6E3M2:
        EACH(out[i] = hn_small_to_f64(t->dtype, hn_get_packed(t->data, first + i, hn_dtype_bits(t->dtype))));
        break;
    case HN_U4: EACH(out[i] = hn_get_packed(t->data, first + i, 4)); break;
    case HN_U2: EACH(out[i] = hn_get_packed(t->data, first + i, 2)); break;
    case HN_I4: EACH(out[i] = (double)sign_extend(hn_get_packed(t->data, first + i, 4), 4)); break;
    case HN_I2: EACH(out[i] = (double)sign_extend(hn_get_packed(t->data, first + i, 2), 2)); break;
    default: EACH(out[i] = 0); break;
    }
}

void hn_get_i64(const hn_tensor *t, size_t first, size_t count, int64_t *out)
{
    switch (t->dtype) {
    case HN_U8: case HN_BOOL: { const uint8_t *p = (const uint8_t *)t->data + first; EACH(out[i] = p[i]); break; }
    case HN_I8: { const int8_t *p = (const int8_t *)t->data + first; EACH(out[i] = p[i]); break; }
    case HN_U16: { const uint16_t *p = (const uint16_t *)t->data + first; EACH(out[i] = p[i]); break; }
    case HN_I16: { const int16_t *p = (const int16_t *)t->data + first; EACH(out[i] = p[i]); break; }
    case HN_U32: { const uint32_t *p = (const uint32_t *)t->data + first; EACH(out[i] = p[i]); break; }
    case HN_I32: { const int32_t *p = (const int32_t *)t->data + first; EACH(out[i] = p[i]); break; }
    case HN_I64: case HN_U64: memcpy(out, (const int64_t *)t->data + first, count * sizeof *out); break;
    default: {                     /* floats and packed integers: through double, which holds them */
        double v[64];
        for (size_t i = 0; i < count; i += 64) {
            size_t n = count - i < 64 ? count - i : 64;
            hn_get_f64(t, first + i, n, v);
            for (size_t j = 0; j < n; j++)
                out[i + j] = truncate(v[j]);
        }
    }
    }
}

void hn_put_f64(hn_tensor *t, size_t first, size_t count, const double *in)
{
    switch (t->dtype) {
    case HN_F32: { float *p = (float *)t->data + first; EACH(p[i] = (float)in[i]); break; }
    case HN_F64: memcpy((double *)t->data + first, in, count * sizeof *in); break;
    case HN_F16: case HN_BF16: {
        uint16_t *p = (uint16_t *)t->data + first;
        EACH(p[i] = (uint16_t)hn_f64_to_small(t->dtype, in[i], false));
        break;
    }
    case HN_F8E4M3FN: case HN_F8E4M3FNUZ: case HN_F8E5M2: case HN_F8E5M2FNUZ: case HN_F8E8M0:
        EACH(((uint8_t *)t->data)[first + i] = (uint8_t)hn_f64_to_small(t->dtype, in[i], true));
        break;
    case HN_F4E2M1: case HN_F6E2M3: case HN_F6E3M2:
        EACH(hn_put_packed(t->data, first + i, hn_dtype_bits(t->dtype), hn_f64_to_small(t->dtype, in[i], true)));
        break;
    case HN_BOOL: EACH(((uint8_t *)t->data)[first + i] = in[i] != 0); break;
    default:
        EACH(int64_t v = truncate(in[i]); hn_put_i64(t, first + i, 1, &v));
    }
}

void hn_put_i64(hn_tensor *t, size_t first, size_t count, const int64_t *in)
{
    switch (t->dtype) {
    case HN_BOOL: EACH(((uint8_t *)t->data)[first + i] = in[i] != 0); break;
    case HN_U8: case HN_I8: EACH(((uint8_t *)t->data)[first + i] = (uint8_t)in[i]); break;
    case HN_U16: case HN_I16: EACH(((uint16_t *)t->data)[first + i] = (uint16_t)in[i]); break;
    case HN_U32: case HN_I32: EACH(((uint32_t *)t->data)[first + i] = (uint32_t)in[i]); break;
    case HN_I64: case HN_U64: memcpy((int64_t *)t->data + first, in, count * sizeof *in); break;
    case HN_U4: case HN_I4: EACH(hn_put_packed(t->data, first + i, 4, (unsigned)in[i] & 15)); break;
    case HN_U2: case HN_I2: EACH(hn_put_packed(t->data, first + i, 2, (unsigned)in[i] & 3)); break;
    case HN_F32: { float *p = (float *)t->data + first; EACH(p[i] = (float)in[i]); break; }   /* one rounding */
    default:
        if (!hn_is_float(t->dtype))     /* strings and complex numbers have no such value */
            break;
        EACH(double v = (double)in[i]; hn_put_f64(t, first + i, 1, &v));
    }
}
