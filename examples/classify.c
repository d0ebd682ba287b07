/* SPDX-License-Identifier: Apache-2.0 */
/* classify MODEL PICTURE.ppm: what does the picture show?
 *
 * The whole way through hone.h in one file: open a model, ask what it takes, make a session, bind
 * buffers, run, read the scores.  The picture is a binary PPM ("P6", 8 bits), the plainest format
 * there is; labels come from the model's own metadata.
 *
 *     cc classify.c $(pkg-config --cflags --libs hone) -o classify */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <hone.h>

#define SIDE_MAX 4096
#define TOP 3

typedef struct picture {
    int w, h;
    unsigned char *rgb;                    /* [h, w, 3] */
} picture;

static int read_ppm(const char *path, picture *p)
{
    FILE *f = fopen(path, "rb");
    int max = 0, ok = f && fscanf(f, "P6 %d %d %d", &p->w, &p->h, &max) == 3 && fgetc(f) != EOF &&
                      p->w > 0 && p->h > 0 && p->w <= SIDE_MAX && p->h <= SIDE_MAX && max == 255;
    size_t bytes = ok ? (size_t)p->w * (size_t)p->h * 3 : 0;

    p->rgb = ok ? malloc(bytes) : NULL;
    ok = p->rgb && fread(p->rgb, 1, bytes, f) == bytes;
    if (f)
        fclose(f);
    if (!ok)
        fprintf(stderr, "classify: %s: expected a binary PPM of 8 bits and at most %d pixels a side\n", path,
                SIDE_MAX);
    return ok;
}

/* Nearest pixels, 0..255 to 0..1, one plane per colour: [1, 3, h, w]. */
static void fill(const picture *p, float *out, int w, int h)
{
    for (int c = 0; c < 3; c++)
        for (int y = 0; y < h; y++)
            for (int x = 0; x < w; x++) {
                int from = (y * p->h / h * p->w + x * p->w / w) * 3 + c;
                *out++ = (float)p->rgb[from] / 255;
            }
}

/* Line i of the labels; the class's number where the model names none. */
static void print_label(const char *labels, size_t i)
{
    for (size_t line = 0; labels && line < i; line++) {
        labels = strchr(labels, '\n');
        labels = labels ? labels + 1 : NULL;
    }
    if (labels)
        printf("%.*s\n", (int)strcspn(labels, "\r\n"), labels);
    else
        printf("class %zu\n", i);
}

static void print_top(const char *labels, const float *score, size_t count)
{
    char *shown = calloc(count, 1);
    for (int k = 0; k < TOP && (size_t)k < count && shown; k++) {
        size_t best = 0;
        while (shown[best])
            best++;
        for (size_t i = best; i < count; i++)
            if (!shown[i] && score[i] > score[best])
                best = i;
        shown[best] = 1;
        printf("%6.2f %%  ", 100 * (double)score[best]);
        print_label(labels, best);
    }
    free(shown);
}

static hone_status classify(hone_model *model, const picture *p, hone_error *err)
{
    hone_session *session = NULL;
    const void *scores;
    hone_io in, out;
    float *pixels = NULL;

    if (hone_model_inputs(model) != 1 || hone_model_input(model, 0, &in) || in.dtype != HONE_F32 || in.rank != 4 ||
        in.dim[1] != 3 || in.dim[2] < 1 || in.dim[3] < 1 || in.dim[2] > SIDE_MAX || in.dim[3] > SIDE_MAX) {
        err->status = HONE_ERROR_UNSUP;
        strcpy(err->message, "the model does not take one picture, [N, 3, height, width] of f32");
        return err->status;
    }
    size_t count = 3 * (size_t)in.dim[2] * (size_t)in.dim[3];
    hone_status s = hone_session_new(model, NULL, &session, err);        /* open dimensions become 1 */
    if (s == HONE_OK) {
        pixels = malloc(count * sizeof *pixels);
        if (pixels)
            fill(p, pixels, (int)in.dim[3], (int)in.dim[2]);
        s = hone_session_set_input(session, 0, pixels, count * sizeof *pixels, err);
    }
    if (s == HONE_OK)
        s = hone_session_run(session, err);
    if (s == HONE_OK && hone_session_output(session, 0, &scores, &out) == HONE_OK && out.dtype == HONE_F32) {
        size_t classes = 1;
        for (int i = 0; i < out.rank; i++)
            classes *= (size_t)out.dim[i];
        print_top(hone_model_meta(model, "labels"), scores, classes);
    }
    hone_session_free(session);
    free(pixels);
    return s;
}

int main(int argc, char **argv)
{
    hone_ctx *ctx = NULL;
    hone_model *model = NULL;
    hone_error err = { HONE_OK, "" };
    picture p = { 0, 0, NULL };

    if (argc != 3) {
        fprintf(stderr, "usage: classify MODEL PICTURE.ppm\n");
        return 2;
    }
    if (!read_ppm(argv[2], &p))
        return 3;
    hone_status s = hone_ctx_new(NULL, &ctx, &err);
    if (s == HONE_OK)
        s = hone_model_open(ctx, argv[1], NULL, &model, &err);
    if (s == HONE_OK)
        s = classify(model, &p, &err);
    if (s != HONE_OK)
        fprintf(stderr, "classify: %s\n", err.message);
    hone_model_close(model);
    hone_ctx_free(ctx);
    free(p.rgb);
    return s == HONE_OK ? 0 : 1;
}
