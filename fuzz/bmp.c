/* SPDX-License-Identifier: Apache-2.0 */
/* libs: -ljpeg -lpng */
/* Any bytes as a BMP file. */
#include "fuzz/picture.h"

extern const hn_picture hn_picture_bmp;

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    return fuzz_picture(&hn_picture_bmp, data, len);
}
