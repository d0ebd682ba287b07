/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/support/test.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "media/sound.h"

/* A format of 16 bytes, then the samples. */
#define WAV(code, channels, bits, bytes, ...)                                                                  \
    { 'R', 'I', 'F', 'F', 36 + bytes, 0, 0, 0, 'W', 'A', 'V', 'E', 'f', 'm', 't', ' ', 16, 0, 0, 0, code, 0,   \
      channels, 0, 0x40, 0x1f, 0, 0, 0, 0, 0, 0, channels * bits / 8, 0, bits, 0, 'd', 'a', 't', 'a', bytes, 0, 0, 0, __VA_ARGS__ }

static hn_ctx cx;

static hn_sound sound_of(const uint8_t *file, size_t len)
{
    hn_sound s = { 0 };
    if (hn_sound_open_memory(&cx, file, len, &s))
        print_message("%s\n", cx.msg);
    return s;
}

TEST(channels_become_one_and_silence_follows_the_end)
{
    const uint8_t file[] = WAV(1, 2, 16, 8, 0, 0x40, 0, 0, 0, 0x80, 0, 0x80);
    hn_sound s = sound_of(file, sizeof file);
    float v[4] = { 9, 9, 9, 9 };
    CHECK(s.frames == 2 && s.rate == 8000 && s.channels == 2);
    hn_sound_read(&s, 0, 3, v);
    CHECK(v[0] == 0.25f && v[1] == -1 && v[2] == 0 && v[3] == 9);
    hn_sound_read(&s, SIZE_MAX - 1, 2, v);
    CHECK(v[0] == 0 && v[1] == 0);
}

TEST(every_kind_of_sample_is_between_minus_one_and_one)
{
    const uint8_t u8[] = WAV(1, 1, 8, 2, 192, 0), i24[] = WAV(1, 1, 24, 6, 0, 0, 0x20, 0, 0, 0x80);
    const uint8_t i32[] = WAV(1, 1, 32, 8, 0, 0, 0, 0x20, 0, 0, 0, 0x80), f32[] = WAV(3, 1, 32, 8, 0, 0, 0x80, 0x3e, 0, 0, 0x80, 0xbf);
    const uint8_t f64[] = WAV(3, 1, 64, 16, 0, 0, 0, 0, 0, 0, 0xd0, 0x3f, 0, 0, 0, 0, 0, 0, 0xf0, 0xbf);
    const struct { const uint8_t *data; size_t len; float first; } all[] = {
        { u8, sizeof u8, 0.5f }, { i24, sizeof i24, 0.25f }, { i32, sizeof i32, 0.25f }, { f32, sizeof f32, 0.25f },
        { f64, sizeof f64, 0.25f },
    };
    for (size_t i = 0; i < sizeof all / sizeof *all; i++) {
        hn_sound s = sound_of(all[i].data, all[i].len);
        float v[2] = { 0, 0 };
        CHECK_INT(s.frames, 2);
        hn_sound_read(&s, 0, 2, v);
        CHECK(v[0] == all[i].first && v[1] == -1);
    }
}

TEST(a_cut_or_foreign_sound_is_refused)
{
    const uint8_t file[] = WAV(1, 1, 16, 4, 1, 2, 3, 4), odd[] = WAV(1, 1, 12, 4, 1, 2, 3, 4);
    hn_sound s;
    for (size_t n = 0; n < sizeof file; n++) {
        uint8_t *copy = test_malloc(n + 1);
        memcpy(copy, file, n);
        CHECK(hn_sound_open_memory(&cx, copy, n, &s) == HN_EFORMAT);
        test_free(copy);
    }
    CHECK_INT(hn_sound_open_memory(&cx, odd, sizeof odd, &s), HN_EUNSUP);
    CHECK_INT(hn_sound_open_memory(&cx, "OggS, which is not WAV", 22, &s), HN_EFORMAT);
}

/* A recorder that writes to a pipe announces more than it can know. */
TEST(a_size_never_filled_in_means_all_there_is)
{
    uint8_t file[] = WAV(1, 1, 16, 4, 1, 2, 3, 4);
    memset(file + 40, 0xff, 4);
    CHECK_INT(sound_of(file, sizeof file).frames, 2);
}

TEST(what_is_saved_comes_back)
{
    char path[] = "/tmp/hone-sound-XXXXXX";
    const float out[] = { 0, 0.5f, -1, 2, NAN };
    float in[5];
    hn_sound s;
    int fd = mkstemp(path);
    CHECK(fd >= 0);
    CHECK_INT(hn_sound_save(&cx, path, 16000, out, 5), HN_OK);
    CHECK_INT(hn_sound_open(&cx, path, &s), HN_OK);
    CHECK(s.frames == 5 && s.rate == 16000);
    hn_sound_read(&s, 0, 5, in);
    CHECK(in[0] == 0 && in[1] == 0.5f && in[2] == -1 && in[3] == 32767 / 32768.0f && in[4] == -1);
    hn_sound_close(&s);
    close(fd);
    remove(path);
}
