/* SPDX-License-Identifier: Apache-2.0 */
/* Matrix product: C[m,n] = act(A[m,k] * B[k,n] + bias + add).
 *
 * B is packed in panels of NR columns, each [k, NR] and contiguous; A is read where it lies, which for
 * a convolution is the image.  The work is cut so that the innermost loop finds its operands near:
 *
 *     rows of A in blocks of MC      a block of A, MC x KC, stays in the second cache
 *       k in blocks of KC            a panel of B, KC x NR, stays in the first
 *         groups of columns
 *           tiles of rows            rows x vecs running sums, in registers
 *
 * Every element is one chain: it starts from bias + add and takes its k products in order.  Between
 * blocks of k the sum waits in C, where a float loses nothing.  So an element's bits do not depend
 * on m, on its neighbours, on how threads split rows or columns, nor on the tile it fell into.
 *
 * A, B and C need no alignment (64 bytes for B is best).  C may not overlap A or B; `add` may be C
 * itself with the same row stride.  Scalar results differ where the machine has no fused multiply-add:
 * two roundings for each product instead of one. */
#include "kernels/isa.h"

#define NR (GEMM_VECS * VF_N)

enum { MC = 240, KC = 256 };

_Static_assert(HN_GEMM_COLS % NR == 0, "columns split at whole panels");

typedef struct tile_args {
    const float *a; size_t lda;         /* the first row's start */
    const size_t *run_at;               /* of the run in which this block of k begins, */
    size_t skip, run;                   /* so far into it; elements of a run */
    const float *b; size_t panel;       /* floats from one panel of B to the next */
    const char *ahead; size_t ahead_step;       /* of B, needed next: fetched so many bytes a turn */
    float *c; size_t ldc;
    size_t k, cols;                     /* cols: of C, may end inside the last vector */
    int first;                          /* start from bias and add; otherwise from what C holds */
    const float *bias;
    const float *add; size_t ld_add;
    float lo, hi;                       /* clip before storing */
} tile_args;

/* Sums of `rows` rows by `vecs` vectors of columns, which may span panels.  Both are constants in
 * every caller: the loops unroll and the sums live in registers. */
VEC void tile(const tile_args *t, int rows, int vecs)
{
    vf sum[GEMM_ROWS][8];
    size_t last = t->cols - (size_t)(vecs - 1) * VF_N;      /* columns of the last vector */

    UNROLL
    for (int v = 0; v < vecs; v++) {
        size_t n = v == vecs - 1 ? last : VF_N, j = (size_t)v * VF_N;
        vf bias = t->first && t->bias ? vf_get(t->bias + j, n) : vf_set(0);
        UNROLL
        for (int r = 0; r < rows; r++) {
            if (!t->first)
                sum[r][v] = vf_get(t->c + (size_t)r * t->ldc + j, n);
            else if (t->add)
                sum[r][v] = vf_add(bias, vf_get(t->add + (size_t)r * t->ld_add + j, n));
            else
                sum[r][v] = bias;
        }
    }

    const float *b = t->b;
    const size_t *run_at = t->run_at;
    size_t lda = t->lda, panel = t->panel, skip = t->skip, ahead_step = t->ahead_step;
    const char *ahead = t->ahead;
    for (size_t left = t->k, n; left > 0; left -= n, skip = 0) {
        const float *a = t->a + *run_at++ + skip;
        n = t->run - skip < left ? t->run - skip : left;
        for (const float *end = a + n; a < end; a++, b += NR) {
            vf bv[8];
            if (rows > 2) {
                __builtin_prefetch(ahead, 0, 2);
                ahead += ahead_step;
            }
            UNROLL
            for (int v = 0; v < vecs; v++)
                bv[v] = vf_load(b + (size_t)(v / GEMM_VECS) * panel + (size_t)(v % GEMM_VECS) * VF_N);
            UNROLL
            for (int r = 0; r < rows; r++) {
                vf av = vf_set(a[(size_t)r * lda]);
                UNROLL
                for (int v = 0; v < vecs; v++)
                    sum[r][v] = vf_fma(av, bv[v], sum[r][v]);
            }
        }
    }

    vf lo = vf_set(t->lo), hi = vf_set(t->hi);
    UNROLL
    for (int r = 0; r < rows; r++)
        UNROLL
        for (int v = 0; v < vecs; v++)
            vf_put(t->c + (size_t)r * t->ldc + (size_t)v * VF_N, vf_clip(sum[r][v], lo, hi),
                   v == vecs - 1 ? last : VF_N);
}

/* One function per shape of tile; shapes the registers cannot hold are empty and never picked. */
#define TILE(r, v) \
    static void tile_##r##_##v(const tile_args *t) { if (r <= GEMM_ROWS && r * v <= GEMM_ACCS) tile(t, r, v); }
#define WIDTHS(X, r) X(r, 1) X(r, 2) X(r, 4) X(r, 8)
#define TILES(X) WIDTHS(X, 1) WIDTHS(X, 2) WIDTHS(X, 3) WIDTHS(X, 4) WIDTHS(X, 5) WIDTHS(X, 6) \
                 WIDTHS(X, 7) WIDTHS(X, 8) WIDTHS(X, 9) WIDTHS(X, 10) WIDTHS(X, 11) WIDTHS(X, 12)
TILES(TILE)
#define ENTRY(r, v) tile_##r##_##v,
static void (*const tiles[12 * 4])(const tile_args *) = { TILES(ENTRY) };

/* The widest tile of `rows` rows for `cols` columns: 8, 4, 2 or 1 vectors, as its logarithm.
 * Few rows take several panels at once, or each sum would wait on itself. */
static int width(size_t rows, size_t cols)
{
    int w = 3;
    while (w > 0 && (rows << w > GEMM_ACCS || cols <= VF_N * ((size_t)1 << w) - VF_N))
        w--;
    return w;
}

/* `count` rows from row `first`, at most `rows` at a time and none across lines, over all columns and
 * one block of k. */
static void strip(const hn_gemm_f32 *g, size_t first, size_t count, size_t rows, size_t k0, size_t k1)
{
    static const size_t zero;
    size_t line = g->line ? g->line : g->m, run = g->run ? g->run : g->k;
    tile_args t = {
        .lda = g->lda, .panel = g->k * NR, .ldc = g->ldc, .k = k1 - k0, .first = k0 == 0, .ld_add = g->ld_add,
        .run = run, .run_at = g->run ? g->run_at + k0 / run : &zero, .skip = run ? k0 % run : 0,
    };
    act_bounds(k1 == g->k ? g->act : (hn_act){ HN_ACT_NONE, 0, 0 }, &t.lo, &t.hi);

    for (size_t j = 0, cols; j < g->n; j += cols) {
        int w = width(rows, g->n - j);
        size_t wide = VF_N * ((size_t)1 << w);
        cols = g->n - j < wide ? g->n - j : wide;
        t.cols = cols;
        t.b = g->b + j / NR * t.panel + k0 * NR + j % NR;
        t.bias = g->bias ? g->bias + j : NULL;
        /* The next columns' part of B comes into the second cache while this part is at work; where
         * weights are large, it would come from memory. */
        bool more = j + cols < g->n && t.k > 0;
        t.ahead = (const char *)(more ? g->b + (j + cols) / NR * t.panel + k0 * NR : t.b);
        t.ahead_step = more ? (t.k * NR * sizeof(float) * rows / count + t.k) / t.k : 0;
        size_t at = first % line;
        const float *a = g->a + first / line * g->line_step;
        for (size_t i = first, tall; i < first + count; i += tall, at += tall) {
            if (at == line) {
                at = 0;
                a += g->line_step;
            }
            tall = rows < line - at ? rows : line - at;
            tall = tall < first + count - i ? tall : first + count - i;
            t.a = a + at * g->lda;
            t.c = g->c + i * g->ldc + j;
            t.add = g->add ? g->add + i * g->ld_add + j : NULL;
            tiles[(tall - 1) * 4 + (size_t)w](&t);
            t.ahead += t.ahead_step * t.k;
        }
    }
}

/* Rows of a block from row i: whole lines, or an even part of one that is longer. */
static size_t block_of(const hn_gemm_f32 *g, size_t line, size_t i)
{
    size_t left = g->m - i, most = MC / line * line;
    if (line > MC) {
        size_t rest = line - i % line, parts = (rest + MC - 1) / MC;
        most = (rest + parts - 1) / parts;
    }
    return most < left ? most : left;
}

void K(gemm_f32)(const hn_gemm_f32 *g)
{
    float lo, hi;
    int clip = act_bounds(g->act, &lo, &hi);
    size_t line = g->line ? g->line : g->m;

    for (size_t i = 0, block; i < g->m; i += block) {
        block = block_of(g, line, i);
        /* Even tiles: 13 rows are 7 + 6, not 12 + 1. */
        size_t most = block < line ? block : line;
        size_t tall = (most + GEMM_ROWS - 1) / GEMM_ROWS, rows = (most + tall - 1) / tall;
        size_t k0 = 0, k1, parts = (g->k + KC - 1) / KC, deep = parts ? (g->k + parts - 1) / parts : 0;
        do {
            k1 = g->k - k0 < deep ? g->k : k0 + deep;
            strip(g, i, block, rows, k0, k1);
            k0 = k1;
        } while (k0 < g->k);
        if (clip)
            continue;
        bool together = g->ldc == g->n;              /* one call then: for short rows the call would cost most */
        for (size_t r = i, some = together ? block : 1; r < i + block; r += some)
            K(act_f32)(g->c + r * g->ldc, g->c + r * g->ldc, some * g->n, g->act);
    }
}

size_t K(pack_b_f32_size)(size_t k, size_t n) { return (n + NR - 1) / NR * NR * k; }

/* Columns past n in the last panel are zeros, so tiles may load whole vectors. */
void K(pack_b_f32)(float *out, const float *b, size_t ldb, size_t k, size_t n, int transposed)
{
    for (size_t j = 0; j < n; j += NR, out += k * NR) {
        size_t cols = n - j < NR ? n - j : NR;
        if (cols < NR)
            memset(out, 0, k * NR * sizeof *out);
        if (transposed) {
            K(transpose_32)((uint32_t *)out, NR, (const uint32_t *)(b + j * ldb), ldb, cols, k);
            continue;
        }
        for (size_t p = 0; p < k; p++)
            for (size_t v = 0; v < cols; v += VF_N)
                vf_put(out + p * NR + v, vf_get(b + p * ldb + j + v, cols - v), cols - v);
    }
}
