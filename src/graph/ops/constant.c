/* SPDX-License-Identifier: Apache-2.0 */
/* constant.c: values written in the graph itself. */
#include <string.h>

#include "graph/op.h"

/* The importer turns Constant nodes into constants; this keeps a graph that still has one right.
 * *out borrows the attribute's data. */
static hn_err find_value(hn_call *c, hn_tensor *out)
{
    const hn_attr *a = c->node->attr_count == 1 ? &c->node->attr[0] : NULL;
    hn_shape list = { .rank = 1, .dim = { a && a->kind >= HN_ATTR_INTS ? (int64_t)a->list.count : 0 } };
    hn_shape one = { .rank = 0 };

    if (a && strcmp(a->name, "value") == 0 && a->kind == HN_ATTR_TENSOR)
        *out = a->tensor;
    else if (a && strcmp(a->name, "value_float") == 0 && a->kind == HN_ATTR_FLOAT)
        *out = (hn_tensor){ HN_F32, one, (void *)&a->f };
    else if (a && strcmp(a->name, "value_floats") == 0 && a->kind == HN_ATTR_FLOATS)
        *out = (hn_tensor){ HN_F32, list, (void *)a->list.f };
    else if (a && strcmp(a->name, "value_int") == 0 && a->kind == HN_ATTR_INT)
        *out = (hn_tensor){ HN_I64, one, (void *)&a->i };
    else if (a && strcmp(a->name, "value_ints") == 0 && a->kind == HN_ATTR_INTS)
        *out = (hn_tensor){ HN_I64, list, (void *)a->list.i };
    else if (a && strcmp(a->name, "value_string") == 0 && a->kind == HN_ATTR_TEXT)
        *out = (hn_tensor){ HN_STR, one, (void *)&a->text };
    else if (a && strcmp(a->name, "value_strings") == 0 && a->kind == HN_ATTR_TEXTS)
        *out = (hn_tensor){ HN_STR, list, (void *)a->list.text };
    else
        return hn_unsupported(c, "a Constant without exactly one value; known are value, value_float(s), "
                              "value_int(s) and value_string(s)");
    return HN_OK;
}

static hn_err infer(hn_call *c)
{
    hn_tensor t;
    HN_TRY(find_value(c, &t));
    hn_out(c, 0, t.dtype, &t.shape);
    if (t.dtype == HN_I64 && t.shape.rank <= 1 && hn_count(&t) <= HN_KNOWN_MAX)
        hn_set_known(c, 0, t.data, (int)hn_count(&t));
    return HN_OK;
}

static hn_err run(hn_call *c)
{
    hn_tensor t;
    HN_TRY(find_value(c, &t));
    if (hn_bytes(&t))
        memcpy(c->out[0]->data, t.data, hn_bytes(&t));
    return HN_OK;
}

static const hn_attr_spec attr[] = {
    { "value", HN_ATTR_TENSOR, "one of these is given" },
    { "value_float", HN_ATTR_FLOAT, "" }, { "value_floats", HN_ATTR_FLOATS, "" },
    { "value_int", HN_ATTR_INT, "" }, { "value_ints", HN_ATTR_INTS, "" },
    { "value_string", HN_ATTR_TEXT, "" }, { "value_strings", HN_ATTR_TEXTS, "" }, { 0 }
};

const hn_op hn_op_constant = {
    .name = "Constant", .since = 25, .min_in = 0, .max_in = 0, .min_out = 1, .max_out = 1,
    .attr = attr, .infer = infer, .run = run,
};
