/* SPDX-License-Identifier: Apache-2.0 */
#include "fleet/tar.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "fleet/manifest.h"

enum { BLOCK = 512, NAME = 100, PREFIX = 155, PREFIX_AT = 345, PAX_MAX = 64 << 10 };

/* Octal digits up to a space or zero; false for anything else or for no digit. */
static bool octal(const uint8_t *p, size_t len, uint64_t *out)
{
    uint64_t v = 0;
    size_t i = 0, digits = 0;
    while (i < len && p[i] == ' ')
        i++;
    for (; i < len && p[i] >= '0' && p[i] <= '7'; i++, digits++)
        v = v << 3 | (uint64_t)(p[i] - '0');
    if (digits == 0 || digits > 20 || (i < len && p[i] != ' ' && p[i] != 0))
        return false;
    *out = v;
    return true;
}

static unsigned sum_of(const uint8_t *h)
{
    unsigned sum = 0;
    for (int i = 0; i < BLOCK; i++)
        sum += i >= 148 && i < 156 ? ' ' : h[i];
    return sum;
}

static bool is_header(const uint8_t *h)
{
    uint64_t sum;
    return memcmp(h + 257, "ustar", 5) == 0 && octal(h + 148, 8, &sum) && sum == sum_of(h);
}

static bool is_zero(const uint8_t *p, size_t len)
{
    for (size_t i = 0; i < len; i++)
        if (p[i])
            return false;
    return true;
}

bool hn_tar_probe(const void *data, size_t len) { return len >= BLOCK && is_header(data); }

typedef struct reader {
    hn_ctx *cx;
    hn_arena *a;
    const uint8_t *p;
    size_t len, at;
    const char *next_name;          /* from a pax header, for the entry behind it */
    hn_tar tar;
} reader;

static hn_err bad(reader *r, const char *why) { return hn_fail(r->cx, HN_EREFUSED, "tar: at byte %zu: %s", r->at,
                                                               why); }

/* Records "LENGTH KEY=VALUE\n"; of a pax header only the path counts, other keys are times and owners. */
static hn_err read_pax(reader *r, const char *text, size_t size)
{
    for (size_t at = 0; at < size;) {
        size_t record = 0, i = at;
        while (i < size && i < at + 6 && text[i] >= '0' && text[i] <= '9')
            record = record * 10 + (size_t)(text[i++] - '0');
        if (i == at || i >= size || text[i] != ' ' || record < i - at + 3 || record > size - at ||
            text[at + record - 1] != '\n')
            return bad(r, "a pax header is damaged");
        const char *key = text + i + 1, *end = text + at + record - 1;
        if ((size_t)(end - key) > 5 && memcmp(key, "path=", 5) == 0) {
            r->next_name = hn_arena_text(r->a, key + 5, (size_t)(end - key) - 5);
            if (!r->next_name || strlen(r->next_name) != (size_t)(end - key) - 5)
                return bad(r, "a name has a zero byte in it");
        } else if ((size_t)(end - key) > 5 && memcmp(key, "size=", 5) == 0) {
            return bad(r, "a file is larger than a package may hold");
        }
        at += record;
    }
    return HN_OK;
}

static hn_err name_of(reader *r, const uint8_t *h, const char **out)
{
    char name[PREFIX + NAME + 2];
    size_t prefix = strnlen((const char *)h + PREFIX_AT, PREFIX), len = strnlen((const char *)h, NAME);
    *out = r->next_name;
    if (!*out) {
        snprintf(name, sizeof name, "%.*s%s%.*s", (int)prefix, (const char *)h + PREFIX_AT, prefix ? "/" : "", (int)len,
                 (const char *)h);
        *out = hn_arena_text(r->a, name, strlen(name));
    }
    r->next_name = NULL;
    if (!*out)
        return hn_nomem(r->cx, "an archive");
    if (strncmp(*out, "./", 2) == 0)
        *out += 2;
    return HN_OK;
}

static hn_err add(reader *r, const uint8_t *h, uint64_t size)
{
    const char *name;
    HN_TRY(name_of(r, h, &name));
    size_t len = strlen(name);
    if (h[156] == '5') {                         /* a folder: its files say as much */
        if (size)
            return bad(r, "a folder has bytes");
        return len == 0 || name[len - 1] == '/' || hn_package_path_ok(name) ? HN_OK : bad(r,
                "a folder's name leads elsewhere");
    }
    if (h[156] != '0' && h[156] != 0)
        return bad(r, "a package holds regular files, no links or devices");
    if (!hn_package_path_ok(name))
        return bad(r, "a file's name leads elsewhere");
    if (r->tar.count == HN_TAR_FILES_MAX)
        return bad(r, "more files than a package may hold");
    r->tar.file[r->tar.count++] = (hn_tar_file){ name, r->p + r->at + BLOCK, (size_t)size };
    return HN_OK;
}

static hn_err read_entry(reader *r)
{
    const uint8_t *h = r->p + r->at;
    uint64_t size;
    if (!is_header(h))
        return bad(r, "expected a header");
    if (!octal(h + 124, 12, &size) || size > r->len - r->at - BLOCK)
        return bad(r, "a file ends behind the archive's end");
    if (h[156] == 'x' || h[156] == 'g') {
        if (size > PAX_MAX)
            return bad(r, "a pax header is too long");
        if (h[156] == 'x')
            HN_TRY(read_pax(r, (const char *)h + BLOCK, (size_t)size));
    } else {
        HN_TRY(add(r, h, size));
    }
    uint64_t step = BLOCK + size + hn_tar_pad(size);
    r->at += step > r->len - r->at ? r->len - r->at : (size_t)step;
    return HN_OK;
}

static int by_path(const void *a, const void *b) { return strcmp(((const hn_tar_file *)a)->path,
                                                                 ((const hn_tar_file *)b)->path); }

hn_err hn_tar_read(hn_ctx *cx, const void *data, size_t len, hn_arena *a, hn_tar *out)
{
    reader r = { .cx = cx, .a = a, .p = data, .len = len, .tar.file = HN_NEW(a, hn_tar_file, HN_TAR_FILES_MAX) };
    if (!r.tar.file)
        return hn_nomem(cx, "an archive");
    while (r.len - r.at >= BLOCK && !is_zero(r.p + r.at, BLOCK))
        HN_TRY(read_entry(&r));
    if (r.len - r.at < BLOCK)
        return bad(&r, "the archive is cut off");
    if (r.tar.count > 1)
        qsort(r.tar.file, r.tar.count, sizeof *r.tar.file, by_path);
    for (size_t i = 1; i < r.tar.count; i++)
        if (strcmp(r.tar.file[i - 1].path, r.tar.file[i].path) == 0)
            return hn_fail(cx, HN_EREFUSED, "tar: '%.200s' is there twice", r.tar.file[i].path);
    *out = r.tar;
    return HN_OK;
}

const hn_tar_file *hn_tar_find(const hn_tar *t, const char *path)
{
    hn_tar_file key = { .path = path };
    return t->count ? bsearch(&key, t->file, t->count, sizeof *t->file, by_path) : NULL;
}

hn_err hn_tar_head(hn_ctx *cx, const char *path, uint64_t size, uint8_t out[BLOCK])
{
    size_t len = strlen(path), cut = 0;
    memset(out, 0, BLOCK);
    if (len > NAME) {
        for (size_t i = len - NAME - 1; i < len && i <= PREFIX && !cut; i++)
            cut = path[i] == '/' ? i : 0;
        if (!cut)
            return hn_fail(cx, HN_EUNSUP, "tar: '%.200s': the name is too long for this kind of archive", path);
        memcpy(out + PREFIX_AT, path, cut);
        cut++;
    }
    memcpy(out, path + cut, len - cut);
    if (size >= (uint64_t)1 << 33)
        return hn_fail(cx, HN_ELIMIT, "tar: '%.200s' has over 8 GiB; write a folder", path);
    snprintf((char *)out + 100, 8, "%07o", 0644);
    snprintf((char *)out + 108, 8, "%07o", 0);
    snprintf((char *)out + 116, 8, "%07o", 0);
    snprintf((char *)out + 124, 12, "%011llo", (unsigned long long)size);
    snprintf((char *)out + 136, 12, "%011o", 0);
    out[156] = '0';
    memcpy(out + 257, "ustar\00000", 8);
    snprintf((char *)out + 148, 8, "%06o", sum_of(out));
    out[155] = ' ';
    return HN_OK;
}
