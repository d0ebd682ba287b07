/* SPDX-License-Identifier: Apache-2.0 */
/* Commands: the verbs of `hone`, one file each, one line in commands.def.
 *
 * A command is a table: what it is called, what it takes, one real example.  The table makes
 * `--help`, the man page, shell completion and doc/commands.md, and the parser checks every
 * argument against it, so `run` sees only arguments that are well formed.
 *
 * What a command finds goes to stdout, what it has to say goes to stderr.  It returns an error
 * with its sentence in c->cx; main prints the sentence and turns the error into the exit code. */
#ifndef HN_CLI_COMMAND_H
#define HN_CLI_COMMAND_H

#include "cli/options.h"

typedef struct hn_cli {
    hn_env env;                  /* allocator and log of this process */
    hn_ctx cx;
    hn_args args;
    bool json;                   /* --json: one JSON value on stdout, nothing else */
    bool quiet;                  /* --quiet: errors only */
    unsigned threads;            /* --threads; 0: as many as this process may use */
    int log_level;
} hn_cli;

struct hn_command {
    const char *name;            /* "list" */
    const char *summary;         /* one line, no full stop */
    const char *example;         /* one real call, what --help shows first */
    const char *help;            /* paragraphs with a blank line between */
    const hn_operand *operand;   /* ends with a NULL name; NULL for none */
    const hn_opt *opt;           /* ends with a NULL name; NULL for none */
    const char *exits;           /* what exit codes mean here, if more than usual; NULL otherwise */
    bool reports;                /* takes --json */
    hn_err (*run)(hn_cli *c);
};

extern const hn_command *const hn_commands[];         /* in the order of commands.def; ends with NULL */
const hn_command *hn_command_find(const char *name);  /* NULL when there is none */

#endif
