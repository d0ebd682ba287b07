/* SPDX-License-Identifier: Apache-2.0 */
#include "plan/choice.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "plan/chain.h"

/* Without --quality, --loss or --precision: what a careful person would still take, measured on Llama-3-8B. */
#define LOSS_MAX 5.0

static bool is(const char *value, const char *word) { return value && strcmp(value, word) == 0; }

bool hn_model_does(const hn_model *m, const hn_needs *n)
{
    if (hn_needs_lm(n))
        return m->lm && m->dims.layers > 0 && json_object_size(json_object_get(m->entry, "file_gb")) > 1;
    if (is(n->task, "speech"))
        return is(m->family, "asr");
    if (is(n->task, "classify"))
        return is(m->family, "vision") && m->ops > 0 && strstr(m->task, "classification");
    if (is(n->task, "detect"))
        return is(m->family, "vision") && m->ops > 0 && strstr(m->task, "object detection");
    if (is(n->task, "vision"))
        return is(m->family, "vision") && m->ops > 0;
    return m->lm ? m->dims.layers > 0 && json_object_size(json_object_get(m->entry, "file_gb")) > 1
                 : m->ops > 0;
}

/* ---- Quality -------------------------------------------------------------------------------------- */

/* The surveys' words in order; what a precision is called must not be below what is asked. */
static int grade(const char *word)
{
    static const char *const order[] = { "low",       "moderate",      "good",     "very good",
                                         "excellent", "near-original", "original", NULL };
    for (int i = 0; order[i]; i++)
        if (strcasecmp(order[i], word) == 0)
            return i;
    return -1;
}

static const char *quality_reject(const hn_offer *o, const hn_needs *n, hn_arena *a)
{
    const hn_precision *p = &o->precision;
    if (n->precision && strcasecmp(n->precision, p->name) != 0)
        return hn_arena_printf(a, "not the precision asked for (%s)", n->precision);
    if (o->model->lm && n->quality && o->model->entry) {
        int have = grade(p->quality);
        if (have >= 0 ? have < grade(n->quality) : !(p->loss <= LOSS_MAX) || grade(n->quality) > grade("good"))
            return hn_arena_printf(a, "%s is below quality '%s'", p->name, n->quality);
    }
    double most = hn_given_number(n->loss) ? n->loss : n->quality || n->precision ? INFINITY : LOSS_MAX;
    if (o->model->lm && o->model->entry && !(p->loss <= most) && isfinite(most))
        return hn_arena_printf(
            a, isnan(p->loss) ? "%s: its loss was not measured" : "%s adds more than %g %% to perplexity",
            p->name, most);
    if (o->model->accuracy < n->accuracy && hn_given_number(n->accuracy))
        return o->model->accuracy > 0 ? hn_arena_printf(a, "%s reaches %.1f %%, asked for %.1f",
                                                        o->model->name, o->model->accuracy, n->accuracy)
                                      : hn_arena_printf(a, "%s: its accuracy is not known", o->model->name);
    return NULL;
}

/* ---- The rest -------------------------------------------------------------------------------------- */

static bool reads(const hn_device *d, const char *format)
{
    const json_t *list = hn_value_of(d->entry, "formats"), *f;
    size_t i;
    json_array_foreach(list, i, f)
        if (strncmp(json_string_value(f), format, strlen(format)) == 0)
            return true;
    return json_array_size(list) == 0;           /* nothing is said about it: not held against it */
}

/* Arithmetic the device has: its list names integer and half types; f32 goes unless it does one thing only. */
static bool computes(const hn_device *d, const char *precision)
{
    const json_t *list = hn_value_of(d->entry, "quantizations"), *q;
    size_t i;
    if (d->here || strcmp(precision, "FP32") == 0)
        return d->here || json_array_size(list) != 1;
    json_array_foreach(list, i, q)
        if (strcasecmp(json_string_value(q), precision) == 0)
            return true;
    return json_array_size(list) == 0;
}

static const char *device_reject(const hn_offer *o, const hn_needs *n, hn_arena *a)
{
    const hn_device *d = o->device;
    double price = hn_given_number(n->price) ? n->price : d->price.known ? d->price.low : NAN;
    if (o->model->lm && !reads(d, "gguf") && !reads(d, "safetensors"))
        return "runs no language models: none of its formats carries one";
    if (!o->model->lm && !computes(d, o->precision.name))
        return hn_arena_printf(a, "does not compute in %s", o->precision.name);
    if (hn_given_number(n->power_w) && d->power.known && d->power.low > n->power_w &&
        !hn_given_number(n->load_w))
        return hn_arena_printf(a, "draws at least %g W, allowed are %g", d->power.low, n->power_w);
    if (hn_given_number(n->power_w) && !(o->watts > 0))
        return "its power is not known: --load W if you know it";
    if (o->watts > n->power_w)
        return hn_arena_printf(a, "draws %.0f W, allowed are %g", o->watts, n->power_w);
    if (hn_given_number(n->budget) && isnan(price))
        return "its price is not known: --price USD if you know it";
    if (price > n->budget)
        return hn_arena_printf(a, "costs %.0f USD, allowed are %.0f", price, n->budget);
    return NULL;
}

static const char *fit_reject(const hn_offer *o, const hn_needs *n, hn_arena *a)
{
    hn_load l = hn_load_of(n, o->model);
    double tokens = fmax(hn_given_number(n->context) ? n->context : 0, l.prompt + l.answer);
    if (o->model->lm && o->model->context_max > 0 && tokens > o->model->context_max)
        return hn_arena_printf(a, "%s looks back on at most %.0f tokens, asked for %.0f", o->model->name,
                               o->model->context_max, tokens);
    if (!(o->usable_gb > 0))
        return "its memory is not known: --ram SIZE if you know it";
    if (o->verdict == HN_TOO_BIG)
        return hn_arena_printf(a, "%s %s needs %.1f GB, %.1f are usable", o->model->name, o->precision.name,
                               o->need.total * 1e-9, o->usable_gb);
    return NULL;
}

static const char *speed_reject(const hn_offer *o, const hn_needs *n, hn_arena *a)
{
    if (o->model->lm) {
        if (hn_given_number(n->rate) && !(o->rate.mid > 0))
            return o->rate_from;
        if (o->rate.mid < n->rate)
            return hn_arena_printf(a, "%s %s: %.1f tokens/s, asked for %g", o->model->name, o->precision.name,
                                   o->rate.mid, n->rate);
        if (hn_given_number(n->latency_ms) && !(o->first_ms.mid > 0))
            return hn_arena_printf(a, "first token not known: %s",
                                   o->prefill_from[0] ? o->prefill_from : o->rate_from);
        if (o->first_ms.mid > n->latency_ms)
            return hn_arena_printf(a, "%s %s: first token after %.0f ms, allowed are %g", o->model->name,
                                   o->precision.name, o->first_ms.mid, n->latency_ms);
        return NULL;
    }
    if (hn_given_number(n->latency_ms) && !(o->image_ms.mid > 0))
        return hn_arena_printf(a, "latency not known: %s", o->image_from);
    if (o->image_ms.mid > n->latency_ms)
        return hn_arena_printf(a, "%s %s: %.1f ms, allowed are %g", o->model->name, o->precision.name,
                               o->image_ms.mid, n->latency_ms);
    return NULL;
}

const char *hn_offer_reject(const hn_offer *o, const hn_needs *n, hn_arena *a)
{
    const char *why = device_reject(o, n, a);
    if (!why)
        why = quality_reject(o, n, a);
    if (!why)
        why = fit_reject(o, n, a);
    return why ? why : speed_reject(o, n, a);
}

const char *hn_offer_doubt(const hn_offer *o, const hn_needs *n, hn_arena *a)
{
    if (!o->model->lm)
        return o->image_ms.high > n->latency_ms
                   ? hn_arena_printf(a, "a run may take up to %.3g ms, allowed are %g", o->image_ms.high,
                                     n->latency_ms)
                   : NULL;
    bool slow = o->rate.low < n->rate, late = o->first_ms.high > n->latency_ms;
    const char *few = slow ? hn_arena_printf(a, "it may make as few as %.3g tokens/s, asked for %g", o->rate.low,
                                             n->rate) : "";
    const char *wait = late ? hn_arena_printf(a, "the first token may take up to %.3g s, allowed are %g",
                                              o->first_ms.high * 1e-3, n->latency_ms * 1e-3) : "";
    return slow || late ? hn_arena_printf(a, "%s%s%s", few, slow && late ? "; " : "", wait) : NULL;
}

/* ---- Choosing --------------------------------------------------------------------------------------- */

static double order_price(const hn_offer *o) { return o->device->price.known ? o->device->price.low : 1e12; }
static double order_watts(const hn_offer *o) { return o->watts > 0 ? o->watts : 1e12; }

/* Cheapest first, then least power; what is not known comes last. */
static int by_cost(const void *pa, const void *pb)
{
    const hn_offer *a = pa, *b = pb;
    double x = order_price(a), y = order_price(b);
    if (x != y)
        return x < y ? -1 : 1;
    x = order_watts(a);
    y = order_watts(b);
    if (x != y)
        return x < y ? -1 : 1;
    if (a->model->params != b->model->params)
        return a->model->params > b->model->params ? -1 : 1;
    return strcmp(a->device->id, b->device->id);
}

/* A model in time is no help when the chain around it is not. */
static const char *chain_reject(const hn_world *w, const hn_offer *o, const hn_needs *n, hn_arena *a)
{
    json_t *chain = hn_chain_make(w, n, o);
    const char *why = NULL;
    if (is(hn_entry_text(chain, "holds"), "no"))
        why = hn_arena_printf(a, "%s: the chain around it takes at least %.0f ms, allowed are %g", o->model->name,
                              json_number_value(json_array_get(json_object_get(chain, "total_ms"), 0)),
                              json_number_value(json_object_get(chain, "budget_ms")));
    json_decref(chain);
    return why;
}

/* The largest that meets the needs; else the reason why the last one, the smallest, does not. */
static bool best_on(const hn_world *w, const hn_device *d, const hn_field *f, const hn_needs *n, hn_arena *a,
                    hn_offer *out, struct hn_reject *reject)
{
    hn_precision p[HN_PRECISIONS_MAX];
    *reject = (struct hn_reject){ d, NULL, "", "no model for the task" };
    for (size_t j = 0; j < f->model_count; j++) {
        const hn_model *m = &f->model[j];
        for (size_t i = 0, count = hn_model_precisions(w->c, m, p); i < count; i++) {
            size_t k = m->lm ? count - 1 - i
                             : i; /* words lose by the bit, pictures hardly at INT8, and run fastest there */
            hn_offer o;
            hn_offer_make(w, d, m, &p[k], n, a, &o);
            const char *why = hn_offer_reject(&o, n, a);
            if (!why)
                why = chain_reject(w, &o, n, a);
            if (!why) {
                *out = o;
                return true;
            }
            /* A precision left out for its quality explains nothing about the device, nor do the slow ones of a
             * picture model, once its fast one was too slow. */
            bool said = !m->lm && reject->model == m && o.image_ms.mid > n->latency_ms;
            if ((!quality_reject(&o, n, a) && !said) || !reject->model)
                *reject = (struct hn_reject){ d, m, p[k].name, why };
        }
    }
    return false;
}

hn_err hn_choice_make(hn_ctx *cx, const hn_world *w, const hn_field *f, const hn_needs *n, hn_arena *a,
                      hn_choice *out)
{
    hn_choice c = { .offer = HN_NEW(a, hn_offer, f->device_count + 1),
                    .reject = HN_NEW(a, struct hn_reject, 2 * f->device_count + 1) };
    if (!c.offer || !c.reject)
        return hn_nomem(cx, "a choice");
    for (size_t i = 0; i < f->device_count; i++) {
        if (best_on(w, &f->device[i], f, n, a, &c.offer[c.offer_count], &c.reject[c.reject_count]))
            c.offer_count++;
        else
            c.reject_count++;
    }
    qsort(c.offer, c.offer_count, sizeof *c.offer, by_cost);
    *out = c;
    return HN_OK;
}
