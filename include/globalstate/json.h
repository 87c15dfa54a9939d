/* JSON text to canonical values and back (RFC 8259, with I-JSON's strictness, RFC 7493).
 *
 * Integers are exact over int64; a number with a fraction or exponent becomes a float64; what neither holds is refused,
 * as are duplicate keys, invalid UTF-8, unpaired surrogates, U+0000 in keys, and nesting past the caller's cap. "-0" is
 * 0. Recursion is bounded by that cap; memory by the text's length. */
#ifndef GLOBALSTATE_JSON_H
#define GLOBALSTATE_JSON_H

#include <globalstate/codec.h>

/* Parses exactly one JSON value (white space around it is allowed) and appends its canonical encoding to `out`.
 * `depth_max` ≤ GS_VALUE_DEPTH_MAX + 8 counts arrays and objects. Errors: GS_EJSON, GS_EDUPKEY, GS_EUTF8, GS_EDEPTH,
 * GS_ERANGE, GS_ETOOBIG (nodes), GS_ENOMEM; `problem` (optional) names the JSON Pointer reached and the byte offset.
 * `out` may then hold part of a value. */
int gs_json_parse(const char *text, size_t length, int depth_max, struct gs_buffer *out, struct gs_problem *problem);

/* Appends the JSON text of one canonical value: no white space, shortest decimal that reads back the same float64, bin
 * as base64. `value` must be canonical (as gs_read_value checked). */
void gs_json_write(struct gs_slice value, struct gs_buffer *out);

/* Appends a JSON string literal of UTF-8 bytes, quotes included. */
void gs_json_write_string(const void *bytes, size_t length, struct gs_buffer *out);
void gs_json_write_double(double value, struct gs_buffer *out);

/* Finds `key` in a canonical map value: the member's value, or {NULL, 0} if it is not a map or lacks the key.
 * O(length). */
struct gs_slice gs_map_get(struct gs_slice map, const char *key);
/* Kind of a canonical value; GS_KIND_NIL for the empty slice. */
enum gs_kind gs_value_kind(struct gs_slice value);

#endif
