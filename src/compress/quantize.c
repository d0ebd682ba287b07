/* SPDX-License-Identifier: Apache-2.0 */
#include "compress/quantize.h"

#include <math.h>
#include <string.h>

#include "base/file.h"
#include "base/num.h"
#include "formats/gguf_write.h"
#include "kernels/qpack.h"
#include "tensor/q_lattice.h"

#define SLAB ((size_t)8 << 20)       /* bytes of output held at a time */
#define PANEL_ALIGN 64               /* a line of the cache: what kernels load at once */
#define QUANTIZATION_VERSION 2       /* of the block types, as GGUF counts them */

typedef struct quantizer {
    const hn_quantize_opts *o;
    const hn_gguf *in;
    hn_gguf_writer *out;
    unsigned threads;
    char *slab, *panels; size_t slab_size;   /* rows as they are made; the same in panels */
    float *rows; size_t row_max;     /* [threads, 2, row_max]: a row, and what became of it */
    hn_q_lattice *lattice[HN_QT_COUNT];       /* made when first wanted */
    double *error;                   /* [threads, 2]: squares of differences, and of values */
    uint64_t done;                   /* elements */
} quantizer;

/* One stretch of rows of a tensor. */
typedef struct stretch {
    quantizer *q;
    const hn_gguf_tensor *t;
    hn_qtype to;
    const hn_importance *importance;
    size_t first, count;                      /* rows */
    size_t row, from_size, to_size;           /* elements and bytes of one */
} stretch;

static void encode_row(void *arg, size_t i, unsigned worker)
{
    const stretch *s = arg;
    float *x = s->q->rows + 2 * worker * s->q->row_max, *y = x + s->q->row_max;
    char *to = s->q->slab + i * s->to_size;
    const float *importance = NULL;
    if (s->importance) {
        size_t each = s->t->shape.rank == 3 ? (size_t)s->t->shape.dim[1] : (size_t)s->t->shape.dim[0];
        size_t matrix = s->importance->count > s->row && each ? (s->first + i) / each : 0;
        importance = s->importance->value + matrix * s->row;
    }
    hn_gguf_floats(s->t, (s->first + i) * s->row, s->row, x);
    if (s->q->lattice[s->to])
        hn_q_lattice_encode_row(s->q->lattice[s->to], x, importance, to, s->row);
    else
        hn_q_encode_row(s->to, x, importance, to, s->row);
    hn_q_decode(s->to, to, y, s->row);
    double wrong = 0, all = 0;
    for (size_t k = 0; k < s->row; k++) {
        wrong += ((double)y[k] - (double)x[k]) * ((double)y[k] - (double)x[k]);
        all += (double)x[k] * (double)x[k];
    }
    s->q->error[2 * worker] += wrong;
    s->q->error[2 * worker + 1] += all;
}

/* A row of the type it had. */
static void take_row(void *arg, size_t i, unsigned worker)
{
    const stretch *s = arg;
    size_t row = s->first + i, size = s->t->panels ? hn_panel_size(s->to, s->row) : s->from_size;
    const char *from = s->t->data;
    char *to = s->q->slab + i * s->to_size;
    (void)worker;
    if (s->t->panels)
        hn_panel_row(s->to, from + row / HN_PANEL_ROWS * size, row % HN_PANEL_ROWS, s->row, to);
    else
        memcpy(to, from + row * size, size);
}

static void pack_panel(void *arg, size_t i, unsigned worker)
{
    const stretch *s = arg;
    size_t first = i * HN_PANEL_ROWS;
    (void)worker;
    hn_panel_pack(s->to, s->q->slab + first * s->to_size, s->to_size, hn_min(HN_PANEL_ROWS, s->count - first), s->row,
                  s->q->panels + i * hn_panel_size(s->to, s->row));
}

static void step(quantizer *q, size_t elements)
{
    q->done += elements;
    if (q->o->progress)
        hn_progress_step(q->o->progress, q->done);
}

/* The importance of this tensor, if it has one of the right size. */
static hn_err find_importance(hn_ctx *cx, const quantizer *q, const hn_gguf_tensor *t, hn_qtype to,
                              const hn_importance **out)
{
    size_t row = (size_t)t->shape.dim[t->shape.rank - 1], matrices = t->shape.rank == 3 ? (size_t)t->shape.dim[0] : 1;
    const hn_importance *i = q->o->importance ? hn_imatrix_find(q->o->importance, t->name) : NULL;
    if (i && i->count != row && i->count != hn_mul(row, matrices))
        return hn_fail(cx, HN_EFORMAT,
                       "tensor '%s' has rows of %zu, the importance matrix %zu values for it: it is another model's",
                       t->name, row, i->count);
    if (!i && hn_mix_needs_importance(q->o->mix.mix, t->name, to))
        return hn_fail(cx, HN_EARG,
                       "tensor '%s' as %s is of no use without an importance matrix: give one with --imatrix FILE",
                       t->name, hn_qtype_get(to)->name);
    *out = hn_q_heeds_importance(to) || hn_q_is_lattice(to) ? i : NULL;
    return HN_OK;
}

static hn_err check_tensor(hn_ctx *cx, const quantizer *q, const hn_gguf_tensor *t, hn_qtype to)
{
    const hn_importance *unused;
    if (to == t->type)
        return HN_OK;
    if (!hn_q_has_encode(to) && !hn_q_is_lattice(to))
        return hn_fail(cx, HN_EUNSUP, "unsupported: encoding %s, wanted for tensor '%s'", hn_qtype_get(to)->name,
                       t->name);
    if (hn_qtype_get(t->type)->block_count > 1 && !q->o->requantize)
        return hn_fail(cx, HN_EARG,
                       "tensor '%s' is %s already; start from the F16 or F32 file, or lose twice with --requantize",
                       t->name, hn_qtype_get(t->type)->name);
    return find_importance(cx, q, t, to, &unused);
}

static hn_err copy(hn_ctx *cx, quantizer *q, const hn_gguf_tensor *t)
{
    for (size_t at = 0, n; at < t->size; at += n) {
        n = hn_min(t->size - at, SLAB);
        HN_TRY(hn_gguf_write(cx, q->out, (const char *)t->data + at, n));
        hn_file_release((const char *)t->data + at, n);
    }
    step(q, hn_shape_count(&t->shape));
    return HN_OK;
}

/* The rows in the slab, as they are or in panels. */
static hn_err write_rows(hn_ctx *cx, quantizer *q, stretch *s, bool panels)
{
    size_t count = hn_ceil_div(s->count, HN_PANEL_ROWS);
    if (!panels)
        return hn_gguf_write(cx, q->out, q->slab, s->count * s->to_size);
    hn_pool_run(q->o->pool, q->threads, count, pack_panel, s);
    return hn_gguf_write(cx, q->out, q->panels, count * hn_panel_size(s->to, s->row));
}

static hn_err rewrite(hn_ctx *cx, quantizer *q, const hn_gguf_tensor *t, hn_quantized *r)
{
    stretch s = { .q = q, .t = t, .to = r->to, .row = (size_t)t->shape.dim[t->shape.rank - 1] };
    size_t rows = s.row ? hn_shape_count(&t->shape) / s.row : 0;
    bool encodes = r->to != r->from;
    if (encodes)
        HN_TRY(find_importance(cx, q, t, r->to, &s.importance));
    s.from_size = hn_q_bytes(t->type, s.row);
    s.to_size = hn_q_bytes(r->to, s.row);
    r->heeded = s.importance != NULL;
    if (encodes && hn_q_is_lattice(r->to) && !q->lattice[r->to])
        HN_TRY(hn_q_lattice_new(cx, r->to, &q->lattice[r->to]));
    memset(q->error, 0, 2 * q->threads * sizeof *q->error);
    size_t most = q->slab_size / s.to_size / HN_PANEL_ROWS * HN_PANEL_ROWS;      /* whole panels */
    for (; s.first < rows; s.first += s.count) {
        s.count = hn_min(rows - s.first, most);
        hn_pool_run(q->o->pool, q->threads, s.count, encodes ? encode_row : take_row, &s);
        HN_TRY(write_rows(cx, q, &s, r->panels));
        hn_file_release((const char *)t->data + s.first * s.from_size, s.count * s.from_size);
        step(q, s.count * s.row);
    }
    double wrong = 0, all = 0;
    for (unsigned w = 0; w < q->threads; w++) {
        wrong += q->error[2 * w];
        all += q->error[2 * w + 1];
    }
    r->error = all > 0 ? sqrt(wrong / all) : 0;
    return HN_OK;
}

/* What the file says of itself, but for what changes here; of a split file one whole is made. */
static void put_values(const quantizer *q)
{
    static const char *const anew[] = { "general.alignment", "split.no", "split.count", "split.tensors.count",
                                        "general.file_type", "general.quantization_version" };
    size_t count = q->o->mix.mix ? 6 : 4;
    const hn_imatrix *i = q->o->importance;
    for (size_t k = 0; k < q->in->value_count; k++) {
        const char *key = q->in->values[k].key;
        bool skip = q->o->mix.mix && strncmp(key, "quantize.imatrix.", 17) == 0;
        for (size_t n = 0; n < count; n++)
            skip |= strcmp(key, anew[n]) == 0;
        if (!skip)
            hn_gguf_put_value(q->out, &q->in->values[k]);
    }
    if (q->o->mix.mix) {
        hn_gguf_put_u32(q->out, "general.quantization_version", QUANTIZATION_VERSION);
        hn_gguf_put_u32(q->out, "general.file_type", hn_mix_get(q->o->mix.mix)->number);
    }
    if (q->o->pack)
        hn_gguf_put_alignment(q->out, PANEL_ALIGN);
    if (!i)
        return;
    if (q->o->importance_path)
        hn_gguf_put_text(q->out, "quantize.imatrix.file", (hn_text){ q->o->importance_path,
                                                                     strlen(q->o->importance_path) });
    if (i->dataset.len)
        hn_gguf_put_text(q->out, "quantize.imatrix.dataset", i->dataset);
    hn_gguf_put_u32(q->out, "quantize.imatrix.entries_count", (uint32_t)i->count);
    if (i->chunks)
        hn_gguf_put_u32(q->out, "quantize.imatrix.chunks_count", i->chunks);
}

static bool is_copied(const hn_gguf_tensor *t, const hn_quantized *q) { return q->to == q->from && q->panels == t->panels; }

/* An embedding that is no output is looked up, never multiplied: its rows stay together. */
static bool goes_to_panels(const quantizer *q, const hn_gguf_tensor *t, hn_qtype to)
{
    bool looked_up = strcmp(t->name, "token_embd.weight") == 0 && hn_gguf_tensor_find(q->in, "output.weight");
    return q->o->pack && t->shape.rank == 2 && hn_panel_has(to) && !looked_up;
}

static hn_err make_room(hn_ctx *cx, quantizer *q, const hn_quantize_report *r)
{
    q->slab_size = SLAB;
    for (size_t i = 0; i < r->count; i++) {
        const hn_gguf_tensor *t = &q->in->tensors[i];
        size_t row = t->shape.rank ? (size_t)t->shape.dim[t->shape.rank - 1] : 1;
        if (is_copied(t, &r->tensor[i]))
            continue;
        q->row_max = hn_max(q->row_max, row);
        q->slab_size = hn_max(q->slab_size, hn_mul(hn_q_bytes(r->tensor[i].to, row), HN_PANEL_ROWS));
    }
    q->slab = hn_alloc(cx, q->slab_size);
    q->panels = hn_alloc(cx, hn_mul(2, q->slab_size));           /* ends of panels are filled up to 64 bytes */
    q->rows = hn_calloc(cx, hn_mul(2 * q->threads, q->row_max) + 1, sizeof *q->rows);
    q->error = hn_calloc(cx, 2 * q->threads, sizeof *q->error);
    return q->slab && q->panels && q->rows && q->error ? HN_OK : hn_nomem(cx, "rows to quantise");
}

/* Every refusal comes before the first byte is written. */
static hn_err plan(hn_ctx *cx, quantizer *q, hn_arena *a, hn_quantize_report *r)
{
    hn_qtype *types = HN_NEW(a, hn_qtype, q->in->tensor_count + 1);
    r->count = q->in->tensor_count;
    r->tensor = HN_NEW(a, hn_quantized, r->count + 1);
    if (!types || !r->tensor)
        return hn_nomem(cx, "a report");
    if (q->o->mix.mix)
        HN_TRY(hn_mix_choose(cx, q->in, &q->o->mix, types));
    for (size_t i = 0; i < r->count; i++) {
        const hn_gguf_tensor *t = &q->in->tensors[i];
        types[i] = q->o->mix.mix ? types[i] : t->type;
        HN_TRY(check_tensor(cx, q, t, types[i]));
        r->tensor[i] = (hn_quantized){ .name = t->name, .from = t->type, .to = types[i], .before = t->size,
                                       .elements = hn_shape_count(&t->shape), .panels = goes_to_panels(q, t, types[i]) };
    }
    return make_room(cx, q, r);
}

static hn_err write_all(hn_ctx *cx, quantizer *q, hn_quantize_report *r)
{
    put_values(q);
    for (size_t i = 0; i < r->count; i++) {
        const hn_quantized *t = &r->tensor[i];
        HN_TRY((t->panels ? hn_gguf_put_panels : hn_gguf_put_tensor)(cx, q->out, t->name, t->to, &q->in->tensors[i].shape));
    }
    for (size_t i = 0; i < r->count; i++) {
        hn_quantized *t = &r->tensor[i];
        const hn_gguf_tensor *in = &q->in->tensors[i];
        size_t row = in->shape.rank ? (size_t)in->shape.dim[in->shape.rank - 1] : 1;
        HN_TRY(is_copied(in, t) ? copy(cx, q, in) : rewrite(cx, q, in, t));
        t->after = t->panels ? hn_panels_size(t->to, t->elements / row, row) : hn_q_bytes(t->to, t->elements);
        r->before += t->before;
        r->after += t->after;
        r->elements += t->elements;
    }
    return hn_gguf_finish(cx, q->out);
}

hn_err hn_quantize(hn_ctx *cx, const hn_gguf *in, const char *out, const hn_quantize_opts *o, hn_arena *a,
                   hn_quantize_report *report)
{
    quantizer q = { .o = o, .in = in, .threads = hn_pool_threads(o->pool) };
    hn_quantize_report r = { 0 };
    hn_err e = plan(cx, &q, a, &r);
    if (!e)
        e = hn_gguf_writer_new(cx, out, &q.out);
    if (!e)
        e = write_all(cx, &q, &r);
    hn_gguf_writer_free(q.out);
    for (int t = 0; t < HN_QT_COUNT; t++)
        hn_q_lattice_free(cx, q.lattice[t]);
    hn_free(cx, q.slab);
    hn_free(cx, q.panels);
    hn_free(cx, q.rows);
    hn_free(cx, q.error);
    if (!e)
        *report = r;
    return e;
}

uint64_t hn_quantize_elements(const hn_gguf *in)
{
    uint64_t n = 0;
    for (size_t i = 0; i < in->tensor_count; i++)
        n += hn_shape_count(&in->tensors[i].shape);
    return n;
}
