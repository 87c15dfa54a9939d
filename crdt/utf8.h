/* One step of UTF-8 decoding, shared by the validator and by those who cut text. */
#ifndef GS_CRDT_UTF8_H
#define GS_CRDT_UTF8_H

#include <stddef.h>
#include <stdint.h>

/* Length (1..4) of the well-formed sequence at `bytes`, of which `length` > 0 are there; 0 if it is not well-formed. */
size_t gs_utf8_sequence(const uint8_t *bytes, size_t length);

#endif
