/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/term.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

static bool colours(FILE *f)
{
    const char *no = getenv("NO_COLOR"), *term = getenv("TERM");
    return !(no && *no) && term && strcmp(term, "dumb") != 0 && isatty(fileno(f));
}

const char *hn_style(FILE *f, enum hn_style style)
{
    static const char *const bytes[] = {
        [HN_STYLE_PLAIN] = "\033[0m", [HN_STYLE_BOLD] = "\033[1m", [HN_STYLE_DIM] = "\033[2m",
        [HN_STYLE_RED] = "\033[31m", [HN_STYLE_GREEN] = "\033[32m", [HN_STYLE_YELLOW] = "\033[33m",
    };
    return colours(f) ? bytes[style] : "";
}

int hn_term_width(FILE *f)
{
    struct winsize size;
    if (!isatty(fileno(f)) || ioctl(fileno(f), TIOCGWINSZ, &size) != 0 || size.ws_col == 0)
        return 80;
    return size.ws_col < 40 ? 40 : size.ws_col > 100 ? 100 : size.ws_col;
}

void hn_wrap(FILE *f, const char *text, int indent, int width, int hang)
{
    int at = hang ? indent : 0;            /* columns used on this line; 0: a fresh line */

    while (*text) {
        size_t breaks = strspn(text, " \n");
        if (breaks >= 2 && memchr(text, '\n', breaks) != memrchr(text, '\n', breaks)) {
            fputs(at ? "\n\n" : "\n", f);
            at = 0;
        }
        text += breaks;
        size_t len = strcspn(text, " \n");
        if (len == 0)
            break;
        if (at > indent && at + 1 + (int)len > width) {
            fputc('\n', f);
            at = 0;
        }
        if (at == 0)
            at = fprintf(f, "%*s", indent, "");
        else if (at > indent)
            at += fprintf(f, " ");
        at += fprintf(f, "%.*s", (int)len, text);
        if (at == 0)
            at = 1;
        text += len;
    }
    if (at)
        fputc('\n', f);
}
