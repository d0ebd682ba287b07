/* SPDX-License-Identifier: Apache-2.0 */
/* Tokens to a tree, by recursive descent as deep as HN_JDEPTH_MAX. */
#include <string.h>

#include "base/num.h"
#include "llm/jinja_impl.h"

typedef struct parser {
    hn_ctx *cx;
    hn_arena *a;
    const hn_jtoken *t;                 /* the token at hand; the list ends with JT_END */
    unsigned depth, loops;
} parser;

static hn_err expression(parser *p, hn_jnode **out);
static hn_err condition_or(parser *p, hn_jnode **out);
static hn_err unary(parser *p, bool filters, hn_jnode **out);
static hn_err body(parser *p, const char *const *ends, hn_jnode **out);

/* ---- Small steps --------------------------------------------------------------------------- */

static hn_err expected(parser *p, const char *what)
{
    static const char *const kinds[] = {
        [JT_END] = "the end of the template", [JT_TEXT] = "text", [JT_BLOCK_BEGIN] = "'{%'", [JT_BLOCK_END] = "'%}'",
        [JT_PRINT_BEGIN] = "'{{'", [JT_PRINT_END] = "'}}'", [JT_STRING] = "a string",
    };
    const hn_jtoken *t = p->t;
    if (t->kind >= JT_NAME && t->kind != JT_STRING)
        return hn_fail(p->cx, HN_EFORMAT, "chat template, line %u: expected %s, found '%.*s'", (unsigned)t->line, what,
                       (int)hn_min(t->text.len, 40), t->text.ptr);
    return hn_fail(p->cx, HN_EFORMAT, "chat template, line %u: expected %s, found %s", (unsigned)t->line, what,
                   kinds[t->kind]);
}

static bool is_sign(const parser *p, const char *s) { return p->t->kind == JT_SIGN && hn_jis(p->t->text, s); }
static bool is_word(const parser *p, const char *s) { return p->t->kind == JT_NAME && hn_jis(p->t->text, s); }
static bool take_sign(parser *p, const char *s) { return is_sign(p, s) ? p->t++, true : false; }
static bool take_word(parser *p, const char *s) { return is_word(p, s) ? p->t++, true : false; }

static hn_err need_sign(parser *p, const char *s, const char *what)
{
    return take_sign(p, s) ? HN_OK : expected(p, what);
}

static hn_err need_name(parser *p, hn_text *out)
{
    if (p->t->kind != JT_NAME)
        return expected(p, "a name");
    *out = p->t++->text;
    return HN_OK;
}

static hn_err block_end(parser *p)
{
    if (p->t->kind != JT_BLOCK_END)
        return expected(p, "'%}'");
    p->t++;
    return HN_OK;
}

static hn_err node(parser *p, enum hn_jop op, hn_jnode **out)
{
    *out = HN_NEW(p->a, hn_jnode, 1);
    if (!*out)
        return hn_nomem(p->cx, "a chat template");
    (*out)->op = op;
    (*out)->line = p->t->line;
    return HN_OK;
}

static hn_err binary(parser *p, enum hn_jop op, hn_jnode *a, hn_jnode *b, hn_jnode **out)
{
    hn_jnode *n;
    HN_TRY(node(p, op, &n));
    n->a = a;
    n->b = b;
    *out = n;
    return HN_OK;
}

static hn_err constant(parser *p, hn_jval v, hn_jnode **out)
{
    HN_TRY(node(p, JX_VALUE, out));
    (*out)->value = v;
    return HN_OK;
}

static hn_err deeper(parser *p)
{
    if (++p->depth > HN_JDEPTH_MAX)
        return hn_fail(p->cx, HN_ELIMIT, "chat template, line %u: nested deeper than %d", (unsigned)p->t->line,
                       HN_JDEPTH_MAX);
    return HN_OK;
}

/* ---- Primary expressions ------------------------------------------------------------------- */

/* Items up to `close`, into a list; *comma: was there one? */
static hn_err items(parser *p, const char *close, hn_jnode **first, bool *comma)
{
    hn_jnode **last = first;
    *comma = false;
    while (!is_sign(p, close)) {
        HN_TRY(expression(p, last));
        last = &(*last)->next;
        if (!take_sign(p, ","))
            break;
        *comma = true;
    }
    return need_sign(p, close, *close == ']' ? "',' or ']'" : "',' or ')'");
}

static hn_err dict(parser *p, hn_jnode **out)
{
    hn_jnode **last;
    HN_TRY(node(p, JX_DICT, out));
    last = &(*out)->a;
    while (!is_sign(p, "}")) {
        hn_jnode *key, *value;
        HN_TRY(expression(p, &key));
        HN_TRY(need_sign(p, ":", "':' after a key"));
        HN_TRY(expression(p, &value));
        *last = key;
        key->next = value;
        last = &value->next;
        if (!take_sign(p, ","))
            break;
    }
    return need_sign(p, "}", "',' or '}'");
}

static hn_err parenthesis(parser *p, hn_jnode **out)
{
    hn_jnode *first = NULL;
    bool comma;
    HN_TRY(items(p, ")", &first, &comma));
    if (first && !comma) {
        *out = first;
        return HN_OK;
    }
    HN_TRY(node(p, JX_LIST, out));
    (*out)->a = first;
    (*out)->flag = true;
    return HN_OK;
}

/* Strings side by side are one. */
static hn_err strings(parser *p, hn_jnode **out)
{
    hn_text s = p->t++->text;
    while (p->t->kind == JT_STRING) {
        hn_text more = p->t++->text;
        char *both = hn_arena_get(p->a, s.len + more.len + 1, 1);
        if (!both)
            return hn_nomem(p->cx, "a chat template");
        memcpy(both, s.ptr, s.len);
        memcpy(both + s.len, more.ptr, more.len);
        s = (hn_text){ both, s.len + more.len };
    }
    return constant(p, hn_jtext(s.ptr, s.len), out);
}

static hn_err name(parser *p, hn_jnode **out)
{
    hn_text s = p->t->text;
    if (hn_jis(s, "true") || hn_jis(s, "True"))
        HN_TRY(constant(p, hn_jbool(true), out));
    else if (hn_jis(s, "false") || hn_jis(s, "False"))
        HN_TRY(constant(p, hn_jbool(false), out));
    else if (hn_jis(s, "none") || hn_jis(s, "None"))
        HN_TRY(constant(p, (hn_jval){ .kind = J_NONE }, out));
    else {
        HN_TRY(node(p, JX_NAME, out));
        (*out)->name = s;
    }
    p->t++;
    return HN_OK;
}

static hn_err primary(parser *p, hn_jnode **out)
{
    const hn_jtoken *t = p->t;
    bool comma;
    switch (t->kind) {
    case JT_NAME:
        return name(p, out);
    case JT_STRING:
        return strings(p, out);
    case JT_INT:
        p->t++;
        return constant(p, hn_jint(t->i), out);
    case JT_FLOAT:
        p->t++;
        return constant(p, hn_jfloat(t->f), out);
    default:
        break;
    }
    if (take_sign(p, "("))
        return parenthesis(p, out);
    if (take_sign(p, "{"))
        return dict(p, out);
    if (!take_sign(p, "["))
        return expected(p, "an expression");
    HN_TRY(node(p, JX_LIST, out));
    return items(p, "]", &(*out)->a, &comma);
}

/* After "(": positional arguments, then name=value. */
static hn_err arguments(parser *p, hn_jnode **first)
{
    hn_jnode **last = first;
    while (!is_sign(p, ")")) {
        hn_text key = { NULL, 0 };
        if (is_sign(p, "*") || is_sign(p, "**"))
            return hn_fail(p->cx, HN_EUNSUP, "chat template, line %u: unpacking of arguments is not supported",
                           (unsigned)p->t->line);
        if (p->t->kind == JT_NAME && p->t[1].kind == JT_SIGN && hn_jis(p->t[1].text, "=")) {
            key = p->t->text;
            p->t += 2;
        }
        /* A node of its own: an argument's `next` must not be the value's. */
        hn_jnode *value;
        HN_TRY(expression(p, &value));
        HN_TRY(node(p, JX_VALUE, last));
        (*last)->name = key;
        (*last)->a = value;
        last = &(*last)->next;
        if (!take_sign(p, ","))
            break;
    }
    return need_sign(p, ")", "',' or ')'");
}

static hn_err subscript(parser *p, hn_jnode *of, hn_jnode **out)
{
    hn_jnode *part[3] = { NULL, NULL, NULL };
    int n = 0;
    if (!is_sign(p, ":"))
        HN_TRY(expression(p, &part[0]));
    while (n < 2 && take_sign(p, ":")) {
        n++;
        if (!is_sign(p, ":") && !is_sign(p, "]"))
            HN_TRY(expression(p, &part[n]));
    }
    HN_TRY(need_sign(p, "]", "']'"));
    HN_TRY(node(p, n ? JX_SLICE : JX_ITEM, out));
    (*out)->a = of;
    (*out)->b = part[0];
    (*out)->c = part[1];
    (*out)->d = part[2];
    return HN_OK;
}

static hn_err postfix(parser *p, hn_jnode **at)
{
    for (;;) {
        hn_jnode *of = *at;
        if (take_sign(p, ".")) {
            if (p->t->kind == JT_INT) {                  /* pair.0 */
                hn_jnode *index;
                HN_TRY(constant(p, hn_jint(p->t->i), &index));
                p->t++;
                HN_TRY(binary(p, JX_ITEM, of, index, at));
                continue;
            }
            HN_TRY(node(p, JX_ATTR, at));
            (*at)->a = of;
            HN_TRY(need_name(p, &(*at)->name));
        } else if (take_sign(p, "[")) {
            HN_TRY(subscript(p, of, at));
        } else if (take_sign(p, "(")) {
            HN_TRY(node(p, JX_CALL, at));
            (*at)->a = of;
            HN_TRY(arguments(p, &(*at)->b));
        } else {
            return HN_OK;
        }
    }
}

/* ---- Filters and tests --------------------------------------------------------------------- */

static hn_err filter(parser *p, hn_jnode *of, hn_jnode **out)
{
    hn_jnode *n;
    HN_TRY(node(p, JX_FILTER, &n));
    n->a = of;
    HN_TRY(need_name(p, &n->name));
    if (!hn_jhas_filter(n->name))
        return hn_fail(p->cx, HN_EUNSUP, "chat template, line %u: filter '%.*s' is not supported", (unsigned)n->line,
                       (int)hn_min(n->name.len, 40), n->name.ptr);
    if (take_sign(p, "("))
        HN_TRY(arguments(p, &n->b));
    *out = n;
    return HN_OK;
}

static bool begins_argument(const parser *p)
{
    if (p->t->kind == JT_NAME)
        return !is_word(p, "else") && !is_word(p, "or") && !is_word(p, "and") && !is_word(p, "if") && !is_word(p, "is")
            && !is_word(p, "not") && !is_word(p, "in");
    return p->t->kind == JT_STRING || p->t->kind == JT_INT || p->t->kind == JT_FLOAT || is_sign(p, "[") || is_sign(p, "{");
}

static hn_err test(parser *p, hn_jnode *of, hn_jnode **out)
{
    hn_jnode *n;
    HN_TRY(node(p, JX_TEST, &n));
    n->a = of;
    n->flag = take_word(p, "not");
    HN_TRY(need_name(p, &n->name));
    if (!hn_jhas_test(n->name))
        return hn_fail(p->cx, HN_EUNSUP, "chat template, line %u: test '%.*s' is not supported", (unsigned)n->line,
                       (int)hn_min(n->name.len, 40), n->name.ptr);
    if (take_sign(p, "(")) {
        HN_TRY(arguments(p, &n->b));
    } else if (begins_argument(p)) {
        hn_jnode *value;
        HN_TRY(primary(p, &value));
        HN_TRY(postfix(p, &value));
        HN_TRY(node(p, JX_VALUE, &n->b));
        n->b->a = value;
    }
    *out = n;
    return HN_OK;
}

static hn_err filters_and_tests(parser *p, hn_jnode **at)
{
    for (;;) {
        hn_jnode *of = *at;
        if (take_sign(p, "|")) {
            HN_TRY(filter(p, of, at));
        } else if (take_word(p, "is")) {
            HN_TRY(test(p, of, at));
        } else if (is_sign(p, "(")) {
            HN_TRY(postfix(p, at));
        } else {
            return HN_OK;
        }
    }
}

/* ---- Operators, loosest last --------------------------------------------------------------- */

static hn_err unary(parser *p, bool filters, hn_jnode **out)
{
    HN_TRY(deeper(p));
    bool neg = is_sign(p, "-"), pos = is_sign(p, "+");
    if (neg || pos) {
        hn_jnode *of;
        p->t++;
        HN_TRY(unary(p, false, &of));
        HN_TRY(binary(p, neg ? JX_NEG : JX_POS, of, NULL, out));
    } else {
        HN_TRY(primary(p, out));
    }
    HN_TRY(postfix(p, out));
    if (filters)
        HN_TRY(filters_and_tests(p, out));
    p->depth--;
    return HN_OK;
}

/* Levels that read left to right, tightest first: power, product, joining, sum. */
static const struct { const char *sign; enum hn_jop op; int level; } signs[] = {
    { "**", JX_POW, 0 },
    { "*", JX_MUL, 1 }, { "/", JX_DIV, 1 }, { "//", JX_FLOOR, 1 }, { "%", JX_MOD, 1 },
    { "~", JX_CONCAT, 2 },
    { "+", JX_ADD, 3 }, { "-", JX_SUB, 3 },
};

static bool take_operator(parser *p, int level, enum hn_jop *op)
{
    for (size_t i = 0; i < sizeof signs / sizeof *signs; i++)
        if (signs[i].level == level && take_sign(p, signs[i].sign)) {
            *op = signs[i].op;
            return true;
        }
    return false;
}

static hn_err arithmetic(parser *p, int level, hn_jnode **out)
{
    enum hn_jop op;
    if (level < 0)
        return unary(p, true, out);
    HN_TRY(arithmetic(p, level - 1, out));
    while (take_operator(p, level, &op)) {
        hn_jnode *right;
        HN_TRY(arithmetic(p, level - 1, &right));
        HN_TRY(binary(p, op, *out, right, out));
    }
    return HN_OK;
}

static bool take_comparison(parser *p, enum hn_jop *op)
{
    static const struct { const char *sign; enum hn_jop op; } list[] = {
        { "==", JX_EQ }, { "!=", JX_NE }, { "<", JX_LT }, { "<=", JX_LE }, { ">", JX_GT }, { ">=", JX_GE },
    };
    for (size_t i = 0; i < sizeof list / sizeof *list; i++)
        if (take_sign(p, list[i].sign)) {
            *op = list[i].op;
            return true;
        }
    if (take_word(p, "in")) {
        *op = JX_IN;
        return true;
    }
    if (is_word(p, "not") && p->t[1].kind == JT_NAME && hn_jis(p->t[1].text, "in")) {
        p->t += 2;
        *op = JX_NOT_IN;
        return true;
    }
    return false;
}

/* a < b < c: operands in a list of links, each with its operator. */
static hn_err comparison(parser *p, hn_jnode **out)
{
    enum hn_jop op;
    HN_TRY(arithmetic(p, 3, out));
    hn_jnode *chain = NULL, **last = NULL;
    while (take_comparison(p, &op)) {
        hn_jnode *right, *link;
        HN_TRY(arithmetic(p, 3, &right));
        HN_TRY(binary(p, op, right, NULL, &link));
        if (!chain) {
            HN_TRY(binary(p, JX_COMPARE, *out, NULL, &chain));
            last = &chain->b;
        }
        *last = link;
        last = &link->next;
    }
    *out = chain ? chain : *out;
    return HN_OK;
}

static hn_err negation(parser *p, hn_jnode **out)
{
    if (!take_word(p, "not"))
        return comparison(p, out);
    hn_jnode *of;
    HN_TRY(deeper(p));
    HN_TRY(negation(p, &of));
    p->depth--;
    return binary(p, JX_NOT, of, NULL, out);
}

static hn_err conjunction(parser *p, hn_jnode **out)
{
    HN_TRY(negation(p, out));
    while (take_word(p, "and")) {
        hn_jnode *right;
        HN_TRY(negation(p, &right));
        HN_TRY(binary(p, JX_AND, *out, right, out));
    }
    return HN_OK;
}

static hn_err condition_or(parser *p, hn_jnode **out)
{
    HN_TRY(conjunction(p, out));
    while (take_word(p, "or")) {
        hn_jnode *right;
        HN_TRY(conjunction(p, &right));
        HN_TRY(binary(p, JX_OR, *out, right, out));
    }
    return HN_OK;
}

static hn_err expression(parser *p, hn_jnode **out)
{
    HN_TRY(deeper(p));
    HN_TRY(condition_or(p, out));
    while (take_word(p, "if")) {
        hn_jnode *when, *otherwise = NULL, *n;
        HN_TRY(condition_or(p, &when));
        if (take_word(p, "else"))
            HN_TRY(expression(p, &otherwise));
        HN_TRY(binary(p, JX_IF, when, *out, &n));
        n->c = otherwise;
        *out = n;
    }
    p->depth--;
    return HN_OK;
}

/* "a, b" without brackets is a tuple. */
static hn_err expression_list(parser *p, hn_jnode **out)
{
    HN_TRY(expression(p, out));
    if (!is_sign(p, ","))
        return HN_OK;
    hn_jnode *list, **last;
    HN_TRY(node(p, JX_LIST, &list));
    list->flag = true;
    list->a = *out;
    last = &list->a->next;
    while (take_sign(p, ",")) {
        if (p->t->kind == JT_BLOCK_END || p->t->kind == JT_PRINT_END)
            break;
        HN_TRY(expression(p, last));
        last = &(*last)->next;
    }
    *out = list;
    return HN_OK;
}

/* ---- Statements ---------------------------------------------------------------------------- */

/* Names to assign to, as JX_NAME or JX_ATTR (of a namespace), in a list. */
static hn_err targets(parser *p, hn_jnode **first)
{
    hn_jnode **last = first;
    bool bracket = take_sign(p, "(");
    do {
        HN_TRY(node(p, JX_NAME, last));
        HN_TRY(need_name(p, &(*last)->name));
        if (take_sign(p, ".")) {
            hn_jnode *of = *last;
            HN_TRY(node(p, JX_ATTR, last));
            (*last)->a = of;
            HN_TRY(need_name(p, &(*last)->name));
        }
        last = &(*last)->next;
    } while (take_sign(p, ",") && p->t->kind == JT_NAME && !is_word(p, "in"));
    return bracket ? need_sign(p, ")", "')'") : HN_OK;
}

/* The rest of "{% endx %}", whose name body() has left at hand. */
static hn_err end_of(parser *p, const char *end)
{
    if (!take_word(p, end))
        return expected(p, end);
    return block_end(p);
}

static hn_err if_block(parser *p, hn_jnode **out)
{
    static const char *const ends[] = { "elif", "else", "endif", NULL };
    HN_TRY(node(p, JS_IF, out));
    hn_jnode *n = *out;                                  /* a condition, b then, c else */
    HN_TRY(expression_list(p, &n->a));
    HN_TRY(block_end(p));
    HN_TRY(body(p, ends, &n->b));
    while (take_word(p, "elif")) {                       /* a chain, not a nest: length costs no depth */
        HN_TRY(node(p, JS_IF, &n->c));
        n = n->c;
        HN_TRY(expression_list(p, &n->a));
        HN_TRY(block_end(p));
        HN_TRY(body(p, ends, &n->b));
    }
    if (take_word(p, "else")) {
        HN_TRY(block_end(p));
        HN_TRY(node(p, JS_GROUP, &n->c));
        HN_TRY(body(p, ends + 2, &n->c->a));
    }
    return end_of(p, "endif");
}

static hn_err for_block(parser *p, hn_jnode **out)
{
    static const char *const ends[] = { "else", "endfor", NULL };
    HN_TRY(node(p, JS_FOR, out));
    hn_jnode *n = *out;                                  /* a targets, b items, c body, d else; value: see next */
    HN_TRY(targets(p, &n->a));
    if (!take_word(p, "in"))
        return expected(p, "'in'");
    HN_TRY(condition_or(p, &n->b));
    if (is_sign(p, ",")) {
        hn_jnode *list, **last;
        HN_TRY(node(p, JX_LIST, &list));
        list->a = n->b;
        for (last = &n->b->next; take_sign(p, ","); last = &(*last)->next)
            HN_TRY(condition_or(p, last));
        n->b = list;
    }
    if (take_word(p, "if"))
        HN_TRY(expression(p, &n->a->b));                 /* the filter hangs on the first target */
    if (take_word(p, "recursive"))
        return hn_fail(p->cx, HN_EUNSUP, "chat template, line %u: recursive loops are not supported", (unsigned)n->line);
    HN_TRY(block_end(p));
    p->loops++;
    HN_TRY(body(p, ends, &n->c));
    p->loops--;
    if (take_word(p, "else")) {
        HN_TRY(block_end(p));
        HN_TRY(body(p, ends + 1, &n->d));
    }
    return end_of(p, "endfor");
}

/* name, name|filter, ...: for set blocks and filter blocks; the input of the first is NULL. */
static hn_err filter_chain(parser *p, hn_jnode **out)
{
    *out = NULL;
    do
        HN_TRY(filter(p, *out, out));
    while (take_sign(p, "|"));
    return HN_OK;
}

static hn_err set_block(parser *p, hn_jnode **out)
{
    static const char *const ends[] = { "endset", NULL };
    HN_TRY(node(p, JS_SET, out));
    hn_jnode *n = *out;                                  /* a targets, b value; or c body, d filters */
    HN_TRY(targets(p, &n->a));
    if (take_sign(p, "=")) {
        HN_TRY(expression_list(p, &n->b));
        return block_end(p);
    }
    n->op = JS_SET_BLOCK;
    if (take_sign(p, "|"))
        HN_TRY(filter_chain(p, &n->d));
    HN_TRY(block_end(p));
    HN_TRY(body(p, ends, &n->c));
    return end_of(p, "endset");
}

/* After "(": parameters, each with its default in `b`. */
static hn_err parameters(parser *p, hn_jnode **first)
{
    hn_jnode **last = first;
    while (!is_sign(p, ")")) {
        HN_TRY(node(p, JX_NAME, last));
        HN_TRY(need_name(p, &(*last)->name));
        if (take_sign(p, "="))
            HN_TRY(expression(p, &(*last)->b));
        last = &(*last)->next;
        if (!take_sign(p, ","))
            break;
    }
    return need_sign(p, ")", "',' or ')'");
}

static hn_err macro_block(parser *p, hn_jnode **out)
{
    static const char *const ends[] = { "endmacro", NULL };
    HN_TRY(node(p, JS_MACRO, out));
    hn_jnode *n = *out;                                  /* a parameters, c body */
    unsigned loops = p->loops;
    HN_TRY(need_name(p, &n->name));
    HN_TRY(need_sign(p, "(", "'('"));
    HN_TRY(parameters(p, &n->a));
    HN_TRY(block_end(p));
    p->loops = 0;
    HN_TRY(body(p, ends, &n->c));
    p->loops = loops;
    return end_of(p, "endmacro");
}

static hn_err call_block(parser *p, hn_jnode **out)
{
    static const char *const ends[] = { "endcall", NULL };
    HN_TRY(node(p, JS_CALL, out));
    hn_jnode *n = *out;                                  /* a parameters, b the call, c body */
    unsigned loops = p->loops;
    n->name = (hn_text){ "caller", 6 };
    if (take_sign(p, "("))
        HN_TRY(parameters(p, &n->a));
    HN_TRY(expression(p, &n->b));
    if (n->b->op != JX_CALL)
        return hn_fail(p->cx, HN_EFORMAT, "chat template, line %u: expected a call after 'call'", (unsigned)n->line);
    HN_TRY(block_end(p));
    p->loops = 0;
    HN_TRY(body(p, ends, &n->c));
    p->loops = loops;
    return end_of(p, "endcall");
}

static hn_err filter_block(parser *p, hn_jnode **out)
{
    static const char *const ends[] = { "endfilter", NULL };
    HN_TRY(node(p, JS_FILTER, out));                     /* c body, d filters */
    HN_TRY(filter_chain(p, &(*out)->d));
    HN_TRY(block_end(p));
    HN_TRY(body(p, ends, &(*out)->c));
    return end_of(p, "endfilter");
}

static hn_err with_block(parser *p, hn_jnode **out)
{
    static const char *const ends[] = { "endwith", NULL };
    hn_jnode **last;
    HN_TRY(node(p, JS_WITH, out));                       /* a names with their values in b, c body */
    last = &(*out)->a;
    while (p->t->kind == JT_NAME) {
        HN_TRY(node(p, JX_NAME, last));
        HN_TRY(need_name(p, &(*last)->name));
        HN_TRY(need_sign(p, "=", "'='"));
        HN_TRY(expression(p, &(*last)->b));
        last = &(*last)->next;
        if (!take_sign(p, ","))
            break;
    }
    HN_TRY(block_end(p));
    HN_TRY(body(p, ends, &(*out)->c));
    return end_of(p, "endwith");
}

/* Marks what a model wrote, for training: the text inside is rendered as it is. */
static hn_err generation_block(parser *p, hn_jnode **out)
{
    static const char *const ends[] = { "endgeneration", NULL };
    HN_TRY(node(p, JS_GROUP, out));
    HN_TRY(block_end(p));
    HN_TRY(body(p, ends, &(*out)->a));
    return end_of(p, "endgeneration");
}

static hn_err jump(parser *p, hn_jnode **out)
{
    bool leave = hn_jis(p->t[-1].text, "break");
    if (p->loops == 0)
        return hn_fail(p->cx, HN_EFORMAT, "chat template, line %u: '%s' outside of a loop", (unsigned)p->t->line,
                       leave ? "break" : "continue");
    HN_TRY(node(p, leave ? JS_BREAK : JS_CONTINUE, out));
    return block_end(p);
}

static hn_err statement(parser *p, hn_jnode **out)
{
    static const struct { const char *name; hn_err (*parse)(parser *, hn_jnode **); } list[] = {
        { "if", if_block }, { "for", for_block }, { "set", set_block }, { "macro", macro_block }, { "call", call_block },
        { "filter", filter_block }, { "with", with_block }, { "generation", generation_block },
        { "break", jump }, { "continue", jump },
    };
    for (size_t i = 0; i < sizeof list / sizeof *list; i++)
        if (take_word(p, list[i].name))
            return list[i].parse(p, out);
    static const char *const refused[] = { "include", "import", "from", "extends", "block", "autoescape", "do", "trans" };
    for (size_t i = 0; i < sizeof refused / sizeof *refused; i++)
        if (is_word(p, refused[i]))
            return hn_fail(p->cx, HN_EUNSUP, "chat template, line %u: {%% %s %%} is not supported in chat templates",
                           (unsigned)p->t->line, refused[i]);
    return expected(p, "a statement (if, for, set, macro, ...)");
}

static bool at_end(const parser *p, const char *const *ends)
{
    for (; *ends; ends++)
        if (p->t[1].kind == JT_NAME && hn_jis(p->t[1].text, *ends))
            return true;
    return false;
}

/* Statements up to "{% end", whose name is then at hand; up to JT_END when `ends` is empty. */
static hn_err body(parser *p, const char *const *ends, hn_jnode **out)
{
    HN_TRY(deeper(p));
    for (hn_jnode **last = out; p->t->kind != JT_END; last = &(*last)->next) {
        if (p->t->kind == JT_BLOCK_BEGIN) {
            bool done = at_end(p, ends);
            p->t++;
            if (done) {
                p->depth--;
                return HN_OK;
            }
            HN_TRY(statement(p, last));
        } else if (p->t->kind == JT_TEXT) {
            HN_TRY(node(p, JS_TEXT, last));
            (*last)->value = hn_jtext(p->t->text.ptr, p->t->text.len);
            p->t++;
        } else {                                         /* the lexer gives nothing else between tags */
            HN_TRY(node(p, JS_PRINT, last));
            p->t++;
            HN_TRY(expression_list(p, &(*last)->a));
            if (p->t->kind != JT_PRINT_END)
                return expected(p, "'}}'");
            p->t++;
        }
    }
    if (*ends)
        return expected(p, ends[0]);
    p->depth--;
    return HN_OK;
}

hn_err hn_jinja_parse(hn_ctx *cx, hn_arena *a, const hn_jtoken *tokens, hn_jnode **out)
{
    static const char *const none[] = { NULL };
    parser p = { .cx = cx, .a = a, .t = tokens };
    return body(&p, none, out);
}
