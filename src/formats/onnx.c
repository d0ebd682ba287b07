/* SPDX-License-Identifier: Apache-2.0 */
/* onnx.c: the model around the graph: versions, functions, description. */
#include "formats/onnx.h"

#include <stdio.h>
#include <string.h>

#include "base/num.h"

enum { IR_NEWEST = 14, IR_WITH_OPSETS = 3 };

/* ModelProto's fields. */
enum { IR_VERSION = 1, GRAPH = 7, OPSETS = 8, META = 14, FUNCTION = 25 };

typedef struct model {
    int64_t ir;
    hn_pb graph;
    bool has_graph;
    hn_onnx_opsets opsets;
} model;

hn_err hn_onnx_damaged(hn_onnx *r, const hn_pb *at, const char *what)
{
    size_t where = at->end && r->start && at->end >= r->start ? (size_t)(at->end - r->start) : 0;
    return hn_fail(r->cx, HN_EFORMAT, "damaged: %s that ends at byte %zu is cut short or not protobuf", what, where);
}

hn_err hn_onnx_text(hn_onnx *r, hn_arena *arena, hn_text t, const char **out)
{
    if (t.len && memchr(t.ptr, 0, t.len))
        return hn_fail(r->cx, HN_EFORMAT, "damaged: the name '%.80s' has a zero byte in it", t.ptr);
    *out = hn_arena_text(arena, t.ptr, t.len);
    return *out ? HN_OK : hn_nomem(r->cx, "a name");
}

bool hn_onnx_default_domain(hn_text d) { return d.len == 0 || hn_text_is(d, "ai.onnx"); }

/* ---- Operator sets ------------------------------------------------------------------- */

static hn_err read_opset(hn_onnx *r, hn_pb msg, hn_onnx_opsets *s)
{
    hn_pb at = msg;
    hn_pb_field f;
    hn_text domain = { "", 0 };
    int64_t version = 0;
    while (hn_pb_next(&at, &f)) {
        if (f.key == HN_PB(1, LEN)) domain = hn_pb_text(&f);
        if (f.key == HN_PB(2, VARINT)) version = (int64_t)f.num;
    }
    if (at.damaged)
        return hn_onnx_damaged(r, &msg, "an opset");
    s->set[s->count].domain = domain;
    s->set[s->count++].version = version;
    if (!hn_onnx_default_domain(domain))
        return HN_OK;
    if (version < 1)
        return hn_fail(r->cx, HN_EFORMAT, "opset %lld does not exist", (long long)version);
    if (version > HN_OPSET)
        return hn_fail(r->cx, HN_EUNSUP, "the model speaks opset %lld, Hone reads up to %d: export it with opset %d "
                       "or older", (long long)version, HN_OPSET, HN_OPSET);
    s->onnx = version;
    return HN_OK;
}

hn_err hn_onnx_opsets_read(hn_onnx *r, hn_pb msg, uint32_t key, hn_onnx_opsets *out)
{
    hn_pb at = msg;
    hn_pb_field f;
    size_t count = 0;
    while (hn_pb_next(&at, &f))
        count += f.key == key;
    *out = (hn_onnx_opsets){ .set = hn_arena_get_n(r->scratch, count, sizeof *out->set, sizeof(void *)) };
    if (!out->set)
        return hn_nomem(r->cx, "the opsets");
    for (at = msg; hn_pb_next(&at, &f);)
        if (f.key == key)
            HN_TRY(read_opset(r, hn_pb_inside(&f), out));
    return HN_OK;
}

int64_t hn_onnx_opset(const hn_onnx_opsets *s, hn_text domain)
{
    if (hn_onnx_default_domain(domain))
        return s->onnx;
    for (size_t i = 0; i < s->count; i++)
        if (s->set[i].domain.len == domain.len && memcmp(s->set[i].domain.ptr, domain.ptr, domain.len) == 0)
            return s->set[i].version;
    return 0;
}

/* ---- Functions ----------------------------------------------------------------------- */

static bool function_key(hn_onnx *r, hn_text domain, hn_text name, hn_text overload, hn_text *key)
{
    if (hn_onnx_default_domain(domain))
        domain.len = 0;
    size_t len = hn_add(hn_add(domain.len, name.len), hn_add(overload.len, 2));
    char *p = hn_arena_get(r->scratch, len, 1);
    if (!p)
        return false;
    *key = (hn_text){ p, len };
    const hn_text part[] = { domain, name, overload };
    for (int i = 0; i < 3; i++) {
        if (part[i].len)
            memcpy(p, part[i].ptr, part[i].len);
        p += part[i].len + 1;
    }
    return true;
}

static hn_err note_function(hn_onnx *r, hn_pb msg)
{
    hn_text name = { "", 0 }, domain = { "", 0 }, overload = { "", 0 }, key;
    hn_pb at = msg;
    hn_pb_field f;
    while (hn_pb_next(&at, &f))
        switch (f.key) {
        case HN_PB(1, LEN):  name = hn_pb_text(&f); break;
        case HN_PB(10, LEN): domain = hn_pb_text(&f); break;
        case HN_PB(13, LEN): overload = hn_pb_text(&f); break;
        default: break;
        }
    if (at.damaged)
        return hn_onnx_damaged(r, &msg, "a function");
    hn_pb *kept = HN_NEW(r->scratch, hn_pb, 1);
    if (!kept || !function_key(r, domain, name, overload, &key) || !hn_names_put(&r->function, key, kept))
        return hn_nomem(r->cx, "a function");
    *kept = msg;
    return HN_OK;
}

hn_err hn_onnx_function(hn_onnx *r, const hn_onnx_raw *n, const hn_pb **out)
{
    hn_text key;
    *out = NULL;
    if (!r->function.count)
        return HN_OK;
    if (!function_key(r, n->domain, n->op, n->overload, &key))
        return hn_nomem(r->cx, "a function");
    *out = hn_names_get(&r->function, key);
    return HN_OK;
}

/* ---- Description --------------------------------------------------------------------- */

static hn_err add_meta(hn_onnx *r, hn_text key, hn_text text)
{
    if (r->src->graph->meta_count == HN_ONNX_META_MAX)
        return hn_fail(r->cx, HN_ELIMIT, "more than %d descriptive texts", HN_ONNX_META_MAX);
    return hn_graph_add_meta(r->cx, r->src->graph, key, text);
}

static hn_err read_meta(hn_onnx *r, hn_pb msg)
{
    hn_pb at = msg;
    hn_pb_field f;
    hn_text key = { "", 0 }, text = { "", 0 };
    while (hn_pb_next(&at, &f)) {
        if (f.key == HN_PB(1, LEN)) key = hn_pb_text(&f);
        if (f.key == HN_PB(2, LEN)) text = hn_pb_text(&f);
    }
    return at.damaged ? hn_onnx_damaged(r, &msg, "a descriptive text") : add_meta(r, key, text);
}

/* What the author wrote comes first, so that a look-up by name prefers it. */
static hn_err read_description(hn_onnx *r, hn_pb msg, const model *m)
{
    static const struct { uint32_t number; const char *key; } texts[] = {
        { 2, "producer_name" }, { 3, "producer_version" }, { 4, "domain" }, { 6, "doc_string" },
    };
    hn_pb at = msg;
    hn_pb_field f;
    while (hn_pb_next(&at, &f))
        if (f.key == HN_PB(META, LEN))
            HN_TRY(read_meta(r, hn_pb_inside(&f)));
    for (at = msg; hn_pb_next(&at, &f);)
        for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++)
            if (f.key == HN_PB(texts[i].number, LEN) && f.len)
                HN_TRY(add_meta(r, (hn_text){ texts[i].key, strlen(texts[i].key) }, hn_pb_text(&f)));

    char number[32];
    int n = snprintf(number, sizeof number, "%lld", (long long)m->ir);
    HN_TRY(add_meta(r, (hn_text){ "ir_version", 10 }, (hn_text){ number, (size_t)n }));
    n = snprintf(number, sizeof number, "%lld", (long long)m->opsets.onnx);
    return add_meta(r, (hn_text){ "opset", 5 }, (hn_text){ number, (size_t)n });
}

/* ---- The model ----------------------------------------------------------------------- */

static hn_err check_versions(hn_onnx *r, model *m)
{
    if (!m->has_graph)
        return hn_fail(r->cx, HN_EFORMAT, "expected an ONNX model, found no graph in it");
    if (m->ir < 1)
        return hn_fail(r->cx, HN_EFORMAT, "expected an ONNX ir_version from 1 to %d, found %lld", IR_NEWEST,
                       (long long)m->ir);
    if (m->ir > IR_NEWEST)
        hn_log(r->cx, HN_LOG_WARN, "onnx: ir_version %lld is newer than %d; reading what is understood",
               (long long)m->ir, IR_NEWEST);
    if (!m->opsets.onnx && m->ir < IR_WITH_OPSETS)
        m->opsets.onnx = 1;                     /* such files could not say */
    if (!m->opsets.count && m->ir >= IR_WITH_OPSETS)
        return hn_fail(r->cx, HN_EFORMAT, "the model does not say which opset it speaks (opset_import is missing)");
    return HN_OK;
}

static hn_err read_model(hn_onnx *r, hn_pb msg)
{
    model m = { 0 };
    hn_pb at = msg;
    hn_pb_field f;
    hn_onnx_scope scope;

    while (hn_pb_next(&at, &f))
        switch (f.key) {
        case HN_PB(IR_VERSION, VARINT): m.ir = (int64_t)f.num; break;
        case HN_PB(GRAPH, LEN):         m.graph = hn_pb_inside(&f); m.has_graph = true; break;
        case HN_PB(FUNCTION, LEN):      HN_TRY(note_function(r, hn_pb_inside(&f))); break;
        default: break;
        }
    if (at.damaged)
        return hn_onnx_damaged(r, &msg, "a model");
    HN_TRY(hn_onnx_opsets_read(r, msg, HN_PB(OPSETS, LEN), &m.opsets));
    HN_TRY(check_versions(r, &m));
    HN_TRY(read_description(r, msg, &m));

    hn_onnx_scope_init(r, &scope, r->src->graph, NULL);
    scope.opsets = &m.opsets;
    return hn_onnx_graph_read(r, m.graph, &scope);
}

/* ONNX has no magic: a model is a message whose every field is one of ModelProto's. */
static bool probe(const uint8_t *data, size_t len, const char *extension)
{
    hn_pb at = hn_pb_over(data, len);
    hn_pb_field f;
    bool has_ir = false, has_graph = false;
    if (strcmp(extension, "onnx") == 0)
        return true;
    while (hn_pb_next(&at, &f)) {
        uint32_t number = f.key >> 3;
        if (number > 26 || (number > 8 && number < 14))
            return false;
        has_ir = has_ir || f.key == HN_PB(IR_VERSION, VARINT);
        has_graph = has_graph || f.key == HN_PB(GRAPH, LEN);
    }
    return has_ir && has_graph && !at.damaged;
}

static hn_err read(hn_ctx *cx, const uint8_t *data, size_t len, const char *dir, hn_source *src)
{
    hn_onnx r = { .cx = cx, .dir = dir, .src = src, .start = data, .placeholders.src = src };
    HN_TRY(hn_graph_new(cx, &src->graph));
    HN_TRY(hn_arena_new(cx, 0, &r.scratch));
    r.arena = src->graph->arena;
    hn_names_init(&r.function, r.scratch);
    hn_names_init(&r.file, r.scratch);
    hn_err e = read_model(&r, hn_pb_over(data, len));
    src->mapped_bytes += r.mapped_bytes;
    hn_arena_free(r.scratch);
    return e;
}

const hn_format hn_format_onnx = { .name = "onnx", .extensions = "onnx", .probe = probe, .read = read };
