/* SPDX-License-Identifier: Apache-2.0 */
/* Plan: a graph compiled for one machine and one set of input shapes.
 *
 * A flat list of steps over slots.  A slot is a piece of memory: in the arena at an offset fixed
 * here, in a constant, in a caller's buffer, or, for the few values whose size depends on data,
 * found while running.  Read-only once made: any number of sessions share it. */
#ifndef HN_RUNTIME_PLAN_H
#define HN_RUNTIME_PLAN_H

#include "runtime/impl.h"

typedef struct hn_plan hn_plan;

typedef struct hn_plan_opts {
    const hn_kernels *kernels;          /* NULL: hn_kernels_pick() */
    unsigned threads;                   /* workers whose scratch is counted, at least 1 */
    const hn_shape *in_shape;           /* one per graph input, concrete */
    const hn_tensor *in_known;          /* NULL, or one per graph input: where it has data the plan is for
                                         * that value alone, and what depends on it is settled now */
    bool measure;                       /* only the figures: packs nothing, cannot run */
    bool no_optimize;                   /* the graph as it is: no passes */
    const struct hn_pass_watch *watch;  /* told of passes that change the graph; NULL: nobody */
    bool eval_only;                     /* every node through its operator's own code */
    struct hn_shared_packs *shared;     /* packed weights of several plans of this graph; outlives them.  NULL: own */
    hn_pool *pool;                      /* packs weights; NULL: this thread does */
    bool forget_sources;                /* constants lie in a mapped file: pages that were packed are given back */
    const hn_built *built; size_t built_count;      /* made ahead: one that fits is laid out in place of `g` */
    /* NULL, or: says how a node is run, by what was measured; leaves `choice` alone where it does not know. */
    hn_err (*choose)(void *user, const hn_prep *prep, hn_choice *choice);
    void *choose_user;
} hn_plan_opts;

typedef enum hn_slot_kind { HN_SLOT_ARENA, HN_SLOT_CONST, HN_SLOT_INPUT, HN_SLOT_DYNAMIC } hn_slot_kind;

typedef struct hn_slot {
    const hn_value *value;
    hn_layout layout;
    hn_slot_kind kind;
    hn_tensor t;                        /* logical shape; data for constants */
    int alias;                          /* shares the memory of that slot; -1: its own */
    int input;                          /* HN_SLOT_INPUT: which */
    size_t offset, bytes;               /* in the arena */
    int first, last;                    /* steps between which it is alive */
} hn_slot;

typedef struct hn_step {
    const hn_impl *impl;
    const hn_node *node;                /* NULL for reorders; the first one where several are joined */
    int *in, *out;                      /* slots; -1: left out */
    int in_count, out_count;
    hn_layout layout;
    void *state;
    bool dynamic;                       /* output shapes are found while running */
    bool alone;                         /* on the caller's thread: the pool would cost more than it brings */
    double macs;
} hn_step;

typedef struct hn_plan_stats {
    size_t arena_bytes;                 /* activations and scratch: one block */
    size_t packed_bytes;                /* weights in kernels' own layout, in memory of the plan's own */
    size_t mapped_bytes;                /* the same where they lie in a plan file */
    size_t const_bytes;                 /* constants made by folding */
    double macs;                        /* multiply-adds of one run */
    bool exact;                         /* no dynamic step */
} hn_plan_stats;

struct hn_plan {
    hn_graph *graph;                    /* private, optimised, with concrete shapes */
    hn_arena *arena;                    /* steps, slots, states */
    struct hn_packs *packs;
    const hn_kernels *k;
    unsigned threads;
    hn_step *step; size_t step_count;
    hn_slot *slot; size_t slot_count;
    int *in_slot, *out_slot;            /* per graph input and output; an unused input: -1 */
    size_t activation_bytes;            /* the arena's part before scratch */
    size_t scratch_stride;              /* per worker */
    hn_choice *choice;                  /* per node of the graph: how it is run, as a plan file keeps it */
    uint32_t *spared;                   /* per value: how many of its uses read a pack in its place */
    hn_plan_stats stats;
};

/* g stays unchanged and must outlive the plan: constants are borrowed from it. */
hn_err hn_plan_new(hn_ctx *cx, const hn_graph *g, const hn_plan_opts *o, hn_plan **out);
void hn_plan_free(hn_ctx *cx, hn_plan *p);      /* NULL is fine */

/* Gives every arena slot an offset such that slots alive together do not overlap (plan_memory.c);
 * returns the bytes needed. */
size_t hn_plan_place(hn_slot *slot, size_t count, hn_arena *scratch);

#endif
