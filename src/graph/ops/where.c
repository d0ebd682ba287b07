/* SPDX-License-Identifier: Apache-2.0 */
/* where.c: one of two values by a condition, all three broadcast. */
#include "graph/strided.h"

/* Shape arithmetic: exporters write "where(dim == -1, 1, dim)" to expand. */
static void choose_known(hn_call *c)
{
    int64_t v[3][HN_KNOWN_MAX], out[HN_KNOWN_MAX];
    int n[3], most = 1;
    for (int i = 0; i < 3; i++) {
        n[i] = hn_known(c, i, v[i], HN_KNOWN_MAX);
        if (n[i] < 0)
            return;
        most = n[i] != 1 ? n[i] : most;
    }
    for (int i = 0; i < 3; i++)
        if (n[i] != 1 && n[i] != most)
            return;
    for (int j = 0; j < most; j++) {
        int64_t cond = v[0][n[0] == 1 ? 0 : j], a = v[1][n[1] == 1 ? 0 : j], b = v[2][n[2] == 1 ? 0 : j];
        bool both_sizes = (a >= 0 || hn_is_symbol(a)) && (b >= 0 || hn_is_symbol(b));
        if (!hn_is_symbol(cond))
            out[j] = cond ? a : b;
        else if (a == b)
            out[j] = a;
        else if (both_sizes)
            out[j] = hn_fresh_dim(c);
        else
            return;
    }
    hn_set_known(c, 0, out, most);
}

static hn_err infer(hn_call *c)
{
    hn_shape s;
    if (c->in[0]->dtype != HN_BOOL)
        return hn_bad(c, "the condition is %s, expected bool", hn_dtype_name(c->in[0]->dtype));
    if (c->in[1]->dtype != c->in[2]->dtype)
        return hn_bad(c, "the choices differ in type: %s and %s", hn_dtype_name(c->in[1]->dtype),
                      hn_dtype_name(c->in[2]->dtype));
    HN_TRY(hn_broadcast(c, &c->in[0]->shape, &c->in[1]->shape, &s));
    HN_TRY(hn_broadcast(c, &s, &c->in[2]->shape, &s));
    hn_out(c, 0, c->in[1]->dtype, &s);
    int class = hn_dtype_class(c->in[1]->dtype);
    if (s.rank >= 0 && s.rank <= 1 && (class == HN_CLASS_I || class == HN_CLASS_U))
        choose_known(c);
    return HN_OK;
}

static hn_err run(hn_call *c)
{
    const uint8_t *cond = c->in[0]->data;
    hn_walk w;
    hn_walk_start(&w, &c->out[0]->shape);
    for (int i = 0; i < 3; i++)
        hn_walk_operand(&w, i, &c->in[i]->shape);
    for (; w.left; hn_walk_step(&w)) {
        int from = cond[w.pos[0]] ? 1 : 2;
        hn_elems_copy(c->out[0], w.index, c->in[from], w.pos[from], 1);
    }
    return HN_OK;
}

const hn_op hn_op_where = {
    .name = "Where", .since = 16, .min_in = 3, .max_in = 3, .min_out = 1, .max_out = 1,
    .infer = infer, .run = run,
};
