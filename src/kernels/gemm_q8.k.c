/* SPDX-License-Identifier: Apache-2.0 */
/* Matrix product of bytes with bytes as result: C[m,n] = requant(A[m,k] * B[k,n] + row[m]).
 *
 * A is unsigned, B signed: so the instructions want it.  Callers with other signs or zero points correct
 * the sums, per column in the bias, per row in `row`.  All of it is exact, so the bits are the same on every
 * instruction set and however the work is split.
 *
 * Packed B: a byte for each panel of NR columns that says whether it is calm, up to a multiple of 64; then
 * the panels, each [k / 4, NR, 4]: a vector holds four neighbours in k of VF_N columns.  Calm panels have pairs
 * so small that their products' sum fits 16 bits, which some instruction sets are faster with.
 *
 * A tile of sums goes through memory once, between its products and the bytes they become: one loop over
 * a row then serves tiles of every shape, and costs little beside k steps. */
#include "kernels/rescale.h"

#define NR (GEMM_VECS * VF_N)

enum { ALIGN = 64, WIDE = 8 * VF_N };

static size_t groups(size_t k) { return (k + 3) / 4; }
static size_t panels(size_t n) { return (n + NR - 1) / NR; }
static size_t header(size_t n) { return (panels(n) + ALIGN - 1) / ALIGN * ALIGN; }

size_t K(pack_q8_size)(size_t k, size_t n) { return header(n) + panels(n) * groups(k) * NR * 4; }

static int calm_pair(const int8_t *p)
{
    int a = p[0] < 0 ? -p[0] : p[0], b = p[1] < 0 ? -p[1] : p[1];
    return a + b <= 128;
}

/* What lies past k and n is 0. */
void K(pack_q8)(int8_t *out, const int8_t *b, size_t k, size_t n)
{
    memset(out, 0, K(pack_q8_size)(k, n));
    memset(out, 1, panels(n));
    for (size_t j = 0; j < n; j++, b += k) {
        int8_t *to = out + header(n) + j / NR * groups(k) * NR * 4 + j % NR * 4;
        int calm = 1;
        for (size_t p = 0; p + 4 <= k; p += 4, to += NR * 4)
            memcpy(to, b + p, 4);
        memcpy(to, b + k / 4 * 4, k % 4);
        for (size_t p = 0; p + 2 <= k; p += 2)          /* one weight alone is calm */
            calm &= calm_pair(b + p);
        out[j / NR] &= (int8_t)calm;
    }
}

/* ---- From sums to bytes ------------------------------------------------------------------------- */

/* The sums of VF_N columns from j on by their factors, as hn_rescale() has it. */
VEC vi rescale(vi x, const hn_requant *q, size_t j, hn_rounding rule)
{
    if (rule == HN_ROUND_EVEN)
        return vi_mul_even(x, q->real + j, (double)q->low - q->zero, (double)q->high - q->zero);
    return vi_rescale(x, vi_load((const uint32_t *)q->left + j), vi_load((const uint32_t *)q->fraction + j),
                      vi_load((const uint32_t *)q->right + j), rule);
}

VEC void put_bytes(uint8_t *out, vi sum, const hn_requant *q, size_t j, hn_rounding rule, size_t n)
{
    vi y = rescale(vi_add(sum, vi_load((const uint32_t *)q->bias + j)), q, j, rule);
    y = vi_min(vi_max(y, vi_set(q->low - q->zero)), vi_set(q->high - q->zero));
    vi_put_bytes(out, vi_add(y, vi_set(q->zero)), n);
}

/* `rows` rows of sums, WIDE apart, to columns [j, j + n) of C. */
VEC void finish_by(const hn_gemm_q8 *g, const int32_t *sums, size_t first, size_t rows, size_t j, size_t n, hn_rounding rule)
{
    for (size_t r = 0; r < rows; r++) {
        vi more = vi_set(g->row ? g->row[first + r] : 0);
        for (size_t v = 0; v < n; v += VF_N)
            put_bytes(g->c + (first + r) * g->ldc + j + v,
                      vi_add(vi_load((const uint32_t *)sums + r * WIDE + v), more), g->q, j + v, rule, n - v);
    }
}

static void finish(const hn_gemm_q8 *g, const int32_t *sums, size_t first, size_t rows, size_t j, size_t n)
{
    if (g->q->rule == HN_ROUND_EVEN)
        finish_by(g, sums, first, rows, j, n, HN_ROUND_EVEN);
    else if (g->q->rule == HN_ROUND_UP)
        finish_by(g, sums, first, rows, j, n, HN_ROUND_UP);
    else
        finish_by(g, sums, first, rows, j, n, HN_ROUND_AWAY);
}

VEC void row_by(uint8_t *out, const float *in, size_t n, const hn_requant *q, hn_rounding rule)
{
    for (size_t j = 0; j < n; j += VF_N)
        put_bytes(out + j, vf_int(vf_get(in + j, n - j)), q, j, rule, n - j);
}

/* The sums are whole numbers below 2^24. */
void K(requant_f32)(uint8_t *out, const float *in, size_t rows, size_t n, const hn_requant *q)
{
    for (size_t r = 0; r < rows; r++, out += n, in += n) {
        if (q->rule == HN_ROUND_EVEN)
            row_by(out, in, n, q, HN_ROUND_EVEN);
        else if (q->rule == HN_ROUND_UP)
            row_by(out, in, n, q, HN_ROUND_UP);
        else
            row_by(out, in, n, q, HN_ROUND_AWAY);
    }
}

/* ---- Products ------------------------------------------------------------------------------------ */

typedef struct tile_args {
    const uint8_t *a; size_t lda;
    const int8_t *b; size_t panel;      /* bytes from one panel of B to the next */
    size_t k;                           /* groups of four */
    int32_t *sums;                      /* rows WIDE apart */
} tile_args;

VEC vi four_bytes(const uint8_t *p)
{
    int32_t v;
    memcpy(&v, p, sizeof v);
    return vi_set(v);
}

VEC void tile(const tile_args *t, int rows, int vecs, int calm)
{
    vi sum[GEMM_ROWS][8];
    UNROLL
    for (int r = 0; r < rows; r++)
        UNROLL
        for (int v = 0; v < vecs; v++)
            sum[r][v] = vi_set(0);
    const uint8_t *a = t->a;
    const int8_t *b = t->b;
    size_t lda = t->lda, panel = t->panel;
    for (size_t p = t->k; p > 0; p--, a += 4, b += NR * 4) {
        vi bv[8];
        UNROLL
        for (int v = 0; v < vecs; v++)
            bv[v] = vi_load_bytes(b + (size_t)(v / GEMM_VECS) * panel + (size_t)(v % GEMM_VECS) * VF_N * 4);
        UNROLL
        for (int r = 0; r < rows; r++) {
            vi av = four_bytes(a + (size_t)r * lda);
            UNROLL
            for (int v = 0; v < vecs; v++)
                sum[r][v] = calm ? vi_dot_u8s8_calm(sum[r][v], av, bv[v]) : vi_dot_u8s8(sum[r][v], av, bv[v]);
        }
    }
    UNROLL
    for (int r = 0; r < rows; r++)
        UNROLL
        for (int v = 0; v < vecs; v++)
            vi_store((uint32_t *)t->sums + r * WIDE + v * VF_N, sum[r][v]);
}

/* One function per shape of tile and temper; shapes the registers cannot hold are empty and never picked. */
#define TILE(r, v)                                                                                       \
    static void tile_##r##_##v(const tile_args *t, int calm)                                             \
    {                                                                                                    \
        if (r <= GEMM_ROWS && r * v <= GEMM_ACCS && calm)                                                \
            tile(t, r, v, 1);                                                                            \
        else if (r <= GEMM_ROWS && r * v <= GEMM_ACCS)                                                   \
            tile(t, r, v, 0);                                                                            \
    }
#define WIDTHS(X, r) X(r, 1) X(r, 2) X(r, 4) X(r, 8)
#define TILES(X) WIDTHS(X, 1) WIDTHS(X, 2) WIDTHS(X, 3) WIDTHS(X, 4) WIDTHS(X, 5) WIDTHS(X, 6) \
                 WIDTHS(X, 7) WIDTHS(X, 8) WIDTHS(X, 9) WIDTHS(X, 10) WIDTHS(X, 11) WIDTHS(X, 12)
TILES(TILE)
#define ENTRY(r, v) tile_##r##_##v,
static void (*const tiles[12 * 4])(const tile_args *, int) = { TILES(ENTRY) };

/* The widest tile of `rows` rows for `cols` columns: 8, 4, 2 or 1 vectors, as its logarithm. */
static int width(size_t rows, size_t cols)
{
    int w = 3;
    while (w > 0 && (rows << w > GEMM_ACCS || cols <= VF_N * ((size_t)1 << w) - VF_N))
        w--;
    return w;
}

static int calm_panels(const int8_t *flags, size_t from, size_t to)
{
    int calm = 1;
    for (size_t i = from; i < to; i++)
        calm &= flags[i];
    return calm;
}

static void strip(const hn_gemm_q8 *g, size_t first, size_t count, size_t rows)
{
    int32_t sums[GEMM_ROWS * WIDE];
    size_t panel = groups(g->k) * NR * 4;
    const int8_t *b = g->b + header(g->n);
    tile_args t = { .lda = g->lda, .panel = panel, .k = groups(g->k), .sums = sums };
    for (size_t j = 0, cols; j < g->n; j += cols) {
        int w = width(rows, g->n - j);
        size_t wide = VF_N * ((size_t)1 << w);
        cols = g->n - j < wide ? g->n - j : wide;
        t.b = b + j / NR * panel + j % NR * 4;
        int calm = calm_panels(g->b, j / NR, (j + cols + NR - 1) / NR);
        for (size_t i = first; i < first + count; i += rows) {
            t.a = g->a + i * g->lda;
            tiles[(rows - 1) * 4 + (size_t)w](&t, calm);
            finish(g, sums, i, rows, j, cols);
        }
    }
}

void K(gemm_q8)(const hn_gemm_q8 *g)
{
    if (g->m == 0)
        return;
    /* Even tiles: 8 rows are 4 + 4, not 6 + 2. */
    size_t tall = (g->m + GEMM_ROWS - 1) / GEMM_ROWS, rows = (g->m + tall - 1) / tall, whole = g->m / rows * rows;
    strip(g, 0, whole, rows);
    if (whole < g->m)
        strip(g, whole, g->m - whole, g->m - whole);
}

/* ---- Around a product ------------------------------------------------------------------------------ */

void K(row_sums_u8)(int32_t *out, const uint8_t *a, size_t lda, size_t rows, size_t k, int32_t factor, int32_t offset)
{
    vi ones = vi_set(0x01010101);
    for (size_t r = 0; r < rows; r++, a += lda) {
        vi sum = vi_set(0);
        size_t i = 0;
        for (; i + 4 * VF_N <= k; i += 4 * VF_N)
            sum = vi_dot_u8s8_calm(sum, vi_load_bytes(a + i), ones);
        int32_t all = vi_sum(sum);
        for (; i < k; i++)
            all += a[i];
        out[r] = (int32_t)((uint32_t)all * (uint32_t)factor + (uint32_t)offset);
    }
}
