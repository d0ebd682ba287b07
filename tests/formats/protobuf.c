/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/support/test.h"

#include "formats/protobuf.h"

#define BYTES(...) hn_pb_over((const uint8_t[]){ __VA_ARGS__ }, sizeof((const uint8_t[]){ __VA_ARGS__ }))

static bool damaged(hn_pb p)
{
    hn_pb_field f;
    while (hn_pb_next(&p, &f)) { }
    return p.damaged;
}

TEST(fields_of_every_wire_type_are_read_in_place)
{
    hn_pb p = BYTES(0x08, 0x96, 0x01, 0x15, 0, 0, 0x80, 0x3F, 0x1A, 2, 'h', 'i', 0x21, 1, 0, 0, 0, 0, 0, 0, 0);
    hn_pb_field f;
    CHECK(hn_pb_next(&p, &f) && f.key == HN_PB(1, VARINT) && f.num == 150);
    CHECK(hn_pb_next(&p, &f) && f.key == HN_PB(2, FIXED32) && hn_pb_float(f.num) == 1.0f);
    CHECK(hn_pb_next(&p, &f) && f.key == HN_PB(3, LEN) && f.len == 2 && memcmp(f.ptr, "hi", 2) == 0);
    CHECK(hn_pb_next(&p, &f) && f.key == HN_PB(4, FIXED64) && f.num == 1);
    CHECK(!hn_pb_next(&p, &f) && !p.damaged);
}

TEST(a_negative_number_is_a_varint_of_ten_bytes)
{
    hn_pb p = BYTES(0x08, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0x01);
    hn_pb_field f;
    CHECK(hn_pb_next(&p, &f) && (int64_t)f.num == -1);
}

TEST(damage_stops_the_cursor_and_is_remembered)
{
    CHECK(damaged(BYTES(0x08)));                                     /* a key and no value */
    CHECK(damaged(BYTES(0x08, 0x80)));                               /* a varint cut short */
    CHECK(damaged(BYTES(0x08, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0x02)));  /* 65 bits */
    CHECK(damaged(BYTES(0x08, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x00)));
    CHECK(damaged(BYTES(0x0A, 5, 'a')));                             /* longer than the message */
    CHECK(damaged(BYTES(0x0A, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0x01)));
    CHECK(damaged(BYTES(0x15, 0, 0, 0)));                            /* a short fixed32 */
    CHECK(damaged(BYTES(0x00, 0)));                                  /* field 0 */
    CHECK(damaged(BYTES(0x0E)) && damaged(BYTES(0x0F)));             /* no such wire types */
    CHECK(damaged(BYTES(0x0C)));                                     /* the end of no group */
    CHECK(!damaged(hn_pb_over(NULL, 0)));
}

TEST(groups_are_stepped_over_and_may_not_nest_for_ever)
{
    hn_pb p = BYTES(0x0B, 0x10, 1, 0x13, 0x14, 0x0C, 0x18, 7);       /* 1 { 2: 1, 2 {} } 3: 7 */
    hn_pb_field f;
    CHECK(hn_pb_next(&p, &f) && f.key == HN_PB(3, VARINT) && f.num == 7);
    CHECK(damaged(BYTES(0x0B, 0x14)));                               /* closes another group */
    CHECK(damaged(BYTES(0x0B, 0x10, 1)));                            /* never closes */

    uint8_t deep[200];
    memset(deep, 0x0B, 100);
    memset(deep + 100, 0x0C, 100);
    CHECK(damaged(hn_pb_over(deep, sizeof deep)));
}

TEST(repeated_numbers_may_be_packed_or_not)
{
    hn_pb p = BYTES(0x08, 1, 0x0A, 3, 2, 0xAC, 0x02, 0x10, 9, 0x0A, 0, 0x08, 4);
    hn_pb_numbers n = hn_pb_numbers_in(p, 1, HN_PB_VARINT);
    const uint64_t want[] = { 1, 2, 300, 4 };
    uint64_t v;
    CHECK_INT(hn_pb_count(p, 1, HN_PB_VARINT), 4);
    for (int i = 0; i < 4; i++)
        CHECK(hn_pb_number(&n, &v) && v == want[i]);
    CHECK(!hn_pb_number(&n, &v) && !n.msg.damaged);

    CHECK(hn_pb_count(BYTES(0x0A, 3, 1, 2, 0x80), 1, HN_PB_VARINT) == SIZE_MAX);
    CHECK(hn_pb_count(BYTES(0x0A, 5, 0, 0, 0, 0, 0), 1, HN_PB_FIXED32) == SIZE_MAX);
    CHECK_INT(hn_pb_count(BYTES(0x0A, 8, 0, 0, 0, 0, 0, 0, 0, 0), 1, HN_PB_FIXED32), 2);
}
