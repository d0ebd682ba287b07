/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/support/test.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/file.h"
#include "fleet/seal.h"

static hn_ctx cx;
static char dir[32], plain[48], sealed[48], opened[48];
static hn_key *device, *other;

static void ok(hn_err e)
{
    if (e)
        fail_msg("%s", cx.msg);
}

static void begin(void)
{
    strcpy(dir, "/tmp/hone-seal-XXXXXX");
    CHECK(mkdtemp(dir));
    snprintf(plain, sizeof plain, "%s/plain", dir);
    snprintf(sealed, sizeof sealed, "%s/sealed", dir);
    snprintf(opened, sizeof opened, "%s/opened", dir);
    ok(hn_key_generate(&cx, HN_KEY_X25519, &device));
    ok(hn_key_generate(&cx, HN_KEY_X25519, &other));
}

static void end(void)
{
    unlink(plain);
    unlink(sealed);
    unlink(opened);
    CHECK(rmdir(dir) == 0);        /* nothing half done is left */
    hn_key_free(device);
    hn_key_free(other);
}

static char *content(size_t len)
{
    char *text = test_malloc(len + 1);
    for (size_t i = 0; i < len; i++)
        text[i] = (char)(i * 2654435761u >> 11);
    ok(hn_file_write(&cx, plain, text, len));
    return text;
}

TEST(what_is_sealed_opens_again_at_every_length)
{
    static const size_t lengths[] = { 0, 1, 65535, 65536, 65537, 131072, 200000 };
    begin();
    for (size_t i = 0; i < sizeof lengths / sizeof lengths[0]; i++) {
        hn_file f;
        char *text = content(lengths[i]);
        ok(hn_seal_file(&cx, device, plain, sealed));
        ok(hn_unseal_file(&cx, device, sealed, opened));
        ok(hn_file_open(&cx, opened, &f));
        CHECK(f.len == lengths[i] && (f.len == 0 || memcmp(f.data, text, f.len) == 0));
        hn_file_close(&f);
        ok(hn_file_open(&cx, sealed, &f));
        CHECK(lengths[i] < 64 || !memmem(f.data, f.len, text, 64));
        hn_file_close(&f);
        test_free(text);
    }
    end();
}

TEST(only_the_device_it_is_for_opens_it)
{
    begin();
    test_free(content(1000));
    ok(hn_seal_file(&cx, device, plain, sealed));
    CHECK(hn_unseal_file(&cx, other, sealed, opened) == HN_EREFUSED);
    CHECK(hn_unseal_file(&cx, device, plain, opened) == HN_EFORMAT);
    CHECK(access(opened, F_OK) != 0);
    end();
}

/* Every byte of the frame, and bytes all over the chunks, changed; every kind of cut. */
TEST(a_sealed_file_that_was_changed_or_cut_does_not_open)
{
    hn_file f;
    begin();
    test_free(content(150000));
    ok(hn_seal_file(&cx, device, plain, sealed));
    ok(hn_file_open(&cx, sealed, &f));
    size_t len = f.len;
    char *good = test_malloc(len + 1);
    memcpy(good, f.data, len);
    hn_file_close(&f);
    for (size_t at = 0; at < len; at += at < 76 ? 1 : 7919) {
        good[at] ^= 1;
        ok(hn_file_write(&cx, sealed, good, len));
        CHECK(hn_unseal_file(&cx, device, sealed, opened) != HN_OK);
        good[at] ^= 1;
    }
    static const size_t cuts[] = { 0, 75, 76, 91, 92, 76 + 65552, 76 + 65552 + 16, 76 + 2 * 65552, 150000 };
    for (size_t i = 0; i < sizeof cuts / sizeof cuts[0]; i++) {
        ok(hn_file_write(&cx, sealed, good, cuts[i]));
        CHECK(hn_unseal_file(&cx, device, sealed, opened) != HN_OK);
    }
    good[len] = 0;
    ok(hn_file_write(&cx, sealed, good, len + 1));           /* and one byte more */
    CHECK(hn_unseal_file(&cx, device, sealed, opened) == HN_EREFUSED);
    memmove(good + 76, good + 76 + 65552, 65552);            /* a chunk in another's place */
    ok(hn_file_write(&cx, sealed, good, len));
    CHECK(hn_unseal_file(&cx, device, sealed, opened) == HN_EREFUSED);
    CHECK(access(opened, F_OK) != 0);
    test_free(good);
    end();
}
