/* SPDX-License-Identifier: Apache-2.0 */
/* Plans: memory without overlap, fast ways like plain ones on graphs nobody thought of. */
#include "runtime/plan.h"

#include <stdio.h>
#include <stdlib.h>

#include "formats/format.h"
#include "tests/support/agree.h"
#include "tests/support/graph.h"
#include "tests/support/random.h"
#include "tests/support/test.h"

#define TOLERANCE 2e-5       /* of the output's range or 1: up to twelve steps in another order */

static hn_graph *random_graph(hn_ctx *cx, uint32_t seed)
{
    uint8_t bytes[160];
    hn_graph *g = NULL;
    for (size_t i = 0; i < sizeof bytes; i++) {
        seed = seed * 1664525u + 1013904223u;
        bytes[i] = (uint8_t)(seed >> 24);
    }
    return hn_test_random_graph(cx, bytes, sizeof bytes, &g) ? NULL : g;
}

/* ---- Memory ---------------------------------------------------------------------------------------- */

static bool in_arena(const hn_slot *s) { return s->kind == HN_SLOT_ARENA && s->alias < 0; }

/* Every pair of slots alive at the same step lies apart, all inside the block. */
static void no_overlap(const hn_plan *p)
{
    for (size_t i = 0; i < p->slot_count; i++) {
        const hn_slot *a = &p->slot[i];
        if (!in_arena(a))
            continue;
        CHECK(a->offset % 64 == 0 && a->offset + a->bytes <= p->activation_bytes);
        for (size_t j = i + 1; j < p->slot_count; j++) {
            const hn_slot *b = &p->slot[j];
            bool meet = in_arena(b) && a->first <= b->last && b->first <= a->last;
            CHECK(!meet || a->offset + a->bytes <= b->offset || b->offset + b->bytes <= a->offset);
        }
    }
}

static size_t root_of(const hn_plan *p, int slot)
{
    while (p->slot[slot].alias >= 0)
        slot = p->slot[slot].alias;
    return (size_t)slot;
}

/* Plays the steps with tokens for bytes: whatever a step reads must still be what was written there.
 * Knows nothing of lifetimes; in-place steps may overwrite the operand they read. */
static void nothing_is_overwritten(const hn_plan *p)
{
    size_t *holds = calloc(p->activation_bytes / 64 + 1, sizeof *holds);      /* per 64 bytes: writer + 1 */
    size_t *written = calloc(p->slot_count, sizeof *written);
    for (size_t i = 0; i < p->step_count + 1; i++) {
        bool end = i == p->step_count;                                        /* outputs are read after all */
        int reads = end ? (int)p->graph->out_count : p->step[i].in_count;
        for (int j = 0; j < reads; j++) {
            int slot = end ? p->out_slot[j] : p->step[i].in[j];
            if (slot < 0 || !in_arena(&p->slot[root_of(p, slot)]))
                continue;
            size_t r = root_of(p, slot);
            CHECK(written[r] > 0);
            for (size_t b = 0; b < p->slot[r].bytes; b += 64)
                CHECK_INT(holds[(p->slot[r].offset + b) / 64], written[r]);
        }
        for (int j = 0; !end && j < p->step[i].out_count; j++) {
            if (p->step[i].out[j] < 0 || !in_arena(&p->slot[root_of(p, p->step[i].out[j])]))
                continue;
            size_t r = root_of(p, p->step[i].out[j]);
            written[r] = i + 1;
            for (size_t b = 0; b < p->slot[r].bytes; b += 64)
                holds[(p->slot[r].offset + b) / 64] = i + 1;
        }
    }
    free(holds);
    free(written);
}

static size_t check_plan(hn_ctx *cx, const hn_graph *g)
{
    hn_shape shape[8];
    hn_plan *p;
    CHECK(g->in_count <= 8);
    for (size_t i = 0; i < g->in_count; i++) {
        shape[i] = g->in[i]->t.shape;
        for (int d = 0; d < shape[i].rank; d++)
            if (hn_is_symbol(shape[i].dim[d]))
                shape[i].dim[d] = 1;
    }
    hn_plan_opts o = { .threads = 2, .in_shape = shape, .measure = true };
    hn_err e = hn_plan_new(cx, g, &o, &p);
    if (e)
        print_message("%s\n", cx->msg);
    CHECK_INT(e, HN_OK);
    no_overlap(p);
    nothing_is_overwritten(p);
    size_t aliases = 0;
    for (size_t i = 0; i < p->slot_count; i++)
        aliases += p->slot[i].alias >= 0;
    hn_plan_free(cx, p);
    return aliases;
}

TEST(values_alive_together_lie_apart_in_every_model)
{
    static const char *const models[] = {
        "ad_toycar_ae_fp32", "ad_toycar_ae_int8.qdq", "deeplabv3_mnv2_dm05_fp32", "ic_resnet8_fp32",
        "ic_resnet8_int8.qdq", "kws_dscnn_fp32", "kws_dscnn_int8.qdq", "mobilenet_v1_025_128_quant_u8.qdq",
        "mobilenet_v2_224_fp32", "mobilenet_v2_224_quant_u8.qdq", "person_detect_int8.qdq", "ultraface_rfb_320",
        "vww_mbv1_96_fp32", "vww_mbv1_96_int8.qdq", "yolox_nano",
    };
    for (size_t i = 0; i < sizeof models / sizeof *models; i++) {
        hn_ctx cx = { 0 };
        hn_source src;
        char name[128];
        snprintf(name, sizeof name, "models/%s.onnx", models[i]);
        const char *path = hn_test_data(name);
        if (!path)
            return;
        CHECK_INT(hn_source_open(&cx, path, &src), HN_OK);
        check_plan(&cx, src.graph);
        hn_source_close(&cx, &src);
    }
}

TEST(values_alive_together_lie_apart_in_random_graphs)
{
    size_t aliases = 0;
    for (uint32_t seed = 0; seed < 2000; seed++) {
        hn_ctx cx = { 0 };
        hn_graph *g = random_graph(&cx, seed);
        if (g)
            aliases += check_plan(&cx, g);
        hn_graph_free(g);
    }
    CHECK(aliases > 1000);       /* in-place steps and views were among them */
}

/* ---- Against eval ------------------------------------------------------------------------------------- */

static void agrees(uint32_t seed, const hn_plan_opts *o, hn_pool *pool)
{
    hn_ctx cx = { 0 };
    hn_arena *a;
    double worst = 0;
    hn_graph *g = random_graph(&cx, seed);
    if (!g)
        return;
    CHECK_INT(hn_arena_new(&cx, 0, &a), HN_OK);
    hn_err e = hn_test_agree_graph(&cx, g, o, pool, 1, a, &worst);
    bool right = !e && (worst <= TOLERANCE || !hn_test_finite(&cx, g, a));
    if (!right) {
        print_message("seed %u: %s, worst %g:", seed, cx.msg, worst);
        for (size_t i = 0; i < g->node_count; i++)
            print_message(" %s", g->node[i]->op->name);
        print_message("\n");
    }
    CHECK(right);
    hn_arena_free(a);
    hn_graph_free(g);
}

TEST(random_graphs_agree_with_eval_on_every_instruction_set)
{
    for (const hn_kernels *const *k = hn_kernel_tables; *k; k++)
        for (uint32_t seed = 0; seed < 1500 && hn_kernels_runs(*k); seed++)
            agrees(seed, &(hn_plan_opts){ .kernels = *k, .threads = 1 }, NULL);
}

TEST(random_graphs_agree_without_passes_and_with_threads)
{
    hn_ctx cx = { 0 };
    hn_pool *pool;
    CHECK_INT(hn_pool_new(&cx, 3, &pool), HN_OK);
    for (uint32_t seed = 5000; seed < 6000; seed++) {
        agrees(seed, &(hn_plan_opts){ .threads = 1, .no_optimize = true }, NULL);
        agrees(seed, &(hn_plan_opts){ .threads = 2 }, pool);
    }
    hn_pool_free(pool);
}
