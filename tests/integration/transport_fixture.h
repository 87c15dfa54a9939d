/* Regions with a transport each, on one loop and the loopback interface; and a client made of a plain socket. Tests
 * only.
 *
 * What is waited for is a condition with a deadline; nothing sleeps. */
#ifndef GS_TESTS_TRANSPORT_FIXTURE_H
#define GS_TESTS_TRANSPORT_FIXTURE_H

#include "gossip/transport_uv.h"
#include "tests/unit/link_fixture.h"

enum { WAIT_MS = 20000 };

struct node {
    struct gs_transport *transport;
    uint32_t ups, downs, messages;
    uint64_t link_id; /* the newest link; 0: it is down */
    gs_public_key peer;
    char region[GS_REGION_NAME_MAX + 1];
    int down_error; /* of the newest peer_down */
    struct gs_buffer last;
    bool closed;
    bool close_on_message; /* gs_transport_close from within the callback */
};

struct world {
    uv_loop_t loop;
    struct fixture fixture;
    struct node nodes[FIXTURE_REGIONS];
};

void world_open(struct world *world);
/* Closes what is open, and fails the test when a handle is left. */
void world_close(struct world *world);

/* The configuration of a region's node: listens on 127.0.0.1:0, dials nobody. */
struct gs_transport_config node_config(struct world *world, enum fixture_region region);
void node_start(struct world *world, enum fixture_region region, const struct gs_transport_config *config);
/* Starts a node that dials `seed`. */
void node_start_dialing(struct world *world, enum fixture_region region, const char *seed);
void node_close(struct world *world, enum fixture_region region);
/* "127.0.0.1:PORT" of a node. */
void node_address(const struct world *world, enum fixture_region region, char ret_text[32]);
struct gs_transport_stats node_stats(const struct world *world, enum fixture_region region);
/* True when both say that a link is up to the other. */
bool linked(const struct world *world, enum fixture_region a, enum fixture_region b);

/* Runs the loop once, waiting 10 ms at most. */
void turn(struct world *world);
/* Runs the loop for this long. */
void run_for(struct world *world, uint64_t duration_ms);

/* Runs the loop until `condition` holds; fails the test after WAIT_MS. */
#define wait_for(world, condition)                                        \
    do {                                                                  \
        uint64_t deadline_ns = uv_hrtime() + (uint64_t)WAIT_MS * 1000000; \
        while (!(condition)) {                                            \
            assert_true(uv_hrtime() < deadline_ns);                       \
            turn(world);                                                  \
        }                                                                 \
    } while (0)

/* A non-blocking socket connected to a node, from 127.0.0.1 when `from` is NULL. */
int client_open(const struct world *world, enum fixture_region to, const char *from);
/* True when the other side has closed. */
bool client_is_cut(int client);
/* Makes a link as `region` over a socket by hand. */
struct gs_link *client_link(struct world *world, int client, enum fixture_region region, struct seen *seen);

#endif
