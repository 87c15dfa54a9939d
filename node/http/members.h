/* Members of canonical maps, as requests have them: known by name, and no others. */
#ifndef GS_NODE_HTTP_MEMBERS_H
#define GS_NODE_HTTP_MEMBERS_H

#include <globalstate/codec.h>

enum { GS_FIELD_SIZE = GS_PROBLEM_FIELD_MAX };

/* "prefix/name", escaped as RFC 6901 has it, cut to fit. */
void gs_field_join(char ret_field[GS_FIELD_SIZE], const char *prefix, struct gs_slice name);

/* Spreads a map over `ret_values`, one slot a name of `names` (`count` of them), {NULL, 0} where a member is missing.
 * GS_EINVAL, with the field: `value` is not a map, or has a member that is not named. */
int gs_members_read(struct gs_slice value, const char *prefix, const char *const *names, uint32_t count,
                    struct gs_slice *ret_values, struct gs_problem *problem);

/* What a member must be. Each: GS_EINVAL with the field, also when the member is missing. */
int gs_member_name(struct gs_slice value, const char *prefix, const char *member, struct gs_slice *ret_name,
                   struct gs_problem *problem); /* a string that gs_id_valid holds for */
int gs_member_uint(struct gs_slice value, const char *prefix, const char *member, uint64_t *ret_number,
                   struct gs_problem *problem);
int gs_member_bool(struct gs_slice value, const char *prefix, const char *member, bool *ret_flag,
                   struct gs_problem *problem);
/* The number of items, and `ret_reader` before the first. */
int gs_member_array(struct gs_slice value, const char *prefix, const char *member, struct gs_reader *ret_reader,
                    uint32_t *ret_count, struct gs_problem *problem);

#endif
