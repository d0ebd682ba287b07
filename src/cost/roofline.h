/* SPDX-License-Identifier: Apache-2.0 */
/* Roofline: how fast a machine can be at most, and how fast its kind usually is.
 *
 * Decoding a token reads the weights once, so bandwidth divided by bytes is a bound that no software
 * passes; what is printed never exceeds it. */
#ifndef HN_COST_ROOFLINE_H
#define HN_COST_ROOFLINE_H

#include <stdbool.h>

typedef struct hn_class {
    const char *name;                /* "nvidia-gpu" */
    double eta, layer_us;
    double own_us;                   /* a layer, once eta is the device's own */
    int rows, devices;               /* measurements behind the two */
    double band_low, band_high;      /* factors around the middle */
} hn_class;

extern const hn_class hn_classes[];                     /* ends with a NULL name */
const hn_class *hn_class_find(const char *name);        /* NULL: "unmeasured" */

/* Where a figure comes from; every printed one says which. */
typedef enum hn_basis { HN_ESTIMATED, HN_CALIBRATED, HN_MEASURED } hn_basis;
const char *hn_basis_name(hn_basis b);

typedef struct hn_band {
    double low, mid, high;           /* 0: not known */
    hn_basis basis;
} hn_band;

/* What one token takes. */
typedef struct hn_token_cost {
    double bytes;                    /* weights read, and cache read at the context in use */
    double layers;
} hn_token_cost;

double hn_decode_bound(const hn_token_cost *t, double gbytes);      /* tokens a second */
double hn_decode_rate(double eta, double layer_us, const hn_token_cost *t, double gbytes);

/* One measured rate turned into the device's own eta, to be carried to other models. */
double hn_decode_eta(double layer_us, const hn_token_cost *t, double gbytes, double measured);

/* The class's band, or, with eta > 0 (calibrated), a narrow one: 0.85 to 1.15 holds 80 % of the rows
 * that one measurement on the same device was carried to. */
hn_band hn_decode_band(const hn_class *c, double eta, const hn_token_cost *t, double gbytes);

/* What one image takes at the machine's peak. */
typedef struct hn_image_cost {
    double work_ms;                  /* arithmetic */
    double bytes_ms;                 /* weights from memory; 0: not known */
} hn_image_cost;

/* A fixed wait, and arithmetic at a share of the peak or the weights' way, whichever takes longer. */
double hn_image_ms(const hn_image_cost *i, double share, double fixed_ms);

#endif
