/* SPDX-License-Identifier: Apache-2.0 */
/* Filters that templates may use, each a row of a table at the end. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/num.h"
#include "llm/jinja_impl.h"

typedef const hn_jval in_t;
typedef const hn_jargs args_t;

/* ---- Arguments ----------------------------------------------------------------------------- */

bool hn_jarg(const hn_jargs *a, size_t index, const char *name, hn_jval *out)
{
    if (index < a->count) {
        *out = a->pos[index];
        return true;
    }
    for (size_t i = 0; i < a->named_count; i++)
        if (name && hn_jis(a->named[i].name, name)) {
            *out = a->named[i].value;
            return true;
        }
    return false;
}

hn_err hn_jarg_text(hn_jrun *r, const char *of, const hn_jargs *a, size_t index, const char *name, hn_text *out)
{
    hn_jval v;
    if (!hn_jarg(a, index, name, &v) || v.kind != J_TEXT)
        return hn_jfail(r, HN_EARG, "%s: expected text as argument %zu", of, index + 1);
    *out = v.s;
    return HN_OK;
}

static bool flag(args_t *a, size_t index, const char *name, bool otherwise)
{
    hn_jval v;
    return hn_jarg(a, index, name, &v) ? hn_jtruth(&v) : otherwise;
}

hn_err hn_jas_text(hn_jrun *r, in_t *v, hn_text *out)
{
    hn_jval made = *v;
    if (v->kind != J_TEXT) {
        hn_buf b = { .cx = r->cx };
        hn_err e = hn_jprint(r, v, &b);
        e = e ? e : hn_jcopy(r, &b, &made);
        hn_buf_free(&b);
        HN_TRY(e);
    }
    *out = made.s;
    return HN_OK;
}

/* "a.b.0" through mappings and lists, as map(attribute=...) takes it. */
static hn_err attribute(hn_jrun *r, hn_jval v, in_t *path, hn_jval *out)
{
    if (path->kind != J_TEXT)
        return hn_jattr(r, &v, path, out);
    hn_text left = path->s;
    for (bool more = true; more;) {
        const char *dot = memchr(left.ptr, '.', left.len);
        size_t n = dot ? (size_t)(dot - left.ptr) : left.len;
        hn_jval key = hn_jtext(left.ptr, n);
        bool digits = n > 0 && n < 10;
        for (size_t i = 0; i < n && digits; i++)
            digits = left.ptr[i] >= '0' && left.ptr[i] <= '9';
        if (digits)
            key = hn_jint(strtol(left.ptr, NULL, 10));   /* stops at the dot; the text has an end in the template */
        HN_TRY(hn_jattr(r, &v, &key, &v));
        more = dot != NULL;
        left = (hn_text){ left.ptr + n + 1, more ? left.len - n - 1 : 0 };
    }
    *out = v;
    return HN_OK;
}

/* ---- Filters on text ----------------------------------------------------------------------- */

static hn_err to_case(hn_jrun *r, in_t *in, char how, hn_jval *out)
{
    hn_text s;
    HN_TRY(hn_jas_text(r, in, &s));
    return hn_jtext_case(r, s, how, out);
}

static hn_err f_lower(hn_jrun *r, in_t *in, args_t *a, hn_jval *out) { (void)a; return to_case(r, in, 'l', out); }
static hn_err f_upper(hn_jrun *r, in_t *in, args_t *a, hn_jval *out) { (void)a; return to_case(r, in, 'u', out); }
static hn_err f_capitalize(hn_jrun *r, in_t *in, args_t *a, hn_jval *out) { (void)a; return to_case(r, in, 'c', out); }
static hn_err f_title(hn_jrun *r, in_t *in, args_t *a, hn_jval *out) { (void)a; return to_case(r, in, 'w', out); }

static hn_err f_trim(hn_jrun *r, in_t *in, args_t *a, hn_jval *out)
{
    hn_jval chars = { .kind = J_NONE };
    hn_text s;
    HN_TRY(hn_jas_text(r, in, &s));
    hn_jarg(a, 0, "chars", &chars);
    s = hn_jtext_strip(s, chars.kind == J_TEXT ? &chars.s : NULL, true, true);
    *out = hn_jtext(s.ptr, s.len);
    return HN_OK;
}

static hn_err f_replace(hn_jrun *r, in_t *in, args_t *a, hn_jval *out)
{
    hn_jval old, new, most = hn_jint(-1);
    hn_text s, from, to;
    if (!hn_jarg(a, 0, "old", &old) || !hn_jarg(a, 1, "new", &new))
        return hn_jfail(r, HN_EARG, "replace: expected what to replace, and by what");
    hn_jarg(a, 2, "count", &most);
    HN_TRY(hn_jas_text(r, in, &s));
    HN_TRY(hn_jas_text(r, &old, &from));
    HN_TRY(hn_jas_text(r, &new, &to));
    return hn_jtext_replace(r, s, from, to, most.kind == J_INT ? most.i : -1, out);
}

static hn_err f_string(hn_jrun *r, in_t *in, args_t *a, hn_jval *out)
{
    hn_text s;
    (void)a;
    HN_TRY(hn_jas_text(r, in, &s));
    *out = hn_jtext(s.ptr, s.len);
    return HN_OK;
}

static hn_err f_escape(hn_jrun *r, in_t *in, args_t *a, hn_jval *out)
{
    static const char from[] = "&<>'\"";
    static const char *const to[] = { "&amp;", "&lt;", "&gt;", "&#39;", "&#34;" };
    hn_text s;
    hn_buf b = { .cx = r->cx };
    (void)a;
    HN_TRY(hn_jas_text(r, in, &s));
    for (size_t i = 0; i < s.len; i++) {
        const char *special = s.ptr[i] ? strchr(from, s.ptr[i]) : NULL;
        if (special)
            hn_buf_text(&b, to[special - from]);
        else
            hn_buf_add(&b, s.ptr + i, 1);
    }
    hn_err e = hn_jcopy(r, &b, out);
    hn_buf_free(&b);
    return e;
}

/* Lines after the first move right; empty ones stay, unless `blank`. */
static hn_err f_indent(hn_jrun *r, in_t *in, args_t *a, hn_jval *out)
{
    hn_jval width = hn_jint(4);
    hn_text s, margin;
    hn_buf b = { .cx = r->cx };
    HN_TRY(hn_jas_text(r, in, &s));
    hn_jarg(a, 0, "width", &width);
    if (width.kind == J_INT) {
        hn_jval space = hn_jtext(" ", 1);
        HN_TRY(hn_jbinary(r, JX_MUL, &space, &width, &width));
    }
    HN_TRY(hn_jas_text(r, &width, &margin));
    bool first = flag(a, 1, "first", false), blank = flag(a, 2, "blank", false);
    if (first)
        hn_buf_add(&b, margin.ptr, margin.len);
    for (size_t i = 0; i < s.len && !b.failed; i++) {
        hn_buf_add(&b, s.ptr + i, 1);
        if (s.ptr[i] == '\n' && (blank || (i + 1 < s.len && s.ptr[i + 1] != '\n')))
            hn_buf_add(&b, margin.ptr, margin.len);
        if (b.len > r->output_max)
            b.failed = true;
    }
    hn_err e = hn_jcopy(r, &b, out);
    hn_buf_free(&b);
    return e;
}

static hn_err f_join(hn_jrun *r, in_t *in, args_t *a, hn_jval *out)
{
    hn_jval list, sep = hn_jtext("", 0), by;
    hn_buf b = { .cx = r->cx };
    hn_text s;
    HN_TRY(hn_jitems(r, in, &list));
    hn_jarg(a, 0, "d", &sep);
    HN_TRY(hn_jas_text(r, &sep, &s));
    bool has_by = hn_jarg(a, 1, "attribute", &by);
    hn_err e = HN_OK;
    for (size_t i = 0; i < list.list->count && !e; i++) {
        hn_jval v = list.list->item[i];
        if (i)
            hn_buf_add(&b, s.ptr, s.len);
        e = has_by ? attribute(r, v, &by, &v) : HN_OK;
        e = e ? e : hn_jprint(r, &v, &b);
        if (!e && b.len > r->output_max)
            e = hn_jfail(r, HN_ELIMIT, "join: more than %zu bytes", r->output_max);
    }
    e = e ? e : hn_jcopy(r, &b, out);
    hn_buf_free(&b);
    return e;
}

static hn_err f_tojson(hn_jrun *r, in_t *in, args_t *a, hn_jval *out)
{
    hn_json_style style = { .indent = -1, .item_sep = { ", ", 2 }, .key_sep = { ": ", 2 } };
    hn_jval v;
    if (hn_jarg(a, 0, "indent", &v) && v.kind == J_INT) {
        style.indent = v.i < 0 ? 0 : v.i > 64 ? 64 : (int)v.i;
        style.item_sep.len = 1;
    }
    if (hn_jarg(a, SIZE_MAX, "separators", &v) && v.kind == J_LIST && v.list->count == 2
        && v.list->item[0].kind == J_TEXT && v.list->item[1].kind == J_TEXT) {
        style.item_sep = v.list->item[0].s;
        style.key_sep = v.list->item[1].s;
    }
    style.ascii = flag(a, SIZE_MAX, "ensure_ascii", false);
    style.sort = flag(a, SIZE_MAX, "sort_keys", false);
    hn_buf b = { .cx = r->cx };
    hn_err e = hn_jdump(r, in, &style, &b);
    e = e ? e : hn_jcopy(r, &b, out);
    hn_buf_free(&b);
    return e;
}

static hn_err f_wordcount(hn_jrun *r, in_t *in, args_t *a, hn_jval *out)
{
    hn_text s;
    int64_t n = 0;
    (void)a;
    HN_TRY(hn_jas_text(r, in, &s));
    for (;; n++) {
        s = hn_jtext_strip(s, NULL, true, false);
        size_t i = 0;
        while (i < s.len && (uint8_t)s.ptr[i] > ' ')
            i++;
        if (s.len == 0)
            break;
        s = (hn_text){ s.ptr + hn_max(i, 1), s.len - hn_max(i, 1) };
    }
    *out = hn_jint(n);
    return HN_OK;
}

/* ---- Filters on numbers -------------------------------------------------------------------- */

static hn_err f_abs(hn_jrun *r, in_t *in, args_t *a, hn_jval *out)
{
    hn_jval zero = hn_jint(0);
    (void)a;
    if (in->kind == J_FLOAT) {
        *out = hn_jfloat(fabs(in->f));
        return HN_OK;
    }
    *out = *in;
    return in->kind == J_INT && in->i < 0 ? hn_jbinary(r, JX_SUB, &zero, in, out)
         : in->kind == J_INT || in->kind == J_BOOL ? HN_OK
         : hn_jfail(r, HN_EARG, "abs: expected a number, found %s", hn_jkind_name(in));
}

static bool read_number(in_t *in, double *out)
{
    char s[64], *end;
    if (in->kind == J_TEXT) {
        hn_text t = hn_jtext_strip(in->s, NULL, true, true);
        if (t.len == 0 || t.len >= sizeof s)
            return false;
        memcpy(s, t.ptr, t.len);
        s[t.len] = 0;
        *out = strtod(s, &end);
        return *end == 0 && !strpbrk(s, "xXpP");
    }
    if (in->kind != J_FLOAT && in->kind != J_INT && in->kind != J_BOOL)
        return false;
    *out = in->kind == J_FLOAT ? in->f : in->kind == J_INT ? (double)in->i : in->b;
    return true;
}

static hn_err f_int(hn_jrun *r, in_t *in, args_t *a, hn_jval *out)
{
    double f;
    hn_jval otherwise = hn_jint(0);
    (void)r;
    hn_jarg(a, 0, "default", &otherwise);
    if (in->kind == J_INT) {
        *out = *in;
    } else if (read_number(in, &f) && fabs(f) < 9.2e18) {
        *out = hn_jint((int64_t)f);
    } else {
        *out = otherwise;
    }
    return HN_OK;
}

static hn_err f_float(hn_jrun *r, in_t *in, args_t *a, hn_jval *out)
{
    double f;
    hn_jval otherwise = hn_jfloat(0);
    (void)r;
    hn_jarg(a, 0, "default", &otherwise);
    *out = read_number(in, &f) ? hn_jfloat(f) : otherwise;
    return HN_OK;
}

static hn_err f_round(hn_jrun *r, in_t *in, args_t *a, hn_jval *out)
{
    hn_jval digits = hn_jint(0), how = hn_jtext("common", 6);
    double f;
    hn_jarg(a, 0, "precision", &digits);
    hn_jarg(a, 1, "method", &how);
    if (!read_number(in, &f) || digits.kind != J_INT || llabs(digits.i) > 300 || how.kind != J_TEXT)
        return hn_jfail(r, HN_EARG, "round: expected a number and a number of digits");
    double scale = pow(10, (double)digits.i), x = f * scale;
    x = hn_jis(how.s, "ceil") ? ceil(x) : hn_jis(how.s, "floor") ? floor(x) : rint(x);
    *out = hn_jfloat(x / scale);
    return HN_OK;
}

/* ---- Filters on lists ---------------------------------------------------------------------- */

static hn_err f_length(hn_jrun *r, in_t *in, args_t *a, hn_jval *out)
{
    size_t n;
    (void)a;
    HN_TRY(hn_jlength(r, in, &n));
    *out = hn_jint((int64_t)n);
    return HN_OK;
}

static hn_err pick(hn_jrun *r, in_t *in, bool last, hn_jval *out)
{
    static const hn_text what = { "an item of an empty list", 24 };
    hn_jval list;
    HN_TRY(hn_jitems(r, in, &list));
    size_t n = list.list->count;
    *out = n ? list.list->item[last ? n - 1 : 0] : hn_jundefined(what);
    return HN_OK;
}

static hn_err f_first(hn_jrun *r, in_t *in, args_t *a, hn_jval *out) { (void)a; return pick(r, in, false, out); }
static hn_err f_last(hn_jrun *r, in_t *in, args_t *a, hn_jval *out) { (void)a; return pick(r, in, true, out); }

static hn_err f_list(hn_jrun *r, in_t *in, args_t *a, hn_jval *out)
{
    (void)a;
    HN_TRY(hn_jitems(r, in, out));
    out->tuple = false;
    return HN_OK;
}

static hn_err f_reverse(hn_jrun *r, in_t *in, args_t *a, hn_jval *out)
{
    hn_jval list, sep = { .kind = J_NONE };
    (void)a;
    HN_TRY(hn_jitems(r, in, &list));
    HN_TRY(hn_jlist_new(r, list.list->count, out));
    for (size_t i = list.list->count; i-- > 0;)
        HN_TRY(hn_jlist_add(r, *out, list.list->item[i]));
    (void)sep;
    return in->kind == J_TEXT ? f_join(r, out, &(hn_jargs){ 0 }, out) : HN_OK;
}

static hn_err f_sum(hn_jrun *r, in_t *in, args_t *a, hn_jval *out)
{
    hn_jval list, by, total = hn_jint(0);
    HN_TRY(hn_jitems(r, in, &list));
    bool has_by = hn_jarg(a, 0, "attribute", &by) && by.kind != J_NONE;
    hn_jarg(a, 1, "start", &total);
    for (size_t i = 0; i < list.list->count; i++) {
        hn_jval v = list.list->item[i];
        if (has_by)
            HN_TRY(attribute(r, v, &by, &v));
        HN_TRY(hn_jbinary(r, JX_ADD, &total, &v, &total));
    }
    *out = total;
    return HN_OK;
}

/* A key to sort or compare by: the attribute, in small letters unless case counts. */
static hn_err sort_key(hn_jrun *r, hn_jval v, const hn_jval *by, bool with_case, hn_jval *out)
{
    if (by)
        HN_TRY(attribute(r, v, by, &v));
    *out = v;
    return v.kind == J_TEXT && !with_case ? hn_jtext_case(r, v.s, 'l', out) : HN_OK;
}

/* Merge sort: stable, as Python's is, and its order function may fail. */
static hn_err merge_sort(hn_jrun *r, hn_jpair *p, hn_jpair *room, size_t n, int sign)
{
    for (size_t width = 1; width < n; width *= 2) {
        for (size_t at = 0; at < n; at += 2 * width) {
            size_t mid = hn_min(at + width, n), end = hn_min(at + 2 * width, n), i = at, k = mid;
            for (size_t to = at; to < end; to++) {
                int order = -1;
                if (i < mid && k < end)
                    HN_TRY(hn_jorder(r, &p[i].key, &p[k].key, &order));
                bool left = i < mid && (k == end || order * sign <= 0);
                room[to] = p[left ? i++ : k++];
            }
        }
        HN_TRY(hn_jsteps(r, n));
        memcpy(p, room, n * sizeof *p);
    }
    return HN_OK;
}

static hn_err sorted(hn_jrun *r, const hn_jlist *from, const hn_jval *by, bool with_case, bool reverse, hn_jval *out)
{
    size_t n = from->count;
    hn_jpair *p = HN_NEW(r->a, hn_jpair, 2 * n + 1);
    if (!p)
        return hn_jnomem(r);
    for (size_t i = 0; i < n; i++) {
        p[i].value = from->item[i];
        HN_TRY(sort_key(r, from->item[i], by, with_case, &p[i].key));
    }
    HN_TRY(merge_sort(r, p, p + n, n, reverse ? -1 : 1));
    HN_TRY(hn_jlist_new(r, n, out));
    for (size_t i = 0; i < n; i++)
        HN_TRY(hn_jlist_add(r, *out, p[i].value));
    return HN_OK;
}

static hn_err f_sort(hn_jrun *r, in_t *in, args_t *a, hn_jval *out)
{
    hn_jval list, by;
    HN_TRY(hn_jitems(r, in, &list));
    bool has_by = hn_jarg(a, 2, "attribute", &by) && by.kind != J_NONE;
    return sorted(r, list.list, has_by ? &by : NULL, flag(a, 1, "case_sensitive", false), flag(a, 0, "reverse", false), out);
}

static hn_err pairs_of(hn_jrun *r, in_t *in, const char *what, hn_jval *out)
{
    HN_TRY(hn_jlist_new(r, 0, out));
    if (in->kind == J_UNDEFINED)
        return HN_OK;
    if (in->kind != J_DICT)
        return hn_jfail(r, HN_EARG, "%s: expected a mapping, found %s", what, hn_jkind_name(in));
    for (size_t i = 0; i < in->dict->count; i++) {
        hn_jval pair;
        HN_TRY(hn_jlist_new(r, 2, &pair));
        pair.tuple = true;
        HN_TRY(hn_jlist_add(r, pair, in->dict->pair[i].key));
        HN_TRY(hn_jlist_add(r, pair, in->dict->pair[i].value));
        HN_TRY(hn_jlist_add(r, *out, pair));
    }
    return HN_OK;
}

static hn_err f_items(hn_jrun *r, in_t *in, args_t *a, hn_jval *out) { (void)a; return pairs_of(r, in, "items", out); }

static hn_err f_dictsort(hn_jrun *r, in_t *in, args_t *a, hn_jval *out)
{
    hn_jval list, by = hn_jtext("key", 3);
    HN_TRY(pairs_of(r, in, "dictsort", &list));
    hn_jarg(a, 1, "by", &by);
    hn_jval index = hn_jint(by.kind == J_TEXT && hn_jis(by.s, "value"));
    return sorted(r, list.list, &index, flag(a, 0, "case_sensitive", false), flag(a, 2, "reverse", false), out);
}

static hn_err f_unique(hn_jrun *r, in_t *in, args_t *a, hn_jval *out)
{
    hn_jval list, seen, by, key;
    bool with_case = flag(a, 0, "case_sensitive", false), has_by = hn_jarg(a, 1, "attribute", &by) && by.kind != J_NONE;
    HN_TRY(hn_jitems(r, in, &list));
    HN_TRY(hn_jlist_new(r, 0, out));
    HN_TRY(hn_jlist_new(r, 0, &seen));
    for (size_t i = 0; i < list.list->count; i++) {
        bool known;
        HN_TRY(sort_key(r, list.list->item[i], has_by ? &by : NULL, with_case, &key));
        HN_TRY(hn_jcontains(r, &seen, &key, &known));
        if (known)
            continue;
        HN_TRY(hn_jlist_add(r, seen, key));
        HN_TRY(hn_jlist_add(r, *out, list.list->item[i]));
    }
    return HN_OK;
}

static hn_err extreme(hn_jrun *r, in_t *in, args_t *a, int sign, hn_jval *out)
{
    hn_jval by;
    bool has_by = hn_jarg(a, 1, "attribute", &by) && by.kind != J_NONE;
    hn_jval list, best = { .kind = J_NONE }, key;
    HN_TRY(hn_jitems(r, in, &list));
    HN_TRY(pick(r, &list, false, out));
    for (size_t i = 0; i < list.list->count; i++) {
        int order = -1;
        HN_TRY(sort_key(r, list.list->item[i], has_by ? &by : NULL, flag(a, 0, "case_sensitive", false), &key));
        if (i)
            HN_TRY(hn_jorder(r, &key, &best, &order));
        if (i && order * sign >= 0)
            continue;
        best = key;
        *out = list.list->item[i];
    }
    return hn_jsteps(r, list.list->count);
}

static hn_err f_min(hn_jrun *r, in_t *in, args_t *a, hn_jval *out) { return extreme(r, in, a, 1, out); }
static hn_err f_max(hn_jrun *r, in_t *in, args_t *a, hn_jval *out) { return extreme(r, in, a, -1, out); }

static hn_err f_batch(hn_jrun *r, in_t *in, args_t *a, hn_jval *out)
{
    hn_jval list, size, fill, part = { .kind = J_NONE };
    HN_TRY(hn_jitems(r, in, &list));
    if (!hn_jarg(a, 0, "linecount", &size) || size.kind != J_INT || size.i < 1)
        return hn_jfail(r, HN_EARG, "batch: expected a size of at least 1");
    bool has_fill = hn_jarg(a, 1, "fill_with", &fill) && fill.kind != J_NONE;
    HN_TRY(hn_jlist_new(r, 0, out));
    for (size_t i = 0; i < list.list->count; i++) {
        if (i % (uint64_t)size.i == 0) {
            HN_TRY(hn_jlist_new(r, 0, &part));
            HN_TRY(hn_jlist_add(r, *out, part));
        }
        HN_TRY(hn_jlist_add(r, part, list.list->item[i]));
    }
    while (has_fill && part.kind == J_LIST && part.list->count < (uint64_t)size.i)
        HN_TRY(hn_jlist_add(r, part, fill));
    return HN_OK;
}

static hn_err f_map(hn_jrun *r, in_t *in, args_t *a, hn_jval *out)
{
    hn_jval list, by, v, otherwise;
    HN_TRY(hn_jitems(r, in, &list));
    HN_TRY(hn_jlist_new(r, list.list->count, out));
    bool attr = hn_jarg(a, SIZE_MAX, "attribute", &by), has_default = hn_jarg(a, SIZE_MAX, "default", &otherwise);
    if (!attr && (!hn_jarg(a, 0, NULL, &by) || by.kind != J_TEXT || !hn_jhas_filter(by.s)))
        return hn_jfail(r, HN_EARG, "map: expected attribute= or the name of a filter");
    hn_jargs rest = { a->pos + !attr, a->count - !attr, a->named, a->named_count };
    for (size_t i = 0; i < list.list->count; i++) {
        if (attr)
            HN_TRY(attribute(r, list.list->item[i], &by, &v));
        else
            HN_TRY(hn_jfilter(r, by.s, &list.list->item[i], &rest, &v));
        HN_TRY(hn_jlist_add(r, *out, v.kind == J_UNDEFINED && has_default ? otherwise : v));
    }
    return HN_OK;
}

/* select, reject, and the two that look at an attribute: keep what the test says `want` of. */
static hn_err sift(hn_jrun *r, in_t *in, args_t *a, bool attr, bool want, hn_jval *out)
{
    hn_jval list, by = { .kind = J_NONE }, test, v;
    size_t used = attr;
    HN_TRY(hn_jitems(r, in, &list));
    HN_TRY(hn_jlist_new(r, 0, out));
    if (attr && !hn_jarg(a, 0, NULL, &by))
        return hn_jfail(r, HN_EARG, "selectattr: expected an attribute");
    bool has_test = hn_jarg(a, used, NULL, &test);
    if (has_test && (test.kind != J_TEXT || !hn_jhas_test(test.s)))
        return hn_jfail(r, HN_EARG, "select: expected the name of a test");
    used += has_test;
    hn_jargs rest = { a->pos + used, a->count - used, a->named, a->named_count };
    for (size_t i = 0; i < list.list->count; i++) {
        bool yes;
        v = list.list->item[i];
        if (attr)
            HN_TRY(attribute(r, v, &by, &v));
        yes = hn_jtruth(&v);
        if (has_test)
            HN_TRY(hn_jtest(r, test.s, &v, &rest, &yes));
        if (yes == want)
            HN_TRY(hn_jlist_add(r, *out, list.list->item[i]));
    }
    return HN_OK;
}

static hn_err f_select(hn_jrun *r, in_t *in, args_t *a, hn_jval *out) { return sift(r, in, a, false, true, out); }
static hn_err f_reject(hn_jrun *r, in_t *in, args_t *a, hn_jval *out) { return sift(r, in, a, false, false, out); }
static hn_err f_selectattr(hn_jrun *r, in_t *in, args_t *a, hn_jval *out) { return sift(r, in, a, true, true, out); }
static hn_err f_rejectattr(hn_jrun *r, in_t *in, args_t *a, hn_jval *out) { return sift(r, in, a, true, false, out); }

static hn_err f_default(hn_jrun *r, in_t *in, args_t *a, hn_jval *out)
{
    hn_jval otherwise = hn_jtext("", 0);
    (void)r;
    hn_jarg(a, 0, "default_value", &otherwise);
    bool missing = in->kind == J_UNDEFINED || (flag(a, 1, "boolean", false) && !hn_jtruth(in));
    *out = missing ? otherwise : *in;
    return HN_OK;
}

static hn_err f_attr(hn_jrun *r, in_t *in, args_t *a, hn_jval *out)
{
    hn_jval key;
    if (!hn_jarg(a, 0, "name", &key))
        return hn_jfail(r, HN_EARG, "attr: expected a name");
    return hn_jattr(r, in, &key, out);
}

static hn_err f_safe(hn_jrun *r, in_t *in, args_t *a, hn_jval *out) { (void)r; (void)a; *out = *in; return HN_OK; }

static const struct filter { const char *name; hn_err (*run)(hn_jrun *, in_t *, args_t *, hn_jval *); } filters[] = {
    { "abs", f_abs }, { "attr", f_attr }, { "batch", f_batch }, { "capitalize", f_capitalize }, { "count", f_length },
    { "d", f_default }, { "default", f_default }, { "dictsort", f_dictsort }, { "e", f_escape }, { "escape", f_escape },
    { "first", f_first }, { "float", f_float }, { "forceescape", f_escape }, { "indent", f_indent }, { "int", f_int },
    { "items", f_items }, { "join", f_join }, { "last", f_last }, { "length", f_length }, { "list", f_list },
    { "lower", f_lower }, { "map", f_map }, { "max", f_max }, { "min", f_min }, { "reject", f_reject },
    { "rejectattr", f_rejectattr }, { "replace", f_replace }, { "reverse", f_reverse }, { "round", f_round },
    { "safe", f_safe }, { "select", f_select }, { "selectattr", f_selectattr }, { "sort", f_sort }, { "string", f_string },
    { "sum", f_sum }, { "title", f_title }, { "tojson", f_tojson }, { "trim", f_trim }, { "unique", f_unique },
    { "upper", f_upper }, { "wordcount", f_wordcount },
};

static const struct filter *find_filter(hn_text name)
{
    for (size_t i = 0; i < sizeof filters / sizeof *filters; i++)
        if (hn_jis(name, filters[i].name))
            return &filters[i];
    return NULL;
}

bool hn_jhas_filter(hn_text name) { return find_filter(name) != NULL; }

hn_err hn_jfilter(hn_jrun *r, hn_text name, const hn_jval *in, const hn_jargs *args, hn_jval *out)
{
    hn_jval result;
    HN_TRY(find_filter(name)->run(r, in, args, &result));        /* the parser, or map, has looked */
    *out = result;
    return HN_OK;
}
