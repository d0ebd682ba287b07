/* SPDX-License-Identifier: Apache-2.0 */
#include "fuzz/picture.h"

extern const hn_picture hn_picture_jpeg;

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    fuzz_picture(&hn_picture_jpeg, data, len);
    return 0;
}
