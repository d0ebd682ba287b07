/* SPDX-License-Identifier: Apache-2.0 */
#include "fleet/hash.h"

#include <errno.h>
#include <fcntl.h>
#include <openssl/evp.h>
#include <string.h>
#include <unistd.h>

static const struct { const char *name; size_t size; const EVP_MD *(*md)(void); } kinds[] = {
    [HN_SHA256] = { "sha256", 32, EVP_sha256 },
    [HN_SHA384] = { "sha384", 48, EVP_sha384 },
    [HN_SHA512] = { "sha512", 64, EVP_sha512 },
};

bool hn_hash_kind_find(const char *name, hn_hash_kind *out)
{
    for (size_t i = 0; i < sizeof kinds / sizeof kinds[0]; i++)
        if (strcmp(kinds[i].name, name) == 0) {
            *out = (hn_hash_kind)i;
            return true;
        }
    return false;
}

size_t hn_hash_size(hn_hash_kind k) { return kinds[k].size; }

hn_err hn_hash(hn_ctx *cx, hn_hash_kind k, const void *data, size_t len, uint8_t *out)
{
    if (EVP_Digest(len ? data : "", len, out, NULL, kinds[k].md(), NULL) != 1)
        return hn_nomem(cx, "a hash");
    return HN_OK;
}

hn_err hn_sha256(hn_ctx *cx, const void *data, size_t len, uint8_t out[HN_SHA256_SIZE])
{
    return hn_hash(cx, HN_SHA256, data, len, out);
}

/* ---- In pieces -------------------------------------------------------------------------------------- */

struct hn_hasher {
    hn_ctx *cx;
    EVP_MD_CTX *md;
    hn_hash_kind kind;
};

static hn_err restart(hn_hasher *h)
{
    return EVP_DigestInit_ex(h->md, kinds[h->kind].md(), NULL) == 1 ? HN_OK : hn_nomem(h->cx, "a hash");
}

hn_err hn_hasher_new(hn_ctx *cx, hn_hash_kind k, hn_hasher **out)
{
    hn_hasher *h = hn_calloc(cx, 1, sizeof *h);
    if (!h)
        return hn_nomem(cx, "a hash");
    *h = (hn_hasher){ cx, EVP_MD_CTX_new(), k };
    hn_err e = h->md ? restart(h) : hn_nomem(cx, "a hash");
    if (e) {
        hn_hasher_free(h);
        return e;
    }
    *out = h;
    return HN_OK;
}

hn_err hn_hasher_add(hn_hasher *h, const void *data, size_t len)
{
    return len == 0 || EVP_DigestUpdate(h->md, data, len) == 1 ? HN_OK : hn_nomem(h->cx, "a hash");
}

hn_err hn_hasher_end(hn_hasher *h, uint8_t out[HN_HASH_MAX])
{
    if (EVP_DigestFinal_ex(h->md, out, NULL) != 1)
        return hn_nomem(h->cx, "a hash");
    return restart(h);
}

void hn_hasher_free(hn_hasher *h)
{
    if (!h)
        return;
    EVP_MD_CTX_free(h->md);
    hn_free(h->cx, h);
}

static hn_err add_file(hn_ctx *cx, hn_hasher *h, const char *path, int fd, uint64_t most, uint64_t *len)
{
    uint8_t piece[32768];
    uint64_t got = 0;
    while (got < most) {
        size_t want = most - got < sizeof piece ? (size_t)(most - got) : sizeof piece;
        ssize_t n = read(fd, piece, want);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return hn_fail(cx, HN_EIO, "%s: %s", path, strerror(errno));
        if (n == 0)
            break;
        got += (uint64_t)n;
        HN_TRY(hn_hasher_add(h, piece, (size_t)n));
    }
    *len = got;
    return HN_OK;
}

hn_err hn_hash_file(hn_ctx *cx, hn_hash_kind k, const char *path, uint64_t from, uint64_t most,
                    uint8_t out[HN_HASH_MAX], uint64_t *len)
{
    hn_hasher *h = NULL;
    uint64_t got = 0;
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return hn_fail(cx, HN_EIO, "%s: %s", path, strerror(errno));
    hn_err e = hn_hasher_new(cx, k, &h);
    if (!e && from && lseek(fd, (off_t)from, SEEK_SET) < 0)
        e = hn_fail(cx, HN_EIO, "%s: %s", path, strerror(errno));
    if (!e)
        e = add_file(cx, h, path, fd, most, &got);
    if (!e)
        e = hn_hasher_end(h, out);
    hn_hasher_free(h);
    close(fd);
    if (!e && len)
        *len = got;
    return e;
}

/* ---- As text ---------------------------------------------------------------------------------------- */

void hn_hex(const void *data, size_t len, char *out)
{
    static const char digit[] = "0123456789abcdef";
    const uint8_t *b = data;
    for (size_t i = 0; i < len; i++) {
        out[2 * i] = digit[b[i] >> 4];
        out[2 * i + 1] = digit[b[i] & 15];
    }
    out[2 * len] = 0;
}

static int value_of(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    c |= 0x20;
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

bool hn_unhex(const char *text, size_t text_len, uint8_t *out)
{
    if (text_len % 2)
        return false;
    for (size_t i = 0; i < text_len; i += 2) {
        int high = value_of(text[i]), low = value_of(text[i + 1]);
        if (high < 0 || low < 0)
            return false;
        out[i / 2] = (uint8_t)(high << 4 | low);
    }
    return true;
}

static const char letters[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

hn_err hn_base64_add(hn_buf *out, const void *data, size_t len)
{
    const uint8_t *b = data;
    for (size_t i = 0; i < len; i += 3) {
        size_t left = len - i;
        uint32_t v = (uint32_t)b[i] << 16 | (left > 1 ? (uint32_t)b[i + 1] << 8 : 0) | (left > 2 ? b[i + 2] : 0);
        char four[4] = { letters[v >> 18], letters[v >> 12 & 63], left > 1 ? letters[v >> 6 & 63] : '=',
                         left > 2 ? letters[v & 63] : '=' };
        hn_buf_add(out, four, 4);
    }
    return hn_buf_ok(out, "base64 text");
}

hn_err hn_unbase64(hn_ctx *cx, const char *text, size_t len, hn_buf *out)
{
    size_t pad = len >= 2 && text[len - 1] == '=' ? 1 + (text[len - 2] == '=') : 0;
    if (len % 4)
        return hn_fail(cx, HN_EFORMAT, "base64 text of %zu characters: expected a multiple of 4", len);
    for (size_t i = 0; i < len; i += 4) {
        size_t skip = i + 4 == len ? pad : 0;
        uint32_t v = 0;
        for (size_t j = 0; j < 4 - skip; j++) {
            const char *at = text[i + j] ? strchr(letters, text[i + j]) : NULL;
            if (!at)
                return hn_fail(cx, HN_EFORMAT, "base64 text: unexpected byte 0x%02x", (unsigned char)text[i + j]);
            v = v << 6 | (uint32_t)(at - letters);
        }
        v <<= 6 * skip;
        if (skip && (v & ((1u << 8 * skip) - 1)))          /* two texts must not mean the same bytes */
            return hn_fail(cx, HN_EFORMAT, "base64 text: bits after its end");
        uint8_t three[3] = { (uint8_t)(v >> 16), (uint8_t)(v >> 8), (uint8_t)v };
        hn_buf_add(out, three, 3 - skip);
    }
    return hn_buf_ok(out, "base64 text");
}
