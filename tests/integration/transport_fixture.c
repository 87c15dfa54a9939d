#include "transport_fixture.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

static void on_up(void *context, uint64_t link_id, const gs_public_key *key, const char *region) {
    struct node *node = context;
    assert_int_equal(node->ups, node->downs); /* one link at a time, in the order that the header promises */
    node->ups++;
    node->link_id = link_id;
    node->peer = *key;
    snprintf(node->region, sizeof node->region, "%s", region);
}

static void on_message(void *context, uint64_t link_id, struct gs_slice message) {
    struct node *node = context;
    assert_int_equal(node->link_id, link_id);
    node->messages++;
    node->last.length = 0;
    gs_buffer_append(&node->last, message.bytes, message.length);
}

static void on_closed(void *context) {
    struct node *node = context;
    assert_false(node->closed);
    assert_int_equal(node->ups, node->downs);
    node->closed = true;
    node->transport = NULL;
}

static void on_message_close(void *context, uint64_t link_id, struct gs_slice message) {
    struct node *node = context;
    on_message(context, link_id, message);
    if (node->close_on_message) {
        gs_transport_close(node->transport, on_closed, node);
        assert_int_equal(message.bytes[0], node->last.bytes[0]); /* still there */
    }
}

static void on_down(void *context, uint64_t link_id, int error) {
    struct node *node = context;
    assert_int_equal(node->link_id, link_id);
    node->downs++;
    node->link_id = 0;
    node->down_error = error;
}

void world_open(struct world *world) {
    memset(world, 0, sizeof *world);
    assert_int_equal(uv_loop_init(&world->loop), 0);
    fixture_init(&world->fixture);
    world->fixture.trust.entries = world->fixture.entries;
}

void world_close(struct world *world) {
    for (int i = 0; i < FIXTURE_REGIONS; i++) {
        node_close(world, (enum fixture_region)i);
        gs_buffer_close(&world->nodes[i].last);
    }
    assert_int_equal(uv_run(&world->loop, UV_RUN_DEFAULT), 0);
    assert_int_equal(uv_loop_close(&world->loop), 0);
}

struct gs_transport_config node_config(struct world *world, enum fixture_region region) {
    return (struct gs_transport_config){
        .loop = &world->loop,
        .listen = "127.0.0.1:0",
        .keys = &world->fixture.keys[region],
        .trust = &world->fixture.trust,
        .cluster = world->fixture.cluster,
        .callbacks = {.peer_up = on_up, .message = on_message_close, .peer_down = on_down},
        .context = &world->nodes[region],
    };
}

void node_start(struct world *world, enum fixture_region region, const struct gs_transport_config *config) {
    struct gs_problem problem;
    struct node *node = &world->nodes[region];
    node->closed = false;
    assert_int_equal(gs_transport_start(config, &node->transport, &problem), 0);
}

void node_start_dialing(struct world *world, enum fixture_region region, const char *seed) {
    struct gs_transport_config config = node_config(world, region);
    config.seeds = &seed;
    config.seed_count = 1;
    node_start(world, region, &config);
}

void node_close(struct world *world, enum fixture_region region) {
    struct node *node = &world->nodes[region];
    if (node->transport != NULL) {
        gs_transport_close(node->transport, on_closed, node);
        assert_false(node->closed);
        wait_for(world, node->closed);
    }
}

void node_address(const struct world *world, enum fixture_region region, char ret_text[32]) {
    snprintf(ret_text, 32, "127.0.0.1:%u", (unsigned)gs_transport_port(world->nodes[region].transport));
}

struct gs_transport_stats node_stats(const struct world *world, enum fixture_region region) {
    struct gs_transport_stats stats;
    gs_transport_stats_read(world->nodes[region].transport, &stats);
    return stats;
}

bool linked(const struct world *world, enum fixture_region a, enum fixture_region b) {
    const struct node *x = &world->nodes[a];
    const struct node *y = &world->nodes[b];
    return x->link_id != 0 && y->link_id != 0 &&
           memcmp(&x->peer, &world->fixture.keys[b].public_key, sizeof x->peer) == 0 &&
           memcmp(&y->peer, &world->fixture.keys[a].public_key, sizeof y->peer) == 0;
}

static void on_tick(uv_timer_t *timer) {
    (void)timer;
}

static void on_tick_closed(uv_handle_t *handle) {
    *(bool *)handle->data = true;
}

void turn(struct world *world) {
    uv_timer_t tick;
    bool gone = false;
    tick.data = &gone;
    assert_int_equal(uv_timer_init(&world->loop, &tick), 0);
    tick.data = &gone;
    assert_int_equal(uv_timer_start(&tick, on_tick, 10, 0), 0);
    (void)uv_run(&world->loop, UV_RUN_ONCE);
    uv_close((uv_handle_t *)&tick, on_tick_closed);
    while (!gone) {
        (void)uv_run(&world->loop, UV_RUN_NOWAIT);
    }
}

void run_for(struct world *world, uint64_t duration_ms) {
    uint64_t end_ns = uv_hrtime() + duration_ms * 1000000;
    while (uv_hrtime() < end_ns) {
        turn(world);
    }
}

int client_open(const struct world *world, enum fixture_region to, const char *from) {
    struct sockaddr_in address;
    int client = socket(AF_INET, SOCK_STREAM, 0);
    assert_true(client >= 0);
    if (from != NULL) {
        assert_int_equal(uv_ip4_addr(from, 0, &address), 0);
        assert_int_equal(bind(client, (struct sockaddr *)&address, sizeof address), 0);
    }
    assert_int_equal(uv_ip4_addr("127.0.0.1", gs_transport_port(world->nodes[to].transport), &address), 0);
    assert_int_equal(connect(client, (struct sockaddr *)&address, sizeof address), 0);
    assert_int_equal(fcntl(client, F_SETFL, O_NONBLOCK), 0);
    return client;
}

bool client_is_cut(int client) {
    char byte;
    ssize_t count = recv(client, &byte, 1, MSG_PEEK);
    return count == 0 || (count < 0 && errno != EAGAIN && errno != EWOULDBLOCK);
}

struct gs_link *client_link(struct world *world, int client, enum fixture_region region, struct seen *seen) {
    struct gs_buffer out = {.length = 0};
    struct gs_link *link = fixture_link(&world->fixture, GS_LINK_INITIATOR, region, (uint8_t)(40 + client), &out);
    uint64_t deadline_ns = uv_hrtime() + (uint64_t)WAIT_MS * 1000000;
    while (seen->established == 0) {
        uint8_t bytes[512];
        assert_true(uv_hrtime() < deadline_ns);
        if (out.length > 0) {
            assert_int_equal(write(client, out.bytes, out.length), out.length);
            out.length = 0;
        }
        turn(world);
        ssize_t count = read(client, bytes, sizeof bytes);
        if (count > 0) {
            assert_int_equal(feed(link, bytes, (size_t)count, &out, seen), 0);
        }
    }
    assert_int_equal(write(client, out.bytes, out.length), out.length);
    gs_buffer_close(&out);
    return link;
}
