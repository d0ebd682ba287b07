/* SPDX-License-Identifier: Apache-2.0 */
/* where.c: on which line of a JSON text a value stands.  The JSON reader does not say, and a person who
 * mistyped a key in a long file wants to know.  The text has been parsed before: it is well formed, up to
 * the reader's own extensions, so this only counts. */
#include <stdio.h>
#include <string.h>

#include "plan/catalog_impl.h"

#define DEPTH_MAX 32

typedef struct level { bool list; size_t index; const char *key; size_t key_len; } level;

/* Does the place we are at spell `path`? */
static bool here(const level *l, size_t depth, const char *path)
{
    for (size_t i = 0; i < depth; i++) {
        char number[24];
        size_t n = l[i].key_len;
        const char *text = l[i].key;
        if (l[i].list) {
            n = (size_t)snprintf(number, sizeof number, "%zu", l[i].index);
            text = number;
        }
        if (strlen(path) < n || memcmp(path, text ? text : "", n) != 0 || (path[n] != '/' && path[n] != 0))
            return false;
        path += n + (path[n] == '/');
        if (!*path)
            return i + 1 == depth;
    }
    return false;
}

size_t hn_json_line(const char *text, size_t len, const char *path)
{
    level l[DEPTH_MAX];
    size_t depth = 0, line = 1;
    bool want_key = false;
    for (size_t i = 0; i < len; i++) {
        char ch = text[i];
        if (ch == '\n') {
            line++;
        } else if (ch == '"') {
            size_t begin = ++i;
            while (i < len && text[i] != '"')
                i += text[i] == '\\' && i + 1 < len ? 2 : 1;
            if (want_key && depth && i <= len) {
                l[depth - 1].key = text + begin;
                l[depth - 1].key_len = i - begin;
                want_key = false;
                if (here(l, depth, path))
                    return line;
            }
        } else if (ch == '{' || ch == '[') {
            if (depth == DEPTH_MAX)
                return 0;
            l[depth++] = (level){ .list = ch == '[' };
            want_key = ch == '{';
            if (ch == '[' && here(l, depth, path))
                return line;
        } else if ((ch == '}' || ch == ']') && depth) {
            depth--;
            want_key = false;
        } else if (ch == ',' && depth) {
            l[depth - 1].index++;
            want_key = !l[depth - 1].list;
            if (l[depth - 1].list && here(l, depth, path))
                return line;
        }
    }
    return 0;
}
