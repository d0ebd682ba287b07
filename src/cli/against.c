/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/against.h"

#include <dlfcn.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/num.h"

enum { PAIRS_MIN = 9, PAIRS_MAX = 101, TURN_RUNS_MAX = 4096 };

#define PEER(id) extern const hn_peer hn_peer_##id;
#include "cli/peers.def"
#undef PEER

const hn_peer *const hn_peers[] = {
#define PEER(id) &hn_peer_##id,
#include "cli/peers.def"
#undef PEER
    NULL
};

hn_err hn_peer_load(hn_ctx *cx, const char *path, void **lib)
{
    *lib = dlopen(path, RTLD_NOW | RTLD_LOCAL);
    return *lib ? HN_OK : hn_fail(cx, HN_EIO, "%s: cannot be loaded as a library: %s", path, dlerror());
}

hn_err hn_peer_symbol(hn_ctx *cx, void *lib, const char *path, const char *name, void **out)
{
    *out = dlsym(lib, name);
    return *out ? HN_OK : hn_fail(cx, HN_EUNSUP, "%s: expected a library with the function %s, found none", path, name);
}

hn_err hn_against_parse(hn_ctx *cx, const char *text, const hn_peer **peer, const char **lib)
{
    const char *colon = strchr(text, ':');
    for (size_t i = 0; colon && colon[1] && hn_peers[i]; i++)
        if (strlen(hn_peers[i]->name) == (size_t)(colon - text) && !strncmp(text, hn_peers[i]->name, (size_t)(colon - text))) {
            *peer = hn_peers[i];
            *lib = colon + 1;
            return HN_OK;
        }
    char names[128] = "";
    for (size_t i = 0; hn_peers[i]; i++)
        snprintf(names + strlen(names), sizeof names - strlen(names), "%s%s:LIB", i ? ", " : "", hn_peers[i]->name);
    return hn_fail(cx, HN_EARG, "--against: expected %s (the path of its shared library), found '%s'", names, text);
}

/* ---- Turns --------------------------------------------------------------------------------------- */

typedef struct turn {
    hn_session *session;                /* ours, or: */
    const hn_peer *peer;
    void *state;
    double least_ms;
} turn;

static hn_err once(hn_ctx *cx, const turn *t)
{
    return t->session ? hn_session_run(cx, t->session) : t->peer->run(cx, t->state);
}

static int by_size(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static double median(double *v, size_t n)
{
    qsort(v, n, sizeof *v, by_size);
    return n % 2 ? v[n / 2] : (v[n / 2 - 1] + v[n / 2]) / 2;
}

/* The median of runs for `ms`.  One run before does not count: it finds the caches as the other left them. */
static hn_err take(hn_ctx *cx, turn *t, double ms, double *out)
{
    double run[TURN_RUNS_MAX];
    size_t n = 0;
    HN_TRY(once(cx, t));
    uint64_t begin = hn_now_ns(), now = begin;
    do {
        uint64_t from = now;
        HN_TRY(once(cx, t));
        now = hn_now_ns();
        run[n++] = hn_ms(now - from);
    } while (n < TURN_RUNS_MAX && hn_ms(now - begin) < ms);
    *out = median(run, n);
    t->least_ms = t->least_ms > 0 && t->least_ms < run[0] ? t->least_ms : run[0];
    return HN_OK;
}

static hn_err turns(hn_ctx *cx, turn *ours, turn *theirs, double seconds, hn_against *out)
{
    double a[PAIRS_MAX], b[PAIRS_MAX], ms = seconds * 1e3 / (2 * PAIRS_MIN);
    uint64_t begin = hn_now_ns();
    for (int warm = 0; warm < 2; warm++) {
        HN_TRY(once(cx, ours));
        HN_TRY(once(cx, theirs));
    }
    ms = ms < 100 ? ms : 100;
    for (out->pairs = 0; out->pairs < PAIRS_MIN ||
         (out->pairs < PAIRS_MAX && hn_ms(hn_now_ns() - begin) < seconds * 1e3); out->pairs++) {
        HN_TRY(take(cx, ours, ms, &a[out->pairs]));
        HN_TRY(take(cx, theirs, ms, &b[out->pairs]));
    }
    out->ours_ms = median(a, out->pairs);
    out->peer_ms = median(b, out->pairs);
    out->ours_min_ms = ours->least_ms;
    out->peer_min_ms = theirs->least_ms;
    return HN_OK;
}

/* ---- Do they agree? ------------------------------------------------------------------------------ */

static hn_err differences(hn_ctx *cx, const turn *ours, const turn *theirs, size_t outputs, double *worst)
{
    HN_TRY(once(cx, ours));
    HN_TRY(once(cx, theirs));
    for (size_t i = 0; i < outputs; i++) {
        const hn_tensor *t = hn_session_output(ours->session, i);
        const float *theirs_f, *ours_f = t->data;
        size_t count;
        HN_TRY(theirs->peer->result(cx, theirs->state, i, &theirs_f, &count));
        if (t->dtype != HN_F32 || !theirs_f)
            continue;
        if (count != hn_count(t))
            return hn_fail(cx, HN_ENO, "output %zu: %s has %zu elements, Hone %zu", i, theirs->peer->what, count, hn_count(t));
        double most = 0, off = 0;
        for (size_t k = 0; k < count; k++) {
            most = fmax(most, fabs((double)theirs_f[k]));
            off = fmax(off, fabs((double)theirs_f[k] - (double)ours_f[k]));
        }
        *worst = fmax(*worst, most > 0 ? off / most : off);
    }
    return HN_OK;
}

hn_err hn_against_measure(hn_ctx *cx, const hn_peer *peer, const hn_peer_job *job, hn_session *session,
                          double seconds, hn_against *out)
{
    *out = (hn_against){ .peer = peer };
    void *state = NULL;
    uint64_t begin = hn_now_ns();
    hn_err e = peer->open(cx, job, &state);
    out->peer_load_ms = hn_ms(hn_now_ns() - begin);
    turn ours = { .session = session }, theirs = { .peer = peer, .state = state };
    if (!e) {
        snprintf(out->version, sizeof out->version, "%s", peer->version(state));
        e = differences(cx, &ours, &theirs, job->graph->out_count, &out->worst);
    }
    if (!e)
        e = turns(cx, &ours, &theirs, seconds, out);
    peer->close(cx, state);
    return e;
}

/* ---- Telling --------------------------------------------------------------------------------------- */

/* The turns' median becomes our p50_ms too: both sides then come from the same minutes. */
void hn_against_report(const hn_against *a, json_t *j)
{
    json_object_set_new(j, "p50_ms", json_real(a->ours_ms));
    json_object_set_new(j, "against", json_pack("{s:s, s:s, s:i, s:f, s:f, s:f, s:f}", "peer", a->peer->what, "version",
                                                a->version, "pairs", (int)a->pairs, "p50_ms", a->peer_ms, "min_ms",
                                                a->peer_min_ms, "load_ms", a->peer_load_ms, "largest_difference", a->worst));
    json_object_set_new(j, "ratio", json_real(a->peer_ms / a->ours_ms));
    json_object_set_new(j, "ratio_min", json_real(a->peer_min_ms / a->ours_min_ms));
}

void hn_against_print(const hn_against *a)
{
    printf("against     %s %s: p50 %.3f ms to our %.3f, min %.3f to %.3f: %.2f times its speed (%zu pairs of turns)\n",
           a->peer->what, a->version, a->peer_ms, a->ours_ms, a->peer_min_ms, a->ours_min_ms, a->peer_ms / a->ours_ms,
           a->pairs);
    printf("            outputs differ by %.1e of the largest element; it loaded in %.1f ms\n", a->worst, a->peer_load_ms);
}
