/* SPDX-License-Identifier: Apache-2.0 */
#include "fleet/digest.h"

#include <errno.h>
#include <fcntl.h>
#include <openssl/evp.h>
#include <string.h>
#include <unistd.h>

struct hn_sha256 { hn_ctx *cx; EVP_MD_CTX *md; };

hn_err hn_sha256_new(hn_ctx *cx, hn_sha256 **out)
{
    hn_sha256 *h = hn_calloc(cx, 1, sizeof *h);
    if (!h)
        return hn_nomem(cx, "a hash");
    h->cx = cx;
    h->md = EVP_MD_CTX_new();
    if (!h->md || EVP_DigestInit_ex(h->md, EVP_sha256(), NULL) != 1) {
        hn_sha256_free(h);
        return hn_nomem(cx, "a hash");
    }
    *out = h;
    return HN_OK;
}

bool hn_sha256_add(hn_sha256 *h, const void *data, size_t len) { return EVP_DigestUpdate(h->md, data, len) == 1; }
bool hn_sha256_end(hn_sha256 *h, hn_digest *out) { return EVP_DigestFinal_ex(h->md, out->byte, NULL) == 1; }

void hn_sha256_free(hn_sha256 *h)
{
    if (!h)
        return;
    EVP_MD_CTX_free(h->md);
    hn_free(h->cx, h);
}

hn_err hn_digest_of(hn_ctx *cx, const void *data, size_t len, hn_digest *out)
{
    return EVP_Digest(data, len, out->byte, NULL, EVP_sha256(), NULL) == 1 ? HN_OK : hn_nomem(cx, "a hash");
}

hn_err hn_digest_of_file(hn_ctx *cx, const char *path, hn_digest *out, uint64_t *length)
{
    enum { STEP = 64 << 10 };
    hn_sha256 *h = NULL;
    uint64_t len = 0;
    char *buf = hn_alloc(cx, STEP);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    hn_err e = fd < 0 ? hn_fail(cx, HN_EIO, "%.300s: %s", path, strerror(errno))
                      : buf ? hn_sha256_new(cx, &h) : hn_nomem(cx, "a hash");
    while (!e) {
        ssize_t n = read(fd, buf, STEP);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            e = hn_fail(cx, HN_EIO, "%.300s: cannot be read: %s", path, strerror(errno));
        if (n <= 0)
            break;
        len += (uint64_t)n;
        if (!hn_sha256_add(h, buf, (size_t)n))
            e = hn_nomem(cx, "a hash");
    }
    hn_digest d;
    if (!e && !hn_sha256_end(h, &d))
        e = hn_nomem(cx, "a hash");
    if (!e) {
        *out = d;
        if (length)
            *length = len;
    }
    hn_sha256_free(h);
    hn_free(cx, buf);
    if (fd >= 0)
        close(fd);
    return e;
}

hn_hex hn_digest_hex(const hn_digest *d)
{
    static const char digit[] = "0123456789abcdef";
    hn_hex h = { { 0 } };
    for (int i = 0; i < 32; i++) {
        h.text[2 * i] = digit[d->byte[i] >> 4];
        h.text[2 * i + 1] = digit[d->byte[i] & 15];
    }
    return h;
}

static int nibble(char c) { return c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1; }

bool hn_digest_from_hex(const char *text, hn_digest *out)
{
    hn_digest d;
    if (!text || strlen(text) != 64)
        return false;
    for (int i = 0; i < 32; i++) {
        int hi = nibble(text[2 * i]), lo = nibble(text[2 * i + 1]);
        if (hi < 0 || lo < 0)
            return false;
        d.byte[i] = (uint8_t)(hi << 4 | lo);
    }
    *out = d;
    return true;
}

bool hn_digest_equal(const hn_digest *a, const hn_digest *b) { return memcmp(a->byte, b->byte, 32) == 0; }
