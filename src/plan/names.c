/* SPDX-License-Identifier: Apache-2.0 */
/* names.c: from what people type to an entry: "rpi5", "orin nano", "llama 3.1 8b".
 *
 * A name is cut into words of letters and of digits; an entry answers when it has all of them, in its id,
 * name or an alias.  The entry with the fewest words to spare wins; a tie is a question back. */
#include <ctype.h>
#include <string.h>

#include "base/buf.h"
#include "base/words.h"
#include "plan/catalog_impl.h"

#define WORDS_MAX 16
#define ALIKE_MAX 3          /* with more candidates the nearest is a guess */

typedef struct words { char text[WORDS_MAX][HN_WORD_MAX]; size_t count; } words;

/* "Llama 3.1 8B" -> llama 3.1 8 b; a dot between digits stays. */
static words cut(const char *s)
{
    words w = { .count = 0 };
    while (*s && w.count < WORDS_MAX) {
        size_t n = 0;
        if (!isalnum((unsigned char)*s)) {
            s++;
            continue;
        }
        bool digits = isdigit((unsigned char)*s) != 0;
        while (*s && (isalnum((unsigned char)*s) || (digits && *s == '.' && isdigit((unsigned char)s[1])))) {
            if (*s != '.' && (isdigit((unsigned char)*s) != 0) != digits)
                break;
            if (n + 1 < HN_WORD_MAX)
                w.text[w.count][n++] = (char)tolower((unsigned char)*s);
            s++;
        }
        w.text[w.count++][n] = 0;
    }
    return w;
}

static bool has(const words *w, const char *word)
{
    for (size_t i = 0; i < w->count; i++)
        if (strcmp(w->text[i], word) == 0)
            return true;
    return false;
}

static bool same(const words *a, const words *b)
{
    for (size_t i = 0; i < a->count && a->count == b->count; i++)
        if (strcmp(a->text[i], b->text[i]) != 0)
            return false;
    return a->count == b->count;
}

/* Words of `name` to spare when it has all that were asked for; -1 when it has not. */
static int spare(const words *asked, const char *name)
{
    words w = cut(name);
    if (same(asked, &w))
        return 0;
    for (size_t i = 0; i < asked->count; i++)
        if (!has(&w, asked->text[i]))
            return -1;
    return (int)(w.count - asked->count) + 1;
}

static int better(int a, int b) { return a < 0 ? b : b < 0 || a < b ? a : b; }

static int score(const words *asked, const json_t *entry)
{
    int best = better(spare(asked, hn_entry_text(entry, "id")), spare(asked, hn_entry_text(entry, "name")));
    const json_t *aliases = json_object_get(entry, "aliases"), *a;
    size_t i;
    json_array_foreach(aliases, i, a)
        best = better(best, spare(asked, json_string_value(a)));
    return best;
}

bool hn_entry_has_alias(const json_t *entry, const char *name)
{
    const json_t *aliases = json_object_get(entry, "aliases"), *a;
    size_t i;
    if (strcmp(hn_entry_text(entry, "id"), name) == 0)
        return true;
    json_array_foreach(aliases, i, a)
        if (strcmp(json_string_value(a), name) == 0)
            return true;
    return false;
}

/* How far `name` is from what was asked: letters to change, and words it lacks weigh more. */
static size_t distance(const char *asked, const words *w, const char *name)
{
    words n = cut(name);
    size_t d = hn_edit_distance(asked, strlen(asked), name, strlen(name)), lacking = 0;
    for (size_t i = 0; i < w->count; i++) {
        size_t best = 3;
        for (size_t k = 0; k < n.count; k++) {
            size_t e = hn_edit_distance(w->text[i], strlen(w->text[i]), n.text[k], strlen(n.text[k]));
            best = e < best ? e : best;
        }
        lacking += 4 * best;
    }
    return d < lacking ? d : lacking;
}

/* "llama-3.1-8b, llama-3.2-1b or llama-2-7b": the three nearest ids. */
static hn_err nobody(hn_ctx *cx, const json_t *shelf, hn_shelf s, const char *asked, const words *w)
{
    const char *near[3] = { NULL };
    size_t far[3] = { SIZE_MAX, SIZE_MAX, SIZE_MAX }, i;
    json_t *e;
    json_array_foreach(shelf, i, e) {
        const char *id = hn_entry_text(e, "id");
        size_t a = distance(asked, w, id), b = distance(asked, w, hn_entry_text(e, "name")), d = a < b ? a : b;
        for (size_t k = 0; k < 3; k++)
            if (d < far[k]) {
                for (size_t m = 2; m > k; m--) {
                    far[m] = far[m - 1];
                    near[m] = near[m - 1];
                }
                far[k] = d;
                near[k] = id;
                break;
            }
    }
    return hn_fail(cx, HN_EARG, "no %s '%s'; nearest: %s%s%s%s%s; `hone list %s` shows all", hn_shelf_one(s),
                   asked, near[0] ? near[0] : "none", near[1] ? ", " : "", near[1] ? near[1] : "",
                   near[2] ? ", " : "", near[2] ? near[2] : "",
                   s == HN_SHELF_DEVICES    ? "devices"
                   : s == HN_SHELF_MODELS   ? "models"
                   : s == HN_SHELF_QUANTS   ? "quants"
                   : s == HN_SHELF_RUNTIMES ? "runtimes"
                                            : "clouds");
}

hn_err hn_catalog_find(hn_ctx *cx, const hn_catalog *c, hn_shelf s, const char *name, const json_t **out,
                       const char **others)
{
    const json_t *shelf = hn_catalog_shelf(c, s), *found = NULL;
    words asked = cut(name);
    int best = -1, count = 0, all = 0;
    size_t i;
    json_t *e;
    hn_buf also = { .cx = cx };
    json_array_foreach(shelf, i, e) {
        int n = asked.count ? score(&asked, e) : -1;
        if (n < 0)
            continue;
        all++;
        if (best < 0 || n < best) {
            best = n;
            count = 0;
            found = e;
        }
        count += n == best;
    }
    if (best > 0 && all > ALIKE_MAX)
        count = all;                             /* "llama" is no name for any of seven */
    if (!found)
        return nobody(cx, shelf, s, name, &asked);
    json_array_foreach(shelf, i, e)
        if ((best > 0 || count > 1) && (e != found || count > 1) && score(&asked, e) >= 0)
            hn_buf_printf(&also, "%s%s", also.len ? ", " : "", hn_entry_text(e, "id"));
    hn_err err = hn_buf_ok(&also, "names");
    if (!err && count > 1)
        err = hn_fail(cx, HN_EARG, "%s '%s' could be %s; say which", hn_shelf_one(s), name, also.data);
    if (!err) {
        *others = hn_arena_text(c->a, also.data ? also.data : "", also.len);
        *out = found;
        err = *others ? HN_OK : hn_nomem(cx, "names");
    }
    hn_buf_free(&also);
    return err;
}
