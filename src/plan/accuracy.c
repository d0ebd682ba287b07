/* SPDX-License-Identifier: Apache-2.0 */
#include "plan/accuracy.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- Errors, told ------------------------------------------------------------------------------- */

typedef struct errors { double *v; size_t n; } errors;

static void add(errors *e, double predicted, double measured) { e->v[e->n++] = fabs(predicted / measured - 1); }

static int by_size(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static void tell(json_t *list, const char *figure, errors *e)
{
    double sum = 0;
    size_t near = 0;
    if (e->n == 0)
        return;
    qsort(e->v, e->n, sizeof *e->v, by_size);
    for (size_t i = 0; i < e->n; i++) {
        sum += e->v[i];
        near += e->v[i] <= 0.20;
    }
    double middle = e->n % 2 ? e->v[e->n / 2] : (e->v[e->n / 2 - 1] + e->v[e->n / 2]) / 2, n = (double)e->n;
    json_array_append_new(list, json_pack("{s:s, s:i, s:f, s:f, s:f, s:f}", "figure", figure, "rows",
                                          (int)e->n, "median %", round(1000 * middle) / 10, "mean %",
                                          round(1000 * sum / n) / 10, "90th %",
                                          round(1000 * e->v[(size_t)(0.9 * (n - 1) + 0.5)]) / 10,
                                          "within 20 %", round(100 * (double)near / n)));
    e->n = 0;
}

/* ---- Decode ---------------------------------------------------------------------------------------- */

typedef struct row {
    const char *device, *class, *model, *quant;
    hn_token_cost cost;
    double rate, gbytes;
    bool old;
} row;

/* Builds of May 2024 and before launched each kernel of a layer by itself; since then NVIDIA's cards are given a
 * recorded graph of them. */
static bool built_before_graphs(const hn_csv *t, size_t i)
{
    const char *built = hn_csv_text(t, i, "built");
    return strcmp(hn_csv_text(t, i, "accel_class"), "nvidia-gpu") == 0 && built[0] &&
           strcmp(built, "2024-05") <= 0;
}

/* Rows that can be counted with: bandwidth known, type of the weights stated. */
static size_t decode_rows(const hn_csv *t, row *out)
{
    size_t n = 0;
    for (size_t i = 0; i < t->rows; i++) {
        row r = { hn_csv_text(t, i, "device"),
                  hn_csv_text(t, i, "accel_class"),
                  hn_csv_text(t, i, "model"),
                  hn_csv_text(t, i, "quant"),
                  { hn_csv_real(t, i, "file_gib") * 1073741824.0, hn_csv_real(t, i, "layers") },
                  hn_csv_real(t, i, "decode_tok_s"),
                  hn_csv_real(t, i, "bandwidth_gbs"),
                  built_before_graphs(t, i) };
        if (r.cost.bytes > 0 && r.cost.layers > 0 && r.rate > 0 && r.gbytes > 0 &&
            !strstr(hn_csv_text(t, i, "note"), "not stated"))
            out[n++] = r;
    }
    return n;
}

typedef struct fitted { double eta, layer_us; } fitted;

/* Least sum of |log(predicted / measured)| on a grid, over a class without one device. */
static fitted fit(const row *r, size_t n, const char *class, const char *without)
{
    fitted best = { 0.5, 0 };
    double least = INFINITY;
    for (int e = 30; e <= 100; e++)
        for (int us = 0; us <= 400; us += 10) {
            double sum = 0;
            for (size_t i = 0; i < n && sum < least; i++)
                if (strcmp(r[i].class, class) == 0 && strcmp(r[i].device, without) != 0)
                    sum += fabs(log(hn_decode_rate(e * 0.01, us, &r[i].cost, r[i].gbytes) / r[i].rate));
            if (sum < least) {
                least = sum;
                best = (fitted){ e * 0.01, us };
            }
        }
    return best;
}

static bool first_of_device(const row *r, size_t i)
{
    for (size_t k = 0; k < i; k++)
        if (strcmp(r[k].device, r[i].device) == 0)
            return false;
    return true;
}

static void decode_left_out(const row *r, size_t n, errors *e)
{
    for (size_t i = 0; i < n; i++) {
        if (!first_of_device(r, i) || hn_class_find(r[i].class)->devices < 2)
            continue;
        fitted f = fit(r, n, r[i].class, r[i].device);
        for (size_t k = 0; k < n; k++)
            if (strcmp(r[k].device, r[i].device) == 0)
                add(e, hn_decode_rate(f.eta, f.layer_us, &r[k].cost, r[k].gbytes), r[k].rate);
    }
}

/* Classes with one device: there is nothing to fit on once it is left out. */
static void decode_alone(const row *r, size_t n, errors *flat, errors *own)
{
    const hn_class *none = hn_class_find(NULL);
    for (size_t i = 0; i < n; i++) {
        const hn_class *c = hn_class_find(r[i].class);
        if (c->devices != 1)
            continue;
        add(flat, hn_decode_rate(none->eta, none->layer_us, &r[i].cost, r[i].gbytes), r[i].rate);
        add(own, hn_decode_rate(c->eta, c->layer_us, &r[i].cost, r[i].gbytes), r[i].rate);
    }
}

/* What a device's own share of bandwidth goes with: microseconds a layer, and how many times that before graphs. */
typedef struct carrier { double us, old_times; } carrier;

static double carry(const carrier *c, const row *from, const row *to)
{
    double us = c->us * (from->old ? c->old_times : 1), to_us = c->us * (to->old ? c->old_times : 1);
    return hn_decode_rate(hn_decode_eta(us, &from->cost, from->gbytes, from->rate), to_us, &to->cost, to->gbytes);
}

/* One device's rows of two models or two precisions. */
static bool is_pair(const row *a, const row *b)
{
    return strcmp(a->device, b->device) == 0 &&
           !(strcmp(a->model, b->model) == 0 && strcmp(a->quant, b->quant) == 0);
}

/* Least sum of |log(carried / measured)| on a grid, over a class's pairs without those of one device. */
static carrier carrier_fit(const row *r, size_t n, const char *class, const char *without)
{
    carrier best = { 0, 1 };
    double least = INFINITY;
    for (int us = 0; us <= 400; us += 10)
        for (int times = 2; times <= 6; times++) {
            carrier c = { us, times * 0.5 };
            double sum = 0;
            for (size_t i = 0; i < n && sum < least; i++)
                for (size_t k = 0; k < n && strcmp(r[i].class, class) == 0 && strcmp(r[i].device, without) != 0;
                     k++)
                    if (is_pair(&r[i], &r[k]))
                        sum += fabs(log(carry(&c, &r[i], &r[k]) / r[k].rate));
            if (sum < least) {
                least = sum;
                best = c;
            }
        }
    return best;
}

/* A row of a device carried to its others, by what the other devices of its class say. */
static void decode_carried(const row *r, size_t n, errors *any, errors *smallest)
{
    for (size_t d = 0; d < n; d++) {
        const hn_class *class = hn_class_find(r[d].class);
        if (!first_of_device(r, d) || !class->own_us)
            continue;
        carrier c = class->devices > 1 ? carrier_fit(r, n, r[d].class, r[d].device)
                                       : (carrier){ class->own_us, 1 };
        const row *least = &r[d];
        for (size_t i = d; i < n; i++)
            if (strcmp(r[i].device, r[d].device) == 0 && r[i].cost.bytes < least->cost.bytes)
                least = &r[i];
        for (size_t i = d; i < n; i++)
            for (size_t k = d; k < n && strcmp(r[i].device, r[d].device) == 0; k++)
                if (is_pair(&r[i], &r[k])) {
                    double rate = carry(&c, &r[i], &r[k]);
                    add(any, rate, r[k].rate);
                    if (&r[i] == least)
                        add(smallest, rate, r[k].rate);
                }
    }
}

/* ---- Vision ---------------------------------------------------------------------------------------- */

typedef struct image { const char *device; hn_image_cost cost; double ms; bool accelerator; } image;

/* Every model of the catalogue on every device with a row of MLPerf's edge rounds and a known peak: the best row. */
static size_t image_rows(const hn_world *w, hn_arena *a, image *out, size_t most)
{
    const json_t *devices = hn_catalog_shelf(w->c, HN_SHELF_DEVICES),
                 *models = hn_catalog_shelf(w->c, HN_SHELF_MODELS), *de, *me;
    hn_world edge = *w;
    hn_csv none = { .rows = 0 };
    hn_needs needs;
    size_t i, k, n = 0;
    edge.tiny_rows = &none;
    hn_needs_clear(&needs);
    json_array_foreach(devices, i, de)
        json_array_foreach(models, k, me) {
            hn_device d;
            hn_model m;
            hn_precision p[HN_PRECISIONS_MAX];
            hn_offer o;
            image one = { .device = hn_entry_text(de, "id") };
            hn_device_of(w->c, de, 0, &d);
            hn_model_of(w->c, me, &m);
            for (size_t q = 0, count = m.ops > 0 && !m.lm ? hn_model_precisions(w->c, &m, p) : 0;
                 q < count && n < most; q++) {
                hn_offer_make(&edge, &d, &m, &p[q], &needs, a, &o);
                if (o.image_ms.basis != HN_MEASURED || !hn_offer_image_cost(&d, &m, &p[q], &one.cost))
                    continue;
                one.ms = o.image_ms.mid;
                one.accelerator = !d.gflops.known;
                out[n++] = one;
            }
        }
    return n;
}

/* Share of the peak and wait, fitted on the accelerators without one of them. */
static void image_fit(const image *r, size_t n, const char *without, double *share, double *wait)
{
    double least = INFINITY;
    for (int s = 5; s <= 100; s++)
        for (int w = 0; w <= 40; w++) {
            double sum = 0;
            for (size_t i = 0; i < n && sum < least; i++)
                if (r[i].accelerator && strcmp(r[i].device, without) != 0)
                    sum += fabs(log(hn_image_ms(&r[i].cost, s * 0.01, w * 0.05) / r[i].ms));
            if (sum < least) {
                least = sum;
                *share = s * 0.01;
                *wait = w * 0.05;
            }
        }
}

static void vision_left_out(const image *r, size_t n, errors *e)
{
    for (size_t i = 0; i < n; i++) {
        double share = 0, wait = 0;
        if (!r[i].accelerator)
            continue;
        image_fit(r, n, r[i].device, &share, &wait);
        add(e, hn_image_ms(&r[i].cost, share, wait), r[i].ms);
    }
}

/* ---- Published rates -------------------------------------------------------------------------------- */

/* "7B" of the surveys is the model that stands for it in the catalogue. */
static const char *stand_in(const char *size)
{
    static const char *const name[][2] = { { "7B", "llama-2-7b" },
                                           { "13B", "llama-2-13b" },
                                           { "70B", "llama-70b" },
                                           { "3B", "llama-3.2-3b" },
                                           { "1.5B", "qwen2.5-1.5b" } };
    for (size_t i = 0; i < sizeof name / sizeof *name; i++)
        if (strcmp(name[i][0], size) == 0)
            return name[i][1];
    return size;
}

static double weights_of(const hn_catalog *c, const char *id, const char *quant)
{
    const json_t *shelf = hn_catalog_shelf(c, HN_SHELF_MODELS), *e;
    size_t i;
    const char *type = strcmp(quant, "FP16") == 0 ? "F16" : quant[0] ? quant : "Q4_K_M";
    json_array_foreach(shelf, i, e)
        if (strcmp(hn_entry_text(e, "id"), id) == 0)
            return json_number_value(
                       json_object_get(json_object_get(json_object_get(e, "file_gb"), type), "value")) *
                   1e9;
    return 0;
}

static const char *verdict(double low, double high, double bound)
{
    return low > bound          ? "impossible"
           : high > bound       ? "top end impossible"
           : high > 0.9 * bound ? "top end needs over 90 % of peak"
           : high < 0.5 * bound ? "possible, pessimistic"
                                : "possible";
}

static void claim(json_t *list, const hn_device *d, const char *model, const char *quant, const json_t *rate,
                  double weights)
{
    hn_token_cost t = { weights, 0 };
    double low = json_number_value(json_array_get(rate, 0)), high = json_number_value(json_array_get(rate, 1));
    double bound = weights > 0 && d->bandwidth.known ? hn_decode_bound(&t, fmax(d->bandwidth.high, 0)) : 0;
    char what[64], span[32];
    if (!(bound > 0))
        return;
    snprintf(what, sizeof what, "%s %s", model, quant[0] ? quant : "(as Q4_K_M)");
    snprintf(span, sizeof span, "%g-%g", low, high);
    bool holds = d->usable_gb * 1e9 >= weights;
    json_array_append_new(list, json_pack("{s:s, s:s, s:s, s:f, s:o}", "device", d->id, "claim", what,
                                          "tokens_s", span, "bound", round(bound * 10) / 10, "verdict",
                                          json_sprintf("%s%s", verdict(low, high, bound),
                                                       holds ? "" : "; does not fit either")));
}

static void claims(const hn_world *w, json_t *list)
{
    const json_t *devices = hn_catalog_shelf(w->c, HN_SHELF_DEVICES),
                 *models = hn_catalog_shelf(w->c, HN_SHELF_MODELS), *e, *k;
    hn_device d, phone = { .id = "" };
    size_t i, n;
    json_array_foreach(devices, i, e) {
        hn_device_of(w->c, e, 0, &d);
        if (strcmp(d.id, "snapdragon-8-gen-3") == 0)
            phone = d;
        if (strcmp(d.id, "nvidia-a100-80gb") == 0)            /* its fastest variant is the bound */
            d.bandwidth = hn_fact_where(w->c, e, "mem_bandwidth_gb_s", "variant", "SXM");
        json_array_foreach(json_object_get(e, "survey_llm_claims"), n, k)
            claim(list, &d, hn_entry_text(k, "model"), hn_entry_text(k, "quant"), json_object_get(k, "tok_s"),
                  weights_of(w->c, stand_in(hn_entry_text(k, "model")), hn_entry_text(k, "quant")));
    }
    json_array_foreach(models, i, e)
        json_array_foreach(json_object_get(e, "survey_tok_s"), n, k)
            if (phone.id[0] && strstr(hn_entry_text(k, "note"), "smartphones"))
                claim(list, &phone, hn_entry_text(e, "id"), hn_entry_text(k, "quant"),
                      json_object_get(k, "value"),
                      weights_of(w->c, hn_entry_text(e, "id"), hn_entry_text(k, "quant")));
}

hn_err hn_accuracy(hn_ctx *cx, const hn_world *w, hn_arena *a, json_t **out)
{
    size_t most = w->lm_rows->rows, images = w->vision_rows->rows, n;
    row *r = HN_NEW(a, row, most + 1);
    image *v = HN_NEW(a, image, images + 1);
    errors e = { HN_NEW(a, double, most * most + images + 1), 0 },
           f = { HN_NEW(a, double, most * most + 1), 0 };
    json_t *list = json_array(), *said = json_array(),
           *j = json_pack("{s:o, s:o}", "errors", list, "claims", said);
    if (!r || !v || !e.v || !f.v || !j)
        return hn_nomem(cx, "the errors");
    n = decode_rows(w->lm_rows, r);
    decode_left_out(r, n, &e);
    tell(list, "decode, each device left out", &e);
    decode_alone(r, n, &e, &f);
    tell(list, "decode, only device of its class: a flat 55 %", &e);
    tell(list, "decode, only device of its class: its own constants", &f);
    decode_carried(r, n, &e, &f);
    tell(list, "decode, calibrated by the device's smallest row", &f);
    tell(list, "decode, calibrated by any one row", &e);
    n = image_rows(w, a, v, images);
    vision_left_out(v, n, &e);
    tell(list, "vision, each device left out", &e);
    claims(w, said);
    *out = j;
    return HN_OK;
}
