/* SPDX-License-Identifier: Apache-2.0 */
/* What the commands of language models share: opening, options, prompts. */
#ifndef HN_CLI_LM_OPTS_H
#define HN_CLI_LM_OPTS_H

#include "cli/command.h"
#include "llm/talk.h"

#define HN_LM_MODEL_OPTS                                                                                         \
    { "context", 'c', HN_OPT_INT, "N", "tokens the model may look back on (default: its own, at most 4096)", NULL, 1, 16777216 }, \
    { "kv", 0, HN_OPT_CHOICE, "TYPE", "how keys and values are kept (default f16)", "f32 f16 q8_0 q4_0", 0, 0 }

#define HN_LM_ADAPTER_OPTS                                                                                       \
    { "lora", 0, HN_OPT_TEXT, "FILE[=SCALE]", "a LoRA adapter, as strong as SCALE (default 1); more than one may be given", NULL, 0, 0 }

#define HN_LM_SAMPLE_OPTS                                                                                        \
    { "tokens", 'n', HN_OPT_INT, "N", "longest answer in tokens (default 256)", NULL, 0, 16777216 },            \
    { "temperature", 'T', HN_OPT_REAL, "X", "0 is greedy (default 0.8)", NULL, 0, 100 },                         \
    { "top-k", 0, HN_OPT_INT, "K", "only the K best (default 40; 0: off)", NULL, 0, 1000000 },                   \
    { "top-p", 0, HN_OPT_REAL, "P", "only the best that make up P (default 0.95; 1: off)", NULL, 0, 1 },         \
    { "min-p", 0, HN_OPT_REAL, "P", "only those at least P times as likely as the best (default 0.05)", NULL, 0, 1 }, \
    { "typical", 0, HN_OPT_REAL, "P", "locally typical sampling (1: off)", NULL, 0, 1 },                         \
    { "repeat-penalty", 0, HN_OPT_REAL, "X", "divides the odds of recent tokens (default 1: off)", NULL, 0, 100 }, \
    { "frequency-penalty", 0, HN_OPT_REAL, "X", "subtracted per earlier use", NULL, -100, 100 },                 \
    { "presence-penalty", 0, HN_OPT_REAL, "X", "subtracted once when used before", NULL, -100, 100 },            \
    { "penalty-window", 0, HN_OPT_INT, "N", "tokens the penalties look back on (default 64)", NULL, 0, 1000000 }, \
    { "dry", 0, HN_OPT_REAL, "X", "strength of the penalty on repeated passages (0: off)", NULL, 0, 100 },       \
    { "mirostat", 0, HN_OPT_INT, "V", "mirostat version 1 or 2 (0: off)", NULL, 0, 2 },                          \
    { "logit-bias", 0, HN_OPT_TEXT, "ID=X", "added to a token's logit; -inf forbids it", NULL, 0, 0 },           \
    { "stop", 0, HN_OPT_TEXT, "TEXT", "ends the answer where this would begin", NULL, 0, 0 },                    \
    { "seed", 's', HN_OPT_INT, "N", "the same seed gives the same answer (default: by the clock)", NULL, 0, 0 }, \
    { "on-full", 0, HN_OPT_CHOICE, "HOW", "when the context is full: stop, or forget the older half", "stop shift", 0, 0 }, \
    { "grammar", 0, HN_OPT_FILE, "FILE", "only what this GBNF grammar allows", NULL, 0, 0 },                     \
    { "json-schema", 0, HN_OPT_FILE, "FILE", "only JSON that fits this schema", NULL, 0, 0 },                    \
    { "cache", 0, HN_OPT_FILE, "FILE", "what the model has read: taken from there if it is there, and left there", NULL, 0, 0 }, \
    { "lookup", 0, HN_OPT_FLAG, NULL, "guess ahead from what the text repeats; changes the speed only", NULL, 0, 0 }, \
    { "draft", 0, HN_OPT_FILE, "MODEL", "guess ahead with this smaller model of the same vocabulary; likewise", NULL, 0, 0 }, \
    { "guess", 0, HN_OPT_INT, "N", "tokens guessed at once (default 4)", NULL, 1, 7 },                            \
    { "ignore-end", 0, HN_OPT_FLAG, NULL, "go on when the model says that it is done", NULL, 0, 0 }

typedef struct hn_lm_job {
    hn_cli *c;
    hn_env env;                  /* the command's, with our pool */
    hn_ctx cx;
    hn_lm m;
    hn_pool *pool;
    hn_arena *memory;
    hn_grammar *grammar;         /* of --grammar or --json-schema */
    hn_vocab *vocab;
    hn_lm small; hn_draft_model *draft;          /* of --draft */
    hn_lora *lora; hn_lora_use *lora_use; size_t lora_count;
} hn_lm_job;

/* path NULL: the model the program carries.  Close in either case. */
hn_err hn_lm_job_open(hn_cli *c, const char *path, hn_lm_job *out);
void hn_lm_job_close(hn_lm_job *j);

/* The command's sampling options; lists live in the job's arena. */
hn_err hn_lm_job_talk_opts(hn_lm_job *j, hn_talk_opts *out);

/* --cache: before and after talking. */
hn_err hn_lm_job_recall(hn_lm_job *j, hn_talk *t);
hn_err hn_lm_job_remember(hn_lm_job *j, hn_talk *t);

/* -p TEXT, -f FILE, or standard input. */
hn_err hn_lm_job_prompt(hn_lm_job *j, hn_text *out);

/* Messages through the model's chat template to tokens.  messages: [{role, content}]; tools may be NULL. */
hn_err hn_lm_job_render(hn_lm_job *j, void *messages_json, void *tools_json, hn_buf *text, hn_arena *a, hn_ids *out);

#endif
