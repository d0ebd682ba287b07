/* SPDX-License-Identifier: Apache-2.0 */
/* hone store: what a device has, and going back by hand. */
#include <stdio.h>
#include <string.h>

#include "cli/system.h"
#include "cli/table.h"

typedef struct job {
    hn_cli *c;
    const hn_system *sys;
    hn_store s;
    json_t *rows;
} job;

static json_t *build_or_null(uint64_t build) { return build ? json_integer((json_int_t)build) : json_null(); }

static hn_err add_row(void *user, hn_ctx *cx, const char *name)
{
    static const char *const modes[] = { "-", "ab", "shadow" };
    job *j = user;
    hn_slots s;
    HN_TRY(j->sys->store_slots(cx, &j->s, name, &s));
    json_t *bad = json_array();
    for (unsigned i = 0; i < s.bad_count; i++)
        json_array_append_new(bad, json_integer((json_int_t)s.bad[i]));
    json_t *row = json_pack("{s:s, s:o, s:o, s:o, s:i, s:I, s:o, s:s, s:o}", "name", name, "current",
                            build_or_null(s.current), "previous", build_or_null(s.previous), "trial",
                            build_or_null(s.trial), "tries_left", (int)s.tries_left, "floor", (json_int_t)s.floor,
                            "bad", bad, "second", modes[s.arm_mode], "second_build", build_or_null(s.arm));
    return json_array_append_new(j->rows, row) ? hn_nomem(cx, "the report") : HN_OK;
}

static hn_err show(job *j)
{
    static const char *const columns[] = { "name", "current", "previous", "trial", "tries_left", "floor", "bad",
                                           "second", "second_build", NULL };
    j->rows = json_array();
    HN_TRY(j->sys->store_each(&j->c->cx, &j->s, add_row, j));
    if (j->c->json)
        return hn_json_print(&j->c->cx, json_incref(j->rows));
    return hn_table_print(&j->c->cx, j->rows, columns, HN_TABLE_TEXT);
}

static hn_err check(job *j)
{
    size_t files = 0;
    HN_TRY(j->sys->store_check(&j->c->cx, &j->s, &files));
    printf("%zu files are what their manifests say\n", files);
    return HN_OK;
}

static hn_err name_of(job *j, const char **out)
{
    if (j->c->args.operand_count < 3)
        return hn_fail(&j->c->cx, HN_EARG, "which model?  hone store %s STORE NAME", j->c->args.operand[0]);
    *out = j->c->args.operand[2];
    return HN_OK;
}

static hn_err rollback(job *j)
{
    const char *name = NULL;
    uint64_t gone;
    hn_slots s;
    HN_TRY(name_of(j, &name));
    HN_TRY(j->sys->store_rollback(&j->c->cx, &j->s, name, &gone));
    HN_TRY(j->sys->store_slots(&j->c->cx, &j->s, name, &s));
    HN_TRY(j->sys->store_collect(&j->c->cx, &j->s));
    printf("%s: build %llu is current, %llu is taken back and will not be installed again\n", name,
           (unsigned long long)s.current,
           (unsigned long long)gone);
    return HN_OK;
}

/* Keeps a second build beside the current one, for applications that compare. */
static hn_err compare(job *j)
{
    const hn_args *a = &j->c->args;
    const char *name = NULL, *mode = hn_arg_text(a, "mode", "shadow");
    uint64_t build = (uint64_t)hn_arg_int(a, "build", 0);
    hn_arm_mode m = strcmp(mode, "ab") == 0 ? HN_ARM_AB : strcmp(mode, "off") == 0 ? HN_ARM_NONE : HN_ARM_SHADOW;
    HN_TRY(name_of(j, &name));
    if (m != HN_ARM_NONE && !build)
        return hn_fail(&j->c->cx, HN_EARG, "--build N says which installed build is the second one");
    HN_TRY(j->sys->store_arm(&j->c->cx, &j->s, name, m, build, (unsigned)(hn_arg_real(a, "share", 0.5) * 1e6)));
    return m == HN_ARM_NONE ? j->sys->store_collect(&j->c->cx, &j->s) : HN_OK;
}

static const struct { const char *name; hn_err (*run)(job *j); } actions[] = {
    { "show", show }, { "check", check }, { "rollback", rollback }, { "compare", compare },
};

static hn_err run(hn_cli *c)
{
    job j = { .c = c, .s.lock = -1 };
    hn_reason why = HN_WHY_NONE;
    size_t i = 0;
    HN_TRY(hn_system_open(&c->cx, &j.sys));
    HN_TRY(j.sys->store_open(&c->cx, c->args.operand[1], NULL, &j.s, &why));
    while (strcmp(actions[i].name, c->args.operand[0]) != 0)       /* the parser let no other word through */
        i++;
    hn_err e = actions[i].run(&j);
    json_decref(j.rows);
    j.sys->store_close(&j.s);
    return e;
}

static const hn_operand operands[] = {
    { "ACTION", HN_OPT_CHOICE, 0, "what to do, see above", "show check rollback compare" },
    { "STORE", HN_OPT_DIR, 0, "where this device keeps its models", NULL },
    { "NAME", HN_OPT_TEXT, HN_OPTIONAL, "rollback, compare: of which model", NULL },
    { 0 }
};

static const hn_opt opts[] = {
    { "build", 0, HN_OPT_INT, "N", "compare: the second build", NULL, 1, 9007199254740991.0 },
    { "mode", 0, HN_OPT_CHOICE, "HOW", "compare: applications run both (shadow), or share units (ab); off ends it",
      "shadow ab off", 0, 0 },
    { "share", 0, HN_OPT_REAL, "X", "compare: of the units that get the second build (0.5)", NULL, 0, 1 },
    { 0 }
};

const hn_command hn_command_store = {
    .name = "store",
    .summary = "show, check and turn back the models of a device",
    .example = "hone store show /var/lib/hone",
    .help = "show lists which builds count. check reads every file of every kept build against its manifest. "
            "rollback goes back to\n"
            "the build before, at once and without a network. compare keeps a second installed build beside the "
            "current one,\n"
            "which applications open with hone_current_opts.second.",
    .exits = "1: there is nothing to go back to",
    .operand = operands, .opt = opts, .reports = true, .run = run,
};
