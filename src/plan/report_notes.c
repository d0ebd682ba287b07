/* SPDX-License-Identifier: Apache-2.0 */
/* report_notes.c: where values come from, where sources disagree, and the commands that carry a plan out. */
#include <stdlib.h>
#include <string.h>

#include "plan/report_impl.h"

void hn_draft_disagreements(hn_draft *d, const json_t *entry)
{
    const json_t *list = json_object_get(entry, "disagreements"), *text;
    size_t i;
    json_array_foreach(list, i, text)
        hn_remark(d, hn_arena_printf(d->a, "sources: %s", json_string_value(text)));
}

/* ---- Commands ------------------------------------------------------------------------------------- */

typedef struct commands { const hn_draft *d; json_t *list; } commands;

/* Only what this program can do: `verb` must be one of its commands. */
static void command(commands *c, const char *verb, const char *line, const char *why)
{
    if (line && c->d->ask->has_command(verb))
        json_array_append_new(c->list, json_pack("{s:s, s:s}", "run", line, "to", why));
}

/* Does the plan count on the processor, which this program uses, and not on an accelerator beside it? */
static bool on_processor(const hn_offer *o)
{
    return o->device->here || strcmp(o->device->kind, "sbc") == 0;
}

void hn_draft_commands(hn_draft *d)
{
    commands c = { d, json_array() };
    const hn_offer *o = d->best;
    const char *file = d->n->file ? d->n->file : o && o->model->lm ? "model.gguf" : "model.onnx";
    if (o && o->model->lm) {
        double context = hn_load_of(d->n, o->model).context;
        if (!d->n->file && strcmp(o->precision.name, "F16") != 0)
            command(&c, "quantize",
                    hn_arena_printf(d->a, "hone quantize model-f16.gguf %s %s", file, o->precision.name),
                    "the precision of this plan, from full weights");
        if (!d->n->file)
            command(&c, "inspect",
                    hn_arena_printf(d->a, "hone plan %s --device %s --context %.0f", file,
                                    o->device->here ? "here" : o->device->id, context),
                    "the same with the memory of the file itself");
        command(&c, "bench",
                hn_arena_printf(d->a, "hone bench %s --context %.0f --save-calibration device.json", file,
                                context),
                on_processor(o) ? "on the device: measured speed and memory"
                                : "on the device: speed and memory with this program, on its processor");
        command(&c, "plan",
                hn_arena_printf(d->a, "hone plan %s --device %s --calibration device.json", file,
                                o->device->here ? "here" : o->device->id),
                on_processor(o) ? "the plan again, calibrated" : "the plan again, for this program");
        command(&c, "chat", hn_arena_printf(d->a, "hone chat %s --context %.0f", file, context), "try it");
    } else if (o && strcmp(o->device->kind, "mcu") == 0) {
        command(&c, "inspect", hn_arena_printf(d->a, "hone inspect %s", d->n->file ? file : "model.tflite"),
                "operators and memory, against what the board's interpreter has");
        command(&c, "verify",
                hn_arena_printf(d->a, "hone verify %s --data goldens", d->n->file ? file : "model.tflite"),
                "goldens that the board's answers can be held to");
    } else if (o) {
        command(&c, "inspect", hn_arena_printf(d->a, "hone inspect %s", file),
                "exact memory, and operators that are missing");
        command(&c, "bench", hn_arena_printf(d->a, "hone bench %s --threads 1 --profile", file),
                on_processor(o) ? "on the device: measured latency and memory"
                                : "on the device: latency and memory with this program, on its processor");
        command(&c, "verify", hn_arena_printf(d->a, "hone verify %s --data goldens", file),
                "the answers are right there too");
    } else {
        command(&c, "list", "hone list devices", "what there is to choose from");
        command(&c, "list", "hone list models", "models and their sizes");
    }
    json_object_set_new(d->out, "commands", c.list);
}

/* ---- Explain ---------------------------------------------------------------------------------------- */

static const json_t *entry_of(hn_ctx *cx, const hn_world *w, const char *name, hn_shelf *shelf)
{
    const json_t *e;
    const char *others;
    hn_ctx quiet = { cx->env, "" };
    for (hn_shelf s = 0; s < HN_SHELF_COUNT; s++)
        if (!hn_catalog_find(&quiet, w->c, s, name, &e, &others)) {
            *shelf = s;
            return e;
        }
    return NULL;
}

static void explain_value(json_t *rows, const hn_world *w, hn_shelf s, const json_t *entry, const char *key,
                          const json_t *v)
{
    const json_t *item;
    size_t i;
    if (json_is_array(v) && json_is_object(json_array_get(v, 0))) {
        json_array_foreach(v, i, item)
            explain_value(rows, w, s, entry, key, item);
        return;
    }
    const json_t *inner = json_object_get(v, "value") ? json_object_get(v, "value") : v;
    const char *source = hn_entry_text(v, "source"), *date = hn_entry_text(v, "date"),
               *unit = hn_entry_text(v, "unit");
    char *value = json_is_string(inner)
                      ? NULL
                      : json_dumps(inner, JSON_COMPACT | JSON_ENCODE_ANY | JSON_REAL_PRECISION(6));
    json_array_append_new(rows, json_pack("{s:s, s:s, s:s, s:s, s:s, s:s}", "key", key, "value",
                                          value ? value : json_string_value(inner), "unit", unit, "source",
                                          source[0] ? source : hn_entry_text(entry, "source"), "date",
                                          date[0] ? date : hn_catalog_date(w->c, hn_shelf_file(s)), "file",
                                          hn_shelf_file(s)));
    free(value);
}

hn_err hn_explain(hn_ctx *cx, const hn_world *w, const char *what, json_t **out)
{
    /* "orin nano.ram_gb": what follows the last point is a key, if the entry has it. */
    char name[128];
    const char *dot = strrchr(what, '.'), *key;
    json_t *v, *rows = json_array();
    hn_shelf s = HN_SHELF_DEVICES;
    const json_t *e = NULL;
    if (!rows)
        return hn_nomem(cx, "an explanation");
    if (dot && (size_t)(dot - what) < sizeof name) {
        memcpy(name, what, (size_t)(dot - what));
        name[dot - what] = 0;
        e = entry_of(cx, w, name, &s);
        if (e && !json_object_get(e, dot + 1))
            e = NULL;
    }
    if (e) {
        explain_value(rows, w, s, e, dot + 1, json_object_get(e, dot + 1));
    } else if ((e = entry_of(cx, w, what, &s))) {
        json_object_foreach((json_t *)e, key, v)
            explain_value(rows, w, s, e, key, v);
    } else {
        json_decref(rows);
        return hn_fail(
            cx, HN_EARG,
            "nothing in the catalogue is called '%s'; expected ID or ID.KEY, such as raspberry-pi-5.power_w",
            what);
    }
    *out = rows;
    return HN_OK;
}
