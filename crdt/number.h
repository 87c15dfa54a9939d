/* Numbers of canonical values, compared exactly. */
#ifndef GS_CRDT_NUMBER_H
#define GS_CRDT_NUMBER_H

#include <globalstate/codec.h>

/* True if `value` is an integer or a float. */
bool gs_is_number(struct gs_slice value);
/* Order of two numbers as numbers: 1 equals 1.0, and no integer is rounded on the way. */
int gs_number_compare(struct gs_slice a, struct gs_slice b);
/* The integer that `value` encodes; false if it is something else. */
bool gs_integer_read(struct gs_slice value, int64_t *ret_integer);

#endif
