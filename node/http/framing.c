#include "node/http/framing.h"

#include "node/http/text.h"

int gs_http_header_single(const struct mg_request_info *info, const char *name, struct gs_slice *ret_value,
                          struct gs_http_fault *fault) {
    struct gs_slice value = {0};
    for (int i = 0; i < info->num_headers; i++) {
        if (strcasecmp(info->http_headers[i].name, name) != 0) {
            continue;
        }
        if (value.bytes != NULL) {
            return gs_problem_set(&fault->problem, GS_HTTP_EREQUEST, name, "the header is there twice");
        }
        value = gs_slice_trim(gs_text_slice(info->http_headers[i].value));
    }
    *ret_value = value;
    return 0;
}

/* CivetWeb cuts its buffer into strings in place: a line that ended in CR LF leaves two NULs after its last byte. */
static bool ends_in_crlf(const char *line_end, const char *next) {
    return next == line_end + 2;
}

/* Did CivetWeb see all of the head as fields, each on a line of its own that ends in CR LF? After the last field there
 * must be the empty line: CR and a NUL (in place of its LF). A folded line, a line that begins with ":", or anything
 * else that stopped the parser stands there otherwise. */
static bool head_is_plain(const struct mg_request_info *info) {
    const struct mg_header *headers = info->http_headers;
    int count = info->num_headers;
    const char *line_end = info->http_version + strlen(info->http_version);
    for (int i = 0; i < count; i++) {
        if (!ends_in_crlf(line_end, headers[i].name)) {
            return false;
        }
        /* "Name : value" leaves a NUL in place of the blank, too. */
        const char *name_end = headers[i].name + strlen(headers[i].name);
        if (headers[i].value > name_end + 1 && name_end[1] == '\0') {
            return false;
        }
        line_end = headers[i].value + strlen(headers[i].value);
    }
    /* A head that ends in two bare LFs has the body (or what an earlier request left in CivetWeb's buffer) in this
     * place, and passes if that happens to be CR NUL. Nothing is hidden then: all fields were seen, and RFC 9112
     * section 2.2 lets a server take a bare LF. */
    return count == 0 || (line_end[1] == '\0' && line_end[2] == '\r' && line_end[3] == '\0');
}

static int check_head(const struct mg_request_info *info, struct gs_http_fault *fault) {
    struct gs_problem *problem = &fault->problem;
    if (info->num_headers > GS_HTTP_HEADERS_MAX) {
        return gs_problem_set(problem, GS_HTTP_EHEAD, NULL, "more than %d header fields", GS_HTTP_HEADERS_MAX);
    }
    if (info->num_headers > 0) {
        const struct mg_header *last = &info->http_headers[info->num_headers - 1];
        if (last->value + strlen(last->value) + 4 - info->request_method > GS_HTTP_HEAD_MAX) {
            return gs_problem_set(problem, GS_HTTP_EHEAD, NULL, "the head is larger than %d bytes", GS_HTTP_HEAD_MAX);
        }
    }
    if (!head_is_plain(info)) {
        return gs_problem_set(problem, GS_HTTP_EREQUEST, NULL,
                              "a header line is folded, has blanks around its name, or does not end in CR LF");
    }
    struct gs_slice host;
    int error = gs_http_header_single(info, "Host", &host, fault);
    if (error == 0 && host.bytes == NULL && strcmp(info->http_version, "1.0") != 0) {
        error = gs_problem_set(problem, GS_HTTP_EREQUEST, "Host", "the header is missing");
    }
    return error;
}

static int parse_length(struct gs_slice text, uint64_t *ret_length, struct gs_http_fault *fault) {
    uint64_t length = 0;
    bool ok = text.length > 0 && text.length <= 18; /* fits, whatever the digits are */
    for (size_t i = 0; ok && i < text.length; i++) {
        ok = text.bytes[i] >= '0' && text.bytes[i] <= '9';
        length = length * 10 + (uint64_t)(text.bytes[i] - '0');
    }
    if (!ok) {
        return gs_problem_set(&fault->problem, GS_HTTP_EREQUEST, "Content-Length", "not a length");
    }
    *ret_length = length;
    return 0;
}

static int check_length(const struct mg_request_info *info, struct gs_http_framing *framing,
                        struct gs_http_fault *fault) {
    struct gs_slice length;
    struct gs_slice encoding;
    int error = gs_http_header_single(info, "Content-Length", &length, fault);
    if (error == 0) {
        error = gs_http_header_single(info, "Transfer-Encoding", &encoding, fault);
    }
    if (error != 0) {
        return error;
    }
    if (encoding.bytes != NULL) {
        if (length.bytes != NULL || !gs_slice_is_nocase(encoding, "chunked")) {
            return gs_problem_set(&fault->problem, GS_HTTP_EREQUEST, "Transfer-Encoding",
                                  length.bytes != NULL ? "together with Content-Length" : "not supported");
        }
        return gs_problem_set(&fault->problem, GS_HTTP_ELENGTH, "Transfer-Encoding",
                              "chunked bodies are not taken; send a Content-Length");
    }
    if (length.bytes != NULL) {
        framing->has_length = true;
        return parse_length(length, &framing->length, fault);
    }
    return 0;
}

static int check_expect(const struct mg_request_info *info, struct gs_http_framing *framing,
                        struct gs_http_fault *fault) {
    struct gs_slice expect;
    int error = gs_http_header_single(info, "Expect", &expect, fault);
    if (error == 0 && expect.bytes != NULL) {
        framing->expects_continue = gs_slice_is_nocase(expect, "100-continue");
        if (!framing->expects_continue) {
            error = gs_problem_set(&fault->problem, GS_HTTP_EEXPECT, "Expect", "not 100-continue");
        }
    }
    return error;
}

/* CivetWeb keeps a connection if the first Connection header names keep-alive, or if there is none in HTTP/1.1. Where
 * the two could differ, we close. */
static bool wants_keep_alive(const struct mg_request_info *info) {
    bool any = false;
    bool keep = false;
    bool close = false;
    for (int i = 0; i < info->num_headers; i++) {
        if (strcasecmp(info->http_headers[i].name, "Connection") != 0) {
            continue;
        }
        any = true;
        struct gs_slice rest = gs_text_slice(info->http_headers[i].value);
        struct gs_slice option;
        while (gs_slice_next(&rest, ',', &option)) {
            bool named = gs_slice_is_nocase(option, "keep-alive");
            keep = keep || named;
            close = close || !named;
        }
    }
    return any ? keep && !close : strcmp(info->http_version, "1.1") == 0;
}

int gs_http_framing_check(const struct mg_request_info *info, struct gs_http_framing *ret_framing,
                          struct gs_http_fault *fault) {
    struct gs_http_framing framing = {0};
    int error = check_head(info, fault);
    if (error == 0) {
        error = check_length(info, &framing, fault);
    }
    if (error == 0) {
        error = check_expect(info, &framing, fault);
    }
    if (error != 0) {
        return error;
    }
    framing.keep_alive = wants_keep_alive(info);
    *ret_framing = framing;
    return 0;
}
