/* SPDX-License-Identifier: Apache-2.0 */
/* One filter per channel over bytes, exact, so the same bits on every instruction set.
 *
 * The product of four bytes sums neighbours, and the neighbours of a byte are other channels.  So rows are zipped
 * first: four of them side by side, byte by byte.  Then a column of up to four taps is one product, for all channels
 * and pixels alike, and a row of the result is a run of bytes whatever the number of channels is. */
#include "kernels/rescale.h"

enum { BLOCK = HN_REQUANT_COLS, VECS = 4 };

/* rows may end at a forbidden page; HN_ZIP_SLACK bytes behind 4 n are anything afterwards. */
void K(zip_rows)(uint8_t *out, const uint8_t *const rows[4], size_t n, uint8_t flip)
{
    const size_t step = 4 * VF_N;
    vi turn = vi_set((int32_t)(flip * 0x01010101u));
    for (size_t i = 0; i < n; i += step) {
        vi v[4];
        UNROLL
        for (int r = 0; r < 4; r++) {
            const uint8_t *from = rows[r] + i;
            v[r] = vi_xor(n - i < step ? vi_load_bytes_n(from, n - i) : vi_load_bytes(from), turn);
        }
        vi_zip_bytes(out + 4 * i, v[0], v[1], v[2], v[3]);
    }
}

/* Where a run of bytes is in the input: its first byte's channel, and what was passed over before it. */
typedef struct place { size_t channel, skipped; } place;

/* Sums of BLOCK bytes from i on; moves `at` on behind them. */
VEC void sum_block(const hn_dwconv_q8 *d, size_t i, place *at, int calm, int32_t *sums)
{
    size_t round = 4 * (d->channels + BLOCK), skip = 4 * d->skip * d->channels, first = at->channel;
    for (size_t v = 0; v < BLOCK; v += VECS * VF_N) {
        const int8_t *w = d->weight + 4 * (first + v);
        const uint8_t *x[VECS];
        vi sum[VECS];
        UNROLL
        for (int k = 0; k < VECS; k++) {
            x[k] = d->zipped + 4 * (i + v + k * VF_N) + at->skipped;
            sum[k] = vi_set(0);
            for (at->channel += VF_N; at->channel >= d->channels; at->channel -= d->channels)
                at->skipped += skip;
        }
        for (size_t t = 0; t < d->taps; t++, w += round)
            UNROLL
            for (int k = 0; k < VECS; k++) {
                vi a = vi_load_bytes(x[k] + d->at[t]), b = vi_load_bytes(w + 4 * k * VF_N);
                sum[k] = calm ? vi_dot_u8s8_calm(sum[k], a, b) : vi_dot_u8s8(sum[k], a, b);
            }
        UNROLL
        for (int k = 0; k < VECS; k++)
            vi_store((uint32_t *)sums + v + k * VF_N, sum[k]);
    }
}

VEC void all_blocks(const hn_dwconv_q8 *d, int calm)
{
    int32_t sums[BLOCK];
    place at = { 0, 0 };
    for (size_t i = 0; i < d->n; i += BLOCK) {
        size_t c = at.channel;
        sum_block(d, i, &at, calm, sums);
        rows_to_bytes(d->out + i, 0, sums, 0, NULL, 1, d->q, c, d->n - i < BLOCK ? d->n - i : BLOCK);
    }
}

void K(dwconv_q8)(const hn_dwconv_q8 *d)
{
    if (d->calm)
        all_blocks(d, 1);
    else
        all_blocks(d, 0);
}
