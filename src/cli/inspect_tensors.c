/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/inspect_tensors.h"

#include <jansson.h>
#include <stdio.h>
#include <string.h>

#include "base/file.h"
#include "base/utf8.h"
#include "cli/table.h"
#include "formats/gguf.h"
#include "llm/safetensors.h"

#define TEXT_SHOWN 200

bool hn_is_tensor_file(const char *path)
{
    hn_ctx quiet = { 0 };
    hn_file f;
    if (hn_file_open(&quiet, path, &f) != HN_OK)
        return false;
    bool is = hn_gguf_probe(f.data, f.len) || hn_safetensors_probe(f.data, f.len);
    hn_file_close(&f);
    return is;
}

static void add_to(json_t *object, const char *key, size_t more)
{
    json_int_t sum = json_integer_value(json_object_get(object, key)) + (json_int_t)more;
    json_object_set_new(object, key, json_integer(sum));
}

static void add_tensor(json_t *report, const char *name, const char *type, const hn_shape *s, size_t size)
{
    json_t *types = json_object_get(report, "types"), *dims = json_array();
    for (int d = 0; d < s->rank; d++)
        json_array_append_new(dims, json_integer(s->dim[d]));
    add_to(types, type, 1);
    add_to(report, "parameters", hn_shape_count(s));
    add_to(report, "bytes", size);
    json_array_append_new(json_object_get(report, "tensors"),
                          json_pack("{s:s%, s:s, s:o, s:I}", "tensor", name, hn_utf8_valid(name, strlen(name)),
                                    "type", type, "dims", dims,
                                    "bytes", (json_int_t)size));
}

/* Numbers and texts whole; of lists, how long they are. */
static json_t *value_of(const hn_gguf *g, const hn_gguf_value *v)
{
    hn_ctx quiet = { 0 };
    int64_t i;
    float f;
    bool b;
    if (v->kind == HN_GGUF_ARRAY)
        return json_sprintf("%zu of %s", v->count, hn_gguf_kind_name(v->item));
    if (v->kind == HN_GGUF_TEXT) {
        size_t shown = v->count < TEXT_SHOWN ? v->count : TEXT_SHOWN;
        return json_stringn((const char *)v->data, hn_utf8_valid((const char *)v->data, shown));
    }
    if (hn_gguf_i64(&quiet, g, v->key, NULL, &i) == HN_OK)
        return json_integer(i);
    if (hn_gguf_bool(&quiet, g, v->key, NULL, &b) == HN_OK)
        return json_boolean(b);
    return hn_gguf_f32(&quiet, g, v->key, NULL, &f) == HN_OK ? json_real((double)f) : json_null();
}

static hn_err read_gguf(hn_ctx *cx, const char *path, json_t *report)
{
    hn_gguf *g;
    json_t *values = json_object_get(report, "values");
    HN_TRY(hn_gguf_open(cx, path, &g));
    json_object_set_new(report, "format", json_string("gguf"));
    for (size_t i = 0; i < g->value_count; i++)
        json_object_set_new(values, g->values[i].key, value_of(g, &g->values[i]));
    for (size_t i = 0; i < g->tensor_count; i++) {
        const hn_gguf_tensor *t = &g->tensors[i];
        char type[32];
        snprintf(type, sizeof type, "%s%s", hn_qtype_get(t->type)->name, t->panels ? " packed" : "");
        add_tensor(report, t->name, type, &t->shape, t->size);
    }
    hn_gguf_close(g);
    return HN_OK;
}

static hn_err read_safetensors(hn_ctx *cx, const char *path, json_t *report)
{
    hn_safetensors s;
    HN_TRY(hn_safetensors_open(cx, path, &s));
    json_object_set_new(report, "format", json_string("safetensors"));
    for (size_t i = 0; i < s.meta_count; i++)
        json_object_set_new(json_object_get(report, "values"), s.meta[i].key, json_string(s.meta[i].text));
    for (size_t i = 0; i < s.count; i++)
        add_tensor(report, s.tensor[i].name, hn_dtype_name(s.tensor[i].dtype), &s.tensor[i].shape, s.tensor[i].size);
    hn_safetensors_close(&s);
    return HN_OK;
}

static void print_value(const char *key, const json_t *v)
{
    if (json_is_string(v))
        printf("  %-44s %s\n", key, json_string_value(v));
    else if (json_is_integer(v))
        printf("  %-44s %lld\n", key, (long long)json_integer_value(v));
    else if (json_is_real(v))
        printf("  %-44s %g\n", key, json_real_value(v));
    else
        printf("  %-44s %s\n", key, json_is_true(v) ? "true" : json_is_false(v) ? "false" : "-");
}

static void print_text(const json_t *report)
{
    const char *key;
    json_t *v;
    double parameters = (double)json_integer_value(json_object_get(report, "parameters")),
        bytes = (double)json_integer_value(json_object_get(report, "bytes"));
    printf("format      %s\ntensors     %zu, %.4g M parameters, %.4g MB, %.3g bits each\ntypes      ",
           json_string_value(json_object_get(report, "format")),
           json_array_size(json_object_get(report, "tensors")), parameters / 1e6, bytes / 1e6,
               parameters > 0 ? 8 * bytes / parameters : 0);
    json_object_foreach(json_object_get(report, "types"), key, v)
        printf(" %s %lld", key, (long long)json_integer_value(v));
    printf("\nvalues\n");
    json_object_foreach(json_object_get(report, "values"), key, v)
        print_value(key, v);
}

hn_err hn_inspect_tensors(hn_cli *c, const char *path, bool list)
{
    static const char *const columns[] = { "tensor", "type", "dims", "bytes", NULL };
    json_t *report = json_pack("{s:s, s:i, s:i, s:{}, s:{}, s:[]}", "format", "", "parameters", 0, "bytes", 0,
                               "types", "values", "tensors");
    hn_file f;
    hn_err e = report ? hn_file_open(&c->cx, path, &f) : hn_nomem(&c->cx, "the report");
    if (!e) {
        bool gguf = hn_gguf_probe(f.data, f.len);
        hn_file_close(&f);
        e = gguf ? read_gguf(&c->cx, path, report) : read_safetensors(&c->cx, path, report);
    }
    if (!e && c->json) {
        e = hn_json_print(&c->cx, json_incref(report));
    } else if (!e) {
        print_text(report);
        e = list ? hn_table_print(&c->cx, json_object_get(report, "tensors"), columns, HN_TABLE_TEXT) : HN_OK;
    }
    json_decref(report);
    return e;
}
