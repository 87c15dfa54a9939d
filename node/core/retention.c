#include "node/core/retention.h"

#include <string.h>

/* 10^9 days fit into 64 bits of milliseconds. */
enum { DIGITS_MAX = 9 };

static const struct {
    char letter;
    uint64_t ms;
} units[] = {{'s', 1000}, {'m', 60000}, {'h', 3600000}, {'d', 86400000}};

static bool parse_period(struct gs_slice text, uint64_t *ret_ms) {
    static const char forever[] = "forever";
    uint64_t number = 0;
    size_t digits = 0;
    if (gs_slice_compare(text, gs_slice_make(forever, sizeof forever - 1)) == 0) {
        *ret_ms = GS_RETENTION_FOREVER;
        return true;
    }
    while (digits < text.length && text.bytes[digits] >= '0' && text.bytes[digits] <= '9') {
        number = number * 10 + (uint64_t)(text.bytes[digits++] - '0');
        if (digits > DIGITS_MAX) {
            return false;
        }
    }
    if (digits + 1 != text.length || number == 0) {
        return false;
    }
    for (size_t i = 0; i < sizeof units / sizeof units[0]; i++) {
        if (text.bytes[digits] == (uint8_t)units[i].letter) {
            *ret_ms = number * units[i].ms;
            return true;
        }
    }
    return false;
}

static const struct gs_retention_rule *find_rule(const struct gs_retention *retention, struct gs_slice type) {
    for (uint32_t i = 0; i < retention->count; i++) {
        const struct gs_retention_rule *rule = &retention->rules[i];
        if (gs_slice_compare(gs_slice_make(rule->type, strlen(rule->type)), type) == 0) {
            return rule;
        }
    }
    return NULL;
}

static int add_rule(struct gs_slice text, struct gs_retention *retention, struct gs_problem *problem) {
    const uint8_t *equals = text.length > 0 ? memchr(text.bytes, '=', text.length) : NULL;
    struct gs_slice type = gs_slice_make(GS_RETENTION_OTHERS, sizeof GS_RETENTION_OTHERS - 1);
    struct gs_slice period = text;
    if (equals != NULL) {
        type = gs_slice_make(text.bytes, (size_t)(equals - text.bytes));
        period = gs_slice_make(equals + 1, text.length - type.length - 1);
    }
    bool others = type.length == 1 && type.bytes[0] == '*';
    int shown = text.length < 80 ? (int)text.length : 80;
    if (!others && !gs_id_valid(type)) {
        return gs_problem_set(problem, GS_EINVAL, NULL, "\"%.*s\": an aggregate type or * comes before the =", shown,
                              (const char *)text.bytes);
    }
    struct gs_retention_rule *rule = &retention->rules[retention->count];
    if (!parse_period(period, &rule->ms)) {
        return gs_problem_set(problem, GS_EINVAL, NULL,
                              "\"%.*s\": a period is forever, or a number from 1 with s, m, h or d", shown,
                              (const char *)text.bytes);
    }
    if (find_rule(retention, type) != NULL) {
        return gs_problem_set(problem, GS_EINVAL, NULL, "\"%.*s\": there is another rule for this type", shown,
                              (const char *)text.bytes);
    }
    memcpy(rule->type, type.bytes, type.length);
    rule->type[type.length] = '\0';
    retention->count++;
    return 0;
}

int gs_retention_parse(const char *text, struct gs_retention *ret_retention, struct gs_problem *problem) {
    static struct gs_retention const none;
    struct gs_retention retention = none;
    const char *at = text;
    for (;;) {
        size_t length = strcspn(at, ",");
        if (retention.count == GS_RETENTION_RULES_MAX) {
            return gs_problem_set(problem, GS_EINVAL, NULL, "there are more than %d rules", GS_RETENTION_RULES_MAX);
        }
        int error = add_rule(gs_slice_make(at, length), &retention, problem);
        if (error != 0) {
            return error;
        }
        if (at[length] == '\0') {
            break;
        }
        at += length + 1;
    }
    *ret_retention = retention;
    return 0;
}

uint64_t gs_retention_ms(const struct gs_retention *retention, struct gs_slice type) {
    const struct gs_retention_rule *rule = find_rule(retention, type);
    if (rule == NULL) {
        rule = find_rule(retention, gs_slice_make(GS_RETENTION_OTHERS, sizeof GS_RETENTION_OTHERS - 1));
    }
    return rule != NULL ? rule->ms : GS_RETENTION_FOREVER;
}

bool gs_retention_is_bounded(const struct gs_retention *retention) {
    for (uint32_t i = 0; i < retention->count; i++) {
        if (retention->rules[i].ms != GS_RETENTION_FOREVER) {
            return true;
        }
    }
    return false;
}
