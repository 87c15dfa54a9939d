/* Error codes of every library in this project, and the problem report that goes with them.
 *
 * Functions return 0 or one of the negative codes below; outputs (`ret_*`) are untouched on failure. Libraries never
 * log: what went wrong travels up as a code, and, where a person caused it, as a gs_problem that names what is wrong.
 * The table is an X-macro: code, stable name (the `code` of the HTTP problem document), default message. */
#ifndef GLOBALSTATE_ERROR_H
#define GLOBALSTATE_ERROR_H

#include <stdarg.h>

#define GS_ERROR_TABLE(X)                                                                                          \
    X(GS_ENOMEM, -1, "out_of_memory", "memory could not be allocated")                                             \
    X(GS_EINVAL, -2, "invalid_argument", "an argument is not valid")                                               \
    X(GS_EJSON, -3, "malformed_json", "the text is not valid JSON")                                                \
    X(GS_EDUPKEY, -4, "duplicate_key", "an object names a key twice")                                              \
    X(GS_EUTF8, -5, "invalid_utf8", "a string is not valid UTF-8")                                                 \
    X(GS_EDEPTH, -6, "too_deep", "the nesting is deeper than allowed")                                             \
    X(GS_ERANGE, -7, "number_out_of_range", "a number is outside of what can be held exactly")                     \
    X(GS_ETOOBIG, -8, "too_large", "a size or count is past its cap")                                              \
    X(GS_EPATH, -9, "invalid_path", "the path is not a valid JSON Pointer for this state")                         \
    X(GS_ETYPE, -10, "type_mismatch", "the operation does not fit the type of the field")                          \
    X(GS_EOVERFLOW, -11, "counter_overflow", "the counter would leave the range of 64-bit integers")               \
    X(GS_EUNKNOWNOP, -12, "unknown_op", "the operation is not known")                                              \
    X(GS_EFORMAT, -13, "malformed_encoding", "the bytes are not a canonical encoding")                             \
    X(GS_EVERSION, -14, "unknown_format_version", "the bytes are of a format version this program does not know")  \
    X(GS_ESIGNATURE, -15, "bad_signature", "the signature does not verify")                                        \
    X(GS_ECHAIN, -16, "broken_chain", "the batch does not continue its origin's hash chain")                       \
    X(GS_EGAP, -17, "sequence_gap", "batches between the applied ones and this one are missing")                   \
    X(GS_EUNTRUSTED, -18, "untrusted_origin", "no trusted key belongs to this origin")                             \
    X(GS_EOVERCLAIM, -19, "over_claim", "a delta claims to have seen what its origin had not applied")             \
    X(GS_ESKEW, -20, "clock_skew", "the batch is stamped too far ahead of this node's clock")                      \
    X(GS_ECLUSTER, -21, "wrong_cluster", "the bytes belong to another cluster")                                    \
    X(GS_ENOTFOUND, -22, "not_found", "there is no such thing")                                                    \
    X(GS_EVERSIONCONFLICT, -23, "version_conflict", "the aggregate is not at the expected version")                \
    X(GS_EPRECONDITION, -24, "precondition_failed", "a precondition of the request does not hold")                 \
    X(GS_EIDEMPOTENCY, -25, "idempotency_key_reused", "the idempotency key was used for a different request")      \
    X(GS_EOVERLOADED, -26, "overloaded", "the node has no room for this request now")                              \
    X(GS_ESTORE, -27, "store_unavailable", "the region's store did not take the write")                            \
    X(GS_EIO, -28, "io_error", "the operating system reported an input/output error")                              \
    X(GS_EBUSY, -29, "busy", "something else holds what is needed")                                                \
    X(GS_ECORRUPT, -30, "corrupt", "stored bytes do not match their checksum, chain or signature")                 \
    X(GS_ESHUTDOWN, -31, "shutting_down", "the node is stopping")                                                  \
    X(GS_EHANDSHAKE, -32, "handshake_failed", "the peer did not prove who it is")                                  \
    X(GS_ECLOSED, -33, "closed", "the other side closed the connection")                                           \
    X(GS_EUNSUPPORTED, -34, "unsupported", "this is not supported")                                                \
    X(GS_EFORK, -35, "forked_origin", "two signed batches of one origin claim the same sequence number")           \
    X(GS_EWENTBACK, -36, "store_went_back", "the store holds less than it acknowledged")                           \
    X(GS_EUNCERTAIN, -37, "store_outcome_unknown",                                                                 \
      "the store went away before it confirmed the write, which may still be carried out: send it again with the " \
      "same Idempotency-Key")                                                                                      \
    X(GS_EBOUND, -38, "insufficient_rights", "this region does not hold the rights that this would take")          \
    X(GS_ERIGHTS, -39, "rights_left", "a bounded counter above its bound cannot be taken away")                    \
    X(GS_EOVERSPENT, -40, "overspent", "a delta spends rights of a bounded counter that its origin does not hold") \
    X(GS_EGONE, -41, "gone", "what lies so far back is no longer kept")                                            \
    X(GS_EENDED, -46, "origin_closed",                                                                             \
      "the batch lies, or depends on what lies, behind the end at which its origin was closed")                    \
    X(GS_ECLOSING, -47, "closing_unproved", "the log does not bear out a decision about the end of an origin")     \
    X(GS_ERETIRED, -48, "region_retired", "this region has been retired: it takes no writes any more")

enum gs_error {
    GS_OK = 0,
#define GS_ERROR_ENUM(id, value, name, message) id = value,
    GS_ERROR_TABLE(GS_ERROR_ENUM)
#undef GS_ERROR_ENUM
};

/* Stable snake_case name of `code` ("ok" for 0, "unknown_error" for anything not in the table). Static storage. */
const char *gs_error_name(int code);

/* Default one-line message of `code`. Static storage. */
const char *gs_error_message(int code);

enum { GS_PROBLEM_FIELD_MAX = 160, GS_PROBLEM_DETAIL_MAX = 240 };

/* What is wrong, for a person: `field` is the path of the culprit ("/ops/0/by"; empty when the whole is meant),
 * `detail` one sentence. Filled only on failure; both are always NUL-terminated valid UTF-8, cut to fit. */
struct gs_problem {
    int code;
    char field[GS_PROBLEM_FIELD_MAX];
    char detail[GS_PROBLEM_DETAIL_MAX];
};

/* Fills `problem` (ignored when NULL) and returns `code`, so that a failure is reported in one line:
 * `return gs_problem_set(problem, GS_EPATH, path, "…")`. `field` may be NULL. */
int gs_problem_set(struct gs_problem *problem, int code, const char *field, const char *format, ...)
    __attribute__((format(printf, 4, 5)));

#endif
