/* The tokens of JSON text, each written as canonical msgpack as it is read. Private to the JSON reader. */
#ifndef GS_CRDT_JSON_TOKEN_H
#define GS_CRDT_JSON_TOKEN_H

#include <globalstate/codec.h>

/* Text being read; borrowed. On failure `at` is where it went wrong, and `wrong` says how (static; may be NULL). */
struct gs_json_text {
    const uint8_t *start;
    const uint8_t *at;
    const uint8_t *end;
    const char *wrong;
};

/* Each starts at the token's first byte and appends its value to `out`. 0, GS_EJSON, GS_EUTF8, GS_ERANGE, GS_ENOMEM.
 * Keys may not hold U+0000. */
int gs_json_token_string(struct gs_json_text *text, bool is_key, struct gs_buffer *out);
int gs_json_token_number(struct gs_json_text *text, struct gs_buffer *out);
/* true, false, null; anything else is an error. */
int gs_json_token_word(struct gs_json_text *text, struct gs_buffer *out);

void gs_json_skip_space(struct gs_json_text *text);

/* Records what is wrong, and where; returns `error`. */
int gs_json_text_fail(struct gs_json_text *text, const uint8_t *at, int error, const char *wrong);

#endif
