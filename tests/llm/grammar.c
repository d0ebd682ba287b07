/* SPDX-License-Identifier: Apache-2.0 */
/* Grammars: what they accept, what they refuse, what masks say, and what is wrong with them. */
#include "tests/support/test.h"

#include <stdio.h>
#include <stdlib.h>

#include "llm/grammar.h"
#include "llm/tok_gguf.h"

typedef struct words { hn_ctx cx; hn_gguf *file; hn_tok *tok; hn_vocab *v; } words;

/* The storyteller's vocabulary: all bytes, and some thousand pieces. */
static void open_words(words *w)
{
    *w = (words){ 0 };
    CHECK_INT(hn_gguf_open(&w->cx, "models/storyteller/storyteller.gguf", &w->file), HN_OK);
    CHECK_INT(hn_tok_from_gguf(&w->cx, w->file, &w->tok), HN_OK);
    CHECK_INT(hn_vocab_new(&w->cx, w->tok, &w->v), HN_OK);
}

static void close_words(words *w)
{
    hn_vocab_free(w->v);
    hn_tok_free(w->tok);
    hn_gguf_close(w->file);
}

static bool allowed(const uint32_t *mask, int32_t id) { return mask[id / 32] >> id % 32 & 1; }

static int32_t byte_token(const words *w, unsigned char b)
{
    char name[8];
    snprintf(name, sizeof name, "%c", b);
    for (size_t i = 0; i < hn_tok_count(w->tok); i++) {
        hn_buf bytes = { 0 };
        hn_tok_bytes(w->tok, (int32_t)i, &bytes);
        bool found = bytes.len == 1 && (unsigned char)bytes.data[0] == b;
        hn_buf_free(&bytes);
        if (found && !hn_tok_is_end(w->tok, (int32_t)i))
            return (int32_t)i;
    }
    return -1;
}

/* Byte by byte, with a look at the mask each time: 'y' a whole text of the grammar, 'p' the beginning of one, 'n' neither. */
static char reads(words *w, const hn_grammar *g, const char *text)
{
    hn_match *m;
    const uint32_t *mask;
    char verdict = 'p';
    CHECK_INT(hn_match_new(&w->cx, g, w->v, &m), HN_OK);
    for (const char *c = text; *c && verdict == 'p'; c++) {
        int32_t id = byte_token(w, (unsigned char)*c);
        CHECK(id >= 0);
        CHECK_INT(hn_match_allowed(&w->cx, m, &mask), HN_OK);
        bool ok = allowed(mask, id);
        CHECK_INT(hn_match_accept(&w->cx, m, id), ok ? HN_OK : HN_EARG);
        verdict = ok ? 'p' : 'n';
    }
    if (verdict == 'p') {
        CHECK_INT(hn_match_allowed(&w->cx, m, &mask), HN_OK);
        verdict = allowed(mask, hn_tok_eos(w->tok)) ? 'y' : 'p';
    }
    hn_match_free(m);
    return verdict;
}

TEST(grammars_read_what_they_say)
{
    static const struct { const char *grammar, *text; char verdict; } cases[] = {
        { "root ::= \"yes\" | \"no\"", "yes", 'y' },
        { "root ::= \"yes\" | \"no\"", "ye", 'p' },
        { "root ::= \"yes\" | \"no\"", "yo", 'n' },
        { "root ::= [a-c]+ \"!\"?", "abcab!", 'y' },
        { "root ::= [a-c]+ \"!\"?", "abd", 'n' },
        { "root ::= [^a-c]", "d", 'y' },
        { "root ::= [^a-c]", "b", 'n' },
        { "root ::= [^\\x00-\\x7f]+", "\xC3\xBC\xE2\x82\xAC\xF0\x9F\xA6\x8A", 'y' },
        { "root ::= [^\\x00-\\x7f]+", "\xC3", 'p' },
        { "root ::= [^\\x00-\\x7f]+", "\xC3" "a", 'n' },
        { "root ::= [^\\x00-\\x7f]+", "\xED\xA0", 'n' },                                 /* a surrogate */
        { "root ::= [\xC3\xA4-\xC3\xBC]", "\xC3\xB6", 'y' },
        { "root ::= [\xC3\xA4-\xC3\xBC]", "\xC3\xBD", 'n' },
        { "root ::= [\\u00e4\\U0001F98A]", "\xF0\x9F\xA6\x8A", 'y' },
        { "root ::= .{2}", "\xF0\x9F\xA6\x8A" "a", 'y' },
        { "root ::= \"a\"{2,3}", "a", 'p' },
        { "root ::= \"a\"{2,3}", "aa", 'y' },
        { "root ::= \"a\"{2,3}", "aaa", 'y' },
        { "root ::= \"a\"{2,3}", "aaaa", 'n' },
        { "root ::= \"ab\"{2,}", "ababab", 'y' },
        { "root ::= \"ab\"{2}", "ab", 'p' },
        { "root ::= \"x\"{0} \"y\"", "y", 'y' },
        { "root ::= (\"a\" | \"b\" (\"c\" | \"d\"))* # and so on\n", "abdbc", 'y' },
        { "root ::= pair\npair ::= \"(\" pair* \")\"", "(()(()))", 'y' },
        { "root ::= pair\npair ::= \"(\" pair* \")\"", "(()", 'p' },
        { "root ::= pair\npair ::= \"(\" pair* \")\"", "())", 'n' },
        { "root ::= list\nlist ::= \"a\" list |", "aaa", 'y' },                          /* calls itself last */
        { "root ::= (\"a\"?)* \"b\"", "aab", 'y' },
        { "root ::= \"\\\"\\\\\\n\\x41\"", "\"\\\nA", 'y' },
        { "root ::=\n  \"a\"\n  | \"b\"\n  \"c\"\nx ::= root", "bc", 'y' },
        { "root ::= a b\na ::= \"x\"?\nb ::= a \"y\"", "xxy", 'y' },
    };
    words w;
    open_words(&w);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        hn_grammar *g = NULL;
        hn_err e = hn_grammar_new(&w.cx, (hn_text){ cases[i].grammar, strlen(cases[i].grammar) }, &g);
        char got = e ? 'e' : reads(&w, g, cases[i].text);
        if (got != cases[i].verdict)
            print_message("%s on '%s': '%c', expected '%c' %s\n", cases[i].grammar, cases[i].text, got,
                          cases[i].verdict, w.cx.msg);
        CHECK_INT(got, cases[i].verdict);
        hn_grammar_free(g);
    }
    close_words(&w);
}

TEST(a_wrong_grammar_is_refused_with_its_line)
{
    static const struct { const char *grammar; hn_err error; const char *words; } cases[] = {
        { "", HN_EFORMAT, "no rule 'root'" },
        { "x ::= \"a\"", HN_EFORMAT, "no rule 'root'" },
        { "root ::= a\n\na ::= b", HN_EFORMAT, "line 3: rule 'b' is used but not defined" },
        { "root ::= \"a\"\nroot ::= \"b\"", HN_EFORMAT, "line 2: rule 'root' is defined twice" },
        { "root ::= \"a", HN_EFORMAT, "closes a literal" },
        { "root ::= [a", HN_EFORMAT, "closes a class" },
        { "root ::= [z-a]", HN_EFORMAT, "backwards" },
        { "root ::= (\"a\"", HN_EFORMAT, "closes a group" },
        { "root ::= \"a\")", HN_EFORMAT, "closes nothing" },
        { "root ::= *", HN_EFORMAT, "nothing before it" },
        { "root ::= \"a\"{3,2}", HN_EFORMAT, "M not below N" },
        { "root ::= \"a\"{200000}", HN_EFORMAT, "100000" },
        { "root ::= \"\\q\"", HN_EFORMAT, "unknown escape" },
        { "root ::= \"\\x4\"", HN_EFORMAT, "hexadecimal" },
        { "root ::= \"\\ud800\"", HN_EFORMAT, "no character" },
        { "root ::= \"\xFF\"", HN_EFORMAT, "UTF-8" },
        { "root = \"a\"", HN_EFORMAT, "line 1: expected NAME ::=" },
        { "root ::= @", HN_EFORMAT, "expected a literal" },
        { "root ::= root \"a\" | \"b\"", HN_EFORMAT, "left recursion" },
        { "root ::= a \"x\"\na ::= b | \"c\"\nb ::= d? root\nd ::= \"d\"", HN_EFORMAT, "left recursion" },
        { "root ::= (((\"a\"{1000}){1000}){1000}){1000} \"b\"", HN_OK, "" },     /* names of parts, not copies */
        { "root ::= ([a-z]{50000} [a-y]{50000} [a-x]{50000}){1} x{99999} x{99999} x{99999}\nx ::= \"a\" \"b\"", HN_OK,
          "" },
    };
    hn_ctx cx = { 0 };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        hn_grammar *g = NULL;
        hn_err e = hn_grammar_new(&cx, (hn_text){ cases[i].grammar, strlen(cases[i].grammar) }, &g);
        bool fine = e == cases[i].error && (!e || strstr(cx.msg, cases[i].words));
        if (!fine)
            print_message("%s: %d \"%s\", expected %d \"%s\"\n", cases[i].grammar, e, cx.msg, cases[i].error,
                          cases[i].words);
        CHECK(fine);
        hn_grammar_free(g);
    }
}

/* Every token's bit against the bytes tried one by one on a fresh position. */
TEST(a_mask_says_of_each_token_what_trying_it_says)
{
    static const char *const grammars[] = {
        "root ::= [a-m]* \"n\" .*", "root ::= \"the \" [a-z]+ (\" \" [a-z]+)*", "root ::= [^\\x00-\\x7f]* \" \"",
    };
    words w;
    open_words(&w);
    for (size_t i = 0; i < 3; i++) {
        hn_grammar *g;
        hn_match *m;
        const uint32_t *mask;
        size_t count = 0;
        CHECK_INT(hn_grammar_new(&w.cx, (hn_text){ grammars[i], strlen(grammars[i]) }, &g), HN_OK);
        CHECK_INT(hn_match_new(&w.cx, g, w.v, &m), HN_OK);
        CHECK_INT(hn_match_allowed(&w.cx, m, &mask), HN_OK);
        for (size_t t = 0; t < hn_tok_count(w.tok); t++) {
            bool bit = allowed(mask, (int32_t)t);
            hn_match_reset(m);
            CHECK_INT(hn_match_accept(&w.cx, m, (int32_t)t) == HN_OK, bit);
            count += bit;
        }
        CHECK(count > 0 && count < hn_tok_count(w.tok));
        hn_match_free(m);
        hn_grammar_free(g);
    }
    close_words(&w);
}

/* Long answers of an ambiguous grammar fill the tables; what is dropped changes no answer. */
TEST(what_is_found_is_bounded)
{
    words w;
    hn_grammar *g;
    hn_match *m;
    const uint32_t *mask;
    const char *text = "root ::= item{1,60000}\nitem ::= \"a\" | \"b\" [0-9]{3}";
    open_words(&w);
    CHECK_INT(hn_grammar_new(&w.cx, (hn_text){ text, strlen(text) }, &g), HN_OK);
    CHECK_INT(hn_match_new(&w.cx, g, w.v, &m), HN_OK);
    int32_t a = byte_token(&w, 'a'), b = byte_token(&w, 'b'), c = byte_token(&w, 'c'), four = byte_token(&w, '4');
    for (size_t i = 0; i < 20000; i++) {
        CHECK_INT(hn_match_accept(&w.cx, m, i % 2 ? a : b), HN_OK);
        for (size_t k = 0; i % 2 == 0 && k < 3; k++)
            CHECK_INT(hn_match_accept(&w.cx, m, four), HN_OK);
        if (i % 100 == 0) {
            CHECK_INT(hn_match_allowed(&w.cx, m, &mask), HN_OK);
            CHECK(allowed(mask, a) && allowed(mask, b) && !allowed(mask, c) && !allowed(mask, four));
        }
    }
    hn_match_reset(m);
    CHECK_INT(hn_match_accept(&w.cx, m, four), HN_EARG);
    CHECK_INT(hn_match_accept(&w.cx, m, a), HN_OK);
    CHECK(!hn_match_done(m));
    hn_match_free(m);
    hn_grammar_free(g);
    close_words(&w);
}

TEST(the_end_comes_where_the_grammar_ends)
{
    words w;
    hn_grammar *g;
    hn_match *m;
    const uint32_t *mask;
    open_words(&w);
    CHECK_INT(hn_grammar_new(&w.cx, (hn_text){ "root ::= \"a\" \"b\"?", 17 }, &g), HN_OK);
    CHECK_INT(hn_match_new(&w.cx, g, w.v, &m), HN_OK);
    int32_t end = hn_tok_eos(w.tok);
    CHECK_INT(hn_match_accept(&w.cx, m, end), HN_EARG);
    CHECK(strstr(w.cx.msg, "cannot end here") != NULL);
    CHECK_INT(hn_match_accept(&w.cx, m, byte_token(&w, 'a')), HN_OK);
    CHECK_INT(hn_match_allowed(&w.cx, m, &mask), HN_OK);
    CHECK(allowed(mask, end) && !hn_match_done(m));
    CHECK_INT(hn_match_accept(&w.cx, m, byte_token(&w, 'b')), HN_OK);
    CHECK(hn_match_done(m));
    CHECK_INT(hn_match_allowed(&w.cx, m, &mask), HN_OK);
    for (size_t t = 0; t < hn_tok_count(w.tok); t++)
        CHECK_INT(allowed(mask, (int32_t)t), hn_tok_is_end(w.tok, (int32_t)t));
    CHECK_INT(hn_match_accept(&w.cx, m, end), HN_OK);
    CHECK_INT(hn_match_accept(&w.cx, m, end), HN_EARG);
    CHECK_INT(hn_match_accept(&w.cx, m, -1), HN_EARG);
    CHECK_INT(hn_match_accept(&w.cx, m, 1 << 30), HN_EARG);
    hn_match_free(m);
    hn_grammar_free(g);
    close_words(&w);
}
