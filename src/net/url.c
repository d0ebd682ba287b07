/* SPDX-License-Identifier: Apache-2.0 */
#include "net/url.h"

#include <limits.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

static bool unreserved(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' ||
           c == '.' || c == '_' || c == '~';
}

void hn_url_escape(hn_buf *out, const char *text, size_t len, const char *keep)
{
    for (size_t i = 0; i < len; i++) {
        if (unreserved(text[i]) || (text[i] && strchr(keep, text[i])))
            hn_buf_add(out, text + i, 1);
        else
            hn_buf_printf(out, "%%%02X", (unsigned char)text[i]);
    }
}

static int hex_digit(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    c |= 0x20;
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

size_t hn_url_unescape(char *text)
{
    char *to = text;
    for (const char *at = text; *at;) {
        int high = at[0] == '%' ? hex_digit(at[1]) : -1;
        int low = high >= 0 ? hex_digit(at[2]) : -1;
        *to++ = low >= 0 ? (char)(high << 4 | low) : *at;
        at += low >= 0 ? 3 : 1;
    }
    *to = 0;
    return (size_t)(to - text);
}

hn_err hn_url_from_place(hn_ctx *cx, const char *place, hn_buf *out)
{
    char here[PATH_MAX];
    if (strstr(place, "://")) {
        hn_buf_text(out, place);
        return hn_buf_ok(out, "an address");
    }
    hn_buf_text(out, "file://");
    if (place[0] != '/') {
        if (!getcwd(here, sizeof here))
            return hn_fail(cx, HN_EIO, "the working folder has no name; write '%s' as a full path", place);
        hn_url_escape(out, here, strlen(here), "/");
        hn_buf_text(out, "/");
    }
    hn_url_escape(out, place, strlen(place), "/");
    return hn_buf_ok(out, "an address");
}

hn_err hn_url_join(hn_ctx *cx, const char *base, const char *path, hn_buf *out)
{
    size_t len = strlen(base);
    if (len == 0)
        return hn_fail(cx, HN_EARG, "expected an address, found nothing");
    hn_buf_text(out, base);
    if (base[len - 1] != '/')
        hn_buf_text(out, "/");
    hn_buf_text(out, path);
    return hn_buf_ok(out, "an address");
}

bool hn_url_is_file(const char *url) { return strncasecmp(url, "file://", 7) == 0; }
bool hn_url_is_secure(const char *url) { return strncasecmp(url, "https://", 8) == 0; }

bool hn_url_is_loopback(const char *url)
{
    static const char *const names[] = { "127.0.0.1", "localhost", "[::1]" };
    const char *host = strstr(url, "://");
    host = host ? host + 3 : url;
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        size_t len = strlen(names[i]);
        if (strncasecmp(host, names[i], len) == 0 && strchr(":/", host[len]))   /* "" ends there too */
            return true;
    }
    return false;
}

hn_err hn_url_file_name(hn_ctx *cx, const char *url, hn_buf *out)
{
    const char *path = strstr(url, "://");
    path = strchr(path ? path + 3 : url, '/');
    size_t len = path ? strcspn(path, "?#") : 0;
    const char *name = len ? (const char *)memrchr(path, '/', len) + 1 : "";
    size_t name_len = len ? (size_t)(path + len - name) : 0;

    hn_buf_add(out, name, name_len);
    HN_TRY(hn_buf_ok(out, "a file name"));
    if (name_len)
        out->len = hn_url_unescape(out->data);
    if (!name_len || out->len != strlen(out->data) || strchr(out->data, '/') || strcmp(out->data, ".") == 0 ||
        strcmp(out->data, "..") == 0)
        return hn_fail(cx, HN_EARG, "'%.200s' names no file; say where to write with -o FILE", url);
    return HN_OK;
}
