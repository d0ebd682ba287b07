/* SPDX-License-Identifier: Apache-2.0 */
/* JSON schemas: random schemas, random answers, and a validator that knows nothing of grammars.
 *
 * HONE_SCHEMA_RUNS: how many pairs of schema and seed (default 1000). */
#define PCRE2_CODE_UNIT_WIDTH 8
#include "tests/support/test.h"

#include <pcre2.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/utf8.h"
#include "llm/grammar.h"
#include "llm/schema.h"
#include "llm/tok_gguf.h"

/* ---- A validator ------------------------------------------------------------------------------- */

static const json_t *resolve(const json_t *root, const json_t *s)
{
    const json_t *ref;
    while ((ref = json_object_get(s, "$ref")) != NULL) {
        char name[64];
        if (strcmp(json_string_value(ref), "#") == 0)
            return root;
        CHECK_INT(sscanf(json_string_value(ref), "#/$defs/%63s", name), 1);
        s = json_object_get(json_object_get(root, "$defs"), name);
        CHECK(s != NULL);
    }
    return s;
}

static bool is_type(const char *t, const json_t *v)
{
    return (strcmp(t, "string") == 0 && json_is_string(v)) || (strcmp(t, "integer") == 0 && json_is_integer(v)) ||
           (strcmp(t, "number") == 0 && json_is_number(v)) || (strcmp(t, "boolean") == 0 && json_is_boolean(v)) ||
           (strcmp(t, "null") == 0 && json_is_null(v)) || (strcmp(t, "array") == 0 && json_is_array(v)) ||
           (strcmp(t, "object") == 0 && json_is_object(v));
}

static bool type_fits(const json_t *t, const json_t *v)
{
    const json_t *one;
    size_t i;
    bool fits = !t || (json_is_string(t) && is_type(json_string_value(t), v));
    json_array_foreach(t, i, one)
        fits = fits || is_type(json_string_value(one), v);
    return fits;
}

static bool matches(const char *pattern, const char *text)
{
    int code;
    PCRE2_SIZE at;
    pcre2_code *re = pcre2_compile((PCRE2_SPTR)pattern, PCRE2_ZERO_TERMINATED, PCRE2_UTF | PCRE2_DOLLAR_ENDONLY, &code, &at, NULL);
    pcre2_match_data *data = pcre2_match_data_create_from_pattern(re, NULL);
    bool found = pcre2_match(re, (PCRE2_SPTR)text, PCRE2_ZERO_TERMINATED, 0, 0, data, NULL) >= 0;
    pcre2_match_data_free(data);
    pcre2_code_free(re);
    return found;
}

static double number(const json_t *s, const char *key, double otherwise)
{
    const json_t *v = json_object_get(s, key);
    return v ? json_number_value(v) : otherwise;
}

static bool valid(const json_t *root, const json_t *s, const json_t *v);

static bool valid_object(const json_t *root, const json_t *s, const json_t *v)
{
    const json_t *known = json_object_get(s, "properties"), *more = json_object_get(s, "additionalProperties"), *one;
    const char *name;
    json_t *item;
    size_t i;
    json_array_foreach(json_object_get(s, "required"), i, one)
        if (!json_object_get(v, json_string_value(one)))
            return false;
    json_object_foreach((json_t *)(uintptr_t)v, name, item) {
        const json_t *of = json_object_get(known, name);
        if (of ? !valid(root, of, item) : more && (json_is_false(more) || (json_is_object(more) && !valid(root, more, item))))
            return false;
    }
    double n = (double)json_object_size(v);
    return n >= number(s, "minProperties", 0) && n <= number(s, "maxProperties", 1e9);
}

static bool valid_array(const json_t *root, const json_t *s, const json_t *v)
{
    const json_t *prefix = json_object_get(s, "prefixItems"), *items = json_object_get(s, "items"), *one;
    size_t i;
    json_array_foreach(v, i, one) {
        const json_t *of = i < json_array_size(prefix) ? json_array_get(prefix, i) : items;
        if (of && !json_is_true(of) && (json_is_false(of) || !valid(root, of, one)))
            return false;
    }
    double n = (double)json_array_size(v);
    return n >= number(s, "minItems", 0) && n <= number(s, "maxItems", 1e9);
}

static bool valid_string(const json_t *s, const char *v)
{
    const char *pattern = json_string_value(json_object_get(s, "pattern")), *format = json_string_value(json_object_get(s, "format"));
    double n = (double)hn_utf8_count(v, strlen(v));
    if (format && strcmp(format, "date") == 0)
        pattern = "^[0-9]{4}-[01][0-9]-[0-3][0-9]$";
    if (format && strcmp(format, "uuid") == 0)
        pattern = "^[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}$";
    return n >= number(s, "minLength", 0) && n <= number(s, "maxLength", 1e9) && (!pattern || matches(pattern, v));
}

static bool valid(const json_t *root, const json_t *s, const json_t *v)
{
    const json_t *one;
    size_t i, of = 0;
    s = resolve(root, s);
    if (json_is_boolean(s))
        return json_is_true(s);
    if (!type_fits(json_object_get(s, "type"), v))
        return false;
    if (json_object_get(s, "const") && !json_equal(json_object_get(s, "const"), v))
        return false;
    bool listed = !json_object_get(s, "enum"), some = !json_object_get(s, "anyOf");
    json_array_foreach(json_object_get(s, "enum"), i, one)
        listed = listed || json_equal(one, v);
    json_array_foreach(json_object_get(s, "anyOf"), i, one)
        some = some || valid(root, one, v);
    json_array_foreach(json_object_get(s, "oneOf"), i, one)
        of += valid(root, one, v);
    json_array_foreach(json_object_get(s, "allOf"), i, one)
        some = some && valid(root, one, v);
    if (!listed || !some || (json_object_get(s, "oneOf") && of != 1))
        return false;
    if (json_is_number(v)) {
        double x = json_number_value(v);
        if (x < number(s, "minimum", -1e300) || x > number(s, "maximum", 1e300) || x <= number(s, "exclusiveMinimum", -1e301) ||
            x >= number(s, "exclusiveMaximum", 1e301))
            return false;
    }
    return json_is_object(v) ? valid_object(root, s, v) : json_is_array(v) ? valid_array(root, s, v)
         : json_is_string(v) ? valid_string(s, json_string_value(v)) : true;
}

/* ---- Random schemas ------------------------------------------------------------------------------ */

typedef struct dice { uint64_t s; } dice;

static unsigned roll(dice *d, unsigned sides)
{
    d->s = d->s * 6364136223846793005u + 1442695040888963407u;
    return (unsigned)(d->s >> 33) % sides;
}

static const char *const names[] = { "name", "nam", "age", "a", "b \"q\"", "gr\xC3\xBC\xC3\x9F", "tags", "\xF0\x9F\xA6\x8A", "na", "x-y", "back\\slash", "" };
static const char *const patterns[] = {
    "^[a-z]{2,5}$", "^\\d{3}-\\d{4}$", "^ab+c", "[a-z0-9]", "^(cat|dog)s?$", "^[^x-z]*$", "^\\w{1,4}@\\w{1,4}\\.(com|org)$", "^.{3}$",
    "^[\"\\\\a-f]+$", "^\\S \\S", "^(?:[A-Z]\\w*[ ,]?)+$",
};

static json_t *random_schema(dice *d, int depth);

static json_t *random_number(dice *d, bool whole)
{
    json_t *s = json_pack("{s:s}", "type", whole ? "integer" : "number");
    long low = (long)roll(d, 3000) - 1500, high = low + (long)roll(d, roll(d, 2) ? 20 : 100000);
    if (roll(d, 2))
        json_object_set_new(s, roll(d, 2) ? "minimum" : "exclusiveMinimum", json_integer(low - 1));
    if (roll(d, 2))
        json_object_set_new(s, roll(d, 2) ? "maximum" : "exclusiveMaximum", whole ? json_integer(high + 1) : json_real((double)high + 1.5));
    return s;
}

static json_t *random_string(dice *d)
{
    json_t *s = json_pack("{s:s}", "type", "string");
    switch (roll(d, 5)) {
    case 0: json_object_set_new(s, "pattern", json_string(patterns[roll(d, sizeof patterns / sizeof *patterns)])); break;
    case 1: json_object_set_new(s, "format", json_string((const char *[]){ "date", "uuid", "color" }[roll(d, 3)])); break;
    case 2: json_object_set_new(s, "minLength", json_integer(roll(d, 5))); break;
    case 3:
        json_object_set_new(s, "minLength", json_integer(roll(d, 4)));
        json_object_set_new(s, "maxLength", json_integer(4 + roll(d, 20)));
        break;
    default: break;
    }
    return s;
}

static json_t *random_array(dice *d, int depth)
{
    json_t *s = json_pack("{s:s}", "type", "array");
    if (roll(d, 4))
        json_object_set_new(s, "items", roll(d, 8) ? random_schema(d, depth - 1) : json_boolean(roll(d, 2)));
    if (roll(d, 3) == 0)
        json_object_set_new(s, "prefixItems", json_pack("[o, o]", random_schema(d, depth - 1), random_schema(d, depth - 1)));
    bool closed = json_is_false(json_object_get(s, "items"));
    if (roll(d, 2) && !closed)
        json_object_set_new(s, "minItems", json_integer(roll(d, 4)));
    if (roll(d, 2))
        json_object_set_new(s, "maxItems", json_integer(3 + roll(d, 4)));
    return s;
}

static json_t *random_object(dice *d, int depth)
{
    json_t *s = json_pack("{s:s, s:{}, s:[]}", "type", "object", "properties", "required");
    json_t *p = json_object_get(s, "properties"), *r = json_object_get(s, "required");
    unsigned first = roll(d, 12);
    for (unsigned i = 0, n = roll(d, 5); i < n; i++) {
        const char *name = names[(first + i * 5) % 12];
        json_object_set_new(p, name, random_schema(d, depth - 1));
        if (roll(d, 2))
            json_array_append_new(r, json_string(name));
    }
    switch (roll(d, 4)) {
    case 0: json_object_set_new(s, "additionalProperties", json_false()); break;
    case 1: json_object_set_new(s, "additionalProperties", random_schema(d, depth - 1)); break;
    case 2: json_object_set_new(s, "additionalProperties", json_true()); break;
    default: break;
    }
    if (json_object_size(p) == 0 && roll(d, 2) && !json_is_false(json_object_get(s, "additionalProperties")))
        json_object_set_new(s, "maxProperties", json_integer(roll(d, 4)));
    return s;
}

static json_t *random_choice(dice *d, int depth)
{
    switch (roll(d, 5)) {
    case 0: return json_pack("{s:[s, i, n, f, {s:[b]}]}", "enum", "a \"b\"\n\xC3\xBC", 12, 1.5, "k", 1);
    case 1: return json_pack("{s:s}", "const", "fixed \\ ] - ^ value");
    case 2: return json_pack("{s:[o, o]}", "anyOf", random_schema(d, depth - 1), random_schema(d, depth - 1));
    case 3: return json_pack("{s:[o, o, {s:s}]}", "oneOf", random_string(d), random_number(d, roll(d, 2)), "type", "null");
    default:
        return json_pack("{s:[{s:s, s:{s:o}, s:[s]}, {s:{s:o}, s:[s]}]}", "allOf", "type", "object", "properties", "name", random_string(d),
                         "required", "name", "properties", "age", random_number(d, true), "required", "age");
    }
}

static json_t *random_schema(dice *d, int depth)
{
    if (depth <= 0 || roll(d, 10) == 0)
        switch (roll(d, 7)) {
        case 0: return json_pack("{s:s}", "type", "boolean");
        case 1: return json_pack("{s:s}", "$ref", "#/$defs/tree");
        case 2: return json_pack("{s:[s, s]}", "type", "string", "null");
        case 3: return random_number(d, true);
        case 4: return random_number(d, false);
        default: return random_string(d);
        }
    switch (roll(d, 6)) {
    case 0: return json_pack("{s:s}", "description", "anything");
    case 1: return random_choice(d, depth);
    case 2: case 3: return random_array(d, depth);
    default: return random_object(d, depth);
    }
}

static json_t *random_document(dice *d)
{
    json_t *s = random_schema(d, 3);
    if (json_is_object(s))
        json_object_set_new(s, "$defs", json_pack("{s:{s:s, s:{s:{s:s}, s:{s:s, s:{s:s}}}, s:[s]}}", "tree", "type", "object", "properties",
                                                  "value", "type", "integer", "children", "type", "array", "items", "$ref",
                                                  "#/$defs/tree", "required", "value"));
    return s;
}

/* ---- Random answers --------------------------------------------------------------------------------- */

/* What ends strings, objects and arrays, and what the patterns above ask for in their middle. */
static const char closing[] = "\"}]@.-com0";
enum { SURE = 3, CLOSERS = sizeof closing - 1 };

typedef struct words { hn_ctx cx; hn_gguf *file; hn_tok *tok; hn_vocab *v; int32_t closer[CLOSERS]; } words;

static void open_words(words *w)
{
    *w = (words){ 0 };
    CHECK_INT(hn_gguf_open(&w->cx, "models/storyteller/storyteller.gguf", &w->file), HN_OK);
    CHECK_INT(hn_tok_from_gguf(&w->cx, w->file, &w->tok), HN_OK);
    CHECK_INT(hn_vocab_new(&w->cx, w->tok, &w->v), HN_OK);
    for (size_t c = 0; c < CLOSERS; c++)
        w->closer[c] = hn_tok_find(w->tok, (hn_text){ closing + c, 1 });
}

static void close_words(words *w)
{
    hn_vocab_free(w->v);
    hn_tok_free(w->tok);
    hn_gguf_close(w->file);
}

static bool bit(const uint32_t *mask, int32_t id) { return id >= 0 && (mask[id / 32] >> id % 32 & 1); }

/* Any token that is allowed; ends and closers are liked, more so the longer the answer is. */
static int32_t pick(const words *w, dice *d, const uint32_t *mask, size_t length)
{
    int32_t n = (int32_t)hn_tok_count(w->tok), at = (int32_t)roll(d, (unsigned)n);
    bool hurry = length > 150 || roll(d, 3) == 0;
    if (hurry && bit(mask, hn_tok_eos(w->tok)))
        return hn_tok_eos(w->tok);
    for (size_t c = 0; hurry && c < CLOSERS; c++)
        if (bit(mask, w->closer[c]) && ((length > 150 && c < SURE) || roll(d, 2)))
            return w->closer[c];
    while (!bit(mask, at))
        at = (at + 1) % n;
    return at;
}

/* True when it ended; text may then be parsed. */
static bool answer(words *w, hn_match *m, dice *d, hn_buf *text)
{
    for (size_t i = 0; i < 5000 && !hn_match_done(m); i++) {
        const uint32_t *mask;
        hn_err e = hn_match_allowed(&w->cx, m, &mask);
        if (e)
            print_message("%s\n", w->cx.msg);
        CHECK_INT(e, HN_OK);
        int32_t id = pick(w, d, mask, i);
        CHECK_INT(hn_match_accept(&w->cx, m, id), HN_OK);
        hn_tok_bytes(w->tok, id, text);
    }
    return hn_match_done(m);
}

static void explain(const json_t *schema, const char *what, const char *text)
{
    char *s = json_dumps(schema, JSON_COMPACT);
    print_message("%s: %s\nschema: %s\n", what, text ? text : "", s);
    free(s);
}

TEST(whatever_is_picked_the_answer_fits_the_schema)
{
    const char *runs = getenv("HONE_SCHEMA_RUNS");
    size_t refused = 0, bytes = 0, unended = 0, count = runs ? strtoul(runs, NULL, 10) : 1000;
    words w;
    open_words(&w);
    for (size_t i = 0; i < count + refused; i++) {
        dice d = { i * 0x9E3779B97F4A7C15u + 1 };
        json_t *schema = random_document(&d);
        hn_buf text = { 0 }, said = { 0 };
        hn_grammar *g = NULL;
        hn_match *m;
        hn_err e = hn_schema_grammar(&w.cx, schema, &text);
        if (e == HN_EUNSUP || e == HN_EFORMAT) {           /* said in words; the generator makes few of them */
            refused++;
            CHECK(refused < 100 + count / 5);
            goto next;
        }
        if (!e)
            e = hn_grammar_new(&w.cx, (hn_text){ text.data, text.len }, &g);
        if (e) {
            explain(schema, w.cx.msg, text.data);
            CHECK_INT(e, HN_OK);
        }
        CHECK_INT(hn_match_new(&w.cx, g, w.v, &m), HN_OK);
        if (answer(&w, m, &d, &said)) {
            json_error_t why;
            json_t *v = json_loadb(said.data, said.len, JSON_DECODE_ANY, &why);
            if (!v || !valid(schema, schema, v))
                explain(schema, v ? "not valid" : why.text, said.data);
            CHECK(v != NULL && valid(schema, schema, v));
            json_decref(v);
            bytes += said.len;
        } else {
            unended++;
        }
        hn_match_free(m);
    next:
        hn_grammar_free(g);
        hn_buf_free(&text);
        hn_buf_free(&said);
        json_decref(schema);
    }
    print_message("%zu answers of %zu bytes on average are valid; %zu schemas refused, %zu answers did not end\n", count - unended,
                  bytes / (count - unended), refused, unended);
    CHECK(unended <= count / 1000);            /* a random walk may take long */
    close_words(&w);
}

TEST(what_a_schema_cannot_say_here_is_refused_by_name)
{
    static const struct { const char *schema; hn_err error; const char *words; } cases[] = {
        { "{\"type\": \"array\", \"uniqueItems\": true}", HN_EUNSUP, "uniqueItems" },
        { "{\"not\": {}}", HN_EUNSUP, "'not'" },
        { "{\"type\": \"integer\", \"multipleOf\": 3}", HN_EUNSUP, "multipleOf" },
        { "{\"type\": \"strange\"}", HN_EFORMAT, "'strange'" },
        { "{\"type\": 3}", HN_EFORMAT, "'type'" },
        { "{\"$ref\": \"#/nowhere\"}", HN_EFORMAT, "nowhere" },
        { "{\"$ref\": \"http://x\"}", HN_EUNSUP, "outside" },
        { "{\"$ref\": \"#\"}", HN_EFORMAT, "back to itself" },
        { "{\"oneOf\": [{\"type\": \"integer\"}, {\"type\": \"number\"}]}", HN_EUNSUP, "'anyOf'" },
        { "{\"anyOf\": []}", HN_EFORMAT, "something in it" },
        { "{\"enum\": []}", HN_EFORMAT, "'enum'" },
        { "{\"type\": \"string\", \"pattern\": \"(?=a)\"}", HN_EUNSUP, "look around" },
        { "{\"type\": \"string\", \"pattern\": \"a(b\"}", HN_EFORMAT, "no )" },
        { "{\"type\": \"string\", \"pattern\": \"a{$}\"}", HN_EFORMAT, "begins no repeat" },
        { "{\"type\": \"string\", \"pattern\": \"a{2,\"}", HN_EFORMAT, "begins no repeat" },
        { "{\"type\": \"string\", \"pattern\": \"^a|b$\"}", HN_EUNSUP, "put them in a group" },
        { "{\"type\": \"string\", \"minLength\": 3, \"maxLength\": 2}", HN_EFORMAT, "below" },
        { "{\"type\": \"integer\", \"minimum\": 3, \"maximum\": 2}", HN_EUNSUP, "between" },
        { "{\"type\": \"object\", \"minProperties\": 5}", HN_EUNSUP, "minProperties" },
        { "3", HN_EFORMAT, "expected an object" },
        { "false", HN_EFORMAT, "allows nothing" },
    };
    hn_ctx cx = { 0 };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        json_t *schema = json_loads(cases[i].schema, JSON_DECODE_ANY, NULL);
        hn_buf text = { 0 };
        hn_err e = hn_schema_grammar(&cx, schema, &text);
        bool fine = e == cases[i].error && strstr(cx.msg, cases[i].words);
        if (!fine)
            print_message("%s: %d \"%s\", expected %d \"%s\"\n", cases[i].schema, e, cx.msg, cases[i].error, cases[i].words);
        CHECK(fine);
        hn_buf_free(&text);
        json_decref(schema);
    }
}
