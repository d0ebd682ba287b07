/* SPDX-License-Identifier: Apache-2.0 */
/* Many columns with AMX; included by qpanel.k.c alone, after the few-columns path it agrees with bit for bit.
 *
 * A panel is unpacked once: a run of 32 elements becomes eight lines of 64 bytes, which is what a tile register
 * takes as its right side, and small scales become vectors of floats.  Sixteen columns then meet it in one
 * instruction a run; each sum of a run is stored, turned to floats and added in the order of the blocks. */
#ifndef HN_KERNELS_QPANEL_TILES_H
#define HN_KERNELS_QPANEL_TILES_H

/* Fewer columns go without tiles. */
enum { MANY = HN_QX_COLS, SUMS = 4 };

typedef struct tile_shapes {
    uint8_t palette, start_row, zero[14];
    uint16_t row_bytes[16];
    uint8_t rows[16];
} tile_shapes;

/* Tiles 0-3: sums; 4: sixteen columns of activations; 5: codes.  half: runs of 16. */
VEC void shape_tiles(int cols, int half)
{
    tile_shapes s = { .palette = 1 };
    for (int i = 0; i < SUMS; i++) {
        s.rows[i] = (uint8_t)cols;
        s.row_bytes[i] = 64;
    }
    s.rows[4] = (uint8_t)cols;
    s.row_bytes[4] = half ? 16 : 32;
    s.rows[5] = half ? 4 : 8;
    s.row_bytes[5] = 64;
    /* By hand: the intrinsic of gcc 12 tells the compiler that it reads eight bytes only. */
    __asm__ volatile("ldtilecfg %0" : : "m"(s));
}

/* An unpacked panel, in the room the caller gave: runs of codes, then what they share. */
typedef struct room {
    int8_t *codes;               /* [runs, 8, 64] */
    float *s, *m;                /* SMALL: [runs, halves, 16] */
    float *d, *min;              /* [blocks, 16] */
} room;

VEC room room_of(const form *f, const hn_panels *p, size_t panel)
{
    size_t runs = p->x->blocks, halves = f->how & HALVES ? 2 : 1, small = f->how & SMALL ? runs * halves * 16 : 0;
    size_t blocks = runs / (size_t)f->parts * 16;
    char *at = (char *)p->room + panel * hn_panel_room(p->k);
    room r = { .codes = (int8_t *)at };
    r.s = (float *)(void *)(at + runs * 512);
    r.m = r.s + small;
    r.d = r.m + (f->how & MINIMA ? small : 0);
    r.min = r.d + blocks;
    return r;
}

/* Codes with their sign, as the left side has it: no offsets remain. */
VEC void unpack(const form *f, const hn_panels *p, const uint8_t *panel, const room *r)
{
    size_t blocks = p->x->blocks / (size_t)f->parts, halves = f->how & HALVES ? 2 : 1;
    const uint8_t *c = panel, *h = panel + blocks * (size_t)f->code_size;
    for (size_t b = 0; b < blocks; b++, c += f->code_size, h += f->head_size) {
        size_t runs = (size_t)f->parts, first = b * runs;
        shared head;
        f->head(h, 0, &head);
        vf_store(r->d + b * 16, head.d);
        if (f->how & MINIMA)
            vf_store(r->min + b * 16, head.min);
        for (size_t i = 0; i < runs * halves && f->how & SMALL; i++) {
            vf_store(r->s + (first * halves + i) * 16, head.s[i]);
            if (f->how & MINIMA)
                vf_store(r->m + (first * halves + i) * 16, head.m[i]);
        }
        int pair = f->parts > 1 ? 2 : 1;
        for (int g0 = 0; g0 < f->parts; g0 += pair) {
            UNROLL
            for (int g = g0; g < g0 + pair; g++) {
                vi w[8];
                f->codes(c, g, 0, w);
                UNROLL
                for (int j = 0; j < 8; j++)
                    vi_store((uint32_t *)(void *)(r->codes + ((first + (size_t)g) * 8 + (size_t)j) * 64),
                             f->offset ? _mm512_sub_epi8(w[j], ln_bytes(f->offset)) : w[j]);
            }
        }
    }
}

/* The products of a panel with a group of columns, one for each run or for each half of one, in the order of the
 * blocks.  Product i is begun three steps before its sums are added and stored two steps before, so that no step
 * waits for the one before it. */
typedef struct products {
    const int8_t *codes, *x;
    size_t count;
    _Alignas(64) int32_t sum[SUMS][16 * 16];         /* [columns, rows] */
} products;

#define TILE_BEGIN(t, codes, x)                                            \
    do {                                                                   \
        _tile_zero(t);                                                     \
        _tile_loadd(5, codes, 64);                                         \
        _tile_loadd(4, x, HN_QX_BLOCK);                                    \
        _tile_dpbssd(t, 4, 5);                                             \
    } while (0)

/* Tile numbers are part of an instruction: turn is a constant wherever this is inlined.  half: runs are of 16. */
VEC void begin(const products *p, int half, int turn, size_t i)
{
    const int8_t *codes = p->codes + i * (half ? 256 : 512);
    const int8_t *x = half ? p->x + i / 2 * (16 * HN_QX_BLOCK) + i % 2 * 16 : p->x + i * (16 * HN_QX_BLOCK);
    switch (turn) {
    case 0: TILE_BEGIN(0, codes, x); break;
    case 1: TILE_BEGIN(1, codes, x); break;
    case 2: TILE_BEGIN(2, codes, x); break;
    default: TILE_BEGIN(3, codes, x);
    }
}

VEC void keep(products *p, int turn)
{
    switch (turn) {
    case 0: _tile_stored(0, p->sum[0], 64); break;
    case 1: _tile_stored(1, p->sum[1], 64); break;
    case 2: _tile_stored(2, p->sum[2], 64); break;
    default: _tile_stored(3, p->sum[3], 64);
    }
}

/* Begins with the first products.  Sums are not cleared: that would cost more than some products. */
VEC void start(products *p, const int8_t *codes, const int8_t *x, size_t count, int half)
{
    p->codes = codes;
    p->x = x;
    p->count = count;
    begin(p, half, 0, 0);
    if (p->count > 1)
        begin(p, half, 1, 1);
    keep(p, 0);
    if (p->count > 2)
        begin(p, half, 2, 2);
    if (p->count > 1)
        keep(p, 1);
}

/* To be called for i = 0, 1, 2, ...; turn is i % 4.  The sums of product i are then in sum[turn]. */
VEC void advance(products *p, int half, int turn, size_t i)
{
    if (i + 3 < p->count)
        begin(p, half, (turn + 3) % SUMS, i + 3);
    if (i + 2 < p->count)
        keep(p, (turn + 2) % SUMS);
}

VEC vf line(const int32_t *sum, int c) { return vi_float(vi_load((const uint32_t *)(const void *)(sum + 16 * c))); }

/* Types without small scales. */
VEC void blocks_of_32(const form *f, const hn_panels *p, const room *r, size_t at, vf all[16], vf low[16])
{
    const float *scale = p->x->scale + at, *sum = p->x->sum + at;
    products t;
    start(&t, r->codes, p->x->q + at * HN_QX_BLOCK, p->x->blocks, 0);
    for (size_t i = 0; i < t.count; i += SUMS) {
        UNROLL
        for (int turn = 0; turn < SUMS; turn++) {
            size_t b = i + (size_t)turn;
            if (b >= t.count)
                break;
            advance(&t, 0, turn, b);
            vf d = vf_load(r->d + b * 16);
            UNROLL
            for (int c = 0; c < 16; c++)
                all[c] = vf_fma(line(t.sum[turn], c), vf_mul(d, vf_set(scale[b * 16 + (size_t)c])), all[c]);
        }
    }
    for (size_t i = 0; i < p->x->blocks && f->how & MINIMA; i++) {
        vf m = vf_load(r->min + i * 16);
        UNROLL
        for (int c = 0; c < 16; c++)
            low[c] = vf_fma(m, vf_set(sum[i * 16 + (size_t)c]), low[c]);
    }
}

VEC void block_minima(const form *f, const hn_panels *p, const room *r, size_t first, size_t at, vf run[16])
{
    const hn_qx *x = p->x;
    for (size_t i = first; i < first + (size_t)f->parts; i++) {
        const float *sum = x->sum + at + i * 16, *low = x->sum_low + at + i * 16;
        if (f->how & HALVES) {
            vf m = vf_load(r->m + 2 * i * 16), n = vf_load(r->m + (2 * i + 1) * 16);
            UNROLL
            for (int c = 0; c < 16; c++)
                run[c] = vf_fma(n, vf_set(sum[c] - low[c]), vf_fma(m, vf_set(low[c]), run[c]));
        } else {
            vf m = vf_load(r->m + i * 16);
            UNROLL
            for (int c = 0; c < 16; c++)
                run[c] = vf_fma(m, vf_set(sum[c]), run[c]);
        }
    }
}

VEC void clear(vf s[16])
{
    UNROLL
    for (int c = 0; c < 16; c++)
        s[c] = vf_set(0);
}

VEC void add_block(vf all[16], const vf run[16], vf d, const float *scale)
{
    UNROLL
    for (int c = 0; c < 16; c++)
        all[c] = vf_fma(run[c], vf_mul(d, vf_set(scale[c])), all[c]);
}

VEC void blocks_of_256(const form *f, const hn_panels *p, const room *r, size_t at, vf all[16], vf low[16])
{
    const size_t parts = (size_t)f->parts, each = parts * (f->how & HALVES ? 2 : 1);
    products t;
    start(&t, r->codes, p->x->q + at * HN_QX_BLOCK, p->x->blocks / parts * each, f->how & HALVES);
    for (size_t first = 0; first < t.count; first += each) {
        const size_t b = first / each;
        const float *scale = p->x->scale + at + b * parts * 16;
        vf run[16];
        clear(run);
        for (size_t i = first; i < first + each; i += SUMS) {
            UNROLL
            for (int turn = 0; turn < SUMS; turn++) {
                advance(&t, f->how & HALVES, turn, i + (size_t)turn);
                vf s = vf_load(r->s + (i + (size_t)turn) * 16);
                UNROLL
                for (int c = 0; c < 16; c++)
                    run[c] = vf_fma(line(t.sum[turn], c), s, run[c]);
            }
        }
        add_block(all, run, vf_load(r->d + b * 16), scale);
        if (f->how & MINIMA) {
            clear(run);
            block_minima(f, p, r, b * parts, at, run);
            add_block(low, run, vf_load(r->min + b * 16), scale);
        }
    }
}

/* A panel with one group of columns.  x is laid out for sixteen, or all there are when they are fewer. */
VEC void group(const form *f, const hn_panels *p, const room *r, size_t panel, size_t col)
{
    size_t at = col * p->x->blocks, rows = p->rows - panel * 16, cols = p->x->cols - col < 16 ? p->x->cols - col : 16;
    vf all[16], low[16];
    for (size_t c = 0; c < cols; c++)            /* results go to a line of each column: fetched while sums are made */
        __builtin_prefetch(p->out + (col + c) * p->ld_out + panel * 16, 1);
    clear(all);
    clear(low);
    if (f->how & SMALL)
        blocks_of_256(f, p, r, at, all, low);
    else
        blocks_of_32(f, p, r, at, all, low);
    UNROLL
    for (int c = 0; c < 16; c++) {
        sums s = { .all = all[c], .low = low[c] };
        if ((size_t)c < cols)
            vf_put(p->out + (col + (size_t)c) * p->ld_out + panel * 16, total(f, &s), rows);
    }
}

VEC void many(const form *f, const hn_panels *p)
{
    shape_tiles(16, f->how & HALVES);
    for (size_t i = 0; i < p->panels; i++) {
        room r = room_of(f, p, i);
        unpack(f, p, (const uint8_t *)p->w + i * p->panel_size, &r);
    }
    for (size_t col = 0; col < p->x->cols; col += 16)
        for (size_t i = 0; i < p->panels; i++) {
            room r = room_of(f, p, i);
            group(f, p, &r, i, col);
        }
    _tile_release();
}

#endif
