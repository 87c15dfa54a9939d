#include "node/history/past.h"

#include <globalstate/hlc.h>

/* Reads `digits` digits. False if there are not so many. */
static bool read_digits(struct gs_slice *text, int digits, int64_t *ret_number) {
    int64_t number = 0;
    if (text->length < (size_t)digits) {
        return false;
    }
    for (int i = 0; i < digits; i++) {
        uint8_t c = text->bytes[i];
        if (c < '0' || c > '9') {
            return false;
        }
        number = number * 10 + (c - '0');
    }
    *text = gs_slice_make(text->bytes + digits, text->length - (size_t)digits);
    *ret_number = number;
    return true;
}

static bool read_char(struct gs_slice *text, const char *any_of, char *ret_char) {
    for (const char *at = any_of; text->length > 0 && *at != '\0'; at++) {
        if (text->bytes[0] == (uint8_t)*at) {
            *ret_char = *at;
            *text = gs_slice_make(text->bytes + 1, text->length - 1);
            return true;
        }
    }
    return false;
}

/* Days since 1970 of a proleptic Gregorian date (Howard Hinnant, "chrono-Compatible Low-Level Date Algorithms"). */
static int64_t days_of(int64_t year, int64_t month, int64_t day) {
    year -= month <= 2 ? 1 : 0;
    int64_t era = year / 400;
    int64_t year_of_era = year - era * 400;
    int64_t day_of_year = (153 * (month + (month > 2 ? -3 : 9)) + 2) / 5 + day - 1;
    int64_t day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
    return era * 146097 + day_of_era - 719468;
}

static bool read_date(struct gs_slice *text, int64_t *ret_days) {
    int64_t year = 0;
    int64_t month = 0;
    int64_t day = 0;
    char c;
    bool ok = read_digits(text, 4, &year) && read_char(text, "-", &c) && read_digits(text, 2, &month) &&
              read_char(text, "-", &c) && read_digits(text, 2, &day);
    static const int lengths[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    if (!ok || month < 1 || month > 12 || day < 1 || year < 1) {
        return false;
    }
    bool leap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
    *ret_days = days_of(year, month, day);
    return day <= lengths[month - 1] + (leap && month == 2 ? 1 : 0);
}

/* Digits past the millisecond are cut off. */
static bool read_fraction(struct gs_slice *text, int64_t *ret_ms) {
    int64_t ms = 0;
    int digits = 0;
    int64_t digit = 0;
    char c;
    if (!read_char(text, ".", &c)) {
        *ret_ms = 0;
        return true;
    }
    for (; read_digits(text, 1, &digit); digits++) {
        ms = digits < 3 ? ms * 10 + digit : ms;
    }
    for (int i = digits; i < 3; i++) {
        ms *= 10;
    }
    *ret_ms = ms;
    return digits > 0;
}

static bool read_offset(struct gs_slice *text, int64_t *ret_minutes) {
    int64_t hours = 0;
    int64_t minutes = 0;
    char sign;
    if (!read_char(text, "Zz+-", &sign)) {
        return false;
    }
    char c;
    if (sign != 'Z' && sign != 'z' &&
        (!read_digits(text, 2, &hours) || !read_char(text, ":", &c) || !read_digits(text, 2, &minutes) || hours > 23 ||
         minutes > 59)) {
        return false;
    }
    *ret_minutes = (sign == '-' ? -1 : 1) * (hours * 60 + minutes);
    return true;
}

static bool read_clock(struct gs_slice *text, int64_t *ret_seconds) {
    int64_t hour = 0;
    int64_t minute = 0;
    int64_t second = 0;
    char c;
    bool ok = read_char(text, "Tt ", &c) && read_digits(text, 2, &hour) && read_char(text, ":", &c) &&
              read_digits(text, 2, &minute) && read_char(text, ":", &c) && read_digits(text, 2, &second);
    *ret_seconds = hour * 3600 + minute * 60 + second;
    return ok && hour <= 23 && minute <= 59 && second <= 60;
}

static bool read_number(struct gs_slice text, uint64_t *ret_ms) {
    uint64_t ms = 0;
    bool ok = text.length > 4 && text.length <= 15;
    for (size_t i = 0; ok && i < text.length; i++) {
        ok = text.bytes[i] >= '0' && text.bytes[i] <= '9';
        ms = ms * 10 + (uint64_t)(text.bytes[i] - '0');
    }
    *ret_ms = ms;
    return ok && ms <= GS_HLC_MS_MAX;
}

int gs_time_parse(struct gs_slice text, uint64_t *ret_ms) {
    if (read_number(text, ret_ms)) {
        return 0;
    }
    int64_t days = 0;
    int64_t seconds = 0;
    int64_t ms = 0;
    int64_t offset = 0;
    bool ok = read_date(&text, &days) && read_clock(&text, &seconds) && read_fraction(&text, &ms) &&
              read_offset(&text, &offset) && text.length == 0;
    int64_t total = ((days * 86400 + seconds) - offset * 60) * 1000 + ms;
    if (!ok || total < 0) {
        return GS_EINVAL;
    }
    *ret_ms = (uint64_t)total;
    return 0;
}
