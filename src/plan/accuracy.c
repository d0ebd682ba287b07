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

typedef struct row { const char *device, *class, *model, *quant; hn_token_cost cost; double rate, gbytes; } row;

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
                  hn_csv_real(t, i, "bandwidth_gbs") };
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

/* One row of a device carried to its others.  smallest: only from the model that is quickest to measure. */
static void decode_carried(const row *r, size_t n, bool smallest, errors *e)
{
    for (size_t i = 0; i < n; i++) {
        const hn_class *c = hn_class_find(r[i].class);
        bool least = true;
        for (size_t k = 0; k < n; k++)
            if (strcmp(r[k].device, r[i].device) == 0 &&
                (r[k].cost.bytes < r[i].cost.bytes || (r[k].cost.bytes == r[i].cost.bytes && k < i)))
                least = false;
        if ((smallest && !least) || !c->layer_us)
            continue;
        double eta = hn_decode_eta(c->layer_us, &r[i].cost, r[i].gbytes, r[i].rate);
        for (size_t k = 0; k < n; k++)
            if (k != i && strcmp(r[k].device, r[i].device) == 0 &&
                !(strcmp(r[k].model, r[i].model) == 0 && strcmp(r[k].quant, r[i].quant) == 0))
                add(e, hn_decode_rate(eta, c->layer_us, &r[k].cost, r[k].gbytes), r[k].rate);
    }
}

/* ---- Vision ---------------------------------------------------------------------------------------- */

/* The roofline against the best measured row, for every catalogue device and model that have one. */
static void vision(const hn_world *w, hn_arena *a, errors *roof)
{
    const json_t *devices = hn_catalog_shelf(w->c, HN_SHELF_DEVICES),
                 *models = hn_catalog_shelf(w->c, HN_SHELF_MODELS), *de, *me;
    hn_world blind = *w;
    hn_csv empty = { .rows = 0 };
    hn_needs n;
    size_t i, k;
    blind.vision_rows = &empty;
    hn_needs_clear(&n);
    json_array_foreach(devices, i, de)
        json_array_foreach(models, k, me) {
            hn_device d;
            hn_model m;
            hn_precision p[HN_PRECISIONS_MAX];
            hn_offer seen, guess;
            hn_device_of(w->c, de, 0, &d);
            hn_model_of(w->c, me, &m);
            for (size_t q = 0, count = m.ops > 0 && !m.lm ? hn_model_precisions(w->c, &m, p) : 0; q < count;
                 q++) {
                hn_offer_make(w, &d, &m, &p[q], &n, a, &seen);
                hn_offer_make(&blind, &d, &m, &p[q], &n, a, &guess);
                if (seen.image_ms.basis == HN_MEASURED && guess.image_ms.mid > 0)
                    add(roof, guess.image_ms.mid, seen.image_ms.mid);
            }
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
    size_t most = w->lm_rows->rows, n;
    row *r = HN_NEW(a, row, most + 1);
    errors e = { HN_NEW(a, double, most * most + 4096), 0 }, f = { HN_NEW(a, double, most + 1), 0 };
    json_t *list = json_array(), *said = json_array(),
           *j = json_pack("{s:o, s:o}", "errors", list, "claims", said);
    if (!r || !e.v || !f.v || !j)
        return hn_nomem(cx, "the errors");
    n = decode_rows(w->lm_rows, r);
    decode_left_out(r, n, &e);
    tell(list, "decode, each device left out", &e);
    decode_alone(r, n, &e, &f);
    tell(list, "decode, only device of its class: a flat 55 %", &e);
    tell(list, "decode, only device of its class: its own constants", &f);
    decode_carried(r, n, true, &e);
    tell(list, "decode, calibrated by the device's smallest row", &e);
    decode_carried(r, n, false, &e);
    tell(list, "decode, calibrated by any one row", &e);
    vision(w, a, &e);
    tell(list, "vision, roofline against the measured row", &e);
    claims(w, said);
    *out = j;
    return HN_OK;
}
