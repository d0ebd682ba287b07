/* SPDX-License-Identifier: Apache-2.0 */
#include "plan/catalog.h"

#include <stdio.h>
#include <stdlib.h>

#include "plan/catalog_impl.h"
#include "tests/plan/world.h"

TEST(every_value_of_the_catalogue_has_a_source_and_a_date)
{
    world w;
    char *lines;
    world_open(&w, NULL);
    size_t missing = hn_catalog_unsourced(&w.cx, w.c, &lines);
    if (missing)
        printf("%s", lines);
    CHECK_INT(missing, 0);
    world_close(&w);
}

TEST(a_value_without_a_source_is_found)
{
    static const char text[] =
        "{\"generated\": \"2026-01-01\", \"devices\": [{\"id\": \"x\", \"ram_gb\": [{\"value\": 8}]}]}";
    const hn_catalog_file f = { "devices.json", text, sizeof text - 1 };
    hn_ctx cx = { 0 };
    hn_catalog *c;
    char *lines;
    CHECK(hn_catalog_open(&cx, &f, 1, NULL, &c) == HN_OK);
    CHECK(hn_catalog_unsourced(&cx, c, &lines) > 0);
    CHECK(strstr(lines, "devices.json: x: ram_gb") != NULL);
    hn_free(&cx, lines);
    hn_catalog_close(c);
}

TEST(rows_of_tables_name_their_source)
{
    world w;
    const hn_csv *prices;
    world_open(&w, NULL);
    CHECK(hn_catalog_table(&w.cx, w.c, "gpu_prices.csv", &prices) == HN_OK);
    for (size_t i = 0; i < prices->rows; i++)
        CHECK(hn_csv_text(prices, i, "source")[0] && hn_csv_text(prices, i, "as_of")[0]);
    for (size_t i = 0; i < w.w.lm_rows->rows; i++)
        CHECK(hn_csv_text(w.w.lm_rows, i, "source")[0]);
    for (size_t i = 0; i < w.w.vision_rows->rows; i++)
        CHECK(hn_csv_text(w.w.vision_rows, i, "path")[0]);
    world_close(&w);
}

TEST(names_are_understood_as_people_type_them)
{
    static const char *const device[][2] = { { "rpi5", "raspberry-pi-5" },
                                             { "Raspberry Pi 5", "raspberry-pi-5" },
                                             { "orin nano", "jetson-orin-nano-8gb" },
                                             { "orin nano super", "jetson-orin-nano-super-8gb" },
                                             { "m4", "apple-m4" },
                                             { "apple m4 max", "apple-m4-max" },
                                             { "iphone 15 pro", "apple-a17-pro" },
                                             { "RTX 4090", "nvidia-rtx-4090" },
                                             { "a100", "nvidia-a100-80gb" } };
    static const char *const model[][2] = { { "llama 3.1 8b", "llama-3.1-8b" },
                                            { "Llama3.2-1B", "llama-3.2-1b" },
                                            { "gemma", "gemma-2-2b" },
                                            { "resnet50", "resnet-50" },
                                            { "yolov8n", "yolov8n" } };
    world w;
    world_open(&w, NULL);
    for (size_t i = 0; i < sizeof device / sizeof *device; i++)
        CHECK_TEXT(hn_entry_text(world_find(&w, HN_SHELF_DEVICES, device[i][0]), "id"), device[i][1]);
    for (size_t i = 0; i < sizeof model / sizeof *model; i++)
        CHECK_TEXT(hn_entry_text(world_find(&w, HN_SHELF_MODELS, model[i][0]), "id"), model[i][1]);
    world_close(&w);
}

TEST(an_ambiguous_name_is_a_question_back)
{
    world w;
    const json_t *e;
    const char *others;
    world_open(&w, NULL);
    CHECK(hn_catalog_find(&w.cx, w.c, HN_SHELF_MODELS, "llama", &e, &others) == HN_EARG);
    CHECK(hn_catalog_find(&w.cx, w.c, HN_SHELF_MODELS, "", &e, &others) == HN_EARG);
    world_close(&w);
}

TEST(values_that_disagree_are_kept_and_counted)
{
    world w;
    world_open(&w, NULL);
    hn_fact ram = hn_fact_of(w.c, world_find(&w, HN_SHELF_DEVICES, "jetson-orin-nano-8gb"), "ram_gb");
    CHECK(ram.known && ram.low == 8 && ram.high == 8 && ram.others == 1);
    hn_fact tops = hn_fact_of(w.c, world_find(&w, HN_SHELF_DEVICES, "jetson-orin-nano-8gb"), "tops");
    CHECK_TEXT(tops.unit, "INT8 sparse");
    CHECK(!hn_fact_of(w.c, world_find(&w, HN_SHELF_DEVICES, "qcs8550"), "tops").known);
    world_close(&w);
}

TEST(a_line_is_found_by_its_path)
{
    static const char text[] =
        "{\n \"a\": [1, 2,\n  {\"b\": 3,\n   \"c\": [\n    4]}],\n \"d\": \"x}\\\"]\",\n \"e\": 5\n}\n";
    size_t n = sizeof text - 1;
    CHECK_INT(hn_json_line(text, n, "a"), 2);
    CHECK_INT(hn_json_line(text, n, "a/2/b"), 3);
    CHECK_INT(hn_json_line(text, n, "a/2/c"), 4);
    CHECK_INT(hn_json_line(text, n, "d"), 6);
    CHECK_INT(hn_json_line(text, n, "e"), 7);
    CHECK_INT(hn_json_line(text, n, "nothing"), 0);
    CHECK_INT(hn_json_line("", 0, "a"), 0);
}

TEST(tables_are_read_as_people_write_them)
{
    static const char text[] = "a,b,c\r\n1,\"two, \"\"2\"\"\",\n\n4,5,\"x\ny\"";
    hn_ctx cx = { 0 };
    hn_arena *a;
    hn_csv t;
    CHECK(hn_arena_new(&cx, 0, &a) == HN_OK);
    CHECK(hn_csv_read(&cx, "t.csv", text, sizeof text - 1, a, &t) == HN_OK);
    CHECK_INT(t.rows, 2);
    CHECK_TEXT(hn_csv_text(&t, 0, "b"), "two, \"2\"");
    CHECK_TEXT(hn_csv_text(&t, 1, "c"), "x\ny");
    CHECK(hn_csv_real(&t, 0, "a") == 1 && hn_csv_real(&t, 0, "b") != hn_csv_real(&t, 0, "b"));
    static const char *const bad[] = { "", "a,b\n1\n", "a,b\n1,\"2\n", "a,b\n1,\"2\"3\n", "a\r1\n" };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        CHECK(hn_csv_read(&cx, "t.csv", bad[i], strlen(bad[i]), a, &t) == HN_EFORMAT);
    hn_arena_free(a);
}
