/* SPDX-License-Identifier: Apache-2.0 */
/* Sound: WAV files, read where they lie and taken out piece by piece, so that an hour costs no more
 * memory than a second.
 *
 * WAV alone is read here, because it is plain numbers behind a header; compressed sound is for other
 * programs to unpack. */
#ifndef HN_MEDIA_SOUND_H
#define HN_MEDIA_SOUND_H

#include "base/file.h"

enum hn_sample { HN_SAMPLE_U8, HN_SAMPLE_I16, HN_SAMPLE_I24, HN_SAMPLE_I32, HN_SAMPLE_F32, HN_SAMPLE_F64 };

typedef struct hn_sound {
    hn_file file;                /* empty when the bytes are the caller's */
    const uint8_t *data;         /* of the first frame */
    size_t frames;
    unsigned rate, channels;     /* frames a second; samples of a frame */
    enum hn_sample sample;
} hn_sound;

hn_err hn_sound_open(hn_ctx *cx, const char *path, hn_sound *out);
void hn_sound_close(hn_sound *s);

/* The same from memory, which must outlive it; nothing to close. */
hn_err hn_sound_open_memory(hn_ctx *cx, const void *data, size_t len, hn_sound *out);

/* `count` frames from `first` on, between -1 and 1, channels averaged into one; silence past the end. */
void hn_sound_read(const hn_sound *s, size_t first, size_t count, float *out);

/* One channel of 16 bits; what lies outside of -1 to 1 is clipped. */
hn_err hn_sound_save(hn_ctx *cx, const char *path, unsigned rate, const float *sample, size_t count);

#endif
