/* SPDX-License-Identifier: Apache-2.0 */
/* Tool calls as the families write them. */
#include "tests/support/test.h"

#include <stdlib.h>

#include "llm/tools.h"

#define BAR "\xEF\xBD\x9C"
#define LOW "\xE2\x96\x81"
#define DS(word) "<" BAR word BAR ">"

static const char tools[] =
    "[{\"type\": \"function\", \"function\": {\"name\": \"get_weather\", \"parameters\": {\"type\": \"object\", \"properties\": {"
    "\"city\": {\"type\": \"string\"}, \"days\": {\"type\": \"integer\"}}}}}]";

typedef struct example { const char *family, *said, *content, *calls, *reasoning; } example;

static const example examples[] = {
    { "none", "Just text with { braces }.", "Just text with { braces }.", NULL, NULL },
    { "hermes", "Let me see.\n<tool_call>\n{\"name\": \"get_weather\", \"arguments\": {\"city\": \"Paris\"}}\n</tool_call>", "Let me see.",
      "get_weather {\"city\":\"Paris\"}", NULL },
    { "hermes, two", "<tool_call>{\"name\": \"a\", \"arguments\": {}}</tool_call>\n<tool_call>{\"name\": \"b\", \"arguments\": {\"x\": [1]}}</tool_call>", "",
      "a {};b {\"x\":[1]}", NULL },
    { "hermes, cut short", "<tool_call>{\"name\": \"a\", \"argu", "<tool_call>{\"name\": \"a\", \"argu", NULL, NULL },
    { "hermes, arguments as text", "<tool_call>{\"name\": \"a\", \"arguments\": \"{\\\"x\\\": 1}\"}</tool_call>", "", "a {\"x\":1}", NULL },
    { "qwen3 coder", "<tool_call>\n<function=get_weather>\n<parameter=city>\n12\n</parameter>\n<parameter=days>\n3\n</parameter>\n</function>\n</tool_call>", "",
      "get_weather {\"city\":\"12\",\"days\":3}", NULL },
    { "mistral", "[TOOL_CALLS][{\"name\": \"a\", \"arguments\": {\"x\": 1}}, {\"name\": \"b\", \"arguments\": {}}]", "", "a {\"x\":1};b {}", NULL },
    { "mistral, newer", "[TOOL_CALLS]a[ARGS]{\"x\": 1}[TOOL_CALLS]b[ARGS]{}", "", "a {\"x\":1};b {}", NULL },
    { "granite", "<|tool_call|>[{\"name\": \"a\", \"arguments\": {\"x\": 1}}]", "", "a {\"x\":1}", NULL },
    { "command-r", "<|START_ACTION|>[{\"tool_call_id\": \"0\", \"tool_name\": \"a\", \"parameters\": {\"x\": 1}}]<|END_ACTION|>", "", "a {\"x\":1}", NULL },
    { "llama 3.1", "<|python_tag|>{\"name\": \"a\", \"parameters\": {\"x\": 1}}", "", "a {\"x\":1}", NULL },
    { "llama 3.1, bare", "{\"name\": \"a\", \"parameters\": {\"x\": \"y\"}}", "", "a {\"x\":\"y\"}", NULL },
    { "llama 3.1, tags", "<function=get_weather>{\"city\": \"Rome\"}</function>", "", "get_weather {\"city\":\"Rome\"}", NULL },
    { "llama 3.2", "[get_weather(city=\"San (F)\", days=3), b(x=['it\\'s', \"q\"], y={'k': None}, z=True)]", "",
      "get_weather {\"city\":\"San (F)\",\"days\":3};b {\"x\":[\"it's\",\"q\"],\"y\":{\"k\":null},\"z\":true}", NULL },
    { "lfm2", "Sure.<|tool_call_start|>[a(x=1.5)]<|tool_call_end|>Done.", "Sure.Done.", "a {\"x\":1.5}", NULL },
    { "deepseek v3", DS("tool" LOW "call" LOW "begin") "function" DS("tool" LOW "sep") "a\n```json\n{\"x\": 1}\n```" DS("tool" LOW "call" LOW "end"), "", "a {\"x\":1}", NULL },
    { "deepseek v3.1", DS("tool" LOW "call" LOW "begin") "a" DS("tool" LOW "sep") "{\"x\": 1}" DS("tool" LOW "call" LOW "end"), "", "a {\"x\":1}", NULL },
    { "gpt-oss", "<|channel|>analysis<|message|>Need it.<|end|><|start|>assistant<|channel|>commentary to=functions.a <|constrain|>json<|message|>{\"x\": 1}<|call|>",
      "", "a {\"x\":1}", "Need it." },
    { "gpt-oss, answer", "<|channel|>analysis<|message|>Hm.<|end|><|start|>assistant<|channel|>final<|message|>Yes.", "Yes.", NULL, "Hm." },
    { "think", "<think>\nWhy?\n</think>\n\nBecause.", "Because.", NULL, "Why?" },
    { "think, begun by the template", "Why?\n</think>\n<tool_call>{\"name\": \"a\", \"arguments\": {}}</tool_call>", "", "a {}", "Why?" },
    { "a list that is none", "[1, 2, 3]", "[1, 2, 3]", NULL, NULL },
    { "an object that is none", "{\"name\": 3}", "{\"name\": 3}", NULL, NULL },
};

static void check(const example *x)
{
    hn_ctx cx = { 0 };
    json_t *offered = json_loads(tools, 0, NULL), *m, *call;
    hn_buf got = { 0 };
    size_t i;
    CHECK_INT(hn_tools_parse(&cx, (hn_text){ x->said, strlen(x->said) }, offered, &m), HN_OK);
    json_array_foreach(json_object_get(m, "tool_calls"), i, call) {
        char *args = json_dumps(json_object_get(json_object_get(call, "function"), "arguments"), JSON_COMPACT);
        hn_buf_printf(&got, "%s%s %s", i ? ";" : "", json_string_value(json_object_get(json_object_get(call, "function"), "name")), args);
        free(args);
    }
    const char *content = json_string_value(json_object_get(m, "content")), *why = json_string_value(json_object_get(m, "reasoning_content"));
    bool fine = strcmp(content, x->content) == 0 && strcmp(got.data ? got.data : "", x->calls ? x->calls : "") == 0 &&
                strcmp(why ? why : "", x->reasoning ? x->reasoning : "") == 0;
    if (!fine)
        print_message("%s: content '%s', calls '%s', reasoning '%s'\n", x->family, content, got.data ? got.data : "", why ? why : "");
    CHECK(fine);
    hn_buf_free(&got);
    json_decref(m);
    json_decref(offered);
}

TEST(each_familys_calls_are_read)
{
    for (size_t i = 0; i < sizeof examples / sizeof *examples; i++)
        check(&examples[i]);
}

TEST(bytes_that_are_no_text_are_refused)
{
    hn_ctx cx = { 0 };
    json_t *m = NULL;
    CHECK_INT(hn_tools_parse(&cx, (hn_text){ "\xFF", 1 }, NULL, &m), HN_EFORMAT);
    CHECK(m == NULL);
}
