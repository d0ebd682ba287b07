/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/options.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/num.h"
#include "base/words.h"
#include "cli/command.h"

const hn_opt hn_global_opts[] = {
    { "threads", 't', HN_OPT_INT, "N", "use at most N threads (as many as this process may use)",
      .min = 1, .max = 1024 },
    { "quiet", 'q', HN_OPT_FLAG, NULL, "say nothing but errors" },
    { "log", 0, HN_OPT_CHOICE, "LEVEL", "say as much as LEVEL: error, warn, info or debug (warn)",
      .choices = "error warn info debug" },
    { "help", 'h', HN_OPT_FLAG, NULL, "explain the command and stop" },
    { "version", 0, HN_OPT_FLAG, NULL, "print the version and stop" },
    { NULL }
};

static const hn_opt json_opt = { "json", 0, HN_OPT_FLAG, NULL, "print one JSON value instead of text" };

/* ---- Words that are nearly right --------------------------------------------------------- */

const char *hn_word(const char **at, size_t *len)
{
    const char *word = *at + strspn(*at, " ");
    *len = strcspn(word, " ");
    *at = word + *len;
    return *len ? word : NULL;
}

typedef struct nearest {
    const char *asked, *word;
    size_t asked_len, len, distance;
} nearest;

static nearest nearest_to(const char *asked, size_t len)
{
    return (nearest){ asked, NULL, len, 0, (len + 2) / 3 + 1 };      /* farther away is another word */
}

static void consider(nearest *n, const char *word, size_t len)
{
    bool begun = n->asked_len > 0 && n->asked_len < len && memcmp(n->asked, word, n->asked_len) == 0;
    size_t distance = begun ? 1 : hn_edit_distance(n->asked, n->asked_len, word, len);
    if (distance < n->distance)
        *n = (nearest){ n->asked, word, n->asked_len, len, distance };
}

/* "; did you mean '--json'?", or `otherwise` when nothing is near. */
static const char *suggestion(const nearest *n, const char *dashes, const char *otherwise,
                              char out[HN_WORD_MAX + 32])
{
    if (!n->word)
        return otherwise;
    snprintf(out, HN_WORD_MAX + 32, "; did you mean '%s%.*s'?", dashes, (int)n->len, n->word);
    return out;
}

/* ---- One option's value --------------------------------------------------------------------- */

static hn_err check_choice(hn_ctx *cx, const char *what, const char *choices, const char *value)
{
    nearest near = nearest_to(value, strlen(value));
    const char *word, *at = choices;
    size_t len;
    while ((word = hn_word(&at, &len))) {
        if (len == near.asked_len && memcmp(word, value, len) == 0)
            return HN_OK;
        consider(&near, word, len);
    }
    char hint[HN_WORD_MAX + 32];
    return hn_fail(cx, HN_EARG, "%s: expected one of '%s', found '%s'%s", what, choices, value,
                   suggestion(&near, "", "", hint));
}

static hn_err check_number(hn_ctx *cx, const hn_opt *o, const char *value)
{
    char *end;
    errno = 0;
    double x = o->kind == HN_OPT_INT ? (double)strtoll(value, &end, 10) : strtod(value, &end);
    if (*end || end == value || errno || x != x)
        return hn_fail(cx, HN_EARG, "--%s: expected a %snumber, found '%s'", o->name,
                       o->kind == HN_OPT_INT ? "whole " : "", value);
    if ((o->min != 0 || o->max != 0) && (x < o->min || x > o->max))
        return hn_fail(cx, HN_EARG, "--%s: expected a number from %.15g to %.15g, found '%s'",
                       o->name, o->min, o->max, value);
    return HN_OK;
}

static hn_err check_command(hn_ctx *cx, const char *name)
{
    nearest near = nearest_to(name, strlen(name));
    for (const hn_command *const *c = hn_commands; *c; c++) {
        if (strcmp((*c)->name, name) == 0)
            return HN_OK;
        consider(&near, (*c)->name, strlen((*c)->name));
    }
    char hint[HN_WORD_MAX + 32];
    return hn_fail(cx, HN_EARG, "no command '%s'%s `hone help` lists the commands", name,
                   suggestion(&near, "", ";", hint));
}

static hn_err check_value(hn_ctx *cx, const hn_opt *o, const char *value)
{
    char what[HN_WORD_MAX + 8];
    switch (o->kind) {
    case HN_OPT_INT: case HN_OPT_REAL:
        return check_number(cx, o, value);
    case HN_OPT_CHOICE:
        snprintf(what, sizeof what, "--%s", o->name);
        return check_choice(cx, what, o->choices, value);
    case HN_OPT_COMMAND:
        return check_command(cx, value);
    default:
        return HN_OK;
    }
}

/* ---- Parsing ---------------------------------------------------------------------------------- */

const hn_opt *hn_opt_at(const hn_command *cmd, size_t i)
{
    for (const hn_opt *o = cmd ? cmd->opt : NULL; o && o->name; o++)
        if (i-- == 0)
            return o;
    if (cmd && cmd->reports && i-- == 0)
        return &json_opt;
    return i < sizeof hn_global_opts / sizeof hn_global_opts[0] - 1 ? &hn_global_opts[i] : NULL;
}

static const hn_opt *by_name(const hn_command *cmd, const char *name, size_t len)
{
    const hn_opt *o;
    for (size_t i = 0; (o = hn_opt_at(cmd, i)); i++)
        if (strlen(o->name) == len && memcmp(o->name, name, len) == 0)
            return o;
    return NULL;
}

static const hn_opt *by_letter(const hn_command *cmd, char letter)
{
    const hn_opt *o;
    for (size_t i = 0; (o = hn_opt_at(cmd, i)); i++)
        if (o->letter == letter)
            return o;
    return NULL;
}

static hn_err unknown_option(hn_ctx *cx, const hn_command *cmd, const char *text, size_t len)
{
    char hint[HN_WORD_MAX + 32];
    nearest near = nearest_to(text + 2, len - 2);
    const hn_opt *o;
    for (size_t i = 0; (o = hn_opt_at(cmd, i)); i++)
        consider(&near, o->name, strlen(o->name));
    return hn_fail(cx, HN_EARG, "no option '%.*s'%s `hone %s%s--help` lists the options", (int)len,
                   text, suggestion(&near, "--", ";", hint), cmd ? cmd->name : "",
                   cmd ? " " : "");
}

typedef struct parser {
    hn_ctx *cx;
    int argc, at;
    char **argv;
    hn_args *out;
    bool stop;              /* --help or --version was met: what else stands there does not matter */
} parser;

static hn_err give(parser *p, const hn_opt *o, const char *value)
{
    if (value)
        HN_TRY(check_value(p->cx, o, value));
    p->out->given[p->out->given_count++] = (hn_given){ o, value };
    p->stop = o->kind == HN_OPT_FLAG && (strcmp(o->name, "help") == 0 || strcmp(o->name, "version") == 0);
    return HN_OK;
}

/* The value that stands in the next argument. */
static hn_err give_next(parser *p, const hn_opt *o)
{
    if (p->at + 1 >= p->argc)
        return hn_fail(p->cx, HN_EARG, "--%s needs a value: --%s %s", o->name, o->name, o->arg);
    return give(p, o, p->argv[++p->at]);
}

static hn_err parse_long(parser *p, const char *text)
{
    const char *equals = strchr(text, '=');
    size_t len = equals ? (size_t)(equals - text) : strlen(text);
    const hn_opt *o = by_name(p->out->cmd, text + 2, len - 2);
    if (!o)
        return unknown_option(p->cx, p->out->cmd, text, len);
    if (o->kind != HN_OPT_FLAG)
        return equals ? give(p, o, equals + 1) : give_next(p, o);
    if (equals)
        return hn_fail(p->cx, HN_EARG, "--%s takes no value, found '%s'", o->name, equals + 1);
    return give(p, o, NULL);
}

static hn_err parse_letters(parser *p, const char *letters)
{
    for (const char *at = letters; *at && !p->stop; at++) {
        const hn_opt *o = by_letter(p->out->cmd, *at);
        if (!o)
            return hn_fail(p->cx, HN_EARG, "no option '-%c' (in '-%s')", *at, letters);
        if (o->kind != HN_OPT_FLAG)
            return at[1] ? give(p, o, at + 1) : give_next(p, o);
        HN_TRY(give(p, o, NULL));
    }
    return HN_OK;
}

/* The rule for the i-th operand; NULL when there is one too many. */
static const hn_operand *operand_rule(const hn_command *cmd, size_t i)
{
    const hn_operand *o = cmd->operand;
    for (; o && o->name; o++)
        if (i-- == 0 || (o->flags & HN_MANY))
            return o;
    return NULL;
}

static hn_err parse_operand(parser *p, const char *text)
{
    hn_args *a = p->out;
    if (!a->cmd) {
        HN_TRY(check_command(p->cx, text));
        a->cmd = hn_command_find(text);
        return HN_OK;
    }
    const hn_operand *rule = operand_rule(a->cmd, a->operand_count);
    if (!rule)
        return hn_fail(p->cx, HN_EARG, "'%s' is one argument too many; see `hone %s --help`", text,
                       a->cmd->name);
    if (rule->kind == HN_OPT_CHOICE)
        HN_TRY(check_choice(p->cx, rule->name, rule->choices, text));
    if (rule->kind == HN_OPT_COMMAND)
        HN_TRY(check_command(p->cx, text));
    a->operand[a->operand_count++] = text;
    return HN_OK;
}

static hn_err check_complete(hn_ctx *cx, const hn_args *a)
{
    const hn_operand *missing = a->cmd ? operand_rule(a->cmd, a->operand_count) : NULL;
    bool repeated = missing && (missing->flags & HN_MANY) &&
                    a->operand_count > (size_t)(missing - a->cmd->operand);
    if (missing && !repeated && !(missing->flags & HN_OPTIONAL)) {
        if (missing->choices)
            return hn_fail(cx, HN_EARG, "%s is missing; it is one of '%s'", missing->name,
                           missing->choices);
        return hn_fail(cx, HN_EARG, "%s is missing; see `hone %s --help`", missing->name, a->cmd->name);
    }
    return HN_OK;
}

hn_err hn_args_parse(hn_ctx *cx, int argc, char **argv, hn_args *out)
{
    parser p = { .cx = cx, .argc = argc, .at = 1, .argv = argv, .out = out };
    bool only_operands = false;
    size_t letters = 1;

    for (int i = 1; i < argc; i++)            /* "-qv" is two options in one argument */
        letters = hn_add(letters, strlen(argv[i]) + 1);
    *out = (hn_args){ .given = hn_calloc(cx, letters, sizeof *out->given),
                      .operand = hn_calloc(cx, (size_t)argc + 1, sizeof *out->operand) };
    if (!out->given || !out->operand)
        return hn_nomem(cx, "the command line");
    for (; p.at < argc && !p.stop; p.at++) {
        const char *text = argv[p.at];
        if (only_operands || text[0] != '-' || !text[1])
            HN_TRY(parse_operand(&p, text));
        else if (strcmp(text, "--") == 0)
            only_operands = true;
        else if (text[1] == '-')
            HN_TRY(parse_long(&p, text));
        else
            HN_TRY(parse_letters(&p, text + 1));
    }
    return p.stop ? HN_OK : check_complete(cx, out);
}

void hn_args_free(hn_ctx *cx, hn_args *a)
{
    hn_free(cx, a->given);
    hn_free(cx, a->operand);
    *a = (hn_args){ 0 };
}

/* ---- Asking --------------------------------------------------------------------------------------- */

size_t hn_arg_count(const hn_args *a, const char *name)
{
    size_t n = 0;
    assert(by_name(a->cmd, name, strlen(name)));
    for (size_t i = 0; i < a->given_count; i++)
        n += strcmp(a->given[i].opt->name, name) == 0;
    return n;
}

const char *hn_arg_at(const hn_args *a, const char *name, size_t i)
{
    for (size_t at = 0; at < a->given_count; at++)
        if (strcmp(a->given[at].opt->name, name) == 0 && i-- == 0)
            return a->given[at].value;
    return NULL;
}

bool hn_arg_flag(const hn_args *a, const char *name) { return hn_arg_count(a, name) > 0; }

const char *hn_arg_text(const hn_args *a, const char *name, const char *missing)
{
    size_t n = hn_arg_count(a, name);
    return n ? hn_arg_at(a, name, n - 1) : missing;
}

int64_t hn_arg_int(const hn_args *a, const char *name, int64_t missing)
{
    const char *text = hn_arg_text(a, name, NULL);
    return text ? strtoll(text, NULL, 10) : missing;
}

double hn_arg_real(const hn_args *a, const char *name, double missing)
{
    const char *text = hn_arg_text(a, name, NULL);
    return text ? strtod(text, NULL) : missing;
}
