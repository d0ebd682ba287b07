/* SPDX-License-Identifier: Apache-2.0 */
/* catalog.c: `hone list` of what the planner knows, and the built-in files themselves. */
#include "cli/catalog.h"

#include <string.h>

#include "cli/embedded.h"
#include "plan/device.h"
#include "plan/model.h"

#define FOLDER "catalog/"
#define FILES_MAX 16

hn_err hn_catalog_embedded(hn_ctx *cx, const char *dir, hn_catalog **out)
{
    hn_catalog_file *file = hn_calloc(cx, FILES_MAX, sizeof *file);
    size_t n = 0;
    if (!file)
        return hn_nomem(cx, "the catalogue");
    for (size_t i = 0; i < hn_embedded_count() && n < FILES_MAX; i++) {
        hn_embedded e = hn_embedded_at(i);
        if (strncmp(e.path, FOLDER, strlen(FOLDER)) == 0)
            file[n++] = (hn_catalog_file){ e.path + strlen(FOLDER), (const char *)e.data, e.len };
    }
    hn_err err = hn_catalog_open(cx, file, n, dir, out);
    hn_free(cx, file);
    return err;
}

/* ---- Rows ----------------------------------------------------------------------------------------- */

static json_t *number(const hn_fact *f)
{
    if (!f->known)
        return json_null();
    return f->low == f->high ? json_real(f->low) : json_sprintf("%g-%g", f->low, f->high);
}

static hn_err add(hn_cli *c, json_t *rows, json_t *row)
{
    return json_array_append_new(rows, row) ? hn_nomem(&c->cx, "the list") : HN_OK;
}

/* "40 INT8 sparse": a number of TOPS means nothing without its unit. */
static json_t *tops(const hn_fact *f)
{
    if (!f->known)
        return json_null();
    const char *unit = f->unit[0] ? f->unit : "unit not given";
    return f->low == f->high ? json_sprintf("%g %s", f->low, unit)
                             : json_sprintf("%g-%g %s", f->low, f->high, unit);
}

static hn_err device_row(hn_cli *c, const hn_catalog *cat, const json_t *e, json_t *rows)
{
    hn_device d;
    hn_device_of(cat, e, 0, &d);
    return add(c, rows,
               json_pack("{s:s, s:s, s:o, s:o, s:o, s:o, s:o, s:o, s:s}", "device", d.id, "name", d.name,
                         "ram_gb", number(&d.ram), "usable_gb",
                         d.usable_gb > 0 ? json_real(d.usable_gb) : json_null(), "gb_s", number(&d.bandwidth),
                         "tops", tops(&d.tops), "watts", number(&d.power), "usd", number(&d.price), "class",
                         d.roof->name));
}

static hn_err model_row(hn_cli *c, const hn_catalog *cat, const json_t *e, json_t *rows)
{
    hn_model m;
    hn_precision p[HN_PRECISIONS_MAX];
    hn_model_of(cat, e, &m);
    size_t n = hn_model_precisions(cat, &m, p), four = n;
    for (size_t i = 0; i < n; i++)
        if (strcmp(p[i].name, "Q4_K_M") == 0)
            four = i;
    return add(c, rows,
               json_pack("{s:s, s:s, s:s, s:o, s:o, s:o, s:o}", "model", m.id, "name", m.name, "task", m.task,
                         "params_m", m.params > 0 ? json_real(m.params * 1e-6) : json_null(), "q4_k_m_gb",
                         four < n ? json_real(p[four].bytes * 1e-9) : json_null(), "context",
                         m.context_max > 0 ? json_integer((json_int_t)m.context_max) : json_null(), "gmacs",
                         m.ops > 0 ? json_real(m.ops * 0.5e-9) : json_null()));
}

/* Measured on Llama-3-8B where that was done. */
static hn_err quant_row(hn_cli *c, const hn_catalog *cat, const json_t *e, json_t *rows)
{
    hn_fact bits = hn_fact_of(cat, e, "bits_per_weight");
    const json_t *m, *best = NULL;
    size_t i;
    json_array_foreach(json_object_get(e, "measured"), i, m)
        if (!best && strcmp(hn_entry_text(m, "model"), "Llama-3-8B") == 0 &&
            json_object_get(m, "delta_ppl_pct"))
            best = m;
    json_t *loss = json_object_get(best, "delta_ppl_pct");
    return add(c, rows,
               json_pack("{s:s, s:s, s:s, s:o, s:o}", "quant", hn_entry_text(e, "id"), "name",
                         hn_entry_text(e, "name"), "type", hn_entry_text(e, "type"), "bits", number(&bits),
                         "perplexity_percent", loss ? json_incref(loss) : json_null()));
}

static hn_err runtime_row(hn_cli *c, const hn_catalog *cat, const json_t *e, json_t *rows)
{
    const json_t *hw = json_array_get(json_object_get(e, "hardware"), 0), *r = hn_value_of(e, "ratings");
    (void)cat;
    return add(c, rows,
               json_pack("{s:s, s:s, s:s, s:s, s:s, s:s}", "runtime", hn_entry_text(e, "id"), "vendor",
                         json_string_value(hn_value_of(e, "vendor"))
                             ? json_string_value(hn_value_of(e, "vendor"))
                             : "",
                         "hardware", hn_entry_text(hw, "value"), "latency", hn_entry_text(r, "latency"),
                         "portability", hn_entry_text(r, "portability"), "ease", hn_entry_text(r, "ease")));
}

static hn_err cloud_row(hn_cli *c, const hn_catalog *cat, const json_t *e, json_t *rows)
{
    const json_t *best = json_object_get(e, "best_for");
    const char *data = hn_entry_text(e, "data_location");
    (void)cat;
    return add(c, rows,
               json_pack("{s:s, s:s, s:s, s:s, s:s, s:o}", "cloud", hn_entry_text(e, "id"), "name",
                         hn_entry_text(e, "name"), "cost", hn_entry_text(e, "cost"), "reliability",
                         hn_entry_text(e, "reliability"), "data", data, "best_for",
                         best ? json_incref((json_t *)best) : json_null()));
}

typedef hn_err row_maker(hn_cli *c, const hn_catalog *cat, const json_t *e, json_t *rows);

static hn_err list_shelf(hn_cli *c, json_t *rows, hn_shelf first, hn_shelf last, row_maker *make)
{
    hn_catalog *cat;
    hn_err e;
    HN_TRY(hn_catalog_embedded(&c->cx, hn_arg_text(&c->args, "catalog", NULL), &cat));
    e = HN_OK;
    for (hn_shelf s = first; s <= last; s++) {
        const json_t *entry;
        size_t i;
        json_array_foreach(hn_catalog_shelf(cat, s), i, entry)
            if (!e && !(s == HN_SHELF_DEVICES && hn_device_is_class(entry)))
                e = make(c, cat, entry, rows);
    }
    hn_catalog_close(cat);
    return e;
}

hn_err hn_list_devices(hn_cli *c, json_t *rows)
{
    return list_shelf(c, rows, HN_SHELF_DEVICES, HN_SHELF_DEVICES, device_row);
}
hn_err hn_list_models(hn_cli *c, json_t *rows)
{
    return list_shelf(c, rows, HN_SHELF_MODELS, HN_SHELF_MODELS, model_row);
}
hn_err hn_list_quants(hn_cli *c, json_t *rows)
{
    return list_shelf(c, rows, HN_SHELF_QUANTS, HN_SHELF_QUANTS, quant_row);
}
hn_err hn_list_runtimes(hn_cli *c, json_t *rows)
{
    return list_shelf(c, rows, HN_SHELF_RUNTIMES, HN_SHELF_RUNTIMES, runtime_row);
}
hn_err hn_list_clouds(hn_cli *c, json_t *rows)
{
    return list_shelf(c, rows, HN_SHELF_CLOUDS, HN_SHELF_PROVIDERS, cloud_row);
}
