/* SPDX-License-Identifier: Apache-2.0 */
/* arith.c: two or more numbers in, one out, with numpy broadcasting. */
#include <math.h>

#include "graph/elementwise.h"

static double f_add(double a, double b) { return a + b; }
static double f_sub(double a, double b) { return a - b; }
static double f_mul(double a, double b) { return a * b; }
static double f_div(double a, double b) { return a / b; }
static int64_t i_add(int64_t a, int64_t b) { return (int64_t)((uint64_t)a + (uint64_t)b); }
static int64_t i_sub(int64_t a, int64_t b) { return (int64_t)((uint64_t)a - (uint64_t)b); }
static int64_t i_mul(int64_t a, int64_t b) { return (int64_t)((uint64_t)a * (uint64_t)b); }

/* Division by zero has no value in ONNX; it must not be a trap either. */
static int64_t i_div(int64_t a, int64_t b)
{
    return b == 0 ? 0 : b == -1 ? (int64_t)-(uint64_t)a : a / b;
}
static int64_t u_div(uint64_t a, uint64_t b) { return b == 0 ? 0 : (int64_t)(a / b); }

/* NaN wins over any number, as in numpy. */
static double f_max(double a, double b) { return isnan(a) || a > b ? a : b; }
static double f_min(double a, double b) { return isnan(a) || a < b ? a : b; }
static int64_t i_max(int64_t a, int64_t b) { return a > b ? a : b; }
static int64_t i_min(int64_t a, int64_t b) { return a < b ? a : b; }
static int64_t u_max(uint64_t a, uint64_t b) { return (int64_t)(a > b ? a : b); }
static int64_t u_min(uint64_t a, uint64_t b) { return (int64_t)(a < b ? a : b); }

/* ---- What is known of sums and products of dimensions ---------------------------------- */

static bool is_size(int64_t v) { return v >= 0 || hn_is_symbol(v); }
static bool numbers(int64_t a, int64_t b) { return !hn_is_symbol(a) && !hn_is_symbol(b); }

/* A result that happens to look like a symbol is not told. */
static bool told(int64_t v, int64_t *out)
{
    *out = v;
    return !hn_is_symbol(v);
}

static bool fresh(hn_call *c, int64_t *out)
{
    *out = hn_fresh_dim(c);
    return true;
}

static bool known_add(hn_call *c, int64_t a, int64_t b, int64_t *out)
{
    if (numbers(a, b))
        return told(i_add(a, b), out);
    if (a == 0 || b == 0) {
        *out = a == 0 ? b : a;
        return true;
    }
    return is_size(a) && is_size(b) && fresh(c, out);
}

static bool known_sub(hn_call *c, int64_t a, int64_t b, int64_t *out)
{
    (void)c;
    if (numbers(a, b))
        return told(i_sub(a, b), out);
    *out = a == b ? 0 : a;
    return a == b || b == 0;             /* any other difference may be negative */
}

static bool known_mul(hn_call *c, int64_t a, int64_t b, int64_t *out)
{
    if (numbers(a, b))
        return told(i_mul(a, b), out);
    if (a == 1 || b == 1) {
        *out = a == 1 ? b : a;
        return true;
    }
    if (a == 0 || b == 0)
        return told(0, out);
    return is_size(a) && is_size(b) && fresh(c, out);
}

static bool known_div(hn_call *c, int64_t a, int64_t b, int64_t *out)
{
    if (numbers(a, b))
        return b != 0 && told(i_div(a, b), out);
    *out = a;
    if (b == 1)
        return true;
    return is_size(a) && is_size(b) && b != 0 && fresh(c, out);
}

static bool known_max(hn_call *c, int64_t a, int64_t b, int64_t *out)
{
    if (numbers(a, b))
        return told(i_max(a, b), out);
    if (a == b || (numbers(b, 0) && b <= 0)) {
        *out = a;
        return true;
    }
    if (numbers(a, 0) && a <= 0) {
        *out = b;
        return true;
    }
    return fresh(c, out);
}

static bool known_min(hn_call *c, int64_t a, int64_t b, int64_t *out)
{
    if (numbers(a, b))
        return told(i_min(a, b), out);
    *out = a;
    return a == b || (is_size(a) && is_size(b) && fresh(c, out));
}

/* ---- Two operands ---------------------------------------------------------------------- */

#define ARITH(id, onnx, opset, ...)                                                     \
    static hn_err infer_##id(hn_call *c)                                                \
    {                                                                                   \
        HN_TRY(hn_infer_broadcast(c));                                                  \
        hn_zip_known(c, known_##id);                                                    \
        return HN_OK;                                                                   \
    }                                                                                   \
    static hn_err run_##id(hn_call *c) { return hn_zip(c, (hn_zip_fns){ __VA_ARGS__ }); } \
    const hn_op hn_op_##id = { .name = onnx, .since = opset, .min_in = 2, .max_in = 2,  \
        .min_out = 1, .max_out = 1, .flags = HN_OP_BROADCAST,                           \
        .infer = infer_##id, .run = run_##id };

ARITH(add, "Add", 14, f_add, i_add)
ARITH(sub, "Sub", 14, f_sub, i_sub)
ARITH(mul, "Mul", 14, f_mul, i_mul)
ARITH(div, "Div", 14, f_div, i_div, u_div)

/* ---- Mod: the sign of the divisor (as in Python), or with fmod that of the dividend ------ */

static double f_mod(double a, double b)
{
    double r = fmod(a, b);
    if (r == 0)
        return copysign(0, b);
    return (r < 0) != (b < 0) ? r + b : r;       /* NaN falls through either way */
}

static int64_t i_fmod(int64_t a, int64_t b) { return b == 0 || b == -1 ? 0 : a % b; }
static int64_t i_mod(int64_t a, int64_t b)
{
    int64_t r = i_fmod(a, b);
    return r && (r < 0) != (b < 0) ? r + b : r;
}
static int64_t u_mod(uint64_t a, uint64_t b) { return b == 0 ? 0 : (int64_t)(a % b); }

static bool known_mod(hn_call *c, int64_t a, int64_t b, int64_t *out)
{
    if (numbers(a, b))
        return b != 0 && told(hn_attr_int(c->node, "fmod", 0) ? i_fmod(a, b) : i_mod(a, b), out);
    if (b == 1)
        return told(0, out);
    return is_size(a) && is_size(b) && b != 0 && fresh(c, out);
}

static hn_err infer_mod(hn_call *c)
{
    int64_t fm = hn_attr_int(c->node, "fmod", 0);
    if (fm != 0 && fm != 1)
        return hn_bad(c, "fmod is %lld, expected 0 or 1", (long long)fm);
    HN_TRY(hn_infer_broadcast(c));
    hn_zip_known(c, known_mod);
    return HN_OK;
}

static hn_err run_mod(hn_call *c)
{
    return hn_zip(c, hn_attr_int(c->node, "fmod", 0) ? (hn_zip_fns){ fmod, i_fmod, u_mod }
                                                     : (hn_zip_fns){ f_mod, i_mod, u_mod });
}

static const hn_attr_spec mod_attr[] = { { "fmod", HN_ATTR_INT, "0: the result has the divisor's sign" }, { 0 } };

const hn_op hn_op_mod = {
    .name = "Mod", .since = 28, .min_in = 2, .max_in = 2, .min_out = 1, .max_out = 1,
    .flags = HN_OP_BROADCAST, .attr = mod_attr, .infer = infer_mod, .run = run_mod,
};

/* ---- Pow: the result has the type of the base ------------------------------------------ */

static int64_t u_pow(uint64_t base, uint64_t power)
{
    uint64_t r = 1;
    for (; power; power >>= 1, base *= base)
        if (power & 1)
            r *= base;
    return (int64_t)r;
}

static int64_t i_pow(int64_t base, int64_t power)
{
    if (power >= 0)
        return u_pow((uint64_t)base, (uint64_t)power);
    return base == 1 ? 1 : base == -1 ? (power & 1 ? -1 : 1) : 0;      /* a fraction, truncated */
}

static int64_t i_pow_unsigned(int64_t base, int64_t power) { return u_pow((uint64_t)base, (uint64_t)power); }

static hn_err infer_pow(hn_call *c)
{
    hn_shape s;
    HN_TRY(hn_broadcast(c, &c->in[0]->shape, &c->in[1]->shape, &s));
    hn_out(c, 0, c->in[0]->dtype, &s);
    return HN_OK;
}

static hn_err run_pow(hn_call *c)
{
    const hn_tensor *base = c->in[0], *power = c->in[1];
    int class = hn_dtype_class(power->dtype);
    hn_zip_fns fns = { pow, power->dtype == HN_U64 ? i_pow_unsigned : i_pow, u_pow };

    if (class == HN_CLASS_S || class == HN_CLASS_C)
        return hn_unsupported(c, "no such operation on %s", hn_dtype_name(power->dtype));
    if (hn_is_float(base->dtype) || !hn_is_float(power->dtype))
        return hn_zip_tensors(c, base, power, fns, c->out[0]);

    /* An integer to a float power goes through floats. */
    size_t count = hn_count(base);
    hn_tensor wide = { HN_F64, base->shape, HN_SCRATCH(c, double, count) };
    if (!wide.data)
        return hn_nomem(c->cx, "a power");
    hn_get_f64(base, 0, count, wide.data);
    return hn_zip_tensors(c, &wide, power, fns, c->out[0]);
}

const hn_op hn_op_pow = {
    .name = "Pow", .since = 15, .min_in = 2, .max_in = 2, .min_out = 1, .max_out = 1,
    .flags = HN_OP_BROADCAST, .infer = infer_pow, .run = run_pow,
};

/* ---- BitShift -------------------------------------------------------------------------- */

/* Bits past the width fall off when the result is stored; a shift that is negative or past 63 leaves
 * what the sign alone gives. */
static bool in_range(int64_t by) { return by >= 0 && by < 64; }
static int64_t i_left(int64_t x, int64_t by) { return in_range(by) ? (int64_t)((uint64_t)x << by) : 0; }
static int64_t u_left(uint64_t x, uint64_t by) { return by < 64 ? (int64_t)(x << by) : 0; }
static int64_t i_right(int64_t x, int64_t by) { return in_range(by) ? x >> by : x < 0 ? -1 : 0; }
static int64_t u_right(uint64_t x, uint64_t by) { return by < 64 ? (int64_t)(x >> by) : 0; }

static hn_err infer_shift(hn_call *c)
{
    if (!hn_attr_is(c->node, "direction", "LEFT", "") && !hn_attr_is(c->node, "direction", "RIGHT", ""))
        return hn_bad(c, "direction is neither LEFT nor RIGHT");
    return hn_infer_broadcast(c);
}

static hn_err run_shift(hn_call *c)
{
    bool left = hn_attr_is(c->node, "direction", "LEFT", "");
    return hn_zip(c, left ? (hn_zip_fns){ NULL, i_left, u_left } : (hn_zip_fns){ NULL, i_right, u_right });
}

static const hn_attr_spec shift_attr[] = { { "direction", HN_ATTR_TEXT, "LEFT or RIGHT" }, { 0 } };

const hn_op hn_op_bit_shift = {
    .name = "BitShift", .since = 28, .min_in = 2, .max_in = 2, .min_out = 1, .max_out = 1,
    .flags = HN_OP_BROADCAST, .attr = shift_attr, .infer = infer_shift, .run = run_shift,
};

/* ---- Any number of operands ------------------------------------------------------------ */

static hn_err infer_many(hn_call *c, hn_known_fn f)
{
    for (int i = 0; i < c->in_count; i++)
        if (!c->in[i])
            return hn_bad(c, "input %d is left out", i);
    HN_TRY(hn_infer_broadcast(c));
    if (f && c->in_count == 2)
        hn_zip_known(c, f);
    return HN_OK;
}

static hn_err infer_max(hn_call *c) { return infer_many(c, known_max); }
static hn_err infer_min(hn_call *c) { return infer_many(c, known_min); }
static hn_err infer_sum(hn_call *c) { return infer_many(c, NULL); }
static hn_err run_max(hn_call *c) { return hn_zip_all(c, (hn_zip_fns){ f_max, i_max, u_max }, c->out[0]); }
static hn_err run_min(hn_call *c) { return hn_zip_all(c, (hn_zip_fns){ f_min, i_min, u_min }, c->out[0]); }
static hn_err run_sum(hn_call *c) { return hn_zip_all(c, (hn_zip_fns){ f_add }, c->out[0]); }

static hn_err run_mean(hn_call *c)
{
    hn_tensor *y = c->out[0];
    size_t count = hn_count(y);
    double *sum = HN_SCRATCH(c, double, count);
    hn_tensor wide = { HN_F64, y->shape, sum };
    if (!sum)
        return hn_nomem(c->cx, "a mean");
    if (c->in_count == 1)
        hn_get_f64(c->in[0], 0, count, sum);
    else
        HN_TRY(hn_zip_all(c, (hn_zip_fns){ f_add }, &wide));
    for (size_t i = 0; i < count; i++)
        sum[i] /= c->in_count;
    hn_put_f64(y, 0, count, sum);
    return HN_OK;
}

#define MANY(id, onnx, infer_fn)                                                              \
    const hn_op hn_op_##id = { .name = onnx, .since = 13, .min_in = 1, .max_in = -1,          \
        .min_out = 1, .max_out = 1, .flags = HN_OP_BROADCAST,                                 \
        .infer = infer_fn, .run = run_##id };

MANY(max,  "Max",  infer_max)
MANY(min,  "Min",  infer_min)
MANY(sum,  "Sum",  infer_sum)
MANY(mean, "Mean", infer_sum)
