/* SPDX-License-Identifier: Apache-2.0 */
#include "graph/strided.h"

#include <assert.h>
#include <string.h>

#include "tensor/convert.h"

void hn_box_add(hn_box *b, int64_t dim, ptrdiff_t to, ptrdiff_t from)
{
    assert(b->rank < HN_BOX_RANK && dim >= 0);
    b->dim[b->rank] = (size_t)dim;
    b->to[b->rank] = to;
    b->from[b->rank] = from;
    b->rank++;
}

/* The same box with as few axes as it needs: an axis of one element goes, and an axis whose step is
 * the whole of the next one joins it. */
static hn_box merged(const hn_box *b)
{
    hn_box m = { .to_first = b->to_first, .from_first = b->from_first };
    for (int i = 0; i < b->rank; i++) {
        int last = m.rank - 1;
        ptrdiff_t dim = (ptrdiff_t)b->dim[i];
        if (dim == 1)
            continue;
        if (m.rank && m.to[last] == b->to[i] * dim && m.from[last] == b->from[i] * dim) {
            m.dim[last] *= b->dim[i];
            m.to[last] = b->to[i];
            m.from[last] = b->from[i];
        } else {
            hn_box_add(&m, dim, b->to[i], b->from[i]);
        }
    }
    if (!m.rank)
        hn_box_add(&m, 1, 1, 1);
    return m;
}

/* With `size` a constant the copies become plain loads and stores. */
static inline __attribute__((always_inline))
void move_row(char *to, ptrdiff_t to_step, const char *from, ptrdiff_t from_step, size_t count, size_t size)
{
    if (to_step == 1 && from_step == 1) {
        memcpy(to, from, count * size);
        return;
    }
    to_step *= (ptrdiff_t)size;
    from_step *= (ptrdiff_t)size;
    for (size_t i = 0; i < count; i++)
        memcpy(to + (ptrdiff_t)i * to_step, from + (ptrdiff_t)i * from_step, size);
}

static void move_packed(void *to, size_t at, ptrdiff_t to_step, const void *from, size_t first,
                        ptrdiff_t from_step, size_t count, unsigned bits)
{
    for (size_t i = 0; i < count; i++) {
        hn_put_packed(to, at, bits, hn_get_packed(from, first, bits));
        at += (size_t)to_step;
        first += (size_t)from_step;
    }
}

static void row(hn_tensor *to, size_t at, ptrdiff_t ts, const hn_tensor *from, size_t first,
                ptrdiff_t fs, size_t count)
{
    unsigned bits = hn_dtype_bits(to->dtype);
    if (bits < 8) {
        move_packed(to->data, at, ts, from->data, first, fs, count, bits);
        return;
    }
    char *p = (char *)to->data + at * (bits / 8);
    const char *q = (const char *)from->data + first * (bits / 8);
    switch (bits) {
    case 8:   move_row(p, ts, q, fs, count, 1);  break;
    case 16:  move_row(p, ts, q, fs, count, 2);  break;
    case 32:  move_row(p, ts, q, fs, count, 4);  break;
    case 64:  move_row(p, ts, q, fs, count, 8);  break;
    default:  move_row(p, ts, q, fs, count, 16); break;
    }
}

void hn_box_move(const hn_box *box, hn_tensor *to, const hn_tensor *from)
{
    size_t at[HN_BOX_RANK] = { 0 };
    hn_box b = merged(box);
    size_t t = b.to_first, f = b.from_first;
    int last = b.rank - 1, d;

    for (int i = 0; i < b.rank; i++)
        if (b.dim[i] == 0)
            return;
    do {
        row(to, t, b.to[last], from, f, b.from[last], b.dim[last]);
        for (d = last - 1; d >= 0; d--) {        /* step to the next row; sizes wrap back exactly */
            t += (size_t)b.to[d];
            f += (size_t)b.from[d];
            if (++at[d] < b.dim[d])
                break;
            t -= (size_t)b.to[d] * b.dim[d];
            f -= (size_t)b.from[d] * b.dim[d];
            at[d] = 0;
        }
    } while (d >= 0);
}

void hn_steps(const hn_shape *s, ptrdiff_t step[HN_RANK_MAX])
{
    size_t n = 1;
    for (int i = s->rank - 1; i >= 0; i--) {
        step[i] = (ptrdiff_t)n;
        n *= (size_t)s->dim[i];
    }
}

void hn_elems_copy(hn_tensor *to, size_t at, const hn_tensor *from, size_t first, size_t count)
{
    if (count)
        row(to, at, 1, from, first, 1, count);
}

void hn_elems_fill(hn_tensor *to, size_t at, size_t count, const hn_tensor *from, size_t index)
{
    row(to, at, 1, from, index, 0, count);
}

void hn_elems_zero(hn_tensor *t)
{
    static const hn_text empty = { "", 0 };
    hn_tensor zero = { t->dtype, { .rank = 0 }, (void *)&empty };
    size_t count = hn_count(t);
    if (t->dtype == HN_STR)
        hn_elems_fill(t, 0, count, &zero, 0);
    else if (count)
        memset(t->data, 0, hn_bytes(t));
}

bool hn_elem_equal(const hn_tensor *a, size_t i, const hn_tensor *b, size_t j)
{
    unsigned bits = hn_dtype_bits(a->dtype);
    if (a->dtype == HN_STR) {
        const hn_text *x = (const hn_text *)a->data + i, *y = (const hn_text *)b->data + j;
        return x->len == y->len && (!x->len || memcmp(x->ptr, y->ptr, x->len) == 0);
    }
    if (bits < 8)
        return hn_get_packed(a->data, i, bits) == hn_get_packed(b->data, j, bits);
    return memcmp((const char *)a->data + i * (bits / 8), (const char *)b->data + j * (bits / 8), bits / 8) == 0;
}

void hn_walk_start(hn_walk *w, const hn_shape *s)
{
    *w = (hn_walk){ .rank = s->rank, .left = hn_shape_count(s) };
    for (int i = 0; i < s->rank; i++)
        w->dim[i] = (size_t)s->dim[i];
}

void hn_walk_operand(hn_walk *w, int k, const hn_shape *s)
{
    hn_broadcast_strides(s, w->rank, w->step[k]);
}

void hn_walk_step(hn_walk *w)
{
    w->left--;
    w->index++;
    for (int d = w->rank - 1; d >= 0; d--) {
        for (int k = 0; k < 4; k++)
            w->pos[k] += w->step[k][d];
        if (++w->at[d] < w->dim[d])
            return;
        for (int k = 0; k < 4; k++)
            w->pos[k] -= w->step[k][d] * w->dim[d];
        w->at[d] = 0;
    }
}

hn_err hn_index(hn_call *c, int64_t index, int64_t size, size_t *out)
{
    if (index < -size || index >= size)
        return hn_bad(c, "index %lld is outside of an axis of %lld", (long long)index, (long long)size);
    *out = (size_t)(index < 0 ? index + size : index);
    return HN_OK;
}
