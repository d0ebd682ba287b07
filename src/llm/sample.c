/* SPDX-License-Identifier: Apache-2.0 */
/* sample.c: the chain, in its order; each step is one function on the candidates.
 *
 * Touching a hundred thousand candidates in every step for each token would cost more than small models
 * do.  So only those become candidates that the cuts known beforehand (top-k, top-n-sigma, min-p) can
 * leave, and they are put in order only as far as a step looks: quickselect, then a sort of what it chose.
 *
 * Where the steps are defined:
 *     repeat               Keskar et al., CTRL, 2019, section 4.1 (divide, or multiply below zero)
 *     frequency, presence  OpenAI's API reference
 *     DRY                  p-e-w, oobabooga/text-generation-webui pull request 5677
 *     top-p                Holtzman et al., The Curious Case of Neural Text Degeneration, 2020
 *     min-p                Nguyen et al., Turning Up the Heat, 2024
 *     typical              Meister et al., Locally Typical Sampling, 2023
 *     top-n-sigma          Tang et al., Top-nsigma: Not All Logits Are You Need, 2024
 *     XTC                  p-e-w, oobabooga/text-generation-webui pull request 6335
 *     mirostat             Basu et al., Mirostat, 2021 (algorithm 1, and the second one of its code)
 *     generator            O'Neill, PCG, 2014 (XSH RR 64/32) */
#include "llm/sample.h"

#include <float.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/num.h"

#define HISTORY_DRY 4096
#define HISTORY_MAX ((uint32_t)1 << 20)
#define DRY_EXPONENT_MAX 80.0f      /* a power past this is beyond float: the token is forbidden anyway */
#define MIROSTAT_TOP 100            /* most probable tokens the first mirostat estimates from */

typedef struct cand { float logit, p; int32_t id; } cand;

struct hn_sampler {
    hn_ctx cx;
    hn_sample_opts o;
    size_t vocab;
    uint64_t rng;
    float mu;                       /* mirostat: most surprise allowed now */
    cand *c; size_t count, ordered; /* the first `ordered` are the best, best first */
    int32_t *history; uint32_t history_cap, history_count, history_at;
    int32_t *window; uint32_t *z;   /* scratch of penalties and DRY, history_cap each */
    float *logits;                  /* a copy, changed by bias and penalties */
    float *loss;                    /* DRY's, by token; all zero between calls */
    hn_logprob *top;
    const uint32_t *mask; size_t mask_words;     /* borrowed; NULL: no mask */
};

/* ---- Generator ----------------------------------------------------------------------------- */

static uint32_t next_u32(hn_sampler *s)
{
    uint64_t x = s->rng;
    s->rng = x * 6364136223846793005u + 1442695040888963407u;
    uint32_t shifted = (uint32_t)((x >> 18 ^ x) >> 27), turn = (uint32_t)(x >> 59);
    return shifted >> turn | shifted << (-turn & 31);
}

/* In [0, 1), 53 bits. */
static double next_unit(hn_sampler *s)
{
    uint64_t high = next_u32(s);
    return (double)((high << 32 | next_u32(s)) >> 11) * 0x1p-53;
}

/* ---- Life ---------------------------------------------------------------------------------- */

static float or_else(float v, float otherwise) { return v != 0 ? v : otherwise; }

static hn_err check(hn_ctx *cx, const hn_sample_opts *o, size_t vocab)
{
    const float all[] = { o->temperature, o->temperature_range, o->temperature_power, o->top_p, o->min_p, o->typical_p,
                          o->top_n_sigma, o->xtc_p, o->xtc_threshold, o->repeat, o->dry_multiplier, o->dry_base, o->tau,
                          o->eta };
    for (size_t i = 0; i < sizeof all / sizeof *all; i++)
        if (!(all[i] >= 0) || isinf(all[i]))
            return hn_fail(cx, HN_EARG, "sampling: a setting is %g, expected a number of at least 0", (double)all[i]);
    if (isnan(o->frequency) || isnan(o->presence) || o->top_p > 1 || o->typical_p > 1 || o->min_p > 1)
        return hn_fail(cx, HN_EARG, "sampling: probabilities go from 0 to 1");
    if (o->mirostat < 0 || o->mirostat > 2)
        return hn_fail(cx, HN_EARG, "sampling: mirostat is 0, 1 or 2, not %d", o->mirostat);
    if (vocab == 0 || vocab > INT32_MAX)
        return hn_fail(cx, HN_EARG, "sampling: a vocabulary of %zu tokens", vocab);
    return HN_OK;
}

static void fill_defaults(hn_sample_opts *o, size_t vocab)
{
    o->temperature_power = or_else(o->temperature_power, 1);
    o->dry_base = or_else(o->dry_base, 1.75f);
    o->dry_allowed = o->dry_allowed ? o->dry_allowed : 2;
    o->tau = or_else(o->tau, 5);
    o->eta = or_else(o->eta, 0.1f);
    o->keep_min = o->keep_min ? o->keep_min : 1;
    o->top_logprobs = (uint32_t)hn_min(o->top_logprobs, vocab);
    if (!o->history_max)
        o->history_max = (uint32_t)hn_max(o->penalty_window, o->dry_multiplier > 0 ? o->dry_window ? o->dry_window : HISTORY_DRY : 0);
    o->history_max = (uint32_t)hn_min(o->history_max, HISTORY_MAX);
}

static void *copy_of(hn_ctx *cx, const void *from, size_t count, size_t size)
{
    void *p = hn_calloc(cx, count + 1, size);
    if (p && count)
        memcpy(p, from, count * size);
    return p;
}

hn_err hn_sampler_new(hn_ctx *cx, const hn_sample_opts *opts, size_t vocab, hn_sampler **out)
{
    HN_TRY(check(cx, opts, vocab));
    hn_sampler *s = hn_calloc(cx, 1, sizeof *s);
    if (!s)
        return hn_nomem(cx, "a sampler");
    s->cx.env = cx ? cx->env : NULL;
    s->o = *opts;
    s->vocab = vocab;
    fill_defaults(&s->o, vocab);
    s->history_cap = s->o.history_max;
    s->c = hn_calloc(cx, vocab, sizeof *s->c);
    s->history = hn_calloc(cx, (size_t)s->history_cap + 1, sizeof *s->history);
    s->window = hn_calloc(cx, (size_t)s->history_cap + 1, sizeof *s->window);
    s->z = hn_calloc(cx, (size_t)s->history_cap + 1, sizeof *s->z);
    s->top = hn_calloc(cx, (size_t)s->o.top_logprobs + 1, sizeof *s->top);
    s->logits = hn_calloc(cx, vocab, sizeof *s->logits);
    s->loss = hn_calloc(cx, s->o.dry_multiplier > 0 ? vocab : 1, sizeof *s->loss);
    s->o.bias = copy_of(cx, opts->bias, opts->bias_count, sizeof *opts->bias);
    s->o.dry_break = copy_of(cx, opts->dry_break, opts->dry_break_count, sizeof *opts->dry_break);
    if (!s->c || !s->history || !s->window || !s->z || !s->top || !s->logits || !s->loss || !s->o.bias || !s->o.dry_break) {
        hn_sampler_free(s);
        return hn_nomem(cx, "a sampler");
    }
    hn_sampler_reset(s);
    *out = s;
    return HN_OK;
}

void hn_sampler_free(hn_sampler *s)
{
    if (!s)
        return;
    hn_ctx cx = s->cx;
    hn_free(&cx, s->c);
    hn_free(&cx, s->history);
    hn_free(&cx, s->window);
    hn_free(&cx, s->z);
    hn_free(&cx, s->top);
    hn_free(&cx, s->logits);
    hn_free(&cx, s->loss);
    hn_free(&cx, (void *)(uintptr_t)s->o.bias);
    hn_free(&cx, (void *)(uintptr_t)s->o.dry_break);
    hn_free(&cx, s);
}

void hn_sampler_reset(hn_sampler *s)
{
    s->rng = 0;
    next_u32(s);
    s->rng += s->o.seed;
    next_u32(s);
    s->mu = 2 * s->o.tau;
    s->history_count = s->history_at = 0;
}

void hn_sampler_accept(hn_sampler *s, int32_t id)
{
    if (s->history_cap == 0)
        return;
    s->history[s->history_at] = id;
    s->history_at = (s->history_at + 1) % s->history_cap;
    s->history_count += s->history_count < s->history_cap;
}

/* The last `most` tokens into s->window, newest first; returns how many. */
static uint32_t recent(hn_sampler *s, uint32_t most)
{
    uint32_t n = (uint32_t)hn_min(most, s->history_count);
    for (uint32_t i = 0; i < n; i++)
        s->window[i] = s->history[(s->history_at + s->history_cap - 1 - i) % s->history_cap];
    return n;
}

/* ---- On logits ----------------------------------------------------------------------------- */

static bool in_vocab(const hn_sampler *s, int32_t id) { return id >= 0 && (size_t)id < s->vocab; }

static int by_id(const void *a, const void *b)
{
    int32_t x = *(const int32_t *)a, y = *(const int32_t *)b;
    return x < y ? -1 : x > y;
}

static void penalise(hn_sampler *s, float *logits)
{
    const hn_sample_opts *o = &s->o;
    if ((o->repeat == 0 || o->repeat == 1) && o->frequency == 0 && o->presence == 0)
        return;
    uint32_t n = recent(s, o->penalty_window);
    qsort(s->window, n, sizeof *s->window, by_id);
    for (uint32_t i = 0, end; i < n; i = end) {
        int32_t id = s->window[i];
        for (end = i + 1; end < n && s->window[end] == id;)
            end++;
        if (!in_vocab(s, id))
            continue;
        float l = logits[id];
        if (o->repeat != 0)
            l = l > 0 ? l / o->repeat : l * o->repeat;
        logits[id] = l - (float)(end - i) * o->frequency - o->presence;
    }
}

static bool breaks(const hn_sampler *s, int32_t id)
{
    for (size_t i = 0; i < s->o.dry_break_count; i++)
        if (s->o.dry_break[i] == id)
            return true;
    return false;
}

/* A token that would make the end of the text repeat something earlier loses multiplier *
 * base^(length - allowed).  Read backwards, the length of the repeat that ends before place i is the
 * common prefix of the text and its tail from i: the Z function, linear in the window. */
static void dry(hn_sampler *s, float *logits)
{
    const hn_sample_opts *o = &s->o;
    if (o->dry_multiplier == 0)
        return;
    uint32_t n = recent(s, o->dry_window ? o->dry_window : s->history_cap), free_run = 0;
    const int32_t *t = s->window;
    while (free_run < n && !breaks(s, t[free_run]))
        free_run++;                                      /* no repeat reaches past the last break */
    for (uint32_t i = 1, l = 0, r = 0; i < n; i++) {
        uint32_t z = i < r ? (uint32_t)hn_min(r - i, s->z[i - l]) : 0;
        while (i + z < n && t[z] == t[i + z])
            z++;
        s->z[i] = z;
        if (i + z > r)
            l = i, r = i + z;
        uint32_t length = (uint32_t)hn_min(z, free_run);
        int32_t next = t[i - 1];                         /* what came after that earlier occurrence */
        if (length < o->dry_allowed || !in_vocab(s, next) || breaks(s, next))
            continue;
        float power = (float)(length - o->dry_allowed) * logf(o->dry_base);
        float loss = power > DRY_EXPONENT_MAX ? FLT_MAX : o->dry_multiplier * expf(power);
        s->loss[next] = fmaxf(s->loss[next], loss);      /* of several occurrences the longest counts */
    }
    for (uint32_t i = 0; i < n; i++)
        if (in_vocab(s, t[i])) {
            logits[t[i]] -= s->loss[t[i]];
            s->loss[t[i]] = 0;
        }
}

/* ---- Candidates ---------------------------------------------------------------------------- */

static bool better(const cand *a, const cand *b)
{
    return a->logit != b->logit ? a->logit > b->logit : a->id < b->id;
}

static int by_rank(const void *a, const void *b) { return better(a, b) ? -1 : 1; }

/* Puts the k best of c[0..n) first, in no order. */
static void select_best(cand *c, size_t n, size_t k)
{
    ptrdiff_t low = 0, high = (ptrdiff_t)n - 1, at = (ptrdiff_t)k - 1;
    while (low < high) {
        /* The middle of three keeps sorted input from being the worst case. */
        cand a = c[low], b = c[low + (high - low) / 2], d = c[high];
        cand pivot = better(&a, &b) ? better(&b, &d) ? b : better(&a, &d) ? d : a
                                    : better(&a, &d) ? a : better(&b, &d) ? d : b;
        ptrdiff_t i = low, j = high;
        while (i <= j) {
            while (better(&c[i], &pivot))
                i++;
            while (better(&pivot, &c[j]))
                j--;
            if (i <= j) {
                cand t = c[i];
                c[i++] = c[j];
                c[j--] = t;
            }
        }
        if (at <= j)
            high = j;
        else if (at >= i)
            low = i;
        else
            return;
    }
}

/* The k best come first, best first. */
static void order(hn_sampler *s, size_t k)
{
    k = hn_min(k, s->count);
    if (k <= s->ordered)
        return;
    select_best(s->c + s->ordered, s->count - s->ordered, k - s->ordered);
    qsort(s->c + s->ordered, k - s->ordered, sizeof *s->c, by_rank);
    s->ordered = k;
}

static void keep(hn_sampler *s, size_t k)
{
    order(s, k);
    s->count = hn_min(s->count, k);
    s->ordered = hn_min(s->ordered, s->count);
}

/* Probabilities of the candidates; needs the best one in front. */
static void softmax(hn_sampler *s)
{
    double sum = 0;
    order(s, 1);
    for (size_t i = 0; i < s->count; i++)
        sum += s->c[i].p = expf(s->c[i].logit - s->c[0].logit);
    for (size_t i = 0; i < s->count; i++)
        s->c[i].p = (float)(s->c[i].p / sum);
}

static double entropy(const hn_sampler *s)
{
    double h = 0;
    for (size_t i = 0; i < s->count; i++)
        if (s->c[i].p > 0)
            h -= s->c[i].p * log(s->c[i].p);
    return h;
}

/* Drops what lies below `lowest`, keeping the order of the rest. */
static void drop_below(hn_sampler *s, float lowest, size_t at_least)
{
    size_t n = 0, ordered = 0;
    order(s, at_least);
    for (size_t i = 0; i < s->count; i++)
        if (i < at_least || s->c[i].logit >= lowest) {
            ordered += i < s->ordered;
            s->c[n++] = s->c[i];
        }
    s->count = n;
    s->ordered = ordered;
}

static void top_k(hn_sampler *s)
{
    if (s->o.top_k > 0)
        keep(s, s->o.top_k);
}

static int by_p_field(const void *a, const void *b)
{
    const cand *x = a, *y = b;
    return x->p != y->p ? x->p < y->p ? -1 : 1 : better(x, y) ? -1 : 1;
}

/* Those whose surprise is nearest the expected one, up to a mass of typical_p. */
static void typical(hn_sampler *s)
{
    if (s->o.typical_p == 0 || s->o.typical_p >= 1)
        return;
    softmax(s);
    double h = entropy(s), mass = 0;
    float best = s->c[0].logit;
    double sum = 0;
    for (size_t i = 0; i < s->count; i++)
        sum += expf(s->c[i].logit - best);
    for (size_t i = 0; i < s->count; i++)                /* p holds the distance while sorting */
        s->c[i].p = (float)fabs(log(sum) - (s->c[i].logit - best) - h);
    qsort(s->c, s->count, sizeof *s->c, by_p_field);
    size_t n = 0;
    while (n < s->count && (mass < s->o.typical_p || n < s->o.keep_min))
        mass += exp((double)(s->c[n++].logit - best)) / sum;
    s->count = n;
    s->ordered = 0;
}

/* The fewest best whose mass reaches top_p.  Looks at more of them only while it must. */
static void top_p(hn_sampler *s)
{
    if (s->o.top_p == 0 || s->o.top_p >= 1)
        return;
    softmax(s);
    double mass = 0;
    size_t n = 0;
    while (n < s->count && (mass < s->o.top_p || n < s->o.keep_min)) {
        if (n == s->ordered)
            order(s, n ? n * 4 : 64);
        mass += s->c[n++].p;
    }
    keep(s, n);
}

static void min_p(hn_sampler *s)
{
    if (s->o.min_p == 0)
        return;
    order(s, 1);
    drop_below(s, s->c[0].logit + logf(s->o.min_p), s->o.keep_min);
}

/* With chance xtc_p: of those above the threshold only the least probable stays. */
static void xtc(hn_sampler *s)
{
    size_t above = 0;
    if (s->o.xtc_p == 0 || s->o.xtc_threshold > 0.5f || next_unit(s) >= s->o.xtc_p)
        return;
    softmax(s);
    order(s, s->count);
    while (above < s->count && s->c[above].p >= s->o.xtc_threshold)
        above++;
    if (above < 2 || s->count - (above - 1) < s->o.keep_min)
        return;
    s->count -= above - 1;
    memmove(s->c, s->c + above - 1, s->count * sizeof *s->c);
    s->ordered = s->count;
}

static void temperature(hn_sampler *s)
{
    float t = s->o.temperature;
    if (s->o.temperature_range > 0 && s->count > 1) {
        float low = fmaxf(0, t - s->o.temperature_range), high = t + s->o.temperature_range;
        softmax(s);
        double share = entropy(s) / log((double)s->count);
        t = low + (high - low) * (float)pow(share, s->o.temperature_power);
    }
    t = fmaxf(t, 1e-4f);
    order(s, 1);
    float best = s->c[0].logit;
    for (size_t i = 0; i < s->count; i++)                /* from the best, so that a small t cannot overflow */
        s->c[i].logit = (s->c[i].logit - best) / t;
}

/* ---- Drawing ------------------------------------------------------------------------------- */

static size_t draw(hn_sampler *s)
{
    softmax(s);
    double at = next_unit(s), sum = 0;
    size_t last = 0;
    for (size_t i = 0; i < s->count; i++) {
        if (s->c[i].p > 0)
            last = i;
        sum += s->c[i].p;
        if (at < sum)
            return i;
    }
    return last;                                         /* rounding left a little over */
}

/* log of the sum the probabilities were divided by; needs softmax() before. */
static float log_total(const hn_sampler *s) { return s->c[0].logit - logf(s->c[0].p); }

/* Learns from how surprising candidate i was, in bits, before the cut. */
static size_t learn(hn_sampler *s, size_t i, float total)
{
    s->mu -= s->o.eta * ((total - s->c[i].logit) / (float)M_LN2 - s->o.tau);
    return i;
}

/* Estimates how the probabilities fall (Zipf's exponent), and from it how many tokens to keep for the
 * surprise allowed. */
static size_t mirostat_1(hn_sampler *s)
{
    double above = 0, below = 0, n = (double)s->vocab;
    softmax(s);
    order(s, MIROSTAT_TOP + 1);
    float total = log_total(s);
    for (size_t i = 0; i + 1 < hn_min(s->count, MIROSTAT_TOP + 1); i++) {
        double t = log((double)(i + 2) / (double)(i + 1)), b = (double)s->c[i].logit - s->c[i + 1].logit;
        above += t * b;
        below += t * t;
    }
    double zipf = below > 0 && above > 0 ? above / below : 1, eps = zipf - 1;
    double k = pow(eps * pow(2, s->mu) / (1 - pow(n, -eps)), 1 / zipf);
    keep(s, k >= 0 ? (size_t)fmin(k, n) + 1 : s->count);      /* not a number when eps is 0: no cut */
    return learn(s, draw(s), total);
}

/* Keeps what is no more surprising than allowed. */
static size_t mirostat_2(hn_sampler *s)
{
    softmax(s);
    float total = log_total(s);
    drop_below(s, total - s->mu * (float)M_LN2, 1);
    return learn(s, draw(s), total);
}

/* ---- The chain ----------------------------------------------------------------------------- */

/* In four strands, because each comparison waits for the last; NaN never wins. */
static float largest(const float *logits, size_t n)
{
    float m[4] = { -INFINITY, -INFINITY, -INFINITY, -INFINITY };
    size_t i = 0;
    for (; i + 4 <= n; i += 4)
        for (size_t k = 0; k < 4; k++)
            m[k] = logits[i + k] > m[k] ? logits[i + k] : m[k];
    for (; i < n; i++)
        m[0] = logits[i] > m[0] ? logits[i] : m[0];
    return fmaxf(fmaxf(m[0], m[1]), fmaxf(m[2], m[3]));
}

/* In double: the sum of a hundred thousand small terms matters. */
static float log_sum_exp(const float *logits, size_t n, float max)
{
    double sum = 0;
    for (size_t i = 0; i < n; i++)
        if (logits[i] > max - 40)                        /* the rest adds less than 1e-12 */
            sum += expf(logits[i] - max);
    return max + (float)log(sum);
}

static float deviation(const float *logits, size_t n)
{
    double sum = 0, squares = 0, count = 0;
    for (size_t i = 0; i < n; i++)
        if (isfinite(logits[i])) {
            sum += logits[i];
            squares += (double)logits[i] * logits[i];
            count++;
        }
    double mean = sum / count;
    return (float)sqrt(fmax(0, squares / count - mean * mean));
}

/* Candidates: logits of at least `lowest`, and of those only the k best (0: all).  When room for 2k
 * is full the worse half goes, and what is left says how good one must be from then on. */
static void gather(hn_sampler *s, const float *logits, size_t k, float lowest)
{
    size_t room = k && k < s->vocab / 4 ? 2 * k + 64 : s->vocab;
    s->count = s->ordered = 0;
    for (size_t i = 0; i < s->vocab; i++) {
        float l = logits[i];
        if (!(l >= lowest) || l == -INFINITY)            /* NaN goes here too */
            continue;
        if (s->count == room) {
            select_best(s->c, room, k);
            s->count = k;
            for (size_t j = 0; j < k; j++)
                lowest = j == 0 || s->c[j].logit < lowest ? s->c[j].logit : lowest;
            if (l <= lowest)                             /* of equals the earlier id is better */
                continue;
        }
        s->c[s->count++] = (cand){ l, 0, (int32_t)i };
    }
}

static void report_top(hn_sampler *s, const float *logits, float total, hn_sampled *out)
{
    gather(s, logits, s->o.top_logprobs, -INFINITY);
    order(s, s->o.top_logprobs);
    out->top = s->top;
    out->top_count = hn_min(s->o.top_logprobs, s->count);
    for (size_t i = 0; i < out->top_count; i++)
        s->top[i] = (hn_logprob){ s->c[i].id, s->c[i].logit - total };
}

void hn_sampler_allow(hn_sampler *s, const uint32_t *mask, size_t words)
{
    s->mask = mask;
    s->mask_words = words;
}

static void forbid(hn_sampler *s, float *logits)
{
    for (size_t i = 0, word; i < s->vocab; i += 32) {
        word = i / 32 < s->mask_words ? s->mask[i / 32] : 0;
        for (size_t k = i; word != UINT32_MAX && k < hn_min(i + 32, s->vocab); k++)
            if (!(word >> (k - i) & 1))
                logits[k] = -INFINITY;
    }
}

/* Mask, bias, penalties and DRY on a copy; the logits themselves when there are none. */
static const float *adjust(hn_sampler *s, const float *logits)
{
    const hn_sample_opts *o = &s->o;
    if (!o->bias_count && !o->penalty_window && o->dry_multiplier == 0 && !s->mask)
        return logits;
    memcpy(s->logits, logits, s->vocab * sizeof *logits);
    if (s->mask)
        forbid(s, s->logits);
    for (size_t i = 0; i < o->bias_count; i++)
        if (in_vocab(s, o->bias[i].id))
            s->logits[o->bias[i].id] += o->bias[i].add;
    penalise(s, s->logits);
    dry(s, s->logits);
    return s->logits;
}

static size_t choose(hn_sampler *s, const float *logits, float max)
{
    const hn_sample_opts *o = &s->o;
    float lowest = -INFINITY;
    if (o->temperature == 0) {
        gather(s, logits, 1, max);
        return 0;                                        /* the first of the largest */
    }
    if (o->mirostat) {
        gather(s, logits, 0, lowest);
        temperature(s);
        return o->mirostat == 1 ? mirostat_1(s) : mirostat_2(s);
    }
    if (o->top_n_sigma > 0)
        lowest = max - o->top_n_sigma * deviation(logits, s->vocab);
    bool min_p_first = o->min_p > 0 && o->keep_min == 1 && (o->top_p == 0 || o->top_p >= 1)
                       && (o->typical_p == 0 || o->typical_p >= 1);
    if (min_p_first)                                     /* nothing in between looks at what it drops */
        lowest = fmaxf(lowest, max + logf(o->min_p));
    gather(s, logits, o->top_k, lowest);
    top_k(s);
    typical(s);
    top_p(s);
    min_p(s);
    xtc(s);
    temperature(s);
    return draw(s);
}

hn_err hn_sampler_pick(hn_ctx *cx, hn_sampler *s, const float *logits, hn_sampled *out)
{
    hn_sampled r = { .logprob = NAN };
    float max = largest(logits, s->vocab), total = 0;
    if (isinf(max))
        return hn_fail(cx, HN_EFORMAT, "sampling: the model gave no finite logit to choose by");
    bool report = s->o.logprobs || s->o.top_logprobs;
    if (report)
        total = log_sum_exp(logits, s->vocab, max);
    if (s->o.top_logprobs)
        report_top(s, logits, total, &r);

    const float *adjusted = adjust(s, logits);
    if (adjusted != logits)
        max = largest(adjusted, s->vocab);
    if (isinf(max))
        return hn_fail(cx, HN_EFORMAT, "sampling: biases and grammar leave no token to choose");
    r.id = s->c[choose(s, adjusted, max)].id;
    if (report)
        r.logprob = logits[r.id] - total;
    *out = r;
    return HN_OK;
}
