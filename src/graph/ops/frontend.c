/* SPDX-License-Identifier: Apache-2.0 */
/* frontend.c: the audio front end of TensorFlow Lite for Microcontrollers, in the "hone" domain: from
 * 16-bit samples to log-mel features, in integers alone and bit for bit as there.
 *
 *     SignalWindow        x i16, weights i16        ->  x weights >> shift, saturated
 *     SignalFftAutoScale  x i16                     ->  x as many bits up as fit, and how many
 *     SignalEnergy        pairs of i16              ->  u32, the square of their lengths
 *     SignalFilterBank    energies u32, tables i16  ->  u64, overlapping triangles
 *     ...SquareRoot       u64, bits                 ->  u32
 *     ...SpectralSubtraction  u32, noise so far     ->  what rises above the noise, the noise from now on
 *     SignalPCAN          u32, noise u32, gains i16 ->  u32, the gain each channel's noise asks for
 *     ...Log              u32                       ->  i16 */
#include <math.h>
#include <stdlib.h>

#include "graph/load.h"

static int32_t narrow16(int64_t v) { return v < INT16_MIN ? INT16_MIN : v > INT16_MAX ? INT16_MAX : (int32_t)v; }

/* Bits up to the highest one set: 0 for 0. */
static int bit_length(uint64_t v)
{
    int n = 0;
    for (; v; v >>= 1)
        n++;
    return n;
}

/* An attribute that is a number of bits to shift by. */
static hn_err read_shift(hn_call *c, const char *name, int most, int *out)
{
    int64_t v = hn_attr_int(c->node, name, 0);
    if (v < 0 || v > most)
        return hn_bad(c, "%s is %lld, expected 0 to %d", name, (long long)v, most);
    *out = (int)v;
    return HN_OK;
}

static hn_err want_count(hn_call *c, int i, int64_t count)
{
    const hn_shape *s = &c->in[i]->shape;
    if (hn_shape_known(s) && hn_shape_count(s) != (size_t)count)
        return hn_bad(c, "input %d has %zu entries, expected %lld", i, hn_shape_count(s), (long long)count);
    return HN_OK;
}

/* ---- SignalWindow ------------------------------------------------------------------------------ */

static hn_err infer_window(hn_call *c)
{
    int shift;
    const hn_shape *x = &c->in[0]->shape, *w = &c->in[1]->shape;
    HN_TRY(hn_want_type(c, 0, HN_I16));
    HN_TRY(hn_want_type(c, 1, HN_I16));
    HN_TRY(hn_want_rank(c, 1, 1));
    HN_TRY(read_shift(c, "shift", 31, &shift));
    if (hn_shape_known(x) && hn_shape_known(w) && (w->dim[0] == 0 || hn_shape_count(x) % (size_t)w->dim[0]))
        return hn_bad(c, "a window of %lld over %zu samples", (long long)w->dim[0], hn_shape_count(x));
    hn_out(c, 0, HN_I16, x);
    return HN_OK;
}

static hn_err run_window(hn_call *c)
{
    const int16_t *x = c->in[0]->data, *w = c->in[1]->data;
    int16_t *y = c->out[0]->data;
    size_t size = hn_count(c->in[1]);
    int shift = 0;
    HN_TRY(read_shift(c, "shift", 31, &shift));
    for (size_t i = 0; i < hn_count(c->in[0]); i++)
        y[i] = (int16_t)narrow16((int32_t)x[i] * w[i % size] >> shift);
    return HN_OK;
}

/* ---- SignalFftAutoScale ------------------------------------------------------------------------ */

static hn_err infer_auto_scale(hn_call *c)
{
    hn_shape scalar = { .rank = 0 };
    HN_TRY(hn_want_type(c, 0, HN_I16));
    hn_out(c, 0, HN_I16, &c->in[0]->shape);
    hn_out(c, 1, HN_I32, &scalar);
    return HN_OK;
}

static hn_err run_auto_scale(hn_call *c)
{
    const int16_t *x = c->in[0]->data;
    int16_t *y = c->out[0]->data;
    int32_t most = 0;
    for (size_t i = 0; i < hn_count(c->in[0]); i++)
        most = abs(x[i]) > most ? abs(x[i]) : most;
    int bits = 15 - bit_length((uint64_t)most);
    bits = bits > 0 ? bits : 0;
    for (size_t i = 0; i < hn_count(c->in[0]); i++)
        y[i] = (int16_t)(x[i] * (1 << bits));
    if (hn_has_out(c, 1))
        *(int32_t *)c->out[1]->data = bits;
    return HN_OK;
}

/* ---- SignalEnergy ------------------------------------------------------------------------------- */

static hn_err infer_energy(hn_call *c)
{
    hn_shape s = c->in[0]->shape;
    HN_TRY(hn_want_type(c, 0, HN_I16));
    HN_TRY(hn_want_rank(c, 0, 1));
    if (s.rank == 1 && !hn_is_symbol(s.dim[0])) {
        int64_t places = s.dim[0] / 2, from = hn_attr_int(c->node, "start_index", 0);
        int64_t to = hn_attr_int(c->node, "end_index", places);
        if (from < 0 || to > places || from > to)
            return hn_bad(c, "places %lld to %lld of %lld", (long long)from, (long long)to, (long long)places);
        s.dim[0] = places;
    } else if (s.rank == 1) {
        s.dim[0] = hn_fresh_dim(c);
    }
    hn_out(c, 0, HN_U32, &s);
    return HN_OK;
}

/* What lies outside of the range asked for is 0. */
static hn_err run_energy(hn_call *c)
{
    const int16_t *x = c->in[0]->data;
    uint32_t *y = c->out[0]->data;
    int64_t count = (int64_t)hn_count(c->out[0]);
    int64_t from = hn_attr_int(c->node, "start_index", 0), to = hn_attr_int(c->node, "end_index", count);
    for (int64_t i = 0; i < count; i++) {
        int32_t re = x[2 * i], im = x[2 * i + 1];
        y[i] = i >= from && i < to ? (uint32_t)(re * re) + (uint32_t)(im * im) : 0;
    }
    return HN_OK;
}

/* ---- SignalFilterBank --------------------------------------------------------------------------- */

enum { ENERGY, WEIGHT, UNWEIGHT, FREQUENCY, FIRST, WIDTH };

static hn_err infer_filter_bank(hn_call *c)
{
    int64_t channels = hn_attr_int(c->node, "num_channels", 0);
    hn_shape s = { .rank = 1, .dim = { channels } };
    HN_TRY(hn_want_type(c, ENERGY, HN_U32));
    HN_TRY(hn_want_rank(c, ENERGY, 1));
    for (int i = WEIGHT; i <= WIDTH; i++)
        HN_TRY(hn_want_type(c, i, HN_I16));
    if (channels < 1 || channels > 1 << 16)
        return hn_bad(c, "num_channels is %lld", (long long)channels);
    for (int i = FREQUENCY; i <= WIDTH; i++)
        HN_TRY(want_count(c, i, channels + 1));
    hn_out(c, 0, HN_U64, &s);
    return HN_OK;
}

/* Channel i rises over its own places and falls over the next one's: its sum takes the weights of its
 * own and the counterweights of those before, which the channel before left. */
static hn_err run_filter_bank(hn_call *c)
{
    const uint32_t *x = c->in[ENERGY]->data;
    const int16_t *w = c->in[WEIGHT]->data, *u = c->in[UNWEIGHT]->data;
    const int16_t *frequency = c->in[FREQUENCY]->data, *first = c->in[FIRST]->data, *width = c->in[WIDTH]->data;
    uint64_t *y = c->out[0]->data, rise = 0, fall = 0;
    int64_t places = (int64_t)hn_count(c->in[ENERGY]), weights = (int64_t)hn_count(c->in[WEIGHT]);
    int64_t unweights = (int64_t)hn_count(c->in[UNWEIGHT]), most = weights < unweights ? weights : unweights;
    for (size_t i = 0; i <= hn_count(c->out[0]); i++) {
        if (width[i] > 0 && (frequency[i] < 0 || first[i] < 0 || frequency[i] + width[i] > places ||
                             first[i] + width[i] > most))
            return hn_bad(c, "channel %zu: %d places from %d, weights from %d, lead outside of %lld places and %lld weights",
                          i, width[i], frequency[i], first[i], (long long)places, (long long)most);
        for (int j = 0; j < width[i]; j++) {
            rise += (uint64_t)w[first[i] + j] * x[frequency[i] + j];
            fall += (uint64_t)u[first[i] + j] * x[frequency[i] + j];
        }
        if (i)                                          /* the first has nothing before it and is left out */
            y[i - 1] = rise;
        rise = fall;
        fall = 0;
    }
    return HN_OK;
}

/* ---- SignalFilterBankSquareRoot ------------------------------------------------------------------ */

static hn_err infer_root(hn_call *c)
{
    HN_TRY(hn_want_type(c, 0, HN_U64));
    HN_TRY(hn_want_type(c, 1, HN_I32));
    HN_TRY(want_count(c, 1, 1));
    hn_out(c, 0, HN_U32, &c->in[0]->shape);
    return HN_OK;
}

/* The nearest whole number, but never one with more bits than half of v's own 32 or 64. */
static uint32_t square_root(uint64_t v)
{
    uint64_t root = 0, rest = v, most = v >> 32 ? UINT32_MAX : UINT16_MAX;
    for (uint64_t bit = (uint64_t)1 << 62; bit; bit >>= 2)
        if (rest >= root + bit) {
            rest -= root + bit;
            root = (root >> 1) + bit;
        } else {
            root >>= 1;
        }
    return (uint32_t)(rest > root && root != most ? root + 1 : root);
}

static hn_err run_root(hn_call *c)
{
    const uint64_t *x = c->in[0]->data;
    uint32_t *y = c->out[0]->data;
    int32_t bits = *(const int32_t *)c->in[1]->data;
    if (bits < 0 || bits > 31)
        return hn_bad(c, "a shift of %d bits, expected 0 to 31", bits);
    for (size_t i = 0; i < hn_count(c->out[0]); i++)
        y[i] = square_root(x[i]) >> bits;
    return HN_OK;
}

/* ---- SignalFilterBankSpectralSubtraction ---------------------------------------------------------- */

static hn_err infer_subtraction(hn_call *c)
{
    int bits;
    HN_TRY(hn_want_type(c, 0, HN_U32));
    HN_TRY(hn_want_type(c, 1, HN_U32));
    HN_TRY(read_shift(c, "smoothing_bits", 31, &bits));
    HN_TRY(read_shift(c, "spectral_subtraction_bits", 31, &bits));
    if (hn_shape_known(&c->in[0]->shape))
        HN_TRY(want_count(c, 1, (int64_t)hn_count(c->in[0])));
    hn_out(c, 0, HN_U32, &c->in[0]->shape);
    hn_out(c, 1, HN_U32, &c->in[1]->shape);
    return HN_OK;
}

static hn_err run_subtraction(hn_call *c)
{
    static const char *const keep[] = { "one_minus_smoothing", "alternate_one_minus_smoothing" };
    static const char *const take[] = { "smoothing", "alternate_smoothing" };
    const uint32_t *x = c->in[0]->data, *noise = c->in[1]->data;
    uint32_t *y = c->out[0]->data, *next = hn_has_out(c, 1) ? c->out[1]->data : NULL;
    uint32_t least = (uint32_t)hn_attr_int(c->node, "min_signal_remaining", 0), a[2], b[2];
    bool clamping = hn_attr_int(c->node, "clamping", 0);
    int up = 0, down = 0;
    HN_TRY(read_shift(c, "smoothing_bits", 31, &up));
    HN_TRY(read_shift(c, "spectral_subtraction_bits", 31, &down));
    for (int i = 0; i < 2; i++) {                       /* odd channels have numbers of their own */
        a[i] = (uint32_t)hn_attr_int(c->node, take[i], 0);
        b[i] = (uint32_t)hn_attr_int(c->node, keep[i], 0);
    }
    for (size_t i = 0; i < hn_count(c->in[0]); i++) {
        uint32_t signal = x[i] << up;
        uint32_t estimate = (uint32_t)(((uint64_t)signal * a[i & 1] + (uint64_t)noise[i] * b[i & 1]) >> down);
        uint32_t taken = estimate < signal ? estimate : signal;
        uint32_t low = (uint32_t)((uint64_t)x[i] * least >> down), rest = (signal - taken) >> up;
        if (next)
            next[i] = clamping ? taken : estimate;
        y[i] = rest > low ? rest : low;
    }
    return HN_OK;
}

/* ---- SignalPCAN: per-channel gain -------------------------------------------------------------- */

enum { SNR_BITS = 12, OUT_BITS = 6 };                   /* behind the point: of the ratio, of the result */
enum { GAINS_MIN = 3 };                                 /* those of 0, 1 and 2, before the segments begin */

static hn_err infer_pcan(hn_call *c)
{
    int shift = 0;
    HN_TRY(hn_want_type(c, 0, HN_U32));
    HN_TRY(hn_want_type(c, 1, HN_U32));
    HN_TRY(hn_want_type(c, 2, HN_I16));
    HN_TRY(read_shift(c, "snr_shift", 63, &shift));
    if (hn_shape_known(&c->in[0]->shape))
        HN_TRY(want_count(c, 1, (int64_t)hn_count(c->in[0])));
    if (hn_shape_known(&c->in[2]->shape) && hn_count(c->in[2]) < GAINS_MIN)
        return hn_bad(c, "%zu gains, expected %d or more", hn_count(c->in[2]), GAINS_MIN);
    hn_out(c, 0, HN_U32, &c->in[0]->shape);
    return HN_OK;
}

/* Three numbers and a gap for each power of two: a parabola over the numbers of that length. */
static hn_err gain(hn_call *c, uint32_t x, int16_t *out)
{
    const int16_t *g = c->in[2]->data;
    int bits = bit_length(x);
    size_t at = x <= 2 ? x : 4 * (size_t)bits - 6;
    if (x > 2 && at + 2 >= hn_count(c->in[2]))
        return hn_bad(c, "noise of %u needs more than the %zu gains there are", x, hn_count(c->in[2]));
    *out = g[at];
    if (x <= 2)
        return HN_OK;
    int64_t part = (bits < 11 ? x << (11 - bits) : x >> (bits - 11)) & 0x3ff;
    int64_t v = ((g[at + 2] * part) >> 5) + (int64_t)g[at + 1] * 32;
    *out = (int16_t)(((v * part + (1 << 14)) >> 15) + g[at]);
    return HN_OK;
}

/* x^2 / 4 below 2, x - 1 from there on. */
static uint32_t shrink(uint32_t x)
{
    return x < 2u << SNR_BITS ? (x * x) >> (2 + 2 * SNR_BITS - OUT_BITS)
                              : (x >> (SNR_BITS - OUT_BITS)) - (1u << OUT_BITS);
}

static hn_err run_pcan(hn_call *c)
{
    const uint32_t *x = c->in[0]->data, *noise = c->in[1]->data;
    uint32_t *y = c->out[0]->data;
    int shift = 0;
    int16_t g = 0;
    HN_TRY(read_shift(c, "snr_shift", 63, &shift));
    for (size_t i = 0; i < hn_count(c->in[0]); i++) {
        HN_TRY(gain(c, noise[i], &g));
        y[i] = shrink((uint32_t)((uint64_t)x[i] * (uint32_t)g >> shift));
    }
    return HN_OK;
}

/* ---- SignalFilterBankLog ------------------------------------------------------------------------ */

static hn_err infer_log(hn_call *c)
{
    int bits;
    HN_TRY(hn_want_type(c, 0, HN_U32));
    HN_TRY(read_shift(c, "input_correction_bits", 31, &bits));
    hn_out(c, 0, HN_I16, &c->in[0]->shape);
    return HN_OK;
}

enum { LOG_BITS = 16, SEGMENT_BITS = 7 };               /* behind the point; 128 segments of log2 from 1 to 2 */

/* How far log2(1 + i / 128) lies above i / 128. */
static int32_t bulge(int32_t i)
{
    double x = (double)i / (1 << SEGMENT_BITS);
    return (int32_t)lround((log2(1 + x) - x) * (1 << LOG_BITS));
}

/* ln(x) scale for x above 1, in lines between the segments' ends. */
static uint32_t log_scaled(uint32_t x, uint32_t scale)
{
    const uint32_t half = 1u << (LOG_BITS - 1);
    int whole = bit_length(x) - 1, segment = LOG_BITS - SEGMENT_BITS;
    int32_t part = (int32_t)(x - (1u << whole));
    part = whole < LOG_BITS ? part << (LOG_BITS - whole) : part >> (whole - LOG_BITS);
    int32_t i = part >> segment, low = bulge(i);
    int32_t along = ((bulge(i + 1) - low) * (part - (i << segment))) >> LOG_BITS;
    uint32_t binary = ((uint32_t)whole << LOG_BITS) + (uint32_t)(part + low + along);
    uint32_t natural = (uint32_t)(((uint64_t)45426 * binary + half) >> LOG_BITS);       /* ln 2 in 16 bits */
    return (scale * natural + half) >> LOG_BITS;
}

static hn_err run_log(hn_call *c)
{
    const uint32_t *x = c->in[0]->data;
    int16_t *y = c->out[0]->data;
    uint32_t scale = (uint32_t)hn_attr_int(c->node, "output_scale", 1);
    int bits = 0;
    HN_TRY(read_shift(c, "input_correction_bits", 31, &bits));
    for (size_t i = 0; i < hn_count(c->in[0]); i++) {
        uint32_t v = x[i] << bits, ln = v > 1 ? log_scaled(v, scale) : 0;
        y[i] = (int16_t)(ln < INT16_MAX ? ln : INT16_MAX);
    }
    return HN_OK;
}

static const hn_attr_spec window_attr[] = { { "shift", HN_ATTR_INT, "0" }, { 0 } };
static const hn_attr_spec energy_attr[] = {
    { "end_index", HN_ATTR_INT, "all" }, { "start_index", HN_ATTR_INT, "0" }, { 0 }
};
static const hn_attr_spec bank_attr[] = { { "num_channels", HN_ATTR_INT, "" }, { 0 } };
static const hn_attr_spec subtraction_attr[] = {
    { "alternate_one_minus_smoothing", HN_ATTR_INT, "" }, { "alternate_smoothing", HN_ATTR_INT, "" },
    { "clamping", HN_ATTR_INT, "0" }, { "min_signal_remaining", HN_ATTR_INT, "" },
    { "one_minus_smoothing", HN_ATTR_INT, "" }, { "smoothing", HN_ATTR_INT, "" },
    { "smoothing_bits", HN_ATTR_INT, "" }, { "spectral_subtraction_bits", HN_ATTR_INT, "" }, { 0 }
};
static const hn_attr_spec pcan_attr[] = { { "snr_shift", HN_ATTR_INT, "" }, { 0 } };
static const hn_attr_spec log_attr[] = {
    { "input_correction_bits", HN_ATTR_INT, "0" }, { "output_scale", HN_ATTR_INT, "1" }, { 0 }
};

#define SIGNAL(id, NAME, INS, OUTS, ATTR, WHAT)                                                              \
    const hn_op hn_op_##id = { .name = NAME, .domain = "hone", .since = 1, .min_in = INS, .max_in = INS,     \
                               .min_out = 1, .max_out = OUTS, .attr = ATTR, .infer = infer_##WHAT,           \
                               .run = run_##WHAT };
SIGNAL(signal_window, "SignalWindow", 2, 1, window_attr, window)
SIGNAL(signal_auto_scale, "SignalFftAutoScale", 1, 2, NULL, auto_scale)
SIGNAL(signal_energy, "SignalEnergy", 1, 1, energy_attr, energy)
SIGNAL(signal_filter_bank, "SignalFilterBank", 6, 1, bank_attr, filter_bank)
SIGNAL(signal_root, "SignalFilterBankSquareRoot", 2, 1, NULL, root)
SIGNAL(signal_subtraction, "SignalFilterBankSpectralSubtraction", 2, 2, subtraction_attr, subtraction)
SIGNAL(signal_pcan, "SignalPCAN", 3, 1, pcan_attr, pcan)
SIGNAL(signal_log, "SignalFilterBankLog", 1, 1, log_attr, log)
