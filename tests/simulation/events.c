#include "tests/simulation/world.h"

#include <stdlib.h>

static bool before(const struct sim_event *a, const struct sim_event *b) {
    return a->at_ms != b->at_ms ? a->at_ms < b->at_ms : a->order < b->order;
}

static void swap(struct sim_event *a, struct sim_event *b) {
    struct sim_event held = *a;
    *a = *b;
    *b = held;
}

void sim_schedule(struct sim_world *world, uint64_t delay_ms, struct sim_event event) {
    if (world->event_count == world->event_capacity) {
        uint32_t capacity = world->event_capacity == 0 ? 256 : world->event_capacity * 2;
        struct sim_event *events = realloc(world->events, capacity * sizeof *events);
        if (events == NULL) {
            sim_fail(world, "out of memory");
            sim_event_close(&event);
            return;
        }
        world->events = events;
        world->event_capacity = capacity;
    }
    event.at_ms = world->now_ms + delay_ms;
    event.order = world->orders++;
    uint32_t at = world->event_count++;
    world->events[at] = event;
    while (at > 0 && before(&world->events[at], &world->events[(at - 1) / 2])) {
        swap(&world->events[at], &world->events[(at - 1) / 2]);
        at = (at - 1) / 2;
    }
}

bool sim_next(struct sim_world *world, struct sim_event *ret_event) {
    if (world->event_count == 0) {
        return false;
    }
    *ret_event = world->events[0];
    world->events[0] = world->events[--world->event_count];
    uint32_t at = 0;
    for (;;) {
        uint32_t least = at;
        for (uint32_t child = 2 * at + 1; child <= 2 * at + 2 && child < world->event_count; child++) {
            if (before(&world->events[child], &world->events[least])) {
                least = child;
            }
        }
        if (least == at) {
            return true;
        }
        swap(&world->events[at], &world->events[least]);
        at = least;
    }
}

void sim_event_close(struct sim_event *event) {
    gs_buffer_close(&event->bytes);
    gs_vector_close(&event->vector);
}
