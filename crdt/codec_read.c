#include <globalstate/codec.h>

#include <string.h>

/* The first part of every value: its kind, and the integer, the float's bits, the bool, the length or the count. */
struct head {
    enum gs_kind kind;
    bool negative; /* an integer whose `bits` are two's complement */
    uint64_t bits;
};

void gs_reader_init(struct gs_reader *reader, const void *bytes, size_t length) {
    static const uint8_t none[1];
    reader->at = length > 0 ? bytes : none;
    reader->end = reader->at + length;
    reader->nodes_left = GS_VALUE_NODES_MAX;
    reader->error = 0;
}

int gs_reader_fail(struct gs_reader *reader, int error) {
    if (reader->error == 0) {
        reader->error = error;
    }
    return reader->error;
}

int gs_reader_finish(struct gs_reader *reader) {
    return reader->at == reader->end ? reader->error : gs_reader_fail(reader, GS_EFORMAT);
}

static size_t bytes_left(const struct gs_reader *reader) {
    return (size_t)(reader->end - reader->at);
}

static uint64_t read_big_endian(struct gs_reader *reader, size_t size) {
    if (bytes_left(reader) < size) {
        gs_reader_fail(reader, GS_EFORMAT);
        return 0;
    }
    uint64_t value = 0;
    if (size == sizeof value) { /* clocks are most of what is long */
        const uint8_t *b = reader->at;
        value = (uint64_t)b[0] << 56 | (uint64_t)b[1] << 48 | (uint64_t)b[2] << 40 | (uint64_t)b[3] << 32 |
                (uint64_t)b[4] << 24 | (uint64_t)b[5] << 16 | (uint64_t)b[6] << 8 | (uint64_t)b[7];
    } else {
        for (size_t i = 0; i < size; i++) {
            value = value << 8 | reader->at[i];
        }
    }
    reader->at += size;
    return value;
}

/* How the heads from 0xC0 to 0xDF go on. */
struct long_form {
    bool known;
    enum gs_kind kind;
    uint8_t size;  /* of the integer that follows */
    int64_t bound; /* what fewer bytes could say reaches to here: a canonical integer is past it */
};

static const struct long_form long_forms[32] = {
    [0x00] = {true, GS_KIND_NIL, 0, 0},          [0x02] = {true, GS_KIND_BOOL, 0, 0},
    [0x03] = {true, GS_KIND_BOOL, 0, 0},         [0x04] = {true, GS_KIND_BIN, 1, -1},
    [0x05] = {true, GS_KIND_BIN, 2, UINT8_MAX},  [0x06] = {true, GS_KIND_BIN, 4, UINT16_MAX},
    [0x0B] = {true, GS_KIND_DOUBLE, 8, 0},       [0x0C] = {true, GS_KIND_INT, 1, INT8_MAX},
    [0x0D] = {true, GS_KIND_INT, 2, UINT8_MAX},  [0x0E] = {true, GS_KIND_INT, 4, UINT16_MAX},
    [0x0F] = {true, GS_KIND_INT, 8, UINT32_MAX}, [0x10] = {true, GS_KIND_INT, 1, -32},
    [0x11] = {true, GS_KIND_INT, 2, INT8_MIN},   [0x12] = {true, GS_KIND_INT, 4, INT16_MIN},
    [0x13] = {true, GS_KIND_INT, 8, INT32_MIN},  [0x19] = {true, GS_KIND_STR, 1, 31},
    [0x1A] = {true, GS_KIND_STR, 2, UINT8_MAX},  [0x1B] = {true, GS_KIND_STR, 4, UINT16_MAX},
    [0x1C] = {true, GS_KIND_ARRAY, 2, 15},       [0x1D] = {true, GS_KIND_ARRAY, 4, UINT16_MAX},
    [0x1E] = {true, GS_KIND_MAP, 2, 15},         [0x1F] = {true, GS_KIND_MAP, 4, UINT16_MAX},
};

static bool double_is_canonical(uint64_t bits) {
    const uint64_t exponent = UINT64_C(0x7FF0000000000000);
    bool negative_zero = bits == UINT64_C(1) << 63;
    return (bits & exponent) != exponent && !negative_zero;
}

static void read_long_head(struct gs_reader *reader, uint8_t byte, struct head *head) {
    const struct long_form *form = &long_forms[byte - 0xC0];
    if (!form->known) { /* ext, float32, and the byte that msgpack never uses */
        gs_reader_fail(reader, GS_EFORMAT);
        return;
    }
    *head = (struct head){.kind = form->kind, .bits = read_big_endian(reader, form->size)};
    bool canonical = true;
    if (byte >= 0xD0 && byte <= 0xD3) {
        uint64_t sign = UINT64_C(1) << (8 * form->size - 1);
        head->bits = (head->bits ^ sign) - sign; /* extends the sign */
        head->negative = true;
        canonical = (int64_t)head->bits < form->bound;
    } else if (form->kind == GS_KIND_BOOL) {
        head->bits = byte == 0xC3;
    } else if (form->kind == GS_KIND_DOUBLE) {
        canonical = double_is_canonical(head->bits);
    } else if (form->kind != GS_KIND_NIL) {
        canonical = head->bits > INT64_MAX || (int64_t)head->bits > form->bound;
    }
    if (!canonical) {
        gs_reader_fail(reader, GS_EFORMAT);
    }
}

static void read_any_head(struct gs_reader *reader, uint8_t byte, struct head *head) {
    if (byte <= 0x7F) {
        *head = (struct head){.kind = GS_KIND_INT, .bits = byte};
    } else if (byte <= 0x8F) {
        *head = (struct head){.kind = GS_KIND_MAP, .bits = byte & 0x0F};
    } else if (byte <= 0x9F) {
        *head = (struct head){.kind = GS_KIND_ARRAY, .bits = byte & 0x0F};
    } else if (byte <= 0xBF) {
        *head = (struct head){.kind = GS_KIND_STR, .bits = byte & 0x1F};
    } else if (byte >= 0xE0) {
        *head = (struct head){.kind = GS_KIND_INT, .negative = true, .bits = (uint64_t)(int8_t)byte};
    } else {
        read_long_head(reader, byte, head);
    }
}

/* What a head promises must be there: each element takes a byte, each member two. */
static bool fits(const struct gs_reader *reader, const struct head *head) {
    switch (head->kind) {
    case GS_KIND_STR:
    case GS_KIND_BIN:
    case GS_KIND_ARRAY:
        return head->bits <= bytes_left(reader);
    case GS_KIND_MAP:
        return head->bits <= bytes_left(reader) / 2;
    default:
        return true;
    }
}

/* Reads a head and charges a node. On failure the head is an empty nil. */
static struct head read_head(struct gs_reader *reader) {
    struct head head = {.kind = GS_KIND_NIL};
    if (reader->error == 0 && (bytes_left(reader) == 0 || reader->nodes_left == 0)) {
        gs_reader_fail(reader, GS_EFORMAT);
    }
    if (reader->error == 0) {
        reader->nodes_left--;
        uint8_t byte = *reader->at++;
        read_any_head(reader, byte, &head);
        if (reader->error == 0 && !fits(reader, &head)) {
            gs_reader_fail(reader, GS_EFORMAT);
        }
    }
    return reader->error == 0 ? head : (struct head){.kind = GS_KIND_NIL};
}

/* Reads a head that must be of `kind`; `bits` are 0 on failure. */
static struct head read_kind(struct gs_reader *reader, enum gs_kind kind) {
    struct head head = read_head(reader);
    if (reader->error == 0 && head.kind != kind) {
        gs_reader_fail(reader, GS_EFORMAT);
        head = (struct head){.kind = kind};
    }
    return head;
}

/* Most heads are one byte long: takes one of `first` … `last`, if that is what comes, and says which. */
static bool take_short(struct gs_reader *reader, uint8_t first, uint8_t last, uint8_t *ret_number) {
    if (reader->error != 0 || reader->at == reader->end || reader->nodes_left == 0 || *reader->at < first ||
        *reader->at > last) {
        return false;
    }
    reader->nodes_left--;
    *ret_number = (uint8_t)(*reader->at++ - first);
    return true;
}

enum gs_kind gs_peek_kind(struct gs_reader *reader) {
    if (reader->error != 0 || bytes_left(reader) == 0) {
        gs_reader_fail(reader, GS_EFORMAT);
        return GS_KIND_NIL;
    }
    uint8_t byte = *reader->at;
    if (byte <= 0x7F || byte >= 0xE0) {
        return GS_KIND_INT;
    }
    if (byte <= 0xBF) {
        return byte <= 0x8F ? GS_KIND_MAP : byte <= 0x9F ? GS_KIND_ARRAY : GS_KIND_STR;
    }
    const struct long_form *form = &long_forms[byte - 0xC0];
    if (!form->known) {
        gs_reader_fail(reader, GS_EFORMAT);
        return GS_KIND_NIL;
    }
    return form->kind;
}

void gs_read_nil(struct gs_reader *reader) {
    (void)read_kind(reader, GS_KIND_NIL);
}

bool gs_read_bool(struct gs_reader *reader) {
    return read_kind(reader, GS_KIND_BOOL).bits != 0;
}

int64_t gs_read_int(struct gs_reader *reader) {
    struct head head = read_kind(reader, GS_KIND_INT);
    if (!head.negative && head.bits > INT64_MAX) {
        gs_reader_fail(reader, GS_EFORMAT);
        return 0;
    }
    return (int64_t)head.bits;
}

uint64_t gs_read_uint(struct gs_reader *reader) {
    uint8_t number;
    if (take_short(reader, 0, 0x7F, &number)) {
        return number;
    }
    struct head head = read_kind(reader, GS_KIND_INT);
    if (head.negative) {
        gs_reader_fail(reader, GS_EFORMAT);
        return 0;
    }
    return head.bits;
}

uint32_t gs_read_u32(struct gs_reader *reader, uint32_t max) {
    uint64_t value = gs_read_uint(reader);
    if (value > max) {
        gs_reader_fail(reader, GS_EFORMAT);
        return 0;
    }
    return (uint32_t)value;
}

double gs_read_double(struct gs_reader *reader) {
    uint64_t bits = read_kind(reader, GS_KIND_DOUBLE).bits;
    double value;
    memcpy(&value, &bits, sizeof value);
    return value;
}

/* The length or count of a value of `kind`, whose short heads are these, if it has any; 0 on failure. */
static uint64_t read_length(struct gs_reader *reader, enum gs_kind kind, uint8_t first, uint8_t last, bool has_short) {
    uint8_t number;
    if (!has_short || !take_short(reader, first, last, &number)) {
        return read_kind(reader, kind).bits;
    }
    const struct head head = {.kind = kind, .bits = number};
    if (!fits(reader, &head)) {
        gs_reader_fail(reader, GS_EFORMAT);
    }
    return reader->error == 0 ? number : 0;
}

static struct gs_slice read_bytes(struct gs_reader *reader, enum gs_kind kind, size_t max) {
    uint64_t length = read_length(reader, kind, 0xA0, 0xBF, kind == GS_KIND_STR);
    if (length > max) {
        gs_reader_fail(reader, GS_ETOOBIG);
    } else if (kind == GS_KIND_STR && !gs_utf8_valid(reader->at, (size_t)length)) {
        gs_reader_fail(reader, GS_EFORMAT);
    }
    if (reader->error != 0) {
        return (struct gs_slice){0};
    }
    struct gs_slice slice = gs_slice_make(reader->at, (size_t)length);
    reader->at += slice.length;
    return slice;
}

struct gs_slice gs_read_str(struct gs_reader *reader, size_t max) {
    return read_bytes(reader, GS_KIND_STR, max);
}

struct gs_slice gs_read_bin(struct gs_reader *reader, size_t max) {
    return read_bytes(reader, GS_KIND_BIN, max);
}

void gs_read_bin_exact(struct gs_reader *reader, void *ret, size_t size) {
    struct gs_slice slice = gs_read_bin(reader, SIZE_MAX);
    if (reader->error == 0 && slice.length != size) {
        gs_reader_fail(reader, GS_EFORMAT);
    }
    if (reader->error != 0) {
        memset(ret, 0, size);
    } else if (size > 0) {
        memcpy(ret, slice.bytes, size);
    }
}

static uint32_t read_count(struct gs_reader *reader, enum gs_kind kind, uint32_t max) {
    uint64_t count = kind == GS_KIND_ARRAY ? read_length(reader, kind, 0x90, 0x9F, true)
                                           : read_length(reader, kind, 0x80, 0x8F, true);
    if (count > max) {
        gs_reader_fail(reader, GS_ETOOBIG);
        return 0;
    }
    return (uint32_t)count;
}

uint32_t gs_read_array(struct gs_reader *reader, uint32_t max) {
    return read_count(reader, GS_KIND_ARRAY, max);
}

void gs_read_array_exact(struct gs_reader *reader, uint32_t count) {
    if (gs_read_array(reader, UINT32_MAX) != count) {
        gs_reader_fail(reader, GS_EFORMAT);
    }
}

uint32_t gs_read_map(struct gs_reader *reader, uint32_t max) {
    return read_count(reader, GS_KIND_MAP, max);
}

/* An array or map that is being read. */
struct open_container {
    uint32_t left; /* elements, or members */
    bool is_map;
    bool has_key;        /* `key` is that of a member before */
    struct gs_slice key; /* borrowed */
};

static void read_key(struct gs_reader *reader, struct open_container *map) {
    struct gs_slice key = gs_read_str(reader, SIZE_MAX);
    if (map->has_key && gs_slice_compare(map->key, key) >= 0) {
        gs_reader_fail(reader, GS_EFORMAT);
    }
    map->key = key;
    map->has_key = true;
}

/* Reads one scalar whole, or the head of a container, which it then describes. True for a container. */
static bool read_node(struct gs_reader *reader, struct open_container *ret_container) {
    enum gs_kind kind = gs_peek_kind(reader);
    switch (kind) {
    case GS_KIND_ARRAY:
    case GS_KIND_MAP:
        *ret_container =
            (struct open_container){.left = read_count(reader, kind, UINT32_MAX), .is_map = kind == GS_KIND_MAP};
        return true;
    case GS_KIND_STR:
    case GS_KIND_BIN:
        (void)read_bytes(reader, kind, SIZE_MAX);
        return false;
    case GS_KIND_INT:
        (void)gs_read_int(reader);
        return false;
    default:
        (void)read_head(reader);
        return false;
    }
}

static void read_nested(struct gs_reader *reader) {
    struct open_container open[GS_VALUE_DEPTH_MAX];
    size_t depth = 0;
    do {
        if (depth > 0) {
            open[depth - 1].left--;
            if (open[depth - 1].is_map) {
                read_key(reader, &open[depth - 1]);
            }
        }
        struct open_container container;
        if (read_node(reader, &container)) {
            if (depth == GS_VALUE_DEPTH_MAX) {
                gs_reader_fail(reader, GS_EDEPTH);
                return;
            }
            open[depth++] = container;
        }
        while (depth > 0 && open[depth - 1].left == 0) {
            depth--;
        }
    } while (depth > 0 && reader->error == 0);
}

struct gs_slice gs_read_value(struct gs_reader *reader) {
    const uint8_t *start = reader->at;
    uint32_t spared = reader->nodes_left > GS_VALUE_NODES_MAX ? reader->nodes_left - GS_VALUE_NODES_MAX : 0;
    reader->nodes_left -= spared;
    read_nested(reader);
    reader->nodes_left += spared;
    return reader->error == 0 ? gs_slice_make(start, (size_t)(reader->at - start)) : (struct gs_slice){0};
}

struct gs_slice gs_skip_value(struct gs_reader *reader) {
    const uint8_t *start = reader->at;
    for (uint64_t left = 1; left > 0 && reader->error == 0; left--) {
        struct head head = read_head(reader);
        if (head.kind == GS_KIND_STR || head.kind == GS_KIND_BIN) {
            reader->at += head.bits;
        } else if (head.kind == GS_KIND_ARRAY) {
            left += head.bits;
        } else if (head.kind == GS_KIND_MAP) {
            left += 2 * head.bits;
        }
    }
    return reader->error == 0 ? gs_slice_make(start, (size_t)(reader->at - start)) : (struct gs_slice){0};
}
