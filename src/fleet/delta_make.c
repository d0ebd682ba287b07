/* SPDX-License-Identifier: Apache-2.0 */
/* delta_make.c: the publisher's side: three ways to say a difference, of which the smallest is kept. */
#include <stdlib.h>
#include <string.h>
#include <zstd.h>

#include "fleet/delta_impl.h"
#include "fleet/rans.h"

enum { LEVEL = 9, TEXT_LEVEL = 19, WINDOW_LOG = 23, PREFIX_MAX = 4 << 20 };

typedef struct maker {
    hn_ctx *cx;
    hn_file old, fresh;
    hn_buf out;
    uint32_t segments;
    int level;
    size_t last_copy;              /* where the segment before lies in `out` if it is a copy; 0 otherwise */
    uint8_t *plane;                /* HN_DELTA_PIECE */
} maker;

static uint8_t log_of(uint64_t bytes, uint8_t most)
{
    uint8_t log = 10;
    while (log < most && (uint64_t)1 << log < bytes)
        log++;
    return log;
}

/* A segment's head; what it stores is appended behind it, then its size set. */
static size_t begin(maker *m, const hn_segment *s)
{
    uint8_t head[HN_DELTA_SEGMENT];
    size_t at = m->out.len;
    hn_segment_write(s, head);
    hn_buf_add(&m->out, head, sizeof head);
    m->segments++;
    m->last_copy = 0;
    return at;
}

static void end(maker *m, size_t at)
{
    if (!m->out.failed)
        hn_le64_put((uint8_t *)m->out.data + at + 32, m->out.len - at - HN_DELTA_SEGMENT);
}

static void add_copy(maker *m, uint64_t old_at, uint64_t len)
{
    uint8_t *last = m->last_copy && !m->out.failed ? (uint8_t *)m->out.data + m->last_copy : NULL;
    if (last && hn_le64(last + 8) + hn_le64(last + 24) == old_at) {
        len += hn_le64(last + 24);
        hn_le64_put(last + 16, len);
        hn_le64_put(last + 24, len);
        return;
    }
    hn_segment s = { .kind = HN_SEG_COPY, .old_at = old_at, .old_len = len, .new_len = len };
    size_t at = begin(m, &s);
    m->last_copy = at;
}

static hn_err add_zstd(maker *m, const hn_segment *like, const uint8_t *data, int level, bool far)
{
    hn_segment s = *like;
    s.kind = HN_SEG_ZSTD;
    s.window_log = log_of(s.new_len + s.old_len, far ? HN_DELTA_WINDOW_LOG_MAX : WINDOW_LOG);
    size_t bound = ZSTD_compressBound((size_t)s.new_len), at = begin(m, &s);
    ZSTD_CCtx *z = ZSTD_createCCtx();
    char *packed = hn_alloc(m->cx, bound);
    hn_err e = z && packed ? HN_OK : hn_nomem(m->cx, "zstd");
    if (!e) {
        ZSTD_CCtx_setParameter(z, ZSTD_c_compressionLevel, level);
        ZSTD_CCtx_setParameter(z, ZSTD_c_windowLog, s.window_log);
        ZSTD_CCtx_setParameter(z, ZSTD_c_enableLongDistanceMatching, far);
        if (s.old_len)
            ZSTD_CCtx_refPrefix(z, m->old.data + s.old_at, (size_t)s.old_len);
        size_t n = ZSTD_compress2(z, packed, bound, data, (size_t)s.new_len);
        if (ZSTD_isError(n))
            e = hn_fail(m->cx, HN_ENOMEM, "zstd: %s", ZSTD_getErrorName(n));
        else
            hn_buf_add(&m->out, packed, n);
    }
    ZSTD_freeCCtx(z);
    hn_free(m->cx, packed);
    end(m, at);
    return e;
}

/* What is no tensor, with the old file's bytes between the same two tensors at hand. */
static hn_err add_gap(maker *m, uint64_t from, uint64_t to, uint64_t old_from, uint64_t old_to)
{
    uint64_t len = to - from, old_len = old_to > old_from ? old_to - old_from : 0;
    if (len == 0)
        return HN_OK;
    if (old_len == len && memcmp(m->old.data + old_from, m->fresh.data + from, (size_t)len) == 0) {
        add_copy(m, old_from, len);
        return HN_OK;
    }
    hn_segment s = { .old_at = old_len ? old_from : 0, .old_len = old_len < PREFIX_MAX ? old_len : PREFIX_MAX,
                     .new_len = len };
    return add_zstd(m, &s, m->fresh.data + from, len < PREFIX_MAX ? TEXT_LEVEL : m->level, false);
}

static void add_typed(maker *m, const hn_tensor_at *t, const hn_tensor_at *o)
{
    hn_segment s = { .kind = HN_SEG_TYPED, .form = t->form, .head = t->head, .block = t->block, .old_at = o->at,
                     .old_len = t->size, .new_len = t->size };
    const uint8_t *old = m->old.data + o->at, *fresh = m->fresh.data + t->at;
    size_t at = begin(m, &s), most = HN_DELTA_PIECE / hn_form_unit(&s) * hn_form_unit(&s);
    for (uint64_t done = 0; done < t->size;) {
        size_t n = t->size - done < most ? (size_t)(t->size - done) : most, size[4], from = 0;
        hn_form_split(&s, old + done, fresh + done, n, m->plane, size);
        for (size_t i = 0; i < hn_form_planes(s.form); from += size[i++])
            if (size[i])
                hn_plane_pack(&m->out, m->plane + from, size[i]);
        done += n;
    }
    end(m, at);
}

static int by_name(const void *a, const void *b)
{
    const hn_tensor_at *x = a, *y = b;
    int order = strcmp(x->name, y->name);
    return order ? order : x->at < y->at ? -1 : x->at > y->at;
}

/* A tensor of the old file with this name and form, by bisection; names twice in a file are not matched. */
static const hn_tensor_at *partner(const hn_tensor_at *t, const hn_tensor_at *old, size_t count)
{
    size_t lo = 0, hi = count;
    while (lo < hi) {
        size_t mid = lo + (hi - lo) / 2;
        if (strcmp(old[mid].name, t->name) < 0)
            lo = mid + 1;
        else
            hi = mid;
    }
    if (lo == count || strcmp(old[lo].name, t->name) != 0 || (lo + 1 < count && strcmp(old[lo + 1].name, t->name) == 0))
        return NULL;
    const hn_tensor_at *o = &old[lo];
    return o->size == t->size && o->form == t->form && o->head == t->head && o->block == t->block ? o : NULL;
}

static hn_err make_typed(maker *m, hn_arena *a, bool *any)
{
    hn_tensor_at *fresh, *old;
    size_t fresh_count, old_count;
    uint64_t at = 0, old_at = 0;
    HN_TRY(hn_tensor_map(m->cx, &m->fresh, a, &fresh, &fresh_count));
    HN_TRY(hn_tensor_map(m->cx, &m->old, a, &old, &old_count));
    if (old_count > 1)
        qsort(old, old_count, sizeof *old, by_name);
    for (size_t i = 0; i < fresh_count && m->segments < HN_DELTA_SEGMENTS_MAX - 3; i++) {
        const hn_tensor_at *t = &fresh[i], *o = partner(t, old, old_count);
        if (!o)
            continue;
        HN_TRY(add_gap(m, at, t->at, old_at, o->at));
        if (memcmp(m->old.data + o->at, m->fresh.data + t->at, (size_t)t->size) == 0)
            add_copy(m, o->at, t->size);
        else
            add_typed(m, t, o);
        at = t->at + t->size;
        old_at = o->at + o->size;
    }
    *any = at > 0;
    return add_gap(m, at, m->fresh.len, old_at, m->old.len);
}

static void add_head(maker *m, const uint8_t sums[64])
{
    uint8_t head[HN_DELTA_HEAD] = "HDLT\1";
    hn_le64_put(head + 8, m->old.len);
    hn_le64_put(head + 16, m->fresh.len);
    memcpy(head + 24, sums, 64);
    hn_buf_add(&m->out, head, sizeof head);
}

/* Keeps what was just made if it is the smallest so far, and begins anew. */
static void keep_smaller(maker *m, hn_buf *best, const char *name, uint64_t *size, hn_delta_sizes *sizes)
{
    if (!m->out.failed)
        hn_le64_put((uint8_t *)m->out.data + 88, m->segments);
    *size = m->out.len;
    if (!best->data || m->out.len < best->len) {
        hn_buf_free(best);
        *best = m->out;
        sizes->method = name;
    } else {
        hn_buf_free(&m->out);
    }
    m->out = (hn_buf){ .cx = m->cx };
    m->segments = 0;
    m->last_copy = 0;
}

static hn_err make_all(maker *m, const hn_delta_opts *o, hn_arena *a, hn_buf *best, hn_delta_sizes *sizes)
{
    uint64_t prefix_max = o->prefix_bytes_max ? o->prefix_bytes_max : (uint64_t)1 << 30;
    uint8_t sums[64];
    bool any = false;
    HN_TRY(hn_sha256(m->cx, m->old.data, m->old.len, sums));
    HN_TRY(hn_sha256(m->cx, m->fresh.data, m->fresh.len, sums + 32));
    add_head(m, sums);
    HN_TRY(make_typed(m, a, &any));
    HN_TRY(hn_buf_ok(&m->out, "a delta"));
    keep_smaller(m, best, "typed", &sizes->typed, sizes);
    if ((o->typed_only && any) || m->fresh.len == 0)
        return HN_OK;
    hn_segment s = { .new_len = m->fresh.len };
    add_head(m, sums);
    HN_TRY(add_zstd(m, &s, m->fresh.data, m->level, false));
    HN_TRY(hn_buf_ok(&m->out, "a delta"));
    keep_smaller(m, best, "whole", &sizes->whole, sizes);
    if (m->old.len == 0 || m->old.len + (uint64_t)m->fresh.len > prefix_max)
        return HN_OK;
    s.old_len = m->old.len;
    add_head(m, sums);
    HN_TRY(add_zstd(m, &s, m->fresh.data, m->level, true));
    HN_TRY(hn_buf_ok(&m->out, "a delta"));
    keep_smaller(m, best, "prefix", &sizes->prefix, sizes);
    return HN_OK;
}

hn_err hn_delta_make(hn_ctx *cx, const char *old, const char *fresh, const hn_delta_opts *o, hn_buf *out,
                     hn_delta_sizes *sizes)
{
    static const hn_delta_opts usual = { 0 };
    if (!o)
        o = &usual;
    maker m = { .cx = cx, .out.cx = cx, .level = o->level ? o->level : LEVEL, .plane = hn_alloc(cx, HN_DELTA_PIECE) };
    hn_buf best = { .cx = cx };
    hn_arena *a = NULL;
    hn_delta_sizes found = { 0 };
    hn_err e = m.plane ? hn_file_open(cx, old, &m.old) : hn_nomem(cx, "a delta");
    if (!e)
        e = hn_file_open(cx, fresh, &m.fresh);
    if (!e)
        e = hn_arena_new(cx, 0, &a);
    if (!e)
        e = make_all(&m, o, a, &best, &found);
    hn_arena_free(a);
    hn_file_close(&m.old);
    hn_file_close(&m.fresh);
    hn_buf_free(&m.out);
    hn_free(cx, m.plane);
    if (e) {
        hn_buf_free(&best);
        return e;
    }
    found.chosen = best.len;
    *out = best;
    *sizes = found;
    return HN_OK;
}

hn_err hn_delta_make_file(hn_ctx *cx, const char *old, const char *fresh, const char *out, hn_delta_sizes *sizes,
                          hn_delta_info *info)
{
    hn_buf b;
    HN_TRY(hn_delta_make(cx, old, fresh, NULL, &b, sizes));
    hn_err e = hn_delta_read(cx, b.data, b.len, info);
    if (!e)
        e = hn_file_write(cx, out, b.data, b.len);
    hn_buf_free(&b);
    return e;
}
