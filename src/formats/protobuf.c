/* SPDX-License-Identifier: Apache-2.0 */
#include "formats/protobuf.h"

#include <string.h>

enum { GROUP_DEPTH_MAX = 32, VARINT_BYTES_MAX = 10 };

static bool damaged(hn_pb *p)
{
    p->damaged = true;
    p->at = p->end;
    return false;
}

static bool read_varint(hn_pb *p, uint64_t *out)
{
    uint64_t v = 0;
    for (unsigned i = 0; i < VARINT_BYTES_MAX; i++) {
        if (p->at == p->end)
            return damaged(p);
        uint64_t byte = *p->at++;
        if (i == VARINT_BYTES_MAX - 1 && byte > 1)      /* a 65th bit */
            return damaged(p);
        v |= (byte & 0x7F) << (7 * i);
        if (byte < 0x80) {
            *out = v;
            return true;
        }
    }
    return damaged(p);
}

static bool read_fixed(hn_pb *p, unsigned bytes, uint64_t *out)
{
    uint64_t v = 0;
    if ((size_t)(p->end - p->at) < bytes)
        return damaged(p);
    for (unsigned i = 0; i < bytes; i++)
        v |= (uint64_t)p->at[i] << (8 * i);
    p->at += bytes;
    *out = v;
    return true;
}

static bool read_field(hn_pb *p, hn_pb_field *f)
{
    uint64_t key;
    if (!read_varint(p, &key))
        return false;
    if (key > UINT32_MAX || key >> 3 == 0)
        return damaged(p);
    *f = (hn_pb_field){ .key = (uint32_t)key };

    switch (key & 7) {
    case HN_PB_VARINT:  return read_varint(p, &f->num);
    case HN_PB_FIXED64: return read_fixed(p, 8, &f->num);
    case HN_PB_FIXED32: return read_fixed(p, 4, &f->num);
    case HN_PB_GROUP: case HN_PB_GROUP_END: return true;
    case HN_PB_LEN:
        if (!read_varint(p, &f->num) || f->num > (size_t)(p->end - p->at))
            return damaged(p);
        f->ptr = p->at;
        f->len = (size_t)f->num;
        p->at += f->len;
        return true;
    default:
        return damaged(p);
    }
}

/* Steps to the end of the group that `key` opened; a group may hold others. */
static bool skip_group(hn_pb *p, uint32_t key)
{
    uint32_t open[GROUP_DEPTH_MAX];
    unsigned depth = 0;
    hn_pb_field f;

    open[depth++] = key >> 3;
    while (depth > 0) {
        if (p->at == p->end || !read_field(p, &f))
            return damaged(p);
        if ((f.key & 7) == HN_PB_GROUP) {
            if (depth == GROUP_DEPTH_MAX)
                return damaged(p);
            open[depth++] = f.key >> 3;
        } else if ((f.key & 7) == HN_PB_GROUP_END && open[--depth] != f.key >> 3) {
            return damaged(p);
        }
    }
    return true;
}

bool hn_pb_next(hn_pb *p, hn_pb_field *f)
{
    while (p->at != p->end) {
        if (!read_field(p, f))
            return false;
        if ((f->key & 7) == HN_PB_GROUP_END)
            return damaged(p);
        if ((f->key & 7) != HN_PB_GROUP)
            return true;
        if (!skip_group(p, f->key))
            return false;
    }
    return false;
}

float hn_pb_float(uint64_t fixed32)
{
    uint32_t bits = (uint32_t)fixed32;
    float v;
    memcpy(&v, &bits, sizeof v);
    return v;
}

double hn_pb_double(uint64_t fixed64)
{
    double v;
    memcpy(&v, &fixed64, sizeof v);
    return v;
}

hn_pb_numbers hn_pb_numbers_in(hn_pb msg, uint32_t number, uint32_t wire)
{
    return (hn_pb_numbers){ .msg = msg, .number = number, .wire = wire };
}

bool hn_pb_number(hn_pb_numbers *n, uint64_t *out)
{
    hn_pb_field f;
    for (;;) {
        if (n->run.at != n->run.end) {
            bool ok = n->wire == HN_PB_VARINT ? read_varint(&n->run, out)
                                              : read_fixed(&n->run, n->wire == HN_PB_FIXED32 ? 4 : 8, out);
            return ok || damaged(&n->msg);
        }
        if (!hn_pb_next(&n->msg, &f))
            return false;
        if (f.key == (n->number << 3 | n->wire)) {
            *out = f.num;
            return true;
        }
        if (f.key == (n->number << 3 | HN_PB_LEN))
            n->run = hn_pb_inside(&f);
    }
}

size_t hn_pb_count(hn_pb msg, uint32_t number, uint32_t wire)
{
    hn_pb_numbers n = hn_pb_numbers_in(msg, number, wire);
    uint64_t v;
    size_t count = 0;
    while (hn_pb_number(&n, &v))
        count++;
    return n.msg.damaged ? SIZE_MAX : count;
}
