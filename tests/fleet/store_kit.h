/* SPDX-License-Identifier: Apache-2.0 */
/* What tests of the store share: a fresh store, builds whose bytes follow from their number, one whole
 * installation, and what must hold whatever happened before. */
#ifndef HN_TEST_STORE_KIT_H
#define HN_TEST_STORE_KIT_H

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/file.h"
#include "fleet/store.h"
#include "tests/support/test.h"

#define KIT_NAME "kws-en"

typedef struct kit { char folder[64]; char root[96]; } kit;

/* On a memory disk where there is one: what is tested is the order of calls, not the disk's patience. */
static inline void kit_new(kit *k)
{
    snprintf(k->folder, sizeof k->folder, "%s/hone-store-XXXXXX", access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp");
    CHECK(mkdtemp(k->folder) != NULL);
    snprintf(k->root, sizeof k->root, "%s/state", k->folder);
}

static inline void kit_sh(const char *format, const char *a, const char *b)
{
    char command[512];
    snprintf(command, sizeof command, format, a, b);
    CHECK_INT(system(command), 0);
}

static inline void kit_free(kit *k) { kit_sh("rm -rf %s%s", k->folder, ""); }

/* ---- Builds ------------------------------------------------------------------------------------------- */

enum { KIT_FILES = 3 };
typedef struct kit_file { const char *path, *role; char data[4096]; size_t len; } kit_file;
typedef struct kit_build { kit_file file[KIT_FILES]; hn_buf manifest; hn_arena *arena; hn_manifest m; } kit_build;

static inline void kit_build_new(hn_ctx *cx, uint64_t build, const char *more, kit_build *b)
{
    static const char *const path[KIT_FILES] = { "golden/0.in", "labels.txt", "model.onnx" };
    static const char *const role[KIT_FILES] = { "golden", "labels", "model" };
    *b = (kit_build){ .manifest.cx = cx };
    hn_buf_printf(&b->manifest, "{\"hone_manifest\":1,\"name\":\"" KIT_NAME "\","
                  "\"version\":\"1.0.%llu\",\"build\":%llu,\"files\":[",
                  (unsigned long long)build, (unsigned long long)build);
    for (int i = 0; i < KIT_FILES; i++) {
        kit_file *f = &b->file[i];
        hn_digest d;
        f->path = path[i];
        f->role = role[i];
        f->len = i == 2 ? 3000 + (size_t)build % 100 : 50;        /* labels are the same in every build */
        for (size_t k = 0; k < f->len; k++)
            f->data[k] = (char)('a' + (k * 7 + (i == 1 ? 0 : (size_t)build) * 13 + (size_t)i) % 26);
        CHECK_INT(hn_digest_of(cx, f->data, f->len, &d), HN_OK);
        hn_buf_printf(&b->manifest, "%s{\"path\":\"%s\",\"role\":\"%s\",\"length\":%zu,\"sha256\":\"%s\"}",
                      i ? "," : "",
                      f->path, f->role, f->len, hn_digest_hex(&d).text);
    }
    hn_buf_printf(&b->manifest, "]%s}", more);
    CHECK_INT(hn_arena_new(cx, 0, &b->arena), HN_OK);
    CHECK_INT(hn_manifest_read(cx, b->manifest.data, b->manifest.len, b->arena, &b->m), HN_OK);
}

static inline void kit_build_free(kit_build *b)
{
    hn_buf_free(&b->manifest);
    hn_arena_free(b->arena);
}

/* ---- One installation, step by step; any of them may fail when a test wants it to ------------------------ */

static inline hn_err kit_install(hn_ctx *cx, const hn_store *s, const kit_build *b, hn_reason *why)
{
    HN_TRY(hn_store_offer(cx, s, &b->m, why));
    HN_TRY(hn_store_room(cx, s, hn_manifest_bytes(&b->m), why));
    for (int i = 0; i < KIT_FILES; i++)
        HN_TRY(hn_store_put(cx, s, b->file[i].data, b->file[i].len, &b->m.file[i].sha256, why));
    return hn_store_stage(cx, s, &b->m, b->manifest.data, b->manifest.len, why);
}

static inline hn_err kit_try(hn_ctx *cx, const hn_store *s, const kit_build *b, hn_reason *why)
{
    unsigned left;
    HN_TRY(hn_store_trial(cx, s, &b->m, 3, why));
    return hn_store_count(cx, s, KIT_NAME, &left);
}

static inline hn_err kit_update(hn_ctx *cx, const hn_store *s, const kit_build *b, hn_reason *why)
{
    HN_TRY(kit_install(cx, s, b, why));
    HN_TRY(kit_try(cx, s, b, why));
    HN_TRY(hn_store_commit(cx, s, KIT_NAME));
    return hn_store_collect(cx, s);
}

static inline void kit_open(hn_ctx *cx, const kit *k, const hn_fs *fs, hn_store *s)
{
    hn_reason why = HN_WHY_NONE;
    hn_err e = hn_store_open(cx, k->root, fs, s, &why);
    if (e)
        fail_msg("store does not open: %s", cx->msg);
}

/* ---- What must always hold ---------------------------------------------------------------------------- */

/* The build an application gets, having checked that its file is that build's bit for bit; 0: none. */
static inline uint64_t kit_usable(hn_ctx *cx, const char *root)
{
    hn_picked p;
    kit_build b;
    hn_file f;
    hn_err e = hn_store_pick(cx, root, KIT_NAME, HN_PICK_CURRENT, &p);
    if (e == HN_ENO)
        return 0;
    if (e)
        fail_msg("no model: %s", cx->msg);
    kit_build_new(cx, p.build, "", &b);
    CHECK_INT(hn_file_open(cx, p.model.text, &f), HN_OK);
    CHECK_INT(f.len, b.file[2].len);
    CHECK(memcmp(f.data, b.file[2].data, f.len) == 0);
    hn_file_close(&f);
    kit_build_free(&b);
    return p.build;
}

#endif
