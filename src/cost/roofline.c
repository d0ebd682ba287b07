/* SPDX-License-Identifier: Apache-2.0 */
#include "cost/roofline.h"

#include <math.h>
#include <stddef.h>
#include <string.h>

#define CALIBRATED_LOW 0.85
#define CALIBRATED_HIGH 1.15

const hn_class hn_classes[] = {
#define CLASS(name, eta, us, own, rows, devices, low, high) { name, eta, us, own, rows, devices, low, high },
#include "cost/roofline.def"
#undef CLASS
    { NULL },
};

const hn_class *hn_class_find(const char *name)
{
    const hn_class *c = hn_classes;
    while (c[1].name && !(name && strcmp(c->name, name) == 0))
        c++;
    return c;                                   /* the last one stands for what nobody measured */
}

const char *hn_basis_name(hn_basis b)
{
    static const char *const name[] = { "estimated", "calibrated", "measured" };
    return name[b];
}

double hn_decode_bound(const hn_token_cost *t, double gbytes) { return gbytes * 1e9 / t->bytes; }

double hn_decode_rate(double eta, double layer_us, const hn_token_cost *t, double gbytes)
{
    double rate = 1 / (t->bytes / (eta * gbytes * 1e9) + layer_us * 1e-6 * t->layers);
    return fmin(rate, hn_decode_bound(t, gbytes));
}

double hn_decode_eta(double layer_us, const hn_token_cost *t, double gbytes, double measured)
{
    double left = 1 / measured - layer_us * 1e-6 * t->layers;
    double eta = left > 0 ? t->bytes / (gbytes * 1e9 * left) : 1;
    return fmin(eta, 1);
}

hn_band hn_decode_band(const hn_class *c, double eta, const hn_token_cost *t, double gbytes)
{
    bool own = eta > 0;
    double mid = hn_decode_rate(own ? eta : c->eta, own ? c->own_us : c->layer_us, t, gbytes),
           bound = hn_decode_bound(t, gbytes);
    return (hn_band){ mid * (own ? CALIBRATED_LOW : c->band_low), mid,
                      fmin(mid * (own ? CALIBRATED_HIGH : c->band_high), bound),
                      own ? HN_CALIBRATED : HN_ESTIMATED };
}

double hn_image_ms(const hn_image_cost *i, double share, double fixed_ms)
{
    return fixed_ms + fmax(i->work_ms / share, i->bytes_ms);
}
