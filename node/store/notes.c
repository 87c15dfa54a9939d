#include "node/store/notes.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static const char suffix[] = ".note";

bool gs_notes_name_valid(const char *name) {
    size_t length = strlen(name);
    for (size_t i = 0; i < length; i++) {
        bool ok = (name[i] >= 'a' && name[i] <= 'z') || (name[i] >= '0' && name[i] <= '9') || name[i] == '-';
        if (!ok) {
            return false;
        }
    }
    return length >= 1 && length <= GS_NOTES_NAME_MAX;
}

static bool make_path(const char *directory, const char *name, const char *end, char ret_path[PATH_MAX]) {
    int length = snprintf(ret_path, PATH_MAX, "%s/%s%s", directory, name, end);
    return length > 0 && length < PATH_MAX;
}

/* The name of a note's file without its ending; false if the file is none. */
static bool note_name(const char *file, char ret_name[GS_NOTES_NAME_MAX + 1]) {
    size_t length = strlen(file);
    size_t end = sizeof suffix - 1;
    if (length <= end || length - end > GS_NOTES_NAME_MAX || strcmp(file + length - end, suffix) != 0) {
        return false;
    }
    memcpy(ret_name, file, length - end);
    ret_name[length - end] = '\0';
    return gs_notes_name_valid(ret_name);
}

static int read_file(const char *path, struct gs_buffer *out) {
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0) {
        return GS_EIO;
    }
    int error = 0;
    for (;;) {
        uint8_t chunk[4096];
        ssize_t count = read(fd, chunk, sizeof chunk);
        if (count < 0 && errno == EINTR) {
            continue;
        }
        if (count <= 0) {
            error = count < 0 ? GS_EIO : out->failed;
            break;
        }
        gs_buffer_append(out, chunk, (size_t)count);
        if (out->failed != 0 || out->length > GS_NOTES_BYTES_MAX) {
            error = out->failed != 0 ? out->failed : GS_ETOOBIG;
            break;
        }
    }
    close(fd);
    return error;
}

static int visit_file(const char *directory, const char *name, gs_notes_fn visit, void *context,
                      struct gs_problem *problem) {
    char path[PATH_MAX];
    struct gs_buffer bytes = {0};
    int error = make_path(directory, name, suffix, path) ? read_file(path, &bytes) : GS_EINVAL;
    if (error != 0) {
        gs_problem_set(problem, error, NULL, "%s/%s%s: %s", directory, name, suffix, gs_error_message(error));
    } else {
        error = visit(context, name, gs_slice_make(bytes.bytes, bytes.length));
    }
    gs_buffer_close(&bytes);
    return error;
}

int gs_notes_visit(const char *directory, gs_notes_fn visit, void *context, struct gs_problem *problem) {
    if (mkdir(directory, 0700) != 0 && errno != EEXIST) {
        return gs_problem_set(problem, GS_EIO, NULL, "cannot make %s: %s", directory, strerror(errno));
    }
    DIR *files = opendir(directory);
    if (files == NULL) {
        return gs_problem_set(problem, GS_EIO, NULL, "cannot read %s: %s", directory, strerror(errno));
    }
    int error = 0;
    uint32_t count = 0;
    struct dirent *entry;
    while (error == 0 && (entry = readdir(files)) != NULL) {
        char name[GS_NOTES_NAME_MAX + 1];
        if (!note_name(entry->d_name, name)) {
            continue;
        }
        if (++count > GS_NOTES_MAX) {
            error = gs_problem_set(problem, GS_ETOOBIG, NULL, "%s holds more than %d notes", directory, GS_NOTES_MAX);
        } else {
            error = visit_file(directory, name, visit, context, problem);
        }
    }
    closedir(files);
    return error;
}

static int sync_directory(const char *directory) {
    int fd = open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    int result = fd >= 0 ? fsync(fd) : -1;
    if (fd >= 0) {
        close(fd);
    }
    return result == 0 ? 0 : GS_EIO;
}

static int write_file(const char *path, struct gs_slice bytes) {
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    if (fd < 0) {
        return GS_EIO;
    }
    size_t written = 0;
    while (written < bytes.length) {
        ssize_t count = write(fd, bytes.bytes + written, bytes.length - written);
        if (count < 0 && errno == EINTR) {
            continue;
        }
        if (count <= 0) {
            break;
        }
        written += (size_t)count;
    }
    int error = written == bytes.length && fsync(fd) == 0 ? 0 : GS_EIO;
    return close(fd) == 0 ? error : GS_EIO;
}

int gs_notes_put(const char *directory, const char *name, struct gs_slice bytes) {
    char path[PATH_MAX];
    char next[PATH_MAX];
    if (!gs_notes_name_valid(name) || bytes.length > GS_NOTES_BYTES_MAX || !make_path(directory, name, suffix, path) ||
        !make_path(directory, name, ".next", next)) {
        return GS_EINVAL;
    }
    int error = write_file(next, bytes);
    if (error == 0 && rename(next, path) != 0) {
        error = GS_EIO;
    }
    if (error != 0) {
        (void)unlink(next);
        return error;
    }
    return sync_directory(directory);
}

int gs_notes_remove(const char *directory, const char *name) {
    char path[PATH_MAX];
    if (!gs_notes_name_valid(name) || !make_path(directory, name, suffix, path)) {
        return GS_EINVAL;
    }
    if (unlink(path) != 0) {
        return errno == ENOENT ? 0 : GS_EIO;
    }
    return sync_directory(directory);
}
