/* SPDX-License-Identifier: Apache-2.0 */
/* hone generate: a language model goes on with a text. */
#include <jansson.h>
#include <stdio.h>

#include "cli/lm_opts.h"
#include "cli/table.h"

typedef struct teller {
    hn_cli *c;
    hn_text echo;                /* the prompt, until it is printed: not before it is known to fit */
    hn_buf text;
} teller;

static void print_echo(teller *t)
{
    fwrite(t->echo.ptr, 1, t->echo.len, stdout);
    t->echo.len = 0;
}

static bool on_text(void *user, const char *text, size_t len, const hn_sampled *token)
{
    teller *t = user;
    (void)token;
    if (t->c->json) {
        hn_buf_add(&t->text, text, len);
        return true;
    }
    if (t->echo.len)
        print_echo(t);
    fwrite(text, 1, len, stdout);
    return fflush(stdout) == 0;
}

static const char *const ends[] = { "none", "end", "stop", "length", "context", "interrupted" };

static hn_err tell(hn_cli *c, teller *t, const hn_talk_stats *s)
{
    double rate = s->answer_ms > 0 ? (double)s->answer_tokens / s->answer_ms * 1e3 : 0;
    if (c->json)
        return hn_json_print(&c->cx, json_pack("{s:s%, s:s, s:I, s:I, s:I, s:I, s:I, s:f, s:f, s:f}", "text", t->text.data ? t->text.data : "",
                                               t->text.len, "end", ends[s->end], "prompt_tokens",
                                               (json_int_t)s->prompt_tokens,
                                               "reused_tokens", (json_int_t)s->reused_tokens, "guessed_tokens",
                                               (json_int_t)s->guessed, "guessed_right", (json_int_t)s->guessed_right,
                                               "answer_tokens", (json_int_t)s->answer_tokens, "prompt_ms", s->prompt_ms,
                                               "first_ms", s->first_ms, "tokens_per_second", rate));
    if (t->echo.len)
        print_echo(t);
    putchar('\n');
    fflush(stdout);                      /* before what is said beside it */
    if (!c->quiet && s->end == HN_END_FULL)
        fprintf(stderr, "hone generate: the context is full; --context N makes it larger, --on-full shift goes on\n");
    if (!c->quiet)
        fprintf(stderr, "%zu tokens in, %zu out, %.1f tokens/s\n", s->prompt_tokens, s->answer_tokens, rate);
    if (!c->quiet && s->guessed)
        fprintf(stderr, "%zu of %zu guesses were right\n", s->guessed_right, s->guessed);
    return HN_OK;
}

static hn_err work(hn_lm_job *j, teller *t)
{
    hn_ctx *cx = &j->c->cx;
    hn_talk_opts o;
    hn_text prompt;
    hn_ids ids;
    hn_talk *talk;
    hn_talk_stats stats = { 0 };
    hn_tok_opts tok = { .add_special = true, .parse_special = true };

    if (!j->m.tok)
        return hn_fail(cx, HN_EUNSUP, "unsupported: a model without a tokenizer cannot make text");
    HN_TRY(hn_lm_job_talk_opts(j, &o));
    HN_TRY(hn_lm_job_prompt(j, &prompt));
    HN_TRY(hn_tok_encode(cx, j->m.tok, prompt, &tok, j->memory, &ids));
    HN_TRY(hn_talk_new(cx, &j->m, j->pool, &o, &talk));
    if (!j->c->json && !hn_arg_flag(&j->c->args, "no-echo"))
        t->echo = prompt;
    hn_err e = hn_lm_job_recall(j, talk);
    if (!e)
        e = hn_talk_answer(cx, talk, ids, on_text, t, &stats);
    if (!e)
        e = hn_lm_job_remember(j, talk);
    hn_talk_free(talk);
    return e ? e : tell(j->c, t, &stats);
}

static hn_err run(hn_cli *c)
{
    hn_lm_job j;
    teller t = { .c = c, .echo = { "", 0 }, .text.cx = &c->cx };
    hn_err e = hn_lm_job_open(c, c->args.operand_count ? c->args.operand[0] : NULL, &j);
    if (!e)
        e = work(&j, &t);
    hn_buf_free(&t.text);
    hn_lm_job_close(&j);
    return e;
}

static const hn_operand operands[] = {
    { "MODEL", HN_OPT_FILE, HN_OPTIONAL, "a .gguf file (default: the one the program carries)", NULL }, { 0 }
};

static const hn_opt opts[] = {
    { "prompt", 'p', HN_OPT_TEXT, "TEXT", "what to go on from (default: standard input)", NULL, 0, 0 },
    { "file", 'f', HN_OPT_FILE, "FILE", "read the prompt from there", NULL, 0, 0 },
    { "no-echo", 0, HN_OPT_FLAG, NULL, "print the answer without the prompt", NULL, 0, 0 },
    HN_LM_MODEL_OPTS, HN_LM_ADAPTER_OPTS, HN_LM_SAMPLE_OPTS, { 0 }
};

const hn_command hn_command_generate = {
    .name = "generate",
    .summary = "let a language model go on with a text",
    .example = "hone generate model.gguf -p \"Once upon a time\" -n 100",
    .help = "Text appears as it is made, whole characters only.  A prompt that does not fit the context is an\n"
            "error that says by how much, never a cut.\n\n"
            "--grammar and --json-schema allow only tokens that keep the answer inside, so what comes out always parses\n"
            "(unless --tokens or the context ends it early: see \"end\" of --json).",
    .operand = operands, .opt = opts, .reports = true, .run = run,
};
