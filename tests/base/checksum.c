/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/support/test.h"

#include <string.h>

#include "base/checksum.h"

/* The values that every implementation of XXH64 gives with seed 0. */
TEST(known_texts_have_known_sums)
{
    CHECK(hn_checksum("", 0) == 0xEF46DB3751D8E999u);
    CHECK(hn_checksum("a", 1) == 0xD24EC4F1A98C6E5Bu);
    CHECK(hn_checksum("abc", 3) == 0x44BC2CF5AD770999u);
}

TEST(every_byte_of_every_length_counts)
{
    unsigned char data[100] = { 0 };
    for (size_t len = 1; len <= sizeof data; len++) {
        uint64_t sum = hn_checksum(data, len);
        CHECK(sum != hn_checksum(data, len - 1));
        for (size_t i = 0; i < len; i++) {
            data[i] ^= 1;
            CHECK(hn_checksum(data, len) != sum);
            data[i] ^= 1;
        }
    }
}
