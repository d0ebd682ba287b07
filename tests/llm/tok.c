/* SPDX-License-Identifier: Apache-2.0 */
/* Tokenizers on vocabularies small enough to work out by hand. */
#include "tests/support/test.h"

#include <stdio.h>

#include "llm/tok.h"

#define M "\xE2\x96\x81"
#define COUNT(list) (sizeof (list) / sizeof *(list))

typedef struct toy { hn_ctx cx; hn_tok *t; hn_arena *a; } toy;

/* Tokens as "text" of type and score, given in the order of their ids. */
typedef struct piece { const char *text; float score; uint8_t type; } piece;

static hn_err open_toy(toy *y, hn_tok_spec s, const piece *p, size_t n)
{
    static hn_tok_token token[64];
    *y = (toy){ 0 };
    for (size_t i = 0; i < n; i++)
        token[i] = (hn_tok_token){ { p[i].text, strlen(p[i].text) }, p[i].score, p[i].type, 0 };
    s.token = token;
    s.count = n;
    HN_TRY(hn_arena_new(&y->cx, 0, &y->a));
    return hn_tok_new(&y->cx, &s, &y->t);
}

static void close_toy(toy *y)
{
    hn_tok_free(y->t);
    hn_arena_free(y->a);
}

/* The ids as text, "1 2 3". */
static const char *ids(toy *y, const char *text)
{
    static char out[256];
    hn_ids got;
    size_t n = 0;
    CHECK_INT(hn_tok_encode(&y->cx, y->t, (hn_text){ text, strlen(text) }, NULL, y->a, &got), HN_OK);
    out[0] = 0;
    for (size_t i = 0; i < got.count; i++)
        n += (size_t)snprintf(out + n, sizeof out - n, "%s%d", i ? " " : "", (int)got.id[i]);
    return out;
}

TEST(wordpiece_takes_the_longest_and_gives_up_whole_words)
{
    static const piece p[] = { { "[UNK]", 0, HN_TOK_CONTROL }, { M "un" }, { M "u" }, { "aff" }, { "able" }, { M "!" }, { M "cafe" },
                               { M "\xE4\xBD\xA0" }, { "a" } };
    toy y;
    hn_tok_spec s = hn_tok_spec_of(HN_TOK_WORDPIECE, NULL);
    s.unk = 0;
    CHECK_INT(open_toy(&y, s, p, COUNT(p)), HN_OK);
    CHECK_TEXT(ids(&y, "unaffable!"), "1 3 4 5");
    CHECK_TEXT(ids(&y, "UN-aff"), "1 0 0");                         /* "-" and "aff" begin no piece */
    CHECK_TEXT(ids(&y, "Caf\xC3\xA9 \xE4\xBD\xA0" "u"), "6 7 2");
    CHECK_TEXT(ids(&y, "  \t\n"), "");
    CHECK_TEXT(ids(&y, "un\x01\xEF\xBF\xBDxyz un"), "0 1");
    close_toy(&y);
}

TEST(unigram_takes_the_likeliest_path)
{
    static const piece p[] = { { "<unk>", 0, HN_TOK_UNKNOWN }, { M, -3 }, { "a", -2 }, { "b", -2 }, { "ab", -3.5f }, { "abc", -9 },
                               { "c", -1 }, { M "a", -2.5f } };
    toy y;
    hn_tok_spec s = hn_tok_spec_of(HN_TOK_UNIGRAM, NULL);
    s.unk = 0;
    s.merge_spaces = true;
    CHECK_INT(open_toy(&y, s, p, COUNT(p)), HN_OK);
    CHECK_TEXT(ids(&y, "ab"), "7 3");                               /* -4.5; "_" "ab" is -6.5 */
    CHECK_TEXT(ids(&y, "bab"), "1 3 4");                            /* "ab" -3.5 against "a" "b" -4 */
    CHECK_TEXT(ids(&y, "xyz"), "1 0");                              /* unknowns side by side are one */
    CHECK_TEXT(ids(&y, "  a   c "), "7 1 6");
    close_toy(&y);
}

/* Score decides before place, place before length. */
TEST(spm_joins_the_best_pair_first)
{
    static const piece p[] = { { "<unk>", 0, HN_TOK_UNKNOWN }, { "a", -9 }, { "b", -9 }, { "c", -9 }, { "ab", -2 }, { "bc", -1 },
                               { "abc", -5 }, { "aa", -3 }, { "<0x64>", 0, HN_TOK_BYTE } };
    toy y;
    hn_tok_spec s = hn_tok_spec_of(HN_TOK_SPM, NULL);
    s.unk = 0;
    s.space_prefix = false;
    CHECK_INT(open_toy(&y, s, p, COUNT(p)), HN_OK);
    CHECK_TEXT(ids(&y, "abc"), "6");                                /* bc, then a + bc */
    CHECK_TEXT(ids(&y, "aaa"), "7 1");
    CHECK_TEXT(ids(&y, "abd"), "4 8");
    CHECK_TEXT(ids(&y, "aZ"), "1 0");
    close_toy(&y);
}

TEST(bpe_joins_by_rank_and_follows_merges_through_pieces_without_an_id)
{
    static const piece p[] = { { "a" }, { "b" }, { "c" }, { "abc" }, { "ca" }, { "\xC4\xA0" }, { "<x>", 0, HN_TOK_USER } };
    static const hn_text merges[] = { { "c a", 3 }, { "a b", 3 }, { "ab c", 4 } };       /* "ab" is no token */
    toy y;
    hn_tok_spec s = hn_tok_spec_of(HN_TOK_BPE, "gpt-2");
    s.merge = merges;
    s.merge_count = COUNT(merges);
    CHECK_INT(open_toy(&y, s, p, COUNT(p)), HN_OK);
    CHECK_TEXT(ids(&y, "abc"), "3");
    CHECK_TEXT(ids(&y, "ab"), "0 1");
    CHECK_TEXT(ids(&y, "abca"), "0 1 4");
    CHECK_TEXT(ids(&y, "a<x>b"), "0 6 1");
    close_toy(&y);
}

TEST(bad_descriptions_are_refused)
{
    static const piece p[] = { { "a" }, { "b" } };
    static const hn_text merge[] = { { "ab", 2 } };
    toy y;
    hn_tok_spec s = hn_tok_spec_of(HN_TOK_BPE, "no-such-rule");
    CHECK_INT(open_toy(&y, s, p, 2), HN_EUNSUP);
    CHECK(strstr(y.cx.msg, "no-such-rule") != NULL);
    close_toy(&y);
    s = hn_tok_spec_of(HN_TOK_BPE, "gpt-2");
    s.merge = merge;
    s.merge_count = 1;
    CHECK_INT(open_toy(&y, s, p, 2), HN_EFORMAT);
    close_toy(&y);
    s = hn_tok_spec_of(HN_TOK_SPM, NULL);
    s.eos = 2;
    CHECK_INT(open_toy(&y, s, p, 2), HN_EFORMAT);
    close_toy(&y);
    CHECK_INT(open_toy(&y, hn_tok_spec_of(HN_TOK_SPM, NULL), p, 0), HN_EFORMAT);
    close_toy(&y);
    s = hn_tok_spec_of(HN_TOK_UNIGRAM, NULL);
    s.unk = 0;
    s.charsmap = (hn_text){ "\xFF\xFF\xFF\xFF\0", 5 };
    CHECK_INT(open_toy(&y, s, p, 2), HN_EFORMAT);
    close_toy(&y);
}

TEST(a_stream_shows_what_is_no_character_as_a_sign)
{
    static const piece p[] = { { "<0xE2>", 0, HN_TOK_BYTE }, { "<0x82>", 0, HN_TOK_BYTE }, { "<0xAC>", 0, HN_TOK_BYTE }, { "x" } };
    toy y;
    hn_buf out = { 0 };
    CHECK_INT(open_toy(&y, hn_tok_spec_of(HN_TOK_SPM, NULL), p, COUNT(p)), HN_OK);
    hn_detok d = { .tok = y.t };
    hn_detok_add(&d, 0, &out);
    hn_detok_add(&d, 1, &out);
    CHECK_INT(out.len, 0);
    hn_detok_add(&d, 2, &out);
    CHECK_TEXT(out.data, "\xE2\x82\xAC");
    hn_detok_add(&d, 0, &out);
    hn_detok_add(&d, 3, &out);
    CHECK_TEXT(out.data, "\xE2\x82\xAC\xEF\xBF\xBDx");
    hn_detok_add(&d, 0, &out);
    hn_detok_add(&d, 99, &out);
    hn_detok_end(&d, &out);
    CHECK_TEXT(out.data, "\xE2\x82\xAC\xEF\xBF\xBDx\xEF\xBF\xBD");
    hn_buf_free(&out);
    close_toy(&y);
}
