/* SPDX-License-Identifier: Apache-2.0 */
/* Methods of Python's text, lists and mappings that templates call. */
#include <string.h>

#include <utf8proc.h>

#include "base/num.h"
#include "base/utf8.h"
#include "llm/jinja_impl.h"

typedef const hn_jval in_t;
typedef const hn_jargs args_t;

/* ---- Text ---------------------------------------------------------------------------------- */

static bool is_space(uint32_t c)
{
    return c == ' ' || (c >= 9 && c <= 13) || (c >= 0x1C && c <= 0x1F) || c == 0x85 || c == 0xA0 || c == 0x1680
        || (c >= 0x2000 && c <= 0x200A) || c == 0x2028 || c == 0x2029 || c == 0x202F || c == 0x205F || c == 0x3000;
}

/* The character at s, one byte of U+FFFD when it is none. */
static size_t get(hn_text s, size_t at, uint32_t *c)
{
    size_t n = hn_utf8_get(s.ptr + at, s.len - at, c);
    if (n)
        return n;
    *c = 0xFFFD;
    return 1;
}

static bool stripped(uint32_t c, const char *bytes, size_t n, const hn_text *chars)
{
    return chars ? n <= chars->len && memmem(chars->ptr, chars->len, bytes, n) != NULL : is_space(c);
}

hn_text hn_jtext_strip(hn_text s, const hn_text *chars, bool left, bool right)
{
    uint32_t c;
    while (left && s.len) {
        size_t n = get(s, 0, &c);
        if (!stripped(c, s.ptr, n, chars))
            break;
        s.ptr += n;
        s.len -= n;
    }
    while (right && s.len) {
        size_t at = s.len - 1;
        while (at > 0 && s.len - at < 4 && ((uint8_t)s.ptr[at] & 0xC0) == 0x80)
            at--;
        if (get(s, at, &c) != s.len - at)
            at = s.len - 1, c = 0xFFFD;
        if (!stripped(c, s.ptr + at, s.len - at, chars))
            break;
        s.len = at;
    }
    return s;
}

static bool is_cased(uint32_t c)
{
    utf8proc_category_t k = utf8proc_category((utf8proc_int32_t)c);
    return k == UTF8PROC_CATEGORY_LU || k == UTF8PROC_CATEGORY_LL || k == UTF8PROC_CATEGORY_LT;
}

/* how: l(ower), u(pper), c(apitalize); t(itle) as str.title(), every run of letters; w(ords) as the
 * filter has it, where only white space and brackets part words. */
hn_err hn_jtext_case(hn_jrun *r, hn_text s, char how, hn_jval *out)
{
    hn_buf b = { .cx = r->cx };
    bool begins = true;
    HN_TRY(hn_jsteps(r, s.len / 16));
    for (size_t i = 0, n; i < s.len; i += n) {
        uint32_t c;
        char bytes[4];
        n = get(s, i, &c);
        bool up = how == 'u' || (how != 'l' && begins);
        uint32_t to = (uint32_t)(up ? utf8proc_toupper((utf8proc_int32_t)c) : utf8proc_tolower((utf8proc_int32_t)c));
        begins = how == 't' ? !is_cased(c) : how == 'w' ? is_space(c) || (c < 0x80 && strchr("-({[<", (int)c) && c) : false;
        if (c == 0xFFFD)
            hn_buf_add(&b, s.ptr + i, n);
        else if (c == 0xDF && up)                        /* the one common letter whose capital is two */
            hn_buf_text(&b, how == 'u' ? "SS" : "Ss");
        else
            hn_buf_add(&b, bytes, hn_utf8_put(to, bytes));
    }
    hn_err e = hn_jcopy(r, &b, out);
    hn_buf_free(&b);
    return e;
}

hn_err hn_jtext_replace(hn_jrun *r, hn_text s, hn_text from, hn_text to, int64_t most, hn_jval *out)
{
    hn_buf b = { .cx = r->cx };
    hn_err e = HN_OK;
    size_t at = 0;
    while (!e && most != 0 && at <= s.len) {
        const char *next = from.len ? memmem(s.ptr + at, s.len - at, from.ptr, from.len) : s.ptr + at;
        if (!next)
            break;
        hn_buf_add(&b, s.ptr + at, (size_t)(next - s.ptr) - at);
        hn_buf_add(&b, to.ptr, to.len);
        at = (size_t)(next - s.ptr) + from.len;
        if (from.len == 0) {                             /* between all characters, as Python does */
            uint32_t c;
            size_t n = at < s.len ? get(s, at, &c) : 1;
            hn_buf_add(&b, s.ptr + at, at < s.len ? n : 0);
            at += n;
        }
        most--;
        e = hn_jsteps(r, 1);
        if (!e && b.len > r->output_max)
            e = hn_jfail(r, HN_ELIMIT, "replace: more than %zu bytes", r->output_max);
    }
    if (at < s.len)
        hn_buf_add(&b, s.ptr + at, s.len - at);
    e = e ? e : hn_jcopy(r, &b, out);
    hn_buf_free(&b);
    return e;
}

static hn_err strip(hn_jrun *r, in_t *v, args_t *a, bool left, bool right, hn_jval *out)
{
    hn_jval chars = { .kind = J_NONE };
    hn_jarg(a, 0, NULL, &chars);
    if (chars.kind != J_NONE && chars.kind != J_TEXT)
        return hn_jfail(r, HN_EARG, "strip: expected text, found %s", hn_jkind_name(&chars));
    hn_text s = hn_jtext_strip(v->s, chars.kind == J_TEXT ? &chars.s : NULL, left, right);
    *out = hn_jtext(s.ptr, s.len);
    return HN_OK;
}

static hn_err m_strip(hn_jrun *r, in_t *v, args_t *a, hn_jval *out) { return strip(r, v, a, true, true, out); }
static hn_err m_lstrip(hn_jrun *r, in_t *v, args_t *a, hn_jval *out) { return strip(r, v, a, true, false, out); }
static hn_err m_rstrip(hn_jrun *r, in_t *v, args_t *a, hn_jval *out) { return strip(r, v, a, false, true, out); }
static hn_err m_lower(hn_jrun *r, in_t *v, args_t *a, hn_jval *out) { (void)a; return hn_jtext_case(r, v->s, 'l', out); }
static hn_err m_upper(hn_jrun *r, in_t *v, args_t *a, hn_jval *out) { (void)a; return hn_jtext_case(r, v->s, 'u', out); }
static hn_err m_title(hn_jrun *r, in_t *v, args_t *a, hn_jval *out) { (void)a; return hn_jtext_case(r, v->s, 't', out); }
static hn_err m_capitalize(hn_jrun *r, in_t *v, args_t *a, hn_jval *out) { (void)a; return hn_jtext_case(r, v->s, 'c', out); }

static bool affixed(hn_text s, hn_text with, bool at_end)
{
    return with.len <= s.len && memcmp(at_end ? s.ptr + s.len - with.len : s.ptr, with.ptr, with.len) == 0;
}

/* One text, or a tuple of which any will do. */
static hn_err affix(hn_jrun *r, in_t *v, args_t *a, bool at_end, hn_jval *out)
{
    hn_jval with;
    bool yes = false;
    if (!hn_jarg(a, 0, NULL, &with) || (with.kind != J_TEXT && with.kind != J_LIST))
        return hn_jfail(r, HN_EARG, "%s: expected text", at_end ? "endswith" : "startswith");
    if (with.kind == J_TEXT)
        yes = affixed(v->s, with.s, at_end);
    else
        for (size_t i = 0; i < with.list->count && !yes; i++)
            yes = with.list->item[i].kind == J_TEXT && affixed(v->s, with.list->item[i].s, at_end);
    *out = hn_jbool(yes);
    return HN_OK;
}

static hn_err m_startswith(hn_jrun *r, in_t *v, args_t *a, hn_jval *out) { return affix(r, v, a, false, out); }
static hn_err m_endswith(hn_jrun *r, in_t *v, args_t *a, hn_jval *out) { return affix(r, v, a, true, out); }

static hn_err m_removeprefix(hn_jrun *r, in_t *v, args_t *a, hn_jval *out)
{
    hn_text with;
    HN_TRY(hn_jarg_text(r, "removeprefix", a, 0, NULL, &with));
    size_t cut = affixed(v->s, with, false) ? with.len : 0;
    *out = hn_jtext(v->s.ptr + cut, v->s.len - cut);
    return HN_OK;
}

static hn_err m_removesuffix(hn_jrun *r, in_t *v, args_t *a, hn_jval *out)
{
    hn_text with;
    HN_TRY(hn_jarg_text(r, "removesuffix", a, 0, NULL, &with));
    *out = hn_jtext(v->s.ptr, v->s.len - (affixed(v->s, with, true) ? with.len : 0));
    return HN_OK;
}

static hn_err m_replace(hn_jrun *r, in_t *v, args_t *a, hn_jval *out)
{
    hn_text from, to;
    hn_jval most = hn_jint(-1);
    HN_TRY(hn_jarg_text(r, "replace", a, 0, "old", &from));
    HN_TRY(hn_jarg_text(r, "replace", a, 1, "new", &to));
    hn_jarg(a, 2, "count", &most);
    return hn_jtext_replace(r, v->s, from, to, most.kind == J_INT ? most.i : -1, out);
}

static hn_err piece(hn_jrun *r, hn_jval list, hn_text s, size_t from, size_t to)
{
    return hn_jlist_add(r, list, hn_jtext(s.ptr + from, to - from));
}

static hn_err split_spaces(hn_jrun *r, hn_text s, int64_t most, hn_jval out)
{
    for (;; most--) {
        uint32_t c;
        size_t i = 0, n;
        s = hn_jtext_strip(s, NULL, true, false);
        if (s.len == 0)
            return HN_OK;
        if (most == 0)
            return piece(r, out, s, 0, s.len);
        while (i < s.len && (n = get(s, i, &c), !is_space(c)))
            i += n;
        HN_TRY(piece(r, out, s, 0, i));
        s = (hn_text){ s.ptr + i, s.len - i };
    }
}

static hn_err split_arguments(hn_jrun *r, args_t *a, hn_text *by, int64_t *most)
{
    hn_jval sep = { .kind = J_NONE }, n = hn_jint(-1);
    hn_jarg(a, 0, "sep", &sep);
    hn_jarg(a, 1, "maxsplit", &n);
    *most = n.kind == J_INT ? n.i : -1;
    *by = sep.kind == J_TEXT ? sep.s : (hn_text){ NULL, 0 };
    return sep.kind == J_TEXT && sep.s.len == 0 ? hn_jfail(r, HN_EARG, "split: the separator is empty") : HN_OK;
}

static hn_err m_split(hn_jrun *r, in_t *v, args_t *a, hn_jval *out)
{
    hn_text by, s = v->s;
    int64_t most;
    HN_TRY(split_arguments(r, a, &by, &most));
    HN_TRY(hn_jlist_new(r, 0, out));
    if (!by.ptr)
        return split_spaces(r, s, most, *out);
    const char *next;
    while (most-- != 0 && (next = memmem(s.ptr, s.len, by.ptr, by.len))) {
        size_t n = (size_t)(next - s.ptr);
        HN_TRY(piece(r, *out, s, 0, n));
        s = (hn_text){ next + by.len, s.len - n - by.len };
    }
    return piece(r, *out, s, 0, s.len);
}

static hn_err m_rsplit(hn_jrun *r, in_t *v, args_t *a, hn_jval *out)
{
    hn_text by, s = v->s;
    int64_t most;
    hn_jval back;
    HN_TRY(split_arguments(r, a, &by, &most));
    if (!by.ptr || most < 0)
        return m_split(r, v, a, out);
    HN_TRY(hn_jlist_new(r, 0, &back));
    for (size_t i = s.len; most > 0 && i >= by.len;) {
        if (memcmp(s.ptr + i - by.len, by.ptr, by.len) != 0) {
            i--;
            continue;
        }
        HN_TRY(piece(r, back, s, i, s.len));
        s.len = i - by.len;
        i = s.len;
        most--;
    }
    HN_TRY(piece(r, back, s, 0, s.len));
    HN_TRY(hn_jlist_new(r, back.list->count, out));
    for (size_t i = back.list->count; i-- > 0;)
        HN_TRY(hn_jlist_add(r, *out, back.list->item[i]));
    return HN_OK;
}

static hn_err m_splitlines(hn_jrun *r, in_t *v, args_t *a, hn_jval *out)
{
    hn_text s = v->s;
    hn_jval keep = hn_jbool(false);
    hn_jarg(a, 0, "keepends", &keep);
    HN_TRY(hn_jlist_new(r, 0, out));
    for (size_t i = 0, from = 0; from < s.len; from = i) {
        while (i < s.len && s.ptr[i] != '\n' && s.ptr[i] != '\r')
            i++;
        size_t end = i;
        i += i < s.len ? s.ptr[i] == '\r' && i + 1 < s.len && s.ptr[i + 1] == '\n' ? 2 : 1 : 0;
        HN_TRY(piece(r, *out, s, from, hn_jtruth(&keep) ? i : end));
    }
    return HN_OK;
}

/* Position in characters, -1 when absent. */
static hn_err find(hn_jrun *r, in_t *v, args_t *a, bool last, int64_t *at)
{
    hn_text s = v->s, what;
    *at = -1;
    HN_TRY(hn_jarg_text(r, "find", a, 0, NULL, &what));
    for (size_t i = 0; what.len <= s.len && i <= s.len - what.len; i++)
        if (memcmp(s.ptr + i, what.ptr, what.len) == 0) {
            *at = (int64_t)hn_utf8_count(s.ptr, i);
            if (!last)
                break;
        }
    return hn_jsteps(r, s.len / 16);
}

static hn_err m_find(hn_jrun *r, in_t *v, args_t *a, hn_jval *out)
{
    int64_t at;
    HN_TRY(find(r, v, a, false, &at));
    *out = hn_jint(at);
    return HN_OK;
}

static hn_err m_rfind(hn_jrun *r, in_t *v, args_t *a, hn_jval *out)
{
    int64_t at;
    HN_TRY(find(r, v, a, true, &at));
    *out = hn_jint(at);
    return HN_OK;
}

static hn_err m_text_index(hn_jrun *r, in_t *v, args_t *a, hn_jval *out)
{
    HN_TRY(m_find(r, v, a, out));
    return out->i < 0 ? hn_jfail(r, HN_EARG, "index: the text is not there") : HN_OK;
}

static hn_err m_text_count(hn_jrun *r, in_t *v, args_t *a, hn_jval *out)
{
    hn_text s = v->s, what;
    int64_t n = 0;
    HN_TRY(hn_jarg_text(r, "count", a, 0, NULL, &what));
    const char *next;
    while (what.len && (next = memmem(s.ptr, s.len, what.ptr, what.len))) {
        s.len -= (size_t)(next - s.ptr) + what.len;
        s.ptr = next + what.len;
        n++;
    }
    *out = hn_jint(what.len ? n : (int64_t)hn_utf8_count(s.ptr, s.len) + 1);
    return HN_OK;
}

static hn_err m_join(hn_jrun *r, in_t *v, args_t *a, hn_jval *out)
{
    hn_jval list;
    if (!hn_jarg(a, 0, NULL, &list))
        return hn_jfail(r, HN_EARG, "join: expected a list");
    hn_jval sep = *v;
    return hn_jfilter(r, (hn_text){ "join", 4 }, &list, &(hn_jargs){ .pos = &sep, .count = 1 }, out);
}

/* isdigit, isalpha, isalnum, isspace: true when there is text and all of it is so. */
static hn_err all_are(hn_text s, bool (*is)(uint32_t), hn_jval *out)
{
    bool yes = s.len > 0;
    for (size_t i = 0, n; i < s.len && yes; i += n) {
        uint32_t c;
        n = get(s, i, &c);
        yes = is(c);
    }
    *out = hn_jbool(yes);
    return HN_OK;
}

static bool is_digit(uint32_t c) { return utf8proc_category((utf8proc_int32_t)c) == UTF8PROC_CATEGORY_ND; }
static bool is_alpha(uint32_t c)
{
    utf8proc_category_t k = utf8proc_category((utf8proc_int32_t)c);
    return k >= UTF8PROC_CATEGORY_LU && k <= UTF8PROC_CATEGORY_LO;
}
static bool is_alnum(uint32_t c) { return is_alpha(c) || is_digit(c); }

static hn_err m_isdigit(hn_jrun *r, in_t *v, args_t *a, hn_jval *out) { (void)r; (void)a; return all_are(v->s, is_digit, out); }
static hn_err m_isalpha(hn_jrun *r, in_t *v, args_t *a, hn_jval *out) { (void)r; (void)a; return all_are(v->s, is_alpha, out); }
static hn_err m_isalnum(hn_jrun *r, in_t *v, args_t *a, hn_jval *out) { (void)r; (void)a; return all_are(v->s, is_alnum, out); }
static hn_err m_isspace(hn_jrun *r, in_t *v, args_t *a, hn_jval *out) { (void)r; (void)a; return all_are(v->s, is_space, out); }

static hn_err is_case(hn_jrun *r, in_t *v, const char *test, hn_jval *out)
{
    bool yes;
    HN_TRY(hn_jtest(r, (hn_text){ test, 5 }, v, &(hn_jargs){ 0 }, &yes));
    *out = hn_jbool(yes);
    return HN_OK;
}

static hn_err m_islower(hn_jrun *r, in_t *v, args_t *a, hn_jval *out) { (void)a; return is_case(r, v, "lower", out); }
static hn_err m_isupper(hn_jrun *r, in_t *v, args_t *a, hn_jval *out) { (void)a; return is_case(r, v, "upper", out); }

/* ---- Mappings ------------------------------------------------------------------------------ */

static hn_err m_get(hn_jrun *r, in_t *v, args_t *a, hn_jval *out)
{
    hn_jval key, otherwise = { .kind = J_NONE };
    if (!hn_jarg(a, 0, "key", &key))
        return hn_jfail(r, HN_EARG, "get: expected a key");
    hn_jarg(a, 1, "default", &otherwise);
    const hn_jval *found = hn_jdict_get(v->dict, &key);
    *out = found ? *found : otherwise;
    return hn_jsteps(r, v->dict->count / 8);
}

static hn_err m_items(hn_jrun *r, in_t *v, args_t *a, hn_jval *out)
{
    return hn_jfilter(r, (hn_text){ "items", 5 }, v, a, out);
}

static hn_err m_keys(hn_jrun *r, in_t *v, args_t *a, hn_jval *out) { (void)a; return hn_jitems(r, v, out); }

static hn_err m_values(hn_jrun *r, in_t *v, args_t *a, hn_jval *out)
{
    (void)a;
    HN_TRY(hn_jlist_new(r, v->dict->count, out));
    for (size_t i = 0; i < v->dict->count; i++)
        HN_TRY(hn_jlist_add(r, *out, v->dict->pair[i].value));
    return HN_OK;
}

static hn_err m_copy(hn_jrun *r, in_t *v, args_t *a, hn_jval *out) { (void)r; (void)a; *out = *v; return HN_OK; }

/* ---- Lists, loops, cyclers ----------------------------------------------------------------- */

static hn_err m_list_index(hn_jrun *r, in_t *v, args_t *a, hn_jval *out)
{
    hn_jval what;
    if (!hn_jarg(a, 0, NULL, &what))
        return hn_jfail(r, HN_EARG, "index: expected a value");
    for (size_t i = 0; i < v->list->count; i++)
        if (hn_jequal(&v->list->item[i], &what)) {
            *out = hn_jint((int64_t)i);
            return hn_jsteps(r, i / 8);
        }
    return hn_jfail(r, HN_EARG, "index: the value is not in the list");
}

static hn_err m_list_count(hn_jrun *r, in_t *v, args_t *a, hn_jval *out)
{
    hn_jval what;
    int64_t n = 0;
    if (!hn_jarg(a, 0, NULL, &what))
        return hn_jfail(r, HN_EARG, "count: expected a value");
    for (size_t i = 0; i < v->list->count; i++)
        n += hn_jequal(&v->list->item[i], &what);
    *out = hn_jint(n);
    return hn_jsteps(r, v->list->count / 8);
}

static hn_err m_cycle(hn_jrun *r, in_t *v, args_t *a, hn_jval *out)
{
    if (a->count == 0)
        return hn_jfail(r, HN_EARG, "loop.cycle: expected at least one value");
    *out = a->pos[v->loop->index % a->count];
    return HN_OK;
}

static hn_err m_changed(hn_jrun *r, in_t *v, args_t *a, hn_jval *out)
{
    hn_jval now;
    HN_TRY(hn_jlist_new(r, a->count, &now));
    for (size_t i = 0; i < a->count; i++)
        HN_TRY(hn_jlist_add(r, now, a->pos[i]));
    *out = hn_jbool(!v->loop->seen || !hn_jequal(&now, &v->loop->last_seen));
    v->loop->last_seen = now;
    v->loop->seen = true;
    return HN_OK;
}

static hn_err m_next(hn_jrun *r, in_t *v, args_t *a, hn_jval *out)
{
    struct hn_jturn *t = v->func->turn;
    (void)a;
    if (!t || t->items.kind != J_LIST)
        return hn_jfail(r, HN_EARG, "next: only a cycler has it");
    *out = t->items.list->item[t->at++ % t->items.list->count];
    return HN_OK;
}

static hn_err m_reset(hn_jrun *r, in_t *v, args_t *a, hn_jval *out)
{
    (void)a;
    if (!v->func->turn)
        return hn_jfail(r, HN_EARG, "reset: only a cycler has it");
    v->func->turn->at = 0;
    *out = (hn_jval){ .kind = J_NONE };
    return HN_OK;
}

static const struct method { uint8_t kind; const char *name; hn_err (*run)(hn_jrun *, in_t *, args_t *, hn_jval *); } methods[] = {
    { J_TEXT, "strip", m_strip }, { J_TEXT, "lstrip", m_lstrip }, { J_TEXT, "rstrip", m_rstrip },
    { J_TEXT, "split", m_split }, { J_TEXT, "rsplit", m_rsplit }, { J_TEXT, "splitlines", m_splitlines },
    { J_TEXT, "startswith", m_startswith }, { J_TEXT, "endswith", m_endswith }, { J_TEXT, "replace", m_replace },
    { J_TEXT, "removeprefix", m_removeprefix }, { J_TEXT, "removesuffix", m_removesuffix }, { J_TEXT, "lower", m_lower },
    { J_TEXT, "upper", m_upper }, { J_TEXT, "title", m_title }, { J_TEXT, "capitalize", m_capitalize },
    { J_TEXT, "find", m_find }, { J_TEXT, "rfind", m_rfind }, { J_TEXT, "index", m_text_index },
    { J_TEXT, "count", m_text_count }, { J_TEXT, "join", m_join }, { J_TEXT, "isdigit", m_isdigit },
    { J_TEXT, "isalpha", m_isalpha }, { J_TEXT, "isalnum", m_isalnum }, { J_TEXT, "isspace", m_isspace },
    { J_TEXT, "islower", m_islower }, { J_TEXT, "isupper", m_isupper },
    { J_DICT, "get", m_get }, { J_DICT, "items", m_items }, { J_DICT, "keys", m_keys }, { J_DICT, "values", m_values },
    { J_DICT, "copy", m_copy },
    { J_LIST, "index", m_list_index }, { J_LIST, "count", m_list_count }, { J_LIST, "copy", m_copy },
    { J_LOOP, "cycle", m_cycle }, { J_LOOP, "changed", m_changed },
    { J_FUNC, "next", m_next }, { J_FUNC, "reset", m_reset },
};

hn_err hn_jmethod(hn_jrun *r, const hn_jval *v, hn_text name, const hn_jargs *args, bool *found, hn_jval *out)
{
    *found = false;
    if (v->kind == J_DICT && v->dict->is_namespace)
        return HN_OK;
    for (size_t i = 0; i < sizeof methods / sizeof *methods; i++)
        if (methods[i].kind == v->kind && hn_jis(name, methods[i].name)) {
            hn_jval result;
            *found = true;
            HN_TRY(methods[i].run(r, v, args, &result));
            *out = result;
            return HN_OK;
        }
    return HN_OK;
}
