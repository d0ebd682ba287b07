/* SPDX-License-Identifier: Apache-2.0 */
/* hone chat: talk with a language model.
 *
 * The whole conversation goes through the model's template at each turn; what the stream already holds of
 * it is not read again.  Ctrl-C ends the answer, not the program. */
#include <dlfcn.h>
#include <jansson.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/file.h"
#include "cli/lm_opts.h"
#include "cli/term.h"
#include "llm/tools.h"

static volatile sig_atomic_t interrupted;

static void on_interrupt(int signal)
{
    (void)signal;
    interrupted = 1;
}

typedef struct chat {
    hn_lm_job *j;
    hn_talk *talk;
    json_t *messages;
    json_t *tools;               /* offered to the model; NULL: none */
    hn_buf answer;
    bool terminal;               /* a person types: prompts, colours, line editing */
    char *(*edit)(const char *prompt);       /* libedit's, where it is installed; NULL: plain lines */
    void (*remember)(const char *line);
} chat;

/* ---- Lines ----------------------------------------------------------------------------------------- */

/* Line editing is a comfort: without the library lines are read as they come. */
static void find_editor(chat *c)
{
    void *lib = c->terminal ? dlopen("libedit.so.2", RTLD_NOW | RTLD_LOCAL) : NULL;
    void *edit = lib ? dlsym(lib, "readline") : NULL, *remember = lib ? dlsym(lib, "add_history") : NULL;
    if (!edit || !remember)
        return;
    memcpy(&c->edit, &edit, sizeof edit);          /* dlsym gives data pointers */
    memcpy(&c->remember, &remember, sizeof remember);
}

static char *read_line(chat *c, const char *prompt)
{
    char *line = NULL;
    size_t cap = 0;
    if (c->edit) {
        line = c->edit(prompt);
        if (line && *line)
            c->remember(line);
        return line;
    }
    if (c->terminal) {
        fputs(prompt, stdout);
        fflush(stdout);
    }
    ssize_t n = getline(&line, &cap, stdin);
    if (n < 0) {
        free(line);
        return NULL;
    }
    if (n > 0 && line[n - 1] == '\n')
        line[n - 1] = 0;
    return line;
}

/* A line that ends in a backslash goes on.  False at the end of input. */
static bool read_turn(chat *c, hn_buf *out)
{
    out->len = 0;
    for (const char *prompt = "> ";; prompt = ". ") {
        char *line = read_line(c, prompt);
        if (!line)
            return out->len > 0;
        size_t n = strlen(line);
        bool more = n > 0 && line[n - 1] == '\\';
        hn_buf_add(out, line, more ? n - 1 : n);
        free(line);
        if (!more)
            return true;
        hn_buf_add(out, "\n", 1);
    }
}

/* ---- Turns ----------------------------------------------------------------------------------------- */

static bool on_text(void *user, const char *text, size_t len, const hn_sampled *token)
{
    chat *c = user;
    (void)token;
    for (; c->answer.len == 0 && len > 0 && *text == ' '; len--)      /* what stands between turn and answer */
        text++;
    hn_buf_add(&c->answer, text, len);
    fwrite(text, 1, len, stdout);
    return fflush(stdout) == 0 && !interrupted;
}

static hn_err say(chat *c, const char *role, const char *text, size_t len)
{
    json_t *m = json_pack("{s:s, s:s%}", "role", role, "content", text, len);
    if (!m)
        return hn_fail(&c->j->c->cx, HN_EARG, "the text is not valid UTF-8");
    return json_array_append_new(c->messages, m) ? hn_nomem(&c->j->c->cx, "the conversation") : HN_OK;
}

/* With tools, an answer is taken apart: calls are printed one a line, and go into the conversation as such. */
static hn_err say_answer(chat *c)
{
    hn_text said = { c->answer.data ? c->answer.data : "", c->answer.len };
    json_t *m, *call;
    size_t i;
    if (!c->tools)
        return say(c, "assistant", said.ptr, said.len);
    HN_TRY(hn_tools_parse(&c->j->c->cx, said, c->tools, &m));
    json_array_foreach(json_object_get(m, "tool_calls"), i, call) {
        const json_t *f = json_object_get(call, "function");
        char *args = json_dumps(json_object_get(f, "arguments"), JSON_COMPACT);
        printf("call: %s %s\n", json_string_value(json_object_get(f, "name")), args ? args : "");
        free(args);
    }
    return json_array_append_new(c->messages, m) ? hn_nomem(&c->j->c->cx, "the conversation") : HN_OK;
}

static hn_err read_tools(chat *c)
{
    const char *path = hn_arg_text(&c->j->c->args, "tools", NULL);
    json_error_t why;
    if (!path)
        return HN_OK;
    c->tools = json_load_file(path, JSON_REJECT_DUPLICATES, &why);
    if (json_is_array(c->tools))
        return HN_OK;
    return hn_fail(&c->j->c->cx, HN_EFORMAT, "%s: expected a JSON list of tools: %s", path,
                   c->tools ? "found something else" : why.text);
}

static void print_stats(const chat *c, const hn_talk_stats *s)
{
    if (c->j->c->quiet || (!c->terminal && !isatty(2)))
        return;
    fprintf(stderr, "%s%zu tokens read (%zu kept), %zu said, %.1f tokens/s%s%s\n", hn_style(stderr, HN_STYLE_DIM),
            s->prompt_tokens, s->reused_tokens, s->answer_tokens, s->answer_ms > 0 ? (double)s->answer_tokens / s->answer_ms * 1e3 : 0,
            s->end == HN_END_CALLER ? ", stopped" : s->end == HN_END_FULL ? ", the context is full: /reset or a larger --context"
            : s->end == HN_END_LENGTH ? ", cut at --tokens" : "", hn_style(stderr, HN_STYLE_PLAIN));
}

static hn_err answer(chat *c, const char *role, const char *text, size_t len)
{
    hn_ctx *cx = &c->j->c->cx;
    hn_arena *a;
    hn_buf rendered = { .cx = cx };
    hn_ids ids;
    hn_talk_stats stats = { 0 };
    struct sigaction act = { .sa_handler = on_interrupt }, before;

    HN_TRY(say(c, role, text, len));
    HN_TRY(hn_arena_new(cx, 0, &a));
    c->answer.len = 0;
    interrupted = 0;
    hn_err e = hn_lm_job_render(c->j, c->messages, c->tools, &rendered, a, &ids);
    sigaction(SIGINT, &act, &before);
    if (!e)
        e = hn_talk_answer(cx, c->talk, ids, on_text, c, &stats);
    sigaction(SIGINT, &before, NULL);
    hn_buf_free(&rendered);
    hn_arena_free(a);
    if (e) {
        json_array_remove(c->messages, json_array_size(c->messages) - 1);     /* the turn did not happen */
        return e;
    }
    putchar('\n');
    print_stats(c, &stats);
    return say_answer(c);
}

static hn_err set_system(chat *c, const char *text)
{
    json_array_clear(c->messages);
    return *text ? say(c, "system", text, strlen(text)) : HN_OK;
}

static hn_err save(chat *c, const char *path)
{
    char *text = json_dumps(c->messages, JSON_INDENT(2));
    if (!text)
        return hn_nomem(&c->j->c->cx, "the conversation");
    hn_err e = hn_file_write(&c->j->c->cx, path, text, strlen(text));
    free(text);
    return e;
}

static const char *argument(const char *line)
{
    const char *space = strchr(line, ' ');
    return space ? space + 1 : "";
}

/* True when the program should end. */
static bool command(chat *c, const char *line)
{
    hn_err e = HN_OK;
    if (strcmp(line, "/quit") == 0 || strcmp(line, "/exit") == 0)
        return true;
    if (strncmp(line, "/reset", 6) == 0)
        json_array_clear(c->messages);
    else if (strncmp(line, "/system", 7) == 0)
        e = set_system(c, argument(line));
    else if (strncmp(line, "/result ", 8) == 0)
        e = answer(c, "tool", argument(line), strlen(argument(line)));
    else if (strncmp(line, "/save ", 6) == 0)
        e = save(c, argument(line));
    else
        puts("/reset          forget the conversation\n/system TEXT    begin anew under this instruction\n"
             "/result TEXT    what a tool that was called gave\n"
             "/save FILE      write the conversation as JSON\n/quit           end (Ctrl-D too)\n"
             "a \\ at the end of a line goes on with the next; Ctrl-C stops an answer");
    if (e)
        fprintf(stderr, "%s\n", c->j->c->cx.msg);
    return false;
}

static hn_err converse(chat *c)
{
    hn_buf turn = { .cx = &c->j->c->cx };
    hn_err e = HN_OK;
    while (!e && read_turn(c, &turn)) {
        if (turn.len == 0)
            continue;
        if (turn.data[0] == '/') {
            if (command(c, turn.data))
                break;
            continue;
        }
        e = answer(c, "user", turn.data, turn.len);
        if (e && c->terminal && e != HN_ENOMEM) {         /* a person can do something about it */
            fprintf(stderr, "%s\n", c->j->c->cx.msg);
            e = HN_OK;
        }
    }
    hn_buf_free(&turn);
    return e;
}

static hn_err work(chat *c)
{
    const hn_args *a = &c->j->c->args;
    const char *system = hn_arg_text(a, "system", NULL), *prompt = hn_arg_text(a, "prompt", NULL);
    hn_talk_opts o;
    HN_TRY(read_tools(c));
    HN_TRY(hn_lm_job_talk_opts(c->j, &o));
    o.special = c->tools != NULL;
    HN_TRY(hn_talk_new(&c->j->c->cx, &c->j->m, c->j->pool, &o, &c->talk));
    HN_TRY(hn_lm_job_recall(c->j, c->talk));
    if (system)
        HN_TRY(set_system(c, system));
    if (prompt)
        return answer(c, "user", prompt, strlen(prompt));
    find_editor(c);
    if (c->terminal && !c->j->c->quiet)
        puts("/help lists what can be done besides talking");
    return converse(c);
}

static hn_err run(hn_cli *cli)
{
    hn_lm_job j;
    chat c = { .j = &j, .messages = json_array(), .answer.cx = &cli->cx, .terminal = isatty(0) && isatty(1) };
    hn_err e = hn_lm_job_open(cli, cli->args.operand_count ? cli->args.operand[0] : NULL, &j);
    if (!e)
        e = work(&c);
    if (!e)
        e = hn_lm_job_remember(&j, c.talk);
    hn_talk_free(c.talk);
    hn_buf_free(&c.answer);
    json_decref(c.messages);
    json_decref(c.tools);
    hn_lm_job_close(&j);
    return e;
}

static const hn_operand operands[] = {
    { "MODEL", HN_OPT_FILE, HN_OPTIONAL, "a .gguf file (default: the one the program carries)", NULL }, { 0 }
};

static const hn_opt opts[] = {
    { "prompt", 'p', HN_OPT_TEXT, "TEXT", "one turn: answer this and stop", NULL, 0, 0 },
    { "system", 0, HN_OPT_TEXT, "TEXT", "an instruction ahead of the conversation", NULL, 0, 0 },
    { "tools", 0, HN_OPT_FILE, "FILE", "tools offered to the model: a JSON list; calls it makes are printed", NULL,
      0, 0 },
    HN_LM_MODEL_OPTS, HN_LM_ADAPTER_OPTS, HN_LM_SAMPLE_OPTS, { 0 }
};

const hn_command hn_command_chat = {
    .name = "chat",
    .summary = "talk with a language model",
    .example = "hone chat model.gguf",
    .help = "Lines typed are turns; the model's own chat template puts them together.  Ctrl-C stops an answer and not\n"
            "the program, Ctrl-D ends; /help lists commands.  With input from a pipe each line is a turn.",
    .operand = operands, .opt = opts, .run = run,
};
