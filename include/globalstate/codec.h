/* Canonical msgpack: one encoding for each value.
 *
 * https://github.com/msgpack/msgpack/blob/master/spec.md restricted to nil, bool, int64, float64, str (UTF-8), bin,
 * array and map with str keys. Canonical means: integers and lengths take the fewest bytes; a number that is an integer
 * is encoded as one only if it was written as one (1 and 1.0 differ); floats are float64, finite, and never -0.0; map
 * keys are sorted by their bytes and unique. Two values are equal exactly when their encodings are.
 *
 * The writer appends to a gs_buffer and fails only as the buffer does. The reader is for hostile bytes: it checks every
 * length against what is left before using it, counts nodes against a budget, and refuses whatever is not canonical.
 * (msgpack-c reserves what an array32 header claims and accepts non-minimal forms, so it serves the tests as a second
 * opinion, not the product.) */
#ifndef GLOBALSTATE_CODEC_H
#define GLOBALSTATE_CODEC_H

#include <globalstate/error.h>
#include <globalstate/memory.h>

#include <stdbool.h>

enum {
    GS_VALUE_DEPTH_MAX = 16,         /* nesting of arrays and maps in a value; a scalar has depth 0 */
    GS_VALUE_NODES_MAX = 256 * 1024, /* scalars, arrays, maps and keys in one value */
};

void gs_write_nil(struct gs_buffer *buffer);
void gs_write_bool(struct gs_buffer *buffer, bool value);
void gs_write_int(struct gs_buffer *buffer, int64_t value);
/* Sequence numbers and clocks use all 64 bits; up to INT64_MAX the encoding equals gs_write_int's. */
void gs_write_uint(struct gs_buffer *buffer, uint64_t value);
/* `value` must be finite; -0.0 becomes 0.0. */
void gs_write_double(struct gs_buffer *buffer, double value);
/* `length` ≤ UINT32_MAX; the bytes must be valid UTF-8. */
void gs_write_str(struct gs_buffer *buffer, const void *bytes, size_t length);
void gs_write_bin(struct gs_buffer *buffer, const void *bytes, size_t length);
void gs_write_array(struct gs_buffer *buffer, uint32_t count);
void gs_write_map(struct gs_buffer *buffer, uint32_t count);

enum gs_kind {
    GS_KIND_NIL,
    GS_KIND_BOOL,
    GS_KIND_INT,
    GS_KIND_DOUBLE,
    GS_KIND_STR,
    GS_KIND_BIN,
    GS_KIND_ARRAY,
    GS_KIND_MAP
};

/* Reads forward over borrowed bytes. After the first error every read fails with it and yields 0 or empty, so that a
 * decoder may check once at its end, before it uses a count or a length. Counts that a read yields never exceed the
 * bytes left. */
struct gs_reader {
    const uint8_t *at;
    const uint8_t *end;
    uint32_t nodes_left; /* budget, GS_EFORMAT when used up */
    int error;           /* 0 or the first error */
};

/* The budget starts at GS_VALUE_NODES_MAX; who reads more than one value (a whole state) sets `nodes_left` after. */
void gs_reader_init(struct gs_reader *reader, const void *bytes, size_t length);

/* Fails the reader (if it has not failed yet) and returns its error. */
int gs_reader_fail(struct gs_reader *reader, int error);

/* 0 if everything was read without error; GS_EFORMAT if bytes are left over. */
int gs_reader_finish(struct gs_reader *reader);

/* Kind of the next value, without moving; GS_KIND_NIL and the reader failed if there is none or it is not a kind of
 * ours. */
enum gs_kind gs_peek_kind(struct gs_reader *reader);

void gs_read_nil(struct gs_reader *reader);
bool gs_read_bool(struct gs_reader *reader);
int64_t gs_read_int(struct gs_reader *reader);
uint64_t gs_read_uint(struct gs_reader *reader);
/* An unsigned integer ≤ max, for counts, codes and indexes. */
uint32_t gs_read_u32(struct gs_reader *reader, uint32_t max);
double gs_read_double(struct gs_reader *reader);
/* Slices point into the input. str is checked to be UTF-8. Longer than `max`: the reader fails with GS_ETOOBIG. */
struct gs_slice gs_read_str(struct gs_reader *reader, size_t max);
struct gs_slice gs_read_bin(struct gs_reader *reader, size_t max);
/* Exactly `size` bytes of bin, copied to `ret` (zeroed on failure). */
void gs_read_bin_exact(struct gs_reader *reader, void *ret, size_t size);
uint32_t gs_read_array(struct gs_reader *reader, uint32_t max);
/* Fails unless the next value is an array of exactly `count`. */
void gs_read_array_exact(struct gs_reader *reader, uint32_t count);
uint32_t gs_read_map(struct gs_reader *reader, uint32_t max);
/* One whole value of any kind, checked to be canonical, at most GS_VALUE_DEPTH_MAX deep; the slice spans its encoding.
 */
struct gs_slice gs_read_value(struct gs_reader *reader);
/* Moves past one value that was checked before, of any depth, and returns its span. Keys and text are not looked at. */
struct gs_slice gs_skip_value(struct gs_reader *reader);

/* True if the bytes are valid UTF-8 (RFC 3629: no surrogates, no overlong forms, at most U+10FFFF). */
bool gs_utf8_valid(const void *bytes, size_t length);

#endif
