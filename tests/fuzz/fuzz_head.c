/* Heads of requests, as CivetWeb 1.15 cuts them into strings in its buffer: whatever the framing check lets through is
 * a head that no other reader can take in another way. The oracle reads the bytes as they came, line by line. */
#include "tests/fuzz/fuzz.h"

#include "node/http/framing.h"
#include "node/http/target.h"

#include <ctype.h>
#include <string.h>
#include <strings.h>

enum { HEADERS_MAX = 64, SLACK = 8 };

static bool is_name_byte(char c) {
    return c > ' ' && c < 0x7f && c != ':';
}

/* "METHOD TARGET HTTP/VERSION": each cut off in place; returns where the fields begin, or NULL. */
static char *cut_line(char *text, struct mg_request_info *info) {
    info->request_method = text;
    char *at = strchr(text, ' ');
    char *end = at != NULL ? strpbrk(text, "\r\n") : NULL;
    if (end == NULL || at > end) {
        return NULL;
    }
    *at++ = '\0';
    info->local_uri_raw = at;
    char *version = memchr(at, ' ', (size_t)(end - at));
    if (version == NULL || strncmp(version + 1, "HTTP/", 5) != 0) {
        return NULL;
    }
    *version = '\0';
    info->http_version = version + 6;
    char *next = end[0] == '\r' && end[1] == '\n' ? end + 2 : end + 1;
    memset(end, 0, (size_t)(next - end));
    return next;
}

/* One field; the name ends before the colon, the value at the end of the line. False: no field begins here. */
static bool cut_field(char **at, struct mg_header *field, bool *ret_broken) {
    char *name = *at;
    char *p = name;
    while (is_name_byte(*p)) {
        p++;
    }
    if (p == name) {
        return false;
    }
    while (*p == ' ') {
        *p++ = '\0';
    }
    if (*p != ':') {
        *ret_broken = true;
        return false;
    }
    *p++ = '\0';
    while (*p == ' ' || *p == '\t') {
        p++;
    }
    *field = (struct mg_header){.name = name, .value = p};
    while (*p != '\0' && *p != '\r' && *p != '\n') {
        p++;
    }
    if (*p == '\r') {
        *p++ = '\0';
        *ret_broken = *p != '\n';
    }
    if (*p == '\n') {
        *p++ = '\0';
    }
    *at = p;
    return !*ret_broken;
}

static bool cut(char *text, struct mg_request_info *info) {
    bool broken = false;
    char *at = cut_line(text, info);
    if (at == NULL) {
        return false;
    }
    while (info->num_headers < HEADERS_MAX && cut_field(&at, &info->http_headers[info->num_headers], &broken)) {
        info->num_headers++;
        if (*at == '\r' || *at == '\n' || *at == '\0') {
            break;
        }
    }
    return !broken;
}

struct fields {
    int lengths, encodings, hosts, count;
    bool plain; /* each line "Name: value" CR LF, and nothing folded */
    const char *length;
    size_t length_size;
};

static void look_at_line(const char *line, size_t size, struct fields *fields) {
    const char *colon = memchr(line, ':', size);
    size_t name = colon != NULL ? (size_t)(colon - line) : 0;
    for (size_t i = 0; i < name; i++) {
        fields->plain = fields->plain && is_name_byte(line[i]);
    }
    fields->plain = fields->plain && name > 0;
    fields->count++;
#define NAMED(text) (name == sizeof(text) - 1 && strncasecmp(line, text, name) == 0)
    fields->encodings += NAMED("Transfer-Encoding");
    fields->hosts += NAMED("Host");
    if (NAMED("Content-Length")) {
        fields->lengths++;
        fields->length = colon + 1;
        fields->length_size = size - name - 1;
    }
#undef NAMED
}

/* The lines of a head that ends in CR LF CR LF, first to last. */
static struct fields read_lines(const char *text, size_t size) {
    struct fields fields = {.plain = true};
    const char *at = memchr(text, '\n', size);
    const char *end = text + size;
    fields.plain = at != NULL && at > text && at[-1] == '\r';
    for (at = at != NULL ? at + 1 : end; at < end && *at != '\r';) {
        const char *line_end = memchr(at, '\n', (size_t)(end - at));
        if (line_end == NULL || line_end == at || line_end[-1] != '\r') {
            fields.plain = false;
            break;
        }
        look_at_line(at, (size_t)(line_end - at) - 1, &fields);
        at = line_end + 1;
    }
    return fields;
}

static void require_unambiguous(const char *text, size_t size, const struct gs_http_framing *framing) {
    struct fields fields = read_lines(text, size);
    FUZZ_REQUIRE(fields.plain);
    FUZZ_REQUIRE(fields.count <= GS_HTTP_HEADERS_MAX && size <= GS_HTTP_HEAD_MAX);
    FUZZ_REQUIRE(fields.encodings == 0 && fields.lengths <= 1 && fields.hosts <= 1);
    FUZZ_REQUIRE(framing->has_length == (fields.lengths == 1));
    uint64_t length = 0;
    for (size_t i = 0; i < fields.length_size; i++) {
        char c = fields.length[i];
        FUZZ_REQUIRE(isdigit((unsigned char)c) || c == ' ' || c == '\t');
        length = isdigit((unsigned char)c) ? length * 10 + (uint64_t)(c - '0') : length;
    }
    FUZZ_REQUIRE(framing->length == length);
}

static void check_target(const struct mg_request_info *info) {
    struct gs_arena arena = {0};
    struct gs_http_target target;
    struct gs_http_fault fault = {0};
    char *path = strdup(info->local_uri_raw);
    FUZZ_REQUIRE(path != NULL);
    char *query = strchr(path, '?');
    if (query != NULL) {
        *query++ = '\0';
    }
    if (path[0] == '/' && gs_http_target_parse(path, query, &arena, &target, &fault) == 0) {
        FUZZ_REQUIRE(target.segment_count >= 1 && target.segment_count <= GS_HTTP_SEGMENTS_MAX);
        for (uint32_t i = 0; i < target.segment_count; i++) {
            struct gs_slice segment = target.segments[i];
            FUZZ_REQUIRE(segment.length == 0 || memchr(segment.bytes, '\0', segment.length) == NULL);
            FUZZ_REQUIRE(!(segment.length == 1 && segment.bytes[0] == '.'));
            FUZZ_REQUIRE(!(segment.length == 2 && memcmp(segment.bytes, "..", 2) == 0));
        }
    }
    gs_arena_close(&arena);
    free(path);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    static const char end[] = "\r\n\r\n";
    const char *raw = (const char *)data;
    size_t head = 0;
    for (size_t i = 0; i + 4 <= size && head == 0; i++) {
        head = memcmp(raw + i, end, 4) == 0 ? i + 4 : 0;
    }
    if (head == 0 || memchr(raw, '\0', head) != NULL) {
        return 0; /* CivetWeb waits for more, or refuses it itself */
    }
    char *text = calloc(1, size + SLACK);
    struct mg_request_info info = {0};
    struct gs_http_framing framing;
    struct gs_http_fault fault = {0};
    FUZZ_REQUIRE(text != NULL);
    memcpy(text, raw, size);
    if (cut(text, &info) && gs_http_framing_check(&info, &framing, &fault) == 0) {
        if (info.num_headers > 0) {
            require_unambiguous(raw, head, &framing);
        }
        check_target(&info);
    } else {
        FUZZ_REQUIRE(fault.problem.code == 0 || gs_fault_info(fault.problem.code).status >= 400);
    }
    free(text);
    return 0;
}
