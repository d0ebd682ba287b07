/* SPDX-License-Identifier: Apache-2.0 */
/* hone agent: keeps a device's models up to date, and safe. */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/system.h"
#include "cli/table.h"

enum { BASES_MAX = 16 };

/* Set by a signal.  The one object that is neither constant nor on a handle: signals know nothing else. */
static volatile sig_atomic_t stop_asked;

static void on_signal(int signal_number)
{
    (void)signal_number;
    stop_asked = 1;
}

typedef struct job {
    hn_cli *c;
    const hn_system *sys;
    hn_agent_opts o;
    const char *base[BASES_MAX];
    hn_err last;                     /* what --once ends with */
} job;

static hn_err exit_for(job *j, const hn_agent_report *r)
{
    switch (r->state) {
    case HN_AGENT_REFUSED: case HN_AGENT_ROLLED_BACK:
        return hn_fail(&j->c->cx, r->why == HN_WHY_STORE_BUSY || r->why == HN_WHY_NO_ROOM ? HN_ELIMIT : HN_EREFUSED,
                       "%s", r->words);
    case HN_AGENT_DEFERRED:
        return hn_fail(&j->c->cx, r->why == HN_WHY_NETWORK ? HN_ENET : HN_ENO, "%s", r->words);
    default:
        return HN_OK;
    }
}

static json_t *as_json(const job *j, const hn_agent_report *r)
{
    return json_pack("{s:s, s:s, s:s, s:I, s:I, s:I, s:I, s:I, s:i, s:f, s:f, s:b, s:s}", "name", r->name, "state",
                     j->sys->agent_state_name(r->state), "reason", j->sys->reason_code(r->why), "before",
                     (json_int_t)r->before, "after", (json_int_t)r->after, "offered", (json_int_t)r->offered,
                     "fetched_bytes", (json_int_t)r->fetched, "by_delta_bytes", (json_int_t)r->by_delta, "tries",
                     (int)r->tries, "load_ms", r->test.load_ms, "p95_ms", r->test.p95_ms, "grace", r->grace,
                     "message", r->words);
}

static void tell(void *user, hn_err e, const hn_agent_report *r)
{
    job *j = user;
    j->last = e ? e : exit_for(j, r);
    if (j->c->json && !e) {
        json_t *all = as_json(j, r);
        char *line = json_dumps(all, JSON_COMPACT);
        json_decref(all);
        puts(line ? line : "{}");
        free(line);
        fflush(stdout);
        return;
    }
    if (e) {
        fprintf(stderr, "hone agent: %s\n", j->c->cx.msg);
        return;
    }
    if (r->grace)
        fprintf(stderr, "hone agent: the metadata has expired; taken because policy allows %u days\n", j->o.grace_days);
    if (r->state == HN_AGENT_COMMITTED)
        printf("%s: build %llu is current (was %llu); fetched %llu bytes%s\n", r->name, (unsigned long long)r->after,
               (unsigned long long)r->before, (unsigned long long)r->fetched, r->by_delta ? ", by delta" : "");
    else
        printf("%s: build %llu stays: %s (%s)\n", r->name, (unsigned long long)r->after,
               j->sys->agent_state_name(r->state),
               j->sys->reason_code(r->why));
    fflush(stdout);
}

static hn_err read_policy(job *j)
{
    const hn_args *a = &j->c->args;
    hn_policy *p = &j->o.policy;
    const char *hours = hn_arg_text(a, "hours", NULL);
    p->bytes_per_day = (uint64_t)hn_arg_int(a, "bytes-per-day", 0);
    p->metered = hn_arg_flag(a, "metered");
    p->on_metered = hn_arg_flag(a, "on-metered");
    p->battery_min = (int)hn_arg_int(a, "battery", 0);
    p->celsius_max = (int)hn_arg_int(a, "max-celsius", 0);
    p->load_max = hn_arg_real(a, "max-load", 0);
    if (hours && !j->sys->policy_hours(hours, &p->hour_from, &p->hour_to))
        return hn_fail(&j->c->cx, HN_EARG, "--hours: expected FROM-TO, like 22-6, found '%s'", hours);
    return HN_OK;
}

static hn_err read_options(job *j)
{
    const hn_args *a = &j->c->args;
    const char *now = hn_arg_text(a, "now", NULL);
    j->o.store = a->operand[0];
    j->o.name = a->operand_count > 1 ? a->operand[1] : NULL;
    j->o.channel = hn_arg_text(a, "channel", "stable");
    j->o.base = j->base;
    j->o.base_count = hn_arg_count(a, "from");
    if (j->o.base_count > BASES_MAX)
        return hn_fail(&j->c->cx, HN_ELIMIT, "more than %d repositories", BASES_MAX);
    for (size_t i = 0; i < j->o.base_count; i++)
        j->base[i] = hn_arg_at(a, "from", i);
    j->o.tries = (unsigned)hn_arg_int(a, "tries", 3);
    j->o.watch_s = (unsigned)hn_arg_int(a, "watch", 0);
    j->o.grace_days = (unsigned)hn_arg_int(a, "grace-days", 0);
    j->o.delta_ram_max = (uint64_t)hn_arg_int(a, "delta-ram", 64) << 20;
    j->o.stage_only = hn_arg_flag(a, "stage-only");
    j->o.rate_max = (uint64_t)hn_arg_int(a, "rate", 0);
    j->o.ca_file = hn_arg_text(a, "ca", NULL);
    if (now)
        HN_TRY(j->sys->tuf_time_read(&j->c->cx, now, &j->o.now));
    return read_policy(j);
}

static hn_err install(job *j, const char *package)
{
    hn_agent_report r;
    HN_TRY(j->sys->agent_install(&j->c->cx, &j->o, package, &r));
    tell(j, HN_OK, &r);
    return j->last;
}

static hn_err run(hn_cli *c)
{
    job j = { .c = c };
    const char *root = hn_arg_text(&c->args, "init", NULL), *package = hn_arg_text(&c->args, "install", NULL);
    hn_agent_report r;
    HN_TRY(hn_system_open(&c->cx, &j.sys));
    HN_TRY(read_options(&j));
    if (root)
        HN_TRY(j.sys->agent_init(&c->cx, j.o.store, root));
    if (package)
        return install(&j, package);
    if (root && !j.o.name)
        return HN_OK;
    if (!j.o.name || !j.o.base_count)
        return hn_fail(&c->cx, HN_EARG, "give the model's NAME, and --from URL or folder of a repository");
    if (hn_arg_flag(&c->args, "once")) {
        HN_TRY(j.sys->agent_once(&c->cx, &j.o, &r));
        tell(&j, HN_OK, &r);
        return j.last;
    }
    const struct sigaction action = { .sa_handler = on_signal };
    sigaction(SIGTERM, &action, NULL);
    sigaction(SIGINT, &action, NULL);
    return j.sys->agent_run(&c->cx, &j.o, (unsigned)hn_arg_int(&c->args, "poll", 900),
                            (const volatile int *)&stop_asked, tell, &j);
}

static const hn_operand operands[] = {
    { "STORE", HN_OPT_DIR, 0, "where this device keeps its models", NULL },
    { "NAME", HN_OPT_TEXT, HN_OPTIONAL, "the model to keep up to date", NULL },
    { 0 }
};

static const hn_opt opts[] = {
    { "from", 'f', HN_OPT_TEXT, "PLACE",
      "a repository: URL or folder with metadata/ and targets/; repeat for mirrors", NULL, 0, 0 },
    { "init", 0, HN_OPT_FILE, "ROOT", "trust this root.json first; a store that has moved on from it keeps what it trusts", NULL, 0, 0 },
    { "install", 0, HN_OPT_FILE, "PACKAGE", "install a package at hand, then stop; who made it is for you to know",
      NULL, 0, 0 },
    { "once", '1', HN_OPT_FLAG, NULL, "one round, then stop", NULL, 0, 0 },
    { "channel", 0, HN_OPT_TEXT, "NAME", "what to follow (stable)", NULL, 0, 0 },
    { "poll", 0, HN_OPT_INT, "S", "seconds between rounds, give or take a fifth (900)", NULL, 1, 604800 },
    { "tries", 0, HN_OPT_INT, "N", "starts a new build gets (3)", NULL, 1, 16 },
    { "watch", 0, HN_OPT_INT, "S", "then go by what applications report for up to S seconds (0)", NULL, 0, 86400 },
    { "stage-only", 0, HN_OPT_FLAG, NULL, "fetch and test, but do not switch", NULL, 0, 0 },
    { "bytes-per-day", 0, HN_OPT_INT, "N", "fetch at most N bytes a day", NULL, 1, 1e15 },
    { "rate", 0, HN_OPT_INT, "N", "fetch at most N bytes a second", NULL, 1, 1e12 },
    { "metered", 0, HN_OPT_FLAG, NULL, "this link costs money: wait ...", NULL, 0, 0 },
    { "on-metered", 0, HN_OPT_FLAG, NULL, "... but not this time", NULL, 0, 0 },
    { "hours", 0, HN_OPT_TEXT, "FROM-TO", "only between these local hours, like 22-6", NULL, 0, 0 },
    { "battery", 0, HN_OPT_INT, "PERCENT", "only with this much in the battery, or charging", NULL, 1, 100 },
    { "max-celsius", 0, HN_OPT_INT, "T", "only when no part of the device is warmer", NULL, 1, 150 },
    { "max-load", 0, HN_OPT_REAL, "X", "only when fewer processes a processor want to run", NULL, 0, 1000 },
    { "grace-days", 0, HN_OPT_INT, "N", "from folders: take metadata up to N days after it expired (0)", NULL, 1,
      3650 },
    { "delta-ram", 0, HN_OPT_INT, "MIB", "memory a delta may take (64)", NULL, 1, 65536 },
    { "ca", 0, HN_OPT_FILE, "FILE", "who may sign the server's certificate, PEM (the system's)", NULL, 0, 0 },
    { "now", 0, HN_OPT_TEXT, "TIME", "as if it were TIME, like 2030-01-31T12:00:00Z", NULL, 0, 0 },
    { 0 }
};

const hn_command hn_command_agent = {
    .name = "agent",
    .summary = "keep a device's models up to date",
    .example = "hone agent --init root.json /var/lib/hone kws --from https://models.example/fleet",
    .help = "Follows a channel of a signed repository (hone release). A new build is fetched, by delta where "
            "possible and going on\n"
            "where a cut left off; checked; run on its recorded inputs in a process without rights; put on trial "
            "with counted\n"
            "starts; then it becomes current, or the device goes back by itself, without a network. Whatever fails, "
            "the current\n"
            "model stays in service.\n\n"
            "Without a network the repository may be a folder, on a USB stick say; metadata that has expired is then "
            "refused\n"
            "unless --grace-days says how long it may have been.\n\n"
            "Runs until SIGTERM; share/doc/hone/hone-agent.service is a unit for systemd. Applications open the "
            "current model with\n"
            "hone_model_open_current and are told of changes.",
    .exits = "with --once: 0 up to date or updated, 1 policy says to wait, 5 no room or another agent, 6 nothing "
             "answered, 7 refused or taken back",
    .operand = operands, .opt = opts, .reports = true, .run = run,
};
