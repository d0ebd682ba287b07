/* SPDX-License-Identifier: Apache-2.0 */
/* schema.c: a JSON schema to the text of a grammar.
 *
 * Each subschema becomes a rule of its own, s0, s1 ..., written when its turn comes in a queue: a schema that
 * refers to itself is a rule that does, and nothing here recurses.  Schemas that are combined (allOf, or
 * anyOf beside other words) are merged to new ones first. */
#include "llm/schema.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/utf8.h"
#include "llm/schema_impl.h"

#define RULES_MAX 20000
#define MERGES_MAX 4096
#define INTEGER_MAX 9999999999999999      /* sixteen digits, as the plain rule below has */

static const char base_rules[] =
    "ws ::= (\" \" | \"\\n\" [ \\t]{0,16})?\n"
    "sp ::= \" \"?\n"
    "hex ::= [0-9a-fA-F]\n"
    "char ::= [^\\\"\\\\\\x00-\\x1f\\x7f] | \"\\\\\" ([\\\"\\\\/bfnrt] | \"u\" code)\n"
    "code ::= [1-9a-cA-Ce-fE-F] hex{3} | [dD] [0-7] hex{2} | \"0\" ([1-9a-fA-F] hex{2} | \"0\" ([1-9a-fA-F] hex | \"0\" [1-9a-fA-F]))\n"
    "keyend ::= [^\\\"\\\\\\x00-\\x1f\\x7f]* \"\\\"\"\n"
    "string ::= \"\\\"\" char* \"\\\"\"\n"
    "whole ::= \"0\" | [1-9] [0-9]{0,15}\n"
    "integer ::= \"-\"? whole\n"
    "number ::= integer (\".\" [0-9]{1,15})? ([eE] [-+]? [0-9]{1,2})?\n"
    "boolean ::= \"true\" | \"false\"\n"
    "null ::= \"null\"\n"
    "any ::= string | number | boolean | null | anys | anyo\n"
    "anys ::= \"[\" ws (any (\",\" ws any)*)? ws \"]\"\n"
    "anyo ::= \"{\" ws (string \":\" sp any (\",\" ws string \":\" sp any)*)? ws \"}\"\n";

typedef hn_schema schema;

static hn_err unsup(const schema *s, const char *what)
{
    return hn_fail(s->cx, HN_EUNSUP, "unsupported: schema: %s", what);
}

static hn_err bad(const schema *s, const char *what) { return hn_fail(s->cx, HN_EFORMAT, "schema: %s", what); }

static const json_t *get(const json_t *s, const char *key) { return json_object_get(s, key); }

/* The number of a subschema's rule. */
static hn_err rule_of(schema *s, const json_t *of, size_t *out)
{
    for (size_t i = 0; i < s->count; i++)
        if (s->queue[i] == of) {
            *out = i;
            return HN_OK;
        }
    if (s->count == RULES_MAX)
        return hn_fail(s->cx, HN_ELIMIT, "schema: more than %d subschemas", RULES_MAX);
    if (!hn_grow(s->cx, &s->queue, s->count, &s->cap, sizeof *s->queue))
        return hn_nomem(s->cx, "a schema");
    *out = s->count;
    s->queue[s->count++] = of;
    return HN_OK;
}

hn_err hn_schema_put_rule(schema *s, const json_t *of)
{
    size_t n;
    if (!of) {
        hn_buf_text(s->out, "any");
        return HN_OK;
    }
    HN_TRY(rule_of(s, of, &n));
    hn_buf_printf(s->out, "s%zu", n);
    return HN_OK;
}

static hn_err keep_made(schema *s, json_t *v)
{
    if (!v || json_array_append_new(s->made, v))
        return hn_nomem(s->cx, "a schema");
    return json_array_size(s->made) > MERGES_MAX ? hn_fail(s->cx, HN_ELIMIT, "schema: more than %d combined schemas",
                                                           MERGES_MAX)
                                                 : HN_OK;
}

/* ---- Constants ------------------------------------------------------------------------------------- */

static hn_err put_constant(schema *s, const json_t *v)
{
    char *text = json_dumps(v, JSON_COMPACT | JSON_ENCODE_ANY);
    if (!text)
        return hn_nomem(s->cx, "a schema");
    hn_buf_text(s->out, "\"");
    for (const char *c = text; *c;) {
        uint32_t code;
        size_t n = hn_utf8_get(c, strlen(c), &code);
        hn_schema_char(s->out, n ? code : '?');
        c += n ? n : 1;
    }
    hn_buf_text(s->out, "\"");
    free(text);
    return HN_OK;
}

static const char *type_of(const json_t *v)
{
    static const char *const names[] = { [JSON_OBJECT] = "object", [JSON_ARRAY] = "array", [JSON_STRING] = "string",
                                         [JSON_INTEGER] = "integer", [JSON_REAL] = "number", [JSON_TRUE] = "boolean",
                                         [JSON_FALSE] = "boolean", [JSON_NULL] = "null" };
    return names[json_typeof(v)];
}

static bool is_of(const json_t *v, const json_t *type)
{
    const char *name = json_is_string(type) ? json_string_value(type) : "";
    return strcmp(name, type_of(v)) == 0 || (strcmp(name, "number") == 0 && json_is_integer(v));
}

static bool type_allows(const json_t *of, const json_t *v)
{
    const json_t *type = get(of, "type"), *one;
    size_t i;
    bool ok = !type || is_of(v, type);
    json_array_foreach(type, i, one)
        ok = ok || is_of(v, one);
    return ok;
}

/* Beside constants only "type" is looked at. */
static hn_err put_constants(schema *s, const json_t *of)
{
    static const char *const others[] = { "minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "minLength",
                                          "maxLength", "pattern", "properties", "required", "items", "minItems",
                                          "maxItems", "prefixItems", "multipleOf" };
    const json_t *list = get(of, "enum"), *one = get(of, "const"), *v;
    size_t i, n = 0;
    for (i = 0; i < sizeof others / sizeof *others; i++)
        if (get(of, others[i]))
            return hn_fail(s->cx, HN_EUNSUP, "unsupported: schema: '%s' beside 'enum' or 'const'", others[i]);
    if (one && list)
        return unsup(s, "'const' beside 'enum'");
    if (one)
        return type_allows(of, one) ? put_constant(s, one) : bad(s, "a 'const' that its own 'type' forbids");
    json_array_foreach(list, i, v)
        if (type_allows(of, v)) {
            hn_buf_text(s->out, n++ ? " | " : "");
            HN_TRY(put_constant(s, v));
        }
    return n ? HN_OK : bad(s, "'enum' must be a list with a value that 'type' allows");
}

/* ---- Counts and numbers ---------------------------------------------------------------------------- */

hn_err hn_schema_count(const schema *s, const json_t *of, const char *key, json_int_t otherwise, json_int_t *out)
{
    const json_t *v = get(of, key);
    *out = v ? json_integer_value(v) : otherwise;
    if (v && (!json_is_integer(v) || *out < 0 || *out > 100000))
        return hn_fail(s->cx, HN_EFORMAT, "schema: '%s' must be a whole number from 0 to 100000", key);
    return HN_OK;
}

/* {least,most} of a repeat; most -1: no limit. */
void hn_schema_put_times(schema *s, json_int_t least, json_int_t most)
{
    if (most < 0)
        hn_buf_printf(s->out, "{%" JSON_INTEGER_FORMAT ",}", least);
    else
        hn_buf_printf(s->out, "{%" JSON_INTEGER_FORMAT ",%" JSON_INTEGER_FORMAT "}", least, most);
}

static hn_err bound_of(const schema *s, const json_t *of, const char *key, double otherwise, double *out)
{
    const json_t *v = get(of, key);
    if (v && !json_is_number(v))
        return hn_fail(s->cx, HN_EFORMAT, "schema: '%s' must be a number", key);
    *out = v ? json_number_value(v) : otherwise;
    return HN_OK;
}

/* The least and the greatest whole number between the bounds. */
static hn_err bounds_of(const schema *s, const json_t *of, int64_t *low, int64_t *high)
{
    double min = 0, max = 0, above = 0, below = 0, end = (double)INTEGER_MAX;
    HN_TRY(bound_of(s, of, "minimum", -end, &min));
    HN_TRY(bound_of(s, of, "maximum", end, &max));
    HN_TRY(bound_of(s, of, "exclusiveMinimum", -INFINITY, &above));
    HN_TRY(bound_of(s, of, "exclusiveMaximum", INFINITY, &below));
    double a = fmax(ceil(min), isinf(above) ? above : floor(above) + 1);
    double b = fmin(floor(max), isinf(below) ? below : ceil(below) - 1);
    a = fmax(a, -end);
    b = fmin(b, end);
    if (!(a <= b))
        return unsup(s, "bounds with no whole number of at most sixteen digits between them");
    *low = (int64_t)a;
    *high = (int64_t)b;
    return HN_OK;
}

static bool has_bounds(const json_t *of)
{
    return get(of, "minimum") || get(of, "maximum") || get(of, "exclusiveMinimum") || get(of, "exclusiveMaximum");
}

static hn_err put_number(schema *s, const json_t *of, bool whole)
{
    int64_t low = 0, high = 0;
    const json_t *step = get(of, "multipleOf");
    if (step && !(whole && json_number_value(step) == 1.0))
        return unsup(s, "'multipleOf'");
    if (!has_bounds(of)) {
        hn_buf_text(s->out, whole ? "integer" : "number");
        return HN_OK;
    }
    HN_TRY(bounds_of(s, of, &low, &high));
    hn_schema_integers(s->out, low, high);
    if (whole)
        return HN_OK;
    /* A fraction leads away from zero: the next whole number must be inside too. */
    if (high > 0 && high > low) {
        hn_buf_text(s->out, " | ");
        hn_schema_integers(s->out, low > 0 ? low : 0, high - 1);
        hn_buf_text(s->out, " \".\" [0-9]{1,15}");
    }
    if (low < 0 && high > low) {
        hn_buf_text(s->out, " | ");
        if (high >= 0)
            hn_buf_text(s->out, "\"-0.\" [0-9]{1,15}");
        if (high >= 0 && low < -1)
            hn_buf_text(s->out, " | ");
        if (high < 0 || low < -1) {
            hn_schema_integers(s->out, low + 1, high < 0 ? high : -1);
            hn_buf_text(s->out, " \".\" [0-9]{1,15}");
        }
    }
    return HN_OK;
}

/* ---- Strings ---------------------------------------------------------------------------------------- */

static const struct { const char *name, *rule; } formats[] = {
    { "date", "date" }, { "time", "time" }, { "date-time", "date \"T\" time" },
    { "uuid", "hex{8} \"-\" hex{4} \"-\" hex{4} \"-\" hex{4} \"-\" hex{12}" },
};

/* Every month has at least 28 days: a narrower rule than the calendar's, but never a wrong date. */
static const char format_rules[] =
    "date ::= [0-9]{4} \"-\" (\"0\" [1-9] | \"1\" [0-2]) \"-\" (\"0\" [1-9] | \"1\" [0-9] | \"2\" [0-8])\n"
    "time ::= ([01] [0-9] | \"2\" [0-3]) \":\" [0-5] [0-9] \":\" [0-5] [0-9] (\".\" [0-9]{3})? (\"Z\" | [-+] ([01] [0-9] | \"2\" [0-3]) \":\" [0-5] [0-9])\n";

static hn_err put_string(schema *s, const json_t *of)
{
    json_int_t least, most;
    const json_t *pattern = get(of, "pattern"), *format = get(of, "format");
    const char *rule = NULL;
    HN_TRY(hn_schema_count(s, of, "minLength", 0, &least));
    HN_TRY(hn_schema_count(s, of, "maxLength", -1, &most));
    if (most >= 0 && most < least)
        return bad(s, "'maxLength' is below 'minLength'");
    for (size_t i = 0; format && i < sizeof formats / sizeof *formats; i++)
        if (json_is_string(format) && strcmp(json_string_value(format), formats[i].name) == 0)
            rule = formats[i].rule;
    bool counted = least > 0 || most >= 0;
    if ((pattern && (counted || rule)) || (rule && counted))
        return unsup(s, "more than one of 'pattern', 'format' and lengths for one string");
    if (pattern && !json_is_string(pattern))
        return bad(s, "'pattern' must be a string");
    if (!pattern && !rule && !counted) {
        hn_buf_text(s->out, "string");
        return HN_OK;
    }
    hn_buf_text(s->out, "\"\\\"\" ");
    if (pattern)
        HN_TRY(hn_schema_pattern(s->cx, json_string_value(pattern), s->out));
    else if (rule)
        hn_buf_text(s->out, rule);
    else {
        hn_buf_text(s->out, "char");
        hn_schema_put_times(s, least, most);
    }
    hn_buf_text(s->out, " \"\\\"\"");
    return HN_OK;
}

/* ---- Arrays ----------------------------------------------------------------------------------------- */

static const json_t *item_at(const json_t *of, size_t i)
{
    const json_t *prefix = get(of, "prefixItems");
    return i < json_array_size(prefix) ? json_array_get(prefix, i) : get(of, "items");
}

/* Items that differ by place: a helper rule per place, each of which may be the last from `least` on.
 * Behind them, any number of the common kind. */
static hn_err put_tuple(schema *s, const json_t *of, json_int_t least, json_int_t most)
{
    size_t fixed = json_array_size(get(of, "prefixItems")), first = s->helpers;
    bool open = !json_is_false(get(of, "items"));
    if (most >= 0 && (size_t)most < fixed)
        fixed = (size_t)most;
    if (!open && (size_t)least > fixed)
        return bad(s, "'minItems' wants more than 'prefixItems' has");
    hn_buf_printf(s->out, "\"[\" ws t%zu ws \"]\"\n", first);
    for (size_t i = 0; i < fixed; i++) {
        hn_buf_printf(s->out, "t%zu ::= (%s", s->helpers++, i ? "\",\" ws " : "");
        HN_TRY(hn_schema_put_rule(s, item_at(of, i)));
        hn_buf_printf(s->out, " t%zu)%s\n", s->helpers, i < (size_t)least ? "" : "?");
    }
    hn_buf_printf(s->out, "t%zu ::= ", s->helpers++);
    json_int_t more = least > (json_int_t)fixed ? least - (json_int_t)fixed : 0;
    json_int_t room = most < 0 ? -1 : most - (json_int_t)fixed;
    if (!open || room == 0) {
        hn_buf_text(s->out, "\"\"");
        return HN_OK;
    }
    hn_buf_text(s->out, "(\",\" ws ");
    HN_TRY(hn_schema_put_rule(s, get(of, "items")));
    hn_buf_text(s->out, ")");
    hn_schema_put_times(s, more, room);
    return HN_OK;
}

static hn_err put_array(schema *s, const json_t *of)
{
    json_int_t least, most;
    const json_t *items = get(of, "items");
    HN_TRY(hn_schema_count(s, of, "minItems", 0, &least));
    HN_TRY(hn_schema_count(s, of, "maxItems", -1, &most));
    if (most >= 0 && most < least)
        return bad(s, "'maxItems' is below 'minItems'");
    if (json_is_true(get(of, "uniqueItems")) && (most < 0 || most > 1))
        return unsup(s, "'uniqueItems'");
    if (json_is_array(items))
        return unsup(s, "'items' as a list; write 'prefixItems'");
    if (json_array_size(get(of, "prefixItems")) > 0)
        return put_tuple(s, of, least, most);
    if (most == 0 || json_is_false(items)) {
        hn_buf_text(s->out, "\"[\" ws \"]\"");
        return least > 0 ? bad(s, "'minItems' where no items are allowed") : HN_OK;
    }
    hn_buf_text(s->out, "\"[\" ws (");
    HN_TRY(hn_schema_put_rule(s, items));
    hn_buf_text(s->out, " (\",\" ws ");
    HN_TRY(hn_schema_put_rule(s, items));
    hn_buf_text(s->out, ")");
    hn_schema_put_times(s, least > 1 ? least - 1 : 0, most < 0 ? -1 : most - 1);
    hn_buf_printf(s->out, ")%s ws \"]\"", least > 0 ? "" : "?");
    return HN_OK;
}

/* ---- Merging ---------------------------------------------------------------------------------------- */

/* Both must hold: words of one are added to the other; the same word twice must be known to combine. */
static hn_err merge(schema *s, const json_t *a, const json_t *b, const char *leave_out, json_t **out)
{
    json_t *sum = json_object();
    const char *key;
    json_t *v;
    hn_err e = sum ? HN_OK : hn_nomem(s->cx, "a schema");
    if (json_is_boolean(b) || json_is_boolean(a)) {
        json_decref(sum);
        return unsup(s, "true or false combined with other schemas");
    }
    json_object_foreach((json_t *)(uintptr_t)a, key, v)
        if (!e && strcmp(key, leave_out) != 0)
            json_object_set(sum, key, v);
    json_object_foreach((json_t *)(uintptr_t)b, key, v) {
        json_t *have = json_object_get(sum, key);
        if (e)
            break;
        if (!have || json_equal(have, v)) {
            json_object_set(sum, key, v);
        } else if (strcmp(key, "properties") == 0 && json_is_object(v) && json_is_object(have)) {
            json_t *both = json_copy(have), *theirs;
            const char *name;
            json_object_foreach(v, name, theirs) {
                json_t *mine = json_object_get(both, name);
                json_object_set_new(both, name,
                                    mine && !json_equal(mine, theirs) ? json_pack("{s:[O, O]}", "allOf", mine, theirs)
                                                                                 : json_incref(theirs));
            }
            json_object_set_new(sum, key, both);
        } else if (strcmp(key, "required") == 0 && json_is_array(v) && json_is_array(have)) {
            json_t *both = json_copy(have);
            json_array_extend(both, v);
            json_object_set_new(sum, key, both);
        } else if (strcmp(key, "title") != 0 && strcmp(key, "description") != 0 && strcmp(key, "default") != 0 &&
                   strcmp(key, "$defs") != 0) {
            e = hn_fail(s->cx, HN_EUNSUP, "unsupported: schema: '%s' in two schemas that must both hold", key);
        }
    }
    if (!e)
        e = keep_made(s, sum);
    else
        json_decref(sum);
    if (!e)
        *out = sum;
    return e;
}

static hn_err follow(const schema *s, const json_t *of, const json_t **out);

static hn_err put_all_of(schema *s, const json_t *of)
{
    const json_t *list = get(of, "allOf"), *one;
    json_t *sum = NULL;
    size_t i;
    HN_TRY(merge(s, of, get(of, "allOf") ? json_array_get(s->made, 0) : NULL, "allOf", &sum));
    json_array_foreach(list, i, one) {
        const json_t *target = one;
        HN_TRY(follow(s, one, &target));
        HN_TRY(merge(s, sum, target, "", &sum));
    }
    return hn_schema_put_rule(s, sum);
}

/* ---- Alternatives ----------------------------------------------------------------------------------- */

static bool types_part(const json_t *a, const json_t *b)
{
    const json_t *x = get(a, "type"), *y = get(b, "type");
    if (!json_is_string(x) || !json_is_string(y))
        return false;
    const char *p = json_string_value(x), *q = json_string_value(y);
    bool numbers = (strcmp(p, "number") == 0 && strcmp(q, "integer") == 0) ||
                   (strcmp(p, "integer") == 0 && strcmp(q, "number") == 0);
    return strcmp(p, q) != 0 && !numbers;
}

static bool constant_in(const json_t *of, const json_t *v)
{
    const json_t *one = get(of, "const"), *item;
    size_t i;
    bool found = one && json_equal(one, v);
    json_array_foreach(get(of, "enum"), i, item)
        found = found || json_equal(item, v);
    return found;
}

static bool constants_part(const json_t *a, const json_t *b)
{
    const json_t *one = get(a, "const"), *item;
    size_t i;
    bool shared = one && constant_in(b, one);
    if ((!one && !get(a, "enum")) || (!get(b, "const") && !get(b, "enum")))
        return false;
    json_array_foreach(get(a, "enum"), i, item)
        shared = shared || constant_in(b, item);
    return !shared;
}

bool hn_schema_requires(const json_t *of, const char *name)
{
    const json_t *one;
    size_t i;
    bool found = false;
    json_array_foreach(get(of, "required"), i, one)
        found = found || (json_is_string(one) && strcmp(json_string_value(one), name) == 0);
    return found;
}

/* Can no value be of both?  By type, by constants, or by a property that both require and whose values part. */
static bool apart(const schema *s, const json_t *a, const json_t *b)
{
    const char *name;
    json_t *mine;
    if (follow(s, a, &a) || follow(s, b, &b))
        return false;
    if (types_part(a, b) || constants_part(a, b))
        return true;
    json_object_foreach((json_t *)(uintptr_t)get(a, "properties"), name, mine) {
        const json_t *theirs = get(get(b, "properties"), name);
        if (theirs && hn_schema_requires(a, name) && hn_schema_requires(b, name) &&
            (types_part(mine, theirs) || constants_part(mine, theirs)))
            return true;
    }
    return false;
}

static hn_err put_any_of(schema *s, const json_t *of, const char *key)
{
    const json_t *list = get(of, key), *one, *other;
    size_t i, k, words = 0;
    const char *word;
    json_t *v;
    if (json_array_size(list) == 0)
        return hn_fail(s->cx, HN_EFORMAT, "schema: '%s' must be a list with something in it", key);
    if (strcmp(key, "oneOf") == 0)
        json_array_foreach(list, i, one)
            json_array_foreach(list, k, other)
                if (k < i && !apart(s, one, other))
                    return unsup(s, "'oneOf' whose schemas may both hold; if that does not matter, write 'anyOf'");
    json_object_foreach((json_t *)(uintptr_t)of, word, v)
        words += strcmp(word, key) != 0 && strcmp(word, "title") != 0 && strcmp(word, "description") != 0 &&
                 word[0] != '$' && strcmp(word, "default") != 0 && strcmp(word, "definitions") != 0 && strcmp(word, "discriminator") != 0;
    json_array_foreach(list, i, one) {
        const json_t *target = one;
        hn_buf_text(s->out, i ? " | " : "");
        if (words) {
            json_t *sum = NULL;
            HN_TRY(follow(s, one, &target));
            HN_TRY(merge(s, of, target, key, &sum));
            target = sum;
        }
        HN_TRY(hn_schema_put_rule(s, target));
    }
    return HN_OK;
}

/* ---- References ------------------------------------------------------------------------------------- */

/* "#/a/b~1c" from the document's root. */
static hn_err resolve(const schema *s, const char *ref, const json_t **out)
{
    const json_t *at = s->root;
    if (*ref != '#')
        return hn_fail(s->cx, HN_EUNSUP, "unsupported: schema: '$ref' outside of the document: '%.100s'", ref);
    for (const char *p = ref + 1; *p == '/' && at;) {
        char part[256];
        size_t n = 0;
        for (p++; *p && *p != '/' && n + 1 < sizeof part; p++) {
            bool escape = *p == '~' && (p[1] == '0' || p[1] == '1');
            part[n++] = !escape ? *p : p[1] == '0' ? '~' : '/';
            p += escape;
        }
        part[n] = 0;
        at = json_is_array(at) ? json_array_get(at, strtoul(part, NULL, 10)) : get(at, part);
    }
    if (!at)
        return hn_fail(s->cx, HN_EFORMAT, "schema: '$ref' to '%.100s', which is not there", ref);
    *out = at;
    return HN_OK;
}

/* Through references to a schema that is none. */
static hn_err follow(const schema *s, const json_t *of, const json_t **out)
{
    for (int hops = 0; json_is_string(get(of, "$ref")); hops++) {
        if (hops > 100)
            return bad(s, "'$ref' that leads back to itself");
        HN_TRY(resolve(s, json_string_value(get(of, "$ref")), &of));
    }
    *out = of;
    return HN_OK;
}

/* ---- One schema --------------------------------------------------------------------------------------- */

static hn_err put_type(schema *s, const json_t *of, const char *type)
{
    if (strcmp(type, "string") == 0)
        return put_string(s, of);
    if (strcmp(type, "integer") == 0 || strcmp(type, "number") == 0)
        return put_number(s, of, type[0] == 'i');
    if (strcmp(type, "array") == 0)
        return put_array(s, of);
    if (strcmp(type, "object") == 0)
        return hn_schema_object(s, of);
    if (strcmp(type, "boolean") != 0 && strcmp(type, "null") != 0)
        return hn_fail(s->cx, HN_EFORMAT, "schema: there is no type '%.40s'", type);
    hn_buf_text(s->out, type);
    return HN_OK;
}

/* Types a schema without "type" speaks of; NULL: of none. */
static const char *implied_type(const json_t *of)
{
    static const struct { const char *word, *type; } hints[] = {
        { "properties", "object" }, { "required", "object" }, { "additionalProperties", "object" },
        { "items", "array" }, { "prefixItems", "array" }, { "minItems", "array" }, { "maxItems", "array" }, { "minLength", "string" },
        { "maxLength", "string" }, { "pattern", "string" }, { "minimum", "number" }, { "maximum", "number" },
        { "exclusiveMinimum", "number" }, { "exclusiveMaximum", "number" }, { "multipleOf", "number" },
    };
    for (size_t i = 0; i < sizeof hints / sizeof *hints; i++)
        if (get(of, hints[i].word))
            return hints[i].type;
    return NULL;
}

static hn_err refuse_unknown(const schema *s, const json_t *of)
{
    static const char *const words[] = { "not", "if", "then", "else", "contains", "minContains", "maxContains",
                                         "patternProperties",
                                         "propertyNames", "dependentRequired", "dependentSchemas", "dependencies",
                                         "unevaluatedItems", "unevaluatedProperties", "$dynamicRef", "$recursiveRef",
                                         "additionalItems" };
    for (size_t i = 0; i < sizeof words / sizeof *words; i++)
        if (get(of, words[i]))
            return hn_fail(s->cx, HN_EUNSUP, "unsupported: schema: '%s'", words[i]);
    return HN_OK;
}

static hn_err put_schema(schema *s, const json_t *of)
{
    const json_t *type = get(of, "type"), *one;
    size_t i;
    if (json_is_true(of)) {
        hn_buf_text(s->out, "any");
        return HN_OK;
    }
    if (!json_is_object(of))
        return bad(s, json_is_false(of) ? "false allows nothing" : "expected an object or true");
    HN_TRY(refuse_unknown(s, of));
    if (get(of, "$ref")) {
        const json_t *target;
        HN_TRY(follow(s, of, &target));
        return hn_schema_put_rule(s, target);
    }
    if (get(of, "allOf"))
        return put_all_of(s, of);
    if (get(of, "anyOf") || get(of, "oneOf"))
        return put_any_of(s, of, get(of, "anyOf") ? "anyOf" : "oneOf");
    if (get(of, "enum") || get(of, "const"))
        return put_constants(s, of);
    if (json_is_string(type))
        return put_type(s, of, json_string_value(type));
    if (json_is_array(type) && json_array_size(type) > 0) {
        json_array_foreach(type, i, one) {
            hn_buf_text(s->out, i ? " | " : "");
            json_t *narrow = json_copy((json_t *)(uintptr_t)of);
            if (narrow)
                json_object_set(narrow, "type", (json_t *)(uintptr_t)one);
            HN_TRY(keep_made(s, narrow));
            HN_TRY(hn_schema_put_rule(s, narrow));
        }
        return HN_OK;
    }
    if (type)
        return bad(s, "'type' must be a name or a list of names");
    const char *implied = implied_type(of);
    if (implied)
        return put_type(s, of, implied);
    hn_buf_text(s->out, "any");
    return HN_OK;
}

static hn_err put_all(schema *s)
{
    size_t first;
    HN_TRY(rule_of(s, s->root, &first));
    hn_buf_text(s->out, "root ::= s0\n");
    for (; s->done < s->count; s->done++) {
        hn_buf_printf(s->out, "s%zu ::= ", s->done);
        HN_TRY(put_schema(s, s->queue[s->done]));
        hn_buf_text(s->out, "\n");
        if (s->out->failed)
            return hn_nomem(s->cx, "a schema");
    }
    return HN_OK;
}

hn_err hn_schema_grammar(hn_ctx *cx, const json_t *root, hn_buf *out)
{
    schema s = { .cx = cx, .root = root, .out = out, .made = json_array() };
    hn_err e = s.made && json_array_append_new(s.made, json_object()) == 0 ? put_all(&s) : hn_nomem(cx, "a schema");
    hn_buf_text(out, base_rules);
    hn_buf_text(out, format_rules);
    hn_free(cx, s.queue);
    json_decref(s.made);
    return e ? e : out->failed ? hn_nomem(cx, "a schema") : HN_OK;
}
