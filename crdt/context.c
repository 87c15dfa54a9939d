#include <globalstate/context.h>
#include <globalstate/error.h>

#include <string.h>

enum {
    ENTRY_CAPACITY_MIN = 2,
    INTERVAL_CAPACITY_MIN = 4,
};

void gs_context_close(struct gs_context *context, struct gs_memory *memory) {
    for (uint32_t i = 0; i < context->count; i++) {
        struct gs_context_entry *entry = &context->entries[i];
        gs_memory_free(memory, entry->intervals, entry->capacity * sizeof *entry->intervals);
    }
    gs_memory_free(memory, context->entries, context->capacity * sizeof *context->entries);
    *context = (struct gs_context){0};
}

const struct gs_interval *gs_context_intervals(const struct gs_context_entry *entry) {
    return entry->capacity == 0 ? &entry->one : entry->intervals;
}

static struct gs_interval *intervals_of(struct gs_context_entry *entry) {
    return entry->capacity == 0 ? &entry->one : entry->intervals;
}

/* Number of the first entry, from `low` on, whose origin is not less than `origin`. */
static uint32_t entry_position(const struct gs_context *context, uint32_t low, const gs_origin *origin) {
    uint32_t high = context->count;
    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        if (gs_origin_compare(&context->entries[middle].origin, origin) < 0) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return low;
}

static struct gs_context_entry *find_entry(const struct gs_context *context, const gs_origin *origin) {
    uint32_t position = entry_position(context, 0, origin);
    if (position == context->count || !gs_origin_equal(&context->entries[position].origin, origin)) {
        return NULL;
    }
    return &context->entries[position];
}

/* Number of the first interval, from `low` on, whose last point is not before `point`. */
static uint32_t interval_position(const struct gs_interval *intervals, uint32_t low, uint32_t count, gs_point point) {
    uint32_t high = count;
    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        if (gs_point_compare(intervals[middle].last, point) < 0) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return low;
}

/* Intervals are never adjacent, so what is contained at all is contained in one of them. */
static bool entry_contains(const struct gs_context_entry *entry, struct gs_interval range) {
    const struct gs_interval *intervals = gs_context_intervals(entry);
    uint32_t position = interval_position(intervals, 0, entry->count, range.first);
    return position < entry->count && gs_point_compare(intervals[position].first, range.first) <= 0 &&
           gs_point_compare(intervals[position].last, range.last) >= 0;
}

static struct gs_interval events_interval(uint64_t after, uint64_t seq) {
    return (struct gs_interval){.first = {.seq = after + 1, .index = 0}, .last = gs_point_end(seq)};
}

bool gs_context_contains(const struct gs_context *context, const gs_dot *dot) {
    const struct gs_context_entry *entry = find_entry(context, &dot->origin);
    return entry != NULL && entry_contains(entry, (struct gs_interval){.first = dot->at, .last = dot->at});
}

bool gs_context_contains_events(const struct gs_context *context, const gs_origin *origin, uint64_t after,
                                uint64_t seq) {
    if (after >= seq) {
        return true;
    }
    const struct gs_context_entry *entry = find_entry(context, origin);
    return entry != NULL && entry_contains(entry, events_interval(after, seq));
}

bool gs_context_contains_range(const struct gs_context *context, const gs_origin *origin, struct gs_interval range) {
    const struct gs_context_entry *entry = find_entry(context, origin);
    return entry != NULL && entry_contains(entry, range);
}

bool gs_context_touches(const struct gs_context *context, const gs_origin *origin, struct gs_interval range) {
    const struct gs_context_entry *entry = find_entry(context, origin);
    if (entry == NULL) {
        return false;
    }
    const struct gs_interval *intervals = gs_context_intervals(entry);
    uint32_t position = interval_position(intervals, 0, entry->count, range.first);
    return position < entry->count && gs_point_compare(intervals[position].first, range.last) <= 0;
}

static int reserve_entries(struct gs_context *context, struct gs_memory *memory, uint32_t more) {
    if (more <= context->capacity - context->count) {
        return 0;
    }
    if (more > UINT32_MAX / 2 - context->count) {
        return GS_ENOMEM;
    }
    uint32_t capacity = context->capacity * 2 < ENTRY_CAPACITY_MIN ? ENTRY_CAPACITY_MIN : context->capacity * 2;
    if (capacity < context->count + more) {
        capacity = context->count + more;
    }
    struct gs_context_entry *entries = gs_memory_resize(memory, context->entries, context->capacity * sizeof *entries,
                                                        (size_t)capacity * sizeof *entries);
    if (entries == NULL) {
        return GS_ENOMEM;
    }
    context->entries = entries;
    context->capacity = capacity;
    return 0;
}

static int reserve_interval(struct gs_context_entry *entry, struct gs_memory *memory) {
    if (entry->count < entry->capacity) {
        return 0;
    }
    if (entry->capacity > UINT32_MAX / 2) {
        return GS_ENOMEM;
    }
    uint32_t capacity = entry->capacity == 0 ? INTERVAL_CAPACITY_MIN : entry->capacity * 2;
    struct gs_interval *intervals =
        gs_memory_resize(memory, entry->intervals, entry->capacity * sizeof *intervals, capacity * sizeof *intervals);
    if (intervals == NULL) {
        return GS_ENOMEM;
    }
    if (entry->capacity == 0) {
        intervals[0] = entry->one;
    }
    entry->intervals = intervals;
    entry->capacity = capacity;
    return 0;
}

/* Back to the form that owns nothing, once there is one interval again. */
static void settle(struct gs_context_entry *entry, struct gs_memory *memory) {
    if (entry->count == 1 && entry->capacity > 0) {
        entry->one = entry->intervals[0];
        gs_memory_free(memory, entry->intervals, entry->capacity * sizeof *entry->intervals);
        entry->intervals = NULL;
        entry->capacity = 0;
    }
}

static gs_point least(gs_point a, gs_point b) {
    return gs_point_compare(a, b) < 0 ? a : b;
}

static gs_point greatest(gs_point a, gs_point b) {
    return gs_point_compare(a, b) > 0 ? a : b;
}

/* True if a gap lies between `a` and what begins at `first`, which does not begin before `a`. */
static bool is_apart(const struct gs_interval *a, gs_point first) {
    return gs_point_compare(a->last, gs_point_before(first)) < 0;
}

static int entry_add(struct gs_context_entry *entry, struct gs_memory *memory, struct gs_interval range) {
    struct gs_interval *intervals = intervals_of(entry);
    struct gs_interval *newest = &intervals[entry->count - 1];
    if (gs_point_compare(newest->first, range.first) <= 0 && !is_apart(newest, range.first)) {
        newest->last = greatest(newest->last, range.last); /* in order: the usual case */
        return 0;
    }
    /* The intervals from `from` up to `to` touch the range and become one with it. */
    uint32_t from = interval_position(intervals, 0, entry->count, gs_point_before(range.first));
    uint32_t to = from;
    while (to < entry->count && !is_apart(&range, intervals[to].first)) {
        to++;
    }
    if (from == to) {
        if (reserve_interval(entry, memory) != 0) {
            return GS_ENOMEM;
        }
        intervals = intervals_of(entry);
        memmove(&intervals[from + 1], &intervals[from], (entry->count - from) * sizeof *intervals);
        intervals[from] = range;
        entry->count++;
        return 0;
    }
    intervals[from].first = least(intervals[from].first, range.first);
    intervals[from].last = greatest(intervals[to - 1].last, range.last);
    memmove(&intervals[from + 1], &intervals[to], (entry->count - to) * sizeof *intervals);
    entry->count -= to - from - 1;
    settle(entry, memory);
    return 0;
}

static int add(struct gs_context *context, struct gs_memory *memory, const gs_origin *origin,
               struct gs_interval range) {
    uint32_t position = entry_position(context, 0, origin);
    if (position < context->count && gs_origin_equal(&context->entries[position].origin, origin)) {
        return entry_add(&context->entries[position], memory, range);
    }
    if (reserve_entries(context, memory, 1) != 0) {
        return GS_ENOMEM;
    }
    struct gs_context_entry *entry = &context->entries[position];
    memmove(entry + 1, entry, (context->count - position) * sizeof *entry);
    *entry = (struct gs_context_entry){.origin = *origin, .count = 1, .one = range};
    context->count++;
    return 0;
}

int gs_context_add_events(struct gs_context *context, struct gs_memory *memory, const gs_origin *origin, uint64_t after,
                          uint64_t seq) {
    if (after >= seq) {
        return GS_EINVAL;
    }
    return add(context, memory, origin, events_interval(after, seq));
}

int gs_context_add_dot(struct gs_context *context, struct gs_memory *memory, const gs_dot *dot) {
    return add(context, memory, &dot->origin, (struct gs_interval){.first = dot->at, .last = dot->at});
}

/* Merges two sorted lists into `to`, which has room for both; returns how many intervals that makes. */
static uint32_t merge(const struct gs_context_entry *a, const struct gs_context_entry *b, struct gs_interval *to) {
    const struct gs_interval *from_a = gs_context_intervals(a);
    const struct gs_interval *from_b = gs_context_intervals(b);
    uint32_t i = 0;
    uint32_t j = 0;
    uint32_t count = 0;
    while (i < a->count || j < b->count) {
        bool take_a = j == b->count || (i < a->count && gs_point_compare(from_a[i].first, from_b[j].first) <= 0);
        struct gs_interval next = take_a ? from_a[i++] : from_b[j++];
        if (count > 0 && !is_apart(&to[count - 1], next.first)) {
            to[count - 1].last = greatest(to[count - 1].last, next.last);
        } else {
            to[count++] = next;
        }
    }
    return count;
}

static bool entry_contains_all(const struct gs_context_entry *entry, const struct gs_context_entry *other) {
    const struct gs_interval *intervals = gs_context_intervals(other);
    for (uint32_t i = 0; i < other->count; i++) {
        if (!entry_contains(entry, intervals[i])) {
            return false;
        }
    }
    return true;
}

static int entry_join(struct gs_context_entry *entry, struct gs_memory *memory, const struct gs_context_entry *other) {
    if (other->count == 1) {
        return entry_add(entry, memory, gs_context_intervals(other)[0]);
    }
    if (entry_contains_all(entry, other)) {
        return 0;
    }
    if (other->count > UINT32_MAX / 2 - entry->count) {
        return GS_ENOMEM;
    }
    uint32_t capacity = entry->count + other->count;
    struct gs_interval *intervals = gs_memory_alloc(memory, capacity * sizeof *intervals);
    if (intervals == NULL) {
        return GS_ENOMEM;
    }
    uint32_t count = merge(entry, other, intervals);
    gs_memory_free(memory, entry->intervals, entry->capacity * sizeof *intervals);
    entry->intervals = intervals;
    entry->capacity = capacity;
    entry->count = count;
    settle(entry, memory);
    return 0;
}

/* Searched, not walked: a context that is built from small ones must not cost their number squared. */
static uint32_t count_missing(const struct gs_context *context, const struct gs_context *other) {
    uint32_t missing = 0;
    uint32_t i = 0;
    for (uint32_t j = 0; j < other->count; j++) {
        const gs_origin *origin = &other->entries[j].origin;
        i = entry_position(context, i, origin);
        missing += i == context->count || !gs_origin_equal(&context->entries[i].origin, origin);
    }
    return missing;
}

/* Adds an entry for each origin that only `other` has, from the greatest down so that each entry moves once. A new
 * entry begins with the first interval of the other's, which needs no memory. There is room for `missing` entries. */
static void add_missing(struct gs_context *context, const struct gs_context *other, uint32_t missing) {
    uint32_t i = context->count;
    uint32_t j = other->count;
    uint32_t to = context->count + missing;
    while (to > i) {
        const struct gs_context_entry *theirs = &other->entries[j - 1];
        int order = i == 0 ? -1 : gs_origin_compare(&context->entries[i - 1].origin, &theirs->origin);
        if (order < 0) {
            context->entries[--to] =
                (struct gs_context_entry){.origin = theirs->origin, .count = 1, .one = gs_context_intervals(theirs)[0]};
            j--;
        } else {
            context->entries[--to] = context->entries[--i];
            j -= order == 0;
        }
    }
    context->count += missing;
}

int gs_context_join(struct gs_context *context, struct gs_memory *memory, const struct gs_context *other) {
    uint32_t missing = count_missing(context, other);
    if (reserve_entries(context, memory, missing) != 0) {
        return GS_ENOMEM;
    }
    add_missing(context, other, missing);
    for (uint32_t i = 0, j = 0; j < other->count; j++) {
        i = entry_position(context, i, &other->entries[j].origin);
        if (entry_join(&context->entries[i], memory, &other->entries[j]) != 0) {
            return GS_ENOMEM;
        }
    }
    return 0;
}

static bool entries_equal(const struct gs_context_entry *a, const struct gs_context_entry *b) {
    if (a->count != b->count || !gs_origin_equal(&a->origin, &b->origin)) {
        return false;
    }
    const struct gs_interval *from_a = gs_context_intervals(a);
    const struct gs_interval *from_b = gs_context_intervals(b);
    for (uint32_t i = 0; i < a->count; i++) {
        if (gs_point_compare(from_a[i].first, from_b[i].first) != 0 ||
            gs_point_compare(from_a[i].last, from_b[i].last) != 0) {
            return false;
        }
    }
    return true;
}

bool gs_context_equal(const struct gs_context *a, const struct gs_context *b) {
    if (a->count != b->count) {
        return false;
    }
    for (uint32_t i = 0; i < a->count; i++) {
        if (!entries_equal(&a->entries[i], &b->entries[i])) {
            return false;
        }
    }
    return true;
}

uint64_t gs_context_seq(const struct gs_context *context, const gs_origin *origin) {
    const struct gs_context_entry *entry = find_entry(context, origin);
    return entry == NULL ? 0 : gs_context_intervals(entry)[entry->count - 1].last.seq;
}

bool gs_context_includes(const struct gs_context *context, const struct gs_context *other) {
    for (uint32_t i = 0; i < other->count; i++) {
        const struct gs_context_entry *entry = find_entry(context, &other->entries[i].origin);
        if (entry == NULL || !entry_contains_all(entry, &other->entries[i])) {
            return false;
        }
    }
    return true;
}

void gs_context_remove_origin(struct gs_context *context, struct gs_memory *memory, const gs_origin *origin) {
    struct gs_context_entry *entry = find_entry(context, origin);
    if (entry != NULL) {
        gs_memory_free(memory, entry->intervals, entry->capacity * sizeof *entry->intervals);
        context->count--;
        memmove(entry, entry + 1, (size_t)(&context->entries[context->count] - entry) * sizeof *entry);
    }
}
