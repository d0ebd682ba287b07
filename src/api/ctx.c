/* SPDX-License-Identifier: Apache-2.0 */
#include "api/api.h"

#include <stdio.h>
#include <string.h>

#include "base/pool.h"

_Static_assert((int)HONE_ERROR_REFUSED == (int)HN_EREFUSED, "public and internal codes run in step");
#define DTYPE(id, name, code, bits, class) \
    _Static_assert((int)HONE_##id == (code), "public element types are the ONNX codes");
#include "tensor/dtypes.def"
#undef DTYPE

#define TENSOR_BYTES_MAX ((size_t)(sizeof(size_t) > 4 ? (uint64_t)4 << 30 : (uint64_t)1 << 30))

const char *hone_version(void) { return HONE_VERSION; }

const char *hone_status_text(hone_status s)
{
    return s >= HONE_OK && s <= HONE_ERROR_REFUSED ? hn_err_text((hn_err)s) : "unknown status";
}

hone_status hn_api_fail(hone_error *err, hn_err e, const hn_ctx *cx)
{
    if (err) {
        err->status = (hone_status)e;
        snprintf(err->message, sizeof err->message, "%s", e && cx->msg[0] ? cx->msg : hn_err_text(e));
    }
    return (hone_status)e;
}

/* A struct from the caller, who may have been compiled against an older, shorter one. */
static hone_ctx_opts read_opts(const hone_ctx_opts *from)
{
    hone_ctx_opts o = { 0 };
    if (from)
        memcpy(&o, from, from->size < sizeof o ? from->size : sizeof o);
    return o;
}

hone_status hone_ctx_new(const hone_ctx_opts *opts, hone_ctx **out, hone_error *err)
{
    hone_ctx_opts o = read_opts(opts);
    hn_env env = { .alloc = o.alloc, .alloc_user = o.alloc_user, .log = o.log, .log_user = o.log_user,
                   .tensor_bytes_max = o.tensor_bytes_max ? o.tensor_bytes_max : TENSOR_BYTES_MAX };
    hn_ctx cx = { .env = &env };
    hone_ctx *ctx = hn_calloc(&cx, 1, sizeof *ctx);
    if (!ctx)
        return hn_api_fail(err, hn_nomem(&cx, "a context"), &cx);
    ctx->env = env;
    ctx->threads = o.threads ? o.threads : hn_cpu_count();
    cx.env = &ctx->env;
    if (ctx->threads > 1) {
        hn_err e = hn_pool_new(&cx, ctx->threads, &ctx->env.pool);
        if (e) {
            hn_ctx plain = { .env = &env };
            hn_free(&plain, ctx);
            return hn_api_fail(err, e, &cx);
        }
    }
    *out = ctx;
    return HONE_OK;
}

void hone_ctx_free(hone_ctx *ctx)
{
    if (!ctx)
        return;
    hn_env env = ctx->env;
    hn_ctx cx = { .env = &env };
    hn_pool_free(ctx->env.pool);
    hn_free(&cx, ctx);
}
