/* SPDX-License-Identifier: Apache-2.0 */
/* Kernels against what this core can do: GFLOP/s as a share of the measured multiply-add peak, GB/s
 * of bytes read and written, for each instruction set.
 *
 *     build/x86_64/bench/kernels [name]       only kernels whose line contains `name`
 *
 * Each figure is the best of many short slices, so a busy neighbour costs little. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/ctx.h"
#include "kernels/kernels.h"

typedef struct bench {
    const hn_kernels *k;
    const char *only;
    double peak;                    /* flop/s */
    float *a, *b, *c, *d;           /* FLOATS each */
} bench;

enum { FLOATS = 1 << 24, SLICE_NS = 2000000, SLICES = 40 };

/* Seconds of one call of work(arg): best slice of about 2 ms. */
static double best(void (*work)(void *), void *arg)
{
    uint64_t t0 = hn_now_ns();
    work(arg);
    uint64_t once = hn_now_ns() - t0, least = UINT64_MAX;
    size_t calls = once < SLICE_NS ? (size_t)(SLICE_NS / (once + 1)) + 1 : 1;
    for (int s = 0; s < SLICES; s++) {
        t0 = hn_now_ns();
        for (size_t i = 0; i < calls; i++)
            work(arg);
        uint64_t t = hn_now_ns() - t0;
        least = t < least ? t : least;
    }
    return (double)least * 1e-9 / (double)calls;
}

static bool wanted(const bench *b, const char *what) { return !b->only || strstr(what, b->only); }

static void say(const bench *b, const char *what, double seconds, double flops, double bytes)
{
    printf("%-7s %-34s %10.2f us", b->k->isa, what, seconds * 1e6);
    if (flops > 0)
        printf("  %7.1f GFLOP/s %4.0f %%", flops / seconds * 1e-9, 100 * flops / seconds / b->peak);
    if (bytes > 0)
        printf("  %7.1f GB/s", bytes / seconds * 1e-9);
    putchar('\n');
}

/* ---- Peaks ------------------------------------------------------------------------------------- */

enum { PEAK_ROUNDS = 2500 };
static double peak_flops;
static void peak_work(void *arg) { peak_flops = ((bench *)arg)->k->peak_fma_f32(PEAK_ROUNDS); }

typedef struct span_job { const bench *b; size_t n; volatile float used; } span_job;
static void read_work(void *arg)
{
    span_job *j = arg;
    j->used = j->b->k->peak_read_f32(j->b->a, j->n);
}

static void peaks(bench *b)
{
    double s = best(peak_work, b);
    b->peak = peak_flops / s;
    say(b, "peak: multiply-add", s, peak_flops, 0);
    static const struct { const char *what; size_t n; } sizes[] = {
        { "peak: read, first cache", 4096 }, { "peak: read, second cache", 65536 }, { "peak: read, memory", FLOATS },
    };
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        span_job j = { .b = b, .n = sizes[i].n };
        if (wanted(b, sizes[i].what))
            say(b, sizes[i].what, best(read_work, &j), 0, 4.0 * (double)j.n);
    }
}

/* ---- Matrix products ----------------------------------------------------------------------------- */

typedef struct gemm_job { const bench *b; hn_gemm_f32 g; } gemm_job;
static void gemm_work(void *arg) { gemm_job *j = arg; j->b->k->gemm_f32(&j->g); }
static void pack_work(void *arg)
{
    gemm_job *j = arg;
    j->b->k->pack_b_f32(j->b->d, j->b->b, j->g.n, j->g.k, j->g.n, 0);
}
static void pack_t_work(void *arg)
{
    gemm_job *j = arg;
    j->b->k->pack_b_f32(j->b->d, j->b->b, j->g.k, j->g.k, j->g.n, 1);
}

static void gemms(const bench *b)
{
    static const struct { size_t m, n, k; hn_act act; } shapes[] = {
        { 196, 256, 1024, { HN_ACT_NONE, 0, 0 } },    { 512, 512, 512, { HN_ACT_NONE, 0, 0 } },
        { 128, 1536, 384, { HN_ACT_GELU, 0, 0 } },    { 12544, 32, 32, { HN_ACT_CLIP, 0, 6 } },
        { 12544, 16, 96, { HN_ACT_NONE, 0, 0 } },     { 3136, 24, 144, { HN_ACT_NONE, 0, 0 } },
        { 3136, 144, 24, { HN_ACT_CLIP, 0, 6 } },     { 3136, 144, 24, { HN_ACT_SILU, 0, 0 } },
        { 12544, 32, 27, { HN_ACT_CLIP, 0, 6 } },     { 49, 320, 960, { HN_ACT_NONE, 0, 0 } },
        { 196, 512, 512, { HN_ACT_CLIP, 0, 6 } },     { 1024, 1024, 1024, { HN_ACT_NONE, 0, 0 } },
        { 1, 1000, 1280, { HN_ACT_NONE, 0, 0 } },     { 1, 128, 640, { HN_ACT_NONE, 0, 0 } },
        { 1, 4096, 4096, { HN_ACT_NONE, 0, 0 } },     { 2, 512, 512, { HN_ACT_NONE, 0, 0 } },
        { 4, 512, 512, { HN_ACT_NONE, 0, 0 } },       { 7, 512, 512, { HN_ACT_NONE, 0, 0 } },
    };
    for (size_t i = 0; i < sizeof shapes / sizeof *shapes; i++) {
        char what[64];
        gemm_job j = { b, { .m = shapes[i].m, .n = shapes[i].n, .k = shapes[i].k, .a = b->a, .lda = shapes[i].k,
                            .b = b->d, .c = b->c, .ldc = shapes[i].n, .bias = b->a, .act = shapes[i].act } };
        snprintf(what, sizeof what, "gemm %zux%zux%zu %s", j.g.m, j.g.n, j.g.k, hn_act_name(j.g.act.kind));
        if (!wanted(b, what))
            continue;
        double mn = (double)j.g.m * (double)j.g.n, k = (double)j.g.k;
        pack_work(&j);
        say(b, what, best(gemm_work, &j), 2 * mn * k, j.g.m == 1 ? 4 * mn * k : 0);
    }
    gemm_job j = { b, { .m = 1, .n = 1024, .k = 1024 } };
    if (wanted(b, "pack 1024x1024")) {
        say(b, "pack 1024x1024", best(pack_work, &j), 0, 8.0 * 1024 * 1024);
        say(b, "pack 1024x1024 transposed", best(pack_t_work, &j), 0, 8.0 * 1024 * 1024);
    }
}

/* ---- Windows ------------------------------------------------------------------------------------- */

typedef struct window_job { const bench *b; hn_window_f32 w; size_t in_h, out_h, pad; void (*run)(const hn_window_f32 *); } window_job;

/* A whole image, row by row. */
static void window_work(void *arg)
{
    window_job *j = arg;
    hn_window_f32 w = j->w;
    for (size_t y = 0; y < j->out_h; y++) {
        const float *rows[16];
        for (size_t r = 0; r < w.kh; r++) {
            size_t at = y * w.stride + r;
            rows[r] = at < j->pad || at >= j->in_h + j->pad ? NULL : j->b->a + (at - j->pad) * w.in_w * w.channels;
        }
        w.rows = rows;
        w.out = j->b->c + y * w.out_w * w.channels;
        j->run(&w);
    }
}

static void windows(const bench *b)
{
    const hn_kernels *k = b->k;
    const struct { const char *name; void (*run)(const hn_window_f32 *); size_t size, channels, kernel, stride; } shapes[] = {
        { "dwconv", k->dwconv_f32, 112, 32, 3, 1 }, { "dwconv", k->dwconv_f32, 112, 96, 3, 2 },
        { "dwconv", k->dwconv_f32, 56, 144, 3, 1 }, { "dwconv", k->dwconv_f32, 56, 128, 3, 1 },
        { "dwconv", k->dwconv_f32, 14, 512, 3, 1 }, { "dwconv", k->dwconv_f32, 7, 960, 3, 1 },
        { "dwconv", k->dwconv_f32, 14, 576, 3, 2 }, { "dwconv", k->dwconv_f32, 28, 120, 5, 1 },
        { "dwconv", k->dwconv_f32, 25, 64, 3, 1 },
        { "maxpool", k->maxpool_f32, 112, 64, 3, 2 }, { "maxpool", k->maxpool_f32, 112, 64, 2, 2 },
        { "avgpool", k->avgpool_f32, 56, 64, 3, 1 },
    };
    for (size_t i = 0; i < sizeof shapes / sizeof *shapes; i++) {
        char what[64];
        size_t kernel = shapes[i].kernel, pad = kernel / 2, out = (shapes[i].size + 2 * pad - kernel) / shapes[i].stride + 1;
        window_job j = { .b = b, .in_h = shapes[i].size, .out_h = out, .pad = pad, .run = shapes[i].run,
                         .w = { .kh = kernel, .kw = kernel, .in_w = shapes[i].size, .out_w = out, .channels = shapes[i].channels,
                                .stride = shapes[i].stride, .dilation = 1, .pad = pad, .weight = b->b, .bias = b->b } };
        if (j.run == k->dwconv_f32)
            j.w.act = (hn_act){ HN_ACT_CLIP, 0, 6 };
        snprintf(what, sizeof what, "%s %zux%zu s%zu, %zux%zux%zu", shapes[i].name, kernel, kernel, j.w.stride,
                 shapes[i].size, shapes[i].size, shapes[i].channels);
        if (!wanted(b, what))
            continue;
        double taps = (double)(out * out * j.w.channels) * (double)(kernel * kernel);
        double bytes = 4.0 * (double)((out * out + j.in_h * j.in_h) * j.w.channels);
        say(b, what, best(window_work, &j), j.run == k->dwconv_f32 ? 2 * taps : 0, bytes);
    }
}

/* ---- Rows: one call over n numbers ---------------------------------------------------------------- */

typedef struct row_job { const bench *b; size_t n; hn_act act; } row_job;
#define ROW(name, call) static void name(void *arg) { row_job *j = arg; const hn_kernels *k = j->b->k; \
    float *a = j->b->a, *b = j->b->b, *c = j->b->c; size_t n = j->n; (void)b; (void)a; (void)c; call; }
ROW(row_add, k->add_f32(c, a, 1, b, 1, n))
ROW(row_mul, k->mul_f32(c, a, 1, b, 0, n))
ROW(row_min, k->min_f32(c, a, 1, b, 1, n))
ROW(row_div, k->div_f32(c, a, 1, b, 1, n))
ROW(row_act, k->act_f32(c, a, n, j->act))
ROW(row_exp, k->exp_f32(c, a, n))
ROW(row_erf, k->erf_f32(c, a, n))
ROW(row_sqrt, k->sqrt_f32(c, a, n))
ROW(row_lerp, k->lerp_f32(c, a, b, 0.5f, n))
ROW(row_sum, b[0] = k->sum_f32(a, n))
ROW(row_max, b[0] = k->maximum_f32(a, n))
ROW(row_softmax, k->softmax_f32(c, a, n))
ROW(row_norm, k->layernorm_f32(c, a, n, 1e-5f, b, b))
ROW(row_quant, k->quantize_u8((uint8_t *)c, a, n, 0.02f, 128))
ROW(row_dequant, k->dequantize_i8(c, (const int8_t *)a, n, 0.02f, 3))
ROW(row_transpose, k->transpose_32((uint32_t *)c, n, (const uint32_t *)a, n, n, n))

static void rows(const bench *b)
{
    static const struct { const char *what; void (*run)(void *); size_t n; double bytes; hn_act act; } list[] = {
        { "add, first cache", row_add, 2000, 12, { 0 } },     { "add, memory", row_add, FLOATS / 4, 12, { 0 } },
        { "mul by a number", row_mul, 2000, 8, { 0 } },       { "min", row_min, 2000, 12, { 0 } },
        { "div", row_div, 2000, 12, { 0 } },                  { "clip", row_act, 4096, 8, { HN_ACT_CLIP, 0, 6 } },
        { "sigmoid", row_act, 4096, 8, { HN_ACT_SIGMOID, 0, 0 } }, { "tanh", row_act, 4096, 8, { HN_ACT_TANH, 0, 0 } },
        { "silu", row_act, 4096, 8, { HN_ACT_SILU, 0, 0 } },  { "hard_swish", row_act, 4096, 8, { HN_ACT_HARDSWISH, 0, 0 } },
        { "gelu", row_act, 4096, 8, { HN_ACT_GELU, 0, 0 } },  { "exp", row_exp, 4096, 8, { 0 } },
        { "erf", row_erf, 4096, 8, { 0 } },                   { "sqrt", row_sqrt, 4096, 8, { 0 } },
        { "lerp", row_lerp, 2000, 12, { 0 } },                { "sum", row_sum, 4096, 4, { 0 } },
        { "maximum", row_max, 4096, 4, { 0 } },               { "softmax 1000", row_softmax, 1000, 8, { 0 } },
        { "softmax 128", row_softmax, 128, 8, { 0 } },        { "layernorm 384", row_norm, 384, 8, { 0 } },
        { "quantize", row_quant, 4096, 5, { 0 } },            { "dequantize", row_dequant, 4096, 5, { 0 } },
        { "transpose 64x64", row_transpose, 64, 8 * 64, { 0 } }, { "transpose 1024x1024", row_transpose, 1024, 8 * 1024, { 0 } },
    };
    for (size_t i = 0; i < sizeof list / sizeof *list; i++) {
        row_job j = { b, list[i].n, list[i].act };
        if (wanted(b, list[i].what))
            say(b, list[i].what, best(list[i].run, &j), 0, list[i].bytes * (double)j.n);
    }
}

int main(int argc, char **argv)
{
    bench b = { .only = argc > 1 ? argv[1] : NULL };
    float **block[] = { &b.a, &b.b, &b.c, &b.d };

    for (size_t i = 0; i < 4; i++) {
        *block[i] = hn_alloc_aligned(NULL, (size_t)FLOATS * sizeof(float));
        if (!*block[i])
            return fprintf(stderr, "bench: no memory for %d floats\n", FLOATS), 5;
        for (size_t f = 0; f < FLOATS; f++)
            (*block[i])[f] = (float)((f * 2654435761u >> 8) % 2001) * 1e-3f - 1;
    }
    for (size_t i = 0; hn_kernel_tables[i]; i++) {
        b.k = hn_kernel_tables[i];
        const char *force = getenv("HONE_ISA");
        if (!hn_kernels_runs(b.k) || (force && strcmp(force, b.k->isa) != 0))
            continue;
        peaks(&b);
        gemms(&b);
        windows(&b);
        rows(&b);
    }
    for (size_t i = 0; i < 4; i++)
        hn_free_aligned(NULL, *block[i]);
    return 0;
}
