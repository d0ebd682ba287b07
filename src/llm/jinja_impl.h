/* SPDX-License-Identifier: Apache-2.0 */
/* What the template files share: nodes of the tree, values, and the state of one rendering. */
#ifndef HN_LLM_JINJA_IMPL_H
#define HN_LLM_JINJA_IMPL_H

#include "base/arena.h"
#include "llm/jinja.h"

#define HN_JDEPTH_MAX 256       /* nested expressions, blocks, macro calls and values: bounds the C stack */

/* ---- Values -------------------------------------------------------------------------------- */

enum hn_jkind { J_UNDEFINED, J_NONE, J_BOOL, J_INT, J_FLOAT, J_TEXT, J_LIST, J_DICT, J_LOOP, J_FUNC };

typedef struct hn_jval {
    uint8_t kind;
    bool tuple;                         /* of a list: differs only when printed */
    union {
        bool b;
        int64_t i;
        double f;
        hn_text s;                      /* text; of what is undefined: its name, for messages */
        struct hn_jlist *list;
        struct hn_jdict *dict;
        struct hn_jloop *loop;
        const struct hn_jfunc *func;
    };
} hn_jval;

typedef struct hn_jlist { hn_jval *item; size_t count, cap; } hn_jlist;
typedef struct hn_jpair { hn_jval key, value; } hn_jpair;
typedef struct hn_jdict { hn_jpair *pair; size_t count, cap; bool is_namespace; } hn_jdict;

/* What `loop` is inside a for. */
typedef struct hn_jloop { const hn_jlist *items; size_t index; hn_jval last_seen; bool seen; } hn_jloop;

/* ---- Tree ---------------------------------------------------------------------------------- */

enum hn_jop {
    /* expressions */
    JX_VALUE, JX_NAME, JX_LIST, JX_DICT, JX_ATTR, JX_ITEM, JX_SLICE, JX_CALL, JX_FILTER, JX_TEST,
    JX_NOT, JX_NEG, JX_POS, JX_AND, JX_OR, JX_IF, JX_COMPARE,
    JX_ADD, JX_SUB, JX_MUL, JX_DIV, JX_FLOOR, JX_MOD, JX_POW, JX_CONCAT,
    JX_EQ, JX_NE, JX_LT, JX_LE, JX_GT, JX_GE, JX_IN, JX_NOT_IN,
    /* statements */
    JS_TEXT, JS_PRINT, JS_IF, JS_FOR, JS_SET, JS_SET_BLOCK, JS_MACRO, JS_CALL, JS_FILTER, JS_WITH, JS_GROUP,
    JS_BREAK, JS_CONTINUE,
};

/* Which of a, b, c, d hold what is said where each op is parsed. */
typedef struct hn_jnode {
    enum hn_jop op;
    uint32_t line;
    bool flag;                          /* test: negated; list: tuple; for: recursive */
    hn_text name;                       /* attribute, filter, test, variable, keyword of an argument */
    hn_jval value;                      /* JX_VALUE, JS_TEXT */
    struct hn_jnode *a, *b, *c, *d;
    struct hn_jnode *next;              /* in a list of statements, arguments, operands */
} hn_jnode;

struct hn_jinja { hn_ctx cx; hn_arena *memory; hn_jnode *body; };

/* ---- Lexer --------------------------------------------------------------------------------- */

enum hn_jtoken_kind { JT_END, JT_TEXT, JT_BLOCK_BEGIN, JT_BLOCK_END, JT_PRINT_BEGIN, JT_PRINT_END,
                      JT_NAME, JT_STRING, JT_INT, JT_FLOAT, JT_SIGN };

typedef struct hn_jtoken {
    enum hn_jtoken_kind kind;
    uint32_t line;
    hn_text text;                       /* as written; of a string: with its escapes resolved */
    int64_t i;
    double f;
} hn_jtoken;

/* The whole source, white space control applied; ends with JT_END. */
hn_err hn_jinja_lex(hn_ctx *cx, hn_arena *a, hn_text source, hn_jtoken **out, size_t *count);
hn_err hn_jinja_parse(hn_ctx *cx, hn_arena *a, const hn_jtoken *tokens, hn_jnode **out);

/* ---- Rendering ----------------------------------------------------------------------------- */

typedef struct hn_jscope { struct hn_jscope *up; hn_jdict vars; } hn_jscope;

typedef struct hn_jrun {
    hn_ctx *cx;
    hn_arena *a;
    const hn_jinja_opts *opts;
    hn_buf *out;                        /* changes while a macro or block is captured */
    size_t steps_left, output_max;
    unsigned depth;
    uint32_t line;                      /* of the node at work */
    enum { J_GO, J_BREAK, J_CONTINUE } jump;
    hn_jscope *scope;
} hn_jrun;

typedef struct hn_jargs {
    hn_jval *pos; size_t count;
    struct hn_jnamed { hn_text name; hn_jval value; } *named; size_t named_count;
} hn_jargs;

/* Something to call: a macro of the template or one of the functions here. */
typedef struct hn_jfunc {
    const char *name;
    hn_err (*run)(hn_jrun *r, const struct hn_jfunc *f, const hn_jargs *args, hn_jval *out);
    const hn_jnode *macro;              /* JS_MACRO or JS_CALL */
    hn_jscope *scope;                   /* where it was defined */
    struct hn_jturn { hn_jval items; size_t at; } *turn;      /* cycler, joiner */
} hn_jfunc;

/* "chat template, line N: ..." */
hn_err hn_jfail(hn_jrun *r, hn_err code, const char *format, ...) __attribute__((format(printf, 3, 4), cold));
hn_err hn_jsteps(hn_jrun *r, size_t n);         /* takes n steps from what is left */
hn_err hn_jnomem(hn_jrun *r);

/* Values (jinja_value.c) */
static inline hn_jval hn_jundefined(hn_text name) { return (hn_jval){ .kind = J_UNDEFINED, .s = name }; }
static inline hn_jval hn_jbool(bool b) { return (hn_jval){ .kind = J_BOOL, .b = b }; }
static inline hn_jval hn_jint(int64_t i) { return (hn_jval){ .kind = J_INT, .i = i }; }
static inline hn_jval hn_jfloat(double f) { return (hn_jval){ .kind = J_FLOAT, .f = f }; }
static inline hn_jval hn_jtext(const char *s, size_t n) { return (hn_jval){ .kind = J_TEXT, .s = { s, n } }; }
const char *hn_jkind_name(const hn_jval *v);
bool hn_jtruth(const hn_jval *v);
bool hn_jequal(const hn_jval *a, const hn_jval *b);
hn_err hn_jorder(hn_jrun *r, const hn_jval *a, const hn_jval *b, int *order);   /* numbers, texts, lists */
bool hn_jis(hn_text t, const char *s);
hn_err hn_jlist_new(hn_jrun *r, size_t cap, hn_jval *out);
hn_err hn_jlist_add(hn_jrun *r, hn_jval list, hn_jval item);
hn_err hn_jdict_new(hn_jrun *r, hn_jval *out);
hn_err hn_jdict_set(hn_jrun *r, hn_jdict *d, hn_jval key, hn_jval value);
hn_jval *hn_jdict_get(const hn_jdict *d, const hn_jval *key);                   /* or NULL */
hn_err hn_jfrom_json(hn_jrun *r, const json_t *j, hn_jval *out);
hn_err hn_jcopy(hn_jrun *r, const hn_buf *b, hn_jval *out);                      /* text, kept in the arena */
hn_err hn_jprint(hn_jrun *r, const hn_jval *v, hn_buf *out);                     /* as {{ v }} does */
typedef struct hn_json_style { int indent; bool ascii, sort; hn_text item_sep, key_sep; } hn_json_style;
hn_err hn_jdump(hn_jrun *r, const hn_jval *v, const hn_json_style *s, hn_buf *out);
hn_err hn_jitems(hn_jrun *r, const hn_jval *v, hn_jval *list);                   /* what a for goes over, as a list */
hn_err hn_jlength(hn_jrun *r, const hn_jval *v, size_t *n);
size_t hn_jchar_at(hn_text s, size_t index);                                     /* byte offset of a character */

/* Evaluation (jinja_eval.c) */
hn_err hn_jeval(hn_jrun *r, const hn_jnode *n, hn_jval *out);
hn_err hn_jcall(hn_jrun *r, const hn_jval *f, const hn_jargs *args, hn_jval *out);
hn_err hn_jattr(hn_jrun *r, const hn_jval *v, const hn_jval *key, hn_jval *out); /* v[key], undefined when absent */

/* Operators (jinja_op.c) */
hn_err hn_jbinary(hn_jrun *r, enum hn_jop op, const hn_jval *a, const hn_jval *b, hn_jval *out);
hn_err hn_jcontains(hn_jrun *r, const hn_jval *box, const hn_jval *v, bool *yes);
hn_err hn_jcompare(hn_jrun *r, enum hn_jop op, const hn_jval *a, const hn_jval *b, bool *yes);

/* Names the language brings (jinja_filter.c, jinja_test.c, jinja_method.c) */
hn_err hn_jfilter(hn_jrun *r, hn_text name, const hn_jval *in, const hn_jargs *args, hn_jval *out);
hn_err hn_jtest(hn_jrun *r, hn_text name, const hn_jval *in, const hn_jargs *args, bool *yes);
bool hn_jhas_filter(hn_text name);
bool hn_jhas_test(hn_text name);
/* *found false: v has no such method. */
hn_err hn_jmethod(hn_jrun *r, const hn_jval *v, hn_text name, const hn_jargs *args, bool *found, hn_jval *out);
const hn_jfunc *hn_jfunction(hn_text name);                                      /* range, namespace, ...; or NULL */

/* The index-th argument, or the one called `name`; false when it was not given. */
bool hn_jarg(const hn_jargs *a, size_t index, const char *name, hn_jval *out);
hn_err hn_jarg_text(hn_jrun *r, const char *of, const hn_jargs *a, size_t index, const char *name, hn_text *out);
hn_err hn_jas_text(hn_jrun *r, const hn_jval *v, hn_text *out);                 /* as {{ v }} prints it */
/* Text work shared by filters and methods. */
hn_err hn_jtext_case(hn_jrun *r, hn_text s, char how, hn_jval *out);             /* l, u, c(apitalize), t(itle) */
hn_err hn_jtext_replace(hn_jrun *r, hn_text s, hn_text from, hn_text to, int64_t most, hn_jval *out);
hn_text hn_jtext_strip(hn_text s, const hn_text *chars, bool left, bool right);  /* chars NULL: white space */

#endif
