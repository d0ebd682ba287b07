/* SPDX-License-Identifier: Apache-2.0 */
/* What the planner reads from people.  The first byte says as what: 't' a table, 's' a scenario, else a
 * catalogue of devices, in which every figure is taken and every name looked up. */
#include "fuzz/fuzz.h"

#include <string.h>

#include "plan/catalog_impl.h"
#include "plan/device.h"
#include "plan/needs.h"

static void table(hn_ctx *cx, const char *text, size_t len, hn_arena *a)
{
    hn_csv t;
    if (hn_csv_read(cx, "t.csv", text, len, a, &t))
        return;
    for (size_t i = 0; i < t.rows; i++)
        for (size_t k = 0; k < t.columns; k++)
            hn_csv_real(&t, i, t.head[k]);
    hn_catalog_check_table(cx, "t.csv", &t, &t);
}

static void scenario(hn_ctx *cx, const char *text, size_t len, hn_arena *a)
{
    hn_needs n;
    hn_needs_clear(&n);
    if (hn_needs_parse(cx, "s.json", text, len, a, &n) == HN_OK && hn_needs_check(cx, &n) == HN_OK)
        json_decref(hn_needs_json(&n));
}

static void catalogue(hn_ctx *cx, const char *text, size_t len)
{
    const hn_catalog_file f = { "devices.json", text, len };
    hn_catalog *c;
    const json_t *e, *found;
    const char *others;
    size_t i;
    hn_json_line(text, len, "devices/1/ram_gb");
    if (hn_catalog_open(cx, &f, 1, NULL, &c))
        return;
    json_array_foreach(hn_catalog_shelf(c, HN_SHELF_DEVICES), i, e) {
        hn_device d;
        hn_device_of(c, e, 0, &d);
        hn_catalog_find(cx, c, HN_SHELF_DEVICES, d.name, &found, &others);
    }
    hn_catalog_check(cx, "d.json", text, len, hn_catalog_root(c, "devices.json"),
                     hn_catalog_root(c, "devices.json"));
    char *lines;
    hn_catalog_unsourced(cx, c, &lines);
    hn_free(cx, lines);
    hn_catalog_close(c);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    fuzz_limit limit = { 0 };
    hn_env env = { .alloc = fuzz_alloc, .alloc_user = &limit, .tensor_bytes_max = FUZZ_BYTES_MAX };
    hn_ctx cx = { .env = &env };
    hn_arena *a;
    if (len == 0 || hn_arena_new(&cx, 0, &a))
        return 0;
    const char *text = (const char *)data + 1;
    if (data[0] == 't')
        table(&cx, text, len - 1, a);
    else if (data[0] == 's')
        scenario(&cx, text, len - 1, a);
    else
        catalogue(&cx, text, len - 1);
    hn_arena_free(a);
    if (limit.used)
        abort();
    return 0;
}
