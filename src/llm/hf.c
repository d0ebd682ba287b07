/* SPDX-License-Identifier: Apache-2.0 */
/* A Hugging Face folder to GGUF: which tensor becomes which, and the stream of their bytes. */
#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/num.h"
#include "llm/hf_impl.h"

#define SLAB ((size_t)4 << 20)           /* bytes of output held at a time */
#define EXPERTS_MAX 4096
enum { NAME_CAP = 256, SHARDS_MAX = 1024 };

static const hn_hf_family families[] = {
    { "llama", "llama", HN_HF_NEIGHBOURS }, { "mistral", "llama", HN_HF_NEIGHBOURS },
    { "mixtral", "llama", HN_HF_NEIGHBOURS }, { "granite", "granite", HN_HF_NEIGHBOURS },
    { "qwen2", "qwen2", 0 }, { "qwen2_moe", "qwen2moe", 0 }, { "qwen3", "qwen3", 0 }, { "qwen3_moe", "qwen3moe", 0 },
    { "phi3", "phi3", 0 }, { "gemma", "gemma", HN_HF_PLUS_ONE },
    { "gemma2", "gemma2", HN_HF_PLUS_ONE | HN_HF_SANDWICH },
    { "gemma3_text", "gemma3", HN_HF_PLUS_ONE | HN_HF_SANDWICH }, { "olmo2", "olmo2", HN_HF_SANDWICH },
    { "starcoder2", "starcoder2", 0 }, { "stablelm", "stablelm", 0 }, { "cohere", "command-r", 0 },
    { "gpt2", "gpt2", HN_HF_TRANSPOSED }, { "bert", "bert", HN_HF_ENCODER },
};

/* ---- The folder -------------------------------------------------------------------------------------- */

hn_err hn_hf_json(hn_hf *h, const char *name, bool required, json_t **out)
{
    json_error_t why;
    hn_file f;
    const char *path = hn_arena_printf(h->arena, "%s%s", h->dir, name);
    struct stat st;
    *out = NULL;
    if (!path)
        return hn_nomem(h->cx, "a path");
    if (!required && stat(path, &st) != 0 && errno == ENOENT)
        return HN_OK;
    HN_TRY(hn_file_open(h->cx, path, &f));
    *out = json_loadb((const char *)f.data, f.len, JSON_DECODE_ANY, &why);
    hn_file_close(&f);
    if (json_is_object(*out))
        return HN_OK;
    hn_err e = hn_fail(h->cx, HN_EFORMAT, "%s:%d: %s", path, *out ? 1 : why.line,
                       *out ? "expected an object" : why.text);
    json_decref(*out);
    *out = NULL;
    return e;
}

static int is_shard(const struct dirent *d)
{
    const char *dot = strrchr(d->d_name, '.');
    return dot && strcmp(dot, ".safetensors") == 0 && d->d_name[0] != '.';
}

static hn_err open_shard(hn_hf *h, const char *name)
{
    const char *path = hn_arena_printf(h->arena, "%s%s", h->dir, name);
    if (!path || !hn_grow(h->cx, &h->shard, h->shard_count, &h->shard_cap, sizeof *h->shard))
        return hn_nomem(h->cx, "a folder");
    HN_TRY(hn_safetensors_open(h->cx, path, &h->shard[h->shard_count]));
    h->shard_count++;
    return HN_OK;
}

static hn_err open_shards(hn_hf *h)
{
    struct dirent **entry;
    int n = scandir(h->dir, &entry, is_shard, alphasort);
    hn_err e = n < 0 ? hn_fail(h->cx, HN_EIO, "%s: %s", h->dir, strerror(errno))
             : n == 0 ? hn_fail(h->cx, HN_EFORMAT,
                                "%s: expected .safetensors files, found none; other forms of weights are not read",
                                    h->dir)
             : n > SHARDS_MAX ? hn_fail(h->cx, HN_ELIMIT, "%s: %d files of weights, at most %d are read", h->dir, n,
                                        SHARDS_MAX) : HN_OK;
    for (int i = 0; i < n; i++) {
        if (!e)
            e = open_shard(h, entry[i]->d_name);
        free(entry[i]);
    }
    if (n > 0)
        free(entry);
    return e;
}

static hn_err find_family(hn_hf *h)
{
    const char *type = json_string_value(json_object_get(h->config, "model_type"));
    const json_t *first = json_array_get(json_object_get(h->config, "architectures"), 0);
    char known[256] = "";
    for (size_t i = 0; i < sizeof families / sizeof *families; i++) {
        if (type && strcmp(families[i].type, type) == 0)
            h->family = &families[i];
        strncat(known, " ", sizeof known - strlen(known) - 1);
        strncat(known, families[i].type, sizeof known - strlen(known) - 1);
    }
    if (!h->family)
        return hn_fail(h->cx, HN_EUNSUP, "unsupported: model_type '%.60s' in config.json; known:%s",
                       type ? type : "", known);
    h->scores = json_is_string(first) && strstr(json_string_value(first), "ForSequenceClassification");
    if (json_object_get(h->config, "quantization_config"))
        return hn_fail(h->cx, HN_EUNSUP,
                       "unsupported: weights that are quantised already (quantization_config in config.json)");
    return HN_OK;
}

/* ---- Names ------------------------------------------------------------------------------------------- */

enum rule { RULE_NAME, RULE_SANDWICH, RULE_SCORE, RULE_SKIP };
static const struct row { enum rule rule; const char *theirs, *ours; } table[] = {
#define NAME(theirs, ours) { RULE_NAME, theirs, ours },
#define SANDWICH(theirs, ours) { RULE_SANDWICH, theirs, ours },
#define SCORE(theirs, ours) { RULE_SCORE, theirs, ours },
#define SKIP(theirs) { RULE_SKIP, theirs, NULL },
#include "llm/hf_names.def"
#undef NAME
#undef SANDWICH
#undef SCORE
#undef SKIP
};

/* Does `name` of `len` fit the pattern?  Numbers for # and % go to layer and expert. */
static bool fits(const char *pattern, const char *name, size_t len, int *layer, int *expert)
{
    const char *end = name + len;
    for (; *pattern; pattern++) {
        if (*pattern != '#' && *pattern != '%') {
            if (name == end || *name++ != *pattern)
                return false;
            continue;
        }
        int n = 0;
        const char *from = name;
        while (name < end && *name >= '0' && *name <= '9' && name - from < 5)
            n = 10 * n + (*name++ - '0');
        if (name == from)
            return false;
        *(*pattern == '#' ? layer : expert) = n;
    }
    return name == end;
}

/* One tensor to write: from one tensor of the folder, or from one for each expert. */
typedef struct piece {
    const hn_st_tensor *from;
    const char *name;            /* in the GGUF file */
    int layer, expert;           /* -1: none */
} piece;

static const char *without_prefix(const char *name)
{
    static const char *const prefixes[] = { "model.", "transformer.", "bert." };
    for (size_t i = 0; i < sizeof prefixes / sizeof *prefixes; i++)
        if (strncmp(name, prefixes[i], strlen(prefixes[i])) == 0)
            return name + strlen(prefixes[i]);
    return name;
}

/* out->name NULL: nothing a file needs. */
static hn_err name_piece(hn_hf *h, const hn_st_tensor *t, piece *out)
{
    const char *name = without_prefix(t->name), *suffix = strrchr(name, '.');
    size_t stem = suffix && (strcmp(suffix, ".weight") == 0 || strcmp(suffix, ".bias") == 0) ? (size_t)(suffix - name)
        : strlen(name);
    suffix = name + stem;
    *out = (piece){ t, NULL, -1, -1 };
    for (size_t i = 0; i < sizeof table / sizeof *table; i++) {
        const struct row *r = &table[i];
        if ((r->rule == RULE_SANDWICH && !(h->family->flags & HN_HF_SANDWICH)) ||
            (r->rule == RULE_SCORE && !h->scores) ||
            !fits(r->theirs, name, stem, &out->layer, &out->expert))
            continue;
        if (r->rule == RULE_SKIP)
            return HN_OK;
        const char *at = strchr(r->ours, '#');
        out->name = at ? hn_arena_printf(h->arena, "%.*s%d%s%s", (int)(at - r->ours), r->ours, out->layer, at + 1,
                                         suffix)
                       : hn_arena_printf(h->arena, "%s%s", r->ours, suffix);
        return out->name ? HN_OK : hn_nomem(h->cx, "a name");
    }
    return hn_fail(h->cx, HN_EUNSUP, "unsupported: tensor '%.200s' of a %s model is not understood", t->name,
                   h->family->type);
}

static int by_place(const void *a, const void *b)
{
    const piece *x = a, *y = b;
    if (x->layer != y->layer)
        return x->layer < y->layer ? -1 : 1;
    int c = strcmp(x->name, y->name);
    return c ? c : x->expert - y->expert;
}

static hn_err list_pieces(hn_hf *h, piece **out, size_t *count)
{
    size_t all = 0, n = 0;
    bool tied = json_is_true(json_object_get(h->config, "tie_word_embeddings"));
    for (size_t s = 0; s < h->shard_count; s++)
        all += h->shard[s].count;
    piece *p = HN_NEW(h->arena, piece, all + 1);
    if (!p)
        return hn_nomem(h->cx, "a list of tensors");
    for (size_t s = 0; s < h->shard_count; s++)
        for (size_t i = 0; i < h->shard[s].count; i++) {
            HN_TRY(name_piece(h, &h->shard[s].tensor[i], &p[n]));
            n += p[n].name && !(tied && strcmp(p[n].name, "output.weight") == 0);
        }
    if (n)
        qsort(p, n, sizeof *p, by_place);
    for (size_t i = 1; i < n; i++)
        if (strcmp(p[i].name, p[i - 1].name) == 0 && p[i].expert == p[i - 1].expert)
            return hn_fail(h->cx, HN_EFORMAT, "tensors '%.150s' and '%.150s' are the same", p[i - 1].from->name,
                           p[i].from->name);
    *out = p;
    *count = n;
    return HN_OK;
}

/* ---- Tensors to write -------------------------------------------------------------------------------- */

typedef struct target {
    const piece *part; size_t parts;     /* one, or an expert each */
    hn_qtype type;
    hn_shape shape;                      /* of one part */
    bool turned, plus_one, transposed;
    uint32_t heads;                      /* turned: of q or of k */
} target;

static bool ends_with(const char *s, const char *end)
{
    size_t n = strlen(s), m = strlen(end);
    return n >= m && strcmp(s + n - m, end) == 0;
}

static hn_qtype type_for(const hn_hf *h, const char *name, const hn_st_tensor *t)
{
    static const char *const exact[] = { "_norm.weight", "ffn_gate_inp.weight", "position_embd.weight",
                                         "token_types.weight" };
    for (size_t i = 0; i < sizeof exact / sizeof *exact; i++)
        if (ends_with(name, exact[i]))
            return HN_QT_F32;
    if (t->shape.rank < 2)
        return HN_QT_F32;
    if (h->o->type)
        return h->o->type;
    return t->dtype == HN_F16 ? HN_QT_F16 : t->dtype == HN_BF16 ? HN_QT_BF16 : HN_QT_F32;
}

static hn_err make_target(hn_hf *h, const piece *p, size_t parts, target *out)
{
    unsigned flags = h->family->flags;
    bool query = strstr(p->name, ".attn_q.") != NULL, key = strstr(p->name, ".attn_k.") != NULL;
    *out = (target){ .part = p, .parts = parts, .type = type_for(h, p->name, p->from), .shape = p->from->shape,
                     .turned = (flags & HN_HF_NEIGHBOURS) && (query || key), .heads = query ? h->heads : h->kv_heads,
                     .plus_one = (flags & HN_HF_PLUS_ONE) && ends_with(p->name, "norm.weight"),
                     .transposed = (flags & HN_HF_TRANSPOSED) && p->layer >= 0 && p->from->shape.rank == 2 };
    if (p->from->shape.rank < 1 || p->from->shape.rank > 2 || hn_shape_count(&p->from->shape) == 0)
        return hn_fail(h->cx, HN_EUNSUP, "unsupported: tensor '%.200s' of %d dimensions", p->from->name,
                       p->from->shape.rank);
    if (out->transposed)
        out->shape = (hn_shape){ 2, { p->from->shape.dim[1], p->from->shape.dim[0] } };
    if (out->turned && (uint64_t)out->shape.dim[0] != (uint64_t)out->heads * h->head_size)
        return hn_fail(h->cx, HN_EFORMAT, "tensor '%.200s': %lld rows are not %u heads of %u", p->from->name,
                       (long long)out->shape.dim[0],
                       out->heads, h->head_size);
    for (size_t i = 0; i < parts; i++)
        if (memcmp(&p[i].from->shape, &p->from->shape, sizeof p->from->shape) != 0 ||
            (p->expert >= 0 && p[i].expert != (int)i))
            return hn_fail(h->cx, HN_EFORMAT, "tensor '%.200s': experts of different shapes, or one is missing",
                           p[i].from->name);
    return HN_OK;
}

static hn_err list_targets(hn_hf *h, target **out, size_t *count)
{
    piece *p = NULL;
    size_t pieces = 0, n = 0;
    HN_TRY(list_pieces(h, &p, &pieces));
    target *t = HN_NEW(h->arena, target, pieces + 1);
    if (!t)
        return hn_nomem(h->cx, "a list of tensors");
    for (size_t i = 0, same; i < pieces; i += same) {
        same = 1;
        while (i + same < pieces && strcmp(p[i + same].name, p[i].name) == 0)
            same++;
        HN_TRY(make_target(h, &p[i], same, &t[n++]));
    }
    *out = t;
    *count = n;
    return HN_OK;
}

/* ---- Bytes ------------------------------------------------------------------------------------------- */

/* Halves (i, i + size / 2) of each head become neighbours (2i, 2i + 1): where row r comes from. */
static size_t turned_row(const hn_hf *h, size_t r)
{
    size_t size = h->head_size, i = r % size;
    return r - i + i % 2 * (size / 2) + i / 2;
}

/* One row of a part, as floats. */
static hn_err get_row(const hn_hf *h, const target *t, const hn_st_tensor *from, size_t row, float *out)
{
    size_t width = (size_t)t->shape.dim[t->shape.rank - 1];
    if (t->shape.rank == 1) {
        HN_TRY(hn_st_decode(h->cx, from, 0, width, out));
        for (size_t i = 0; t->turned && i < width; i++)
            HN_TRY(hn_st_decode(h->cx, from, turned_row(h, i), 1, out + i));
        for (size_t i = 0; t->plus_one && i < width; i++)
            out[i] += 1;
        return HN_OK;
    }
    if (!t->transposed)
        return hn_st_decode(h->cx, from, (t->turned ? turned_row(h, row) : row) * width, width, out);
    for (size_t i = 0; i < width; i++)
        HN_TRY(hn_st_decode(h->cx, from, i * (size_t)t->shape.dim[0] + row, 1, out + i));
    return HN_OK;
}

static hn_err write_part(hn_hf *h, hn_gguf_writer *w, const target *t, const hn_st_tensor *from, float *row, char *slab)
{
    size_t rows = t->shape.rank == 2 ? (size_t)t->shape.dim[0] : 1, width = (size_t)t->shape.dim[t->shape.rank - 1];
    size_t size = hn_q_bytes(t->type, width), held = hn_max(1, SLAB / size), done = 0;
    for (size_t r = 0; r < rows; r += held) {
        size_t n = hn_min(held, rows - r);
        for (size_t i = 0; i < n; i++) {
            HN_TRY(get_row(h, t, from, r + i, row));
            hn_q_encode(t->type, row, slab + i * size, width);
        }
        HN_TRY(hn_gguf_write(h->cx, w, slab, n * size));
        if (!t->transposed) {                              /* a transposed one is walked across, again and again */
            size_t upto = from->size / rows * (r + n);
            hn_file_release(from->data + done, upto - done);
            done = upto;
        }
    }
    hn_file_release(from->data, from->size);
    return HN_OK;
}

static hn_err write_tensors(hn_hf *h, hn_gguf_writer *w, const target *t, size_t count)
{
    size_t width = 1, slab_size = SLAB;
    for (size_t i = 0; i < count; i++) {
        size_t row = (size_t)t[i].shape.dim[t[i].shape.rank - 1];
        width = hn_max(width, row);
        slab_size = hn_max(slab_size, hn_q_bytes(t[i].type, row));
    }
    float *row = hn_calloc(h->cx, width, sizeof *row);
    char *slab = hn_alloc(h->cx, slab_size);
    hn_err e = row && slab ? HN_OK : hn_nomem(h->cx, "rows to convert");
    for (size_t i = 0; i < count && !e; i++)
        for (size_t k = 0; k < t[i].parts && !e; k++) {
            e = write_part(h, w, &t[i], t[i].part[k].from, row, slab);
            if (h->o->progress)
                hn_progress_step(h->o->progress, hn_gguf_written(w));
        }
    hn_free(h->cx, row);
    hn_free(h->cx, slab);
    return e;
}

static hn_err name_tensors(hn_hf *h, hn_gguf_writer *w, const target *t, size_t count, hn_convert_report *r)
{
    for (size_t i = 0; i < count; i++) {
        hn_shape s = t[i].shape;
        if (t[i].part->expert >= 0)
            s = (hn_shape){ s.rank + 1, { (int64_t)t[i].parts, s.dim[0], s.rank > 1 ? s.dim[1] : 0 } };
        HN_TRY(hn_gguf_put_tensor(h->cx, w, t[i].part->name, t[i].type, &s));
        r->parameters += hn_shape_count(&s);
    }
    r->tensors = count;
    return HN_OK;
}

/* ---- The whole --------------------------------------------------------------------------------------- */

static hn_err write_file(hn_hf *h, hn_gguf_writer *w, hn_convert_report *r)
{
    target *t = NULL;
    hn_hf_factors factors[2];
    size_t count = 0, factor_count = 0;
    HN_TRY(hn_hf_read_shape(h));
    HN_TRY(list_targets(h, &t, &count));
    HN_TRY(hn_hf_put_keys(h, w));
    HN_TRY(hn_hf_put_tokenizer(h, w));
    HN_TRY(hn_hf_rope_factors(h, factors, &factor_count));
    for (size_t i = 0; i < factor_count; i++)
        HN_TRY(hn_gguf_put_tensor(h->cx, w, factors[i].name, HN_QT_F32,
                                  &(hn_shape){ 1, { (int64_t)factors[i].count } }));
    HN_TRY(name_tensors(h, w, t, count, r));
    for (size_t i = 0; i < factor_count; i++)
        HN_TRY(hn_gguf_write(h->cx, w, factors[i].value, factors[i].count * sizeof(float)));
    HN_TRY(write_tensors(h, w, t, count));
    HN_TRY(hn_gguf_finish(h->cx, w));
    r->bytes = hn_gguf_written(w);
    snprintf(r->arch, sizeof r->arch, "%s", h->family->arch);
    return HN_OK;
}

static hn_err convert(hn_hf *h, const char *out, hn_convert_report *r)
{
    hn_gguf_writer *w = NULL;
    HN_TRY(hn_hf_json(h, "config.json", true, &h->config));
    HN_TRY(find_family(h));
    HN_TRY(open_shards(h));
    HN_TRY(hn_gguf_writer_new(h->cx, out, &w));
    hn_err e = write_file(h, w, r);
    hn_gguf_writer_free(w);
    return e;
}

hn_err hn_convert_hf(hn_ctx *cx, const char *dir, const char *out, const hn_convert_opts *o, hn_convert_report *report)
{
    hn_hf h = { .cx = cx, .o = o };
    hn_convert_report r = { 0 };
    size_t len = strlen(dir);
    HN_TRY(hn_arena_new(cx, 0, &h.arena));
    h.dir = hn_arena_printf(h.arena, "%s%s", dir, len && dir[len - 1] == '/' ? "" : "/");
    hn_err e = h.dir ? convert(&h, out, &r) : hn_nomem(cx, "a path");
    for (size_t i = 0; i < h.shard_count; i++)
        hn_safetensors_close(&h.shard[i]);
    hn_free(cx, h.shard);
    json_decref(h.config);
    hn_arena_free(h.arena);
    if (!e)
        *report = r;
    return e;
}

uint64_t hn_convert_hf_bytes(const char *dir)
{
    struct dirent **entry;
    uint64_t sum = 0;
    int n = scandir(dir, &entry, is_shard, alphasort);
    for (int i = 0; i < n; i++) {
        char path[4096];
        struct stat st;
        snprintf(path, sizeof path, "%s/%s", dir, entry[i]->d_name);
        sum += stat(path, &st) == 0 ? (uint64_t)st.st_size : 0;
        free(entry[i]);
    }
    if (n > 0)
        free(entry);
    return sum;
}
