/* A lock file: a data directory belongs to one process.
 *
 * flock(2), because it belongs to the open file: the kernel drops it with the process, however that ends, and a second
 * open in the same process is refused as well. The file stays when the lock goes: removing it would let two processes
 * hold locks on two files of one name. */
#ifndef GS_NODE_STORE_LOCK_FILE_H
#define GS_NODE_STORE_LOCK_FILE_H

#include <globalstate/error.h>

/* Makes the file PATH.lock if it is absent, locks it and writes the process id into it. GS_EBUSY names the holder,
 * GS_EINVAL (path too long), GS_EIO. */
int gs_lock_file_acquire(const char *path, int *ret_fd, struct gs_problem *problem);

/* Gives the lock up; -1 is allowed. */
void gs_lock_file_release(int fd);

#endif
