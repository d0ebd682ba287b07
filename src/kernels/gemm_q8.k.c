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

/* ---- Products ------------------------------------------------------------------------------------ */

typedef struct tile_args {
    const uint8_t *a; size_t lda;
    const int8_t *b; size_t panel;      /* bytes from one panel of B to the next */
    size_t runs, run;                   /* of a row of A: how many, of how many groups of four */
    const size_t *run_at;
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
    const int8_t *b = t->b;
    size_t lda = t->lda, panel = t->panel;
    for (size_t i = 0; i < t->runs; i++) {
        const uint8_t *a = t->a + t->run_at[i];
        for (size_t p = t->run; p > 0; p--, a += 4, b += NR * 4) {
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
    static const size_t nowhere[1];
    size_t panel = groups(g->k) * NR * 4, run = g->run ? g->run : g->k;
    const int8_t *b = g->b + header(g->n);
    tile_args t = { .lda = g->lda, .panel = panel, .runs = g->run ? g->k / g->run : 1, .run = groups(run),
                    .run_at = g->run ? g->run_at : nowhere, .sums = sums };
    for (size_t j = 0, cols; j < g->n; j += cols) {
        int w = width(rows, g->n - j);
        size_t wide = VF_N * ((size_t)1 << w);
        cols = g->n - j < wide ? g->n - j : wide;
        t.b = b + j / NR * panel + j % NR * 4;
        int calm = calm_panels(g->b, j / NR, (j + cols + NR - 1) / NR);
        for (size_t i = first; i < first + count; i += rows) {
            t.a = g->a + i * g->lda;
            tiles[(rows - 1) * 4 + (size_t)w](&t, calm);
            rows_to_bytes(g->c + i * g->ldc + j, g->ldc, sums, WIDE, g->row ? g->row + i : NULL, rows, g->q, j, cols);
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
        if (i < k)
            sum = vi_dot_u8s8_calm(sum, vi_load_bytes_n(a + i, k - i), ones);
        out[r] = (int32_t)((uint32_t)vi_sum(sum) * (uint32_t)factor + (uint32_t)offset);
    }
}

void K(turn_8)(uint8_t *out, const uint8_t *in, size_t n, uint8_t flip)
{
    vi turn = vi_set((int32_t)(flip * 0x01010101u));
    size_t i = 0;
    for (; i + 4 * VF_N <= n; i += 4 * VF_N)
        vi_store_bytes(out + i, vi_xor(vi_load_bytes(in + i), turn));
    for (; i < n; i++)
        out[i] = in[i] ^ flip;
}
