/* SPDX-License-Identifier: Apache-2.0 */
/* trial INPUT... [= OUTPUT...]: a library made for one model, put to the test.  Runs the model it carries
 * on recorded inputs and prints how far the outputs are from recorded ones.  Of each file the last bytes
 * are the tensor: raw, or .npy.  tools/reduced.sh defines MODEL and MODEL_SIZE. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "hone.h"

enum { FILES_MAX = 16 };

static void give_up(const char *what)
{
    fprintf(stderr, "trial: %s\n", what);
    exit(1);
}

static void *read_tail(const char *path, size_t bytes)
{
    FILE *f = fopen(path, "rb");
    void *p = malloc(bytes ? bytes : 1);
    if (!f || !p || fseek(f, -(long)bytes, SEEK_END) || fread(p, 1, bytes, f) != bytes)
        give_up(path);
    fclose(f);
    return p;
}

static size_t element(hone_dtype t)
{
    switch (t) {
    case HONE_U8: case HONE_I8: case HONE_BOOL: return 1;
    case HONE_U16: case HONE_I16: case HONE_F16: case HONE_BF16: return 2;
    case HONE_I64: case HONE_U64: case HONE_F64: return 8;
    default: return 4;
    }
}

/* Open dimensions are 1, as sessions take them. */
static size_t bytes_of(const hone_io *io)
{
    size_t n = element(io->dtype);
    for (int i = 0; i < io->rank; i++)
        n *= io->dim[i] > 0 ? (size_t)io->dim[i] : 1;
    return n;
}

static double value(const void *data, hone_dtype t, size_t i)
{
    switch (t) {
    case HONE_F32: return ((const float *)data)[i];
    case HONE_U8:  return ((const uint8_t *)data)[i];
    case HONE_I8:  return ((const int8_t *)data)[i];
    case HONE_I32: return ((const int32_t *)data)[i];
    case HONE_I64: return (double)((const int64_t *)data)[i];
    default:       return 0;
    }
}

static bool compare(hone_session *s, size_t i, const char *path)
{
    const void *ours;
    hone_io io;
    if (hone_session_output(s, i, &ours, &io))
        give_up("an output is missing");
    size_t bytes = bytes_of(&io), count = bytes / element(io.dtype);
    void *theirs = read_tail(path, bytes);
    double worst = 0, most = 0;
    for (size_t k = 0; k < count; k++) {
        worst = fmax(worst, fabs(value(ours, io.dtype, k) - value(theirs, io.dtype, k)));
        most = fmax(most, fabs(value(theirs, io.dtype, k)));
    }
    free(theirs);
    /* Recorded by another engine: floats differ by what the order of sums makes, bytes by one step. */
    double may = io.dtype == HONE_F32 ? 1e-4 * fmax(most, 1) : 1;
    printf("%s: %zu elements differ by at most %g\n", io.name, count, worst);
    return worst <= may;
}

int main(int argc, char **argv)
{
    hone_ctx *ctx;
    hone_model *model;
    hone_session *session;
    hone_error err;
    void *in[FILES_MAX] = { 0 };
    bool good = true;
    int at = 1;

    if (hone_ctx_new(NULL, &ctx, &err) ||
        hone_model_open_memory(ctx, MODEL, MODEL_SIZE, NULL, &model, &err) ||
        hone_session_new(model, NULL, &session, &err))
        give_up(err.message);
    for (size_t i = 0; i < FILES_MAX && i < hone_model_inputs(model); i++, at++) {
        hone_io io;
        hone_model_input(model, i, &io);
        if (at >= argc)
            give_up("expected a file for each input, then =, then one for each output");
        in[i] = read_tail(argv[at], bytes_of(&io));
        if (hone_session_set_input(session, i, in[i], bytes_of(&io), &err))
            give_up(err.message);
    }
    if (hone_session_run(session, &err))
        give_up(err.message);
    for (size_t i = 0; at < argc && ++at < argc; i++)
        good = compare(session, i, argv[at]) && good;
    hone_session_free(session);
    hone_model_close(model);
    hone_ctx_free(ctx);
    for (int i = 0; i < FILES_MAX; i++)
        free(in[i]);
    return good ? 0 : 1;
}
