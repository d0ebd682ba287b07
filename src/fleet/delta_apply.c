/* SPDX-License-Identifier: Apache-2.0 */
/* delta_apply.c: reading a delta and making the new file of it. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>
#define ZSTD_STATIC_LINKING_ONLY          /* the memory a window may take is set through it */
#include <zstd.h>

#include "base/num.h"
#include "fleet/delta_impl.h"
#include "fleet/rans.h"

static hn_err read_head(hn_ctx *cx, const uint8_t *p, size_t len, hn_delta_info *out)
{
    if (len < HN_DELTA_HEAD || memcmp(p, "HDLT\1\0\0\0", 8) != 0)
        return hn_fail(cx, HN_EREFUSED, "delta: expected one of version 1, found %s",
                       len >= 4 && memcmp(p, "HDLT", 4) == 0 ? "another version" : "something else");
    hn_delta_info i = { .old_length = hn_le64(p + 8), .new_length = hn_le64(p + 16),
                        .segments = (uint32_t)(hn_le64(p + 88) & UINT32_MAX) };
    memcpy(i.old_sha256.byte, p + 24, 32);
    memcpy(i.new_sha256.byte, p + 56, 32);
    if (i.segments > HN_DELTA_SEGMENTS_MAX || hn_le64(p + 88) >> 32)
        return hn_fail(cx, HN_EREFUSED, "delta: %u segments, at most %d are read", (unsigned)i.segments,
                       HN_DELTA_SEGMENTS_MAX);
    *out = i;
    return HN_OK;
}

hn_err hn_delta_read(hn_ctx *cx, const void *delta, size_t len, hn_delta_info *out)
{
    const uint8_t *p = delta;
    hn_delta_info info;
    HN_TRY(read_head(cx, p, len, &info));
    uint64_t left = info.new_length;
    size_t at = HN_DELTA_HEAD;
    for (uint32_t i = 0; i < info.segments; i++) {
        hn_segment s;
        if (len - at < HN_DELTA_SEGMENT)
            return hn_fail(cx, HN_EREFUSED, "delta: cut off in segment %u", (unsigned)i);
        at += HN_DELTA_SEGMENT;
        HN_TRY(hn_segment_read(cx, p + at - HN_DELTA_SEGMENT, info.old_length, left, len - at, &s));
        at += (size_t)s.stored;
        left -= s.new_len;
        uint64_t window = s.kind == HN_SEG_ZSTD ? (uint64_t)1 << s.window_log : 0;
        info.window_bytes = window > info.window_bytes ? window : info.window_bytes;
    }
    if (left || at != len)
        return hn_fail(cx, HN_EREFUSED, "delta: its segments do not add up to what it says");
    info.ram_bytes = info.window_bytes + 4 * (uint64_t)HN_DELTA_PIECE;
    *out = info;
    return HN_OK;
}

typedef struct applying {
    hn_ctx *cx;
    const hn_file *old;
    uint64_t window_max;
    hn_err (*write)(void *user, hn_ctx *cx, const void *data, size_t len);
    void *user;
    hn_hasher *hash;
    uint8_t *plane, *piece;               /* HN_DELTA_PIECE each */
    bool mapped;                          /* old and delta are mapped files: pages that are done with are let go */
} applying;

/* Pages of a mapping count as this process's own as long as it has touched them. */
static void let_go(const applying *a, const uint8_t *data, size_t len)
{
    uintptr_t page = (uintptr_t)sysconf(_SC_PAGESIZE), from = ((uintptr_t)data + page - 1) / page * page;
    uintptr_t to = ((uintptr_t)data + len) / page * page;
    if (a->mapped && to > from)
        madvise((void *)from, to - from, MADV_DONTNEED);
}

static hn_err emit(applying *a, const uint8_t *data, size_t len)
{
    HN_TRY(hn_hasher_add(a->hash, data, len));
    return a->write(a->user, a->cx, data, len);
}

static hn_err copy(applying *a, const hn_segment *s)
{
    for (uint64_t at = 0; at < s->new_len; at += HN_DELTA_PIECE) {
        size_t n = s->new_len - at < HN_DELTA_PIECE ? (size_t)(s->new_len - at) : HN_DELTA_PIECE;
        HN_TRY(emit(a, a->old->data + s->old_at + at, n));
        let_go(a, a->old->data + s->old_at + at, n);
    }
    return HN_OK;
}

static hn_err typed(applying *a, const hn_segment *s, const uint8_t *stored)
{
    size_t unit = hn_form_unit(s), most = HN_DELTA_PIECE / unit * unit, used = 0;
    for (uint64_t at = 0; at < s->new_len;) {
        size_t n = s->new_len - at < most ? (size_t)(s->new_len - at) : most, size[4], to = 0;
        hn_form_sizes(s, n, size);
        for (size_t i = 0; i < hn_form_planes(s->form); to += size[i++]) {
            size_t took = size[i] ? hn_plane_unpack(stored + used, (size_t)s->stored - used, a->plane + to,
                                                    size[i]) : 0;
            if (size[i] && !took)
                return hn_fail(a->cx, HN_EREFUSED, "delta: a plane is damaged");
            used += took;
        }
        hn_form_join(s, a->old->data + s->old_at + at, a->plane, n, a->piece);
        let_go(a, a->old->data + s->old_at + at, n);
        HN_TRY(emit(a, a->piece, n));
        at += n;
    }
    return used == s->stored ? HN_OK : hn_fail(a->cx, HN_EREFUSED, "delta: bytes are left over behind a segment");
}

static hn_err inflate(applying *a, const hn_segment *s, const uint8_t *stored, ZSTD_DCtx *z)
{
    ZSTD_inBuffer in = { stored, (size_t)s->stored, 0 };
    uint64_t made = 0;
    size_t more = 1;
    if (ZSTD_isError(ZSTD_DCtx_setParameter(z, ZSTD_d_windowLogMax, s->window_log < 10 ? 10 : s->window_log)) ||
        (s->old_len && ZSTD_isError(ZSTD_DCtx_refPrefix(z, a->old->data + s->old_at, (size_t)s->old_len))))
        return hn_fail(a->cx, HN_ENOMEM, "delta: zstd cannot be set up");
    while (more) {
        ZSTD_outBuffer out = { a->piece, HN_DELTA_PIECE, 0 };
        size_t before = in.pos;
        more = ZSTD_decompressStream(z, &out, &in);
        if (ZSTD_isError(more))
            return hn_fail(a->cx, HN_EREFUSED, "delta: %s", ZSTD_getErrorName(more));
        if (out.pos > s->new_len - made || (more && out.pos == 0 && in.pos == before))
            return hn_fail(a->cx, HN_EREFUSED, "delta: a segment makes more or less than it says");
        HN_TRY(emit(a, a->piece, out.pos));
        made += out.pos;
    }
    if (made != s->new_len || in.pos != in.size)
        return hn_fail(a->cx, HN_EREFUSED, "delta: a segment makes more or less than it says");
    return HN_OK;
}

static hn_err zstd(applying *a, const hn_segment *s, const uint8_t *stored)
{
    if ((uint64_t)1 << s->window_log > a->window_max)
        return hn_fail(a->cx, HN_EREFUSED, "delta: asks for a window of 2^%d bytes, %llu are allowed", s->window_log,
                       (unsigned long long)a->window_max);
    ZSTD_DCtx *z = ZSTD_createDCtx();
    if (!z)
        return hn_nomem(a->cx, "zstd");
    hn_err e = inflate(a, s, stored, z);
    ZSTD_freeDCtx(z);
    return e;
}

static hn_err walk(applying *a, const uint8_t *p, const hn_delta_info *info)
{
    size_t at = HN_DELTA_HEAD;
    uint64_t left = info->new_length;
    for (uint32_t i = 0; i < info->segments; i++) {
        hn_segment s;
        /* hn_delta_read saw the ends */
        HN_TRY(hn_segment_read(a->cx, p + at, info->old_length, left, UINT64_MAX, &s));
        at += HN_DELTA_SEGMENT;
        HN_TRY(s.kind == HN_SEG_COPY ? copy(a, &s) : s.kind == HN_SEG_ZSTD ? zstd(a, &s, p + at) : typed(a, &s,
                p + at));
        let_go(a, p + at, (size_t)s.stored);
        at += (size_t)s.stored;
        left -= s.new_len;
    }
    hn_digest made;
    HN_TRY(hn_digest_end(a->hash, &made));
    if (!hn_digest_equal(&made, &info->new_sha256))
        return hn_fail(a->cx, HN_EREFUSED, "delta: what it makes is not what it says");
    return HN_OK;
}

static hn_err check_old(const applying *a, const hn_delta_info *info)
{
    hn_digest d;
    if (a->old->len != info->old_length)
        return hn_fail(a->cx, HN_EREFUSED, "delta: made from a file of %llu bytes, this one has %zu",
                       (unsigned long long)info->old_length, a->old->len);
    for (size_t at = 0; at < a->old->len; at += HN_DELTA_PIECE) {
        size_t n = hn_min(a->old->len - at, HN_DELTA_PIECE);
        HN_TRY(hn_hasher_add(a->hash, a->old->data + at, n));
        let_go(a, a->old->data + at, n);
    }
    HN_TRY(hn_digest_end(a->hash, &d));
    if (!hn_digest_equal(&d, &info->old_sha256))
        return hn_fail(a->cx, HN_EREFUSED, "delta: made from another file than this one");
    return HN_OK;
}

static hn_err apply(applying *a, const void *delta, size_t len)
{
    hn_delta_info info;
    HN_TRY(hn_delta_read(a->cx, delta, len, &info));
    a->plane = hn_alloc(a->cx, HN_DELTA_PIECE);
    a->piece = hn_alloc(a->cx, HN_DELTA_PIECE);
    hn_err e = a->plane && a->piece ? hn_hasher_new(a->cx, HN_SHA256, &a->hash) : hn_nomem(a->cx, "a delta");
    if (!e)
        e = check_old(a, &info);
    if (!e)
        e = walk(a, delta, &info);
    hn_hasher_free(a->hash);
    hn_free(a->cx, a->plane);
    hn_free(a->cx, a->piece);
    return e;
}

hn_err hn_delta_apply(hn_ctx *cx, const void *delta, size_t len, const hn_file *old, uint64_t window_max,
                      hn_err (*write)(void *user, hn_ctx *cx, const void *data, size_t len), void *user)
{
    applying a = { .cx = cx, .old = old, .window_max = window_max, .write = write, .user = user };
    return apply(&a, delta, len);
}

/* ---- Files ------------------------------------------------------------------------------------------------ */

typedef struct target { int fd; const char *path; } target;

static hn_err write_out(void *user, hn_ctx *cx, const void *data, size_t len)
{
    target *t = user;
    const char *p = data;
    while (len > 0) {
        ssize_t n = write(t->fd, p, len);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return hn_fail(cx, errno == ENOSPC || errno == EDQUOT ? HN_ELIMIT : HN_EIO, "%s: cannot be written: %s",
                           t->path, strerror(errno));
        p += n;
        len -= (size_t)n;
    }
    return HN_OK;
}

hn_err hn_delta_apply_files(hn_ctx *cx, const char *delta, const char *old, const char *out, uint64_t window_max)
{
    hn_file d = { 0 }, o = { 0 };
    char temp[4096];
    if (snprintf(temp, sizeof temp, "%s.XXXXXX", out) >= (int)sizeof temp)
        return hn_fail(cx, HN_EARG, "%.200s...: the path is too long", out);
    HN_TRY(hn_file_open(cx, delta, &d));
    hn_err e = hn_file_open(cx, old, &o);
    target t = { .fd = -1, .path = out };
    if (!e && (t.fd = mkostemp(temp, O_CLOEXEC)) < 0)
        e = hn_fail(cx, HN_EIO, "%s: cannot be written: %s", out, strerror(errno));
    if (!e)
        e = apply(&(applying){ .cx = cx, .old = &o, .window_max = window_max, .write = write_out, .user = &t,
                               .mapped = true },
                  d.data, d.len);
    if (t.fd >= 0) {
        bool ok = fchmod(t.fd, 0644) == 0 && fsync(t.fd) == 0;
        ok = close(t.fd) == 0 && ok;
        if (!e && !(ok && rename(temp, out) == 0))
            e = hn_fail(cx, HN_EIO, "%s: cannot be written: %s", out, strerror(errno));
        if (e)
            unlink(temp);
    }
    hn_file_close(&o);
    hn_file_close(&d);
    return e;
}
