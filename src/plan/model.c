/* SPDX-License-Identifier: Apache-2.0 */
#include "plan/model.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static double number_in(const json_t *shape, const char *key)
{
    return json_number_value(json_object_get(shape, key));
}

static void set_shape(hn_model *m, const json_t *s)
{
    m->dims = (hn_lm_dims){ .layers = number_in(s, "layers"),
                            .width = number_in(s, "hidden"),
                            .ffn = number_in(s, "ffn"),
                            .kv_heads = number_in(s, "kv_heads"),
                            .head_size = number_in(s, "head_dim"),
                            .vocab = number_in(s, "vocab"),
                            .window = number_in(s, "sliding_window") };
    m->context_max = number_in(s, "max_context");
    if (m->dims.window > 0)
        m->dims.sliding_share = json_object_get(s, "sliding_pattern") ? 0.5 : 1;
}

void hn_model_of(const hn_catalog *c, const json_t *entry, hn_model *out)
{
    hn_model m = { .id = hn_entry_text(entry, "id"),
                   .name = hn_entry_text(entry, "name"),
                   .family = hn_entry_text(entry, "family"),
                   .task = hn_entry_text(entry, "task"),
                   .entry = entry };
    const json_t *input = hn_value_of(entry, "input");
    hn_fact params = hn_fact_of(c, entry, "params"), macs = hn_fact_of(c, entry, "gmacs");
    hn_fact exact = hn_fact_where(c, entry, "params", "source", "arithmetic");
    hn_fact top1 = hn_fact_of(c, entry, "top1_pct"), map = hn_fact_of(c, entry, "coco_map");
    m.lm = strcmp(m.family, "llm") == 0;
    m.params = exact.known ? exact.low : params.known ? params.low : 0;
    m.ops = macs.known ? macs.low * 2e9 : 0;
    m.accuracy = top1.known ? top1.low : map.known ? map.low : 0;
    m.pixels = json_array_size(input) == 2
                   ? json_number_value(json_array_get(input, 0)) * json_number_value(json_array_get(input, 1))
                   : 0;
    if (json_is_object(hn_value_of(entry, "architecture")))
        set_shape(&m, hn_value_of(entry, "architecture"));
    *out = m;
}

/* ---- Precisions --------------------------------------------------------------------------------- */

static int by_bytes(const void *a, const void *b)
{
    double x = ((const hn_precision *)a)->bytes, y = ((const hn_precision *)b)->bytes;
    return (x > y) - (x < y);
}

/* Measured loss of a GGUF level: Llama-3-8B, with an importance matrix where there is a choice. */
static double loss_of(const hn_catalog *c, const char *level)
{
    const json_t *shelf = hn_catalog_shelf(c, HN_SHELF_QUANTS), *e, *row;
    double loss = NAN;
    size_t i, k;
    json_array_foreach(shelf, i, e)
        if (strcasecmp(hn_entry_text(e, "name"), level) == 0 || strcasecmp(hn_entry_text(e, "id"), level) == 0)
            json_array_foreach(json_object_get(e, "measured"), k, row)
                if (strcmp(hn_entry_text(row, "model"), "Llama-3-8B") == 0 &&
                    json_object_get(row, "delta_ppl_pct") && isnan(loss))
                    loss = json_number_value(json_object_get(row, "delta_ppl_pct"));
    return strcasecmp(level, "F16") == 0 ? 0 : loss;
}

static const char *quality_of(const hn_catalog *c, const char *level)
{
    const json_t *shelf = hn_catalog_shelf(c, HN_SHELF_MODELS), *e, *q;
    size_t i, k;
    json_array_foreach(shelf, i, e)
        if (strcmp(hn_entry_text(e, "id"), "llama-3.1-8b") == 0)
            json_array_foreach(json_object_get(e, "quality"), k, q)
                if (strcasecmp(hn_entry_text(q, "quant"), level) == 0)
                    return hn_entry_text(q, "value");
    return "";
}

static size_t by_type(const hn_model *m, hn_precision *out)
{
    static const struct {
        const char *name;
        double bits;
    } type[] = { { "INT8", 8 }, { "FP16", 16 }, { "FP32", 32 } };
    size_t n = 0;
    for (; m->params > 0 && n < 3; n++)
        out[n] = (hn_precision){ type[n].name, m->params * type[n].bits / 8, type[n].bits, NAN, "" };
    return n;
}

size_t hn_model_precisions(const hn_catalog *c, const hn_model *m, hn_precision out[HN_PRECISIONS_MAX])
{
    const json_t *sizes = json_object_get(m->entry, "file_gb");
    const char *name;
    json_t *v;
    size_t n = 0;
    if (!m->entry) {
        out[0] = (hn_precision){ m->precision, m->weights + m->held,
                                 m->params > 0 ? (m->weights + m->held) * 8 / m->params : 0,
                                 loss_of(c, m->precision), quality_of(c, m->precision) };
        return 1;
    }
    if (!m->lm)
        return by_type(m, out);
    json_object_foreach((json_t *)sizes, name, v) {
        double bytes = json_number_value(json_object_get(v, "value")) * 1e9;
        if (n < HN_PRECISIONS_MAX && bytes > 0)
            out[n++] = (hn_precision){ name, bytes, m->params > 0 ? bytes * 8 / m->params : 0,
                                       loss_of(c, name), quality_of(c, name) };
    }
    qsort(out, n, sizeof *out, by_bytes);
    return n;
}
