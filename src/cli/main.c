/* SPDX-License-Identifier: Apache-2.0 */
/* main.c: from argv to a command, from its error to an exit code.
 *
 * Pictures, sound and the network live in shared objects of their own, opened by the commands
 * that need them: this program starts in a millisecond or two, whatever else is installed. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "cli/command.h"
#include "cli/help.h"
#include "cli/term.h"
#include "hone.h"

static const char *const level_name[] = { "error", "warn", "info", "debug" };

/* With a standard stream closed, the next file opened would get its number and be written into.
 * /dev/null takes the place, opened the wrong way round: using it is still an error. */
static void keep_standard_streams(void)
{
    for (int fd = 0; fd <= 2; fd++)
        if (fcntl(fd, F_GETFD) < 0 && open("/dev/null", fd == 0 ? O_WRONLY : O_RDONLY) != fd)
            _exit(hn_err_exit(HN_ELIMIT));
}

static void log_line(void *user, int level, const char *line)
{
    const hn_cli *c = user;
    if (level <= c->log_level)
        fprintf(stderr, "hone: %s: %s\n", level_name[level], line);
}

static int level_of(const char *name)
{
    int level = HN_LOG_DEBUG;
    while (level > 0 && strcmp(level_name[level], name) != 0)
        level--;
    return level;
}

static hn_err run(hn_cli *c, int argc, char **argv)
{
    HN_TRY(hn_args_parse(&c->cx, argc, argv, &c->args));
    const hn_args *a = &c->args;

    if (hn_arg_flag(a, "help")) {
        hn_help_print(stdout, a->cmd);
        return HN_OK;
    }
    if (hn_arg_flag(a, "version")) {
        puts("hone " HONE_VERSION);
        return HN_OK;
    }
    if (!a->cmd)
        return hn_fail(&c->cx, HN_EARG, "which command?  `hone help` lists them");
    c->quiet = hn_arg_flag(a, "quiet");
    c->json = a->cmd->reports && hn_arg_flag(a, "json");
    c->threads = (unsigned)hn_arg_int(a, "threads", 0);
    c->log_level = level_of(hn_arg_text(a, "log", c->quiet ? "error" : "warn"));
    return a->cmd->run(c);
}

/* What was printed must have arrived: a full disk is not success. */
static hn_err flush(hn_ctx *cx)
{
    errno = 0;
    bool failed = ferror(stdout) != 0;
    if (fflush(stdout) != 0 || failed)
        return hn_fail(cx, HN_ELIMIT, "standard output cannot be written%s%s", errno ? ": " : "",
                       errno ? strerror(errno) : "");
    return HN_OK;
}

int main(int argc, char **argv)
{
    hn_cli c = { .log_level = HN_LOG_WARN };

    keep_standard_streams();
    c.env = (hn_env){ .log = log_line, .log_user = &c };
    c.cx.env = &c.env;
    if (argc < 2) {
        hn_help_short(stdout);
        return flush(&c.cx) ? hn_err_exit(HN_ELIMIT) : hn_err_exit(HN_EARG);
    }
    hn_err e = run(&c, argc, argv);
    hn_err late = flush(e ? NULL : &c.cx);       /* the first failure is the one to explain */
    if (!e)
        e = late;
    if (e && c.cx.msg[0]) {
        const char *name = c.args.cmd ? c.args.cmd->name : NULL;
        fprintf(stderr, "%shone%s%s:%s %s\n", hn_style(stderr, HN_STYLE_RED), name ? " " : "",
                name ? name : "", hn_style(stderr, HN_STYLE_PLAIN), c.cx.msg);
    }
    hn_args_free(&c.cx, &c.args);
    return hn_err_exit(e);
}
