/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/support/test.h"

#include <math.h>
#include <stdlib.h>

#include "llm/sample.h"

/* Draws many times and counts: which of the first 8 tokens, of logits log(p). */
static void draws(const hn_sample_opts *o, const float *p, size_t n, int times, int *hits)
{
    hn_ctx cx = { 0 };
    hn_sampler *s;
    hn_sampled r;
    float logits[8];
    for (size_t i = 0; i < n; i++)
        logits[i] = logf(p[i]);
    memset(hits, 0, n * sizeof *hits);
    hn_sample_opts with = *o;
    with.logprobs = true;
    CHECK_INT(hn_sampler_new(&cx, &with, n, &s), HN_OK);
    for (int i = 0; i < times; i++) {
        CHECK_INT(hn_sampler_pick(&cx, s, logits, &r), HN_OK);
        CHECK_NEAR(r.logprob, logf(p[r.id]), 1e-5);
        hits[r.id]++;
    }
    hn_sampler_free(s);
}

static int32_t greedy_after(hn_sample_opts o, const int32_t *history, size_t count, const float *logits, size_t n)
{
    hn_ctx cx = { 0 };
    hn_sampler *s;
    hn_sampled r;
    CHECK_INT(hn_sampler_new(&cx, &o, n, &s), HN_OK);
    for (size_t i = 0; i < count; i++)
        hn_sampler_accept(s, history[i]);
    CHECK_INT(hn_sampler_pick(&cx, s, logits, &r), HN_OK);
    hn_sampler_free(s);
    return r.id;
}

#define DRAWS 20000
#define P4 ((const float[]){ 0.5f, 0.3f, 0.15f, 0.05f })
/* Five standard deviations of a share near 1/2 over DRAWS. */
#define NEAR(hit, share) CHECK_NEAR((double)(hit) / DRAWS, share, 0.018)

TEST(plain_draws_follow_the_distribution)
{
    int h[4];
    draws(&(hn_sample_opts){ .temperature = 1, .seed = 7 }, P4, 4, DRAWS, h);
    NEAR(h[0], 0.5); NEAR(h[1], 0.3); NEAR(h[2], 0.15); NEAR(h[3], 0.05);
}

/* At temperature 2 chances go as square roots: 0.707, 0.548, 0.387, 0.224, together 1.866. */
TEST(temperature_flattens)
{
    int h[4];
    draws(&(hn_sample_opts){ .temperature = 2, .seed = 7 }, P4, 4, DRAWS, h);
    NEAR(h[0], 0.3790); NEAR(h[1], 0.2935); NEAR(h[2], 0.2076); NEAR(h[3], 0.1198);
    draws(&(hn_sample_opts){ .temperature = 0 }, P4, 4, 10, h);
    CHECK_INT(h[0], 10);
}

TEST(top_k_top_p_and_min_p_cut_where_they_should)
{
    int h[4];
    draws(&(hn_sample_opts){ .temperature = 1, .top_k = 2 }, P4, 4, DRAWS, h);
    NEAR(h[0], 0.625); NEAR(h[1], 0.375); CHECK(h[2] == 0 && h[3] == 0);
    draws(&(hn_sample_opts){ .temperature = 1, .top_p = 0.79f }, P4, 4, DRAWS, h);
    CHECK(h[1] > 0 && h[2] == 0);
    draws(&(hn_sample_opts){ .temperature = 1, .top_p = 0.81f }, P4, 4, DRAWS, h);
    CHECK(h[2] > 0 && h[3] == 0);
    draws(&(hn_sample_opts){ .temperature = 1, .min_p = 0.29f }, P4, 4, DRAWS, h);      /* 0.145 of 1 */
    CHECK(h[2] > 0 && h[3] == 0);
    draws(&(hn_sample_opts){ .temperature = 1, .min_p = 0.31f }, P4, 4, DRAWS, h);
    CHECK(h[1] > 0 && h[2] == 0);
    draws(&(hn_sample_opts){ .temperature = 1, .min_p = 0.9f, .keep_min = 2 }, P4, 4, DRAWS, h);
    CHECK(h[1] > 0 && h[2] == 0);
}

/* Surprises 0.693, 1.204, 1.897, 2.996; expected 1.142: nearest is token 1, then token 0. */
TEST(typical_keeps_the_expected_surprise)
{
    int h[4];
    draws(&(hn_sample_opts){ .temperature = 1, .typical_p = 0.25f }, P4, 4, 1000, h);
    CHECK_INT(h[1], 1000);
    draws(&(hn_sample_opts){ .temperature = 1, .typical_p = 0.7f }, P4, 4, DRAWS, h);
    NEAR(h[0], 0.625); NEAR(h[1], 0.375);
}

/* Logits -0.693 -1.204 -1.897 -2.996: mean -1.698, deviation 0.864. */
TEST(top_n_sigma_cuts_by_deviations)
{
    int h[4];
    draws(&(hn_sample_opts){ .temperature = 1, .top_n_sigma = 1 }, P4, 4, DRAWS, h);
    CHECK(h[1] > 0 && h[2] == 0);
    draws(&(hn_sample_opts){ .temperature = 1, .top_n_sigma = 1.5f }, P4, 4, DRAWS, h);
    CHECK(h[2] > 0 && h[3] == 0);
}

TEST(xtc_drops_the_top_choices_but_the_last)
{
    int h[4];
    draws(&(hn_sample_opts){ .temperature = 1, .xtc_p = 1, .xtc_threshold = 0.1f }, P4, 4, DRAWS, h);
    NEAR(h[2], 0.75); NEAR(h[3], 0.25); CHECK(h[0] == 0 && h[1] == 0);
    draws(&(hn_sample_opts){ .temperature = 1, .xtc_p = 0.5f, .xtc_threshold = 0.1f }, P4, 4, DRAWS, h);
    NEAR(h[0], 0.25); NEAR(h[2], 0.45);
}

TEST(dynamic_temperature_is_hot_when_unsure)
{
    int h[4];
    /* All alike: entropy is full, the temperature the highest, and all stay alike. */
    draws(&(hn_sample_opts){ .temperature = 1, .temperature_range = 1 }, (const float[]){ .25f, .25f, .25f, .25f }, 4, DRAWS, h);
    NEAR(h[0], 0.25); NEAR(h[3], 0.25);
    /* Nearly sure: entropy is 0.056 of ln 4 = 0.040, so the temperature is 0.08 and the rest vanishes. */
    draws(&(hn_sample_opts){ .temperature = 1, .temperature_range = 1 }, (const float[]){ .991f, .003f, .003f, .003f }, 4, DRAWS, h);
    CHECK_INT(h[0], DRAWS);
}

TEST(penalties_act_on_what_was_said)
{
    static const float l[4] = { 2, 1.9f, -1, -2 };
    static const int32_t said[] = { 0, 0, 1 };
    CHECK_INT(greedy_after((hn_sample_opts){ .penalty_window = 8, .repeat = 1.5f }, said, 2, l, 4), 1);     /* 2 / 1.5 */
    CHECK_INT(greedy_after((hn_sample_opts){ .penalty_window = 8, .frequency = 0.04f }, said, 3, l, 4), 0); /* 1.92, 1.86 */
    CHECK_INT(greedy_after((hn_sample_opts){ .penalty_window = 8, .frequency = 0.11f }, said, 3, l, 4), 1); /* 1.78, 1.79 */
    CHECK_INT(greedy_after((hn_sample_opts){ .penalty_window = 8, .presence = 5 }, said, 3, l, 4), 2);
    CHECK_INT(greedy_after((hn_sample_opts){ .penalty_window = 1, .presence = 5 }, said, 3, l, 4), 0);      /* sees only 1 */
    CHECK_INT(greedy_after((hn_sample_opts){ .bias = &(hn_bias){ 3, 9 }, .bias_count = 1 }, said, 0, l, 4), 3);
    CHECK_INT(greedy_after((hn_sample_opts){ .bias = &(hn_bias){ 0, -INFINITY }, .bias_count = 1 }, said, 0, l, 4), 1);
}

/* "1 2 3 0 1 2": 3 would make a repeat of two tokens; 0 after "1 2 3 0 1 2 3" one of three. */
TEST(dry_breaks_loops)
{
    static const int32_t said[] = { 1, 2, 3, 0, 1, 2, 3 };
    static const float l[4] = { 1.0f, 0.1f, 0, 1.5f };
    hn_sample_opts o = { .dry_multiplier = 1, .dry_base = 2, .dry_allowed = 2 };
    CHECK_INT(greedy_after(o, said, 6, l, 4), 0);          /* 3: 1.5 - 1 * 2^0 = 0.5 */
    o.dry_multiplier = 0.4f;
    CHECK_INT(greedy_after(o, said, 6, l, 4), 3);          /* 1.5 - 0.4 = 1.1 */
    CHECK_INT(greedy_after(o, said, 7, (const float[]){ 2, 1.3f, 0, 0 }, 4), 1);       /* 0: 2 - 0.4 * 2 = 1.2 */
    o.dry_break = (const int32_t[]){ 2 };
    o.dry_break_count = 1;
    o.dry_multiplier = 9;
    CHECK_INT(greedy_after(o, said, 6, l, 4), 3);          /* nothing repeats across 2 */
}

TEST(mirostat_keeps_surprise_near_its_target)
{
    enum { N = 1000 };
    static float logits[N];
    for (int i = 0; i < N; i++)
        logits[i] = -1.1f * logf((float)i + 1);            /* Zipf's law */
    for (int kind = 1; kind <= 2; kind++) {
        hn_ctx cx = { 0 };
        hn_sampler *s;
        hn_sampled r;
        double sum = 0;
        hn_sample_opts o = { .temperature = 1, .logprobs = true, .mirostat = kind, .tau = 3, .eta = 0.1f, .seed = 3 };
        CHECK_INT(hn_sampler_new(&cx, &o, N, &s), HN_OK);
        for (int i = 0; i < 6000; i++) {
            CHECK_INT(hn_sampler_pick(&cx, s, logits, &r), HN_OK);
            sum -= i >= 1000 ? r.logprob / M_LN2 : 0;
        }
        CHECK_NEAR(sum / 5000, 3, 0.05);
        hn_sampler_free(s);
    }
}

TEST(the_same_seed_gives_the_same_tokens)
{
    hn_ctx cx = { 0 };
    hn_sampler *s;
    hn_sampled r;
    static float l[100];
    int32_t first[50];
    for (int i = 0; i < 100; i++)
        l[i] = sinf((float)i);
    CHECK_INT(hn_sampler_new(&cx, &(hn_sample_opts){ .temperature = 1.3f, .seed = 42 }, 100, &s), HN_OK);
    for (int k = 0; k < 2; k++, hn_sampler_reset(s))
        for (int i = 0; i < 50; i++) {
            CHECK_INT(hn_sampler_pick(&cx, s, l, &r), HN_OK);
            first[i] = k == 0 ? r.id : first[i];
            CHECK_INT(r.id, first[i]);
        }
    hn_sampler_free(s);
}

static int by_value(const void *a, const void *b)
{
    float x = *(const float *)a, y = *(const float *)b;
    return x < y ? 1 : x > y ? -1 : 0;
}

/* Partial selection against a full sort, with ties. */
TEST(top_logprobs_are_the_best_in_order)
{
    enum { N = 5000 };
    static float l[N], sorted[N];
    for (uint32_t round = 0, x = 1; round < 20; round++) {
        hn_ctx cx = { 0 };
        hn_sampler *s;
        hn_sampled r;
        double sum = 0;
        for (int i = 0; i < N; i++, x = x * 1664525u + 1013904223u)
            l[i] = (float)(x >> 20) * (round % 3 ? 0.003f : 0.1f);
        memcpy(sorted, l, sizeof l);
        qsort(sorted, N, sizeof *sorted, by_value);
        for (int i = 0; i < N; i++)
            sum += exp(sorted[i] - sorted[0]);
        CHECK_INT(hn_sampler_new(&cx, &(hn_sample_opts){ .top_logprobs = 1 + round * 40 }, N, &s), HN_OK);
        CHECK_INT(hn_sampler_pick(&cx, s, l, &r), HN_OK);
        CHECK_INT(r.top_count, 1 + round * 40);
        CHECK_INT(r.id, r.top[0].id);
        for (size_t i = 0; i < r.top_count; i++) {
            CHECK(l[r.top[i].id] == sorted[i]);
            CHECK_NEAR(r.top[i].logprob, sorted[i] - sorted[0] - log(sum), 1e-3);
        }
        hn_sampler_free(s);
    }
}

/* The candidates of top-k are found in one pass; they must be those a full sort finds. */
TEST(top_k_of_many_is_exact)
{
    enum { N = 4000 };
    static float l[N];
    static int hits[N];
    hn_ctx cx = { 0 };
    hn_sampler *s;
    hn_sampled r;
    for (uint32_t i = 0, x = 9; i < N; i++, x = x * 1664525u + 1013904223u)
        l[i] = (float)(x >> 22) * 1e-5f;                   /* nearly flat, many ties */
    CHECK_INT(hn_sampler_new(&cx, &(hn_sample_opts){ .temperature = 1, .top_k = 20, .top_logprobs = 20 }, N, &s), HN_OK);
    for (int i = 0; i < 2000; i++) {
        CHECK_INT(hn_sampler_pick(&cx, s, l, &r), HN_OK);
        hits[r.id]++;
    }
    int seen = 0;
    for (size_t i = 0; i < r.top_count; i++)
        seen += hits[r.top[i].id];
    CHECK_INT(seen, 2000);
    hn_sampler_free(s);
}

TEST(what_cannot_be_sampled_is_refused)
{
    hn_ctx cx = { 0 };
    hn_sampler *s;
    hn_sampled r;
    CHECK_INT(hn_sampler_new(&cx, &(hn_sample_opts){ .temperature = NAN }, 4, &s), HN_EARG);
    CHECK_INT(hn_sampler_new(&cx, &(hn_sample_opts){ .top_p = 1.5f }, 4, &s), HN_EARG);
    CHECK_INT(hn_sampler_new(&cx, &(hn_sample_opts){ .temperature = 1 }, 3, &s), HN_OK);
    CHECK_INT(hn_sampler_pick(&cx, s, (const float[]){ NAN, -INFINITY, NAN }, &r), HN_EFORMAT);
    CHECK_INT(hn_sampler_pick(&cx, s, (const float[]){ NAN, -INFINITY, 1 }, &r), HN_OK);
    CHECK_INT(r.id, 2);
    hn_sampler_free(s);
}
