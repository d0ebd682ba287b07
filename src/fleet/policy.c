/* SPDX-License-Identifier: Apache-2.0 */
#include "fleet/policy.h"

#include <dirent.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "base/pool.h"

#define DAY ((int64_t)86400)

bool hn_policy_hours(const char *text, int *from, int *to)
{
    char rest;
    return sscanf(text, "%d-%d%c", from, to, &rest) == 2 && *from >= 0 && *from <= 24 && *to >= 0 && *to <= 24;
}

/* ---- Today's bytes: one line "DAY BYTES" ------------------------------------------------------------------ */

static uint64_t spent_today(const char *state)
{
    hn_path path;
    int64_t day = 0;
    uint64_t bytes = 0;
    if (hn_path_make(NULL, &path, "%s/spent", state))
        return 0;
    FILE *f = fopen(path.text, "re");
    if (!f || fscanf(f, "%" SCNd64 " %" SCNu64, &day, &bytes) != 2 || day != (int64_t)time(NULL) / DAY)
        bytes = 0;
    if (f)
        fclose(f);
    return bytes;
}

hn_err hn_policy_spend(hn_ctx *cx, const char *state, uint64_t bytes)
{
    hn_path path, temp;
    char line[64];
    if (bytes == 0)
        return HN_OK;
    HN_TRY(hn_path_make(cx, &path, "%s/spent", state));
    HN_TRY(hn_path_make(cx, &temp, "%s/spent.new", state));
    int n = snprintf(line, sizeof line, "%" PRId64 " %" PRIu64 "\n", (int64_t)time(NULL) / DAY,
                     spent_today(state) + bytes);
    HN_TRY(hn_fs_put(cx, NULL, temp.text, line, (size_t)n));
    return hn_fs_rename(NULL, temp.text, path.text) ? HN_OK : hn_fs_fail(cx, path.text, "replaced");
}

uint64_t hn_policy_left(const hn_policy *p, const char *state)
{
    uint64_t spent = spent_today(state);
    return !p->bytes_per_day ? UINT64_MAX : spent < p->bytes_per_day ? p->bytes_per_day - spent : 0;
}

/* ---- What the system says ----------------------------------------------------------------------------------- */

static bool read_line(const char *dir, const char *entry, const char *file, char *out, size_t size)
{
    char path[1024];
    if (snprintf(path, sizeof path, "%s/%s%s%s", dir, entry, *entry ? "/" : "", file) >= (int)sizeof path)
        return false;
    FILE *f = fopen(path, "re");
    bool ok = f && fgets(out, (int)size, f);
    if (f)
        fclose(f);
    if (ok)
        out[strcspn(out, "\n")] = 0;
    return ok;
}

/* The lowest battery that is not charging; 100 where there is none. */
static int battery(const char *dir)
{
    struct dirent *entry;
    int lowest = 100, percent;
    char type[32], status[32], level[32];
    DIR *d = opendir(dir);
    while (d && (entry = readdir(d)))
        if (read_line(dir, entry->d_name, "type", type, sizeof type) && strcmp(type, "Battery") == 0 &&
            read_line(dir, entry->d_name, "capacity", level, sizeof level) && sscanf(level, "%d", &percent) == 1 &&
            !(read_line(dir, entry->d_name, "status", status, sizeof status) &&
              (strcmp(status, "Charging") == 0 || strcmp(status, "Full") == 0)) && percent < lowest)
            lowest = percent;
    if (d)
        closedir(d);
    return lowest;
}

static int warmest(const char *dir)
{
    struct dirent *entry;
    int most = -1000, milli;
    char text[32];
    DIR *d = opendir(dir);
    while (d && (entry = readdir(d)))
        if (strncmp(entry->d_name, "thermal_zone", 12) == 0 &&
            read_line(dir, entry->d_name, "temp", text, sizeof text) &&
            sscanf(text, "%d", &milli) == 1 && milli / 1000 > most)
            most = milli / 1000;
    if (d)
        closedir(d);
    return most;
}

static bool in_hours(const hn_policy *p)
{
    time_t now = time(NULL);
    struct tm tm;
    int hour = localtime_r(&now, &tm) ? tm.tm_hour : 0, from = p->hour_from % 24, to = p->hour_to % 24;
    return from == to || (from < to ? hour >= from && hour < to : hour >= from || hour < to);
}

hn_err hn_policy_check(hn_ctx *cx, const hn_policy *p, const char *state, hn_reason *why)
{
    const char *sys = p->sys ? p->sys : "/sys";
    char dir[512], line[64];
    double load;
    if (p->metered && !p->on_metered)
        return hn_refuse(cx, why, HN_WHY_POLICY_METERED, HN_ENO, "the link is metered");
    if (hn_policy_left(p, state) == 0)
        return hn_refuse(cx, why, HN_WHY_POLICY_BUDGET, HN_ENO, "today's %" PRIu64 " bytes are used up",
                         p->bytes_per_day);
    if (!in_hours(p))
        return hn_refuse(cx, why, HN_WHY_POLICY_HOURS, HN_ENO, "updates are made from %d to %d o'clock",
                         p->hour_from, p->hour_to);
    snprintf(dir, sizeof dir, "%s/class/power_supply", sys);
    int left = p->battery_min ? battery(dir) : 100;
    if (left < p->battery_min)
        return hn_refuse(cx, why, HN_WHY_POLICY_BATTERY, HN_ENO, "the battery has %d %%, policy asks for %d", left,
                         p->battery_min);
    snprintf(dir, sizeof dir, "%s/class/thermal", sys);
    int warm = p->celsius_max ? warmest(dir) : -1000;
    if (p->celsius_max && warm > p->celsius_max)
        return hn_refuse(cx, why, HN_WHY_POLICY_THERMAL, HN_ENO,
                         "the device has %d degrees, policy asks for at most %d", warm,
                         p->celsius_max);
    if (p->load_max > 0 && read_line(p->proc ? p->proc : "/proc", "", "loadavg", line, sizeof line) &&
        sscanf(line, "%lf", &load) == 1 && load / hn_cpu_count() > p->load_max)
        return hn_refuse(cx, why, HN_WHY_POLICY_IDLE, HN_ENO, "the device is busy: load %.2f on %u processors", load,
                         hn_cpu_count());
    return HN_OK;
}
