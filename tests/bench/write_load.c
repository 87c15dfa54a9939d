/* Clients that write as fast as they are answered: each has one request under way on a keep-alive connection.
 *
 * usage: write_load PORT TOKEN CLIENTS EVENTS-A-REQUEST SECONDS
 *
 * One line: events a second, requests a second, p50, p99 and maximum of a request in milliseconds, and how many
 * requests were refused with 503, after which a client rests for a moment; exit status 1 if any other answer was not
 * 2xx. One thread: it costs the machine as little as a client can. */
#include <globalstate/memory.h>

#include <arpa/inet.h>
#include <netinet/tcp.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <time.h>
#include <unistd.h>

enum { CLIENTS_MAX = 4096, REQUESTS_MAX = 4000000, AGGREGATES = 1000, ANSWER_MAX = 1024 * 1024 };

struct client {
    int fd;
    double begun;
    double resting_until; /* 0: it does not rest */
    struct gs_buffer out; /* the request */
    size_t out_sent;
};

#define REST_S 0.02

static struct client clients[CLIENTS_MAX];
static char *answer;
static float *times;
static uint64_t answered, refused, failed;
static uint32_t per_request;
static const char *token;
static unsigned counter;

static double now_s(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + (double)now.tv_nsec * 1e-9;
}

static void require(bool condition, const char *what) {
    if (!condition) {
        perror(what);
        exit(1);
    }
}

static void write_event(struct gs_buffer *out) {
    unsigned player = counter++ * 7919 % AGGREGATES;
    gs_buffer_printf(out,
                     "{\"aggregateType\":\"player\",\"aggregateId\":\"player-%u\",\"eventType\":\"player.hit\","
                     "\"ops\":[{\"op\":\"increment\",\"path\":\"/gold\",\"by\":5},{\"op\":\"set\",\"path\":"
                     "\"/last\",\"value\":\"battle-%u\"}]}",
                     player, counter);
}

static void make_request(struct client *client) {
    static struct gs_buffer body;
    body.length = 0;
    gs_buffer_text(&body, per_request > 1 ? "{\"events\":[" : "");
    for (uint32_t i = 0; i < per_request; i++) {
        gs_buffer_text(&body, i > 0 ? "," : "");
        write_event(&body);
    }
    gs_buffer_text(&body, per_request > 1 ? "]}" : "");
    client->out.length = 0;
    gs_buffer_printf(&client->out,
                     "POST /events HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: Bearer %s\r\nContent-Type: "
                     "application/json\r\nContent-Length: %zu\r\n\r\n",
                     token, body.length);
    gs_buffer_append(&client->out, body.bytes, body.length);
    require(body.failed == 0 && client->out.failed == 0, "memory");
    client->out_sent = 0;
    client->begun = now_s();
}

static void send_some(struct client *client) {
    while (client->out_sent < client->out.length) {
        ssize_t sent = send(client->fd, client->out.bytes + client->out_sent, client->out.length - client->out_sent,
                            MSG_DONTWAIT | MSG_NOSIGNAL);
        if (sent <= 0) {
            return; /* EAGAIN: the next event goes on */
        }
        client->out_sent += (size_t)sent;
    }
}

/* The status of a whole answer has come. Answers are short; one buffer serves all, as each is read at a stretch or
 * again.
 */
static int read_answer(struct client *client) {
    ssize_t length = recv(client->fd, answer, ANSWER_MAX, MSG_PEEK | MSG_DONTWAIT);
    require(length != 0, "the node has closed a connection");
    if (length < 0) {
        return 0;
    }
    char *end = memmem(answer, (size_t)length, "\r\n\r\n", 4);
    if (end == NULL) {
        return 0;
    }
    const char *field = memmem(answer, (size_t)(end - answer), "Content-Length: ", 16);
    size_t whole = (size_t)(end + 4 - answer) + (field != NULL ? strtoul(field + 16, NULL, 10) : 0);
    if ((size_t)length < whole) {
        require(whole <= ANSWER_MAX, "an answer is too long");
        return 0;
    }
    int status = (int)strtol(answer + 9, NULL, 10);
    require(recv(client->fd, answer, whole, 0) == (ssize_t)whole, "recv");
    return status;
}

static void take_answer(struct client *client) {
    int status = read_answer(client);
    if (status == 0) {
        return;
    }
    if (status == 503) {
        refused++;
        client->resting_until = now_s() + REST_S;
        return;
    }
    failed += status / 100 != 2 || status == 207 ? 1 : 0;
    if (answered < REQUESTS_MAX) {
        times[answered++] = (float)(now_s() - client->begun);
    }
    make_request(client);
    send_some(client);
}

static void wake_rested(int count) {
    double now = now_s();
    for (int i = 0; i < count; i++) {
        if (clients[i].resting_until > 0 && clients[i].resting_until <= now) {
            clients[i].resting_until = 0;
            make_request(&clients[i]);
            send_some(&clients[i]);
        }
    }
}

static void open_client(struct client *client, int port, int epoll) {
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
    int on = 1;
    int size = ANSWER_MAX;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    client->fd = socket(AF_INET, SOCK_STREAM, 0);
    require(client->fd >= 0, "socket");
    if (per_request > 1) {
        (void)setsockopt(client->fd, SOL_SOCKET, SO_RCVBUF, &size, sizeof size);
    }
    require(connect(client->fd, (struct sockaddr *)&address, sizeof address) == 0, "connect");
    (void)setsockopt(client->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    struct epoll_event event = {.events = EPOLLIN, .data.ptr = client};
    require(epoll_ctl(epoll, EPOLL_CTL_ADD, client->fd, &event) == 0, "epoll_ctl");
    make_request(client);
    send_some(client);
}

static int compare_float(const void *a, const void *b) {
    float x = *(const float *)a;
    float y = *(const float *)b;
    return (x > y) - (x < y);
}

static void report(double seconds) {
    require(answered > 0, "nothing was answered");
    qsort(times, answered, sizeof *times, compare_float);
    printf("%.0f %.0f %.3f %.3f %.3f %llu\n", (double)(answered * per_request) / seconds, (double)answered / seconds,
           (double)times[answered / 2] * 1e3, (double)times[answered * 99 / 100] * 1e3,
           (double)times[answered - 1] * 1e3, (unsigned long long)refused);
}

static int number(const char *text) {
    char *end = NULL;
    long value = strtol(text, &end, 10);
    require(end != text && *end == '\0' && value > 0 && value < 100000, text);
    return (int)value;
}

int main(int argc, char **argv) {
    if (argc != 6) {
        fprintf(stderr, "usage: write_load PORT TOKEN CLIENTS EVENTS-A-REQUEST SECONDS\n");
        return 2;
    }
    int port = number(argv[1]);
    token = argv[2];
    int count = number(argv[3]);
    per_request = (uint32_t)number(argv[4]);
    double seconds = strtod(argv[5], NULL);
    answer = malloc(ANSWER_MAX);
    times = malloc(REQUESTS_MAX * sizeof *times);
    int epoll = epoll_create1(0);
    require(answer != NULL && times != NULL && epoll >= 0 && count >= 1 && count <= CLIENTS_MAX, "start");
    for (int i = 0; i < count; i++) {
        open_client(&clients[i], port, epoll);
    }
    double begun = now_s();
    double end = begun + seconds;
    while (now_s() < end) {
        struct epoll_event events[256];
        int ready = epoll_wait(epoll, events, 256, 10);
        for (int i = 0; i < ready; i++) {
            struct client *client = events[i].data.ptr;
            send_some(client);
            if (client->out_sent == client->out.length) {
                take_answer(client);
            }
        }
        wake_rested(count);
    }
    report(now_s() - begun);
    return failed > 0 ? 1 : 0;
}
