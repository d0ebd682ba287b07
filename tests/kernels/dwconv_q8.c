/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/support/kernels.h"

#include <stdlib.h>
#include <string.h>

enum { ROUND = HN_REQUANT_COLS, CHANNELS_MAX = 150, TAPS_MAX = 6 };

KERNEL_TEST(zip_rows)
{
    for (size_t n = 0; n < 300; n += n < 70 ? 1 : 23) {
        const uint8_t *rows[4];
        uint8_t *in[4], *out = malloc(4 * n + HN_ZIP_SLACK);
        for (int r = 0; r < 4; r++) {
            rows[r] = in[r] = hn_guarded(n);
            for (size_t i = 0; i < n; i++)
                in[r][i] = (uint8_t)hn_random();
        }
        uint8_t flip = n % 2 ? 0x80 : 0;
        k->zip_rows(out, rows, n, flip);
        for (size_t i = 0; i < 4 * n; i++)
            CHECK_INT(out[i], rows[i % 4][i / 4] ^ flip);
        free(out);
    }
}

typedef struct rules {
    hn_requant q;
    int32_t bias[CHANNELS_MAX + ROUND], fraction[CHANNELS_MAX + ROUND];
    int32_t left[CHANNELS_MAX + ROUND], right[CHANNELS_MAX + ROUND];
    double real[CHANNELS_MAX + ROUND];
    float scale[CHANNELS_MAX + ROUND], start[CHANNELS_MAX + ROUND], nudge[CHANNELS_MAX + ROUND];
} rules;

static void make_rules(rules *r, size_t channels, hn_rounding rule)
{
    for (size_t i = 0; i < channels + ROUND; i++) {
        size_t c = i % channels;
        hn_factor f = hn_factor_of(0.0005 + 0.0001 * (double)(c % 7));
        r->bias[i] = (int32_t)(c * 37 % 2001) - 1000;
        r->fraction[i] = f.fraction;
        r->left[i] = f.shift > 0 ? f.shift : 0;
        r->right[i] = f.shift < 0 ? -f.shift : 0;
        r->real[i] = f.real;
    }
    r->q = (hn_requant){ rule, r->bias, r->fraction, r->left, r->right, r->real, NULL, NULL, NULL, 3, -128, 127 };
    hn_requant_quick(&r->q, channels + ROUND, r->scale, r->start, r->nudge);
}

/* Columns of taps that overlap, as those of neighbouring pixels do. */
static void check(const hn_kernels *k, size_t channels, size_t pixels, size_t skip, size_t taps, int calm,
                  hn_rounding rule)
{
    static rules r;
    size_t n = channels * pixels, all = n * (1 + skip) + taps * channels, at[TAPS_MAX];
    uint8_t *zipped = malloc(4 * (all + ROUND)), *out = hn_guarded(n);
    int8_t *w = hn_guarded(taps * (channels + ROUND) * 4);
    make_rules(&r, channels, rule);
    for (size_t i = 0; i < 4 * (all + ROUND); i++)
        zipped[i] = hn_random() % 4 ? (uint8_t)hn_random() : 255;
    for (size_t t = 0; t < taps; t++) {
        at[t] = 4 * t * channels;
        for (size_t i = 0; i < 4 * (channels + ROUND); i++) {
            int8_t any = (int8_t)(calm ? hn_random() % 129 - 64 : hn_random() % 256 - 128);
            int8_t *to = w + 4 * t * (channels + ROUND);
            to[i] = i < 4 * channels ? any : to[i - 4 * channels];
        }
    }
    k->dwconv_q8(&(hn_dwconv_q8){ .n = n, .channels = channels, .skip = skip, .zipped = zipped, .taps = taps, .at = at,
                                  .weight = w, .calm = calm, .out = out, .q = &r.q });
    for (size_t i = 0; i < n; i++) {
        size_t c = i % channels;
        int32_t sum = r.bias[c];
        size_t from = 4 * (i + i / channels * skip * channels);
        for (size_t t = 0; t < taps; t++)
            for (size_t b = 0; b < 4; b++)
                sum += zipped[at[t] + from + b] * w[4 * (t * (channels + ROUND) + c) + b];
        hn_factor f = { r.fraction[c], r.left[c] - r.right[c], r.real[c] };
        CHECK_INT((int8_t)out[i], hn_clamp_i32((int64_t)hn_rescale(sum, f, rule) + 3, -128, 127));
    }
    free(zipped);
}

KERNEL_TEST(dwconv_q8)
{
    static const size_t channels[] = { 1, 3, 8, 16, 24, 64, 65, 150 };
    static const hn_rounding all[] = { HN_ROUND_AWAY, HN_ROUND_UP, HN_ROUND_EVEN };
    for (size_t i = 0; i < 8; i++)
        for (size_t pixels = 1; pixels < 12; pixels += 5)
            for (size_t taps = 1; taps <= TAPS_MAX; taps += 2)
                check(k, channels[i], pixels, channels[i] % 16 ? 0 : pixels % 3, taps, (i + pixels) % 2,
                      all[(i + taps) % 3]);
}
