/* SPDX-License-Identifier: Apache-2.0 */
/* Templates against what Python's jinja2 made of them (jinja_cases.json, written by jinja_cases.py). */
#include "tests/support/test.h"

#include <stdio.h>

#include "llm/jinja.h"

/* 26 July 2024, 12:30:05, as in jinja_cases.py. */
static const struct tm day = { .tm_year = 124, .tm_mon = 6, .tm_mday = 26, .tm_hour = 12, .tm_min = 30, .tm_sec = 5, .tm_wday = 5, .tm_yday = 207 };

static hn_err render(hn_ctx *cx, const char *source, const json_t *vars, const hn_jinja_opts *o, hn_buf *out)
{
    hn_jinja *j = NULL;
    HN_TRY(hn_jinja_new(cx, (hn_text){ source, strlen(source) }, &j));
    hn_err e = hn_jinja_render(cx, j, vars, o, out);
    hn_jinja_free(j);
    return e;
}

static int run_case(const json_t *c)
{
    hn_ctx cx = { 0 };
    hn_buf out = { 0 };
    hn_jinja_opts o = { .now = &day };
    const char *expect = json_string_value(json_object_get(c, "expect"));
    const char *name = json_string_value(json_object_get(c, "name"));
    hn_err e = render(&cx, json_string_value(json_object_get(c, "template")), json_object_get(c, "vars"), &o, &out);
    int bad = 0;
    if (expect && e) {
        print_error("%s: %s\n", name, cx.msg);
        bad = 1;
    } else if (!expect && !e) {
        print_error("%s: expected a failure, got '%s'\n", name, out.data);
        bad = 1;
    } else if (expect && strcmp(out.data ? out.data : "", expect) != 0) {
        print_error("%s:\n--- expected\n%s\n--- found\n%s\n", name, expect, out.data ? out.data : "");
        bad = 1;
    } else if (!expect && !strstr(cx.msg, "line ")) {
        print_error("%s: no line in '%s'\n", name, cx.msg);
        bad = 1;
    }
    hn_buf_free(&out);
    return bad;
}

TEST(every_case_is_as_jinja2_has_it)
{
    json_error_t why;
    json_t *cases = json_load_file("tests/llm/jinja_cases.json", 0, &why);
    int bad = 0;
    size_t i;
    json_t *c;
    if (!cases)
        fail_msg("tests/llm/jinja_cases.json: %s", why.text);
    json_array_foreach(cases, i, c)
        bad += run_case(c);
    json_decref(cases);
    CHECK_INT(bad, 0);
}

static void refused(const char *source, const hn_jinja_opts *o, hn_err code, const char *words)
{
    hn_ctx cx = { 0 };
    hn_buf out = { 0 };
    CHECK_INT(render(&cx, source, NULL, o, &out), code);
    if (!strstr(cx.msg, words))
        fail_msg("'%s' does not say '%s'", cx.msg, words);
    hn_buf_free(&out);
}

TEST(endless_templates_are_stopped)
{
    refused("{% for a in range(1000000000) %}{% endfor %}", NULL, HN_ELIMIT, "allowed");
    refused("{% macro m() %}{{ m() }}{% endmacro %}{{ m() }}", NULL, HN_ELIMIT, "deeper");
    refused("{{ 'x' * 100000000 }}", NULL, HN_ELIMIT, "memory");
    refused("{% for a in range(100) %}{{ 'xxxxxxxx' }}{% endfor %}", &(hn_jinja_opts){ .output_max = 100 }, HN_ELIMIT, "output");
    refused("{% for a in range(9) %}{{ a }}{% endfor %}", &(hn_jinja_opts){ .steps_max = 10 }, HN_ELIMIT, "steps");
    char deep[2000] = "{{ ";
    memset(deep + 3, '(', 900);
    memset(deep + 903, ')', 900);
    memcpy(deep + 902, "1", 1);
    memcpy(deep + 1802, " }}", 4);
    refused(deep, NULL, HN_ELIMIT, "deeper");
}

TEST(messages_name_the_line_and_the_trouble)
{
    refused("a\nb\n{% if x %}", NULL, HN_EFORMAT, "line 3: expected elif, found the end");
    refused("\n{{ messages[0].role }}", NULL, HN_EARG, "line 2: 'messages' is undefined");
    refused("{% include 'x' %}", NULL, HN_EUNSUP, "include");
    refused("{{ raise_exception('Roles must alternate') }}", NULL, HN_EARG, "Roles must alternate");
    refused("{{ x | nofilter }}", NULL, HN_EUNSUP, "nofilter");
}
