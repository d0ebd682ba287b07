/* SPDX-License-Identifier: Apache-2.0 */
/* libs: -ljpeg -lpng */
/* Any bytes as a PNG file. */
#include "fuzz/picture.h"

extern const hn_picture hn_picture_png;

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    return fuzz_picture(&hn_picture_png, data, len);
}
