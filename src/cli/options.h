/* SPDX-License-Identifier: Apache-2.0 */
/* Options: what stands behind a command's name on the command line.
 *
 * Accepted: --name=value, --name value, -x value, -xvalue, flags in a row (-qv), `--` before
 * operands that begin with a dash.  Names are never abbreviated: a script must not change its
 * meaning when an option is added.  What is not known is refused with the nearest name offered. */
#ifndef HN_CLI_OPTIONS_H
#define HN_CLI_OPTIONS_H

#include "base/ctx.h"

typedef struct hn_command hn_command;

/* Kinds say what is checked here and what a shell completes. */
typedef enum hn_opt_kind {
    HN_OPT_FLAG, HN_OPT_TEXT, HN_OPT_INT, HN_OPT_REAL, HN_OPT_CHOICE, HN_OPT_FILE, HN_OPT_DIR,
    HN_OPT_COMMAND,
} hn_opt_kind;

typedef struct hn_opt {
    const char *name;            /* "threads", written --threads */
    char letter;                 /* 't', written -t; 0 for none */
    hn_opt_kind kind;
    const char *arg;             /* what help calls the value: "N"; NULL for a flag */
    const char *help;            /* half a sentence */
    const char *choices;         /* CHOICE: the words allowed, "error warn info" */
    double min, max;             /* INT and REAL: both ends allowed; 0, 0 for any */
} hn_opt;

enum hn_operand_flags { HN_OPTIONAL = 1, HN_MANY = 2 };    /* MANY: this one and all after it */

typedef struct hn_operand {
    const char *name;            /* "MODEL" */
    hn_opt_kind kind;
    unsigned flags;
    const char *help;
    const char *choices;
} hn_operand;

typedef struct hn_given { const hn_opt *opt; const char *value; } hn_given;

/* What was given, in order.  Strings point into argv. */
typedef struct hn_args {
    const hn_command *cmd;       /* NULL until the command's name was met */
    hn_given *given; size_t given_count;
    const char **operand; size_t operand_count;
} hn_args;

extern const hn_opt hn_global_opts[];       /* of every command; end with a NULL name */

/* Understands argv[1..argc-1]; fails with HN_EARG and says what is wrong and what was meant.  Stops
 * early, with success, at --help and at --version.  Free with hn_args_free in either case. */
hn_err hn_args_parse(hn_ctx *cx, int argc, char **argv, hn_args *out);
void hn_args_free(hn_ctx *cx, hn_args *a);

/* By the option's long name, which must be one of the command's.  The last one given counts. */
bool hn_arg_flag(const hn_args *a, const char *name);
const char *hn_arg_text(const hn_args *a, const char *name, const char *missing);
int64_t hn_arg_int(const hn_args *a, const char *name, int64_t missing);
double hn_arg_real(const hn_args *a, const char *name, double missing);
size_t hn_arg_count(const hn_args *a, const char *name);               /* how often it was given */
const char *hn_arg_at(const hn_args *a, const char *name, size_t i);   /* its i-th value, i < count */

/* The options `cmd` takes: its own, --json if it reports, then those of every command, which are the
 * only ones for NULL.  The i-th, or NULL after the last. */
const hn_opt *hn_opt_at(const hn_command *cmd, size_t i);

/* Words separated by spaces: the next one from *at, its length, NULL after the last. */
const char *hn_word(const char **at, size_t *len);

#endif
