#include "crdt/number.h"

#include <globalstate/json.h>

bool gs_is_number(struct gs_slice value) {
    enum gs_kind kind = gs_value_kind(value);
    return kind == GS_KIND_INT || kind == GS_KIND_DOUBLE;
}

bool gs_integer_read(struct gs_slice value, int64_t *ret_integer) {
    if (gs_value_kind(value) != GS_KIND_INT) {
        return false;
    }
    struct gs_reader reader;
    gs_reader_init(&reader, value.bytes, value.length);
    int64_t integer = gs_read_int(&reader);
    if (gs_reader_finish(&reader) != 0) {
        return false;
    }
    *ret_integer = integer;
    return true;
}

static double read_double(struct gs_slice value) {
    struct gs_reader reader;
    gs_reader_init(&reader, value.bytes, value.length);
    return gs_read_double(&reader);
}

/* A double of 2^63 or more has no int64; below that, its integer part has, and that part is exact as a double. */
static int compare_mixed(int64_t integer, double real) {
    const double limit = 9223372036854775808.0;
    if (real >= limit) {
        return -1;
    }
    if (real < -limit) {
        return 1;
    }
    int64_t whole = (int64_t)real;
    if (integer != whole) {
        return integer < whole ? -1 : 1;
    }
    double rest = real - (double)whole;
    return rest > 0 ? -1 : rest < 0;
}

int gs_number_compare(struct gs_slice a, struct gs_slice b) {
    int64_t m = 0;
    int64_t n = 0;
    bool a_integer = gs_integer_read(a, &m);
    bool b_integer = gs_integer_read(b, &n);
    if (a_integer && b_integer) {
        return m < n ? -1 : m > n;
    }
    if (a_integer) {
        return compare_mixed(m, read_double(b));
    }
    if (b_integer) {
        return -compare_mixed(n, read_double(a));
    }
    double x = read_double(a);
    double y = read_double(b);
    return x < y ? -1 : x > y;
}
