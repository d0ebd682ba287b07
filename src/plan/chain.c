/* SPDX-License-Identifier: Apache-2.0 */
#include "plan/chain.h"

#include <math.h>
#include <string.h>

#define PREPROCESS_BYTES 24 /* moved per pixel of the frame: read as RGB, scaled, written as f32 planes */
#define FRAME_PIXELS (1920.0 * 1080) /* when nothing is known about the camera */

static bool is(const char *value, const char *word) { return value && strcmp(value, word) == 0; }

/* Words of the option to words of the catalogue; the strictest budget of a domain is the one that counts. */
static const struct { const char *name, *domain, *task; } presets[] = {
    { "driving", "autonomous driving", "camera object detection (8-12 cameras)" },
    { "inspection", "industrial inspection", "frame inspection" },
    { "ar", "AR/VR", "motion to photon" },
    { "voice", "voice assistant", "end to end turn" },
    { "camera", "smart camera", "YOLOv8 detection" },
};

bool hn_preset_find(const hn_catalog *c, const char *name, hn_preset *out)
{
    const json_t *list = json_object_get(hn_catalog_root(c, "use_cases.json"), "latency_budgets"), *b;
    size_t i;
    for (size_t k = 0; name && k < sizeof presets / sizeof *presets; k++)
        json_array_foreach(list, i, b)
            if (is(presets[k].name, name) && is(hn_entry_text(b, "domain"), presets[k].domain) &&
                is(hn_entry_text(b, "task"), presets[k].task)) {
                *out = (hn_preset){ presets[k].name, presets[k].domain,
                                    json_number_value(json_object_get(b, "budget_ms")),
                                    hn_entry_text(b, "source") };
                return true;
            }
    return false;
}

typedef struct chain {
    json_t *stages, *notes;
    hn_band total;
    bool gap;                        /* a stage that nothing is known about */
} chain;

static void stage(chain *c, const char *name, double low, double mid, double high, const char *from)
{
    json_array_append_new(
        c->stages, json_pack("{s:s, s:[f,f,f], s:s}", "stage", name, "ms", low, mid, high, "from", from));
    c->total.low += low;
    c->total.mid += mid;
    c->total.high += high;
}

static void unknown(chain *c, const char *name, const char *why)
{
    json_array_append_new(c->stages, json_pack("{s:s, s:n, s:s}", "stage", name, "ms", "from", why));
    c->gap = true;
}

static void note(chain *c, const char *text) { json_array_append_new(c->notes, json_string(text)); }

/* ---- Pictures ------------------------------------------------------------------------------------- */

static void camera(chain *c, const hn_needs *n, const hn_offer *o)
{
    double frame = 1e3 / hn_load_of(n, o->model).fps, bytes = FRAME_PIXELS * PREPROCESS_BYTES;
    double prepare = o->device->bandwidth.known ? bytes / (0.3 * o->device->bandwidth.low * 1e9) * 1e3 : 0;
    stage(c, "capture", frame / 2, frame / 2, frame,
          hn_given_number(n->fps) ? "half a frame of exposure and readout, at worst a whole one"
                                  : "half a frame at 30 a second, assumed: --fps N");
    if (prepare > 0)
        stage(c, "preprocess", prepare / 2, prepare, prepare * 2,
              "a 1920x1080 frame scaled at 30 % of memory bandwidth");
    else
        unknown(c, "preprocess", "no memory bandwidth is known");
    if (o->image_ms.mid > 0)
        stage(c, o->model->name, o->image_ms.low, o->image_ms.mid, o->image_ms.high, o->image_from);
    else
        unknown(c, o->model->name, o->image_from);
    stage(c, "threshold, act", 0.05, 0.1, 0.5, "our own code on a few hundred boxes");
}

/* ---- Speech ----------------------------------------------------------------------------------------- */

static void voice(chain *c, const hn_needs *n, const hn_offer *o)
{
    stage(c, "end of speech", 200, 300, 500,
          "silence that a detector waits for before it believes the end: common settings");
    unknown(c, "recognition",
            "give the model to `hone bench` on the device: streaming recognisers hide all but the last part");
    if (o->model->lm && o->first_ms.mid > 0)
        stage(c, "answer's first token", o->first_ms.low, o->first_ms.mid, o->first_ms.high, o->prefill_from);
    else
        unknown(c, "answer's first token",
                o->model->lm ? o->prefill_from
                             : "no language model in this plan: a template answers at once");
    unknown(c, "speech out", "first sound of the synthesiser: measure it on the device");
    (void)n;
    note(c, "100 ms cannot cover a turn that must first be sure the speaker stopped: count it from the "
            "end-of-speech decision");
}

/* ---- Driving ---------------------------------------------------------------------------------------- */

static void driving(chain *c, const hn_world *w, const hn_needs *n, const hn_offer *o)
{
    const json_t *list = json_object_get(hn_catalog_root(w->c, "use_cases.json"), "latency_budgets"), *b;
    double first = 0, rest = 0;
    size_t i;
    camera(c, n, o);
    json_array_foreach(list, i, b)
        if (is(hn_entry_text(b, "domain"), "autonomous driving")) {
            double ms = json_number_value(json_object_get(b, "budget_ms"));
            if (strstr(hn_entry_text(b, "task"), "fusion") || strstr(hn_entry_text(b, "task"), "planning"))
                rest += ms;
            else
                first = fmax(first, ms);
        }
    stage(c, "fusion, planning", rest, rest, rest, "budgets of those stages, use_cases.json");
    json_array_append_new(c->notes, json_sprintf("the published budgets in sequence are %.0f + %.0f = %.0f "
                                                 "ms: keeping each stage's budget does not "
                                                 "keep the whole under 100 ms",
                                                 first, rest, first + rest));
}

static const char *holds(const chain *c, double budget)
{
    if (c->total.low > budget)
        return "no";
    return c->gap || c->total.high > budget ? "maybe" : "yes";
}

/* The same model at the end of a network: the way alone. */
static json_t *cloud_way(const hn_world *w, double budget)
{
    const json_t *trips = json_object_get(
        json_object_get(hn_catalog_root(w->c, "decisions.json"), "edge_or_cloud"), "cloud_round_trip_ms");
    double low = INFINITY, high = 0;
    const json_t *t;
    size_t i;
    json_array_foreach(trips, i, t) {
        low = fmin(low, json_number_value(json_array_get(json_object_get(t, "value"), 0)));
        high = fmax(high, json_number_value(json_array_get(json_object_get(t, "value"), 1)));
    }
    return json_pack("{s:[f,f], s:s, s:s}", "round_trip_ms", low, high, "holds",
                     low > budget    ? "no"
                     : high > budget ? "maybe"
                                     : "yes",
                     "from", "surveys 003 and 004 disagree on the upper end: 200 and 500 ms");
}

json_t *hn_chain_make(const hn_world *w, const hn_needs *n, const hn_offer *o)
{
    hn_preset p = { .budget_ms = NAN };
    bool preset = hn_preset_find(w->c, n->preset, &p);
    double budget = hn_given_number(n->latency_ms) ? n->latency_ms : p.budget_ms;
    bool own = preset && budget == p.budget_ms;
    if (!hn_given_number(budget) || (!preset && o->model->lm))
        return NULL;
    chain c = { json_array(), json_array(), { 0, 0, 0, HN_ESTIMATED }, false };
    if (is(n->preset, "voice"))
        voice(&c, n, o);
    else if (is(n->preset, "driving"))
        driving(&c, w, n, o);
    else
        camera(&c, n, o);
    json_t *j = json_pack("{s:f, s:s, s:[f,f,f], s:s, s:o, s:o, s:o}", "budget_ms", budget, "from",
                          own ? p.source : "--latency", "total_ms", c.total.low, c.total.mid, c.total.high,
                          "holds", holds(&c, budget), "stages", c.stages, "notes", c.notes, "cloud",
                          cloud_way(w, budget));
    if (preset)
        json_object_set_new(j, "preset", json_string(p.domain));
    return j;
}
