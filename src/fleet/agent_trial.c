/* SPDX-License-Identifier: Apache-2.0 */
/* agent_trial.c: does the build prove itself? */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/num.h"
#include "fleet/agent_impl.h"

enum { TRIES = 3, SAMPLES_MAX = 4096 };
#define SLOWER_MAX 1.25               /* times the old build's p95 */

/* One run of the build in its child; the verdict goes into the report. */
static hn_err test_once(hn_round *d, unsigned runs)
{
    hn_path dir;
    HN_TRY(hn_store_build_dir(d->cx, &d->s, d->m.name, d->m.build, &dir));
    const hn_selftest_opts o = { .dir = dir.text, .runs = runs, .sabotage = d->o->sabotage, .user = d->o->user };
    return hn_because(&d->r->why, HN_WHY_STORE_IO, hn_selftest(d->cx, &d->m, &o, &d->r->test));
}

/* Marks the build bad and ends its trial, if it is on one; the current build was in service all along. */
static hn_err give_up(hn_round *d, hn_reason why, const char *words)
{
    uint64_t gone;
    d->r->state = HN_AGENT_ROLLED_BACK;
    d->r->why = why;
    snprintf(d->r->words, sizeof d->r->words, "build %llu is taken back: %s (%s)", (unsigned long long)d->m.build,
             words,
             hn_reason_code(why));
    HN_TRY(hn_store_rollback(d->cx, &d->s, d->m.name, &gone));
    return hn_store_collect(d->cx, &d->s);
}

hn_err hn_round_test(hn_round *d)
{
    HN_TRY(test_once(d, 1));
    if (d->r->test.why == HN_WHY_NONE)
        return HN_OK;
    HN_TRY(hn_store_condemn(d->cx, &d->s, d->m.name, d->m.build));
    HN_TRY(hn_store_collect(d->cx, &d->s));
    return hn_refuse(d->cx, &d->r->why, d->r->test.why, HN_EREFUSED, "build %llu fails its self-test: %s",
                     (unsigned long long)d->m.build, d->r->test.words);
}

/* ---- What applications reported ------------------------------------------------------------------------------ */

enum { PORTS_MAX = 64 };                              /* as many as a manifest may describe */

typedef struct health {
    unsigned good, errors, nans;
    double p95_ms;
    double sum[PORTS_MAX];                            /* of reported means, by the manifest's distribution */
    unsigned means[PORTS_MAX];
} health;

static void add_mean(const hn_manifest *m, const char *line, health *h)
{
    double mean;
    int at = 0;
    if (sscanf(line, "mean %lf %n", &mean, &at) != 1 || !at)
        return;
    size_t len = strcspn(line + at, "\n");
    for (size_t i = 0; i < m->health.stat_count && i < PORTS_MAX; i++)
        if (strlen(m->health.stat[i].name) == len && memcmp(m->health.stat[i].name, line + at, len) == 0) {
            h->sum[i] += mean;
            h->means[i]++;
        }
}

/* Is the mean of what was reported further from the recorded one than so many deviations? */
static bool drifted(const hn_manifest *m, const health *h)
{
    for (size_t i = 0; i < m->health.stat_count && i < PORTS_MAX && m->health.drift_max > 0; i++) {
        const hn_mstat *s = &m->health.stat[i];
        if (h->means[i] && fabs(h->sum[i] / h->means[i] - s->mean) > m->health.drift_max * s->deviation)
            return true;
    }
    return false;
}

static int by_size(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return x < y ? -1 : x > y;
}

static hn_err read_health(hn_round *d, uint64_t build, health *out)
{
    hn_path path;
    char line[HN_PORT_MAX + 64], event[16];
    double *ms = hn_calloc(d->cx, SAMPLES_MAX, sizeof *ms), one;
    size_t n = 0;
    health h = { 0 };
    if (!ms)
        return hn_nomem(d->cx, "reports");
    hn_err e = hn_path_make(d->cx, &path, "%s/health/%s.%llu", d->s.root.text, d->o->name, (unsigned long long)build);
    FILE *f = e ? NULL : fopen(path.text, "re");
    while (f && fgets(line, sizeof line, f)) {
        add_mean(&d->m, line, &h);
        if (sscanf(line, "%15s %lf", event, &one) != 2 || strcmp(event, "mean") == 0)
            continue;
        h.good += strcmp(event, hn_event_names[HN_EVENT_GOOD]) == 0;
        h.errors += strcmp(event, hn_event_names[HN_EVENT_ERROR]) == 0;
        h.nans += strcmp(event, hn_event_names[HN_EVENT_NAN]) == 0;
        ms[n++ % SAMPLES_MAX] = one;
    }
    if (f)
        fclose(f);
    n = hn_min(n, SAMPLES_MAX);
    qsort(ms, n, sizeof *ms, by_size);
    h.p95_ms = n ? ms[hn_min(n - 1, n * 95 / 100)] : 0;
    hn_free(d->cx, ms);
    if (!e)
        *out = h;
    return e;
}

/* What the reports say against the build; NONE when nothing. */
static hn_reason judge(const hn_round *d, const health *now, const health *old)
{
    unsigned all = now->good + now->errors + now->nans;
    if (now->nans)
        return HN_WHY_HEALTH_NAN;
    if (now->errors > 1 && now->errors > d->m.health.errors_max * all)
        return HN_WHY_HEALTH_ERRORS;
    if (drifted(&d->m, now))
        return HN_WHY_HEALTH_DRIFT;
    if (now->good < d->m.health.trial_runs)
        return HN_WHY_NONE;
    bool slow = d->m.health.p95_ms_max > 0 && now->p95_ms > d->m.health.p95_ms_max;
    bool slower = old->good >= d->m.health.trial_runs && now->p95_ms > old->p95_ms * SLOWER_MAX;
    return slow || slower ? HN_WHY_HEALTH_SLOW : HN_WHY_NONE;
}

/* Watches until enough was reported, something speaks against the build, or the time is over.  A device whose
 * applications report nothing goes by its own runs. */
static hn_err watch(hn_round *d, hn_reason *verdict)
{
    hn_slots slots;
    health now = { 0 }, old = { 0 };
    HN_TRY(hn_store_slots(d->cx, &d->s, d->o->name, &slots));
    HN_TRY(read_health(d, slots.current, &old));
    time_t end = time(NULL) + (time_t)d->o->watch_s;
    for (;;) {
        HN_TRY(read_health(d, d->m.build, &now));
        HN_TRY(hn_store_slots(d->cx, &d->s, d->o->name, &slots));
        *verdict = judge(d, &now, &old);
        if (*verdict == HN_WHY_NONE && slots.tries_left == 0 && now.good == 0)
            *verdict = HN_WHY_TRIES;                /* applications start it again and again and never get anywhere */
        if (*verdict != HN_WHY_NONE || now.good >= d->m.health.trial_runs || time(NULL) >= end)
            return HN_OK;
        nanosleep(&(struct timespec){ .tv_nsec = 200000000 }, NULL);
    }
}

/* ---- The trial -------------------------------------------------------------------------------------------------- */

static hn_err prove(hn_round *d, unsigned runs)
{
    for (;;) {
        unsigned left;
        hn_err e = hn_store_count(d->cx, &d->s, d->m.name, &left);
        if (e == HN_ENO) {
            bool tested = d->r->tries > 0;
            return give_up(d, tested ? d->r->test.why : HN_WHY_TRIES,
                           tested ? d->r->test.words : "no try was left after a cut");
        }
        HN_TRY(hn_because(&d->r->why, HN_WHY_STORE_IO, e));
        d->r->tries++;
        HN_TRY(test_once(d, runs));
        if (d->r->test.why == HN_WHY_NONE)
            return HN_OK;
        hn_log(d->cx, HN_LOG_WARN, "build %llu, %u tries left: %s (%s)", (unsigned long long)d->m.build, left,
               d->r->test.words,
               hn_reason_code(d->r->test.why));
    }
}

static hn_err finish(hn_round *d)
{
    hn_reason verdict = HN_WHY_NONE;
    HN_TRY(prove(d, d->m.health.trial_runs));
    if (d->r->state == HN_AGENT_ROLLED_BACK)
        return HN_OK;
    if (d->o->watch_s) {
        HN_TRY(hn_because(&d->r->why, HN_WHY_STORE_IO, watch(d, &verdict)));
        if (verdict != HN_WHY_NONE)
            return give_up(d, verdict, hn_reason_text(verdict));
    }
    HN_TRY(hn_because(&d->r->why, HN_WHY_STORE_IO, hn_store_commit(d->cx, &d->s, d->m.name)));
    HN_TRY(hn_because(&d->r->why, HN_WHY_STORE_IO, hn_store_collect(d->cx, &d->s)));
    d->r->state = HN_AGENT_COMMITTED;
    d->r->why = HN_WHY_NONE;
    return HN_OK;
}

hn_err hn_round_trial(hn_round *d)
{
    HN_TRY(hn_store_trial(d->cx, &d->s, &d->m, d->o->tries ? d->o->tries : TRIES, &d->r->why));
    return finish(d);
}

/* A trial that was under way when the power went: its manifest lies in its folder. */
hn_err hn_round_resume(hn_round *d, const hn_slots *slots)
{
    hn_path dir, path;
    hn_file f;
    HN_TRY(hn_store_build_dir(d->cx, &d->s, d->o->name, slots->trial, &dir));
    HN_TRY(hn_path_make(d->cx, &path, "%s/manifest.json", dir.text));
    HN_TRY(hn_because(&d->r->why, HN_WHY_STORE_DAMAGED, hn_file_open(d->cx, path.text, &f)));
    hn_err e = hn_manifest_read(d->cx, f.data, f.len, d->a, &d->m);
    hn_file_close(&f);
    HN_TRY(hn_because(&d->r->why, HN_WHY_STORE_DAMAGED, e));
    d->r->offered = slots->trial;
    return finish(d);
}
