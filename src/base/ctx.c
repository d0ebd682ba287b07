/* SPDX-License-Identifier: Apache-2.0 */
#include "base/ctx.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define ALIGN 64u

hn_err hn_fail(hn_ctx *cx, hn_err code, const char *format, ...)
{
    if (cx) {
        /* Formatted aside first: callers often quote the message of an inner failure. */
        char line[HN_MSG_MAX];
        va_list args;
        va_start(args, format);
        vsnprintf(line, sizeof line, format, args);
        va_end(args);
        memcpy(cx->msg, line, sizeof line);
    }
    return code;
}

hn_err hn_nomem(hn_ctx *cx, const char *what)
{
    return hn_fail(cx, HN_ENOMEM, "out of memory for %s", what);
}

static const struct { const char *name, *text; int exit; } errors[] = {
    { "OK", "done", 0 },
#define X(id, code, words) { #id, words, code },
    HN_ERRORS(X)
#undef X
};

const char *hn_err_text(hn_err e) { return errors[e].text; }
const char *hn_err_name(hn_err e) { return errors[e].name; }
int hn_err_exit(hn_err e) { return errors[e].exit; }

void *hn_realloc(hn_ctx *cx, void *old, size_t bytes)
{
    if (bytes == 0)
        bytes = 1;
    if (cx && cx->env && cx->env->alloc)
        return cx->env->alloc(cx->env->alloc_user, old, bytes);
    return realloc(old, bytes);
}

void *hn_alloc(hn_ctx *cx, size_t bytes) { return hn_realloc(cx, NULL, bytes); }

void *hn_calloc(hn_ctx *cx, size_t count, size_t size)
{
    if (size && count > SIZE_MAX / size)
        return NULL;
    void *p = hn_alloc(cx, count * size);
    return p ? memset(p, 0, count * size) : NULL;
}

void hn_free(hn_ctx *cx, void *p)
{
    if (!p)
        return;
    if (cx && cx->env && cx->env->alloc)
        cx->env->alloc(cx->env->alloc_user, p, 0);
    else
        free(p);
}

/* The caller's allocator promises only ordinary alignment, so the start of the
 * raw block is remembered in the word before the aligned one. */
void *hn_alloc_aligned(hn_ctx *cx, size_t bytes)
{
    if (bytes > SIZE_MAX - 2 * ALIGN)
        return NULL;
    char *raw = hn_alloc(cx, bytes + ALIGN + sizeof(void *));
    if (!raw)
        return NULL;
    uintptr_t at = ((uintptr_t)raw + sizeof(void *) + ALIGN - 1) & ~(uintptr_t)(ALIGN - 1);
    ((void **)at)[-1] = raw;
    return (void *)at;
}

void hn_free_aligned(hn_ctx *cx, void *p)
{
    if (p)
        hn_free(cx, ((void **)p)[-1]);
}

bool hn_grow(hn_ctx *cx, void *array_ptr, size_t count, size_t *cap, size_t elem_size)
{
    if (count < *cap)
        return true;
    size_t want = *cap ? *cap * 2 : 16;
    if (want > SIZE_MAX / elem_size)
        return false;
    void *old;
    memcpy(&old, array_ptr, sizeof old);
    void *grown = hn_realloc(cx, old, want * elem_size);
    if (!grown)
        return false;
    memcpy(array_ptr, &grown, sizeof grown);
    *cap = want;
    return true;
}

void hn_log(hn_ctx *cx, int level, const char *format, ...)
{
    if (!cx || !cx->env || !cx->env->log)
        return;
    char line[1024];
    va_list args;
    va_start(args, format);
    vsnprintf(line, sizeof line, format, args);
    va_end(args);
    cx->env->log(cx->env->log_user, level, line);
}
