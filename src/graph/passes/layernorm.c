/* SPDX-License-Identifier: Apache-2.0 */
/* layernorm: LayerNormalization written out, as exporters did before there was one:
 *
 *     d = x - ReduceMean(x)      d / Sqrt(ReduceMean(d ^ 2) + epsilon) * scale + shift
 */
#include <math.h>
#include <string.h>

#include "graph/op.h"
#include "graph/pass.h"

extern const hn_op hn_op_layernormalization;

static const hn_node *made_by(const hn_value *v, const char *name)
{
    const hn_node *n = v ? v->maker : NULL;
    return n && !n->op->domain && strcmp(n->op->name, name) == 0 && n->act.kind == HN_ACT_NONE ? n : NULL;
}

/* The operand that is a constant of `count` f32 elements along the last axis; the other one in *rest. */
static hn_value *constant_row(const hn_node *n, size_t count, hn_value **rest)
{
    for (int i = 0; n && i < 2; i++) {
        hn_value *v = n->in[i];
        int rank = v->t.shape.rank;
        bool row = count == 1 || (rank > 0 && (size_t)v->t.shape.dim[rank - 1] == count);
        if (hn_is_const(v) && v->t.dtype == HN_F32 && hn_count(&v->t) == count && row) {
            *rest = n->in[1 - i];
            return v;
        }
    }
    return NULL;
}

/* ReduceMean over the last axis alone, which it keeps: its input. */
static hn_value *mean_of(const hn_value *v)
{
    const hn_node *n = made_by(v, "ReduceMean");
    const int64_t *axis;
    int64_t given;
    if (!n || !hn_attr_int(n, "keepdims", 1))
        return NULL;
    size_t count = hn_attr_ints(n, "axes", &axis);
    if (n->in_count > 1 && n->in[1]) {
        if (!hn_is_const(n->in[1]) || hn_count(&n->in[1]->t) != 1)
            return NULL;
        hn_get_i64(&n->in[1]->t, 0, 1, &given);
        axis = &given;
        count = 1;
    }
    bool last = count == 1 && (axis[0] == -1 || axis[0] == n->in[0]->t.shape.rank - 1);
    return last ? n->in[0] : NULL;
}

/* d squared, as a power or a product: d. */
static hn_value *squared(const hn_value *v)
{
    const hn_node *pow = made_by(v, "Pow"), *mul = made_by(v, "Mul");
    hn_value *d;
    if (pow) {
        hn_value *e = constant_row(pow, 1, &d);
        return e && e == pow->in[1] && *(const float *)e->t.data == 2 ? d : NULL;
    }
    return mul && mul->in[0] == mul->in[1] ? mul->in[0] : NULL;
}

typedef struct found { hn_value *x, *scale, *shift; float epsilon; } found;

static bool matches(const hn_node *add, found *f)
{
    hn_value *scaled, *unit, *sum, *var;
    if (add->out_count == 0 || !made_by(add->out[0], "Add"))
        return false;
    const hn_shape *s = &add->out[0]->t.shape;
    if (add->out[0]->t.dtype != HN_F32 || s->rank < 1 || hn_is_symbol(s->dim[s->rank - 1]))
        return false;
    size_t len = (size_t)s->dim[s->rank - 1];
    f->shift = constant_row(add, len, &scaled);
    f->scale = f->shift ? constant_row(made_by(scaled, "Mul"), len, &unit) : NULL;
    const hn_node *div = f->scale ? made_by(unit, "Div") : NULL, *root = div ? made_by(div->in[1], "Sqrt") : NULL;
    const hn_value *eps = root ? constant_row(made_by(root->in[0], "Add"), 1, &sum) : NULL;
    if (!eps || !(var = mean_of(sum)) || squared(var) != div->in[0])
        return false;
    const hn_node *sub = made_by(div->in[0], "Sub");
    if (!sub || mean_of(sub->in[1]) != sub->in[0] || !hn_shape_equal(&sub->in[0]->t.shape, s))
        return false;
    f->x = sub->in[0];
    f->epsilon = *(const float *)eps->t.data;
    return true;
}

/* The scale may be written as [1, 1, len]; LayerNormalization's is [len]. */
static hn_err flat(hn_ctx *cx, hn_graph *g, hn_value *v, hn_value **out)
{
    hn_tensor t = v->t;
    *out = v;
    if (t.shape.rank == 1)
        return HN_OK;
    t.shape = (hn_shape){ .rank = 1, .dim = { (int64_t)hn_count(&t) } };
    return hn_graph_add_const(cx, g, v->name, &t, out);
}

static hn_err run(hn_ctx *cx, hn_graph *g, size_t *changes)
{
    for (size_t i = 0; i < g->node_count; i++) {
        hn_node *n = g->node[i];
        found f;
        if (!matches(n, &f))
            continue;
        hn_value **in = HN_NEW(g->arena, hn_value *, 3);
        hn_attr *attr = HN_NEW(g->arena, hn_attr, 2);
        if (!in || !attr)
            return hn_nomem(cx, "a normalisation");
        in[0] = f.x;
        HN_TRY(flat(cx, g, f.scale, &in[1]));
        HN_TRY(flat(cx, g, f.shift, &in[2]));
        attr[0] = (hn_attr){ .name = "axis", .kind = HN_ATTR_INT, .i = -1 };
        attr[1] = (hn_attr){ .name = "epsilon", .kind = HN_ATTR_FLOAT, .f = f.epsilon };
        n->op = &hn_op_layernormalization;
        n->in = in;
        n->in_count = 3;
        n->attr = attr;
        n->attr_count = 2;
        ++*changes;
    }
    return HN_OK;
}

const hn_pass hn_pass_layernorm = { "layernorm", "put written-out layer normalisations together", run };
