/* SPDX-License-Identifier: Apache-2.0 */
/* The store after power is lost with a cache that was not all written.
 *
 * An update is recorded call by call.  Then the disk is made again as it may be after a cut at any point:
 * of every file the bytes up to some point behind its last sync; of every folder any of the changes since
 * its last sync, in order where they touch the same name; nothing in order across files.  The store must open,
 * serve the old build or the new one, and keep what it had reported as done. */
#include <errno.h>
#include <sys/stat.h>

#include "tests/fleet/store_kit.h"

enum { INODES_MAX = 512, EVENTS_MAX = 4096, NAMES_MAX = 64 };

typedef enum event_kind { DATA, SYNCED, ADD, REMOVE, MOVE, DIR_SYNCED } event_kind;

typedef struct event {
    event_kind kind;
    int inode;                    /* DATA, SYNCED: the file; ADD, MOVE: what the name then means */
    int dir;                      /* whose entry changes; DIR_SYNCED: which */
    char name[96], from[96];      /* MOVE: from the old name to the new, in one folder */
    size_t len;                   /* DATA: bytes there now are this many */
} event;

typedef struct inode { bool is_dir; char *data; size_t len; } inode;
typedef struct entry { char name[96]; int inode; } entry;
typedef struct folder { entry e[NAMES_MAX]; int count; } folder;

typedef struct disk {
    char root[96];
    inode node[INODES_MAX];
    int nodes;
    folder live[INODES_MAX];      /* entries with every call done */
    event log[EVENTS_MAX];
    int events;
    int fd_inode[256];
} disk;

/* ---- Recording ------------------------------------------------------------------------------------------ */

static int find(const folder *f, const char *name)
{
    for (int i = 0; i < f->count; i++)
        if (strcmp(f->e[i].name, name) == 0)
            return i;
    return -1;
}

static void set(folder *f, const char *name, int node)
{
    int i = find(f, name);
    if (i < 0) {
        CHECK(f->count < NAMES_MAX);
        i = f->count++;
        snprintf(f->e[i].name, sizeof f->e[i].name, "%s", name);
    }
    f->e[i].inode = node;
}

static void unset(folder *f, const char *name)
{
    int i = find(f, name);
    if (i >= 0)
        f->e[i] = f->e[--f->count];
}

/* The folder a path lies in, and its last part. */
static int parent_of(const disk *d, const char *path, const char **name)
{
    int at = 0;
    const char *p = path + strlen(d->root);
    CHECK(strncmp(path, d->root, strlen(d->root)) == 0);
    while (*p == '/')
        p++;
    for (const char *slash; (slash = strchr(p, '/')); p = slash + 1) {
        char part[96];
        snprintf(part, sizeof part, "%.*s", (int)(slash - p), p);
        int i = find(&d->live[at], part);
        CHECK(i >= 0);
        at = d->live[at].e[i].inode;
    }
    *name = p;
    return at;
}

static int lookup(const disk *d, const char *path)
{
    const char *name;
    int dir = parent_of(d, path, &name);
    int i = *name ? find(&d->live[dir], name) : -1;
    return *name == 0 ? dir : i < 0 ? -1 : d->live[dir].e[i].inode;
}

static event *note(disk *d, event_kind kind, int node, int dir, const char *name)
{
    CHECK(d->events < EVENTS_MAX);
    event *e = &d->log[d->events++];
    *e = (event){ .kind = kind, .inode = node, .dir = dir };
    snprintf(e->name, sizeof e->name, "%s", name);
    return e;
}

static int new_inode(disk *d, bool is_dir)
{
    CHECK(d->nodes < INODES_MAX);
    d->node[d->nodes].is_dir = is_dir;
    return d->nodes++;
}

static void add(disk *d, const char *path, int node)
{
    const char *name;
    int dir = parent_of(d, path, &name);
    set(&d->live[dir], name, node);
    note(d, ADD, node, dir, name);
}

static void take_away(disk *d, const char *path)
{
    const char *name;
    int dir = parent_of(d, path, &name);
    unset(&d->live[dir], name);
    note(d, REMOVE, -1, dir, name);
}

static void move(disk *d, const char *from, const char *to)
{
    const char *old, *name;
    int node = lookup(d, from), a = parent_of(d, from, &old), b = parent_of(d, to, &name);
    if (a != b) {                 /* two folders: either change may reach the disk alone */
        add(d, to, node);
        take_away(d, from);
        return;
    }
    unset(&d->live[a], old);
    set(&d->live[a], name, node);
    snprintf(note(d, MOVE, node, a, name)->from, sizeof d->log->from, "%s", old);
}

static void wrote(disk *d, int node, const void *data, size_t len)
{
    inode *n = &d->node[node];
    n->data = realloc(n->data, n->len + len + 1);
    CHECK(n->data != NULL);
    memcpy(n->data + n->len, data, len);
    n->len += len;
    note(d, DATA, node, -1, "")->len = n->len;
}

static void record(void *user, const hn_fs_call *c, int error)
{
    disk *d = user;
    if (error)
        return;
    switch (c->op) {
    case HN_FS_CREATE:
        CHECK(c->fd < 256 && lookup(d, c->path) < 0);      /* every file of an update is a new one */
        d->fd_inode[c->fd] = new_inode(d, false);
        add(d, c->path, d->fd_inode[c->fd]);
        break;
    case HN_FS_WRITE: wrote(d, d->fd_inode[c->fd], c->data, c->size); break;
    case HN_FS_SYNC: note(d, SYNCED, c->fd >= 0 ? d->fd_inode[c->fd] : lookup(d, c->path), -1, ""); break;
    case HN_FS_SYNC_DIR: note(d, DIR_SYNCED, -1, lookup(d, c->path), ""); break;
    case HN_FS_LINK: add(d, c->to, lookup(d, c->path)); break;
    case HN_FS_MKDIR:
        if (strcmp(c->path, d->root) != 0)
            add(d, c->path, new_inode(d, true));
        break;
    case HN_FS_UNLINK: case HN_FS_RMDIR: take_away(d, c->path); break;
    case HN_FS_RENAME: move(d, c->path, c->to); break;
    case HN_FS_TRUNCATE: fail_msg("nothing truncates");
    }
}

/* ---- One disk as it may be ----------------------------------------------------------------------------------- */

static uint64_t random_next(uint64_t *r)
{
    *r ^= *r << 13, *r ^= *r >> 7, *r ^= *r << 17;
    return *r;
}

typedef struct survivor {
    folder dir[INODES_MAX];
    size_t synced[INODES_MAX], there[INODES_MAX];
    int made[INODES_MAX];              /* path number + 1 under which a file was written already */
} survivor;

static void apply(folder *f, const event *e)
{
    if (e->kind == REMOVE || e->kind == MOVE)
        unset(f, e->kind == MOVE ? e->from : e->name);
    if (e->kind == ADD || e->kind == MOVE)
        set(f, e->name, e->inode);
}

static bool is_change(const event *e) { return e->kind == ADD || e->kind == REMOVE || e->kind == MOVE; }

static bool same_name(const event *a, const event *b)
{
    return a->dir == b->dir && (strcmp(a->name, b->name) == 0 || strcmp(a->name, b->from) == 0 ||
                                (a->from[0] && (strcmp(a->from, b->name) == 0 || strcmp(a->from, b->from) == 0)));
}

/* sure: everything before it had time to reach the disk. */
static void survive(const disk *d, int sure, int cut, uint64_t *r, survivor *s)
{
    static bool lost[EVENTS_MAX];
    unsigned odds = (unsigned)(random_next(r) % 101);
    memset(s, 0, sizeof *s);
    memset(lost, 0, sizeof lost);
    for (int i = 0; i < cut; i++) {
        const event *e = &d->log[i];
        bool synced = i < sure;
        for (int k = i + 1; k < cut && !synced; k++)
            synced = d->log[k].kind == DIR_SYNCED && d->log[k].dir == e->dir;
        if (e->kind == DATA)
            s->there[e->inode] = e->len;
        if (e->kind == SYNCED || (e->kind == DATA && i < sure))
            s->synced[e->inode] = s->there[e->inode];
        if (!is_change(e))
            continue;
        lost[i] = !synced && random_next(r) % 100 >= odds;
        for (int k = sure; k < i && !synced && !lost[i]; k++)
            lost[i] = lost[k] && is_change(&d->log[k]) && same_name(e, &d->log[k]);
        if (!lost[i])
            apply(&s->dir[e->dir], e);
    }
    for (int i = 0; i < d->nodes; i++)
        s->there[i] = s->synced[i] + (s->there[i] > s->synced[i] ? random_next(r) % (s->there[i] - s->synced[i] + 1)
                                      : 0);
}

static void materialise(hn_ctx *cx, const disk *d, survivor *s, const char *root)
{
    static char path[INODES_MAX * 2][256];
    static int node[INODES_MAX * 2];
    int count = 1;
    snprintf(path[0], sizeof path[0], "%s", root);
    node[0] = 0;
    CHECK_INT(mkdir(root, 0755), 0);
    for (int at = 0; at < count; at++)
        for (int i = 0; d->node[node[at]].is_dir && i < s->dir[node[at]].count; i++) {
            const entry *e = &s->dir[node[at]].e[i];
            const inode *n = &d->node[e->inode];
            int mine = count++;
            char full[sizeof path[0]];
            CHECK(mine < INODES_MAX * 2 && snprintf(full, sizeof full, "%.150s/%s", path[at], e->name) > 0);
            memcpy(path[mine], full, sizeof full);
            node[mine] = e->inode;
            if (n->is_dir)
                CHECK_INT(mkdir(path[mine], 0755), 0);
            else if (s->made[e->inode])
                CHECK_INT(link(path[s->made[e->inode] - 1], path[mine]), 0);
            else
                CHECK_INT(hn_fs_put(cx, NULL, path[mine], n->data ? n->data : "", s->there[e->inode]), HN_OK);
            if (!s->made[e->inode])
                s->made[e->inode] = mine + 1;
        }
}

/* ---- The test ---------------------------------------------------------------------------------------------------- */

typedef struct marks { int base, counted, committed; } marks;

static void record_update(hn_ctx *cx, const kit *k, disk *d, marks *m, kit_build *b)
{
    hn_fs fs = { NULL, record, d };
    hn_store s;
    hn_reason why = HN_WHY_NONE;
    snprintf(d->root, sizeof d->root, "%s", k->root);
    new_inode(d, true);
    kit_open(cx, k, &fs, &s);
    for (uint64_t build = 1; build <= 2; build++) {
        kit_build old;
        kit_build_new(cx, build, "", &old);
        CHECK_INT(kit_update(cx, &s, &old, &why), HN_OK);
        kit_build_free(&old);
    }
    m->base = d->events;
    CHECK_INT(kit_install(cx, &s, b, &why), HN_OK);
    CHECK_INT(kit_try(cx, &s, b, &why), HN_OK);
    m->counted = d->events;
    CHECK_INT(hn_store_commit(cx, &s, KIT_NAME), HN_OK);
    m->committed = d->events;
    CHECK_INT(hn_store_collect(cx, &s), HN_OK);
    hn_store_close(&s);
}

static void check(hn_ctx *cx, const kit *k, const marks *m, int cut, const kit_build *b)
{
    hn_store s;
    hn_slots slots;
    hn_reason why = HN_WHY_NONE;
    uint64_t usable = kit_usable(cx, k->root);
    CHECK(usable == 3 || (usable == 2 && cut < m->committed));         /* I1, I2; and what was reported stays */
    kit_open(cx, k, NULL, &s);
    CHECK_INT(hn_store_slots(cx, &s, KIT_NAME, &slots), HN_OK);
    CHECK(slots.floor >= 2 && (cut < m->committed || slots.floor == 3));                     /* I5 */
    CHECK(slots.trial == 0 || slots.tries_left <= (cut < m->counted ? 3u : 2u));             /* I4 */
    if (hn_store_check(cx, &s, NULL) != HN_OK)
        fail_msg("cut at %d: %s", cut, cx->msg);
    if (slots.current != 3)
        CHECK_INT(kit_update(cx, &s, b, &why), HN_OK);                                       /* I3 */
    CHECK_INT(kit_usable(cx, k->root), 3);
    hn_store_close(&s);
}

TEST(lost_caches_leave_the_old_or_the_new)
{
    enum { STATES = 1000 };
    static disk d;
    static survivor s;
    hn_ctx cx = { 0 };
    kit_build b;
    marks m;
    kit k, again;
    uint64_t random = 0x9E3779B97F4A7C15u;
    kit_new(&k);
    kit_build_new(&cx, 3, "", &b);
    record_update(&cx, &k, &d, &m, &b);
    again = k;
    snprintf(again.root, sizeof again.root, "%s/again", k.folder);
    for (int i = 0; i < STATES; i++) {
        int cut = m.base + 1 + (int)(random_next(&random) % (uint64_t)(d.events - m.base));
        survive(&d, m.base, cut, &random, &s);
        materialise(&cx, &d, &s, again.root);
        check(&cx, &again, &m, cut, &b);
        CHECK_INT(hn_fs_remove_tree(&cx, NULL, again.root), HN_OK);
    }
    print_message("%d states of the disk after %d calls\n", STATES, d.events - m.base);
    for (int i = 0; i < d.nodes; i++)
        free(d.node[i].data);
    kit_build_free(&b);
    kit_free(&k);
}
