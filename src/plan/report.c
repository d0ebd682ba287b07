/* SPDX-License-Identifier: Apache-2.0 */
#include "plan/report.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "plan/chain.h"
#include "plan/report_impl.h"
#include "plan/tree.h"

#define CHOICES_MAX 8
#define READING_SPEED 5      /* tokens a second: 200 to 250 words a minute */

static bool is(const char *value, const char *word) { return value && strcmp(value, word) == 0; }
static json_t *number_or_null(double x) { return isfinite(x) && x > 0 ? json_real(x) : json_null(); }

json_t *hn_band_json(const hn_band *b)
{
    return b->mid > 0 ? json_pack("[f,f,f]", b->low, b->mid, b->high) : json_null();
}

json_t *hn_offer_json(const hn_offer *o)
{
    const hn_need *n = &o->need;
    json_t *j = json_pack("{s:s, s:s, s:s, s:s, s:s, s:f, s:f, s:s, s:f}", "device", o->device->id,
                          "device_name", o->device->name, "model", o->model->id, "model_name", o->model->name,
                          "precision", o->precision.name, "need_gb", n->total * 1e-9, "usable_gb",
                          o->usable_gb, "verdict", o->usable_gb > 0 ? hn_verdict_name(o->verdict) : "unknown",
                          "share", o->usable_gb > 0 ? n->total * 1e-9 / o->usable_gb : 0);
    json_object_set_new(j, "memory_gb",
                        json_pack("{s:f, s:f, s:f, s:f, s:f}", "weights", n->weights * 1e-9, "cache",
                                  n->cache * 1e-9, "activations", n->activations * 1e-9, "logits",
                                  n->logits * 1e-9, "runtime", n->runtime * 1e-9));
    /* What `hone bench` will call written: of a language model the whole process, of a graph what it added. */
    if (!o->model->entry) {
        double written = o->model->held + (o->model->lm ? o->model->own + n->cache : 0);
        json_object_set_new(j, "bench_written_bytes", json_integer((json_int_t)(written + n->activations)));
        json_object_set_new(j, "bench_large_page_rest_bytes", json_integer((json_int_t)o->model->rest));
    }
    if (o->model->lm) {
        json_object_set_new(j, "tokens_per_second", hn_band_json(&o->rate));
        json_object_set_new(j, "bound_tokens_per_second", number_or_null(o->bound));
        json_object_set_new(j, "prefill_tokens_per_second", hn_band_json(&o->prefill));
        json_object_set_new(j, "first_token_ms", hn_band_json(&o->first_ms));
        json_object_set_new(j, "answer_ms", hn_band_json(&o->answer_ms));
        json_object_set_new(j, "speed_from", json_string(o->rate_from));
        json_object_set_new(j, "prefill_from", json_string(o->prefill_from));
        json_object_set_new(j, "basis", json_string(hn_basis_name(o->rate.basis)));
        json_object_set_new(j, "perplexity_rise_percent",
                            isnan(o->precision.loss) ? json_null() : json_real(o->precision.loss));
        json_object_set_new(j, "quality", json_string(o->precision.quality));
    } else {
        json_object_set_new(j, "image_ms", hn_band_json(&o->image_ms));
        json_object_set_new(j, "speed_from", json_string(o->image_from));
        json_object_set_new(j, "basis", json_string(hn_basis_name(o->image_ms.basis)));
        json_object_set_new(j, "accuracy_percent", number_or_null(o->model->accuracy));
    }
    json_object_set_new(j, "sustained_share", json_real(o->sustained));
    json_object_set_new(j, "watts", number_or_null(o->watts));
    json_object_set_new(j, "joules", number_or_null(o->joules));
    json_object_set_new(j, "joules_above_idle", number_or_null(o->joules_marginal));
    json_object_set_new(j, "power_from", json_string(o->power_from));
    json_object_set_new(j, "price_usd", o->device->price.known ? json_real(o->device->price.low) : json_null());
    return j;
}

void hn_assume(hn_draft *d, const char *what, double value, const char *unit, const char *change)
{
    json_array_append_new(d->assumed, json_pack("{s:s, s:f, s:s, s:s}", "what", what, "value", value, "unit",
                                                unit, "change", change));
}

void hn_remark(hn_draft *d, const char *text)
{
    const json_t *t;
    size_t i;
    json_array_foreach(d->notes, i, t)
        if (is(json_string_value(t), text))
            return;
    json_array_append_new(d->notes, json_string(text));
}

/* ---- What is chosen from ------------------------------------------------------------------------- */

static void calibrate(const hn_draft *d, hn_device *dev)
{
    const hn_calibration *k = d->ask->calibration;
    if (k && dev->bandwidth.known) {
        hn_token_cost t = { k->bytes, k->layers };
        dev->eta = hn_decode_eta(dev->roof->own_us, &t, dev->bandwidth.low, k->tokens_s);
    }
}

static hn_err field_devices(hn_draft *d, hn_field *f)
{
    const json_t *shelf = hn_catalog_shelf(d->w->c, HN_SHELF_DEVICES), *e;
    const char *others = "";
    size_t i;
    double ram = hn_given_number(d->n->ram_gb) ? d->n->ram_gb : 0;
    f->device = HN_NEW(d->a, hn_device, json_array_size(shelf) + 1);
    if (!f->device)
        return hn_nomem(d->cx, "devices");
    if (d->ask->here) {
        f->device[f->device_count++] = *d->ask->here;
    } else if (d->n->device) {
        HN_TRY(hn_catalog_find(d->cx, d->w->c, HN_SHELF_DEVICES, d->n->device, &e, &others));
        if (hn_device_is_class(e))
            return hn_fail(d->cx, HN_EARG,
                           "'%s' is a class of devices, not one: `hone list devices` shows parts",
                           hn_entry_text(e, "name"));
        hn_device_of(d->w->c, e, ram, &f->device[f->device_count++]);
        if (others[0])
            hn_remark(d, hn_arena_printf(d->a, "'%s' was taken as %s; it could also be %s", d->n->device,
                                         hn_entry_text(e, "id"), others));
        hn_draft_disagreements(d, e);
    } else {
        json_array_foreach(shelf, i, e)
            if (!hn_device_is_class(e) && strcmp(hn_entry_text(e, "class"), "cloud-gpu") != 0)
                hn_device_of(d->w->c, e, ram, &f->device[f->device_count++]);
    }
    if (f->device_count == 1)
        calibrate(d, &f->device[0]);
    else if (d->ask->calibration)
        return hn_fail(d->cx, HN_EARG, "--calibration belongs to one device: name it with --device");
    return HN_OK;
}

static int by_params(const void *a, const void *b)
{
    const hn_model *x = a, *y = b;
    return (x->params < y->params) - (x->params > y->params);
}

static hn_err field_models(hn_draft *d, hn_field *f)
{
    const json_t *shelf = hn_catalog_shelf(d->w->c, HN_SHELF_MODELS), *e;
    const char *others = "";
    size_t i;
    f->model = HN_NEW(d->a, hn_model, json_array_size(shelf) + 1);
    if (!f->model)
        return hn_nomem(d->cx, "models");
    if (d->ask->file) {
        f->model[f->model_count++] = *d->ask->file;
        if (d->ask->file->plain_steps)
            hn_remark(d, hn_arena_printf(d->a,
                                         "%zu steps of this model run through operators' plain code, whose "
                                         "scratch memory is not in these figures: "
                                         "measure with `hone bench`",
                                         d->ask->file->plain_steps));
        return HN_OK;
    }
    if (d->n->model) {
        HN_TRY(hn_catalog_find(d->cx, d->w->c, HN_SHELF_MODELS, d->n->model, &e, &others));
        hn_model_of(d->w->c, e, &f->model[f->model_count++]);
        const hn_model *m = &f->model[0];
        if (m->lm && (m->dims.layers == 0 || m->dims.kv_heads == 0 ||
                      json_object_size(json_object_get(e, "file_gb")) == 0))
            return hn_fail(
                d->cx, HN_EUNSUP,
                "%s: nothing is published that a plan could be made from: its shape or sizes are not known",
                m->name);
        if (!m->lm && m->ops == 0)
            return hn_fail(d->cx, HN_EUNSUP,
                           "%s: its work per run is not in the catalogue; give the model's file instead",
                           m->name);
        if (others[0])
            hn_remark(d, hn_arena_printf(d->a, "'%s' was taken as %s; it could also be %s", d->n->model,
                                         hn_entry_text(e, "id"), others));
        hn_draft_disagreements(d, e);
        return HN_OK;
    }
    json_array_foreach(shelf, i, e) {
        hn_model_of(d->w->c, e, &f->model[f->model_count]);
        f->model_count += hn_model_does(&f->model[f->model_count], d->n);
    }
    qsort(f->model, f->model_count, sizeof *f->model, by_params);
    if (f->model_count == 0)
        return hn_fail(d->cx, HN_EUNSUP,
                       "no model of the catalogue is known well enough for task '%s'; give a model's file",
                       d->n->task);
    return HN_OK;
}

/* What is asked of one kind of model, and the model is of the other. */
static const char *not_of(const hn_needs *n, const hn_model *m)
{
    const struct { const char *option; bool given; } words[] = {
        { "--tokens-per-second", hn_given_number(n->rate) }, { "--context", hn_given_number(n->context) },
        { "--parallel", hn_given_number(n->parallel) }, { "--prompt-tokens", hn_given_number(n->prompt) },
        { "--answer-tokens", hn_given_number(n->answer) }, { "--loss", hn_given_number(n->loss) },
        { "--kv", n->kv }, { "--api-in", hn_given_number(n->api_in) }, { "--api-out", hn_given_number(n->api_out) },
    }, pictures[] = {
        { "--accuracy", hn_given_number(n->accuracy) }, { "--fps", hn_given_number(n->fps) },
        { "--api-image", hn_given_number(n->api_image) },
    };
    for (size_t i = 0; !m->lm && i < sizeof words / sizeof *words; i++)
        if (words[i].given)
            return words[i].option;
    for (size_t i = 0; m->lm && i < sizeof pictures / sizeof *pictures; i++)
        if (pictures[i].given)
            return pictures[i].option;
    return NULL;
}

static hn_err check_model(hn_draft *d, const hn_model *m)
{
    const hn_needs *n = d->n;
    const char *option = not_of(n, m);
    if (m->entry && n->task && !hn_model_does(m, n))
        return hn_fail(d->cx, HN_EARG, "contradictory: --task %s, but %s does %s", n->task, m->name, m->task);
    if (n->preset && m->lm != is(n->preset, "voice") && (m->lm || m->pixels > 0))
        return hn_fail(d->cx, HN_EARG, "contradictory: --preset %s is a chain of %s, but %s %s", n->preset,
                       m->lm ? "pictures" : "speech", m->name, m->lm ? "makes words" : "looks at pictures");
    if (option)
        return hn_fail(d->cx, HN_EARG, "contradictory: %s, but %s makes %s", option, m->name,
                       m->lm ? "words and looks at no pictures" : "no tokens");
    if (n->context > m->context_max && m->context_max > 0)
        return hn_fail(d->cx, HN_EARG,
                       "contradictory: --context %.0f, but %s looks back on at most %.0f tokens",
                       n->context, m->name, m->context_max);
    if (d->ask->calibration && !m->lm)
        return hn_fail(d->cx, HN_EARG, "contradictory: --calibration is a rate of tokens, but %s makes none", m->name);
    return HN_OK;
}

/* Models of a task are of one kind; any of them stands for it. */
static hn_err check_task(hn_draft *d, const hn_model *any)
{
    const hn_needs *n = d->n;
    const char *option = not_of(n, any);
    if (option)
        return hn_fail(d->cx, HN_EARG, "contradictory: %s, but --task %s %s", option, n->task,
                       any->lm ? "looks at no pictures" : "makes no tokens");
    if (n->preset && any->lm && !is(n->preset, "voice"))
        return hn_fail(d->cx, HN_EARG, "contradictory: --preset %s is a chain of pictures, --task %s is of words",
                       n->preset, n->task);
    if (n->preset && is(n->preset, "voice") && any->pixels > 0)
        return hn_fail(d->cx, HN_EARG, "contradictory: --preset voice is a chain of speech, --task %s is of pictures",
                       n->task);
    return HN_OK;
}

/* "fits, 9.52 of 14.00 GB"; small ones in megabytes */
static const char *share_of(const hn_offer *o, char out[64])
{
    double need = o->need.total * 1e-9;
    if (o->usable_gb < 0.1)
        snprintf(out, 64, "%s, %.3g of %.3g MB", hn_verdict_name(o->verdict), need * 1e3, o->usable_gb * 1e3);
    else if (need < 0.1)
        snprintf(out, 64, "%s, %.1f MB of %.2f GB", hn_verdict_name(o->verdict), need * 1e3, o->usable_gb);
    else
        snprintf(out, 64, "%s, %.2f of %.2f GB", hn_verdict_name(o->verdict), need, o->usable_gb);
    return out;
}

/* ---- One device, one model ------------------------------------------------------------------------- */

/* Longest context with which it still fits: need grows with it in a straight line. */
static double context_that_fits(const hn_draft *d, const hn_offer *o)
{
    hn_load l = hn_load_of(d->n, o->model);
    hn_lm_load one = { 1, l.parallel, 512, l.kv_element };
    double per_token = hn_cache_bytes(&o->model->dims, &one) * 1.02,
           room = o->usable_gb * 1e9 * 0.98 - (o->need.total - o->need.cache * 1.02);
    return per_token > 0 && room > 0 ? floor(room / per_token / 256) * 256 : 0;
}

/* The largest model of the catalogue that fits the device at 4 bits. */
static void suggest_model(hn_draft *d, const hn_device *dev, const hn_model *than, json_t *list)
{
    const json_t *shelf = hn_catalog_shelf(d->w->c, HN_SHELF_MODELS), *e;
    double best = 0;
    const char *name = NULL;
    size_t i;
    json_array_foreach(shelf, i, e) {
        hn_model m;
        hn_precision p[HN_PRECISIONS_MAX];
        hn_model_of(d->w->c, e, &m);
        if (!m.lm || m.dims.kv_heads == 0 || m.params >= than->params || m.params <= best)
            continue;
        for (size_t k = 0, n = hn_model_precisions(d->w->c, &m, p); k < n; k++)
            if (strcmp(p[k].name, "Q4_K_M") == 0) {
                hn_offer o;
                hn_offer_make(d->w, dev, &m, &p[k], d->n, d->a, &o);
                if (o.verdict != HN_TOO_BIG) {
                    best = m.params;
                    name = m.name;
                }
            }
    }
    if (name)
        json_array_append_new(list, json_sprintf("a smaller model: %s at Q4_K_M fits", name));
}

static void suggest_device(hn_draft *d, const hn_model *m, const hn_precision *p, json_t *list)
{
    const json_t *shelf = hn_catalog_shelf(d->w->c, HN_SHELF_DEVICES), *e;
    const hn_device *best = NULL;
    double rate = 0;
    size_t i;
    json_array_foreach(shelf, i, e) {
        hn_device *dev = HN_NEW(d->a, hn_device, 1);
        hn_offer o;
        if (!dev || hn_device_is_class(e))
            continue;
        hn_device_of(d->w->c, e, 0, dev);
        hn_offer_make(d->w, dev, m, p, d->n, d->a, &o);
        if (!hn_offer_reject(&o, d->n, d->a) && dev->price.known && o.rate.mid > 0 &&
            (!best || dev->price.low < best->price.low)) {
            best = dev;
            rate = o.rate.mid;
        }
    }
    if (best)
        json_array_append_new(list,
                              json_sprintf("another device: %s (%.0f USD) holds %s, at %.1f tokens/s or so",
                                           best->name, best->price.low, p->name, rate));
}

/* It fits and is too slow: a precision that is not, a device that is not. */
static json_t *what_to_speed_up(hn_draft *d, const hn_offer *asked, const hn_precision *p, size_t count)
{
    json_t *list = json_array();
    hn_needs any = *d->n;
    any.precision = NULL;
    for (size_t i = count; i-- > 0;) {
        hn_offer o;
        hn_offer_make(d->w, asked->device, asked->model, &p[i], &any, d->a, &o);
        if (!hn_offer_reject(&o, &any, d->a)) {
            json_array_append_new(list, json_sprintf("%s: %.1f tokens/s or so", p[i].name, o.rate.mid));
            break;
        }
    }
    suggest_device(d, asked->model, &asked->precision, list);
    return list;
}

static json_t *what_to_change(hn_draft *d, const hn_offer *asked, const hn_offer *all, size_t count)
{
    json_t *list = json_array();
    const hn_offer *smaller = NULL;
    for (size_t i = 0; i < count; i++)
        if (all[i].verdict != HN_TOO_BIG && all[i].precision.bytes < asked->precision.bytes)
            smaller = &all[i];
    if (smaller)
        json_array_append_new(list,
                              json_sprintf("%s: %.2f GB, %s", smaller->precision.name,
                                           smaller->need.total * 1e-9, hn_verdict_name(smaller->verdict)));
    double context = asked->model->lm ? context_that_fits(d, asked) : 0;
    if (context >= 256)
        json_array_append_new(list,
                              json_sprintf("--context %.0f: then %s fits", context, asked->precision.name));
    if (asked->model->lm && !d->n->kv) {
        hn_needs q = *d->n;
        hn_offer o;
        q.kv = "q8_0";
        hn_offer_make(d->w, asked->device, asked->model, &asked->precision, &q, d->a, &o);
        if (o.verdict != HN_TOO_BIG)
            json_array_append_new(list, json_sprintf("--kv q8_0: then %s fits", asked->precision.name));
    }
    if (asked->model->lm && asked->model->entry && !smaller)
        suggest_model(d, asked->device, asked->model, list);
    if (json_array_size(list) < 3 && asked->model->lm)
        suggest_device(d, asked->model, &asked->precision, list);
    return list;
}

static hn_err one_pair(hn_draft *d, const hn_field *f)
{
    hn_precision p[HN_PRECISIONS_MAX];
    size_t n = hn_model_precisions(d->w->c, &f->model[0], p), kept = 0;
    hn_offer *o = HN_NEW(d->a, hn_offer, n + 1);
    char text[64];
    const hn_offer *asked = NULL;
    if (!o)
        return hn_nomem(d->cx, "a plan");
    HN_TRY(check_model(d, &f->model[0]));
    json_t *rows = json_array();
    for (size_t i = 0; i < n; i++) {
        if (d->n->precision && d->ask->file == NULL && strcasecmp(d->n->precision, p[i].name) != 0)
            continue;
        hn_offer_make(d->w, &f->device[0], &f->model[0], &p[i], d->n, d->a, &o[kept]);
        const char *why = hn_offer_reject(&o[kept], d->n, d->a);
        json_t *row = hn_offer_json(&o[kept]);
        json_object_set_new(row, "rejected", why ? json_string(why) : json_null());
        json_array_append_new(rows, row);
        /* Rows grow: of words the largest that holds, of pictures the fastest. */
        if (!why && (!d->best || f->model[0].lm || o[kept].image_ms.mid < d->best->image_ms.mid))
            d->best = &o[kept];
        if (!asked || is(p[i].name, "Q4_K_M") || (!f->model[0].lm && is(p[i].name, "INT8")))
            asked = &o[kept];
        kept++;
    }
    if (!asked) {
        json_decref(rows);
        const char *known = p[0].name;
        for (size_t i = 1; i < n; i++)
            known = hn_arena_printf(d->a, "%s %s", known, p[i].name);
        return hn_fail(d->cx, HN_EARG, "%s has no size at precision '%s'; it has %s", f->model[0].name,
                       d->n->precision, known);
    }
    json_object_set_new(d->out, "fit", rows);
    const hn_offer *shown = d->best ? d->best : asked;
    const char *why = hn_offer_reject(shown, d->n, d->a);
    if (d->best)
        json_object_set_new(d->out, "sentence",
                            json_sprintf("%s %s on %s: %s", shown->model->name, shown->precision.name,
                                         shown->device->name, share_of(shown, text)));
    else
        json_object_set_new(d->out, "sentence",
                            strncmp(why, shown->model->name, strlen(shown->model->name)) == 0
                                ? json_sprintf("%s: %s", shown->device->name, why)
                                : json_sprintf("%s on %s: %s", shown->model->name, shown->device->name, why));
    d->shown = shown;
    if (!d->best)
        json_object_set_new(d->out, "change",
                            !(shown->usable_gb > 0)           ? json_array()
                            : asked->verdict == HN_TOO_BIG    ? what_to_change(d, asked, o, kept)
                            : asked->model->lm && d->n->model ? what_to_speed_up(d, asked, p, n)
                                                              : json_array());
    json_object_set_new(d->out, "verdict",
                        json_string(!d->best                     ? "no"
                                    : shown->verdict == HN_TIGHT ? "tight"
                                                                 : "yes"));
    return HN_OK;
}

/* ---- Many ------------------------------------------------------------------------------------------- */

static void why_this(const hn_draft *d, const hn_offer *o, json_t *row)
{
    json_t *tree = hn_tree_runtime(d->w->c, o->device), *quant = hn_tree_quant(d->w->c, o->device, d->n),
           *then = json_object_get(tree, "then");
    bool cpu = o->device->here || is(o->device->kind, "sbc");
    if (is(o->device->kind, "mcu")) {
        json_object_set(row, "runtime", json_array_get(hn_value_of(o->device->entry, "runtimes"), 0));
        json_decref(tree);
        json_decref(quant);
        return;
    }
    if (o->model->lm && !is(hn_device_vendor(o->device), "NVIDIA"))
        json_object_set_new(row, "runtime",
                            json_string(cpu                                        ? "hone"
                                        : is(hn_device_vendor(o->device), "Apple") ? "mlx or llama.cpp"
                                                                                   : "llama.cpp"));
    else
        json_object_set_new(row, "runtime",
                            cpu            ? json_string("hone")
                            : o->model->lm ? json_string("tensorrt-llm")
                                           : json_incref(json_array_get(then, 0)));
    json_object_set_new(row, "runtime_path", tree ? tree : json_null());
    json_object_set_new(row, "quant_path", quant ? quant : json_null());
}

static hn_err many(hn_draft *d, const hn_field *f)
{
    hn_choice *c = HN_NEW(d->a, hn_choice, 1);
    if (!c)
        return hn_nomem(d->cx, "a plan");
    if (f->model_count == 1)
        HN_TRY(check_model(d, &f->model[0]));
    else
        HN_TRY(check_task(d, &f->model[0]));
    if ((is(d->n->task, "chat") || is(d->n->task, "assistant")) && !hn_given_number(d->n->rate)) {
        d->n->rate = READING_SPEED;
        hn_assume(d, "an answer comes no slower than people read:", READING_SPEED, "tokens/s", "--tokens-per-second");
    }
    HN_TRY(hn_choice_make(d->cx, d->w, f, d->n, d->a, c));
    json_t *rows = json_array(), *rejects = json_array();
    for (size_t i = 0; i < c->offer_count && i < CHOICES_MAX; i++) {
        json_t *row = hn_offer_json(&c->offer[i]);
        why_this(d, &c->offer[i], row);
        json_array_append_new(rows, row);
    }
    for (size_t i = 0; i < c->reject_count; i++)
        json_array_append_new(rejects,
                              json_pack("{s:s, s:s, s:s}", "device", c->reject[i].device->id, "device_name",
                                        c->reject[i].device->name, "why", c->reject[i].why));
    json_object_set_new(d->out, "choices", rows);
    json_object_set_new(
        d->out, "choices_left_out",
        json_integer((json_int_t)(c->offer_count > CHOICES_MAX ? c->offer_count - CHOICES_MAX : 0)));
    json_object_set_new(d->out, "rejected", rejects);
    const hn_offer *o = c->offer_count ? &c->offer[0] : NULL, *large = o;
    char text[64];
    d->best = o;
    for (size_t i = 1; i < c->offer_count; i++)
        if (c->offer[i].model->params > large->model->params)
            large = &c->offer[i];
    if (o) {
        json_object_set_new(d->out, "sentence",
                            json_sprintf("%s with %s at %s: %s", o->device->name, o->model->name,
                                         o->precision.name, share_of(o, text)));
        if (large->model->params > o->model->params)
            hn_remark(d, hn_arena_printf(d->a, "the largest model that meets the needs is %s at %s on %s",
                                         large->model->name, large->precision.name, large->device->name));
    } else {
        json_object_set_new(d->out, "sentence",
                            json_string(f->device_count > 1 ? "no device of the catalogue meets these needs"
                                                            : c->reject[0].why));
    }
    json_object_set_new(d->out, "verdict", json_string(!o ? "no" : o->verdict == HN_TIGHT ? "tight" : "yes"));
    return HN_OK;
}

/* ---- The rest ---------------------------------------------------------------------------------------- */

static void assume_load(hn_draft *d)
{
    const hn_offer *o = d->best;
    if (!o || !o->model->lm)
        return;
    hn_load l = hn_load_of(d->n, o->model);
    if (!hn_given_number(d->n->context))
        hn_assume(d, "context", l.context, "tokens", "--context");
    if (!hn_given_number(d->n->prompt))
        hn_assume(d, "prompt", l.prompt, "tokens", "--prompt-tokens");
    if (!hn_given_number(d->n->answer))
        hn_assume(d, "answer", l.answer, "tokens", "--answer-tokens");
    if (!d->n->quality && !hn_given_number(d->n->loss) && !d->n->precision && o->model->entry)
        hn_assume(d, "perplexity may rise by", 5, "%", "--loss");
}

static void battery(hn_draft *d)
{
    const hn_offer *o = d->best;
    if (!o || !hn_given_number(d->n->battery_wh))
        return;
    if (o->watts > 0)
        json_object_set_new(d->out, "battery_hours", json_real(d->n->battery_wh / o->watts));
    else
        hn_remark(d, "battery hours: the device's power is not known; --load W if you know it");
}

static void where(hn_draft *d, hn_way cheapest)
{
    const char *why;
    json_t *factors = hn_factors(d->w->c, d->n, cheapest);
    const char *says = hn_factors_verdict(d->n, factors, &why);
    bool asked = strcmp(says, "open") != 0 &&
                 (d->n->privacy || d->n->connectivity || d->n->regulation || d->n->where || d->ask->explain ||
                  hn_given_number(d->n->queries_day));
    if (asked)
        json_object_set_new(d->out, "where",
                            json_pack("{s:s, s:s, s:O, s:o}", "says", says, "because", why, "factors",
                                      factors, "dimensions", hn_dimensions(d->w->c)));
    json_decref(factors);
    json_t *cloud = hn_tree_cloud(d->w->c, d->n), *advice = hn_advice(d->w->c, d->n);
    if (cloud)
        json_object_set_new(d->out, "cloud_platform", cloud);
    if (advice)
        json_object_set_new(d->out, "advice", advice);
}

/* The chain has a say in the verdict: a model in time inside a chain that is not helps nobody. */
static void chain_around(hn_draft *d)
{
    const hn_offer *o = d->best ? d->best : d->shown;
    json_t *chain = o && o->verdict != HN_TOO_BIG ? hn_chain_make(d->w, d->n, o) : NULL;
    const char *holds = hn_entry_text(chain, "holds");
    if (!chain)
        return;
    json_object_set_new(d->out, "chain", chain);
    double budget = json_number_value(json_object_get(chain, "budget_ms")),
           low = json_number_value(json_array_get(json_object_get(chain, "total_ms"), 0));
    const char *sentence = json_string_value(json_object_get(d->out, "sentence"));
    if (!d->best || is(holds, "yes"))
        return;
    json_t *longer = is(holds, "no")
                         ? json_sprintf(
                               "%s on %s fits, but the whole chain takes at least %.0f ms, allowed are %g",
                               o->model->name, o->device->name, low, budget)
                         : json_sprintf("%s; the whole chain may hold %g ms, measure it", sentence, budget);
    json_object_set_new(d->out, "sentence", longer);
    json_object_set_new(d->out, "verdict", json_string(is(holds, "no") ? "no" : "maybe"));
}

/* A band whose middle meets what was asked and whose end does not is no yes. */
static void doubts(hn_draft *d)
{
    const char *said = json_string_value(json_object_get(d->out, "verdict"));
    const char *why = d->best && !is(said, "no") && !is(said, "maybe") ? hn_offer_doubt(d->best, d->n, d->a) : NULL;
    if (!why)
        return;
    json_object_set_new(d->out, "sentence",
                        json_sprintf("%s; %s: measure it",
                                     json_string_value(json_object_get(d->out, "sentence")), why));
    json_object_set_new(d->out, "verdict", json_string("maybe"));
}

static hn_err fill(hn_draft *d, hn_field *f)
{
    hn_way cheapest = HN_WAYS;
    HN_TRY(field_models(d, f));
    HN_TRY(field_devices(d, f));
    HN_TRY(f->device_count == 1 && f->model_count == 1 ? one_pair(d, f) : many(d, f));
    assume_load(d);
    battery(d);
    chain_around(d);
    doubts(d);
    if (d->best) {
        json_t *row = hn_offer_json(d->best);
        why_this(d, d->best, row);
        json_object_set_new(d->out, "best", row);
        if (d->best->device->throttle_high > 0)
            hn_remark(d, "run without a pause, a phone loses 30 to 50 % of this speed to heat (survey 003)");
        hn_draft_money(d, &cheapest);
    }
    where(d, cheapest);
    hn_draft_commands(d);
    return HN_OK;
}

hn_err hn_report_make(hn_ctx *cx, const hn_world *w, const hn_ask *ask, hn_arena *a, json_t **out)
{
    hn_needs n = *ask->needs;
    hn_draft d = { cx, w, ask, &n, a, json_object(), json_array(), json_array(), NULL, NULL };
    hn_field f = { 0 };
    hn_preset preset;
    /* A preset is a budget for a picture's whole way; a turn of speech has none that its model could be held to. */
    if (hn_preset_find(w->c, n.preset, &preset) && !hn_given_number(n.latency_ms) && !is(n.preset, "voice"))
        n.latency_ms = preset.budget_ms;
    if (!d.out || !d.assumed || !d.notes)
        return hn_nomem(cx, "a plan");
    json_object_set_new(d.out, "needs", hn_needs_json(ask->needs));
    json_object_set_new(d.out, "catalogue_date", json_string(hn_catalog_date(w->c, "devices.json")));
    json_object_set_new(d.out, "assumed", d.assumed);
    json_object_set_new(d.out, "notes", d.notes);
    hn_err e = fill(&d, &f);
    if (e) {
        json_decref(d.out);
        return e;
    }
    *out = d.out;
    return HN_OK;
}

hn_err hn_calibration_read(hn_ctx *cx, const char *path, hn_arena *a, hn_calibration *out)
{
    hn_file f;
    json_error_t error;
    HN_TRY(hn_file_open(cx, path, &f));
    json_t *j = json_loadb((const char *)f.data, f.len, JSON_REJECT_DUPLICATES, &error);
    hn_file_close(&f);
    const json_t *k = json_object_get(j, "decode");
    const char *model = hn_entry_text(k, "model");
    hn_calibration c = { json_number_value(json_object_get(k, "tokens_per_second")),
                         json_number_value(json_object_get(k, "bytes_per_token")),
                         json_number_value(json_object_get(k, "layers")),
                         hn_arena_text(a, model, strlen(model)) };
    json_decref(j);
    if (!(c.tokens_s > 0 && c.tokens_s < 1e9 && c.bytes > 0 && c.bytes < 1e15 && c.layers > 0 &&
          c.layers < 1e5))
        return hn_fail(cx, HN_EFORMAT,
                       "%s: expected what `hone bench MODEL.gguf --save-calibration FILE` writes", path);
    *out = c;
    return HN_OK;
}
