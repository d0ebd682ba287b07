/* SPDX-License-Identifier: Apache-2.0 */
/* The three cases that doc/plan.md works out by hand. */
#include "plan/money.h"

#include <math.h>
#include <stdbool.h>

#include "tests/support/test.h"

/* 249 USD board, 3 years, 5 W waiting, 15 W at work, 10 s an answer, 0.15 USD a kilowatt hour. */
static hn_money board(void)
{
    return (hn_money){ .device_usd = 249,
                       .life_years = 3,
                       .idle_w = 5,
                       .load_w = 15,
                       .usd_kwh = 0.15,
                       .edge_s = 10,
                       .devices = 1,
                       .queries = 1000,
                       .edge_known = 1 };
}

TEST(break_even_with_an_api_is_as_by_hand)
{
    hn_money m = board();
    m.api_known = 1;
    m.api_query_usd = 500 * 0.20e-6;
    hn_month edge = hn_month_of(&m, HN_EDGE);
    CHECK_NEAR(edge.fixed, 249.0 / 36 + 5 * 730 / 1000.0 * 0.15, 1e-6);
    CHECK_NEAR(edge.fixed, 7.46, 0.01);
    CHECK_NEAR(edge.per_query * 1e6, 4.1667, 1e-3);
    CHECK_NEAR(hn_break_even(&m, HN_API), 77887, 5);
    m.queries = hn_break_even(&m, HN_API);
    CHECK_NEAR(hn_month_of(&m, HN_EDGE).total, hn_month_of(&m, HN_API).total, 1e-3);
}

TEST(payback_against_a_machine_that_never_stops_is_as_by_hand)
{
    hn_money m = board();
    m.vm_known = 1;
    m.vm_usd_hour = 0.526;
    m.vm_s = 2;
    CHECK_NEAR(hn_month_of(&m, HN_VM).total, 383.98, 0.01);
    CHECK_NEAR(hn_payback(&m, HN_VM), 249 / (383.98 - 0.5517), 1e-2);
    CHECK(hn_cheapest(&m) == HN_EDGE);
}

TEST(bursts_are_billed_whole_as_by_hand)
{
    hn_money m = { .devices = 1,
                   .life_years = 3,
                   .queries = 20 * 30,
                   .vm_s = 600,
                   .vm_streams = 1,
                   .bursts = 20 * 30,
                   .vm_usd_hour = 1,
                   .vm_known = 1 };
    m.granularity_s = 1;
    CHECK_NEAR(hn_vm_hours(&m) / 30, 20 * 600 / 3600.0, 1e-3);           /* 3.3 hours a day by the second */
    m.granularity_s = 3600;
    CHECK_NEAR(hn_vm_hours(&m) / 30, 20, 1e-6);                          /* 20 by the started hour */
    m.granularity_s = 60;
    m.cold_s = 20;
    m.keep_s = 65;
    CHECK_NEAR(hn_vm_hours(&m) / 30, 20 * 720 / 3600.0, 1e-6);           /* 685 s is 12 started minutes */
}

TEST(an_edge_that_never_meets_has_no_break_even)
{
    hn_money m = board();
    m.api_known = 1;
    m.api_query_usd = 1e-6;                      /* less than the edge's electricity */
    CHECK(hn_break_even(&m, HN_API) == 0);
    CHECK(hn_cheapest(&m) == HN_API);
}

TEST(what_is_not_known_costs_nothing_and_is_never_cheapest)
{
    hn_money m = board();
    CHECK(isnan(hn_month_of(&m, HN_API).total));
    CHECK(hn_cheapest(&m) == HN_EDGE);
    m.edge_known = 0;
    CHECK(hn_cheapest(&m) == HN_WAYS);
}

TEST(an_input_near_the_break_even_is_found_to_decide)
{
    hn_swing s[HN_SWINGS_MAX];
    hn_money m = board();
    bool found = false;
    m.api_known = 1;
    m.api_query_usd = 1e-4;
    m.queries = 80000;                           /* just past the break-even of 77,887 */
    CHECK(hn_cheapest(&m) == HN_EDGE);
    for (size_t i = 0, n = hn_sensitivity(&m, 0.2, s); i < n; i++)
        found |= strcmp(s[i].words, "device price") == 0 && s[i].times > 1 && s[i].becomes == HN_API;
    CHECK(found);
    m.queries = 8000000;
    CHECK_INT(hn_sensitivity(&m, 0.2, s), 0);
}

TEST(more_queries_than_one_machine_serves_need_another)
{
    hn_money m = { .queries = 730 * 3600, .vm_s = 1, .vm_streams = 1 };
    CHECK_NEAR(hn_vm_count(&m), 1, 0);
    m.queries *= 1.01;
    CHECK_NEAR(hn_vm_count(&m), 2, 0);
    m.vm_streams = 4;
    CHECK_NEAR(hn_vm_count(&m), 1, 0);
}

TEST(devices_that_are_full_are_no_way_to_save)
{
    hn_money m = board();
    m.api_known = 1;
    m.api_query_usd = 1e-4;
    m.queries = 730 * 360 + 1;                   /* ten seconds each: more than a month of one board */
    CHECK(isnan(hn_month_of(&m, HN_EDGE).total) && hn_cheapest(&m) == HN_API);
    m.devices = 2;
    CHECK(hn_cheapest(&m) == HN_EDGE);
    m.edge_s = 1000;
    CHECK(hn_break_even(&m, HN_API) == 0);
}
