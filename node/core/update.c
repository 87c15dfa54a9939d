#include "node/core/core_impl.h"

#include <stdlib.h>
#include <string.h>

int gs_array_reserve(void **items, uint32_t *capacity, uint32_t count, size_t size) {
    if (count < *capacity) {
        return 0;
    }
    uint32_t grown = *capacity == 0 ? 8 : *capacity * 2;
    if (grown <= *capacity) {
        return GS_ENOMEM;
    }
    void *moved = realloc(*items, (size_t)grown * size);
    if (moved == NULL) {
        return GS_ENOMEM;
    }
    *items = moved;
    *capacity = grown;
    return 0;
}

int gs_update_answer(struct gs_update *update, struct gs_command *command) {
    if (gs_array_reserve((void **)&update->answers, &update->answer_capacity, update->answer_count,
                         sizeof *update->answers) != 0) {
        return GS_ENOMEM;
    }
    update->answers[update->answer_count++] = command;
    return 0;
}

int gs_update_publish(struct gs_update *update, struct gs_view *view, struct gs_slice key) {
    if (gs_array_reserve((void **)&update->publishes, &update->publish_capacity, update->publish_count,
                         sizeof *update->publishes) != 0) {
        return GS_ENOMEM;
    }
    update->publishes[update->publish_count++] = (struct gs_core_publish){.view = view, .key = key};
    return 0;
}

int gs_update_send(struct gs_update *update, gs_peer peer, struct gs_buffer *message) {
    return gs_update_send_in(update, peer, GS_LANE_CONTROL, message);
}

int gs_update_send_in(struct gs_update *update, gs_peer peer, enum gs_lane lane, struct gs_buffer *message) {
    if (message->failed != 0 || gs_array_reserve((void **)&update->sends, &update->send_capacity, update->send_count,
                                                 sizeof *update->sends) != 0) {
        gs_buffer_close(message);
        return GS_ENOMEM;
    }
    update->sends[update->send_count++] = (struct gs_core_send){.peer = peer, .lane = lane, .message = *message};
    *message = (struct gs_buffer){0};
    return 0;
}

int gs_update_log_read(struct gs_update *update, gs_peer peer, const struct gs_vector *have) {
    if (gs_array_reserve((void **)&update->log_reads, &update->log_read_capacity, update->log_read_count,
                         sizeof *update->log_reads) != 0) {
        return GS_ENOMEM;
    }
    struct gs_core_log_read read = {.peer = peer};
    if (gs_vector_copy(&read.have, have) != 0) {
        return GS_ENOMEM;
    }
    update->log_reads[update->log_read_count++] = read;
    return 0;
}

int gs_update_rebuild(struct gs_update *update, const struct gs_core_rebuild *rebuild) {
    if (gs_array_reserve((void **)&update->rebuilds, &update->rebuild_capacity, update->rebuild_count,
                         sizeof *update->rebuilds) != 0) {
        return GS_ENOMEM;
    }
    struct gs_core_rebuild *copy = &update->rebuilds[update->rebuild_count];
    *copy = *rebuild;
    copy->cut = (struct gs_vector){0};
    if (rebuild->has_cut && gs_vector_copy(&copy->cut, &rebuild->cut) != 0) {
        return GS_ENOMEM;
    }
    update->rebuild_count++;
    return 0;
}

int gs_update_repaired(struct gs_update *update, struct gs_slice name) {
    if (gs_array_reserve((void **)&update->repaired, &update->repaired_capacity, update->repaired_count,
                         sizeof *update->repaired) != 0) {
        return GS_ENOMEM;
    }
    char *copy = update->repaired[update->repaired_count++];
    memcpy(copy, name.bytes, name.length);
    copy[name.length] = '\0';
    return 0;
}

int gs_update_drop(struct gs_update *update, gs_peer peer) {
    for (uint32_t i = 0; i < update->drop_count; i++) {
        if (update->drops[i] == peer) {
            return 0;
        }
    }
    if (gs_array_reserve((void **)&update->drops, &update->drop_capacity, update->drop_count, sizeof *update->drops) !=
        0) {
        return GS_ENOMEM;
    }
    update->drops[update->drop_count++] = peer;
    return 0;
}

int gs_update_stage(struct gs_update *update, struct gs_buffer *bytes) {
    if (bytes->failed != 0 || gs_array_reserve((void **)&update->stages, &update->stage_capacity, update->stage_count,
                                               sizeof *update->stages) != 0) {
        gs_buffer_close(bytes);
        return GS_ENOMEM;
    }
    update->stages[update->stage_count++] = *bytes;
    *bytes = (struct gs_buffer){0};
    return 0;
}

int gs_update_note(struct gs_update *update, const char *name, struct gs_buffer *bytes) {
    if (bytes->failed != 0 || gs_array_reserve((void **)&update->notes, &update->note_capacity, update->note_count,
                                               sizeof *update->notes) != 0) {
        gs_buffer_close(bytes);
        return GS_ENOMEM;
    }
    struct gs_core_note *note = &update->notes[update->note_count++];
    *note = (struct gs_core_note){.bytes = *bytes};
    strncpy(note->name, name, GS_NOTE_NAME_MAX);
    *bytes = (struct gs_buffer){0};
    return 0;
}

void gs_update_clear(struct gs_update *update) {
    gs_buffer_close(&update->commit.records);
    for (uint32_t i = 0; i < update->publish_count; i++) {
        gs_view_release(update->publishes[i].view);
    }
    for (uint32_t i = 0; i < update->send_count; i++) {
        gs_buffer_close(&update->sends[i].message);
    }
    for (uint32_t i = 0; i < update->log_read_count; i++) {
        gs_vector_close(&update->log_reads[i].have);
    }
    gs_keep_free(update->keep);
    gs_truncation_free(update->truncation);
    gs_core_install_free(update->install);
    for (uint32_t i = 0; i < update->stage_count; i++) {
        gs_buffer_close(&update->stages[i]);
    }
    free(update->stages);
    for (uint32_t i = 0; i < update->note_count; i++) {
        gs_buffer_close(&update->notes[i].bytes);
    }
    for (uint32_t i = 0; i < update->rebuild_count; i++) {
        gs_vector_close(&update->rebuilds[i].cut);
    }
    free(update->rebuilds);
    free(update->repaired);
    free(update->notes);
    free(update->publishes);
    free(update->answers);
    free(update->sends);
    free(update->log_reads);
    free(update->drops);
    free(update->dials);
    *update = (struct gs_update){0};
}

int gs_update_dial(struct gs_update *update, const struct gs_core_dial *dial) {
    if (gs_array_reserve((void **)&update->dials, &update->dial_capacity, update->dial_count, sizeof *update->dials) !=
        0) {
        return GS_ENOMEM;
    }
    update->dials[update->dial_count++] = *dial;
    return 0;
}
