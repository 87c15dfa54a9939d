/* To be preloaded: one fsync or fdatasync fails with EIO when the file that FAIL_FSYNC_IF names is there; the file goes
 * with it, and everything works again, as on Linux, where an error of fsync is told once and the pages are dropped. */
#include <dlfcn.h>
#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

static int sync_with(const char *name, int fd) {
    const char *trigger = getenv("FAIL_FSYNC_IF");
    if (trigger != NULL && unlink(trigger) == 0) {
        errno = EIO;
        return -1;
    }
    int (*real)(int) = NULL;
    *(void **)&real = dlsym(RTLD_NEXT, name);
    return real(fd);
}

int fsync(int fd) {
    return sync_with("fsync", fd);
}

int fdatasync(int fd) {
    return sync_with("fdatasync", fd);
}
