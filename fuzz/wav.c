/* SPDX-License-Identifier: Apache-2.0 */
/* libs: -ljpeg -lpng */
/* Any bytes as a WAV file; whatever frames it says it has can be read. */
#include "fuzz/fuzz.h"

#include "base/num.h"
#include "media/sound.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    hn_ctx cx = { 0 };
    hn_sound s = { 0 };
    float v[64];
    if (hn_sound_open_memory(&cx, data, len, &s)) {
        if (s.data || !cx.msg[0])
            abort();                   /* results are written only on success, and a failure says why */
        return 0;
    }
    for (size_t at = 0; at <= s.frames; at += hn_max(s.frames / 4, 1))
        hn_sound_read(&s, at, 64, v);
    hn_sound_read(&s, s.frames ? s.frames - 1 : 0, 64, v);
    return 0;
}
