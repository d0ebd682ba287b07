/* SPDX-License-Identifier: Apache-2.0 */
/* hone compile: a model's plan to a file that is mapped back. */
#include <stdio.h>

#include "base/clock.h"
#include "base/pool.h"
#include "cli/dims.h"
#include "cli/fill.h"
#include "cli/table.h"
#include "cli/tuning.h"
#include "runtime/compile.h"

typedef struct job {
    hn_cli *c;
    const char *model, *out;
    hn_source src;
    hn_dims dims;
    hn_shape *shape[3];         /* by hn_dim_end */
    hn_tensor *known;           /* inputs fixed to a number */
    hn_arena *memory;
    hn_pool *pool;
    hn_tuning tuning;
    double ms;
    hn_compile_report r;
} job;

/* --fix: what depends on these inputs alone is computed now, and branches they choose are taken. */
static hn_err fix_inputs(job *j)
{
    const hn_graph *g = j->src.graph;
    HN_TRY(hn_fills_check(j->c, "fix", g));
    for (size_t i = 0; i < g->in_count; i++) {
        hn_tensor *t = &j->known[i];
        double v;
        if (!hn_fill_of(j->c, "fix", g->in[i]->name, &v))
            continue;
        *t = (hn_tensor){ g->in[i]->t.dtype, j->shape[HN_DIM_OPT_VALUE][i], NULL };
        if (j->dims.ranges && !hn_shape_known(&g->in[i]->t.shape))
            return hn_fail(&j->c->cx, HN_EARG, "--fix: input '%s' has an open dimension; fix that first",
                           g->in[i]->name);
        if (hn_dtype_class(t->dtype) == HN_CLASS_S || hn_is_list(t->dtype))
            return hn_fail(&j->c->cx, HN_EARG, "--fix: input '%s' holds no numbers", g->in[i]->name);
        t->data = hn_arena_get(j->memory, hn_bytes(t) + 1, 64);
        if (!t->data)
            return hn_nomem(&j->c->cx, "a fixed input");
        for (size_t k = 0; k < hn_count(t); k++)
            hn_put_f64(t, k, 1, &v);
    }
    return HN_OK;
}

static hn_err find_shapes(job *j)
{
    for (int end = HN_DIM_MIN; end <= HN_DIM_MAX; end++) {
        j->shape[end] = hn_calloc(&j->c->cx, j->src.graph->in_count + 1, sizeof *j->shape[end]);
        if (!j->shape[end])
            return hn_nomem(&j->c->cx, "a plan");
        HN_TRY(hn_dims_at(j->c, j->src.graph, &j->dims, (hn_dim_end)end, j->shape[end]));
    }
    return HN_OK;
}

/* A plan for the usual shapes, and one for each end of a range. */
static size_t list_profiles(const job *j, const hn_plan_opts *usual, hn_plan_opts out[3])
{
    static const hn_dim_end order[] = { HN_DIM_OPT_VALUE, HN_DIM_MIN, HN_DIM_MAX };
    size_t n = 0;
    for (size_t i = 0; i < 3; i++) {
        bool new = true;
        for (size_t k = 0; k < n && new; k++) {
            bool same = true;
            for (size_t in = 0; in < j->src.graph->in_count; in++)
                same = same && hn_shape_equal(&out[k].in_shape[in], &j->shape[order[i]][in]);
            new = !same;
        }
        if (!new)
            continue;
        out[n] = *usual;
        out[n++].in_shape = j->shape[order[i]];
    }
    return n;
}

static hn_err compile(job *j)
{
    hn_cli *c = j->c;
    hn_ctx *cx = &c->cx;
    uint64_t begin = hn_now_ns();
    HN_TRY(hn_source_open(cx, j->model, &j->src));
    HN_TRY(hn_dims_read(c, j->src.graph, &j->dims));
    HN_TRY(find_shapes(j));
    j->known = hn_calloc(cx, j->src.graph->in_count + 1, sizeof *j->known);
    if (!j->known)
        return hn_nomem(cx, "a plan");
    HN_TRY(hn_arena_new(cx, 0, &j->memory));
    HN_TRY(fix_inputs(j));
    hn_plan_opts profile = { .threads = c->threads ? c->threads : hn_cpu_count(), .in_known = j->known };
    if (hn_arg_flag(&c->args, "tune") && profile.threads > 1)
        HN_TRY(hn_pool_new(cx, profile.threads, &j->pool));
    HN_TRY(hn_tuning_begin(c, j->pool, &j->tuning));
    hn_tuning_use(&j->tuning, &profile);
    hn_plan_opts profiles[3];
    hn_range range[HN_DIMS_MAX];
    size_t count = list_profiles(j, &profile, profiles);
    for (size_t i = 0; i < j->dims.count; i++)
        range[i] = (hn_range){ j->dims.dim[i].name, j->dims.dim[i].v[HN_DIM_MIN], j->dims.dim[i].v[HN_DIM_MAX] };
    hn_compile_opts o = { .profile = profiles, .profile_count = count, .range = range,
                          .range_count = j->dims.ranges ? j->dims.count : 0, .keep = hn_arg_flag(&c->args, "keep"),
                          .fixed = hn_arg_flag(&c->args, "fixed") };
    HN_TRY(hn_compile(cx, j->model, &j->src, &o, j->out, &j->r));
    j->ms = hn_ms(hn_now_ns() - begin);
    return HN_OK;
}

static hn_err tell(const job *j)
{
    const hn_compile_report *r = &j->r;
    const char *isa = hn_kernels_pick()->isa;
    const hn_tuner *t = &j->tuning.t;
    if (j->c->json)
        return hn_json_print(&j->c->cx, json_pack(
            "{s:s, s:s, s:s, s:s, s:I, s:I, s:I, s:I, s:I, s:b, s:f, s:I, s:I, s:I}", "out", j->out,
            "machine", hn_machine_name(), "isa", isa, "engine", hn_engine_id(), "plans", (json_int_t)r->plans, "steps",
            (json_int_t)r->steps, "bytes", (json_int_t)r->file.bytes, "packed_bytes", (json_int_t)r->file.packed_bytes,
            "constant_bytes", (json_int_t)r->file.constant_bytes, "keeps_weights", r->kept, "ms", j->ms,
            "timings_known", (json_int_t)t->known, "timings_measured", (json_int_t)t->measured, "timings_changed",
            (json_int_t)t->changed));
    printf("%s: %zu plan%s, %zu steps, %.3f MB, of it %.3f MB packed weights%s; for %s %s, engine %s; %.0f ms\n", j->out,
           r->plans, r->plans == 1 ? "" : "s", r->steps,
           (double)r->file.bytes * 1e-6, (double)r->file.packed_bytes * 1e-6,
           r->kept ? " and the model's own" : "", hn_machine_name(), isa, hn_engine_id(), j->ms);
    if (j->tuning.on)
        printf("tuned: %zu layers known, %zu timed, of these %zu run another way than usual\n", t->known, t->measured,
               t->changed);
    return HN_OK;
}

static hn_err run(hn_cli *c)
{
    job j = { .c = c, .model = c->args.operand[0], .out = hn_arg_text(&c->args, "out", NULL) };
    if (!j.out)
        return hn_fail(&c->cx, HN_EARG, "expected -o FILE, where the plan goes");
    hn_err e = compile(&j);
    if (!e)
        e = tell(&j);
    hn_tuning_end(c, &j.tuning);
    hn_pool_free(j.pool);
    for (size_t i = 0; i < 3; i++)
        hn_free(&c->cx, j.shape[i]);
    hn_free(&c->cx, j.known);
    hn_arena_free(j.memory);
    hn_source_close(&c->cx, &j.src);
    return e;
}

static const hn_operand operands[] = { { "MODEL", HN_OPT_FILE, 0, "the ONNX or TFLite model", NULL }, { 0 } };

static const hn_opt opts[] = {
    { "out", 'o', HN_OPT_FILE, "FILE", "the plan file to write", NULL, 0, 0 },
    HN_DIM_RANGE_OPT,
    HN_TUNE_OPTS,
    { "fix", 0, HN_OPT_TEXT, "NAME=N", "that input is this number for good: branches it chooses are taken now", NULL,
      0, 0 },
    { "fixed", 0, HN_OPT_FLAG, NULL, "for these shapes alone: what the model leaves open is closed", NULL, 0, 0 },
    { "keep", 0, HN_OPT_FLAG, NULL, "keep weights as they were, too, where packed ones would do", NULL, 0, 0 },
    { 0 }
};

const hn_command hn_command_compile = {
    .name = "compile",
    .summary = "make a model ready for this machine, so that it starts at once",
    .example = "hone compile model.onnx -o model.plan",
    .help = "The plan file holds the optimised graph, the way each node is run, and the weights as the kernels want\n"
            "them.  Every command that takes a model takes it: it is mapped, and nothing is packed or copied.  Results\n"
            "are the same bits as those of the model here.\n\n"
            "A plan is for one kind of processor and one build of Hone.  Elsewhere the model it was made from is used\n"
            "in its place if it lies beside the plan, with a line that says so; otherwise the plan is refused.\n\n"
            "Where all shapes are fixed, by the model or by --fixed, weights are in the file once, packed; other\n"
            "kernels, fixed inputs and eval are refused then.  --keep stores them as they were, too.  With open\n"
            "dimensions they are kept in any case, and shapes that were not compiled are planned when they come;\n"
            "--dim batch=1:4:32 compiles for 4 and both ends, and refuses what lies outside.\n\n"
            "--tune times every way to run each layer here; winners are remembered by processor and shape.",
    .operand = operands, .opt = opts, .reports = true, .run = run,
};
