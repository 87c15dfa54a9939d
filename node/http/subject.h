/* Subjects: those whose tokens write, read and ask; what the law wants to be shown and forgotten. */
#ifndef GS_NODE_HTTP_SUBJECT_H
#define GS_NODE_HTTP_SUBJECT_H

#include "node/http/response.h"

enum { GS_SUBJECT_BYTES_MAX = 256 };

/* The subject that the path names, in the request's arena. GS_EINVAL: empty, too long, or no text. */
int gs_subject_read(const struct gs_http_request *request, struct gs_slice *ret_subject, struct gs_http_fault *fault);

#endif
