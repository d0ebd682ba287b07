/* SPDX-License-Identifier: Apache-2.0 */
/* Slots: which builds of a model a device has, and which one counts.
 *
 * One small file per model, STATE/models/NAME/slots.json, is the only commit point of an installation:
 * everything else is written before and means nothing until this file names it.  It is replaced whole:
 * the new one is written and synced, the old one kept as slots.json.prev, then renamed over.  A reader
 * therefore finds the old state or the new one; a file that bit rot has damaged is answered by .prev.
 *
 * Part of the library proper: applications read it, and count their own starts on trial. */
#ifndef HN_FLEET_SLOTS_H
#define HN_FLEET_SLOTS_H

#include "fleet/fs.h"

enum { HN_SLOTS_BAD_MAX = 16, HN_TRIES_MAX = 16 };
#define HN_BUILD_MAX (((uint64_t)1 << 53) - 1)     /* exact in every JSON reader */

typedef enum hn_arm_mode { HN_ARM_NONE, HN_ARM_AB, HN_ARM_SHADOW } hn_arm_mode;

typedef struct hn_slots {
    uint64_t seq;                /* grows by one with each replacement */
    uint64_t current, previous;  /* 0: none */
    uint64_t trial;              /* on trial, 0: none */
    unsigned tries_left;         /* starts the trial still has */
    uint64_t floor;              /* builds below it are not installed again */
    uint64_t bad[HN_SLOTS_BAD_MAX]; unsigned bad_count;      /* failed here, oldest first */
    hn_arm_mode arm_mode;        /* a second build kept beside current: A/B or shadow */
    uint64_t arm;
    unsigned arm_share;          /* AB: of a million units */
} hn_slots;

/* dir: STATE/models/NAME.  HN_ENO when there is no such model; HN_EFORMAT when neither file can be read.
 * Read from .prev a trial has lost one try, and the floor is at least the current build: damage gives
 * nothing back. */
hn_err hn_slots_read(hn_ctx *cx, const char *dir, hn_slots *out);

/* Replaces the file durably; counts s->seq up. */
hn_err hn_slots_write(hn_ctx *cx, const hn_fs *fs, const char *dir, hn_slots *s);

/* Between reading and writing: one at a time, across processes.  Waits. */
hn_err hn_slots_lock(hn_ctx *cx, const char *dir, int *out);
void hn_slots_unlock(int lock);

bool hn_slots_is_bad(const hn_slots *s, uint64_t build);
void hn_slots_add_bad(hn_slots *s, uint64_t build);
bool hn_slots_keeps(const hn_slots *s, uint64_t build);      /* is it named by any slot? */

uint32_t hn_crc32(const void *data, size_t len);             /* of Ethernet and zip */

#endif
