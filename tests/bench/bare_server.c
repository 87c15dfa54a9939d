/* The least that CivetWeb can do: every request is answered with the same bytes, in one mg_write.
 *
 *     bare_server PORT THREADS FILE     FILE: the whole answer, head and body
 *
 * What a handler of ours costs is measured against this, side by side. Serves until its standard input ends. */
#include <civetweb.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

struct answer {
    char *bytes;
    size_t length;
};

static int on_request(struct mg_connection *connection) {
    const struct answer *answer = mg_get_user_context_data(connection);
    mg_write(connection, answer->bytes, answer->length);
    return 200;
}

static int read_answer(const char *path, struct answer *ret_answer) {
    static char bytes[65536];
    FILE *file = fopen(path, "rb");
    if (file == NULL) {
        return 1;
    }
    *ret_answer = (struct answer){.bytes = bytes, .length = fread(bytes, 1, sizeof bytes, file)};
    fclose(file);
    return 0;
}

int main(int argc, char **argv) {
    struct answer answer;
    char address[64];
    if (argc != 4 || read_answer(argv[3], &answer) != 0) {
        fprintf(stderr, "usage: bare_server PORT THREADS FILE\n");
        return 2;
    }
    snprintf(address, sizeof address, "127.0.0.1:%s", argv[1]);
    const char *options[] = {"listening_ports",
                             address,
                             "num_threads",
                             argv[2],
                             "enable_keep_alive",
                             "yes",
                             "tcp_nodelay",
                             "1",
                             "connection_queue",
                             "1000",
                             "listen_backlog",
                             "4096",
                             "request_timeout_ms",
                             "10000",
                             "keep_alive_timeout_ms",
                             "60000",
                             NULL};
    const struct mg_callbacks callbacks = {.begin_request = on_request};
    mg_init_library(0);
    struct mg_context *context = mg_start(&callbacks, &answer, options);
    if (context == NULL) {
        fprintf(stderr, "bare_server: cannot serve on %s\n", address);
        return 1;
    }
    char byte;
    while (read(STDIN_FILENO, &byte, 1) > 0) {
    }
    mg_stop(context);
    mg_exit_library();
    return 0;
}
