/* Sync jobs that an earlier process began: one that was over is shown as it was, one that was under way begins again.
 */
#include "node/core/core_impl.h"

#include <globalstate/json.h>

#include <stdlib.h>
#include <string.h>

enum { DEPTH_MAX = GS_VALUE_DEPTH_MAX + 8, JSON_MAX = 16 * 1024 * 1024 };

/* A text member, cut to nothing if it does not fit. */
static void read_text(struct gs_slice map, const char *member, char *ret_text, size_t size) {
    struct gs_slice value = gs_map_get(map, member);
    struct gs_reader reader;
    ret_text[0] = '\0';
    if (gs_value_kind(value) == GS_KIND_STR) {
        gs_reader_init(&reader, value.bytes, value.length);
        struct gs_slice text = gs_read_str(&reader, size - 1);
        memcpy(ret_text, text.bytes != NULL ? (const char *)text.bytes : "", text.length);
        ret_text[text.length] = '\0';
    }
}

static uint64_t read_number(struct gs_slice map, const char *member) {
    struct gs_slice value = gs_map_get(map, member);
    struct gs_reader reader;
    gs_reader_init(&reader, value.bytes, value.length);
    return gs_value_kind(value) == GS_KIND_INT ? gs_read_uint(&reader) : 0;
}

/* The number of a name, or `count`. */
static uint32_t read_name(struct gs_slice map, const char *member, const char *const *names, uint32_t count) {
    char text[32];
    uint32_t at = 0;
    read_text(map, member, text, sizeof text);
    while (at < count && strcmp(text, names[at]) != 0) {
        at++;
    }
    return at;
}

static int read_regions(struct gs_slice map, struct gs_job *job) {
    struct gs_slice list = gs_map_get(map, "regions");
    struct gs_reader reader;
    gs_reader_init(&reader, list.bytes, list.length);
    uint32_t count = gs_value_kind(list) == GS_KIND_ARRAY ? gs_read_array(&reader, GS_TRUST_MAX) : 0;
    job->peers = calloc(count + 1, sizeof *job->peers);
    if (job->peers == NULL) {
        return GS_ENOMEM;
    }
    for (; count > 0 && reader.error == 0; count--) {
        struct gs_slice region = gs_read_str(&reader, GS_REGION_NAME_MAX);
        if (reader.error == 0) {
            memcpy(job->peers[job->peer_count++].region, region.bytes, region.length);
        }
    }
    return 0;
}

static void read_types(struct gs_slice map, struct gs_job *job) {
    struct gs_slice list = gs_map_get(map, "aggregateTypes");
    struct gs_reader reader;
    gs_reader_init(&reader, list.bytes, list.length);
    uint32_t count = gs_value_kind(list) == GS_KIND_ARRAY ? gs_read_array(&reader, GS_JOB_TYPES_MAX) : 0;
    for (; count > 0 && reader.error == 0; count--) {
        struct gs_slice type = gs_read_str(&reader, GS_ID_BYTES_MAX);
        if (reader.error == 0) {
            memcpy(job->types[job->type_count++], type.bytes, type.length);
        }
    }
}

static int restore(struct gs_slice map, struct gs_slice json, struct gs_job *job) {
    uint32_t mode = read_name(map, "mode", gs_sync_mode_names, GS_SYNC_MODES);
    uint32_t status = read_name(map, "status", gs_sync_status_names, 5);
    read_text(map, "syncId", job->id, sizeof job->id);
    if (strlen(job->id) != GS_SYNC_ID_SIZE - 1 || mode == GS_SYNC_MODES || status == 5) {
        return GS_EFORMAT;
    }
    job->mode = (enum gs_sync_mode)mode;
    job->status = (enum gs_sync_status)status;
    if (job->status != GS_SYNC_QUEUED && job->status != GS_SYNC_RUNNING) {
        gs_buffer_append(&job->json, json.bytes, json.length);
        return job->json.failed;
    }
    job->status = GS_SYNC_QUEUED;
    job->resumes = (uint32_t)read_number(map, "resumed") + 1;
    job->rate = read_number(map, "rateBytesPerSecond");
    read_types(map, job);
    return read_regions(map, job);
}

/* The first line is when it began, in milliseconds; the rest is what gs_job_write made. */
static uint64_t read_first_line(struct gs_slice *note) {
    uint64_t ms = 0;
    size_t at = 0;
    for (; at < note->length && at < 18 && note->bytes[at] >= '0' && note->bytes[at] <= '9'; at++) {
        ms = ms * 10 + (uint64_t)(note->bytes[at] - '0');
    }
    at += at < note->length ? 1 : 0;
    *note = gs_slice_make(note->bytes + at, note->length - at);
    return ms;
}

int gs_job_restore(struct gs_slice json, struct gs_job **ret_job) {
    uint64_t started_ms = read_first_line(&json);
    struct gs_buffer value = {0};
    struct gs_job *job = NULL;
    *ret_job = NULL;
    int error = json.length <= JSON_MAX ? gs_json_parse((const char *)json.bytes, json.length, DEPTH_MAX, &value, NULL)
                                        : GS_ETOOBIG;
    if (error == 0) {
        job = calloc(1, sizeof *job);
        error = job == NULL ? GS_ENOMEM : restore(gs_slice_make(value.bytes, value.length), json, job);
    }
    gs_buffer_close(&value);
    if (error != 0) {
        gs_job_free(job);
        return error == GS_ENOMEM ? error : 0; /* a note that is not ours to understand: as if it were lost */
    }
    job->started_ms = started_ms;
    *ret_job = job;
    return 0;
}
