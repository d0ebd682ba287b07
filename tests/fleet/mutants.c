/* SPDX-License-Identifier: Apache-2.0 */
/* Signed files, changed in every place and manner a seeded generator finds: none is taken for signed. */
#include "tests/support/test.h"

#include <stdio.h>
#include <stdlib.h>

#include "fleet/json.h"
#include "tests/support/system/repository.h"

static repository r;

/* Marsaglia's xorshift: the same bytes on every machine. */
static size_t below(uint32_t *state, size_t n)
{
    uint32_t x = *state;
    x ^= x << 13;
    x ^= x >> 17;
    x ^= x << 5;
    *state = x;
    return x % n;
}

/* Changes 1 to 3 places of `b`, in a way of the generator's choice. */
static void mutate(uint32_t *rng, hn_buf *b)
{
    for (size_t n = 1 + below(rng, 3); n > 0 && b->len > 4; n--) {
        char piece[8];
        size_t at = below(rng, b->len), len = 1 + below(rng, 8);
        len = len < b->len - at ? len : b->len - at;
        switch (below(rng, 6)) {
        case 0: b->data[at] ^= (char)(1 << below(rng, 8)); break;
        case 1: b->data[at] = "0123456789abcdef\"{}[],:-"[below(rng, 24)]; break;
        case 2:
            memmove(b->data + at, b->data + at + len, b->len - at - len);
            b->len -= len;
            break;
        case 3:
            memmove(b->data + below(rng, b->len - len + 1), b->data + at, len);
            break;
        case 4:
            memcpy(piece, b->data, len);         /* growing may move it */
            hn_buf_add(b, piece, len);
            memmove(b->data + at + len, b->data + at, b->len - len - at);
            break;
        default: b->len = at + 1; break;
        }
    }
}

/* A change that does not change the value, like another space, is none. */
static bool same_value(const hn_buf *a, const json_t *was)
{
    hn_ctx cx = { 0 };
    json_t *doc;
    if (hn_json_parse(&cx, "mutant", a->data, a->len, &doc))
        return false;
    bool same = json_equal(json_object_get(doc, "signed"), json_object_get(was, "signed"));
    json_decref(doc);
    return same;
}

TEST(ten_thousand_changed_files_are_all_refused)
{
    static const struct { const char *path; hn_tuf_type type; } files[] = {
        { "1.root.json", HN_TUF_ROOT }, { "timestamp.json", HN_TUF_TIMESTAMP }, { "1.snapshot.json", HN_TUF_SNAPSHOT },
        { "1.targets.json", HN_TUF_TARGETS }, { "1.team.json", HN_TUF_TARGETS },
    };
    uint32_t rng = 20300317;
    hn_tuf_meta root = { 0 };
    size_t accepted = 0, judged = 0;
    repo_open(&r);
    repo_publish(&r, 1);
    const hn_buf *first = repo_get(&r, "1.root.json");
    CHECK(hn_tuf_meta_parse(&r.cx, "root", first->data, first->len, HN_TUF_ROOT, &root) == HN_OK);
    json_t *team = repo_targets(&r, 1), *d = json_object_get(team, "delegations");
    hn_tuf_signers by_team = { json_object_get(d, "keys"), json_array_get(json_object_get(d, "roles"), 0) };

    for (size_t i = 0; judged < 10000; i++) {
        const hn_buf *good = repo_get(&r, files[i % 5].path);
        json_t *was = json_loadb(good->data, good->len, 0, NULL);
        hn_buf bad = { 0 };
        hn_tuf_meta m = { 0 };
        hn_tuf_signers by = i % 5 == 4 ? by_team : hn_tuf_root_signers(&root, files[i % 5].type);
        hn_buf_add(&bad, good->data, good->len);
        mutate(&rng, &bad);
        if (!same_value(&bad, was)) {
            judged++;
            r.cx.msg[0] = 0;
            hn_err e = hn_tuf_meta_parse(&r.cx, files[i % 5].path, bad.data, bad.len, files[i % 5].type, &m);
            if (!e)
                e = hn_tuf_meta_check(&r.cx, files[i % 5].path, &m, by);
            accepted += !e;
            CHECK(r.cx.msg[0]);
        }
        hn_tuf_meta_free(&m);
        hn_buf_free(&bad);
        json_decref(was);
    }
    print_message("%zu changed files, %zu accepted\n", judged, accepted);
    CHECK_INT(accepted, 0);
    json_decref(team);
    hn_tuf_meta_free(&root);
    repo_close(&r);
}

/* Below the timestamp every byte is pinned by a hash, so even another space is refused. */
TEST(a_refresh_takes_no_changed_file)
{
    static const char *const files[] = { "timestamp.json", "2.snapshot.json", "2.targets.json", "2.root.json" };
    uint32_t rng = 7;
    for (size_t i = 0; i < 120; i++) {
        const char *path = files[i % 4];
        hn_buf bad = { 0 };
        repo_open(&r);
        repo_publish(&r, 1);
        repo_trust_root(&r);
        repo_publish(&r, 2);
        repo_put(&r, "2.root.json", repo_root(&r, 2), r.root[0], r.root[2], NULL);
        const hn_buf *good = repo_get(&r, path);
        json_t *was = json_loadb(good->data, good->len, 0, NULL);
        hn_buf_add(&bad, good->data, good->len);
        mutate(&rng, &bad);
        bool pinned = strstr(path, "snapshot") || strstr(path, "targets");
        bool changed = pinned ? bad.len != good->len || memcmp(bad.data, good->data, bad.len) != 0 :
            !same_value(&bad, was);
        repo_put_bytes(&r, path, bad.data, bad.len);
        if (changed)
            CHECK(repo_refresh(&r) != HN_OK);
        json_decref(was);
        hn_buf_free(&bad);
        repo_close(&r);
    }
}
