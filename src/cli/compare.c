/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/compare.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/num.h"

#define SHARE 0.001      /* of elements that RANGE lets be off by more than a step */

static void compare_text(const hn_tensor *got, const hn_tensor *want, hn_diff *d)
{
    const hn_text *a = got->data, *b = want->data;
    for (size_t i = 0; i < d->count; i++)
        if (a[i].len != b[i].len || (a[i].len && memcmp(a[i].ptr, b[i].ptr, a[i].len) != 0)) {
            if (d->off++ == 0)
                d->worst = i;
        }
    d->agree = d->off == 0;
}

static double range_of(const hn_tensor *t, size_t count)
{
    double low = INFINITY, high = -INFINITY, v[256];
    for (size_t i = 0; i < count; i += 256) {
        size_t n = hn_min(256, count - i);
        hn_get_f64(t, i, n, v);
        for (size_t j = 0; j < n; j++) {
            if (v[j] < low) low = v[j];
            if (v[j] > high) high = v[j];
        }
    }
    return high >= low && isfinite(high - low) ? high - low : 0;
}

/* How far one element may be off without being counted. */
static double allowance(const hn_tensor *t, hn_tolerance tol, double want, double range)
{
    if (tol.rule == HN_CMP_CLOSE)
        return hn_is_float(t->dtype) || hn_dtype_class(t->dtype) == HN_CLASS_C ? tol.atol + tol.rtol * fabs(want) : 0;
    if (hn_is_float(t->dtype))
        return tol.atol * (range > 0 ? range : fmax(fabs(want), 1));
    return hn_dtype_bits(t->dtype) <= 16 ? 1 : 0;
}

static void compare_numbers(const hn_tensor *got, const hn_tensor *want, hn_tolerance tol, hn_diff *d)
{
    double a[256], b[256];
    for (size_t i = 0; i < d->count; i += 256) {
        size_t n = hn_min(256, d->count - i);
        hn_get_f64(got, i, n, a);
        hn_get_f64(want, i, n, b);
        for (size_t j = 0; j < n; j++) {
            if (a[j] == b[j] || (isnan(a[j]) && isnan(b[j])))
                continue;
            double diff = fabs(a[j] - b[j]), rel = diff / fmax(fabs(b[j]), 1e-30);
            if (!(diff <= allowance(got, tol, b[j], d->range)))      /* NaN and infinity count as off */
                d->off++;
            if (!(diff <= d->max_abs)) {
                d->max_abs = isfinite(diff) ? diff : INFINITY;
                d->worst = i + j;
            }
            if (isfinite(rel) && rel > d->max_rel)
                d->max_rel = rel;
        }
    }
}

static void decide(const hn_tensor *t, hn_tolerance tol, hn_diff *d)
{
    bool some_may_differ = tol.rule == HN_CMP_RANGE && !hn_is_float(t->dtype);
    double bound = hn_dtype_bits(t->dtype) <= 16 ? 2 : INFINITY;
    d->agree = some_may_differ ? (double)d->off <= SHARE * (double)d->count && d->max_abs <= bound : d->off == 0;
}

/* Containers agree when they hold as much and each pair agrees; the figures are the worst pair's. */
static void compare_lists(const hn_tensor *got, const hn_tensor *want, hn_tolerance tol, hn_diff *d)
{
    const hn_list *a = got->data, *b = want->data;
    if (a->count != b->count) {
        snprintf(d->why, sizeof d->why, "expected %zu items, got %zu", b->count, a->count);
        return;
    }
    d->agree = true;
    for (size_t i = 0; i < b->count && d->agree; i++) {
        hn_diff one;
        hn_compare(&a->item[i], &b->item[i], tol, &one);
        if (!one.agree || one.max_abs >= d->max_abs)
            *d = one;
    }
}

/* Of one kind; an empty container need not say of what. */
static bool same_lists(const hn_tensor *got, const hn_tensor *want)
{
    enum { ELEMENT = HN_SEQ - 1 };
    bool kind = hn_is_list(want->dtype) && ((int)got->dtype | ELEMENT) == ((int)want->dtype | ELEMENT);
    return kind && (got->dtype == want->dtype || ((const hn_list *)want->data)->count == 0);
}

void hn_compare(const hn_tensor *got, const hn_tensor *want, hn_tolerance tol, hn_diff *d)
{
    char a[HN_SHAPE_TEXT], b[HN_SHAPE_TEXT];
    *d = (hn_diff){ .count = hn_count(want) };
    if (same_lists(got, want)) {
        compare_lists(got, want, tol, d);
        return;
    }
    if (got->dtype != want->dtype || !hn_shape_equal(&got->shape, &want->shape)) {
        snprintf(d->why, sizeof d->why, "expected %s %s, got %s %s", hn_dtype_name(want->dtype),
                 hn_shape_text(&want->shape, a), hn_dtype_name(got->dtype), hn_shape_text(&got->shape, b));
        return;
    }
    if (hn_dtype_class(want->dtype) == HN_CLASS_S) {
        compare_text(got, want, d);
    } else {
        /* Complex numbers are pairs of floats. */
        hn_tensor g = *got, w = *want;
        if (hn_dtype_class(want->dtype) == HN_CLASS_C) {
            g.dtype = w.dtype = want->dtype == HN_C64 ? HN_F32 : HN_F64;
            d->count *= 2;
        }
        d->range = range_of(&w, d->count);
        compare_numbers(&g, &w, tol, d);
        decide(&g, tol, d);
    }
    if (!d->agree)
        snprintf(d->why, sizeof d->why, "%zu of %zu elements off, largest difference %g at element %zu",
                 d->off, d->count, d->max_abs, d->worst);
}
