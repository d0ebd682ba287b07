/* SPDX-License-Identifier: Apache-2.0 */
/* npy.c: a magic, a version, the length of a header, the header, the data.
 *
 * The header is a Python dict as text: {'descr': '<f4', 'fortran_order': False, 'shape': (3, 4), }.
 * It is read by a small parser for just such a dict; nothing is ever evaluated or unpickled. */
#include "formats/npy.h"

#include <string.h>

#include "base/num.h"

enum { MAGIC_LEN = 6, ALIGN = 64, TEXT_MAX = 1 << 20 };

static const char magic[MAGIC_LEN + 1] = "\x93NUMPY";

/* NumPy's name of a type: kind and bytes per element. */
static const struct { hn_dtype type; char kind; uint8_t bytes; } types[] = {
    { HN_BOOL, 'b', 1 }, { HN_I8, 'i', 1 }, { HN_I16, 'i', 2 }, { HN_I32, 'i', 4 }, { HN_I64, 'i', 8 },
    { HN_U8, 'u', 1 }, { HN_U16, 'u', 2 }, { HN_U32, 'u', 4 }, { HN_U64, 'u', 8 },
    { HN_F16, 'f', 2 }, { HN_F32, 'f', 4 }, { HN_F64, 'f', 8 }, { HN_C64, 'c', 8 }, { HN_C128, 'c', 16 },
};

typedef struct header {
    char order, kind;             /* '<', '>', '|'; 'f', 'U', ... */
    size_t width;                 /* as written: bytes, characters for 'U' */
    bool fortran, has_descr, has_order, has_shape;
    hn_shape shape;
} header;

/* ---- The header ------------------------------------------------------------------------ */

typedef struct text { const char *at, *end; } text;

static void skip_space(text *t)
{
    while (t->at < t->end && (*t->at == ' ' || *t->at == '\n' || *t->at == '\t'))
        t->at++;
}

static bool take(text *t, const char *word)
{
    size_t len = strlen(word);
    skip_space(t);
    if ((size_t)(t->end - t->at) < len || memcmp(t->at, word, len) != 0)
        return false;
    t->at += len;
    return true;
}

static bool take_number(text *t, size_t *out)
{
    size_t v = 0;
    skip_space(t);
    const char *from = t->at;
    while (t->at < t->end && *t->at >= '0' && *t->at <= '9')
        v = hn_add(hn_mul(v, 10), (size_t)(*t->at++ - '0'));
    *out = v;
    return t->at > from && v <= SIZE_MAX / 2;       /* saturated or not, no dimension of ours */
}

/* A quoted text without escapes. */
static bool take_quoted(text *t, hn_text *out)
{
    skip_space(t);
    if (t->at == t->end || (*t->at != '\'' && *t->at != '"'))
        return false;
    const char *from = t->at + 1, *to = memchr(from, *t->at, (size_t)(t->end - from));
    if (!to)
        return false;
    *out = (hn_text){ from, (size_t)(to - from) };
    t->at = to + 1;
    return true;
}

static hn_err read_descr(hn_ctx *cx, text *t, header *h)
{
    hn_text d;
    skip_space(t);
    if (t->at < t->end && *t->at == '[')
        return hn_fail(cx, HN_EUNSUP, "npy: an array of records; save each field by itself");
    if (!take_quoted(t, &d) || d.len < 2)
        return hn_fail(cx, HN_EFORMAT, "npy: expected a type such as '<f4' as descr");
    text in = { d.ptr, d.ptr + d.len };
    h->order = strchr("<>|=", *in.at) ? *in.at++ : '|';
    h->kind = *in.at++;
    if (h->kind == 'O')
        return hn_fail(cx, HN_EUNSUP, "npy: Python objects, which Hone never unpickles; save numbers or texts");
    if (h->kind == 'V')
        return hn_fail(cx, HN_EUNSUP, "npy: raw bytes '%.*s', which is how NumPy saves bf16 and 8-bit floats without "
                       "their name; save as float32", (int)hn_min(d.len, 16), d.ptr);
    if (!take_number(&in, &h->width) || in.at != in.end)
        return hn_fail(cx, HN_EUNSUP, "npy: element type '%.*s'", (int)hn_min(d.len, 16), d.ptr);
    h->has_descr = true;
    return HN_OK;
}

static hn_err read_shape(hn_ctx *cx, text *t, header *h)
{
    size_t d;
    if (!take(t, "("))
        return hn_fail(cx, HN_EFORMAT, "npy: expected a shape in parentheses");
    while (!take(t, ")")) {
        if (!take_number(t, &d))
            return hn_fail(cx, HN_EFORMAT, "npy: expected whole numbers in the shape");
        if (h->shape.rank == HN_RANK_MAX)
            return hn_fail(cx, HN_EUNSUP, "npy: more than %d dimensions", HN_RANK_MAX);
        h->shape.dim[h->shape.rank++] = (int64_t)d;
        take(t, "L");                           /* Python 2 wrote 3L */
        if (!take(t, ",") && (t->at == t->end || *t->at != ')'))
            return hn_fail(cx, HN_EFORMAT, "npy: expected a comma or the end of the shape");
    }
    h->has_shape = true;
    return HN_OK;
}

static hn_err read_header(hn_ctx *cx, text t, header *h)
{
    hn_text key;
    *h = (header){ 0 };
    if (!take(&t, "{"))
        return hn_fail(cx, HN_EFORMAT, "npy: expected a dict as header");
    while (!take(&t, "}")) {
        if (!take_quoted(&t, &key) || !take(&t, ":"))
            return hn_fail(cx, HN_EFORMAT, "npy: the header is damaged");
        if (key.len == 5 && memcmp(key.ptr, "descr", 5) == 0 && !h->has_descr) {
            HN_TRY(read_descr(cx, &t, h));
        } else if (key.len == 5 && memcmp(key.ptr, "shape", 5) == 0 && !h->has_shape) {
            HN_TRY(read_shape(cx, &t, h));
        } else if (key.len == 13 && memcmp(key.ptr, "fortran_order", 13) == 0) {
            h->fortran = take(&t, "True");
            h->has_order = h->fortran || take(&t, "False");
        } else {
            return hn_fail(cx, HN_EFORMAT, "npy: the header has an unknown or repeated key '%.*s'",
                           (int)hn_min(key.len, 40), key.ptr);
        }
        take(&t, ",");
    }
    if (!h->has_descr || !h->has_shape || !h->has_order)
        return hn_fail(cx, HN_EFORMAT, "npy: the header lacks descr, shape or fortran_order");
    return HN_OK;
}

/* ---- The data -------------------------------------------------------------------------- */

/* Element i of the rows-first array is which of the columns-first one? */
typedef struct walk { const hn_shape *s; size_t step[HN_RANK_MAX], index[HN_RANK_MAX], at; } walk;

static void walk_start(walk *w, const hn_shape *s)
{
    size_t step = 1;
    *w = (walk){ .s = s };
    for (int i = 0; i < s->rank; i++) {
        w->step[i] = step;
        step *= (size_t)s->dim[i];
    }
}

static void walk_on(walk *w)
{
    for (int i = w->s->rank - 1; i >= 0; i--) {
        w->at += w->step[i];
        if (++w->index[i] < (size_t)w->s->dim[i])
            return;
        w->at -= w->step[i] * w->index[i];
        w->index[i] = 0;
    }
}

/* unit: bytes that a change of endianness turns around, half of a complex number. */
static void copy_element(uint8_t *to, const uint8_t *from, size_t bytes, size_t unit, bool turn)
{
    for (size_t i = 0; i < bytes; i++)
        to[i] = from[turn ? i / unit * unit + (unit - 1 - i % unit) : i];
}

/* One code point as UTF-8; what cannot be one becomes U+FFFD. */
static size_t put_utf8(uint32_t c, char *out)
{
    if (c > 0x10FFFF || (c >= 0xD800 && c < 0xE000))
        c = 0xFFFD;
    if (c < 0x80)
        return out[0] = (char)c, 1;
    if (c < 0x800)
        return out[0] = (char)(0xC0 | c >> 6), out[1] = (char)(0x80 | (c & 63)), 2;
    size_t n = 0;
    out[n++] = (char)(c < 0x10000 ? 0xE0 | c >> 12 : 0xF0 | c >> 18);
    if (c >= 0x10000)
        out[n++] = (char)(0x80 | (c >> 12 & 63));
    out[n++] = (char)(0x80 | (c >> 6 & 63));
    out[n++] = (char)(0x80 | (c & 63));
    return n;
}

/* A text of fixed width, zeros behind it: bytes for 'S', UCS-4 for 'U'. */
static bool read_text(const header *h, const uint8_t *from, hn_arena *a, hn_text *out)
{
    size_t len = h->width, used = 0;
    if (h->kind == 'S') {
        while (len > 0 && !from[len - 1])
            len--;
        *out = (hn_text){ (const char *)from, len };
        return true;
    }
    char *p = hn_arena_get(a, hn_mul(len, 4), 1);
    for (size_t i = 0; i < len && p; i++) {
        uint32_t c = 0;
        for (unsigned b = 0; b < 4; b++)
            c |= (uint32_t)from[4 * i + b] << 8 * (h->order == '>' ? 3 - b : b);
        used += put_utf8(c, p + used);
    }
    while (p && used > 0 && !p[used - 1])
        used--;
    *out = (hn_text){ p, used };
    return p != NULL;
}

static hn_err type_of(hn_ctx *cx, const header *h, hn_dtype *type, size_t *bytes)
{
    if (h->kind == 'S' || h->kind == 'U') {
        if (h->width > TEXT_MAX)
            return hn_fail(cx, HN_ELIMIT, "npy: texts of %zu characters, over the limit of %d", h->width, TEXT_MAX);
        *type = HN_STR;
        *bytes = h->kind == 'U' ? 4 * h->width : h->width;
        return HN_OK;
    }
    for (size_t i = 0; i < sizeof types / sizeof types[0]; i++)
        if (types[i].kind == h->kind && types[i].bytes == h->width) {
            *type = types[i].type;
            *bytes = h->width;
            return HN_OK;
        }
    return hn_fail(cx, HN_EUNSUP, "npy: element type '%c%zu'", h->kind, h->width);
}

static hn_err read_data(hn_ctx *cx, const header *h, const uint8_t *data, size_t len, hn_arena *a, hn_tensor *out)
{
    hn_tensor t = { .shape = h->shape };
    size_t bytes = 0;
    HN_TRY(type_of(cx, h, &t.dtype, &bytes));
    size_t count = hn_count(&t), need = hn_mul(count, bytes);
    if (need != len || hn_bytes(&t) > SIZE_MAX / 2 || (bytes == 0 && count > len + TEXT_MAX))
        return hn_fail(cx, HN_EFORMAT, "npy: the header promises %zu bytes of data, the file has %zu", need, len);

    size_t unit = t.dtype == HN_STR ? 1 : h->kind == 'c' ? bytes / 2 : bytes;
    bool turn = h->order == '>' && unit > 1;
    bool columns = h->fortran && h->shape.rank > 1;
    if (len && !turn && !columns && t.dtype != HN_STR && (uintptr_t)data % unit == 0) {
        t.data = (void *)(uintptr_t)data;          /* read-only, as the header of this file says */
        *out = t;
        return HN_OK;
    }
    const hn_env *env = cx ? cx->env : NULL;
    if (env && env->tensor_bytes_max && hn_bytes(&t) > env->tensor_bytes_max)
        return hn_fail(cx, HN_ELIMIT, "npy: %zu bytes, over the limit of %zu for one tensor", hn_bytes(&t),
                       env->tensor_bytes_max);
    t.data = hn_arena_get(a, hn_max(hn_bytes(&t), 1), 64);
    if (!t.data)
        return hn_nomem(cx, "a tensor");
    walk w;
    walk_start(&w, &h->shape);
    for (size_t i = 0; i < count; i++) {
        const uint8_t *from = data + (columns ? w.at : i) * bytes;
        if (t.dtype != HN_STR)
            copy_element((uint8_t *)t.data + i * bytes, from, bytes, unit, turn);
        else if (!read_text(h, from, a, (hn_text *)t.data + i))
            return hn_nomem(cx, "a tensor's texts");
        if (columns)
            walk_on(&w);
    }
    *out = t;
    return HN_OK;
}

bool hn_npy_probe(const void *data, size_t len) { return len >= MAGIC_LEN && memcmp(data, magic, MAGIC_LEN) == 0; }

hn_err hn_npy_read(hn_ctx *cx, const void *data, size_t len, hn_arena *a, hn_tensor *out)
{
    const uint8_t *p = data;
    header h;
    if (!hn_npy_probe(data, len) || len < MAGIC_LEN + 4)
        return hn_fail(cx, HN_EFORMAT, "npy: expected a NumPy file, found no magic");
    unsigned major = p[MAGIC_LEN];
    if (major < 1 || major > 3)
        return hn_fail(cx, HN_EUNSUP, "npy: version %u, Hone reads 1 to 3", major);
    size_t at = MAGIC_LEN + 2, size = p[at] | (size_t)p[at + 1] << 8;
    at += 2;
    if (major > 1) {
        if (len < at + 2)
            return hn_fail(cx, HN_EFORMAT, "npy: the file ends inside its header");
        size |= (size_t)p[at] << 16 | (size_t)p[at + 1] << 24;
        at += 2;
    }
    if (size > len - at)
        return hn_fail(cx, HN_EFORMAT, "npy: a header of %zu bytes, the file has %zu", size, len - at);
    HN_TRY(read_header(cx, (text){ (const char *)p + at, (const char *)p + at + size }, &h));
    return read_data(cx, &h, p + at + size, len - at - size, a, out);
}

/* ---- Writing --------------------------------------------------------------------------- */

/* The next code point of UTF-8 text; a byte that starts none stands for itself as U+FFFD. */
static uint32_t next_code(const hn_text *t, size_t *at)
{
    const uint8_t *p = (const uint8_t *)t->ptr;
    uint8_t c = p[(*at)++];
    unsigned more = c >= 0xF0 && c < 0xF8 ? 3 : c >= 0xE0 ? 2 : c >= 0xC0 ? 1 : 0;
    if (c < 0x80)
        return c;
    if (c < 0xC0 || c >= 0xF8 || t->len - *at < more)
        return 0xFFFD;
    uint32_t v = c & (0x3Fu >> more);
    for (unsigned i = 0; i < more; i++)
        if ((p[*at + i] & 0xC0) != 0x80)
            return 0xFFFD;
        else
            v = v << 6 | (p[*at + i] & 0x3F);
    *at += more;
    return v;
}

static size_t text_width(const hn_tensor *t)
{
    size_t widest = 1;
    for (size_t i = 0; i < hn_count(t); i++) {
        const hn_text *s = (const hn_text *)t->data + i;
        size_t n = 0;
        for (size_t at = 0; at < s->len; n++)
            next_code(s, &at);
        widest = hn_max(widest, n);
    }
    return widest;
}

static void write_texts(const hn_tensor *t, size_t width, hn_buf *out)
{
    for (size_t i = 0; i < hn_count(t); i++) {
        const hn_text *s = (const hn_text *)t->data + i;
        size_t at = 0;
        for (size_t n = 0; n < width; n++) {
            uint32_t c = at < s->len ? next_code(s, &at) : 0;
            const uint8_t le[4] = { (uint8_t)c, (uint8_t)(c >> 8), (uint8_t)(c >> 16), (uint8_t)(c >> 24) };
            hn_buf_add(out, le, sizeof le);
        }
    }
}

static bool name_type(const hn_tensor *t, char *kind, size_t *width)
{
    if (t->dtype == HN_STR) {
        *kind = 'U';
        *width = text_width(t);
        return true;
    }
    for (size_t i = 0; i < sizeof types / sizeof types[0]; i++)
        if (types[i].type == t->dtype) {
            *kind = types[i].kind;
            *width = types[i].bytes;
            return true;
        }
    return false;
}

hn_err hn_npy_write(hn_ctx *cx, const hn_tensor *t, hn_buf *out)
{
    hn_buf head = { .cx = cx };
    char kind;
    size_t width;
    if (!name_type(t, &kind, &width))
        return hn_fail(cx, HN_EUNSUP, "npy: NumPy has no type for %s; convert to f32 first", hn_dtype_name(t->dtype));
    hn_buf_printf(&head, "{'descr': '%c%c%zu', 'fortran_order': False, 'shape': (", width == 1 && kind != 'U' ? '|' : '<',
                  kind, width);
    for (int i = 0; i < t->shape.rank; i++)
        hn_buf_printf(&head, "%s%lld", i ? ", " : "", (long long)t->shape.dim[i]);
    hn_buf_text(&head, t->shape.rank == 1 ? ",), }" : "), }");

    /* Spaces and a newline bring the data to a multiple of 64. */
    size_t total = hn_round_up(MAGIC_LEN + 4 + head.len + 1, ALIGN), size = total - MAGIC_LEN - 4;
    while (!head.failed && head.len < size - 1)
        hn_buf_text(&head, " ");
    hn_buf_text(&head, "\n");
    const uint8_t lead[4] = { 1, 0, (uint8_t)size, (uint8_t)(size >> 8) };
    hn_buf_add(out, magic, MAGIC_LEN);
    hn_buf_add(out, lead, sizeof lead);
    hn_buf_add(out, head.data, head.len);
    hn_err e = hn_buf_ok(&head, "an npy header");
    hn_buf_free(&head);
    if (e)
        return e;
    if (t->dtype == HN_STR)
        write_texts(t, width, out);
    else
        hn_buf_add(out, t->data, hn_bytes(t));
    return hn_buf_ok(out, "an npy file");
}
