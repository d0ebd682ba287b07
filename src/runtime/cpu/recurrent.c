/* SPDX-License-Identifier: Apache-2.0 */
/* recurrent.c: LSTM and GRU on f32, with weights packed when the plan is made.
 *
 * The input's product is one matrix product for many steps at once; each step then adds the state's
 * product to its rows of it and runs the cell.  Directions are independent pieces of work.  The usual
 * functions only, and no lengths per sequence: the rest is the operator's own code. */
#include <math.h>
#include <string.h>

#include "base/num.h"
#include "runtime/impl.h"

enum { X, W, R, B, LENS, H0, C0, P };       /* inputs, as in graph/ops/recurrent.c */
enum { GATES_FLOATS = 64 * 1024 };          /* of the input's product at once: steady in the second cache */

typedef struct recurrent {
    size_t gates, dirs, steps, batch, input, hidden;
    size_t chunk;                           /* steps whose input product is made at once */
    bool batch_first, backward;             /* backward: the only direction there is */
    float most;                             /* bound of an LSTM's cell */
    const float *w[2], *r[2];               /* packed */
    const float *x_bias[2], *r_bias[2];     /* [gates * hidden] or NULL */
    size_t rows;                            /* gates * hidden */
} recurrent;

static bool usual_functions(const hn_node *n, size_t gates)
{
    static const char *const names[] = { "sigmoid", "tanh", "tanh" };
    const hn_attr *a = hn_attr_find(n, "activations");
    for (size_t i = 0; a && i < a->list.count; i++) {
        const char *want = names[i % (gates == 4 ? 3 : 2)];
        for (size_t k = 0; k <= strlen(want); k++)
            if (k < strlen(want) ? k >= a->list.text[i].len || (a->list.text[i].ptr[k] | 32) != want[k]
                                 : a->list.text[i].len != k)
                return false;
    }
    return true;
}

static bool accepts(const hn_prep *p, size_t gates)
{
    const hn_node *n = p->node;
    for (int i = W; i <= R; i++)
        if (!p->in[i]->data)
            return false;
    if (p->in_count > B && p->in[B] && !p->in[B]->data)
        return false;
    return hn_prep_f32(p) && usual_functions(n, gates) && hn_attr_float(n, "clip", 0) <= 0 &&
           !(p->in_count > LENS && p->in[LENS]) && !(p->in_count > P && p->in[P]) && n->act.kind == HN_ACT_NONE &&
           hn_count(p->in[X]) > 0 && p->in[R]->shape.dim[2] > 0;
}

static bool accepts_lstm(const hn_prep *p)
{
    const hn_op *op = p->node->op;
    return strcmp(op->name, "LSTM") == 0 && (!op->domain || strcmp(op->domain, "hone") == 0) &&
           !hn_attr_int(p->node, "input_forget", 0) && accepts(p, 4);
}

static bool accepts_gru(const hn_prep *p)
{
    return hn_op_is(p->node, "GRU") && hn_attr_int(p->node, "linear_before_reset", 0) && accepts(p, 3);
}

/* ---- Packing --------------------------------------------------------------------------------- */

/* The transpose of [rows, k], packed. */
static hn_err pack(hn_prep *p, int input, size_t dir, size_t rows, size_t k, const float **out)
{
    bool made;
    float *packed = hn_prep_weights(p, input, hn_mul(p->k->pack_b_f32_size(k, rows), sizeof *packed), &made);
    *out = packed;
    if (made)
        return HN_OK;
    if (!packed)
        return hn_nomem(p->cx, "packed weights");
    p->k->pack_b_f32(packed, (const float *)p->in[input]->data + dir * rows * k, k, k, rows, 1);
    return HN_OK;
}

/* The two biases meet in one sum, but for a GRU's last gate, whose second is scaled with the state. */
static hn_err biases(hn_prep *p, recurrent *c)
{
    const float *from = p->in[B]->data;
    for (size_t d = 0; d < c->dirs; d++, from += 2 * c->rows) {
        float *x = HN_NEW(p->arena, float, c->rows), *r = HN_NEW(p->arena, float, c->rows);
        if (!x || !r)
            return hn_nomem(p->cx, "a bias");
        for (size_t i = 0; i < c->rows; i++) {
            bool apart = c->gates == 3 && i >= 2 * c->hidden;
            x[i] = apart ? from[i] : from[i] + from[c->rows + i];
            r[i] = apart ? from[c->rows + i] : 0;
        }
        c->x_bias[d] = x;
        c->r_bias[d] = r;
    }
    return HN_OK;
}

static hn_err prepare(hn_prep *p, size_t gates)
{
    recurrent *c = HN_NEW(p->arena, recurrent, 1);
    const hn_shape *x = &p->in[X]->shape, *r = &p->in[R]->shape;
    bool first = hn_attr_int(p->node, "layout", 0);
    double most = p->node->op->domain ? hn_attr_float(p->node, "cell_clip", 0) : 0;
    if (!c)
        return hn_nomem(p->cx, "a recurrent cell");
    *c = (recurrent){ .gates = gates, .dirs = (size_t)r->dim[0], .hidden = (size_t)r->dim[2], .input = (size_t)x->dim[2],
                      .steps = (size_t)x->dim[first], .batch = (size_t)x->dim[!first], .batch_first = first,
                      .backward = hn_attr_is(p->node, "direction", "reverse", "forward"),
                      .most = most > 0 ? (float)most : INFINITY };
    c->rows = gates * c->hidden;
    c->chunk = hn_min(hn_max(GATES_FLOATS / (c->rows * c->batch), 1), c->steps);
    size_t x_floats = hn_mul(c->chunk * c->batch, c->rows), step_floats = hn_mul(c->batch, c->rows + 2 * c->hidden);
    p->scratch_bytes = hn_mul(hn_add(x_floats, step_floats), sizeof(float));
    p->state = c;
    for (size_t d = 0; d < c->dirs; d++) {
        HN_TRY(pack(p, W, d, c->rows, c->input, &c->w[d]));
        HN_TRY(pack(p, R, d, c->rows, c->hidden, &c->r[d]));
    }
    return p->in_count > B && p->in[B] && !hn_prep_measuring(p) ? biases(p, c) : HN_OK;
}

static hn_err prepare_lstm(hn_prep *p) { return prepare(p, 4); }
static hn_err prepare_gru(hn_prep *p) { return prepare(p, 3); }

/* ---- Running --------------------------------------------------------------------------------- */

/* Where a sequence's state lies in h0, c0, y_h, y_c. */
static size_t state_at(const recurrent *c, size_t dir, size_t b)
{
    return (c->batch_first ? b * c->dirs + dir : dir * c->batch + b) * c->hidden;
}

static size_t y_at(const recurrent *c, size_t step, size_t dir, size_t b)
{
    return (c->batch_first ? (b * c->steps + step) * c->dirs + dir : (step * c->dirs + dir) * c->batch + b) * c->hidden;
}

static const hn_tensor *operand(const hn_run *r, int i) { return r->node->in_count > i ? r->in[i] : NULL; }
static hn_tensor *result(const hn_run *r, int i) { return r->node->out_count > i ? r->out[i] : NULL; }

static void load_state(const recurrent *c, const hn_tensor *t, size_t dir, float *to)
{
    for (size_t b = 0; b < c->batch; b++, to += c->hidden)
        if (t)
            memcpy(to, (const float *)t->data + state_at(c, dir, b), c->hidden * sizeof *to);
        else
            memset(to, 0, c->hidden * sizeof *to);
}

static void store_state(const recurrent *c, const float *from, size_t dir, hn_tensor *t)
{
    for (size_t b = 0; t && b < c->batch; b++, from += c->hidden)
        memcpy((float *)t->data + state_at(c, dir, b), from, c->hidden * sizeof *from);
}

/* W x + b for steps [lo, lo + n): rows as the input has them, so of a sequence or of a step together. */
static void input_product(const hn_run *r, const recurrent *c, size_t dir, size_t lo, size_t n, float *gx)
{
    const float *x = r->in[X]->data;
    hn_gemm_f32 g = { .m = n * c->batch, .n = c->rows, .k = c->input, .a = x + lo * c->batch * c->input, .lda = c->input,
                      .b = c->w[dir], .c = gx, .ldc = c->rows, .bias = c->x_bias[dir] };
    if (!c->batch_first) {
        r->k->gemm_f32(&g);
        return;
    }
    g.m = n;
    for (size_t b = 0; b < c->batch; b++, g.c += n * c->rows) {
        g.a = x + (b * c->steps + lo) * c->input;
        r->k->gemm_f32(&g);
    }
}

/* One step of all sequences; gx is its first row, `apart` floats before the next sequence's. */
static void step(const hn_run *r, const recurrent *c, size_t dir, const float *gx, size_t apart, float *gates, float *h,
                 float *cell)
{
    hn_gemm_f32 g = { .m = c->batch, .n = c->rows, .k = c->hidden, .a = h, .lda = c->hidden, .b = c->r[dir], .c = gates,
                      .ldc = c->rows };
    if (c->gates == 4) {
        g.add = gx;
        g.ld_add = apart;
    } else {
        g.bias = c->r_bias[dir];
    }
    r->k->gemm_f32(&g);
    for (size_t b = 0; b < c->batch; b++, h += c->hidden, cell += c->hidden, gates += c->rows, gx += apart)
        if (c->gates == 4)
            r->k->lstm_cell_f32(h, cell, gates, c->hidden, c->most);
        else
            r->k->gru_cell_f32(h, gx, gates, c->hidden);
}

static void one_direction(void *arg, size_t dir, unsigned worker)
{
    const hn_run *r = arg;
    const recurrent *c = r->state;
    float *gx = (float *)(void *)(r->scratch + worker * r->scratch_stride);
    float *gates = gx + c->chunk * c->batch * c->rows, *h = gates + c->batch * c->rows, *cell = h + c->batch * c->hidden;
    bool backward = c->backward || dir == 1;
    hn_tensor *y = result(r, 0);

    load_state(c, operand(r, H0), dir, h);
    load_state(c, operand(r, C0), dir, cell);
    for (size_t done = 0, n; done < c->steps; done += n) {
        n = hn_min(c->chunk, c->steps - done);
        size_t lo = backward ? c->steps - done - n : done;
        input_product(r, c, dir, lo, n, gx);
        for (size_t i = 0; i < n; i++) {
            size_t at = backward ? n - 1 - i : i;
            step(r, c, dir, gx + at * (c->batch_first ? 1 : c->batch) * c->rows, (c->batch_first ? n : 1) * c->rows, gates,
                 h, cell);
            for (size_t b = 0; y && b < c->batch; b++)
                memcpy((float *)y->data + y_at(c, lo + at, dir, b), h + b * c->hidden, c->hidden * sizeof *h);
        }
    }
    store_state(c, h, dir, result(r, 1));
    store_state(c, cell, dir, result(r, 2));
}

static hn_err run(const hn_run *r)
{
    hn_parallel(r, ((const recurrent *)r->state)->dirs, one_direction, (void *)(uintptr_t)r);
    return HN_OK;
}

const hn_impl hn_impl_lstm = {
    .name = "lstm.f32", .rule = HN_RULE_PLAIN, .spares_out = true, .accepts = accepts_lstm, .prepare = prepare_lstm, .run = run,
};

const hn_impl hn_impl_gru = {
    .name = "gru.f32", .rule = HN_RULE_PLAIN, .spares_out = true, .accepts = accepts_gru, .prepare = prepare_gru, .run = run,
};
