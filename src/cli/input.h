/* SPDX-License-Identifier: Apache-2.0 */
/* Files become a model's inputs: pictures, .npy, ONNX .pb, raw bytes. */
#ifndef HN_CLI_INPUT_H
#define HN_CLI_INPUT_H

#include "cli/command.h"
#include "graph/graph.h"
#include "media/media.h"

/* A picture that became an input: where its pixels went, to draw on it later. */
typedef struct hn_shown {
    hn_image image;
    hn_placement where;
    bool given;
} hn_shown;

/* A sound among the inputs, which is fed piece by piece: file is NULL when there is none. */
typedef struct hn_heard {
    const char *file;
    size_t input;
} hn_heard;

/* The options of `run` that say how pictures are prepared; for the command's table. */
#define HN_INPUT_OPTS                                                                                            \
    { "input", 'i', HN_OPT_TEXT, "[NAME=]FILE", "an input: a picture, .npy, .pb, or raw bytes (.bin, .raw)", NULL, 0, 0 }, \
    HN_DIM_OPT,                                                                                                  \
    { "size", 0, HN_OPT_TEXT, "WxH", "picture size where the model leaves it open", NULL, 0, 0 },                \
    { "fit", 0, HN_OPT_CHOICE, "HOW", "stretch the picture, box it with bars, or crop its middle", "stretch box crop", 0, 0 }, \
    { "order", 0, HN_OPT_CHOICE, "ORDER", "channel order the model was trained on", "rgb bgr", 0, 0 },           \
    { "layout", 0, HN_OPT_CHOICE, "LAYOUT", "where the channels lie (default: by the shape)", "auto nchw nhwc", 0, 0 }, \
    { "scale", 0, HN_OPT_REAL, "X", "factor on pixel values (default 1/255 for floats, 1 for bytes)", NULL, 0, 0 }, \
    { "mean", 0, HN_OPT_TEXT, "M[,M,M]", "subtracted after scaling, per channel", NULL, 0, 0 },                  \
    { "std", 0, HN_OPT_TEXT, "S[,S,S]", "divided by after that, per channel", NULL, 0, 0 }, \
    { "wrap", 0, HN_OPT_FLAG, NULL, "i8 inputs: bytes from 128 up become negative, as some microcontrollers feed them", NULL, 0, 0 }

/* Fills in[] (one per graph input, data in the arena) from the command's --input options.  `media` is
 * loaded only when a picture is among them.  shown: the first picture.  heard not NULL: a sound may be among
 * them, and what is not given is left empty. */
hn_err hn_inputs_read(hn_cli *c, const hn_graph *g, hn_arena *a, hn_tensor *in, hn_shown *shown, hn_heard *heard);

#endif
