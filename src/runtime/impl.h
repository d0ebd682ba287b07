/* SPDX-License-Identifier: Apache-2.0 */
/* Implementations: the fast ways to run a node, one descriptor each, listed in impls.def.
 *
 * Compiling a plan offers each node to the list in order; the first that accepts runs it.  A node
 * nobody accepts runs through its operator's own plain code, so everything eval runs, a plan runs.
 *
 * Layouts.  A tensor of rank 3 or more lies either plain (row-major as its shape says) or
 * channels-last: N, spatial, C in memory under the same logical shape N, C, spatial.  An
 * implementation says what it wants; the plan inserts reorders, and none where both layouts are
 * the same bytes. */
#ifndef HN_RUNTIME_IMPL_H
#define HN_RUNTIME_IMPL_H

#include "base/pool.h"
#include "graph/built.h"
#include "graph/op.h"
#include "kernels/kernels.h"

typedef enum hn_layout { HN_PLAIN, HN_CHANNELS_LAST } hn_layout;

typedef enum hn_layout_rule {
    HN_RULE_PLAIN,       /* all operands plain */
    HN_RULE_CL,          /* operand 0 and all outputs channels-last; constants plain */
    HN_RULE_CL_IN,       /* operand 0 channels-last, the rest and all outputs plain */
    HN_RULE_FOLLOW,      /* any, as long as all operands agree: element by element */
} hn_layout_rule;

/* What an implementation sees while a plan is compiled.  Shapes are concrete; data only for
 * constants. */
typedef struct hn_prep {
    hn_ctx *cx;
    const hn_node *node;
    const hn_kernels *k;
    unsigned threads;
    int in_count, out_count;
    const hn_tensor *const *in;           /* NULL: left out */
    const hn_tensor *const *out;
    hn_layout layout;                     /* of operands that follow the rule */

    /* prepare fills: */
    hn_arena *arena;                      /* lives as long as the plan */
    void *state;                          /* given back to run */
    size_t scratch_bytes;                 /* per worker, aligned to 64 */
    struct hn_packs *packs;
    struct hn_shared_packs *shared;       /* of the model's plans together, or NULL */
    hn_pool *pool;                        /* for packing; NULL: on this thread */
    unsigned variant;                     /* how the work is cut, of impl->variants; 0: as prepare thinks best */
    uint32_t spared;                      /* bit i: input i is read from its pack alone: hn_prep_weights sets it */
    bool forget_sources;                  /* weights are in a mapped file: give their pages back once packed */
} hn_prep;

/* What it sees at run time. */
typedef struct hn_run {
    hn_ctx *cx;
    const hn_node *node;
    const hn_kernels *k;
    const hn_tensor *const *in;
    hn_tensor *const *out;
    hn_layout layout;
    const void *state;
    hn_pool *pool;
    struct hn_kv *kv;                     /* the session's key-value cache, or NULL */
    struct hn_kv *const *each;            /* NULL, or a cache for each row of activations */
    unsigned threads;                     /* at most this many: the plan has scratch for them */
    char *scratch;                        /* worker w's part begins at w * scratch_stride */
    size_t scratch_stride;
    hn_arena *eval_scratch;               /* for operators' own code */
    hn_arena *text;                       /* bytes of strings it makes: until the next run */
} hn_run;

/* What became of a summand offered to a step that is already there: its result plus the summand, then
 * an activation, in the place of two steps. */
typedef enum hn_absorb { HN_ABSORB_NO, HN_ABSORB_OPERAND /* read as one more input */, HN_ABSORB_KEPT } hn_absorb;

typedef struct hn_impl {
    const char *name;                     /* stable: "conv.gemm.f32" */
    hn_layout_rule rule;
    bool spares_out;                      /* output 0 may be left out */
    unsigned inplace;                     /* bit i: output 0 may overwrite input i when sizes agree */
    bool (*accepts)(const hn_prep *p);
    bool (*pays)(const hn_prep *p);       /* NULL: whenever it accepts.  Is it likely the fastest, where nobody measured? */
    unsigned variants;                    /* ways to cut the work besides its own idea; none changes a result's bits */
    hn_err (*prepare)(hn_prep *p);        /* NULL: nothing to prepare */
    hn_err (*run)(const hn_run *r);
    /* NULL, or: takes on a summand, which as an operand will be input `i`.  sum: what the step then makes. */
    hn_absorb (*absorb)(void *state, const hn_tensor *summand, const hn_tensor *sum, int i, hn_act act);
    /* NULL, or: whether a step of this implementation takes on the node of p too, prepared, which reads the same first
     * input and constants.  Its operands 1.. become inputs in_at.. of the step, its result becomes result out_at. */
    bool (*join)(void *state, hn_prep *p, int in_at, int out_at);
} hn_impl;

extern const hn_impl *const hn_impls[];   /* in order of preference; ends with NULL */
extern const hn_impl hn_impl_eval;        /* the operator's own code; accepts everything */
extern const hn_impl hn_impl_reorder;     /* plain to channels-last or back; what the plan inserts */

/* Memory for packed weights, aligned to 64 bytes, counted in the plan's figures, zero-filled.
 * NULL while only measuring (hn_prep_measuring) and when out of memory. */
void *hn_prep_pack(hn_prep *p, size_t bytes);
bool hn_prep_measuring(const hn_prep *p);
/* The same for weights made from input `from` alone, which is not read once it is packed: a plan file keeps the pack
 * in the input's place.  *made: there is nothing to fill, the plan file has it or the plan is only measured. */
void *hn_prep_weights(hn_prep *p, int from, size_t bytes, bool *made);
/* The same for weights made from `source` alone, filled by `fill`; plans of one model share them. */
void *hn_prep_pack_from(hn_prep *p, const void *source, size_t bytes, void (*fill)(void *arg, void *to), void *arg);

/* A number of rows, lines or tiles per piece of work, as the variant has it: 1 halves it, 2 doubles it. */
enum { HN_VARIANTS_CUT = 2 };
size_t hn_prep_cut(const hn_prep *p, size_t n);

/* Small helpers for accepts. */
hn_call hn_prep_call(const hn_prep *p);   /* the same operands as an operator call: for shared geometry */
bool hn_prep_f32(const hn_prep *p);       /* every operand and output is f32 */
bool hn_op_is(const hn_node *n, const char *name);      /* an ONNX operator of that name */

/* Physical dimensions of a tensor under a layout: channels-last moves dim 1 to the end. */
hn_shape hn_physical(const hn_shape *s, hn_layout layout);

/* Runs work over `pieces`, through the pool. */
static inline void hn_parallel(const hn_run *r, size_t pieces,
                               void (*work)(void *, size_t, unsigned), void *arg)
{
    hn_pool_run(r->pool, r->threads, pieces, work, arg);
}

/* The same where all pieces together are about `count` simple operations: too few are not worth a meeting of threads, which
 * takes a few microseconds. */
static inline void hn_parallel_worth(const hn_run *r, size_t count, size_t pieces,
                                     void (*work)(void *, size_t, unsigned), void *arg)
{
    hn_pool_run(count < 8192 ? NULL : r->pool, r->threads, pieces, work, arg);
}

#endif
