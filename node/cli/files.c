#include "node/cli/files.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <sodium.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

enum { TRUST_FILE_MAX = 1024 * 1024 };

int gs_file_read(const char *path, size_t max, struct gs_buffer *ret_text, struct gs_problem *problem) {
    int file = open(path, O_RDONLY | O_CLOEXEC);
    if (file < 0) {
        return gs_problem_set(problem, GS_EIO, path, "cannot read %s: %s", path, strerror(errno));
    }
    int error = 0;
    ssize_t got = 1;
    while (got > 0 && error == 0) {
        uint8_t chunk[4096];
        got = read(file, chunk, sizeof chunk);
        if (got < 0) {
            error = gs_problem_set(problem, GS_EIO, path, "cannot read %s: %s", path, strerror(errno));
        } else if (ret_text->length + (size_t)got > max) {
            error = gs_problem_set(problem, GS_ETOOBIG, path, "%s is larger than %zu bytes", path, max);
        } else {
            gs_buffer_append(ret_text, chunk, (size_t)got);
        }
    }
    close(file);
    return error != 0 ? error : ret_text->failed;
}

int gs_file_read_line(const char *path, struct gs_buffer *ret_text, struct gs_problem *problem) {
    int error = gs_file_read(path, 16 * 1024, ret_text, problem);
    while (error == 0 && ret_text->length > 0 &&
           (ret_text->bytes[ret_text->length - 1] == '\n' || ret_text->bytes[ret_text->length - 1] == '\r')) {
        ret_text->length--;
    }
    gs_buffer_byte(ret_text, '\0');
    return error != 0 ? error : ret_text->failed;
}

int gs_file_write_secret(const char *path, const void *bytes, size_t length, struct gs_problem *problem) {
    int file = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (file < 0) {
        return gs_problem_set(problem, errno == EEXIST ? GS_EBUSY : GS_EIO, path,
                              errno == EEXIST ? "%s exists already; it is left as it is (%s)" : "cannot make %s: %s",
                              path, strerror(errno));
    }
    ssize_t written = write(file, bytes, length);
    bool complete = written == (ssize_t)length && fsync(file) == 0;
    int reason = errno;
    close(file);
    if (!complete) {
        unlink(path);
        return gs_problem_set(problem, GS_EIO, path, "cannot write %s: %s", path, strerror(reason));
    }
    return 0;
}

int gs_file_replace(const char *path, const void *bytes, size_t length, struct gs_problem *problem) {
    char next[PATH_MAX];
    int size = snprintf(next, sizeof next, "%s.next", path);
    if (size < 0 || (size_t)size >= sizeof next) {
        return gs_problem_set(problem, GS_EINVAL, path, "the path is too long");
    }
    int file = open(next, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
    bool written = file >= 0 && write(file, bytes, length) == (ssize_t)length && fsync(file) == 0;
    int reason = errno;
    if (file >= 0) {
        close(file);
    }
    if (written && rename(next, path) == 0) {
        return 0;
    }
    reason = written ? errno : reason;
    (void)unlink(next);
    return gs_problem_set(problem, GS_EIO, path, "cannot write %s: %s", path, strerror(reason));
}

int gs_key_file_read(const char *path, struct gs_key_pair *ret_pair, struct gs_problem *problem) {
    struct gs_buffer text = {0};
    uint8_t seed[GS_SEED_SIZE];
    size_t length = 0;
    int error = gs_file_read_line(path, &text, problem);
    if (error == 0 && (sodium_base642bin(seed, sizeof seed, (const char *)text.bytes, text.length - 1, NULL, &length,
                                         NULL, sodium_base64_VARIANT_ORIGINAL) != 0 ||
                       length != sizeof seed)) {
        error = gs_problem_set(problem, GS_EINVAL, path, "%s does not hold a key made by `globalstate keygen`", path);
    }
    if (error == 0) {
        gs_key_pair_from_seed(seed, ret_pair);
    }
    sodium_memzero(seed, sizeof seed);
    if (text.bytes != NULL) {
        sodium_memzero(text.bytes, text.length);
    }
    gs_buffer_close(&text);
    return error;
}

int gs_trust_file_read(const char *path, struct gs_trust *ret_trust, struct gs_problem *problem) {
    struct gs_buffer text = {0};
    int error = gs_file_read(path, TRUST_FILE_MAX, &text, problem);
    if (error == 0) {
        error = gs_trust_parse((const char *)text.bytes, text.length, ret_trust, problem);
        if (error != 0) {
            struct gs_problem cause = *problem; /* its field is the line */
            gs_problem_set(problem, error, path, "%s, %s: %s", path, cause.field, cause.detail);
        }
    }
    gs_buffer_close(&text);
    return error;
}
