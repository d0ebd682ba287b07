/* SPDX-License-Identifier: Apache-2.0 */
#include "base/words.h"

#include "base/num.h"

size_t hn_edit_distance(const char *a, size_t a_len, const char *b, size_t b_len)
{
    size_t d[HN_WORD_MAX + 1][HN_WORD_MAX + 1];
    if (a_len > HN_WORD_MAX || b_len > HN_WORD_MAX)
        return HN_WORD_MAX + 1;
    for (size_t i = 0; i <= a_len; i++)
        for (size_t j = 0; j <= b_len; j++) {
            if (i == 0 || j == 0) {
                d[i][j] = i + j;
                continue;
            }
            size_t swap = d[i - 1][j - 1] + (a[i - 1] != b[j - 1]);
            d[i][j] = hn_min(swap, hn_min(d[i - 1][j], d[i][j - 1]) + 1);
            if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1])
                d[i][j] = hn_min(d[i][j], d[i - 2][j - 2] + 1);
        }
    return d[a_len][b_len];
}
