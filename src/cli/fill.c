/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/fill.h"

#include <stdlib.h>
#include <string.h>

bool hn_fill_of(const hn_cli *c, const char *opt, const char *name, double *v)
{
    size_t len = strlen(name);
    for (size_t i = 0; i < hn_arg_count(&c->args, opt); i++) {
        const char *text = hn_arg_at(&c->args, opt, i);
        if (strncmp(text, name, len) == 0 && text[len] == '=') {
            *v = strtod(text + len + 1, NULL);
            return true;
        }
    }
    return false;
}

hn_err hn_fills_check(hn_cli *c, const char *opt, const hn_graph *g)
{
    for (size_t i = 0; i < hn_arg_count(&c->args, opt); i++) {
        const char *text = hn_arg_at(&c->args, opt, i), *eq = strchr(text, '=');
        char *end = NULL;
        bool known = false;
        for (size_t k = 0; eq && k < g->in_count; k++)
            known |= strlen(g->in[k]->name) == (size_t)(eq - text) &&
                     !strncmp(text, g->in[k]->name, (size_t)(eq - text));
        if (eq)
            (void)strtod(eq + 1, &end);
        if (!eq || end == eq + 1 || *end)
            return hn_fail(&c->cx, HN_EARG, "--%s %s: expected NAME=N, such as rate=16000", opt, text);
        if (!known)
            return hn_fail(&c->cx, HN_EARG, "--%s %s: no input has that name", opt, text);
    }
    return HN_OK;
}
