/* The thread that writes what is projected from the log, for engines that may do so apart from their other methods
 * (gs_store_methods.projects_apart): commits never wait for it. */
#ifndef GS_NODE_STORE_PROJECT_THREAD_H
#define GS_NODE_STORE_PROJECT_THREAD_H

#include "node/store/store.h"

struct gs_project_thread;

/* `store` is borrowed until the thread is stopped. GS_ENOMEM, GS_EIO (no thread to be had). */
int gs_project_thread_start(struct gs_store *store, struct gs_project_thread **ret_thread);

/* The log has grown. What comes within a moment is projected together. */
void gs_project_thread_wake(struct gs_project_thread *thread);
/* Somebody waits: at once, please. */
void gs_project_thread_hurry(struct gs_project_thread *thread);

/* Ends after the slice under way, and frees it. NULL is allowed. */
void gs_project_thread_stop(struct gs_project_thread *thread);

#endif
