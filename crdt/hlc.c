#include <globalstate/hlc.h>

/* RFC 3339 years have four digits; the clock reaches past them. */
#define LAST_FORMATTED_MS UINT64_C(253402300799999) /* 9999-12-31T23:59:59.999Z */

enum {
    MS_PER_DAY = 86400000,
    DAYS_PER_ERA = 146097, /* 400 Gregorian years */
    DAYS_0000_03_01_TO_1970 = 719468,
};

gs_hlc gs_hlc_next(gs_hlc last, uint64_t wall_ms) {
    gs_hlc wall = gs_hlc_from_ms(wall_ms);
    gs_hlc next = last == UINT64_MAX ? last : last + 1;
    return wall > next ? wall : next;
}

gs_hlc gs_hlc_observe(gs_hlc last, gs_hlc remote) {
    return remote > last ? remote : last;
}

/* Hinnant, "chrono-compatible low-level date algorithms", civil_from_days: years begin in March, so that the leap day
 * is the last day of a year. */
static void civil_from_days(uint32_t days, uint32_t *ret_year, uint32_t *ret_month, uint32_t *ret_day) {
    days += DAYS_0000_03_01_TO_1970;
    uint32_t era = days / DAYS_PER_ERA;
    uint32_t day_of_era = days % DAYS_PER_ERA;
    uint32_t year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36524 - day_of_era / 146096) / 365;
    uint32_t day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    uint32_t march_month = (5 * day_of_year + 2) / 153;
    *ret_day = day_of_year - (153 * march_month + 2) / 5 + 1;
    *ret_month = march_month < 10 ? march_month + 3 : march_month - 9;
    *ret_year = era * 400 + year_of_era + (*ret_month <= 2);
}

/* Writes `value` in `width` digits, then `after`. Returns what follows. */
static char *put(char *at, uint32_t value, int width, char after) {
    for (int i = width - 1; i >= 0; i--) {
        at[i] = (char)('0' + value % 10);
        value /= 10;
    }
    at[width] = after;
    return at + width + 1;
}

void gs_hlc_format(gs_hlc clock, char ret_text[25]) {
    uint64_t ms = gs_hlc_ms(clock);
    ms = ms > LAST_FORMATTED_MS ? LAST_FORMATTED_MS : ms;
    uint32_t year;
    uint32_t month;
    uint32_t day;
    civil_from_days((uint32_t)(ms / MS_PER_DAY), &year, &month, &day);
    uint32_t rest = (uint32_t)(ms % MS_PER_DAY);
    char *at = ret_text;
    at = put(at, year, 4, '-');
    at = put(at, month, 2, '-');
    at = put(at, day, 2, 'T');
    at = put(at, rest / 3600000, 2, ':');
    at = put(at, rest / 60000 % 60, 2, ':');
    at = put(at, rest / 1000 % 60, 2, '.');
    at = put(at, rest % 1000, 3, 'Z');
    *at = '\0';
}
