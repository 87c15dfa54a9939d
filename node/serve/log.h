/* The node's log, on standard error: a JSON object a line, or plain text where a person looks on (a terminal).
 *
 *     {"time":"2026-01-31T12:00:00.123Z","level":"info","event":"started","message":"region eu-west serves HTTP on …"}
 *     globalstate: region eu-west serves HTTP on …
 *
 * The lines of requests (node/http/access_log.h) have the same beginning, and their request id. Each line is one write,
 * so that lines of several threads do not mix. Never fails: there is nowhere to say so. */
#ifndef GS_NODE_SERVE_LOG_H
#define GS_NODE_SERVE_LOG_H

#include <globalstate/memory.h>

enum gs_log_level { GS_LOG_INFO, GS_LOG_WARNING, GS_LOG_ERROR };

/* `event` is one word that stays the same: what programs look for. The message is for people. */
#if defined(__GNUC__)
__attribute__((format(printf, 3, 4)))
#endif
void gs_log(enum gs_log_level level, const char *event, const char *format, ...);

/* For lines with members of their own: `{"time":…,"level":…,"event":…`, without the end; and the writing of a whole
 * line, to which the newline is added. */
void gs_log_begin(enum gs_log_level level, const char *event, struct gs_buffer *line);
void gs_log_write(struct gs_buffer *line);

#endif
