/* SPDX-License-Identifier: Apache-2.0 */
#include "base/file.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tests/support/test.h"

static char folder[64];

static const char *in_folder(const char *name)
{
    static char path[4][256];
    static unsigned next;
    char *p = path[next++ % 4];
    if (!folder[0]) {
        strcpy(folder, "/tmp/hone-test-XXXXXX");
        CHECK(mkdtemp(folder) != NULL);
    }
    snprintf(p, sizeof path[0], "%s/%s", folder, name);
    return p;
}

static size_t entries(void)
{
    size_t n = 0;
    DIR *d = opendir(folder);
    while (d && readdir(d))
        n++;
    closedir(d);
    return n - 2;
}

/* The last test leaves nothing behind. */
static void clear(void)
{
    char command[128];
    snprintf(command, sizeof command, "rm -rf %s", folder);
    CHECK_INT(system(command), 0);
    folder[0] = 0;
}

TEST(a_file_is_replaced_whole)
{
    hn_ctx cx = { 0 };
    hn_file old, new;
    const char *path = in_folder("a");
    CHECK_INT(hn_file_write(&cx, path, "first", 5), HN_OK);
    CHECK_INT(hn_file_open(&cx, path, &old), HN_OK);
    CHECK_INT(hn_file_write(&cx, path, "2nd", 3), HN_OK);
    CHECK_INT(hn_file_open(&cx, path, &new), HN_OK);
    CHECK(old.len == 5 && memcmp(old.data, "first", 5) == 0);      /* a reader keeps what it opened */
    CHECK(new.len == 3 && memcmp(new.data, "2nd", 3) == 0);
    hn_file_close(&old);
    hn_file_close(&new);
    hn_file_close(&new);
    CHECK_INT(entries(), 1);                                       /* no temporary file stays */
    clear();
}

TEST(an_empty_file_opens)
{
    hn_ctx cx = { 0 };
    hn_file f;
    const char *path = in_folder("empty");
    CHECK_INT(hn_file_write(&cx, path, NULL, 0), HN_OK);
    CHECK_INT(hn_file_open(&cx, path, &f), HN_OK);
    CHECK_INT(f.len, 0);
    hn_file_close(&f);
    clear();
}

TEST(what_cannot_be_opened_or_written_is_said)
{
    hn_ctx cx = { 0 };
    hn_file f = { 0 };
    CHECK_INT(hn_file_open(&cx, in_folder("missing"), &f), HN_EIO);
    CHECK(strstr(cx.msg, "missing: No such file") != NULL);
    CHECK_INT(hn_file_open(&cx, folder, &f), HN_EIO);
    CHECK(strstr(cx.msg, "found a folder") != NULL);
    CHECK_INT(hn_file_open(&cx, "/dev/null", &f), HN_EIO);
    CHECK(strstr(cx.msg, "expected a regular file") != NULL);
    CHECK_INT(hn_file_write(&cx, in_folder("no/such/folder"), "x", 1), HN_EIO);
    CHECK_INT(hn_file_write(&cx, in_folder(""), "x", 1), HN_EIO);
    CHECK(f.data == NULL);
    clear();
}

TEST(plain_paths_stay_inside)
{
    static const char *const good[] = { "a", "a/b", "a..b", "..a", "a/.../b", "./a", "w.data" };
    static const char *const bad[] = { "", "/a", "..", "../a", "a/..", "a/../b", "a/", "a\\b", "./../a" };
    for (size_t i = 0; i < sizeof good / sizeof *good; i++)
        CHECK(hn_path_stays_inside(good[i], strlen(good[i])));
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        CHECK(!hn_path_stays_inside(bad[i], strlen(bad[i])));
    CHECK(!hn_path_stays_inside("a\0b", 3));
}

TEST(links_that_lead_outside_are_refused)
{
    hn_ctx cx = { 0 };
    hn_file f;
    char dir[128];
    CHECK_INT(mkdir(in_folder("in"), 0755), 0);
    snprintf(dir, sizeof dir, "%s/in/", folder);
    CHECK_INT(hn_file_write(&cx, in_folder("secret"), "s", 1), HN_OK);
    CHECK_INT(hn_file_write(&cx, in_folder("in/w"), "w", 1), HN_OK);
    CHECK_INT(mkdir(in_folder("in2"), 0755), 0);                   /* begins like the folder's name */
    CHECK_INT(hn_file_write(&cx, in_folder("in2/w"), "w", 1), HN_OK);
    CHECK_INT(symlink("../secret", in_folder("in/out")), 0);
    CHECK_INT(symlink("../in2/w", in_folder("in/beside")), 0);
    CHECK_INT(symlink("..", in_folder("in/up")), 0);
    CHECK_INT(symlink("w", in_folder("in/within")), 0);

    CHECK_INT(hn_file_open_inside(&cx, dir, "w", 1, &f), HN_OK);
    hn_file_close(&f);
    CHECK_INT(hn_file_open_inside(&cx, dir, "within", 6, &f), HN_OK);
    hn_file_close(&f);
    CHECK_INT(hn_file_open_inside(&cx, dir, "out", 3, &f), HN_EREFUSED);
    CHECK_INT(hn_file_open_inside(&cx, dir, "beside", 6, &f), HN_EREFUSED);
    CHECK_INT(hn_file_open_inside(&cx, dir, "up/secret", 9, &f), HN_EREFUSED);
    CHECK_INT(hn_file_open_inside(&cx, dir, "../secret", 9, &f), HN_EREFUSED);
    CHECK_INT(hn_file_open_inside(&cx, dir, "missing", 7, &f), HN_EIO);
    clear();
}

TEST(the_folder_of_a_path)
{
    CHECK_INT(hn_path_dir_len("model.onnx"), 0);
    CHECK_INT(hn_path_dir_len("a/model.onnx"), 2);
    CHECK_INT(hn_path_dir_len("/model.onnx"), 1);
}
