/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/input.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/file.h"
#include "base/num.h"
#include "cli/dims.h"
#include "cli/media.h"
#include "cli/verify.h"

static bool ends_with(const char *text, const char *end)
{
    size_t n = strlen(text), m = strlen(end);
    return n > m && strcasecmp(text + n - m, end) == 0;
}

/* "NAME=FILE", or FILE alone for the one input not named elsewhere. */
static hn_err find_input(hn_cli *c, const hn_graph *g, const hn_tensor *in, const hn_heard *heard, const char *arg,
                         size_t *index, const char **file)
{
    const char *eq = strchr(arg, '=');
    for (size_t i = 0; eq && i < g->in_count; i++)
        if (strlen(g->in[i]->name) == (size_t)(eq - arg) && memcmp(g->in[i]->name, arg, (size_t)(eq - arg)) == 0) {
            *index = i;
            *file = eq + 1;
            return HN_OK;
        }
    for (size_t i = 0; i < g->in_count; i++)
        if (!in[i].data && !(heard && heard->file && heard->input == i)) {
            *index = i;
            *file = arg;
            return HN_OK;
        }
    return hn_fail(&c->cx, HN_EARG, "--input %s: the model has %zu input%s, all given already", arg, g->in_count,
                   g->in_count == 1 ? "" : "s");
}

/* One number, or as many as channels. */
static hn_err read_list(hn_cli *c, const char *opt, int channels, double out[3])
{
    const char *text = hn_arg_text(&c->args, opt, NULL);
    int n = 0;
    for (const char *at = text; at && n < 4; n++) {
        char *end;
        double v = strtod(at, &end);
        if (end == at || (*end && *end != ',') || n == 3)
            return hn_fail(&c->cx, HN_EARG, "--%s %s: expected up to 3 numbers with commas between", opt, text);
        out[n] = v;
        at = *end ? end + 1 : NULL;
    }
    if (n == 1)
        out[1] = out[2] = out[0];
    else if (n > 0 && n != channels)
        return hn_fail(&c->cx, HN_EARG, "--%s %s: %d numbers for %d channel%s", opt, text, n, channels,
                       channels == 1 ? "" : "s");
    return HN_OK;
}

static bool few(int64_t d) { return d == 1 || d == 3; }

static const char *meta(const hn_graph *g, const char *key)
{
    for (size_t i = 0; i < g->meta_count; i++)
        if (strcmp(g->meta[i].key, key) == 0)
            return g->meta[i].text;
    return NULL;
}

/* What the model's shape and the options say of the picture it wants. */
static hn_err picture_rules(hn_cli *c, const hn_graph *g, const hn_value *v, hn_prepare *how)
{
    const hn_shape *s = &v->t.shape;
    const char *layout = hn_arg_text(&c->args, "layout", "auto"), *size = hn_arg_text(&c->args, "size", NULL);
    const char *fit = hn_arg_text(&c->args, "fit", "stretch");
    char text[HN_SHAPE_TEXT];

    if (s->rank != 4)
        return hn_fail(&c->cx, HN_EARG, "input '%s' of shape %s takes no picture: give .npy or raw bytes", v->name,
                       hn_shape_text(s, text));
    bool nchw = strcmp(layout, "auto") == 0 ? few(s->dim[1]) : strcmp(layout, "nchw") == 0;
    int64_t channels = s->dim[nchw ? 1 : 3], h = s->dim[nchw ? 2 : 1], w = s->dim[nchw ? 3 : 2];
    if (!few(channels))
        return hn_fail(&c->cx, HN_EARG, "input '%s' of shape %s: expected 1 or 3 channels (see --layout)", v->name,
                       hn_shape_text(s, text));
    if (size && sscanf(size, "%dx%d", &how->w, &how->h) != 2)
        return hn_fail(&c->cx, HN_EARG, "--size %s: expected WIDTHxHEIGHT", size);
    if (w > 0 && h > 0 && w <= 65536 && h <= 65536) {
        how->w = (int)w;
        how->h = (int)h;
    } else if (!size) {
        return hn_fail(&c->cx, HN_EARG, "input '%s' leaves its size open: give --size WxH", v->name);
    }
    how->layout = nchw ? HN_PIXELS_NCHW : HN_PIXELS_NHWC;
    how->fit = strcmp(fit, "crop") == 0 ? HN_FIT_CROP : strcmp(fit, "box") == 0 ? HN_FIT_BOX : HN_FIT_STRETCH;
    how->order = channels == 1 ? HN_ORDER_GRAY
                               : strcmp(hn_arg_text(&c->args, "order", "rgb"), "bgr") == 0 ? HN_ORDER_BGR : HN_ORDER_RGB;
    how->antialias = true;
    const char *scale = meta(g, "hone.input.image.scale");
    how->scale = hn_arg_real(&c->args, "scale", scale ? atof(scale) : hn_is_float(v->t.dtype) ? 1.0 / 255 : 1);
    how->wrap = hn_arg_flag(&c->args, "wrap");
    if (v->t.dtype == HN_I8 && !how->wrap)        /* bytes around zero, unless told otherwise */
        how->mean[0] = how->mean[1] = how->mean[2] = 128;
    HN_TRY(read_list(c, "mean", (int)channels, how->mean));
    return read_list(c, "std", (int)channels, how->std);
}

static hn_err read_picture(hn_cli *c, const hn_graph *g, const hn_value *v, const char *file, hn_arena *a,
                           hn_tensor *out, hn_shown *shown)
{
    hn_ctx *cx = &c->cx;
    hn_prepare how = { 0 };
    hn_image image = { 0 };
    hn_placement where;
    const hn_media *media;

    HN_TRY(picture_rules(c, g, v, &how));
    HN_TRY(hn_media_open(cx, &media));
    HN_TRY(media->open(cx, file, 0, &image));
    int64_t channels = how.order == HN_ORDER_GRAY ? 1 : 3;
    bool nchw = how.layout == HN_PIXELS_NCHW;
    *out = (hn_tensor){ v->t.dtype, { 4, { 1, nchw ? channels : how.h, nchw ? how.h : how.w, nchw ? how.w : channels } }, NULL };
    out->data = hn_arena_get(a, hn_bytes(out), 64);
    hn_err e = out->data ? media->prepare(cx, &image, &how, out, &where) : hn_nomem(cx, "an input");
    if (!e && shown && !shown->given) {
        *shown = (hn_shown){ image, where, true };
        return HN_OK;
    }
    media->free(cx, &image);
    return e;
}

/* Raw little-endian elements: the model says the type and, with open dimensions settled, the shape. */
static hn_err read_raw(hn_cli *c, const hn_value *v, const hn_shape *shape, const char *file, hn_arena *a, hn_tensor *out)
{
    hn_file f;
    char text[HN_SHAPE_TEXT];
    *out = (hn_tensor){ v->t.dtype, *shape, NULL };
    if (hn_dtype_class(v->t.dtype) == HN_CLASS_S)           /* its elements point elsewhere */
        return hn_fail(&c->cx, HN_EARG, "%s: input '%s' is %s, give it as a .pb file", file, v->name,
                       hn_dtype_name(v->t.dtype));
    HN_TRY(hn_file_open(&c->cx, file, &f));
    hn_err e = HN_OK;
    if (f.len != hn_bytes(out))
        e = hn_fail(&c->cx, HN_EFORMAT, "%s: input '%s' (%s %s) takes %zu bytes, found %zu", file, v->name,
                    hn_dtype_name(out->dtype), hn_shape_text(shape, text), hn_bytes(out), f.len);
    out->data = hn_arena_get(a, hn_max(f.len, 1), 64);
    if (!e && !out->data)
        e = hn_nomem(&c->cx, "an input");
    if (!e && f.len)
        memcpy(out->data, f.data, f.len);
    hn_file_close(&f);
    return e;
}

static hn_err read_one(hn_cli *c, const hn_graph *g, const hn_shape *shape, size_t i, const char *file, hn_arena *a,
                       hn_tensor *out, hn_shown *shown)
{
    if (ends_with(file, ".npy") || ends_with(file, ".pb"))
        return hn_tensor_file_read(&c->cx, file, g->in[i]->t.dtype, a, out);
    if (ends_with(file, ".bin") || ends_with(file, ".raw"))
        return read_raw(c, g->in[i], &shape[i], file, a, out);
    return read_picture(c, g, g->in[i], file, a, out, shown);
}

hn_err hn_inputs_read(hn_cli *c, const hn_graph *g, hn_arena *a, hn_tensor *in, hn_shown *shown, hn_heard *heard)
{
    hn_shape *shape = HN_NEW(a, hn_shape, g->in_count);
    if (!shape)
        return hn_nomem(&c->cx, "inputs");
    HN_TRY(hn_dims_shapes(c, g, shape));
    for (size_t k = 0; k < hn_arg_count(&c->args, "input"); k++) {
        const char *file = NULL;
        size_t i = 0;
        HN_TRY(find_input(c, g, in, heard, hn_arg_at(&c->args, "input", k), &i, &file));
        if (ends_with(file, ".wav") && (!heard || heard->file))
            return hn_fail(&c->cx, HN_EARG, "%s: %s", file, heard ? "one sound at a time" : "sound is fed with --stateful");
        if (ends_with(file, ".wav"))
            *heard = (hn_heard){ file, i };
        else
            HN_TRY(read_one(c, g, shape, i, file, a, &in[i], shown));
    }
    for (size_t i = 0; i < g->in_count && !heard; i++)
        if (!in[i].data) {
            char text[HN_SHAPE_TEXT];
            return hn_fail(&c->cx, HN_EARG, "input '%s' (%s %s) is missing: give --input %s=FILE", g->in[i]->name,
                           hn_dtype_name(g->in[i]->t.dtype), hn_shape_text(&g->in[i]->t.shape, text), g->in[i]->name);
        }
    return HN_OK;
}
