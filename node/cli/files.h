/* Small files: keys, tokens, the trust file. */
#ifndef GS_NODE_CLI_FILES_H
#define GS_NODE_CLI_FILES_H

#include "gossip/identity.h"
#include "gossip/trust.h"

#include <globalstate/memory.h>

/* Appends a whole file of at most `max` bytes. GS_EIO or GS_ETOOBIG, with the reason in `problem->detail`. */
int gs_file_read(const char *path, size_t max, struct gs_buffer *ret_text, struct gs_problem *problem);
/* The same as a NUL-terminated line without its trailing newline. */
int gs_file_read_line(const char *path, struct gs_buffer *ret_text, struct gs_problem *problem);
/* Makes a file that only its owner may read. GS_EBUSY if it exists: a secret is never overwritten. */
int gs_file_write_secret(const char *path, const void *bytes, size_t length, struct gs_problem *problem);

/* Puts a file in place of another, whole or not at all. GS_EIO, GS_EINVAL (the path is too long). */
int gs_file_replace(const char *path, const void *bytes, size_t length, struct gs_problem *problem);

/* Key files hold one line: the 32-byte seed, base64. */
int gs_key_file_read(const char *path, struct gs_key_pair *ret_pair, struct gs_problem *problem);

/* A trust file; on failure the problem names the line. GS_EIO, GS_ETOOBIG, GS_EINVAL, GS_ENOMEM. */
int gs_trust_file_read(const char *path, struct gs_trust *ret_trust, struct gs_problem *problem);

#endif
