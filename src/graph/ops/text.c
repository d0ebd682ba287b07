/* SPDX-License-Identifier: Apache-2.0 */
/* text.c: operators on tensors of strings.  Texts they make live as long as the outputs do. */
#include <string.h>

#include "base/num.h"
#include "base/utf8.h"
#include "graph/letter.h"
#include "graph/load.h"
#include "graph/regex.h"
#include "graph/stack.h"
#include "graph/strided.h"

static const hn_text *texts(const hn_call *c, int i) { return c->in[i]->data; }

static bool same_text(hn_text a, hn_text b) { return a.len == b.len && (!a.len || memcmp(a.ptr, b.ptr, a.len) == 0); }

/* ---- StringConcat ------------------------------------------------------------------------------ */

static hn_err infer_concat(hn_call *c)
{
    HN_TRY(hn_want_type(c, 0, HN_STR));
    HN_TRY(hn_want_type(c, 1, HN_STR));
    return hn_infer_broadcast(c);
}

static hn_err run_concat(hn_call *c)
{
    const hn_text *a = texts(c, 0), *b = texts(c, 1);
    hn_text *y = c->out[0]->data;
    hn_walk w;
    hn_walk_start(&w, &c->out[0]->shape);
    hn_walk_operand(&w, 0, &c->in[0]->shape);
    hn_walk_operand(&w, 1, &c->in[1]->shape);
    for (; w.left; hn_walk_step(&w)) {
        hn_text x = a[w.pos[0]], z = b[w.pos[1]];
        size_t len = hn_add(x.len, z.len);
        char *to = hn_arena_get(c->text, hn_add(len, 1), 1);
        if (!to)
            return hn_nomem(c->cx, "a text");
        if (x.len)
            memcpy(to, x.ptr, x.len);
        if (z.len)
            memcpy(to + x.len, z.ptr, z.len);
        y[w.index] = (hn_text){ to, len };
    }
    return HN_OK;
}

/* ---- StringSplit --------------------------------------------------------------------------------- */

static hn_err infer_split(hn_call *c)
{
    hn_shape y = c->in[0]->shape;
    HN_TRY(hn_want_type(c, 0, HN_STR));
    if (y.rank == HN_RANK_MAX)
        return hn_unsupported(c, "more than %d dimensions", HN_RANK_MAX);
    if (y.rank >= 0)
        y.dim[y.rank++] = hn_fresh_dim(c);
    hn_out(c, 0, HN_STR, &y);
    hn_out(c, 1, HN_I64, &c->in[0]->shape);
    return HN_OK;
}

static bool is_space(char ch) { return ch == ' ' || (ch >= '\t' && ch <= '\r'); }

/* The next piece of *rest, or false when there is none.  Without a delimiter, runs of white space part;
 * `last` takes all that is left. */
static bool next_piece(hn_text *rest, hn_text delimiter, bool last, hn_text *out)
{
    if (!rest->ptr)
        return false;
    if (!delimiter.len) {
        while (rest->len && is_space(*rest->ptr)) {
            rest->ptr++;
            rest->len--;
        }
        if (!rest->len)
            return false;
    }
    size_t at = 0, part = delimiter.len ? delimiter.len : 1;
    for (; !last && at < rest->len; at++)
        if (delimiter.len ? rest->len - at >= part && memcmp(rest->ptr + at, delimiter.ptr, part) == 0
                          : is_space(rest->ptr[at]))
            break;
    if (last || at >= rest->len) {
        *out = *rest;
        *rest = (hn_text){ NULL, 0 };
        return true;
    }
    *out = (hn_text){ rest->ptr, at };
    rest->ptr += at + part;
    rest->len -= at + part;
    return true;
}

static hn_err make_split(hn_call *c)
{
    hn_text delimiter = hn_attr_text(c->node, "delimiter", "");
    int64_t most = hn_attr_int(c->node, "maxsplit", INT64_MAX);
    size_t count = hn_count(c->in[0]), widest = 0;
    hn_tensor pieces = { .dtype = HN_STR, .shape = c->in[0]->shape }, counts = { HN_I64, c->in[0]->shape, NULL };
    hn_text piece, *to = NULL;

    HN_TRY(infer_split(c));
    HN_TRY(hn_make_tensor(c, &counts));
    int64_t *found = counts.data;
    for (int pass = 0; pass < 2; pass++) {              /* count, then keep */
        for (size_t i = 0; i < count; i++) {
            hn_text rest = texts(c, 0)[i];
            int64_t n = 0;
            if (!rest.ptr)
                rest.ptr = "";
            for (; next_piece(&rest, delimiter, n == most, &piece); n++)
                if (pass)
                    to[i * widest + (size_t)n] = piece;
            found[i] = n;
            widest = pass ? widest : hn_max(widest, (size_t)n);
        }
        if (pass == 0) {
            pieces.shape.dim[pieces.shape.rank++] = (int64_t)widest;
            HN_TRY(hn_make_tensor(c, &pieces));
            hn_elems_zero(&pieces);
            to = pieces.data;
        }
    }
    *c->out[0] = pieces;                                /* pieces lie in the input's texts: copied now */
    HN_TRY(hn_tensor_copy(c->cx, &pieces, c->text, c->out[0]));
    if (hn_has_out(c, 1))
        *c->out[1] = counts;
    return HN_OK;
}

/* ---- StringNormalizer ------------------------------------------------------------------------------ */

static hn_err infer_normal(hn_call *c)
{
    const hn_shape *x = &c->in[0]->shape;
    hn_shape y = *x;
    HN_TRY(hn_want_type(c, 0, HN_STR));
    if (x->rank >= 0 && x->rank != 1 && !(x->rank == 2 && (x->dim[0] == 1 || hn_is_symbol(x->dim[0]))))
        return hn_bad(c, "expected one row of texts");
    if (y.rank > 0)
        y.dim[y.rank - 1] = hn_fresh_dim(c);
    hn_out(c, 0, HN_STR, &y);
    return HN_OK;
}

static hn_err change_case(hn_call *c, hn_text t, uint32_t (*map)(uint32_t), hn_text *out)
{
    char *to = hn_arena_get(c->text, hn_add(hn_mul(t.len, 2), 4), 1);     /* a mapped letter is at most twice as long */
    size_t at = 0, len = 0;
    if (!to)
        return hn_nomem(c->cx, "a text");
    while (at < t.len) {
        size_t from = at;
        uint32_t was = hn_letter_next(t, &at), now = map(was);
        if (now != was && (was < 0x80 || at - from > 1)) {          /* a stray byte is no letter */
            len += hn_utf8_put(now, to + len);
            continue;
        }
        memcpy(to + len, t.ptr + from, at - from);
        len += at - from;
    }
    *out = (hn_text){ to, len };
    return HN_OK;
}

static hn_err is_stop(hn_call *c, hn_text t, bool *out)
{
    const hn_attr *stop = hn_attr_find(c->node, "stopwords");
    bool exact = hn_attr_int(c->node, "is_case_sensitive", 0);
    *out = false;
    for (size_t i = 0; stop && i < stop->list.count && !*out; i++) {
        hn_text word = stop->list.text[i], a = t;
        if (!exact) {
            HN_TRY(change_case(c, word, hn_lower, &word));
            HN_TRY(change_case(c, t, hn_lower, &a));
        }
        *out = same_text(a, word);
    }
    return HN_OK;
}

static hn_err make_normal(hn_call *c)
{
    const hn_text *x = texts(c, 0);
    bool lower = hn_attr_is(c->node, "case_change_action", "LOWER", "NONE");
    bool upper = hn_attr_is(c->node, "case_change_action", "UPPER", "NONE");
    size_t count = hn_count(c->in[0]), kept = 0;
    HN_TRY(infer_normal(c));
    if (!lower && !upper && !hn_attr_is(c->node, "case_change_action", "NONE", "NONE"))
        return hn_bad(c, "case_change_action is none of LOWER, UPPER and NONE");
    hn_text *word = HN_SCRATCH(c, hn_text, hn_max(count, 1));
    if (!word)
        return hn_nomem(c->cx, "texts");
    for (size_t i = 0; i < count; i++) {
        bool stop;
        HN_TRY(is_stop(c, x[i], &stop));
        if (stop)
            continue;
        word[kept] = x[i];
        if (lower || upper)
            HN_TRY(change_case(c, x[i], lower ? hn_lower : hn_upper, &word[kept]));
        kept++;
    }
    if (kept == 0)                                      /* never nothing: one empty text */
        word[kept++] = (hn_text){ "", 0 };
    hn_tensor y = { .dtype = HN_STR, .shape = c->in[0]->shape, .data = word };
    y.shape.dim[y.shape.rank - 1] = (int64_t)kept;
    return hn_tensor_copy(c->cx, &y, c->text, c->out[0]);
}

/* ---- RegexFullMatch --------------------------------------------------------------------------------- */

static hn_err infer_regex(hn_call *c)
{
    HN_TRY(hn_want_type(c, 0, HN_STR));
    hn_out(c, 0, HN_BOOL, &c->in[0]->shape);
    return HN_OK;
}

static hn_err run_regex(hn_call *c)
{
    hn_regex *r;
    const char *why = NULL;
    hn_err e = hn_regex_new(c->scratch, hn_attr_text(c->node, "pattern", ""), &r, &why);
    if (e)
        return e == HN_EUNSUP ? hn_unsupported(c, "pattern: %s", why) : e == HN_EFORMAT ? hn_bad(c, "pattern: %s", why)
                                                                     : hn_nomem(c->cx, "a pattern");
    for (size_t i = 0; i < hn_count(c->in[0]); i++)
        ((uint8_t *)c->out[0]->data)[i] = hn_regex_full(r, texts(c, 0)[i]);
    return HN_OK;
}

static const hn_attr_spec split_attr[] = {
    { "delimiter", HN_ATTR_TEXT, "white space" }, { "maxsplit", HN_ATTR_INT, "any number" }, { 0 }
};
static const hn_attr_spec normal_attr[] = {
    { "case_change_action", HN_ATTR_TEXT, "NONE" }, { "is_case_sensitive", HN_ATTR_INT, "0; of stop words" },
    { "locale", HN_ATTR_TEXT, "case is told by code point" }, { "stopwords", HN_ATTR_TEXTS, "none" }, { 0 }
};
static const hn_attr_spec regex_attr[] = { { "pattern", HN_ATTR_TEXT, "in RE2's syntax" }, { 0 } };

const hn_op hn_op_string_concat = {
    .name = "StringConcat", .since = 20, .min_in = 2, .max_in = 2, .min_out = 1, .max_out = 1,
    .infer = infer_concat, .run = run_concat,
};

const hn_op hn_op_string_split = {
    .name = "StringSplit", .since = 20, .min_in = 1, .max_in = 1, .min_out = 1, .max_out = 2, .attr = split_attr,
    .infer = infer_split, .make = make_split,
};

const hn_op hn_op_string_normalizer = {
    .name = "StringNormalizer", .since = 10, .min_in = 1, .max_in = 1, .min_out = 1, .max_out = 1,
    .attr = normal_attr, .infer = infer_normal, .make = make_normal,
};

const hn_op hn_op_regex_full_match = {
    .name = "RegexFullMatch", .since = 20, .min_in = 1, .max_in = 1, .min_out = 1, .max_out = 1, .attr = regex_attr,
    .infer = infer_regex, .run = run_regex,
};
