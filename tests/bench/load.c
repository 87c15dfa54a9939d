/* An open-loop load: requests leave at their times, whether earlier ones have been answered or not, and what is
 * measured is how long after its time each was answered (so waiting is not left out of account).
 *
 *     load PORT TOKEN CONNECTIONS RATE SECONDS WRITE_PERCENT     RATE: requests a second, over all connections
 *
 * Reads GET /state/bench/kN, writes PATCH it. Each connection is used once before the time begins: keep-alive clients
 * are there already. Prints a JSON object: latencies of accepted (2xx) and refused (503) requests in milliseconds, the
 * slowest accepted one that was due in each second, and about the generator itself how long after their times requests
 * left and how much of a core it took: a generator that is late measures itself. */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum {
    KEYS = 1000,
    BUFFER = 4096,
    BUCKETS = 200000 /* of 10 microseconds */,
    EVENTS = 512,
    DRAIN_S = 10,
    TICK_US = 200, /* slept at least, instead of spinning: the cores are the server's, too */
    SECONDS_MAX = 600,
    WARM_UP_S = 60,
    WARM_UP_AT_ONCE = 32
};

/* What latencies are of. */
enum kind { READ, WRITE, REFUSED, SEND_LAG, ACCEPTED /* reads and writes together */, KINDS };

struct connection {
    int fd;
    bool busy, write;
    int64_t due_us;
    uint64_t answers;
    size_t length;
    char buffer[BUFFER];
};

struct load {
    uint16_t port;
    const char *token;
    uint32_t count;
    struct connection *connections;
    uint32_t *idle; /* a ring: who was answered longest ago asks next */
    uint32_t idle_first, idle_count;
    int epoll;
    uint64_t sent, answered, errors, statuses[6], late;
    int64_t begun_us;
    uint32_t histogram[KINDS][BUCKETS + 1];
    uint32_t slowest_us[SECONDS_MAX + DRAIN_S]; /* of the accepted requests that were due in each second */
};

static int64_t now_us(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000000 + now.tv_nsec / 1000;
}

static void put_idle(struct load *load, uint32_t index) {
    load->idle[(load->idle_first + load->idle_count++) % load->count] = index;
}

static int open_connection(struct load *load, uint32_t index) {
    struct connection *connection = &load->connections[index];
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(load->port)};
    int one = 1;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    connection->fd = socket(AF_INET, SOCK_STREAM, 0);
    if (connection->fd < 0 || connect(connection->fd, (struct sockaddr *)&address, sizeof address) != 0) {
        return -1;
    }
    setsockopt(connection->fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    fcntl(connection->fd, F_SETFL, O_NONBLOCK);
    struct epoll_event event = {.events = EPOLLIN, .data = {.u32 = index}};
    put_idle(load, index);
    return epoll_ctl(load->epoll, EPOLL_CTL_ADD, connection->fd, &event);
}

static void note(struct load *load, enum kind kind, int64_t due_us) {
    int64_t took_us = now_us() - due_us;
    size_t second = (size_t)((due_us - load->begun_us) / 1000000);
    load->histogram[kind][took_us / 10 < BUCKETS ? took_us / 10 : BUCKETS]++;
    if (kind <= WRITE) {
        load->histogram[ACCEPTED][took_us / 10 < BUCKETS ? took_us / 10 : BUCKETS]++;
    }
    if (kind <= WRITE && second < sizeof load->slowest_us / sizeof load->slowest_us[0] &&
        (uint64_t)took_us > load->slowest_us[second]) {
        load->slowest_us[second] = (uint32_t)took_us;
    }
}

static void send_request(struct load *load, int64_t due_us, bool write_request, uint32_t key) {
    static const char body[] = "{\"ops\":[{\"op\":\"increment\",\"path\":\"/n\",\"by\":1}]}";
    char text[2048];
    uint32_t index = load->idle[load->idle_first];
    load->idle_first = (load->idle_first + 1) % load->count;
    load->idle_count--;
    struct connection *connection = &load->connections[index];
    int length = snprintf(text, sizeof text, "%s /state/bench/k%u HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer %s\r\n",
                          write_request ? "PATCH" : "GET", (unsigned)key, load->token);
    length += write_request
                  ? snprintf(text + length, sizeof text - (size_t)length,
                             "Content-Type: application/json\r\nContent-Length: %zu\r\n\r\n%s", sizeof body - 1, body)
                  : snprintf(text + length, sizeof text - (size_t)length, "\r\n");
    note(load, SEND_LAG, due_us);
    connection->busy = true;
    connection->write = write_request;
    connection->due_us = due_us;
    connection->length = 0;
    load->sent++;
    if (send(connection->fd, text, (size_t)length, MSG_NOSIGNAL) != length) {
        load->errors++;
    }
}

/* The whole answer has arrived: its status; 0: not yet. */
static int complete(const struct connection *connection) {
    const char *end = strstr(connection->buffer, "\r\n\r\n");
    const char *length = end != NULL ? strstr(connection->buffer, "Content-Length: ") : NULL;
    if (end == NULL) {
        return 0;
    }
    size_t body = length != NULL && length < end ? strtoul(length + 16, NULL, 10) : 0;
    return connection->length >= (size_t)(end + 4 - connection->buffer) + body
               ? (int)strtol(connection->buffer + 9, NULL, 10)
               : 0;
}

static void receive(struct load *load, uint32_t index) {
    struct connection *connection = &load->connections[index];
    size_t room = BUFFER - 1 - connection->length;
    ssize_t got = recv(connection->fd, connection->buffer + connection->length, room, 0);
    if (got <= 0) {
        if (got == 0 || errno != EAGAIN) {
            load->errors++;
            epoll_ctl(load->epoll, EPOLL_CTL_DEL, connection->fd, NULL);
        }
        return;
    }
    connection->length += (size_t)got;
    connection->buffer[connection->length] = '\0';
    int status = complete(connection);
    if (status == 0) {
        return;
    }
    if (status < 300 || status == 503) {
        note(load, status == 503 ? REFUSED : connection->write ? WRITE : READ, connection->due_us);
    }
    load->statuses[status / 100 < 6 ? status / 100 : 0]++;
    load->answered++;
    connection->answers++;
    connection->busy = false;
    put_idle(load, index);
}

static void poll_once(struct load *load, int64_t wait_us) {
    struct epoll_event events[EVENTS];
    struct timespec wait = {.tv_sec = wait_us / 1000000, .tv_nsec = wait_us % 1000000 * 1000};
    int count = epoll_pwait2(load->epoll, events, EVENTS, &wait, NULL);
    for (int i = 0; i < count; i++) {
        receive(load, events[i].data.u32);
    }
}

/* Every connection is taken up by the server and has shown its token, a few at a time. False: not within a minute. */
static bool warm_up(struct load *load) {
    int64_t end_us = now_us() + (int64_t)WARM_UP_S * 1000000;
    for (uint32_t i = 0; i < load->count && now_us() < end_us;) {
        if (load->sent - load->answered < WARM_UP_AT_ONCE) {
            send_request(load, now_us(), false, i++ % KEYS);
        }
        poll_once(load, load->sent - load->answered < WARM_UP_AT_ONCE ? 0 : 1000);
    }
    while (load->answered + load->errors < load->sent && now_us() < end_us) {
        poll_once(load, 1000);
    }
    bool all = load->answered == load->count;
    load->sent = load->answered = load->errors = load->late = 0;
    memset(load->statuses, 0, sizeof load->statuses);
    memset(load->histogram, 0, sizeof load->histogram);
    memset(load->slowest_us, 0, sizeof load->slowest_us);
    for (uint32_t i = 0; i < load->count; i++) {
        load->connections[i].answers = 0;
    }
    return all;
}

static void run(struct load *load, double rate, double seconds, uint32_t write_percent) {
    int64_t begun_us = load->begun_us;
    uint64_t total = (uint64_t)(rate * seconds);
    uint32_t random = 1;
    for (uint64_t i = 0; i < total;) {
        int64_t due_us = begun_us + (int64_t)((double)i * 1e6 / rate);
        int64_t early_us = due_us - now_us();
        if (early_us > 0 || load->idle_count == 0) {
            load->late += load->idle_count == 0 ? 1 : 0;
            poll_once(load, load->idle_count == 0 ? 1000 : early_us > TICK_US ? early_us : TICK_US);
            if (now_us() > begun_us + (int64_t)((seconds + DRAIN_S) * 1e6)) {
                return;
            }
            continue;
        }
        random = random * 1664525u + 1013904223u;
        send_request(load, due_us, (random >> 16) % 100 < write_percent, (random >> 8) % KEYS);
        i++;
        if (i % 16 == 0) {
            poll_once(load, 0);
        }
    }
    int64_t end_us = now_us() + (int64_t)DRAIN_S * 1000000;
    while (load->answered + load->errors < load->sent && now_us() < end_us) {
        poll_once(load, 10000);
    }
}

static double percentile(const uint32_t *histogram, double share) {
    uint64_t all = 0;
    uint64_t sum = 0;
    for (size_t i = 0; i <= BUCKETS; i++) {
        all += histogram[i];
    }
    for (size_t i = 0; i <= BUCKETS; i++) {
        sum += histogram[i];
        if (all > 0 && (double)sum >= share * (double)all) {
            return (double)i / 100;
        }
    }
    return 0;
}

static double cpu_seconds(void) {
    struct rusage usage = {0};
    getrusage(RUSAGE_SELF, &usage);
    return (double)(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) +
           (double)(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) / 1e6;
}

static void report(const struct load *load, double seconds, double cpu_before_s) {
    static const char *const names[KINDS] = {"readMs", "writeMs", "refusedMs", "sendLagMs", "acceptedMs"};
    uint32_t served = 0;
    for (uint32_t i = 0; i < load->count; i++) {
        served += load->connections[i].answers > 0 ? 1 : 0;
    }
    printf("{\"connections\":%u,\"served\":%u,\"sent\":%llu,\"answered\":%llu,\"rate\":%.0f,\"errors\":%llu,",
           (unsigned)load->count, (unsigned)served, (unsigned long long)load->sent, (unsigned long long)load->answered,
           (double)load->answered / seconds, (unsigned long long)load->errors);
    printf("\"2xx\":%llu,\"4xx\":%llu,\"5xx\":%llu", (unsigned long long)load->statuses[2],
           (unsigned long long)load->statuses[4], (unsigned long long)load->statuses[5]);
    for (int i = 0; i < KINDS; i++) {
        printf(",\"%s\":{\"p50\":%.2f,\"p99\":%.2f,\"p999\":%.2f}", names[i], percentile(load->histogram[i], 0.5),
               percentile(load->histogram[i], 0.99), percentile(load->histogram[i], 0.999));
    }
    printf(",\"noIdleConnection\":%llu,\"generatorCores\":%.2f,\"slowestMs\":[", (unsigned long long)load->late,
           (cpu_seconds() - cpu_before_s) / seconds);
    for (size_t i = 0; i < (size_t)seconds && i < SECONDS_MAX; i++) {
        printf("%s%.1f", i > 0 ? "," : "", load->slowest_us[i] / 1e3);
    }
    printf("]}\n");
}

int main(int argc, char **argv) {
    static struct load load;
    if (argc != 7) {
        fprintf(stderr, "usage: load PORT TOKEN CONNECTIONS RATE SECONDS WRITE_PERCENT\n");
        return 2;
    }
    load.port = (uint16_t)strtoul(argv[1], NULL, 10);
    load.token = argv[2];
    load.count = (uint32_t)strtoul(argv[3], NULL, 10);
    load.connections = calloc(load.count, sizeof *load.connections);
    load.idle = calloc(load.count, sizeof *load.idle);
    load.epoll = epoll_create1(0);
    for (uint32_t i = 0; i < load.count; i++) {
        if (load.connections == NULL || load.idle == NULL || open_connection(&load, i) != 0) {
            fprintf(stderr, "load: connection %u: %s\n", (unsigned)i, strerror(errno));
            return 1;
        }
    }
    double seconds = strtod(argv[5], NULL);
    if (!warm_up(&load)) {
        fprintf(stderr, "load: not every connection was answered\n");
        return 1;
    }
    double cpu_before_s = cpu_seconds();
    load.begun_us = now_us();
    run(&load, strtod(argv[4], NULL), seconds, (uint32_t)strtoul(argv[6], NULL, 10));
    report(&load, seconds, cpu_before_s);
    return 0;
}
