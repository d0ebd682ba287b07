/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/stream.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/num.h"
#include "base/progress.h"
#include "cli/dims.h"
#include "cli/media.h"
#include "cli/table.h"
#include "formats/npy.h"

enum { SHOWN = 8, NONE = -1 };

typedef struct stream {
    hn_cli *c;
    hn_runner *r;
    const hn_graph *g;
    hn_arena *memory;
    const hn_media *media;
    hn_sound sound;
    hn_tensor *in;
    size_t heard;                    /* the input that takes the sound */
    int *from;                       /* per input: the output it is in the next step, or NONE */
    bool *is_state;                  /* per output */
    size_t piece, context, hop;      /* samples given in a step, of them again, to the next step */
    float *samples;                  /* of a step */
    float *made; size_t made_count;  /* --wav */
    hn_buf *kept;                    /* --out: per output, all steps */
    size_t steps;
    json_t *told;
    double ms;
} stream;

/* ---- What feeds what ----------------------------------------------------------------------------- */

static int find_output(const hn_graph *g, const char *name, size_t len)
{
    for (size_t i = 0; i < g->out_count; i++)
        if (strlen(g->out[i]->name) == len && memcmp(g->out[i]->name, name, len) == 0)
            return (int)i;
    return NONE;
}

/* "h" becomes "hn", "state" "stateN" or "state.next": what exporters call it. */
static int by_name(const hn_graph *g, const char *name)
{
    static const char *const ends[] = { ".next", "N", "n", "_n", "_next", "_out", "Out", "_new" };
    char wanted[256];
    for (size_t i = 0; i < sizeof ends / sizeof *ends; i++) {
        int len = snprintf(wanted, sizeof wanted, "%s%s", name, ends[i]);
        int at = len > 0 && (size_t)len < sizeof wanted ? find_output(g, wanted, (size_t)len) : NONE;
        if (at != NONE)
            return at;
    }
    return NONE;
}

/* The one output of that type and shape that feeds nothing yet. */
static int by_shape(const stream *s, const hn_tensor *t)
{
    int found = NONE;
    for (size_t i = 0; i < s->g->out_count; i++) {
        const hn_tensor *o = &s->g->out[i]->t;
        if (s->is_state[i] || o->dtype != t->dtype || !hn_shape_known(&o->shape) || !hn_shape_equal(&o->shape, &t->shape))
            continue;
        if (found != NONE)
            return NONE;
        found = (int)i;
    }
    return found;
}

static hn_err pairs_given(stream *s)
{
    hn_ctx *cx = &s->c->cx;
    for (size_t k = 0; k < hn_arg_count(&s->c->args, "state"); k++) {
        const char *pair = hn_arg_at(&s->c->args, "state", k), *eq = strchr(pair, '=');
        int out = eq ? find_output(s->g, eq + 1, strlen(eq + 1)) : NONE;
        size_t in = 0;
        while (eq && in < s->g->in_count && (strlen(s->g->in[in]->name) != (size_t)(eq - pair) ||
                                             memcmp(s->g->in[in]->name, pair, (size_t)(eq - pair)) != 0))
            in++;
        if (out == NONE || in == s->g->in_count || in == s->heard)
            return hn_fail(cx, HN_EARG, "--state %s: expected INPUT=OUTPUT by their names in the model", pair);
        s->from[in] = out;
        s->is_state[out] = true;
    }
    return HN_OK;
}

static bool is_rate(const hn_value *v)
{
    return hn_is_integer(v->t.dtype) && (strcmp(v->name, "sr") == 0 || strstr(v->name, "rate"));
}

/* Zeros in the shape the model says, open dimensions as the options say. */
static hn_err start_value(stream *s, size_t i, const hn_shape *shape)
{
    s->in[i] = (hn_tensor){ s->g->in[i]->t.dtype, *shape, NULL };
    if (!hn_shape_known(shape) || hn_dtype_class(s->in[i].dtype) == HN_CLASS_S)
        return hn_fail(&s->c->cx, HN_EARG, "input '%s' has no shape or holds text: give it with --input", s->g->in[i]->name);
    s->in[i].data = hn_arena_get(s->memory, hn_max(hn_bytes(&s->in[i]), 1), 64);
    return s->in[i].data ? HN_OK : hn_nomem(&s->c->cx, "a model's state");
}

static hn_err find_states(stream *s, const hn_shape *shape)
{
    HN_TRY(pairs_given(s));
    for (size_t i = 0; i < s->g->in_count; i++) {
        const hn_value *v = s->g->in[i];
        if (i == s->heard)
            continue;
        bool given = s->in[i].data != NULL;
        if (!given)
            HN_TRY(start_value(s, i, &shape[i]));
        if (!given && is_rate(v) && hn_count(&s->in[i]) == 1) {
            int64_t rate = s->sound.rate;
            hn_put_i64(&s->in[i], 0, 1, &rate);
            continue;
        }
        if (s->from[i] == NONE)
            s->from[i] = by_name(s->g, v->name);
        if (s->from[i] == NONE && !given)
            s->from[i] = by_shape(s, &s->in[i]);
        if (s->from[i] == NONE && !given)
            return hn_fail(&s->c->cx, HN_EARG, "no output is input '%s' of the next step: say which with --state %s=OUTPUT, "
                           "or give it with --input %s=FILE", v->name, v->name, v->name);
        if (s->from[i] != NONE)
            s->is_state[s->from[i]] = true;
    }
    return HN_OK;
}

/* ---- Sound in -------------------------------------------------------------------------------------- */

static hn_err prepare_sound(stream *s, const hn_shape *shape)
{
    hn_ctx *cx = &s->c->cx;
    const hn_value *v = s->g->in[s->heard];
    const hn_args *args = &s->c->args;
    hn_shape x = *shape;
    char text[HN_SHAPE_TEXT];
    int last = x.rank - 1;
    s->context = (size_t)hn_arg_int(args, "context", 0);
    size_t chunk = (size_t)hn_arg_int(args, "chunk", 0);
    bool open = last >= 0 && v->t.shape.rank == x.rank && hn_is_symbol(v->t.shape.dim[last]);
    if (open && chunk)
        x.dim[last] = (int64_t)(chunk + s->context);
    if (last < 0 || (open && !chunk && x.dim[last] == 1))
        return hn_fail(cx, HN_EARG, "input '%s' leaves the length of a piece open: give --chunk N", v->name);
    s->piece = (size_t)x.dim[last];
    s->in[s->heard] = (hn_tensor){ v->t.dtype, x, NULL };
    if (hn_count(&s->in[s->heard]) != s->piece || (v->t.dtype != HN_F32 && v->t.dtype != HN_I16))
        return hn_fail(cx, HN_EUNSUP, "input '%s' is %s %s, sound becomes one row of f32 or i16", v->name,
                       hn_dtype_name(v->t.dtype), hn_shape_text(&x, text));
    if (s->context >= s->piece || (chunk && chunk + s->context != s->piece))
        return hn_fail(cx, HN_EARG, "input '%s' takes %zu samples, not %zu with %zu before them", v->name, s->piece, chunk,
                       s->context);
    s->hop = (size_t)hn_arg_int(args, "hop", (int64_t)(s->piece - s->context));
    s->samples = HN_NEW(s->memory, float, s->piece);
    s->in[s->heard].data = hn_arena_get(s->memory, hn_bytes(&s->in[s->heard]), 64);
    return s->samples && s->in[s->heard].data ? HN_OK : hn_nomem(cx, "a piece of sound");
}

/* The piece that begins at frame `first`, with what comes before it; silence outside of the file. */
static void take_piece(stream *s, size_t first)
{
    size_t before = hn_min(s->context, first), silent = s->context - before;
    memset(s->samples, 0, silent * sizeof *s->samples);
    s->media->sound_read(&s->sound, first - before, s->piece - silent, s->samples + silent);
    if (s->in[s->heard].dtype == HN_F32) {
        memcpy(s->in[s->heard].data, s->samples, s->piece * sizeof *s->samples);
        return;
    }
    int16_t *to = s->in[s->heard].data;
    for (size_t i = 0; i < s->piece; i++) {
        double v = rint((double)s->samples[i] * 32768);
        to[i] = (int16_t)(v >= -32768 ? fmin(v, 32767) : -32768);
    }
}

/* ---- Answers out ----------------------------------------------------------------------------------- */

static size_t first_result(const stream *s)
{
    size_t i = 0;
    while (i < s->g->out_count && s->is_state[i])
        i++;
    return i;
}

/* Every output that feeds an input of the next step. */
static hn_err hand_on(stream *s)
{
    for (size_t i = 0; i < s->g->in_count; i++) {
        if (s->from[i] == NONE)
            continue;
        const hn_tensor *t = &s->r->out[s->from[i]];
        char a[HN_SHAPE_TEXT], b[HN_SHAPE_TEXT];
        if (t->dtype != s->in[i].dtype || !hn_shape_equal(&t->shape, &s->in[i].shape))
            return hn_fail(&s->c->cx, HN_EARG, "output '%s' (%s %s) cannot be input '%s' (%s %s) of the next step",
                           s->g->out[s->from[i]]->name, hn_dtype_name(t->dtype), hn_shape_text(&t->shape, a),
                           s->g->in[i]->name, hn_dtype_name(s->in[i].dtype), hn_shape_text(&s->in[i].shape, b));
        if (hn_bytes(t))
            memcpy(s->in[i].data, t->data, hn_bytes(t));
    }
    return HN_OK;
}

static void tell_step(stream *s, const hn_tensor *t, double at)
{
    double v[SHOWN];
    size_t count = hn_min(hn_count(t), SHOWN);
    hn_get_f64(t, 0, count, v);
    if (s->c->json) {
        json_t *row = json_array();
        for (size_t i = 0; i < count; i++)
            json_array_append_new(row, isfinite(v[i]) ? json_real(v[i]) : json_null());
        json_array_append_new(s->told, row);
        return;
    }
    printf("%9.3f s ", at);
    for (size_t i = 0; i < count; i++)
        printf(" %7.4f", v[i]);
    puts(hn_count(t) > SHOWN ? " ..." : "");
}

/* Adds what a step made where it belongs. */
static hn_err add_sound(stream *s, const hn_tensor *t, size_t first)
{
    size_t count = hn_count(t);
    if (!hn_is_float(t->dtype) || count > s->piece)
        return hn_fail(&s->c->cx, HN_EARG, "--wav: the first output is %s with %zu numbers a step, not sound of up to %zu",
                       hn_dtype_name(t->dtype), count, s->piece);
    for (size_t i = 0; i < count && first + i < s->made_count; i++) {
        double v;
        hn_get_f64(t, i, 1, &v);
        s->made[first + i] += (float)v;
    }
    return HN_OK;
}

static hn_err after_step(stream *s, size_t first)
{
    size_t shown = first_result(s);
    if (shown < s->g->out_count) {
        const hn_tensor *t = &s->r->out[shown];
        if (s->made)
            HN_TRY(add_sound(s, t, first));
        else
            tell_step(s, t, (double)first / s->sound.rate);
    }
    for (size_t i = 0; s->kept && i < s->g->out_count; i++)
        if (!s->is_state[i])
            hn_buf_add(&s->kept[i], s->r->out[i].data, hn_bytes(&s->r->out[i]));
    s->steps++;
    return hand_on(s);
}

/* All steps of an output in one tensor: [steps, ...]. */
static hn_err save_kept(stream *s, const char *dir)
{
    hn_ctx *cx = &s->c->cx;
    for (size_t i = 0; i < s->g->out_count; i++) {
        hn_tensor t = s->r->out[i];
        char path[4096];
        if (s->is_state[i])
            continue;
        HN_TRY(hn_buf_ok(&s->kept[i], "the outputs of all steps"));
        if (t.shape.rank == HN_RANK_MAX || s->kept[i].len != hn_mul(s->steps, hn_bytes(&t)))
            return hn_fail(cx, HN_EUNSUP, "--out: output '%s' changes its shape from step to step", s->g->out[i]->name);
        memmove(t.shape.dim + 1, t.shape.dim, (size_t)t.shape.rank * sizeof *t.shape.dim);
        t.shape.dim[0] = (int64_t)s->steps;
        t.shape.rank++;
        t.data = s->kept[i].data;
        snprintf(path, sizeof path, "%s/output_%zu.npy", dir, i);
        hn_buf b = { .cx = cx };
        hn_err e = hn_npy_write(cx, &t, &b);
        if (!e)
            e = hn_file_write(cx, path, b.data, b.len);
        hn_buf_free(&b);
        HN_TRY(e);
    }
    return HN_OK;
}

static hn_err finish(stream *s)
{
    const char *dir = hn_arg_text(&s->c->args, "out", NULL), *wav = hn_arg_text(&s->c->args, "wav", NULL);
    double seconds = (double)s->sound.frames / s->sound.rate;
    if (dir && s->steps)
        HN_TRY(save_kept(s, dir));
    if (wav)
        HN_TRY(s->media->sound_save(&s->c->cx, wav, s->sound.rate, s->made, s->made_count));
    if (!s->c->quiet && !s->c->json)
        fprintf(stderr, "%.1f s of sound at %u Hz in %zu steps: %.3f s, %.0f times as fast as it plays\n", seconds,
                s->sound.rate, s->steps, s->ms / 1000, seconds * 1000 / fmax(s->ms, 1e-6));
    if (!s->c->json)
        return HN_OK;
    json_t *told = s->told;
    s->told = NULL;
    return hn_json_print(&s->c->cx, json_pack("{s:I, s:f, s:I, s:I, s:f, s:o}", "rate", (json_int_t)s->sound.rate, "seconds",
                                              seconds, "hop", (json_int_t)s->hop, "steps", (json_int_t)s->steps, "ms", s->ms,
                                              "output", told));
}

static hn_err walk(stream *s)
{
    hn_ctx *cx = &s->c->cx;
    hn_progress bar;
    hn_err e = HN_OK;
    hn_progress_start(&bar, "listening", s->sound.frames, s->c->quiet);
    for (size_t first = 0; first < s->sound.frames && !e; first += s->hop) {
        take_piece(s, first);
        e = hn_runner_prepare(cx, s->r, s->in);
        uint64_t begin = hn_now_ns();
        if (!e)
            e = hn_runner_run(cx, s->r, s->in);
        s->ms += hn_ms(hn_now_ns() - begin);
        if (!e)
            e = after_step(s, first);
        if (s->made || s->c->json)
            hn_progress_step(&bar, first);
    }
    hn_progress_end(&bar);
    return e ? e : finish(s);
}

static hn_err start(stream *s)
{
    hn_ctx *cx = &s->c->cx;
    size_t ins = s->g->in_count, outs = s->g->out_count;
    hn_shape *shape = HN_NEW(s->memory, hn_shape, ins);
    s->from = HN_NEW(s->memory, int, ins);
    s->is_state = HN_NEW(s->memory, bool, outs);
    if (!shape || !s->from || !s->is_state)
        return hn_nomem(cx, "a stream");
    for (size_t i = 0; i < ins; i++)
        s->from[i] = NONE;
    HN_TRY(hn_dims_shapes(s->c, s->g, shape));
    HN_TRY(prepare_sound(s, &shape[s->heard]));
    HN_TRY(find_states(s, shape));
    if (hn_arg_text(&s->c->args, "wav", NULL)) {
        s->made_count = s->sound.frames;
        s->made = hn_calloc(cx, s->made_count + 1, sizeof *s->made);
        if (!s->made)
            return hn_nomem(cx, "sound");
    }
    if (hn_arg_text(&s->c->args, "out", NULL)) {
        s->kept = HN_NEW(s->memory, hn_buf, outs);
        if (!s->kept)
            return hn_nomem(cx, "a stream");
        for (size_t i = 0; i < outs; i++)
            s->kept[i].cx = cx;
    }
    return walk(s);
}

hn_err hn_stream(hn_cli *c, hn_runner *r, hn_arena *a, hn_tensor *in, const hn_heard *heard)
{
    stream s = { .c = c, .r = r, .g = r->src.graph, .memory = a, .in = in, .heard = heard->input };
    if (!heard->file)
        return hn_fail(&c->cx, HN_EARG, "--stateful takes sound: give --input FILE.wav");
    HN_TRY(hn_media_open(&c->cx, &s.media));
    HN_TRY(s.media->sound_open(&c->cx, heard->file, &s.sound));
    s.told = json_array();
    hn_err e = start(&s);
    json_decref(s.told);
    for (size_t i = 0; s.kept && i < s.g->out_count; i++)
        hn_buf_free(&s.kept[i]);
    hn_free(&c->cx, s.made);
    s.media->sound_close(&s.sound);
    return e;
}
