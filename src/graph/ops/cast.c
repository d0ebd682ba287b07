/* SPDX-License-Identifier: Apache-2.0 */
/* cast.c: the same values, or the same bits, as another type: Cast, CastLike, BitCast. */
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/num.h"
#include "graph/op.h"
#include "tensor/convert.h"

enum { CHUNK = 256, TEXT_MAX = 400 };       /* a double in plain notation needs at most 327 characters */

typedef enum rounding { UP, DOWN, NEAREST } rounding;

typedef struct options {
    bool saturate;
    rounding round;        /* for f8e8m0 alone, which holds nothing but powers of two */
} options;

static hn_err find_options(hn_call *c, options *o)
{
    static const char *const names[] = { "up", "down", "nearest" };
    o->saturate = hn_attr_int(c->node, "saturate", 1) != 0;
    for (int i = 0; i < 3; i++)
        if (hn_attr_is(c->node, "round_mode", names[i], "up")) {
            o->round = (rounding)i;
            return HN_OK;
        }
    return hn_bad(c, "round_mode is none of up, down and nearest");
}

static hn_err infer_to(hn_call *c, hn_dtype to)
{
    options o;
    HN_TRY(find_options(c, &o));
    if (hn_dtype_class(to) == HN_CLASS_C || hn_dtype_class(c->in[0]->dtype) == HN_CLASS_C)
        return hn_unsupported(c, "complex numbers");
    hn_out(c, 0, to, &c->in[0]->shape);

    int from_class = hn_dtype_class(c->in[0]->dtype), class = hn_dtype_class(to);
    int64_t v[HN_KNOWN_MAX];
    bool wide = to == HN_I64 || to == HN_I32;       /* narrow types could change the value */
    int n = wide && class == HN_CLASS_I && (from_class == HN_CLASS_I || from_class == HN_CLASS_U)
          ? hn_known(c, 0, v, HN_KNOWN_MAX) : -1;
    for (int i = 0; i < n; i++)
        if (to == HN_I32 && !hn_is_symbol(v[i]))
            v[i] = (int32_t)v[i];
    if (n >= 0)
        hn_set_known(c, 0, v, n);
    return HN_OK;
}

static hn_err infer_cast(hn_call *c)
{
    int64_t code = hn_attr_int(c->node, "to", 0);
    hn_dtype to = hn_dtype_from_onnx(code);
    if (to == HN_NONE)
        return hn_bad(c, "'to' is %lld, which is no type", (long long)code);
    return infer_to(c, to);
}

static hn_err infer_cast_like(hn_call *c) { return infer_to(c, c->in[1]->dtype); }

/* ---- Numbers to numbers ---------------------------------------------------------------- */

/* E8M0 is a bare exponent: code = e + 127 for 2^e, 0xFF for NaN.  Zero and what lies below 2^-127
 * become that least value, or NaN without saturation; so do values past 2^127 at the other end. */
static unsigned to_e8m0(double v, options o)
{
    int e;
    if (isnan(v) || v < 0)
        return 0xFF;
    if (isinf(v))
        return o.saturate ? 0xFE : 0xFF;
    double m = frexp(v, &e);                 /* v = m * 2^e with m in [0.5, 1) */
    e += 126;
    if (v == 0 || e < 0)
        return o.saturate ? 0 : 0xFF;
    e += o.round == UP ? m > 0.5 : o.round == NEAREST ? m >= 0.75 : 0;
    return e <= 0xFE ? (unsigned)e : o.saturate ? 0xFE : 0xFF;
}

static bool is_float8(hn_dtype t)
{
    return t == HN_F8E4M3FN || t == HN_F8E4M3FNUZ || t == HN_F8E5M2 || t == HN_F8E5M2FNUZ;
}

static void put_floats(hn_tensor *y, size_t first, size_t n, const double *v, options o)
{
    uint8_t *code = (uint8_t *)y->data + first;
    if (y->dtype == HN_F8E8M0)
        for (size_t i = 0; i < n; i++)
            code[i] = (uint8_t)to_e8m0(v[i], o);
    else if (is_float8(y->dtype))
        for (size_t i = 0; i < n; i++)
            code[i] = (uint8_t)hn_f64_to_small(y->dtype, v[i], o.saturate);
    else
        hn_put_f64(y, first, n, v);
}

/* 64-bit integers to float in one rounding; through double there would be two. */
static void put_u64_as_f32(hn_tensor *y, size_t first, size_t n, const int64_t *v)
{
    for (size_t i = 0; i < n; i++)
        ((float *)y->data)[first + i] = (float)(uint64_t)v[i];
}

static void cast_numbers(const hn_tensor *x, hn_tensor *y, options o)
{
    size_t count = hn_count(x);
    bool whole = !hn_is_float(x->dtype) && (!hn_is_float(y->dtype) || y->dtype == HN_F32);
    for (size_t i = 0; i < count; i += CHUNK) {
        size_t n = hn_min(CHUNK, count - i);
        if (whole) {
            int64_t v[CHUNK];
            hn_get_i64(x, i, n, v);
            if (x->dtype == HN_U64 && y->dtype == HN_F32)
                put_u64_as_f32(y, i, n, v);
            else
                hn_put_i64(y, i, n, v);
        } else {
            double v[CHUNK];
            hn_get_f64(x, i, n, v);
            put_floats(y, i, n, v, o);
        }
    }
}

/* ---- Numbers to text ------------------------------------------------------------------- */

/* The fewest digits that read back as the same value of its own type, in plain notation between 1e-4
 * and 1e16 and with an exponent outside, as numpy and Python print them. */
static void print_float(hn_dtype type, double v, char out[TEXT_MAX])
{
    uint64_t bits;
    hn_tensor one = { type, { .rank = 0 }, &bits };
    char text[40];
    double back = 0;

    if (!isfinite(v)) {
        strcpy(out, isnan(v) ? "nan" : v < 0 ? "-inf" : "inf");
        return;
    }
    int digits = 0;
    do {
        snprintf(text, sizeof text, "%.*e", digits, v);
        back = strtod(text, NULL);
        hn_put_f64(&one, 0, 1, &back);
        hn_get_f64(&one, 0, 1, &back);
    } while (back != v && ++digits < 17);

    char *e = strchr(text, 'e');
    int exp = atoi(e + 1);
    if (exp < -4 || exp >= 16) {
        strcpy(out, text);
    } else if (digits > exp) {
        snprintf(out, TEXT_MAX, "%.*f", digits - exp, strtod(text, NULL));
    } else {
        snprintf(out, TEXT_MAX, "%.1f", strtod(text, NULL));
    }
}

static hn_err print_numbers(hn_call *c)
{
    const hn_tensor *x = c->in[0];
    hn_text *out = c->out[0]->data;
    size_t count = hn_count(x);
    char text[TEXT_MAX];

    for (size_t i = 0; i < count; i++) {
        int64_t v;
        double f;
        if (hn_is_float(x->dtype)) {
            hn_get_f64(x, i, 1, &f);
            print_float(x->dtype, f, text);
        } else {
            hn_get_i64(x, i, 1, &v);
            if (x->dtype == HN_BOOL)
                strcpy(text, v ? "True" : "False");
            else if (x->dtype == HN_U64)
                snprintf(text, sizeof text, "%llu", (unsigned long long)v);
            else
                snprintf(text, sizeof text, "%lld", (long long)v);
        }
        out[i].len = strlen(text);
        out[i].ptr = hn_arena_text(c->text, text, out[i].len);
        if (!out[i].ptr)
            return hn_nomem(c->cx, "numbers as text");
    }
    return HN_OK;
}

/* ---- Text to numbers ------------------------------------------------------------------- */

/* Decimal and scientific notation, and INF and NaN in any case; nothing before or after but blanks. */
static bool read_number(hn_text t, hn_dtype to, int64_t *whole, double *v)
{
    char text[TEXT_MAX], *end;
    if (t.len == 0 || t.len >= sizeof text || memchr(t.ptr, 0, t.len))
        return false;
    memcpy(text, t.ptr, t.len);
    text[t.len] = 0;
    if (strpbrk(text, "xXpP("))              /* strtod's hexadecimal and nan(...) are not numbers here */
        return false;
    *v = strtod(text, &end);
    if (end == text || end[strspn(end, " \t\r\n")])
        return false;
    errno = 0;
    if (to == HN_U64 && !strchr(text, '-'))
        *whole = (int64_t)strtoull(text, &end, 10);
    else
        *whole = strtoll(text, &end, 10);
    if (errno || end[strspn(end, " \t\r\n")]) {      /* not a plain integer: by way of the float */
        hn_tensor i64 = { to == HN_U64 ? HN_U64 : HN_I64, { .rank = 0 }, whole };
        hn_put_f64(&i64, 0, 1, v);
    }
    return true;
}

static hn_err read_numbers(hn_call *c, options o)
{
    const hn_text *x = c->in[0]->data;
    hn_tensor *y = c->out[0];
    size_t count = hn_count(c->in[0]);

    for (size_t i = 0; i < count; i++) {
        int64_t whole;
        double v;
        if (!read_number(x[i], y->dtype, &whole, &v))
            return hn_bad(c, "element %zu, '%.*s', is not a number", i, (int)hn_min(x[i].len, 40),
                          x[i].len ? x[i].ptr : "");
        if (hn_is_float(y->dtype) || y->dtype == HN_BOOL)
            put_floats(y, i, 1, &v, o);
        else
            hn_put_i64(y, i, 1, &whole);
    }
    return HN_OK;
}

static hn_err run_cast(hn_call *c)
{
    const hn_tensor *x = c->in[0];
    hn_tensor *y = c->out[0];
    options o;

    HN_TRY(find_options(c, &o));
    if (x->dtype == y->dtype) {
        if (hn_bytes(x))
            memcpy(y->data, x->data, hn_bytes(x));
        return HN_OK;
    }
    if (x->dtype == HN_STR)
        return read_numbers(c, o);
    if (y->dtype == HN_STR)
        return print_numbers(c);
    cast_numbers(x, y, o);
    return HN_OK;
}

/* ---- BitCast --------------------------------------------------------------------------- */

static hn_err infer_bits(hn_call *c)
{
    int64_t code = hn_attr_int(c->node, "to", 0);
    hn_dtype from = c->in[0]->dtype, to = hn_dtype_from_onnx(code);
    if (to == HN_NONE)
        return hn_bad(c, "'to' is %lld, which is no type", (long long)code);
    if (from == HN_STR || to == HN_STR || hn_dtype_bits(from) != hn_dtype_bits(to))
        return hn_bad(c, "the bits of %s cannot be those of %s", hn_dtype_name(from), hn_dtype_name(to));
    hn_out(c, 0, to, &c->in[0]->shape);
    return HN_OK;
}

static hn_err run_bits(hn_call *c)
{
    if (c->out[0]->data != c->in[0]->data && hn_bytes(c->in[0]))
        memcpy(c->out[0]->data, c->in[0]->data, hn_bytes(c->in[0]));
    return HN_OK;
}

#define OPTIONS                                                                                     \
    { "saturate", HN_ATTR_INT, "1: too large a value becomes the largest, in 8-bit floats" },       \
    { "round_mode", HN_ATTR_TEXT, "up, down or nearest, to f8e8m0" }

static const hn_attr_spec cast_attr[] = { { "to", HN_ATTR_INT, "" }, OPTIONS, { 0 } };
static const hn_attr_spec like_attr[] = { OPTIONS, { 0 } };
static const hn_attr_spec bits_attr[] = { { "to", HN_ATTR_INT, "" }, { 0 } };

const hn_op hn_op_cast = {
    .name = "Cast", .since = 28, .min_in = 1, .max_in = 1, .min_out = 1, .max_out = 1,
    .attr = cast_attr, .infer = infer_cast, .run = run_cast,
};

const hn_op hn_op_cast_like = {
    .name = "CastLike", .since = 25, .min_in = 2, .max_in = 2, .min_out = 1, .max_out = 1,
    .attr = like_attr, .infer = infer_cast_like, .run = run_cast,
};

const hn_op hn_op_bit_cast = {
    .name = "BitCast", .since = 26, .min_in = 1, .max_in = 1, .min_out = 1, .max_out = 1,
    .flags = HN_OP_VIEW, .attr = bits_attr, .infer = infer_bits, .run = run_bits,
};
