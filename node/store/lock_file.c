#include "node/store/lock_file.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

enum { PID_TEXT_MAX = 24 };

/* The process that wrote the file, or 0. */
static long holder(int fd) {
    char text[PID_TEXT_MAX] = {0};
    ssize_t length = pread(fd, text, sizeof text - 1, 0);
    return length > 0 ? strtol(text, NULL, 10) : 0;
}

/* Without its number the lock still holds, so a full disk does not stop a start here. */
static void write_holder(int fd) {
    char text[PID_TEXT_MAX];
    int length = snprintf(text, sizeof text, "%ld\n", (long)getpid());
    if (ftruncate(fd, 0) == 0 && pwrite(fd, text, (size_t)length, 0) != length) {
        (void)!ftruncate(fd, 0);
    }
}

static int refuse(int fd, const char *path, int cause, struct gs_problem *problem) {
    if (cause != EWOULDBLOCK) {
        return gs_problem_set(problem, GS_EIO, NULL, "%s: cannot be locked: %s", path, strerror(cause));
    }
    long pid = holder(fd);
    if (pid <= 0) {
        return gs_problem_set(problem, GS_EBUSY, NULL, "%s is in use by another process", path);
    }
    return gs_problem_set(problem, GS_EBUSY, NULL, "%s is in use by process %ld", path, pid);
}

int gs_lock_file_acquire(const char *path, int *ret_fd, struct gs_problem *problem) {
    char lock_path[PATH_MAX];
    int length = snprintf(lock_path, sizeof lock_path, "%s.lock", path);
    if (length < 0 || (size_t)length >= sizeof lock_path) {
        return gs_problem_set(problem, GS_EINVAL, NULL, "the path is longer than %d bytes", PATH_MAX - 6);
    }
    int fd = open(lock_path, O_RDWR | O_CREAT | O_CLOEXEC, 0644);
    if (fd < 0) {
        return gs_problem_set(problem, GS_EIO, NULL, "%s: %s", lock_path, strerror(errno));
    }
    int result;
    do {
        result = flock(fd, LOCK_EX | LOCK_NB);
    } while (result != 0 && errno == EINTR);
    if (result != 0) {
        int error = refuse(fd, path, errno, problem);
        close(fd);
        return error;
    }
    write_holder(fd);
    *ret_fd = fd;
    return 0;
}

void gs_lock_file_release(int fd) {
    if (fd >= 0) {
        (void)!ftruncate(fd, 0);
        close(fd);
    }
}
