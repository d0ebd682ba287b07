/* SPDX-License-Identifier: Apache-2.0 */
#include "plan/offer.h"

#include <math.h>
#include <string.h>

/* Pages of this program and its libraries that a run touches.  They are clean: the system counts them as private or
 * shared as other processes come and go, so a constant is truer than a look at this process. */
#define PROGRAM_BYTES 1.5e6
#define MCU_RUNTIME 50e3               /* an interpreter for microcontrollers; weights stay in flash */
#define RUNTIME_GB 0.2               /* 30 to 200 MB, measured on common runtimes: the upper end */
#define PREFILL_BATCH 512            /* tokens read at once, as runtimes do unless told */
#define MODE_POWER 0.7               /* speed follows power to this: 15 W to 25 W gave 36 to 47 % more */
#define MCU_FACTOR 4                 /* of int8 inputs: the models of MLPerf Tiny take that much */
#define RAN_LOW 0.9                  /* a machine at rest and the same one at work differ by this */
#define RAN_HIGH 1.1
#define IMAGE_FACTOR 20              /* activations of a picture model, in f32 inputs */

hn_err hn_world_open(hn_ctx *cx, hn_catalog *c, hn_world *out)
{
    hn_world w = { .c = c };
    HN_TRY(hn_catalog_table(cx, c, "llm_measured.csv", &w.lm_rows));
    HN_TRY(hn_catalog_table(cx, c, "mlperf_edge.csv", &w.vision_rows));
    HN_TRY(hn_catalog_table(cx, c, "mlperf_tiny.csv", &w.tiny_rows));
    *out = w;
    return HN_OK;
}

double hn_kv_element(const char *type)
{
    return !type || strcmp(type, "f16") == 0 ? 2
           : strcmp(type, "f32") == 0        ? 4
           : strcmp(type, "q8_0") == 0       ? 1.0625
                                             : 0.5625;
}

static bool is_mcu(const hn_device *d) { return strcmp(d->kind, "mcu") == 0; }

static double given_or(double x, double otherwise) { return hn_given_number(x) ? x : otherwise; }

hn_load hn_load_of(const hn_needs *n, const hn_model *m)
{
    double most = m && m->context_max > 0 ? m->context_max : 4096;
    double prompt = given_or(n->prompt, 400), answer = given_or(n->answer, 100);
    return (hn_load){ given_or(n->context, fmax(fmin(4096, most), fmin(prompt + answer, most))),
                      given_or(n->parallel, 1),
                      prompt,
                      answer,
                      hn_kv_element(n->kv),
                      given_or(n->fps, 30) };
}

static bool same_device(const hn_device *d, const char *name)
{
    return d->entry && hn_entry_has_alias(d->entry, name);
}

/* ---- Memory -------------------------------------------------------------------------------------- */

static void set_fit(hn_offer *o, const hn_load *l, const hn_needs *n)
{
    const hn_model *m = o->model;
    if (!m->entry) {                             /* a file: exact, as this program runs it */
        double kv = m->lm ? hn_cache_bytes(&m->dims, &(hn_lm_load){ l->context, l->parallel, PREFILL_BATCH,
                                                                    l->kv_element })
                          : 0;
        o->need = (hn_need){ .weights = m->weights + m->held, .cache = kv, .activations = m->arena,
                             .runtime = m->own + PROGRAM_BYTES };
        hn_need_sum(&o->need);
    } else if (m->lm) {
        hn_lm_load load = { l->context, l->parallel, PREFILL_BATCH, l->kv_element };
        o->need = hn_lm_need(&m->dims, &load, o->precision.bytes, RUNTIME_GB * 1e9);
    } else if (is_mcu(o->device)) {
        o->need = (hn_need){ .activations = m->pixels * 3 * MCU_FACTOR, .runtime = MCU_RUNTIME };
        hn_need_sum(&o->need);
    } else {
        o->need = (hn_need){ .weights = o->precision.bytes,
                             .activations = m->pixels * 3 * 4 * IMAGE_FACTOR,
                             .runtime = RUNTIME_GB * 1e9 };
        hn_need_sum(&o->need);
    }
    o->usable_gb = fmin(o->device->usable_gb, given_or(n->memory_gb, INFINITY));
    o->verdict = o->usable_gb > 0 ? hn_fit_verdict(o->need.total, o->usable_gb * 1e9) : HN_TOO_BIG;
}

/* ---- Tokens --------------------------------------------------------------------------------------- */

/* The cache is read too: half full on average over an answer that fills it. */
static hn_token_cost token_cost(const hn_offer *o, const hn_load *l)
{
    hn_lm_load used = { fmin(l->prompt + l->answer / 2, l->context), 1, PREFILL_BATCH, l->kv_element };
    double weights = o->model->token_bytes > 0 ? o->model->token_bytes : o->precision.bytes;
    return (hn_token_cost){ weights + hn_cache_bytes(&o->model->dims, &used), o->model->dims.layers };
}

static void scale(hn_band *b, double times)
{
    b->low *= times;
    b->mid *= times;
    b->high *= times;
}

static void set_rate(hn_offer *o, const hn_load *l, hn_arena *a)
{
    const hn_device *d = o->device;
    hn_token_cost t = token_cost(o, l);
    if (!d->bandwidth.known) {
        o->rate_from = "no memory bandwidth is known of it";
        return;
    }
    if (d->ran_decode > 0) {
        o->rate = (hn_band){ d->ran_decode * RAN_LOW, d->ran_decode, d->ran_decode * RAN_HIGH, HN_MEASURED };
        o->rate_from = "the file itself, run on this machine now";
        return;                                  /* a small model lives in caches: memory does not bound it */
    }
    o->bound = hn_decode_bound(&t, d->bandwidth.high);
    o->rate = hn_decode_band(d->roof, d->eta, &t, d->bandwidth.low);
    if (d->eta > 0)
        o->rate_from = hn_arena_printf(a, "carried from one measurement on it: %.0f %% of its bandwidth",
                                       100 * d->eta);
    else if (d->roof->rows)
        o->rate_from = hn_arena_printf(a, "class %s: %d measured row%s on %d device%s", d->roof->name,
                                       d->roof->rows, d->roof->rows == 1 ? "" : "s", d->roof->devices,
                                       d->roof->devices == 1 ? "" : "s");
    else
        o->rate_from = "no device of its kind was measured: a flat 55 % of its bandwidth";
}

/* A measured row of this device, carried by size; else arithmetic at the usual share of the peak. */
static void set_prefill(const hn_world *w, hn_offer *o, hn_arena *a)
{
    const hn_device *d = o->device;
    if (d->ran_prefill > 0) {
        o->prefill = (hn_band){ d->ran_prefill * RAN_LOW, d->ran_prefill, d->ran_prefill * RAN_HIGH,
                                HN_MEASURED };
        o->prefill_from = "the file itself, run on this machine now";
        return;
    }
    double best = 0, peak = d->gflops.known ? d->gflops.low * 1e9 : d->tops_int8 * 1e12 / 2,
           u = d->gflops.known ? 0.30 : 0.20;
    for (size_t i = 0; i < w->lm_rows->rows; i++) {
        double rate = hn_csv_real(w->lm_rows, i, "prefill_tok_s") * hn_csv_real(w->lm_rows, i, "params_b") *
                      1e9 / o->model->params;
        if (same_device(d, hn_csv_text(w->lm_rows, i, "device")) && rate > best) {
            best = rate;
            o->prefill_from = hn_arena_printf(a, "%s measured on it, carried by size (%s)",
                                              hn_csv_text(w->lm_rows, i, "model"),
                                              hn_csv_text(w->lm_rows, i, "source"));
        }
    }
    if (best > 0) {
        o->prefill = (hn_band){ best * 0.6, best, best * 1.2, HN_ESTIMATED };
    } else if (peak > 0 && o->model->params > 0) {
        double mid = peak * u / (2 * o->model->params);
        o->prefill = (hn_band){ mid * 0.5, mid, mid * 2, HN_ESTIMATED };
        o->prefill_from = d->gflops.known ? "30 % of its peak in f32"
                                          : "20 % of its FP16 peak, taken as half of INT8";
    } else {
        o->prefill_from = d->tops.known ? d->tops_why : "no arithmetic peak is known of it";
    }
}

static void set_waits(hn_offer *o, const hn_load *l)
{
    if (o->prefill.mid > 0 && o->rate.mid > 0)
        o->first_ms = (hn_band){ 1e3 * (l->prompt / o->prefill.high + 1 / o->rate.high),
                                 1e3 * (l->prompt / o->prefill.mid + 1 / o->rate.mid),
                                 1e3 * (l->prompt / o->prefill.low + 1 / o->rate.low), HN_ESTIMATED };
    if (o->rate.mid > 0) {
        double more = l->answer - 1;
        o->answer_ms = (hn_band){ o->first_ms.low + 1e3 * more / o->rate.high,
                                  o->first_ms.mid + 1e3 * more / o->rate.mid,
                                  o->first_ms.high + 1e3 * more / o->rate.low, HN_ESTIMATED };
    }
}

/* ---- Images ---------------------------------------------------------------------------------------- */

static bool has_row_name(const hn_model *m, const char *name)
{
    const json_t *list = hn_value_of(m->entry, "mlperf"), *v;
    size_t i;
    json_array_foreach(list, i, v)
        if (strcmp(json_string_value(v), name) == 0)
            return true;
    return false;
}

static bool row_is_int8(const char *model, const char *framework)
{
    size_t n = strlen(model);
    bool quantised = strstr(model, "uint8") ||
                     (n > 10 && strcmp(model + n - 10, "-quantized") == 0 && !strstr(model, "non-quantized"));
    return quantised || strstr(framework, "TensorRT") || strstr(framework, "CUDA") ||
           strstr(framework, "Nvidia") || strstr(framework, "Cloud AI") || strstr(framework, "QUALCOMM");
}

/* Of a part with an accelerator, rows that left it idle say nothing; a row that is not INT8 is FP32. */
static bool row_counts(const hn_csv *t, size_t i, const hn_device *d, const char *precision)
{
    bool int8 = row_is_int8(hn_csv_text(t, i, "model"), hn_csv_text(t, i, "framework"));
    return strcmp(precision, int8 ? "INT8" : "FP32") == 0 &&
           !(d->tops_int8 > 0 && hn_csv_real(t, i, "accelerators") == 0);
}

/* The best SingleStream row: what the hardware was shown to do. */
static void image_from_rows(const hn_world *w, hn_offer *o, hn_arena *a)
{
    if (o->device->ran_ms > 0) {
        o->image_ms = (hn_band){ o->device->ran_ms * RAN_LOW, o->device->ran_ms, o->device->ran_ms * RAN_HIGH,
                                 HN_MEASURED };
        o->image_from = "the file itself, run on this machine now: the fastest of many runs";
        return;
    }
    const hn_csv *t = w->vision_rows;
    for (size_t i = 0; i < t->rows; i++) {
        const char *framework = hn_csv_text(t, i, "framework");
        double ms = hn_csv_real(t, i, "value");
        if (strcmp(hn_csv_text(t, i, "scenario"), "SingleStream") != 0 || !(ms > 0) ||
            !same_device(o->device, hn_csv_text(t, i, "device")) ||
            !has_row_name(o->model, hn_csv_text(t, i, "model")) ||
            !row_counts(t, i, o->device, o->precision.name) ||
            (o->image_ms.mid > 0 && ms >= o->image_ms.mid))
            continue;
        o->image_ms = (hn_band){ ms * 0.95, ms, ms * 1.15, HN_MEASURED };
        o->image_from = hn_arena_printf(a, "MLPerf %s %s, SingleStream p90, %.40s",
                                        hn_csv_text(t, i, "round"), hn_csv_text(t, i, "submitter"),
                                        framework);
    }
}

/* MLPerf Tiny: the fastest build of a board, and its energy if that was measured. */
static void image_from_tiny(const hn_world *w, hn_offer *o, hn_arena *a)
{
    const hn_csv *t = w->tiny_rows;
    const char *name = json_string_value(hn_value_of(o->model->entry, "mlperf_tiny"));
    for (size_t i = 0; name && i < t->rows; i++) {
        double ms = hn_csv_real(t, i, "latency_ms"), uj = hn_csv_real(t, i, "energy_uj_per_inf");
        if (strcmp(hn_csv_text(t, i, "benchmark"), name) != 0 ||
            !same_device(o->device, hn_csv_text(t, i, "device")) || !(ms > 0))
            continue;
        if (uj > 0 && (o->tiny_joules == 0 || uj * 1e-6 < o->tiny_joules))
            o->tiny_joules = uj * 1e-6;
        if (o->image_ms.mid > 0 && ms >= o->image_ms.mid)
            continue;
        o->image_ms = (hn_band){ ms * 0.95, ms, ms * 1.05, HN_MEASURED };
        o->image_from = hn_arena_printf(a, "MLPerf Tiny %s, %s, %.60s", hn_csv_text(t, i, "round"),
                                        hn_csv_text(t, i, "submitter"), hn_csv_text(t, i, "framework"));
    }
}

bool hn_offer_image_cost(const hn_device *d, const hn_model *m, const hn_precision *p, hn_image_cost *out)
{
    bool int8 = strcmp(p->name, "INT8") == 0;
    double peak = d->gflops.known ? d->gflops.low * 1e9 * (int8 ? 2 : 1)
                                  : d->tops_int8 * 1e12 / (int8 ? 1 : strcmp(p->name, "FP16") == 0 ? 2 : 8);
    if (!(m->ops > 0) || !(peak > 0))
        return false;
    *out = (hn_image_cost){ m->ops / peak * 1e3,
                            d->bandwidth.known ? p->bytes / (0.5 * d->bandwidth.low * 1e9) * 1e3 : 0 };
    return true;
}

/* The share and the wait of accelerators were fitted on their rows; a factor of two either way. */
static void image_from_roofline(hn_offer *o)
{
    const hn_device *d = o->device;
    hn_image_cost cost;
    if (!hn_offer_image_cost(d, o->model, &o->precision, &cost)) {
        o->image_from = o->model->ops > 0 ? d->tops_why : "the model's work is not known";
        return;
    }
    double mid = d->gflops.known ? hn_image_ms(&cost, 0.30, 0.5) : hn_image_ms(&cost, 0.21, 0.35);
    o->image_ms = (hn_band){ mid / 2, mid, mid * 2, HN_ESTIMATED };
    o->image_from = d->gflops.known
                        ? "roofline: 30 % of its f32 peak, a factor of two either way"
                        : "roofline: 21 % of its dense peak and 0.35 ms, a factor of two either way";
}

/* ---- Power ------------------------------------------------------------------------------------------ */

/* Peak power at the wall of a language model, where somebody measured it; the data sheet else. */
static void set_power(const hn_world *w, hn_offer *o, const hn_needs *n)
{
    const hn_device *d = o->device;
    double measured = 0;
    for (size_t i = 0; o->model->lm && i < w->lm_rows->rows; i++) {
        double watts = hn_csv_real(w->lm_rows, i, "peak_power_w");
        if (same_device(d, hn_csv_text(w->lm_rows, i, "device")) && watts > measured)
            measured = watts;
    }
    o->watts = hn_given_number(n->load_w) ? n->load_w
               : measured > 0             ? measured
               : d->power.known           ? d->power.high
                                          : 0;
    o->power_from = hn_given_number(n->load_w) ? "--load"
                    : measured > 0             ? "peak at the wall, llm_measured.csv"
                    : d->power.known           ? d->power.source
                                               : "no power figure";
    o->idle_watts = hn_given_number(n->idle_w)                       ? n->idle_w
                    : d->power.known && d->power.low < d->power.high ? d->power.low
                                                                     : 0;
    o->sustained = 1 - (d->throttle_low + d->throttle_high) / 2;
    /* A device with modes runs in the one that the limit allows, slower. */
    if (o->watts > n->power_w && d->power.known && d->power.low <= n->power_w && d->power.low < d->power.high) {
        double times = pow(n->power_w / o->watts, MODE_POWER);
        scale(&o->rate, times);
        scale(&o->prefill, times);
        if (o->image_ms.mid > 0)
            scale(&o->image_ms, 1 / times);
        if (o->image_ms.basis == HN_MEASURED)
            o->image_ms.basis = HN_ESTIMATED;
        o->watts = n->power_w;
        o->power_from =
            "held to --power; speed taken to follow power to the 0.7th (15 to 25 W gave 36 to 47 %)";
    }
}

static void set_joules(hn_offer *o)
{
    if (o->tiny_joules > 0) {
        o->joules = o->joules_marginal = o->tiny_joules;
        o->power_from = "energy of an inference, mlperf_tiny.csv";
        return;
    }
    double seconds = (o->model->lm ? o->answer_ms.mid : o->image_ms.mid) * 1e-3;
    if (o->watts > 0 && seconds > 0) {
        o->joules = o->watts * seconds;
        o->joules_marginal = o->idle_watts > 0 ? (o->watts - o->idle_watts) * seconds : 0;
    }
}

void hn_offer_make(const hn_world *w, const hn_device *d, const hn_model *m, const hn_precision *p,
                   const hn_needs *n, hn_arena *a, hn_offer *out)
{
    hn_load l = hn_load_of(n, m);
    hn_offer o = { .device = d,
                   .model = m,
                   .precision = *p,
                   .rate_from = "",
                   .prefill_from = "",
                   .image_from = "",
                   .power_from = "" };
    set_fit(&o, &l, n);
    if (m->lm) {
        set_rate(&o, &l, a);
        set_prefill(w, &o, a);
    } else {
        image_from_rows(w, &o, a);
        if (strcmp(p->name, "INT8") == 0)
            image_from_tiny(w, &o, a);
        if (!(o.image_ms.mid > 0))
            image_from_roofline(&o);
    }
    set_power(w, &o, n);
    if (m->lm)
        set_waits(&o, &l);
    set_joules(&o);
    *out = o;
}
