/* Paths of calls about a subject. */
#ifndef GS_NODE_CLI_SUBJECT_PATH_H
#define GS_NODE_CLI_SUBJECT_PATH_H

#include <globalstate/memory.h>

/* Appends "/subjects/SUBJECT/CALL", the subject percent-encoded, without a NUL. */
void gs_subject_path_write(const char *subject, const char *call, struct gs_buffer *out);

#endif
