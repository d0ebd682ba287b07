/* SPDX-License-Identifier: Apache-2.0 */
/* vad MODEL SPEECH.wav [THRESHOLD]: when does somebody speak?
 *
 * A voice activity detector that remembers (Silero VAD, 16000 Hz), fed as a microphone would feed it: 512
 * samples at a time, with the last 64 of those before.  What it remembers, input "state", is its output
 * "stateN" of the step before.  Nothing is allocated while it listens.
 *
 *     cc vad.c $(pkg-config --cflags --libs hone) -o vad */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <hone.h>

enum { RATE = 16000, CHUNK = 512, CONTEXT = 64, STATE = 2 * 1 * 128 };
enum { HOLD = 8 };                            /* chunks of silence that end a stretch of speech: a quarter second */

/* ---- Sound: WAV of 16 bits, one channel ---------------------------------------------------------- */

static unsigned number(const unsigned char *p, int bytes)
{
    unsigned v = 0;
    for (int i = 0; i < bytes; i++)
        v |= (unsigned)p[i] << 8 * i;
    return v;
}

/* Leaves the file at its first sample. */
static FILE *open_wav(const char *path)
{
    unsigned char head[12], chunk[8], format[16];
    int known = 0;
    FILE *f = fopen(path, "rb");
    if (!f || fread(head, 1, sizeof head, f) != sizeof head || memcmp(head, "RIFF", 4) || memcmp(head + 8, "WAVE", 4))
        goto bad;
    while (fread(chunk, 1, sizeof chunk, f) == sizeof chunk) {
        unsigned size = number(chunk + 4, 4);
        if (memcmp(chunk, "data", 4) == 0 && known)
            return f;
        if (memcmp(chunk, "fmt ", 4) == 0 && size >= sizeof format) {
            if (fread(format, 1, sizeof format, f) != sizeof format)
                goto bad;
            known = number(format, 2) == 1 && number(format + 2, 2) == 1 && number(format + 4, 4) == RATE &&
                    number(format + 14, 2) == 16;
            size -= sizeof format;
        }
        for (size += size & 1; size > 0; size--)      /* chunks have even lengths; a pipe cannot seek */
            if (getc(f) == EOF)
                goto bad;
    }
bad:
    fprintf(stderr, "vad: %s: expected a WAV file of one channel, 16 bits and %d Hz\n", path, RATE);
    if (f)
        fclose(f);
    return NULL;
}

/* The next chunk behind its context; silence where the file ends.  Returns the samples there were. */
static size_t listen(FILE *f, float *x)
{
    unsigned char bytes[2 * CHUNK];
    size_t n = fread(bytes, 2, CHUNK, f);
    memmove(x, x + CHUNK, CONTEXT * sizeof *x);
    for (size_t i = 0; i < CHUNK; i++)
        x[CONTEXT + i] = i < n ? (float)(short)number(bytes + 2 * i, 2) / 32768 : 0;
    return n;
}

/* ---- The detector ----------------------------------------------------------------------------------- */

typedef struct detector {
    hone_session *session;
    size_t in_x, in_state, out_p, out_state;
    float x[CONTEXT + CHUNK], state[STATE];
} detector;

static int find(const hone_model *m, int outputs, const char *name, size_t *out)
{
    hone_io io;
    for (size_t i = 0; i < (outputs ? hone_model_outputs(m) : hone_model_inputs(m)); i++)
        if ((outputs ? hone_model_output(m, i, &io) : hone_model_input(m, i, &io)) == HONE_OK && strcmp(io.name, name) == 0) {
            *out = i;
            return 1;
        }
    return 0;
}

static hone_status detector_new(hone_model *m, detector *d, hone_error *err)
{
    hone_dim length = { NULL, CONTEXT + CHUNK };
    hone_session_opts o = { .size = sizeof o, .threads = 1, .dims = &length, .dim_count = 1 };
    const int64_t rate = RATE;
    size_t in_rate;
    hone_io x;
    memset(d, 0, sizeof *d);
    if (!find(m, 0, "input", &d->in_x) || !find(m, 0, "state", &d->in_state) || !find(m, 0, "sr", &in_rate) ||
        !find(m, 1, "output", &d->out_p) || !find(m, 1, "stateN", &d->out_state)) {
        err->status = HONE_ERROR_UNSUP;
        strcpy(err->message, "the model is no Silero VAD: expected inputs input, state, sr and outputs output, stateN");
        return err->status;
    }
    /* One thread: a chunk is too little to share.  The length is open under a name of the model's own; the
     * other open dimension, how many streams at once, is 1 unless said otherwise. */
    hone_status s = hone_model_input(m, d->in_x, &x);
    if (x.rank == 2 && x.dim[1] < 0)
        length.name = x.dim_name[1];
    else
        o.dim_count = 0;
    if (!s)
        s = hone_model_fix_input(m, in_rate, &rate, sizeof rate, err);     /* chooses one of two networks */
    if (!s)
        s = hone_session_new(m, &o, &d->session, err);
    if (!s)
        s = hone_session_set_input(d->session, d->in_x, d->x, sizeof d->x, err);
    if (!s)
        s = hone_session_set_input(d->session, d->in_state, d->state, sizeof d->state, err);
    return s;
}

/* The chance that the chunk in d->x is speech. */
static hone_status detect(detector *d, float *chance, hone_error *err)
{
    const void *p, *next;
    hone_io p_io, next_io;
    hone_status s = hone_session_run(d->session, err);
    if (!s)
        s = hone_session_output(d->session, d->out_p, &p, &p_io);
    if (!s)
        s = hone_session_output(d->session, d->out_state, &next, &next_io);
    if (s)
        return s;
    if (p_io.dtype != HONE_F32 || next_io.dtype != HONE_F32 || next_io.rank != 3 || next_io.dim[0] * next_io.dim[1] *
        next_io.dim[2] != STATE) {
        err->status = HONE_ERROR_UNSUP;
        strcpy(err->message, "the model's outputs are not what a Silero VAD makes");
        return err->status;
    }
    memcpy(d->state, next, sizeof d->state);
    *chance = *(const float *)p;
    return HONE_OK;
}

/* Speech begins with a chunk above the threshold and ends when HOLD of them in a row lie well below it. */
static hone_status watch(detector *d, FILE *f, float threshold, hone_error *err)
{
    int speaking = 0, quiet = 0;
    double at = 0, begin = 0, end = 0;
    float chance = 0;
    size_t n;
    while ((n = listen(f, d->x)) > 0) {
        hone_status s = detect(d, &chance, err);
        if (s)
            return s;
        at += (double)n / RATE;
        if (chance >= threshold) {
            begin = speaking ? begin : at - (double)n / RATE;
            speaking = 1;
            quiet = 0;
            end = at;
        } else if (speaking && (chance > threshold - 0.15f ? (quiet = 0) : ++quiet) >= HOLD) {
            printf("%8.2f to %8.2f s  speech\n", begin, end);
            fflush(stdout);                   /* whoever reads along sees it now */
            speaking = 0;
        }
    }
    if (speaking)
        printf("%8.2f to %8.2f s  speech\n", begin, end);
    return HONE_OK;
}

int main(int argc, char **argv)
{
    hone_ctx *ctx = NULL;
    hone_model *model = NULL;
    hone_error err = { HONE_OK, "" };
    static detector d;

    if (argc != 3 && argc != 4) {
        fprintf(stderr, "usage: vad MODEL SPEECH.wav [THRESHOLD]\n");
        return 2;
    }
    FILE *f = open_wav(argv[2]);
    if (!f)
        return 3;
    hone_status s = hone_ctx_new(NULL, &ctx, &err);
    if (!s)
        s = hone_model_open(ctx, argv[1], NULL, &model, &err);
    if (!s)
        s = detector_new(model, &d, &err);
    if (!s)
        s = watch(&d, f, argc == 4 ? (float)atof(argv[3]) : 0.5f, &err);
    if (s)
        fprintf(stderr, "vad: %s\n", err.message);
    hone_session_free(d.session);
    hone_model_close(model);
    hone_ctx_free(ctx);
    fclose(f);
    return s ? 1 : 0;
}
