/* SPDX-License-Identifier: Apache-2.0 */
/* tfidf.c: TfIdfVectorizer: how often each n-gram of a pool comes in a row of words. */
#include <string.h>

#include "base/num.h"
#include "graph/load.h"

typedef struct pool {
    const hn_text *text;            /* one of the two */
    const int64_t *number;
    const int64_t *start, *index;   /* per n: where its n-grams begin; per n-gram: its place in the output */
    size_t count, starts, grams;
    int64_t shortest, longest, skips, width;
} pool;

static hn_err read_pool(hn_call *c, pool *p)
{
    const hn_node *n = c->node;
    const hn_attr *texts = hn_attr_find(n, "pool_strings");
    *p = (pool){ .shortest = hn_attr_int(n, "min_gram_length", 1), .longest = hn_attr_int(n, "max_gram_length", 1),
                 .skips = hn_attr_int(n, "max_skip_count", 0) };
    p->starts = hn_attr_ints(n, "ngram_counts", &p->start);
    p->grams = hn_attr_ints(n, "ngram_indexes", &p->index);
    p->count = hn_attr_ints(n, "pool_int64s", &p->number);
    if (texts && texts->list.count) {
        p->text = texts->list.text;
        p->count = texts->list.count;
    }
    if (p->shortest < 1 || p->longest < p->shortest || (size_t)p->longest > p->starts || p->skips < 0)
        return hn_bad(c, "n-grams of %lld to %lld, counts for %zu", (long long)p->shortest, (long long)p->longest,
                      p->starts);
    size_t grams = 0;
    for (size_t i = 0; i < p->starts; i++) {
        int64_t end = i + 1 < p->starts ? p->start[i + 1] : (int64_t)p->count;
        if (p->start[i] < 0 || end < p->start[i] || (size_t)end > p->count || (size_t)(end - p->start[i]) % (i + 1))
            return hn_bad(c, "ngram_counts do not cut the pool of %zu into n-grams", p->count);
        grams += (size_t)(end - p->start[i]) / (i + 1);
    }
    if (grams != p->grams)
        return hn_bad(c, "%zu n-grams, %zu places for them", grams, p->grams);
    for (size_t i = 0; i < p->grams; i++) {
        if (p->index[i] < 0 || p->index[i] > INT32_MAX)
            return hn_bad(c, "ngram_indexes hold %lld", (long long)p->index[i]);
        p->width = p->index[i] >= p->width ? p->index[i] + 1 : p->width;
    }
    const hn_attr *w = hn_attr_find(n, "weights");
    if (w && w->list.count && w->list.count != p->grams)
        return hn_bad(c, "%zu weights for %zu n-grams", w->list.count, p->grams);
    return HN_OK;
}

static hn_err infer(hn_call *c)
{
    const hn_shape *x = &c->in[0]->shape;
    pool p;
    HN_TRY(read_pool(c, &p));
    if (p.text)
        HN_TRY(hn_want_type(c, 0, HN_STR));
    else if (c->in[0]->dtype != HN_I32)
        HN_TRY(hn_want_type(c, 0, HN_I64));
    hn_shape y = { .rank = 1, .dim = { p.width } };
    if (x->rank > 2 || x->rank == 0)
        return hn_bad(c, "input has %d dimensions, expected 1 or 2", x->rank);
    if (x->rank == 2)
        y = (hn_shape){ .rank = 2, .dim = { x->dim[0], p.width } };
    else if (x->rank < 0)
        y.rank = -1;
    hn_out(c, 0, HN_F32, &y);
    return HN_OK;
}

static bool same_word(const pool *p, size_t at, const hn_text *text, const int64_t *number, size_t word)
{
    if (!p->text)
        return p->number[at] == number[word];
    hn_text a = p->text[at], b = text[word];
    return a.len == b.len && (!a.len || memcmp(a.ptr, b.ptr, a.len) == 0);
}

/* Counts the n-grams whose words lie `step` apart. */
static void count_grams(const pool *p, size_t n, size_t step, const hn_text *text, const int64_t *number, size_t words,
                        double *freq)
{
    size_t from = (size_t)p->start[n - 1], to = n < p->starts ? (size_t)p->start[n] : p->count, first = 0;
    for (size_t i = 0; i + 1 < n; i++)
        first += (size_t)(p->start[i + 1] - p->start[i]) / (i + 1);
    size_t reach = hn_mul(n - 1, step);
    for (size_t s = 0; reach < words && s < words - reach; s++)
        for (size_t g = 0; g < (to - from) / n; g++) {
            size_t k = 0;
            while (k < n && same_word(p, from + g * n + k, text, number, s + k * step))
                k++;
            freq[p->index[first + g]] += k == n;
        }
}

static hn_err run(hn_call *c)
{
    const hn_shape *x = &c->in[0]->shape;
    const hn_attr *weights = hn_attr_find(c->node, "weights");
    bool tf = hn_attr_is(c->node, "mode", "TF", ""), idf = hn_attr_is(c->node, "mode", "IDF", "");
    int64_t *number = NULL;
    pool p;
    HN_TRY(read_pool(c, &p));
    if (!tf && !idf && !hn_attr_is(c->node, "mode", "TFIDF", ""))
        return hn_bad(c, "mode is none of TF, IDF and TFIDF");
    if (!p.text)
        HN_TRY(hn_load_i64(c, c->in[0], &number));
    size_t rows = x->rank == 2 ? (size_t)x->dim[0] : 1, words = (size_t)x->dim[x->rank - 1], width = (size_t)p.width;
    double *freq = HN_SCRATCH(c, double, width), *by = HN_SCRATCH(c, double, width);
    if (!freq || !by)
        return hn_nomem(c->cx, "frequencies");
    for (size_t i = 0; i < p.grams; i++)
        by[p.index[i]] = !tf && weights && weights->list.count ? (double)weights->list.f[i] : 1;
    size_t furthest = hn_min((size_t)p.skips, words) + 1;        /* further apart nothing fits */
    for (size_t r = 0; r < rows && width; r++) {
        const hn_text *text = p.text ? (const hn_text *)c->in[0]->data + r * words : NULL;
        for (size_t i = 0; i < width; i++)
            freq[i] = 0;
        for (int64_t n = p.shortest; n <= p.longest; n++)
            for (size_t step = 1; step <= (n == 1 ? 1 : furthest); step++)
                count_grams(&p, (size_t)n, step, text, number ? number + r * words : NULL, words, freq);
        for (size_t i = 0; i < width; i++)
            freq[i] = idf ? (freq[i] > 0 ? by[i] : 0) : freq[i] * by[i];
        hn_put_f64(c->out[0], r * width, width, freq);
    }
    return HN_OK;
}

static const hn_attr_spec attr[] = {
    { "max_gram_length", HN_ATTR_INT, "" }, { "max_skip_count", HN_ATTR_INT, "" }, { "min_gram_length", HN_ATTR_INT, "" },
    { "mode", HN_ATTR_TEXT, "TF, IDF or TFIDF" }, { "ngram_counts", HN_ATTR_INTS, "where n-grams of each length begin" },
    { "ngram_indexes", HN_ATTR_INTS, "places in the output" }, { "pool_int64s", HN_ATTR_INTS, "" },
    { "pool_strings", HN_ATTR_TEXTS, "" }, { "weights", HN_ATTR_FLOATS, "1" }, { 0 }
};

const hn_op hn_op_tfidf_vectorizer = {
    .name = "TfIdfVectorizer", .since = 9, .min_in = 1, .max_in = 1, .min_out = 1, .max_out = 1, .attr = attr,
    .infer = infer, .run = run,
};
