/* SPDX-License-Identifier: Apache-2.0 */
/* A device as the planner counts with it: the catalogue's facts, and what follows from them. */
#ifndef HN_PLAN_DEVICE_H
#define HN_PLAN_DEVICE_H

#include "cost/roofline.h"
#include "plan/catalog.h"

typedef struct hn_device {
    const char *id, *name, *kind;        /* kind: "edge-gpu" */
    const json_t *entry;                 /* NULL: this machine */
    hn_fact ram, bandwidth, power, price, tops, gflops;
    double usable_gb;                    /* for a model, after system and others; 0: not known */
    const char *usable_why;              /* how that number was made */
    double tops_int8;                    /* dense; 0: no figure whose unit is known */
    const char *tops_why;
    const hn_class *roof;
    double eta;                          /* share of bandwidth measured on it; 0: its class's */
    double throttle_low, throttle_high;  /* of the speed, lost when it runs for long */
    bool here;
    double ran_decode, ran_prefill,
        ran_ms; /* of the model file, run on it: tokens a second, ms a run; 0: not run */
} hn_device;

/* ram_gb > 0 takes the place of the catalogue's memory. */
void hn_device_of(const hn_catalog *c, const json_t *entry, double ram_gb, hn_device *out);
bool hn_device_is_class(const json_t *entry);        /* "smartphone (class)": no device to plan for */
const char *hn_device_vendor(const hn_device *d);    /* "NVIDIA", "Apple", "Intel", "Qualcomm", "" */
bool hn_device_is_phone(const hn_device *d);
bool hn_device_is_server(const hn_device *d);        /* stands in a data centre or under a desk */

#endif
