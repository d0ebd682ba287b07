/* SPDX-License-Identifier: Apache-2.0 */
#include "media/sound.h"

#include <math.h>
#include <string.h>

#include "base/buf.h"
#include "base/num.h"

enum { HEAD = 12, CHUNK = 8, FORMAT = 16, EXTENSIBLE = 40 };
enum { CODE_INTEGER = 1, CODE_FLOAT = 3, CODE_EXTENSIBLE = 0xfffe };
enum { RATE_MAX = 1 << 20, CHANNELS_MAX = 64 };

static uint32_t number(const uint8_t *p, size_t bytes)
{
    uint32_t v = 0;
    for (size_t i = 0; i < bytes; i++)
        v |= (uint32_t)p[i] << 8 * i;
    return v;
}

static size_t sample_size(enum hn_sample s)
{
    static const size_t size[] = { 1, 2, 3, 4, 4, 8 };
    return size[s];
}

static hn_err read_format(hn_ctx *cx, const uint8_t *p, size_t len, hn_sound *s)
{
    static const struct { uint32_t code, bits; } kinds[] = {
        { CODE_INTEGER, 8 }, { CODE_INTEGER, 16 }, { CODE_INTEGER, 24 }, { CODE_INTEGER, 32 }, { CODE_FLOAT, 32 },
        { CODE_FLOAT, 64 },
    };
    if (len < FORMAT)
        return hn_fail(cx, HN_EFORMAT, "wav: the format takes %d bytes, found %zu", FORMAT, len);
    uint32_t code = number(p, 2), bits = number(p + 14, 2), frame = number(p + 12, 2);
    if (code == CODE_EXTENSIBLE && len >= EXTENSIBLE)
        code = number(p + 24, 2);                       /* the first bytes of a longer name */
    s->channels = number(p + 2, 2);
    s->rate = number(p + 4, 4);
    size_t kind = 0, count = sizeof kinds / sizeof *kinds;
    while (kind < count && (kinds[kind].code != code || kinds[kind].bits != bits))
        kind++;
    if (kind == count)
        return hn_fail(cx, HN_EUNSUP, "wav: samples of kind %u and %u bits; convert them to 16-bit PCM", code, bits);
    s->sample = (enum hn_sample)kind;
    if (s->channels < 1 || s->channels > CHANNELS_MAX || s->rate < 1 || s->rate > RATE_MAX ||
        frame != s->channels * sample_size(s->sample))
        return hn_fail(cx, HN_EFORMAT, "wav: %u channels, %u frames a second and %u bytes a frame do not go together",
                       s->channels, s->rate, frame);
    return HN_OK;
}

/* Chunks one after another, each of an even length in the file: the format comes before the samples. */
hn_err hn_sound_open_memory(hn_ctx *cx, const void *data, size_t len, hn_sound *out)
{
    const uint8_t *p = data;
    hn_sound s = { .channels = 0 };
    if (len < HEAD || memcmp(p, "RIFF", 4) != 0 || memcmp(p + 8, "WAVE", 4) != 0)
        return hn_fail(cx, HN_EFORMAT, "expected sound (WAV), found something else; convert it to WAV");
    for (size_t at = HEAD; len - at >= CHUNK;) {
        size_t size = number(p + at + 4, 4), rest = len - at - CHUNK, here = hn_min(size, rest);
        const uint8_t *body = p + at + CHUNK;
        if (memcmp(p + at, "fmt ", 4) == 0) {
            HN_TRY(read_format(cx, body, here, &s));
        } else if (memcmp(p + at, "data", 4) == 0) {
            if (s.channels == 0)
                return hn_fail(cx, HN_EFORMAT, "wav: samples before their format");
            /* A recorder that was cut off, or wrote to a pipe, never came back to fill in the size. */
            if (size > rest && size < UINT32_MAX - 64)
                return hn_fail(cx, HN_EFORMAT, "wav: %zu bytes of samples announced, %zu there; copy it again", size, rest);
            s.data = body;
            s.frames = here / (s.channels * sample_size(s.sample));
            *out = s;
            return HN_OK;
        }
        if (rest - here < (size & 1))
            break;
        at += CHUNK + here + (size & 1);
    }
    return hn_fail(cx, HN_EFORMAT, "wav: the file ends after %zu bytes without samples", len);
}

hn_err hn_sound_open(hn_ctx *cx, const char *path, hn_sound *out)
{
    hn_file file;
    HN_TRY(hn_file_open(cx, path, &file));
    hn_err e = hn_sound_open_memory(cx, file.data, file.len, out);
    if (!e) {
        out->file = file;
        return HN_OK;
    }
    if (cx) {
        char why[HN_MSG_MAX];
        memcpy(why, cx->msg, sizeof why);
        hn_fail(cx, e, "%.180s: %.320s", path, why);
    }
    hn_file_close(&file);
    return e;
}

void hn_sound_close(hn_sound *s)
{
    hn_file_close(&s->file);
    *s = (hn_sound){ 0 };
}

/* Integers as they would be with 32 bits, so one division serves them all. */
static double value(const uint8_t *p, enum hn_sample kind)
{
    union { uint32_t i; float f; } narrow;
    union { uint64_t i; double f; } wide;
    switch (kind) {
    case HN_SAMPLE_U8:  return ((double)p[0] - 128) / 128;
    case HN_SAMPLE_I16: return (double)(int32_t)(number(p, 2) << 16) / 2147483648.0;
    case HN_SAMPLE_I24: return (double)(int32_t)(number(p, 3) << 8) / 2147483648.0;
    case HN_SAMPLE_I32: return (double)(int32_t)number(p, 4) / 2147483648.0;
    case HN_SAMPLE_F32: narrow.i = number(p, 4); return (double)narrow.f;
    case HN_SAMPLE_F64: break;
    }
    wide.i = number(p, 4) | (uint64_t)number(p + 4, 4) << 32;
    return wide.f;
}

void hn_sound_read(const hn_sound *s, size_t first, size_t count, float *out)
{
    size_t size = sample_size(s->sample);
    for (size_t i = 0; i < count; i++) {
        double sum = 0;
        for (size_t c = 0; c < s->channels && first < s->frames && i < s->frames - first; c++)
            sum += value(s->data + ((first + i) * s->channels + c) * size, s->sample);
        out[i] = (float)(sum / s->channels);
    }
}

static void put(hn_buf *b, uint32_t v, size_t bytes)
{
    uint8_t p[4] = { (uint8_t)v, (uint8_t)(v >> 8), (uint8_t)(v >> 16), (uint8_t)(v >> 24) };
    hn_buf_add(b, p, bytes);
}

hn_err hn_sound_save(hn_ctx *cx, const char *path, unsigned rate, const float *sample, size_t count)
{
    hn_buf b = { .cx = cx };
    if (count > (UINT32_MAX - 64) / 2)
        return hn_fail(cx, HN_ELIMIT, "%s: %zu samples are more than a WAV file holds", path, count);
    hn_buf_add(&b, "RIFF", 4);
    put(&b, (uint32_t)(36 + 2 * count), 4);
    hn_buf_add(&b, "WAVEfmt ", 8);
    put(&b, FORMAT, 4);
    put(&b, CODE_INTEGER, 2);
    put(&b, 1, 2);
    put(&b, rate, 4);
    put(&b, 2 * rate, 4);
    put(&b, 2, 2);
    put(&b, 16, 2);
    hn_buf_add(&b, "data", 4);
    put(&b, (uint32_t)(2 * count), 4);
    for (size_t i = 0; i < count; i++) {
        double v = rint((double)sample[i] * 32768);
        put(&b, (uint32_t)(int32_t)(v >= -32768 ? fmin(v, 32767) : -32768), 2);     /* NaN too */
    }
    hn_err e = hn_buf_ok(&b, "a sound");
    if (!e)
        e = hn_file_write(cx, path, b.data, b.len);
    hn_buf_free(&b);
    return e;
}
