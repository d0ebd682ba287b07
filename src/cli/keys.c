/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/keys.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <termios.h>

static int first_line(FILE *f, char *out, int cap)
{
    if (!fgets(out, cap, f))
        return -1;
    size_t len = strcspn(out, "\r\n");
    out[len] = 0;
    return (int)len;
}

/* From the terminal itself, without showing it: standard input may be a pipe. */
static int from_terminal(const char *prompt, const char *what, char *out, int cap)
{
    struct termios shown, hidden;
    FILE *tty = fopen("/dev/tty", "r+e");
    if (!tty)
        return -1;
    int fd = fileno(tty), n = -1;
    if (tcgetattr(fd, &shown) == 0) {
        hidden = shown;
        hidden.c_lflag &= ~(tcflag_t)ECHO;
        fprintf(tty, "%s %s: ", prompt, what);
        fflush(tty);
        tcsetattr(fd, TCSAFLUSH, &hidden);
        n = first_line(tty, out, cap);
        tcsetattr(fd, TCSAFLUSH, &shown);
        fputs("\n", tty);
    }
    fclose(tty);
    return n;
}

/* What was given without asking anybody: -1 for nothing. */
static int given(hn_cli *c, char *out, int cap)
{
    const char *path = hn_arg_text(&c->args, "passphrase-file", NULL), *text = getenv("HONE_PASSPHRASE");
    if (path) {
        FILE *f = fopen(path, "re");
        int n = f ? first_line(f, out, cap) : -1;
        if (f)
            fclose(f);
        return n;
    }
    if (!text || (int)strlen(text) >= cap)
        return -1;
    strcpy(out, text);
    return (int)strlen(text);
}

static int answer(void *user, const char *what, char *out, int cap)
{
    hn_cli *c = user;
    int n = given(c, out, cap);
    return n >= 0 || hn_arg_text(&c->args, "passphrase-file", NULL) ? n :
        from_terminal("Passphrase of", what, out, cap);
}

hn_ask hn_cli_ask(hn_cli *c) { return (hn_ask){ answer, c }; }

hn_err hn_cli_new_passphrase(hn_cli *c, const char *what, char out[HN_PASSPHRASE_MAX])
{
    char again[HN_PASSPHRASE_MAX];
    int n = given(c, out, HN_PASSPHRASE_MAX);
    if (n < 0 && !hn_arg_text(&c->args, "passphrase-file", NULL)) {
        n = from_terminal("New passphrase for", what, out, HN_PASSPHRASE_MAX);
        if (n >= 0 && (from_terminal("Again, for", what, again, HN_PASSPHRASE_MAX) != n || strcmp(out, again) != 0))
            return hn_fail(&c->cx, HN_EARG, "the two passphrases differ; nothing was made");
    }
    if (n <= 0)
        return hn_fail(&c->cx, HN_EARG,
                       "%s: no passphrase; give --passphrase-file FILE, or --unlocked for a key without one", what);
    return HN_OK;
}

hn_err hn_cli_keys_open(hn_cli *c, const hn_system *sys, const char *option, hn_cli_keys *out)
{
    hn_ask ask = hn_cli_ask(c);
    size_t count = hn_arg_count(&c->args, option);
    *out = (hn_cli_keys){ hn_calloc(&c->cx, count + 1, sizeof *out->key), 0 };
    if (!out->key)
        return hn_nomem(&c->cx, "keys");
    for (; out->count < count; out->count++)
        HN_TRY(sys->key_open(&c->cx, hn_arg_at(&c->args, option, out->count), &ask, &out->key[out->count]));
    return HN_OK;
}

void hn_cli_keys_free(hn_cli *c, const hn_system *sys, hn_cli_keys *k)
{
    for (size_t i = 0; i < k->count; i++)
        sys->key_free(k->key[i]);
    hn_free(&c->cx, k->key);
    *k = (hn_cli_keys){ 0 };
}
