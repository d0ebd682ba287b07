/* SPDX-License-Identifier: Apache-2.0 */
/* Context: what every call needs and nobody should make global.
 *
 * An hn_env is shared and read-only after set-up: allocator, log, limits, the
 * one thread pool of the process.  An hn_ctx is small, belongs to one call or
 * one object, is used by one thread at a time, and carries the message of what
 * failed there: errors of different threads can never mix. */
#ifndef HN_BASE_CTX_H
#define HN_BASE_CTX_H

#include <stdarg.h>

#include "base/err.h"

typedef struct hn_pool hn_pool;

enum hn_level { HN_LOG_ERROR, HN_LOG_WARN, HN_LOG_INFO, HN_LOG_DEBUG };

typedef struct hn_env {
    /* Like realloc: bytes 0 frees, old NULL allocates; must return memory aligned
     * for any type.  NULL: the C library's.  May be called from any thread. */
    void *(*alloc)(void *user, void *old, size_t bytes);
    void *alloc_user;
    void (*log)(void *user, int level, const char *line);   /* NULL: silence */
    void *log_user;
    size_t tensor_bytes_max;     /* one tensor a file may ask for; 0: no limit */
    hn_pool *pool;               /* NULL: run on the calling thread */
} hn_env;

#define HN_MSG_MAX 512

struct hn_ctx {
    const hn_env *env;           /* NULL: plain malloc, no log, one thread */
    char msg[HN_MSG_MAX];        /* of the last failure, "" when none */
};

void *hn_alloc(hn_ctx *cx, size_t bytes);             /* NULL when out of memory */
void *hn_calloc(hn_ctx *cx, size_t count, size_t size);
void *hn_realloc(hn_ctx *cx, void *old, size_t bytes);  /* on NULL, old is kept */
void hn_free(hn_ctx *cx, void *p);                    /* NULL is fine */

/* Memory aligned to 64 bytes, for tensors and packed weights; free with hn_free_aligned. */
void *hn_alloc_aligned(hn_ctx *cx, size_t bytes);
void hn_free_aligned(hn_ctx *cx, void *p);

/* Makes room for one more element in a growing array; *cap counts elements.
 * Returns false, and changes nothing, when out of memory. */
bool hn_grow(hn_ctx *cx, void *array_ptr, size_t count, size_t *cap, size_t elem_size);

void hn_log(hn_ctx *cx, int level, const char *format, ...) __attribute__((format(printf, 3, 4)));

#endif
