/* SPDX-License-Identifier: Apache-2.0 */
#include "plan/device.h"

#include <math.h>
#include <string.h>

/* What a kind of device keeps for itself.  X(kind, GB kept at most, share kept at most, why) */
static const struct reserve { const char *kind; double gb, share; const char *why; } reserves[] = {
    { "phone-soc",        1e9, 0.50, "half of a phone's memory: systems end apps above 50 to 67 %" },
    { "edge-gpu",         2.8, 0.35, "less the 2.8 GB the Orin Nano's system keeps, at most 35 %" },
    { "sbc",              2.0, 0.50, "less 2 GB for the system" },
    { "laptop-soc",       2.0, 0.50, "less 2 GB for the system" },
    { "laptop-npu",       2.0, 0.50, "less 2 GB for the system" },
    { "industrial-soc",   2.0, 0.50, "less 2 GB for the system" },
    { "here",             2.0, 0.50, "less 2 GB for the system" },
    { "workstation-gpu",  0.5, 0.10, "less 0.5 GB for the driver" },
    { "edge-server-gpu",  0.5, 0.10, "less 0.5 GB for the driver" },
    { "cloud-gpu",        0.5, 0.10, "less 0.5 GB for the driver" },
    { "accelerator",      0.25, 0.50, "less what the host's system keeps" },
    { "mcu",              1e9, 0.10, "nine tenths of its memory: a tenth for stacks and drivers" },
    { NULL,               0,   0,    "all of it: nothing is known about what its system keeps" },
};

bool hn_device_is_class(const json_t *entry)
{
    return strcmp(hn_entry_text(entry, "class"), "device-class") == 0;
}
bool hn_device_is_phone(const hn_device *d) { return strcmp(d->kind, "phone-soc") == 0; }

bool hn_device_is_server(const hn_device *d)
{
    return strcmp(d->kind, "cloud-gpu") == 0 || strcmp(d->kind, "edge-server-gpu") == 0 ||
           strcmp(d->kind, "edge-server-accelerator") == 0;
}

const char *hn_device_vendor(const hn_device *d)
{
    static const char *const vendor[][2] = {
        { "NVIDIA", "NVIDIA" },     { "Apple", "Apple" },   { "Intel", "Intel" },
        { "Qualcomm", "Qualcomm" }, { "Google", "Google" },
    };
    for (size_t i = 0; i < sizeof vendor / sizeof *vendor; i++)
        if (strncmp(d->name, vendor[i][0], strlen(vendor[i][0])) == 0)
            return vendor[i][1];
    return "";
}

/* TOPS of different kinds are different things: only INT8 dense counts, and sparse is twice that. */
static void set_tops(const hn_catalog *c, hn_device *d)
{
    hn_fact dense = hn_fact_where(c, d->entry, "tops", "unit", "INT8 dense");
    hn_fact sparse = hn_fact_where(c, d->entry, "tops", "unit", "INT8 sparse");
    d->tops = hn_fact_of(c, d->entry, "tops");
    d->tops_why = d->tops.known ? "its TOPS carry no unit that can be counted with" : "no TOPS figure";
    if (dense.known) {
        d->tops = dense;
        d->tops_int8 = dense.low;
        d->tops_why = "INT8 dense, as listed";
    } else if (sparse.known) {
        d->tops = sparse;
        d->tops_int8 = sparse.low / 2;
        d->tops_why = "half of the INT8 sparse figure";
    }
}

static void set_usable(const hn_catalog *c, hn_device *d, double given)
{
    hn_fact usable = hn_fact_of(c, d->entry, "usable_ram_gb");
    const struct reserve *r = reserves;
    if (usable.known && !(given > 0)) {
        d->usable_gb = usable.low;
        d->usable_why = usable.source;
        return;
    }
    while (r->kind && strcmp(r->kind, d->kind) != 0)
        r++;
    d->usable_gb = d->ram.known ? d->ram.low - fmin(r->gb, d->ram.low * r->share) : 0;
    d->usable_why = r->why;
}

void hn_device_of(const hn_catalog *c, const json_t *entry, double ram_gb, hn_device *out)
{
    hn_device d = { .id = hn_entry_text(entry, "id"), .name = hn_entry_text(entry, "name"),
                    .kind = hn_entry_text(entry, "class"), .entry = entry };
    d.ram = hn_fact_of(c, entry, "ram_gb");
    if (ram_gb > 0)
        d.ram = (hn_fact){ true, ram_gb, ram_gb, "", "--ram", "", "", 0 };
    d.bandwidth = hn_fact_of(c, entry, "mem_bandwidth_gb_s");
    d.power = hn_fact_of(c, entry, "power_w");
    d.price = hn_fact_of(c, entry, "price_usd");
    d.gflops = hn_fact_of(c, entry, "gflops_fp32");
    d.roof = hn_class_find(json_string_value(hn_value_of(entry, "roofline")));
    set_tops(c, &d);
    set_usable(c, &d, ram_gb);
    if (hn_device_is_phone(&d)) {
        d.throttle_low = 0.3;
        d.throttle_high = 0.5;
    }
    *out = d;
}
