/* A wide-area network in a process: routes IP packets between the TUN devices of network namespaces and treats each
 * direction of each pair as a line with a delay, a rate and damage.
 *
 *   wan_router FD…          descriptors of open TUN devices (IFF_TUN | IFF_NO_PI); the n-th has the address 10.99.0.n
 *   stdin, a line each      FROM TO DELAY_MS BYTES_PER_S DAMAGE_PPM     numbers from 1; a rate of 0 is none
 *                           each line is answered by "ok" on stdout, or by what is wrong; end of file ends the router
 *
 * Many kernels lack netem, which is why this is here; loss and cuts are left to nftables inside the namespaces. A line
 * is a queue: a packet leaves when those before it have (at the line's rate) and arrives DELAY_MS later, in order; more
 * than QUEUE_BYTES are dropped at the end, as routers do. Damage flips one bit in a TCP payload and mends the checksum,
 * so that the receiving kernel takes it and the application has to notice. */
#include <arpa/inet.h>
#include <errno.h>
#include <poll.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum {
    DEVICES_MAX = 16,
    PACKET_MAX = 65536,
    QUEUE_BYTES = 4 * 1024 * 1024,
    BURST = 64, /* packets read of a device before others get their turn */
    IP_HEADER = 20,
    TCP_HEADER = 20
};

struct packet {
    struct packet *next;
    uint64_t due_ns;
    size_t length;
    uint8_t bytes[];
};

struct line {
    uint64_t delay_ns;
    uint64_t bytes_per_s;
    uint32_t damage_ppm;
    uint64_t free_ns; /* when the last packet will have left */
    size_t queued;
    struct packet *first, *last;
};

static int devices[DEVICES_MAX];
static int device_count;
static struct line lines[DEVICES_MAX][DEVICES_MAX];
static uint64_t seed = 88172645463325252u;

static uint64_t now_ns(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

/* xorshift64 (Marsaglia 2003): the same damage in every run of the same packets. */
static uint64_t draw(void) {
    seed ^= seed << 13;
    seed ^= seed >> 7;
    seed ^= seed << 17;
    return seed;
}

/* Flips a bit of a TCP payload and of the checksum, so that they still fit (RFC 1624, equation 3). Other packets stay.
 */
static void damage(uint8_t *packet, size_t length) {
    size_t ip = (size_t)(packet[0] & 15) * 4;
    if (packet[9] != 6 || length < ip + TCP_HEADER) {
        return;
    }
    size_t tcp = (size_t)(packet[ip + 12] >> 4) * 4;
    size_t payload = ip + tcp;
    if (length <= payload) {
        return;
    }
    size_t at = payload + draw() % (length - payload);
    size_t word = ip + ((at - ip) & ~(size_t)1); /* 16-bit words of the sum begin at the TCP header */
    uint16_t before = (uint16_t)(packet[word] << 8 | (word + 1 < length ? packet[word + 1] : 0));
    packet[at] ^= (uint8_t)(1u << (draw() & 7));
    uint16_t after = (uint16_t)(packet[word] << 8 | (word + 1 < length ? packet[word + 1] : 0));
    uint32_t sum = (uint16_t) ~(packet[ip + 16] << 8 | packet[ip + 17]);
    sum += (uint16_t)~before;
    sum += after;
    sum = (sum & 0xffff) + (sum >> 16);
    sum = (sum & 0xffff) + (sum >> 16);
    sum = ~sum & 0xffff;
    packet[ip + 16] = (uint8_t)(sum >> 8);
    packet[ip + 17] = (uint8_t)sum;
}

static void enqueue(struct line *line, const uint8_t *bytes, size_t length) {
    uint64_t now = now_ns();
    struct packet *packet = NULL;
    if (line->queued + length > QUEUE_BYTES || (packet = malloc(sizeof *packet + length)) == NULL) {
        return; /* lost, as in any full router */
    }
    memcpy(packet->bytes, bytes, length);
    if (line->damage_ppm > 0 && draw() % 1000000 < line->damage_ppm) {
        damage(packet->bytes, length);
    }
    line->free_ns = line->free_ns > now ? line->free_ns : now;
    if (line->bytes_per_s > 0) {
        line->free_ns += length * 1000000000u / line->bytes_per_s;
    }
    packet->due_ns = line->free_ns + line->delay_ns;
    if (line->last != NULL && packet->due_ns < line->last->due_ns) {
        packet->due_ns = line->last->due_ns; /* the delay was made shorter: still in order */
    }
    packet->length = length;
    packet->next = NULL;
    line->queued += length;
    if (line->last == NULL) {
        line->first = packet;
    } else {
        line->last->next = packet;
    }
    line->last = packet;
}

static void read_device(int from) {
    static uint8_t bytes[PACKET_MAX];
    for (int i = 0; i < BURST; i++) {
        ssize_t length = read(devices[from], bytes, sizeof bytes);
        if (length < 0) {
            return;
        }
        if (length < IP_HEADER || bytes[0] >> 4 != 4 || bytes[16] != 10 || bytes[17] != 99 || bytes[18] != 0) {
            continue; /* not one of ours: IPv6 router solicitations, for one */
        }
        int to = bytes[19] - 1;
        if (to >= 0 && to < device_count && to != from) {
            enqueue(&lines[from][to], bytes, (size_t)length);
        }
    }
}

/* Delivers what is due; returns when the next packet is, or UINT64_MAX. */
static uint64_t deliver(void) {
    uint64_t next = UINT64_MAX;
    uint64_t now = now_ns();
    for (int from = 0; from < device_count; from++) {
        for (int to = 0; to < device_count; to++) {
            struct line *line = &lines[from][to];
            while (line->first != NULL && line->first->due_ns <= now) {
                struct packet *packet = line->first;
                (void)!write(devices[to], packet->bytes, packet->length); /* a full device drops it */
                line->first = packet->next;
                line->last = line->first == NULL ? NULL : line->last;
                line->queued -= packet->length;
                free(packet);
            }
            if (line->first != NULL && line->first->due_ns < next) {
                next = line->first->due_ns;
            }
        }
    }
    return next;
}

static bool obey(const char *command) {
    unsigned from = 0;
    unsigned to = 0;
    unsigned delay_ms = 0;
    unsigned damage_ppm = 0;
    unsigned long long rate = 0;
    if (sscanf(command, "%u %u %u %llu %u", &from, &to, &delay_ms, &rate, &damage_ppm) != 5 || from < 1 || to < 1 ||
        from > (unsigned)device_count || to > (unsigned)device_count || from == to || damage_ppm > 1000000) {
        return false;
    }
    struct line *line = &lines[from - 1][to - 1];
    line->delay_ns = (uint64_t)delay_ms * 1000000u;
    line->bytes_per_s = rate;
    line->damage_ppm = damage_ppm;
    return true;
}

int main(int argc, char **argv) {
    struct pollfd polled[DEVICES_MAX + 1] = {{.fd = STDIN_FILENO, .events = POLLIN}};
    char command[128];
    for (device_count = 0; device_count + 1 < argc && device_count < DEVICES_MAX; device_count++) {
        char *end = NULL;
        devices[device_count] = (int)strtol(argv[device_count + 1], &end, 10);
        if (*end != 0) {
            fprintf(stderr, "wan_router: not a descriptor: %s\n", argv[device_count + 1]);
            return 2;
        }
        polled[device_count + 1] = (struct pollfd){.fd = devices[device_count], .events = POLLIN};
    }
    setvbuf(stdin, NULL, _IONBF, 0);
    for (;;) {
        uint64_t next = deliver();
        uint64_t now = now_ns();
        int wait_ms = next > now && next - now < 1000000000u ? (int)((next - now) / 1000000u) + 1 : 1000;
        if (poll(polled, (nfds_t)device_count + 1, next <= now ? 0 : wait_ms) < 0 && errno != EINTR) {
            perror("wan_router: poll");
            return 1;
        }
        if (polled[0].revents != 0) {
            if (fgets(command, sizeof command, stdin) == NULL) {
                return 0;
            }
            printf("%s", obey(command) ? "ok\n" : "expected: FROM TO DELAY_MS BYTES_PER_S DAMAGE_PPM\n");
            fflush(stdout);
        }
        for (int i = 0; i < device_count; i++) {
            if (polled[i + 1].revents != 0) {
                read_device(i);
            }
        }
    }
}
