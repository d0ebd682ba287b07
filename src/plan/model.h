/* SPDX-License-Identifier: Apache-2.0 */
/* A model as the planner counts with it: described by the catalogue, or read from its file. */
#ifndef HN_PLAN_MODEL_H
#define HN_PLAN_MODEL_H

#include "cost/fit.h"
#include "plan/catalog.h"

typedef struct hn_model {
    const char *id, *name, *family, *task;
    const json_t *entry;             /* NULL: a file */
    bool lm;                         /* makes tokens one by one */
    hn_lm_dims dims;
    double params, context_max;      /* 0: not known */
    double ops;                      /* of one run, multiply and add counted apart; 0: not known */
    double pixels;                   /* of the input; 0: not known */
    double accuracy;                 /* top-1 or mAP in percent; 0: not known */

    /* Of a file alone: exact, in bytes. */
    const char *precision;           /* "Q4_K_M"-like name of what it mostly holds */
    double weights, token_bytes;     /* pages of the file; read per token */
    double held;                     /* packed copies of weights, folded constants */
    double rest;                     /* of that, what the last large page has left over, if large pages are to be had */
    double arena;                    /* activations and scratch */
    double own;                      /* what this program writes besides */
    size_t plain_steps;              /* run by operators' own code, whose scratch could not be found out */
} hn_model;

typedef struct hn_precision {
    const char *name;
    double bytes;                    /* of all weights */
    double bits;                     /* per weight, about */
    double loss;                     /* perplexity rise in percent on Llama-3-8B; NAN: not measured */
    const char *quality;             /* the survey's word; "" */
} hn_precision;

enum { HN_PRECISIONS_MAX = 16 };

void hn_model_of(const hn_catalog *c, const json_t *entry, hn_model *out);

/* Smallest first.  Of a file: what it is. */
size_t hn_model_precisions(const hn_catalog *c, const hn_model *m, hn_precision out[HN_PRECISIONS_MAX]);

/* Exact figures from a model file: GGUF, ONNX or TFLite.  The plans that a session would run on are made; one with
 * steps in operators' plain code is run once.  base: bytes the bare program had written at its start. */
hn_err hn_model_read(hn_ctx *cx, const char *path, unsigned threads, size_t base, hn_arena *a, hn_model *out);

#endif
