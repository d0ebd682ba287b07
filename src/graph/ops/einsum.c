/* SPDX-License-Identifier: Apache-2.0 */
/* einsum.c: sums of products named by letters: "ij,jk->ik".
 *
 * Each letter is an index; those not in the output are summed over.  A letter twice in one operand
 * walks its diagonal.  "..." stands for leading dimensions that broadcast. */
#include <string.h>

#include "graph/load.h"

enum { LETTERS = 52, LABELS = LETTERS + HN_RANK_MAX, OPERANDS_MAX = 16 };

typedef struct term {
    int count;
    int label[LABELS];             /* below LETTERS: a letter; above: a dimension of the ellipsis */
    bool dots;
} term;

typedef struct plan {
    term in[OPERANDS_MAX], out;
    int64_t size[LABELS];          /* -1: the label does not occur */
    int dots;                      /* dimensions the ellipsis stands for */
} plan;

static int letter(char ch)
{
    return ch >= 'A' && ch <= 'Z' ? ch - 'A' : ch >= 'a' && ch <= 'z' ? ch - 'a' + 26 : -1;
}

/* Reads letters up to a comma, an arrow or the end.  `dots` dimensions are put where the ellipsis is. */
static hn_err read_term(hn_call *c, hn_text eq, size_t *at, int dots, term *t)
{
    *t = (term){ 0 };
    for (; *at < eq.len && eq.ptr[*at] != ',' && eq.ptr[*at] != '-'; (*at)++) {
        char ch = eq.ptr[*at];
        if (ch == ' ')
            continue;
        if (ch == '.') {
            if (t->dots || eq.len - *at < 3 || memcmp(eq.ptr + *at, "...", 3) != 0)
                return hn_bad(c, "equation '%.*s': a stray dot", (int)eq.len, eq.ptr);
            t->dots = true;
            *at += 2;
            for (int i = 0; i < dots && t->count < LABELS; i++)
                t->label[t->count++] = LETTERS + i;
            continue;
        }
        if (letter(ch) < 0)
            return hn_bad(c, "equation '%.*s': '%c' is not a letter", (int)eq.len, eq.ptr, ch);
        if (t->count >= LABELS)
            return hn_bad(c, "equation '%.*s' is too long", (int)eq.len, eq.ptr);
        t->label[t->count++] = letter(ch);
    }
    return HN_OK;
}

/* The ellipsis of an operand covers what its letters leave over; the widest counts for all. */
static hn_err count_dots(hn_call *c, hn_text eq, int *dots)
{
    size_t at = 0;
    *dots = 0;
    for (int i = 0; i < c->in_count; i++, at++) {
        term t;
        int rank = c->in[i]->shape.rank;
        HN_TRY(read_term(c, eq, &at, 0, &t));
        bool last = i == c->in_count - 1;
        if (last ? at < eq.len && eq.ptr[at] == ',' : at >= eq.len || eq.ptr[at] != ',')
            return hn_bad(c, "equation '%.*s' does not have %d operands", (int)eq.len, eq.ptr, c->in_count);
        if (rank < t.count || (!t.dots && rank != t.count))
            return hn_bad(c, "equation '%.*s' names %d dimensions of input %d, which has %d", (int)eq.len,
                          eq.ptr, t.count, i, rank);
        if (t.dots && rank - t.count > *dots)
            *dots = rank - t.count;
    }
    return HN_OK;
}

static hn_err join_size(hn_call *c, plan *p, int label, int64_t d)
{
    int64_t *size = &p->size[label];
    if (*size == -1 || *size == 1 || (hn_is_symbol(*size) && d != 1))
        *size = d;
    else if (d != 1 && hn_dims_differ(*size, d))
        return hn_bad(c, "an index has sizes %lld and %lld", (long long)*size, (long long)d);
    return HN_OK;
}

static hn_err read_plan(hn_call *c, plan *p)
{
    hn_text eq = hn_attr_text(c->node, "equation", "");
    size_t at = 0;
    int seen[LABELS] = { 0 };

    if (c->in_count > OPERANDS_MAX)
        return hn_unsupported(c, "more than %d operands", OPERANDS_MAX);
    HN_TRY(count_dots(c, eq, &p->dots));
    for (int i = 0; i < LABELS; i++)
        p->size[i] = -1;
    for (int i = 0; i < c->in_count; i++) {
        term *t = &p->in[i];
        const hn_shape *s = &c->in[i]->shape;
        at += i > 0;                               /* past the comma count_dots() saw */
        HN_TRY(read_term(c, eq, &at, p->dots, t));
        int missing = t->count - s->rank;          /* leading dimensions of the ellipsis it lacks */
        for (int j = 0, d = 0, skip = missing; j < t->count; j++) {
            if (t->label[j] >= LETTERS && skip > 0) {
                t->label[j] = -1;
                skip--;
                continue;
            }
            seen[t->label[j]]++;
            HN_TRY(join_size(c, p, t->label[j], s->dim[d++]));
        }
    }
    if (at < eq.len) {
        if (at + 1 >= eq.len || eq.ptr[at + 1] != '>')
            return hn_bad(c, "equation '%.*s': '-' without '>'", (int)eq.len, eq.ptr);
        at += 2;
        HN_TRY(read_term(c, eq, &at, p->dots, &p->out));
        if (at < eq.len)
            return hn_bad(c, "equation '%.*s' goes on after its output", (int)eq.len, eq.ptr);
    } else {                        /* no arrow: the ellipsis, then letters that occur once, in order */
        p->out = (term){ 0 };
        for (int i = 0; i < p->dots; i++)
            p->out.label[p->out.count++] = LETTERS + i;
        for (int i = 0; i < LETTERS; i++)
            if (seen[i] == 1)
                p->out.label[p->out.count++] = i;
    }
    if (p->out.count > HN_RANK_MAX)
        return hn_unsupported(c, "more than %d dimensions", HN_RANK_MAX);
    for (int i = 0; i < p->out.count; i++) {
        int l = p->out.label[i];
        for (int j = 0; j < i; j++)
            if (p->out.label[j] == l)
                return hn_bad(c, "equation '%.*s' repeats an index of its output", (int)eq.len, eq.ptr);
        if (p->size[l] == -1)
            return hn_bad(c, "equation '%.*s': an output index is in no input", (int)eq.len, eq.ptr);
    }
    return HN_OK;
}

static hn_err infer(hn_call *c)
{
    hn_shape out = { .rank = -1 };
    bool ranks = true;
    HN_TRY(hn_want_number(c, 0));
    for (int i = 0; i < c->in_count; i++) {
        if (!c->in[i])
            return hn_bad(c, "input %d is required but left out", i);
        HN_TRY(hn_want_same(c, 0, i));
        ranks = ranks && c->in[i]->shape.rank >= 0;
    }
    if (ranks) {
        plan p;
        HN_TRY(read_plan(c, &p));
        out.rank = p.out.count;
        for (int i = 0; i < p.out.count; i++)
            out.dim[i] = p.size[p.out.label[i]];
    }
    hn_out(c, 0, c->in[0]->dtype, &out);
    return HN_OK;
}

/* Loops: the output's labels first, then those summed over; one stride per loop and operand. */
typedef struct loops {
    int count, outer;
    size_t size[LABELS], at[LABELS], stride[LABELS][OPERANDS_MAX], pos[OPERANDS_MAX];
} loops;

static void plan_loops(const hn_call *c, const plan *p, loops *l)
{
    bool used[LABELS] = { false };
    memset(l, 0, sizeof *l);
    for (int pass = 0; pass < 2; pass++)
        for (int i = 0; i < (pass ? LABELS : p->out.count); i++) {
            int label = pass ? i : p->out.label[i];
            if (used[label] || p->size[label] == -1)
                continue;
            used[label] = true;
            size_t *stride = l->stride[l->count];
            l->size[l->count++] = (size_t)p->size[label];
            for (int k = 0; k < c->in_count; k++) {
                const hn_shape *s = &c->in[k]->shape;
                int d = s->rank - 1;
                size_t step = 1;
                for (int j = p->in[k].count - 1; j >= 0; j--) {
                    if (p->in[k].label[j] < 0)
                        continue;
                    if (p->in[k].label[j] == label && s->dim[d] != 1)
                        stride[k] += step;
                    step *= (size_t)s->dim[d--];
                }
            }
        }
    l->outer = p->out.count;
}

/* Moves to the next place of loops [from, to); false once all are done. */
static bool advance(loops *l, int from, int to, int operands)
{
    for (int i = to - 1; i >= from; i--) {
        bool more = ++l->at[i] < l->size[i];
        for (int k = 0; k < operands; k++)
            l->pos[k] += more ? l->stride[i][k] : -(l->stride[i][k] * (l->size[i] - 1));
        if (more)
            return true;
        l->at[i] = 0;
    }
    return false;
}

static hn_err run(hn_call *c)
{
    plan p;
    bool floats = hn_is_float(c->in[0]->dtype), empty = false;
    double *f[OPERANDS_MAX];
    int64_t *n[OPERANDS_MAX];
    size_t outs = hn_count(c->out[0]);
    loops *l = HN_SCRATCH(c, loops, 1);
    if (!l)
        return hn_nomem(c->cx, "einsum");
    HN_TRY(read_plan(c, &p));
    plan_loops(c, &p, l);
    for (int k = 0; k < c->in_count; k++)
        HN_TRY(floats ? hn_load_f64(c, c->in[k], &f[k]) : hn_load_i64(c, c->in[k], &n[k]));
    for (int i = l->outer; i < l->count; i++)
        empty = empty || l->size[i] == 0;

    for (size_t o = 0; o < outs; o++) {
        double sum = 0;
        uint64_t isum = 0;
        if (!empty)
            do {
                double v = 1;
                uint64_t iv = 1;
                for (int k = 0; k < c->in_count; k++) {
                    if (floats)
                        v *= f[k][l->pos[k]];
                    else
                        iv *= (uint64_t)n[k][l->pos[k]];
                }
                sum += floats ? v : 0;
                isum += floats ? 0 : iv;
            } while (advance(l, l->outer, l->count, c->in_count));
        if (floats)
            hn_put_f64(c->out[0], o, 1, &sum);
        else
            hn_put_i64(c->out[0], o, 1, &(int64_t){ (int64_t)isum });
        advance(l, 0, l->outer, c->in_count);
    }
    return HN_OK;
}

static double macs(const hn_call *c)
{
    hn_call quiet = *c;
    plan p;
    double n = 1;
    quiet.cx = NULL;
    if (read_plan(&quiet, &p))
        return 0;
    for (int i = 0; i < LABELS; i++)
        n *= p.size[i] > 0 ? (double)p.size[i] : 1;
    return n * (double)(c->in_count > 1 ? c->in_count - 1 : 1);
}

static const hn_attr_spec attr[] = { { "equation", HN_ATTR_TEXT, "required" }, { 0 } };

const hn_op hn_op_einsum = {
    .name = "Einsum", .since = 28, .min_in = 1, .max_in = -1, .min_out = 1, .max_out = 1,
    .attr = attr, .infer = infer, .run = run, .macs = macs,
};
