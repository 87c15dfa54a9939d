/* The reader walks the text once, with a stack of open arrays and objects instead of recursion, and writes straight
 * into `out`. A container's head is written when its count is known: one byte is kept for it, and only more than 15
 * elements make its content move. An object's members are put in order when it closes. Both touch a byte at most once
 * a level, so the cost is O(length · (depth + log members)), whatever the text. */
#include "json_token.h"

#include <globalstate/json.h>

#include <stdio.h>
#include <string.h>

enum {
    DEPTH_MAX = GS_VALUE_DEPTH_MAX + 8,
    TEXT_BYTES_MAX = 1 << 30, /* keeps offsets in 32 bits: an encoding has at most 9 bytes for 3 of text */
};

/* A member of an open object: offsets into `out`, from where the value begins. */
struct member {
    uint32_t start;
    uint32_t key; /* the bytes of the key, behind its head */
    uint32_t key_end;
    uint32_t end;
};

/* An open array or object. */
struct level {
    size_t head;    /* offset in `out` of the byte kept for the head */
    uint32_t count; /* elements or members begun */
    uint32_t first; /* object: number of its first record in `members` */
    bool is_map;
    bool in_element; /* the last element is being read, the key is behind */
};

struct parser {
    struct gs_json_text text;
    struct gs_buffer *out;
    size_t base;              /* offset in `out` where the value begins */
    struct gs_buffer members; /* records of all open objects' members, the innermost object's last */
    struct gs_buffer spare;   /* where an object's members are put in order */
    uint32_t nodes_left;
    int depth;
    int depth_max;
    struct level levels[DEPTH_MAX];
};

static struct member *member_at(const struct parser *parser, uint32_t number) {
    return (struct member *)(void *)parser->members.bytes + number;
}

static uint32_t offset_now(const struct parser *parser) {
    return (uint32_t)(parser->out->length - parser->base);
}

static int fail(struct parser *parser, int error, const char *wrong) {
    return gs_json_text_fail(&parser->text, parser->text.at, error, wrong);
}

static int charge_node(struct parser *parser) {
    if (parser->nodes_left == 0) {
        return fail(parser, GS_ETOOBIG, "there are too many values");
    }
    parser->nodes_left--;
    return 0;
}

/* The next byte that is not white space; NUL, which is never valid there, at the end. */
static uint8_t next_byte(struct parser *parser) {
    gs_json_skip_space(&parser->text);
    return parser->text.at < parser->text.end ? *parser->text.at : '\0';
}

static int read_key(struct parser *parser) {
    if (next_byte(parser) != '"') {
        return fail(parser, GS_EJSON, "a key was expected");
    }
    int result = charge_node(parser);
    if (result != 0) {
        return result;
    }
    struct member member = {.start = offset_now(parser)};
    size_t head = parser->out->length;
    result = gs_json_token_string(&parser->text, true, parser->out);
    if (result != 0) {
        return result;
    }
    struct gs_reader reader;
    gs_reader_init(&reader, parser->out->bytes + head, parser->out->length - head);
    struct gs_slice key = gs_read_str(&reader, SIZE_MAX);
    member.key_end = offset_now(parser);
    member.key = member.key_end - (uint32_t)key.length;
    gs_buffer_append(&parser->members, &member, sizeof member);
    return parser->members.failed;
}

/* Goes to where the value of the next element of the innermost container stands. */
static int begin_element(struct parser *parser) {
    struct level *level = &parser->levels[parser->depth - 1];
    if (level->is_map) {
        int result = read_key(parser);
        if (result != 0) {
            return result;
        }
    }
    level->count++;
    level->in_element = true;
    if (level->is_map) {
        if (next_byte(parser) != ':') {
            return fail(parser, GS_EJSON, "a colon was expected");
        }
        parser->text.at++;
    }
    return 0;
}

static int compare_members(const uint8_t *base, const struct member *a, const struct member *b) {
    return gs_slice_compare(gs_slice_make(base + a->key, a->key_end - a->key),
                            gs_slice_make(base + b->key, b->key_end - b->key));
}

static void sift_down(const uint8_t *base, struct member *members, uint32_t at, uint32_t count) {
    for (;;) {
        uint32_t greatest = at;
        for (uint32_t child = 2 * at + 1; child <= 2 * at + 2 && child < count; child++) {
            if (compare_members(base, &members[child], &members[greatest]) > 0) {
                greatest = child;
            }
        }
        if (greatest == at) {
            return;
        }
        struct member moved = members[at];
        members[at] = members[greatest];
        members[greatest] = moved;
        at = greatest;
    }
}

/* Heapsort: n log n for every input, in place; qsort promises neither. */
static void sort_members(const uint8_t *base, struct member *members, uint32_t count) {
    for (uint32_t i = count / 2; i > 0; i--) {
        sift_down(base, members, i - 1, count);
    }
    for (uint32_t end = count; end > 1; end--) {
        struct member greatest = members[0];
        members[0] = members[end - 1];
        members[end - 1] = greatest;
        sift_down(base, members, 0, end - 1);
    }
}

/* Number of the first of `members` that is not greater than the one before; `count` if they are in order. */
static uint32_t find_disorder(const uint8_t *base, const struct member *members, uint32_t count) {
    uint32_t i = 1;
    while (i < count && compare_members(base, &members[i - 1], &members[i]) < 0) {
        i++;
    }
    return i;
}

static int order_members(struct parser *parser, struct level *level) {
    uint8_t *base = parser->out->bytes + parser->base;
    struct member *members = member_at(parser, level->first);
    if (find_disorder(base, members, level->count) >= level->count) {
        return 0;
    }
    uint32_t start = members[0].start;
    sort_members(base, members, level->count);
    uint32_t twice = find_disorder(base, members, level->count);
    if (twice < level->count) {
        members[level->count - 1] = members[twice]; /* so that the pointer to the problem names it */
        level->in_element = true;
        return fail(parser, GS_EDUPKEY, "the object that ends here names a key twice");
    }
    parser->spare.length = 0;
    for (uint32_t i = 0; i < level->count; i++) {
        gs_buffer_append(&parser->spare, base + members[i].start, members[i].end - members[i].start);
    }
    if (parser->spare.failed == 0) {
        memcpy(base + start, parser->spare.bytes, parser->spare.length);
    }
    return parser->spare.failed;
}

/* Writes the head of a container whose content is complete. */
static int put_head(struct parser *parser, const struct level *level) {
    struct gs_buffer *out = parser->out;
    size_t content = out->length - level->head - 1;
    size_t size = level->count <= 15 ? 1 : level->count <= UINT16_MAX ? 3 : 5;
    if (gs_buffer_reserve(out, size - 1) == NULL) {
        return out->failed;
    }
    memmove(out->bytes + level->head + size, out->bytes + level->head + 1, content);
    size_t length = out->length;
    out->length = level->head; /* there is room: writing cannot fail */
    if (level->is_map) {
        gs_write_map(out, level->count);
    } else {
        gs_write_array(out, level->count);
    }
    out->length = length;
    return out->failed;
}

static int close_container(struct parser *parser) {
    struct level *level = &parser->levels[parser->depth - 1];
    int result = level->count > 1 && level->is_map ? order_members(parser, level) : 0;
    if (result == 0) {
        result = put_head(parser, level);
    }
    if (result == 0) {
        parser->text.at++;
        parser->members.length = level->first * sizeof(struct member);
        parser->depth--;
    }
    return result;
}

static int open_container(struct parser *parser, bool is_map, bool *ret_open) {
    if (parser->depth >= parser->depth_max) {
        return fail(parser, GS_EDEPTH, "the nesting is too deep");
    }
    struct level level = {
        .head = parser->out->length,
        .first = (uint32_t)(parser->members.length / sizeof(struct member)),
        .is_map = is_map,
    };
    gs_buffer_byte(parser->out, 0);
    if (parser->out->failed != 0) {
        return parser->out->failed;
    }
    parser->levels[parser->depth++] = level;
    parser->text.at++;
    if (next_byte(parser) == (is_map ? '}' : ']')) {
        *ret_open = false;
        return close_container(parser);
    }
    *ret_open = true;
    return begin_element(parser);
}

/* Reads a value, or as much of a container as precedes its first element's value: `*ret_open` is then true. */
static int read_value(struct parser *parser, bool *ret_open) {
    int result = charge_node(parser);
    if (result != 0) {
        return result;
    }
    *ret_open = false;
    uint8_t byte = next_byte(parser);
    switch (byte) {
    case '{':
    case '[':
        return open_container(parser, byte == '{', ret_open);
    case '"':
        return gs_json_token_string(&parser->text, false, parser->out);
    default:
        if (byte == '-' || (byte >= '0' && byte <= '9')) {
            return gs_json_token_number(&parser->text, parser->out);
        }
        return gs_json_token_word(&parser->text, parser->out);
    }
}

/* After a value: closes what ends with it, and goes on to the next element, if there is one. */
static int leave_value(struct parser *parser, bool *ret_more) {
    *ret_more = false;
    while (parser->depth > 0) {
        struct level *level = &parser->levels[parser->depth - 1];
        if (level->is_map) {
            member_at(parser, level->first + level->count - 1)->end = offset_now(parser);
        }
        level->in_element = false;
        uint8_t byte = next_byte(parser);
        if (byte == ',') {
            parser->text.at++;
            *ret_more = true;
            return begin_element(parser);
        }
        if (byte != (level->is_map ? '}' : ']')) {
            return fail(parser, GS_EJSON, level->is_map ? "a comma or } was expected" : "a comma or ] was expected");
        }
        int result = close_container(parser);
        if (result != 0) {
            return result;
        }
    }
    return 0;
}

static int read_text(struct parser *parser) {
    bool more = true;
    while (more) {
        bool open;
        int result = read_value(parser, &open);
        if (result == 0 && !open) {
            result = leave_value(parser, &more);
        }
        if (result != 0) {
            return result;
        }
    }
    (void)next_byte(parser);
    return parser->text.at == parser->text.end ? 0 : fail(parser, GS_EJSON, "the value is followed by something else");
}

/* Text that is cut when it is full; one byte more than a problem's field holds, so that the cut is seen there. */
struct pointer_text {
    char bytes[GS_PROBLEM_FIELD_MAX + 1];
    size_t length;
};

static void put_char(struct pointer_text *pointer, char c) {
    if (pointer->length < GS_PROBLEM_FIELD_MAX) {
        pointer->bytes[pointer->length++] = c;
    }
}

static void put_name(struct pointer_text *pointer, const uint8_t *bytes, size_t length) {
    for (size_t i = 0; i < length && pointer->length < GS_PROBLEM_FIELD_MAX; i++) {
        if (bytes[i] == '~' || bytes[i] == '/') {
            put_char(pointer, '~');
            put_char(pointer, bytes[i] == '~' ? '0' : '1');
        } else {
            put_char(pointer, (char)bytes[i]);
        }
    }
}

static int report(const struct parser *parser, int error, struct gs_problem *problem) {
    struct pointer_text pointer = {.length = 0};
    for (int i = 0; i < parser->depth && parser->levels[i].in_element; i++) {
        const struct level *level = &parser->levels[i];
        put_char(&pointer, '/');
        if (level->is_map) {
            const struct member *member = member_at(parser, level->first + level->count - 1);
            put_name(&pointer, parser->out->bytes + parser->base + member->key, member->key_end - member->key);
        } else {
            char number[16];
            int length = snprintf(number, sizeof number, "%u", level->count - 1);
            put_name(&pointer, (const uint8_t *)number, (size_t)length);
        }
    }
    pointer.bytes[pointer.length] = '\0';
    const char *wrong = parser->text.wrong != NULL ? parser->text.wrong : gs_error_message(error);
    return gs_problem_set(problem, error, pointer.bytes, "%s (byte %zu)", wrong,
                          (size_t)(parser->text.at - parser->text.start));
}

int gs_json_parse(const char *text, size_t length, int depth_max, struct gs_buffer *out, struct gs_problem *problem) {
    static const uint8_t none[1];
    if (length > TEXT_BYTES_MAX) {
        return gs_problem_set(problem, GS_ETOOBIG, NULL, "the text is longer than %d bytes", TEXT_BYTES_MAX);
    }
    const uint8_t *start = length > 0 ? (const uint8_t *)text : none;
    struct parser parser = {
        .text = {.start = start, .at = start, .end = start + length},
        .out = out,
        .base = out->length,
        .members = {.memory = out->memory},
        .spare = {.memory = out->memory},
        .nodes_left = GS_VALUE_NODES_MAX,
        .depth_max = depth_max < DEPTH_MAX ? depth_max : DEPTH_MAX,
    };
    int result = out->failed != 0 ? out->failed : read_text(&parser);
    if (result != 0) {
        report(&parser, result, problem);
    }
    gs_buffer_close(&parser.members);
    gs_buffer_close(&parser.spare);
    return result;
}
