/* Disks: what is durable, and copies of it. */
#include "tests/simulation/world.h"

#include <stdlib.h>
#include <string.h>

void sim_disk_append(struct sim_disk *disk, const uint8_t *bytes, size_t length, const struct gs_batch_head *head) {
    if (disk->count == disk->capacity) {
        disk->capacity = disk->capacity == 0 ? 64 : disk->capacity * 2;
        disk->records = realloc(disk->records, disk->capacity * sizeof *disk->records);
    }
    struct sim_record *slot = &disk->records[disk->count++];
    slot->length = length;
    slot->bytes = malloc(length);
    memcpy(slot->bytes, bytes, length);
    slot->head = (struct gs_head){.origin = head->origin, .seq = gs_batch_last_seq(head), .hash = head->hash};
    slot->first_seq = head->first_seq;
    slot->gone = false;
}

void sim_disk_note(struct sim_world *world, struct sim_disk *disk, struct gs_core_note *note) {
    struct gs_core_note *place = NULL;
    for (uint32_t i = 0; i < SIM_NOTES_MAX; i++) {
        struct gs_core_note *other = &disk->notes[i];
        bool same = strcmp(other->name, note->name) == 0;
        place = same || (place == NULL && other->name[0] == '\0') ? other : place;
    }
    if (place == NULL) {
        sim_fail(world, "bounded: more than %d notes", SIM_NOTES_MAX);
        return;
    }
    gs_buffer_close(&place->bytes);
    *place = *note;
    note->bytes = (struct gs_buffer){0};
    if (place->bytes.length == 0) {
        *place = (struct gs_core_note){0};
    }
}

/* Without records that are gone a log is nothing but with what was kept beside it. */
static void copy_base(struct sim_disk *to, const struct sim_disk *from) {
    if (from->base.position == 0) {
        return;
    }
    (void)gs_base_copy(&to->base, &from->base);
    to->keeps = calloc(SIM_KEEPS_MAX, sizeof *to->keeps);
    for (uint32_t i = 0; i < from->keep_count; i++) {
        to->keeps[to->keep_count++] = sim_keep_copy(from->keeps[i]);
    }
    to->safe_keeps = to->keep_count;
}

void sim_disk_copy(struct sim_disk *to, const struct sim_disk *from) {
    sim_disk_clear(to);
    copy_base(to, from);
    for (uint32_t i = 0; i < from->count; i++) {
        const struct sim_record *record = &from->records[i];
        struct gs_batch_head head = {.origin = record->head.origin,
                                     .first_seq = record->first_seq,
                                     .count = (uint32_t)(record->head.seq - record->first_seq + 1),
                                     .hash = record->head.hash};
        sim_disk_append(to, record->bytes, record->length, &head);
        to->records[i].gone = record->gone;
    }
    for (uint32_t i = 0; i < SIM_NOTES_MAX; i++) {
        to->notes[i] = from->notes[i];
        to->notes[i].bytes = (struct gs_buffer){0};
        gs_buffer_append(&to->notes[i].bytes, from->notes[i].bytes.bytes, from->notes[i].bytes.length);
    }
}

void sim_disk_cut(struct sim_disk *disk, uint32_t records) {
    uint64_t safe = disk->safe_keeps > 0 ? disk->keeps[disk->safe_keeps - 1]->position : 0;
    sim_keep_cut(disk, disk->safe_keeps); /* they were written after what they stand on */
    while (disk->count > safe && records-- > 0) {
        free(disk->records[--disk->count].bytes);
    }
}

void sim_disk_clear(struct sim_disk *disk) {
    sim_keep_clear(disk);
    for (uint32_t i = 0; i < disk->count; i++) {
        free(disk->records[i].bytes);
    }
    free(disk->records);
    gs_base_close(&disk->base);
    for (uint32_t i = 0; i < SIM_NOTES_MAX; i++) {
        gs_buffer_close(&disk->notes[i].bytes);
    }
    *disk = (struct sim_disk){0};
}
