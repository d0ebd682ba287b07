/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/detect.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/media.h"
#include "cli/table.h"

#define OVERLAP_MAX 0.5        /* intersection over union above which two boxes are one thing */
#define BOXES_MAX 300          /* kept; detectors in use give far fewer */

typedef struct found { double x0, y0, x1, y1, score; size_t class; } found;

static hn_err find_outputs(hn_cli *c, const hn_graph *g, const hn_tensor *out, const hn_tensor **boxes,
                           const hn_tensor **scores)
{
    *boxes = *scores = NULL;
    for (size_t i = 0; i < g->out_count; i++) {
        const hn_shape *s = &out[i].shape;
        if (s->rank < 2 || out[i].dtype != HN_F32)
            continue;
        if (s->dim[s->rank - 1] == 4 && !*boxes)
            *boxes = &out[i];
        else if (!*scores)
            *scores = &out[i];
    }
    if (*boxes && *scores && (*boxes)->shape.dim[(*boxes)->shape.rank - 2] == (*scores)->shape.dim[(*scores)->shape.rank - 2])
        return HN_OK;
    return hn_fail(&c->cx, HN_EARG, "--detect: expected outputs boxes [N,4] and scores [N,classes]; `hone inspect` shows "
                                    "what the model gives");
}

static double overlap(const found *a, const found *b)
{
    double w = fmin(a->x1, b->x1) - fmax(a->x0, b->x0), h = fmin(a->y1, b->y1) - fmax(a->y0, b->y0);
    double both = fmax(w, 0) * fmax(h, 0);
    double all = (a->x1 - a->x0) * (a->y1 - a->y0) + (b->x1 - b->x0) * (b->y1 - b->y0) - both;
    return all > 0 ? both / all : 0;
}

static int by_score(const void *a, const void *b)
{
    double x = ((const found *)a)->score, y = ((const found *)b)->score;
    return (x < y) - (x > y);
}

static size_t collect(const hn_tensor *boxes, const hn_tensor *scores, double threshold, found *list)
{
    size_t classes = (size_t)scores->shape.dim[scores->shape.rank - 1], n = hn_count(scores) / classes, count = 0;
    const float *score = scores->data, *box = boxes->data;
    for (size_t i = 0; i < n && i * 4 < hn_count(boxes); i++)
        for (size_t k = classes > 1; k < classes; k++)
            if ((double)score[i * classes + k] >= threshold)
                list[count++] = (found){ (double)box[4 * i], (double)box[4 * i + 1], (double)box[4 * i + 2],
                                         (double)box[4 * i + 3], (double)score[i * classes + k], k };
    qsort(list, count, sizeof *list, by_score);
    size_t kept = 0;
    for (size_t i = 0; i < count && kept < BOXES_MAX; i++) {
        bool again = false;
        for (size_t j = 0; j < kept && !again; j++)
            again = list[j].class == list[i].class && overlap(&list[i], &list[j]) > OVERLAP_MAX;
        if (!again)
            list[kept++] = list[i];
    }
    return kept;
}

/* From shares of the model's input to pixels of the picture. */
static void to_pixels(found *f, const hn_tensor *in, const hn_shown *shown)
{
    bool nchw = in->shape.dim[1] <= 3;
    double w = (double)in->shape.dim[nchw ? 3 : 2], h = (double)in->shape.dim[nchw ? 2 : 1];
    const hn_placement *p = &shown->where;
    f->x0 = fmax(f->x0 * w * p->scale_x + p->x0, 0);
    f->x1 = fmin(f->x1 * w * p->scale_x + p->x0, shown->image.w);
    f->y0 = fmax(f->y0 * h * p->scale_y + p->y0, 0);
    f->y1 = fmin(f->y1 * h * p->scale_y + p->y0, shown->image.h);
}

static void put(hn_image *m, int x, int y)
{
    static const uint8_t colour[4] = { 0, 230, 64, 255 };
    if (x >= 0 && y >= 0 && x < m->w && y < m->h)
        memcpy(m->pixels + ((size_t)y * (size_t)m->w + (size_t)x) * (size_t)m->channels, colour, (size_t)m->channels);
}

static void frame(hn_image *m, const found *f)
{
    int thick = m->w / 200 + 1;
    for (int t = 0; t < thick; t++) {
        for (int x = (int)f->x0; x <= (int)f->x1; x++) {
            put(m, x, (int)f->y0 + t);
            put(m, x, (int)f->y1 - t);
        }
        for (int y = (int)f->y0; y <= (int)f->y1; y++) {
            put(m, (int)f->x0 + t, y);
            put(m, (int)f->x1 - t, y);
        }
    }
}

static hn_err tell(hn_cli *c, const found *list, size_t count, const hn_labels *labels)
{
    static const char *const columns[] = { "score", "class", "x0", "y0", "x1", "y1", NULL };
    json_t *rows = json_array();
    for (size_t i = 0; i < count; i++) {
        const found *f = &list[i];
        json_t *name = f->class < labels->count ? json_string(labels->name[f->class]) : json_integer((json_int_t)f->class);
        json_array_append_new(rows, json_pack("{s:f, s:o, s:i, s:i, s:i, s:i}", "score", f->score, "class", name, "x0",
                                              (int)f->x0, "y0", (int)f->y0, "x1", (int)f->x1, "y1", (int)f->y1));
    }
    hn_err e;
    if (c->json)
        return hn_json_print(&c->cx, json_pack("{s:o}", "found", rows));
    if (count == 0)
        puts("nothing found");
    e = count ? hn_table_print(&c->cx, rows, columns, HN_TABLE_TEXT) : HN_OK;
    json_decref(rows);
    return e;
}

hn_err hn_detect(hn_cli *c, const hn_graph *g, const hn_tensor *out, const hn_tensor *in, const hn_shown *shown,
                 const hn_labels *labels, hn_arena *a, const char *draw)
{
    const hn_tensor *boxes, *scores;
    const hn_media *media;
    if (!shown->given)
        return hn_fail(&c->cx, HN_EARG, "--detect needs a picture as input");
    HN_TRY(find_outputs(c, g, out, &boxes, &scores));
    found *list = HN_NEW(a, found, hn_count(scores));
    if (!list)
        return hn_nomem(&c->cx, "the report");
    size_t count = collect(boxes, scores, hn_arg_real(&c->args, "threshold", 0.5), list);
    for (size_t i = 0; i < count; i++)
        to_pixels(&list[i], &in[0], shown);
    if (draw) {
        hn_image copy = shown->image;      /* the pixels are ours until the command ends */
        for (size_t i = 0; i < count; i++)
            frame(&copy, &list[i]);
        HN_TRY(hn_media_open(&c->cx, &media));
        HN_TRY(media->save(&c->cx, &copy, draw));
    }
    return tell(c, list, count, labels);
}
