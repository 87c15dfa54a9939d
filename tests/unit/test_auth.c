/* Principals: what a good token lets its bearer do. */
#include "node/auth/auth.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

enum { NOW = 1700000000 };

static const char secret[] = "an HS256 key of 32 bytes or more";

static struct gs_slice slice(const char *text) {
    return gs_slice_make(text, strlen(text));
}

static void scopes(void **state) {
    (void)state;
    struct gs_slice unknown;
    assert_int_equal(gs_scopes_parse(slice("state:read  events:write"), &unknown),
                     GS_SCOPE_STATE_READ | GS_SCOPE_EVENTS_WRITE);
    assert_null(unknown.bytes);
    assert_int_equal(gs_scopes_parse(slice("admin"), NULL), GS_SCOPE_ALL);
    assert_int_equal(gs_scopes_parse(slice(""), NULL), 0);
    assert_int_equal(gs_scopes_parse(slice("state:readx state ADMIN"), &unknown), 0);
    assert_int_equal(unknown.length, strlen("state:readx"));
    assert_string_equal(gs_scope_name(GS_SCOPE_SYNC_WRITE), "sync:write");
    assert_string_equal(gs_scope_name(GS_SCOPE_SYNC_WRITE | GS_SCOPE_ADMIN), "?");
}

static void patterns(void **state) {
    (void)state;
    static const struct {
        const char *pattern, *type, *id;
        bool matches;
    } cases[] = {
        {"*", "player", "p1", true},
        {"player/*", "player", "p1", true},
        {"player/*", "players", "p1", false},
        {"player/p1", "player", "p1", true},
        {"player/p1", "player", "p11", false},
        {"player/p*1", "player", "p1", true},
        {"player/p*1", "player", "p-1-1", true},
        {"player/p*1", "player", "p-1-2", false},
        {"*/p1", "guild", "p1", true},
        {"pl*r/*a*b*", "player", "xaxbx", true},
        {"pl*r/*a*b*", "player", "xbxax", false},
        {"player/**", "player", "x", true},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        assert_true(gs_pattern_valid(slice(cases[i].pattern)));
        assert_int_equal(gs_pattern_matches(slice(cases[i].pattern), slice(cases[i].type), slice(cases[i].id)),
                         cases[i].matches);
    }
    static const char *const bad[] = {"", "player", "player/", "/p1", "a/b/c", "a/b c", "**", "a/\xc3\xa4", "?/x"};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        assert_false(gs_pattern_valid(slice(bad[i])));
    }
}

static void configuration(void **state) {
    (void)state;
    static const struct {
        size_t secret, public_key;
        int error;
    } cases[] = {{0, 0, GS_EINVAL},  {31, 0, GS_EINVAL}, {32, 0, 0}, {1024, 0, 0}, {1025, 0, GS_EINVAL},
                 {0, 31, GS_EINVAL}, {0, 33, GS_EINVAL}, {0, 32, 0}, {32, 32, 0},  {32, 31, GS_EINVAL}};
    static const uint8_t bytes[2048];
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct gs_auth auth = {0};
        struct gs_problem problem = {0};
        const struct gs_auth_config config = {.secret = gs_slice_make(bytes, cases[i].secret),
                                              .public_key = gs_slice_make(bytes, cases[i].public_key),
                                              .issuer = "i"};
        assert_int_equal(gs_auth_init(&auth, &config, &problem), cases[i].error);
        assert_int_equal(problem.detail[0] != '\0', cases[i].error != 0);
        gs_auth_close(&auth);
    }
}

/* Authenticates a token of these claims (after "sub" and "exp"), minted with the key. */
static int authenticate(const char *subject, const char *scope, const char *const *aggregates, uint32_t count,
                        struct gs_principal *ret_principal) {
    struct gs_auth auth = {0};
    const struct gs_auth_config config = {.secret = slice(secret)};
    assert_int_equal(gs_auth_init(&auth, &config, NULL), 0);
    const struct gs_jwt_claims claims = {
        .subject = subject, .scope = scope, .aggregates = aggregates, .aggregate_count = count, .expires_s = NOW + 10};
    struct gs_buffer token = {0};
    assert_int_equal(gs_jwt_mint(&auth.policy.keys[0], &claims, &token), 0);
    int error = gs_auth_authenticate(&auth, gs_slice_make(token.bytes, token.length), NOW, ret_principal);
    gs_buffer_close(&token);
    gs_auth_close(&auth);
    return error;
}

static void principals(void **state) {
    (void)state;
    struct gs_principal principal = {0};
    static const char *const aggregates[] = {"player/*", "guild/g1"};
    assert_int_equal(authenticate("server", "state:read other:thing", aggregates, 2, &principal), 0);
    assert_int_equal(principal.subject.length, 6);
    assert_int_equal(principal.expires_s, NOW + 10 + GS_JWT_LEEWAY_S);
    assert_true(gs_principal_has(&principal, GS_SCOPE_STATE_READ));
    assert_false(gs_principal_has(&principal, GS_SCOPE_STATE_WRITE));
    assert_true(gs_principal_covers(&principal, slice("player"), slice("p1")));
    assert_true(gs_principal_covers(&principal, slice("guild"), slice("g1")));
    assert_false(gs_principal_covers(&principal, slice("guild"), slice("g2")));
    assert_true(gs_principal_covers_type(&principal, slice("player")));
    assert_false(gs_principal_covers_type(&principal, slice("guild")));
    gs_principal_close(&principal);

    assert_int_equal(authenticate("server", NULL, aggregates, 0, &principal), 0);
    assert_false(gs_principal_covers(&principal, slice("player"), slice("p1")));
    assert_int_equal(principal.scopes, 0);
    gs_principal_close(&principal);

    assert_int_equal(authenticate("server", "admin", NULL, 0, &principal), 0);
    assert_true(gs_principal_covers_type(&principal, slice("player")));
    assert_true(gs_principal_has(&principal, GS_SCOPE_AUDIT_READ));
    gs_principal_close(&principal);
}

static void bad_principals(void **state) {
    (void)state;
    struct gs_principal principal = {0};
    char subject[GS_SUBJECT_MAX + 2] = "";
    memset(subject, 'x', sizeof subject - 1);
    assert_int_equal(authenticate(subject, NULL, NULL, 0, &principal), GS_ESIGNATURE);
    subject[GS_SUBJECT_MAX] = '\0';
    assert_int_equal(authenticate(subject, NULL, NULL, 0, &principal), 0);
    gs_principal_close(&principal);
    static const char *const bad[] = {"player/*", "no pattern"};
    assert_int_equal(authenticate("a", NULL, bad, 2, &principal), GS_ESIGNATURE);
    const char *many[GS_AGGREGATE_PATTERNS_MAX + 1];
    for (size_t i = 0; i < sizeof many / sizeof many[0]; i++) {
        many[i] = "a/b";
    }
    assert_int_equal(authenticate("a", NULL, many, GS_AGGREGATE_PATTERNS_MAX + 1, &principal), GS_ESIGNATURE);
    assert_null(principal.arena.chunks);
}

static void off(void **state) {
    (void)state;
    struct gs_auth auth = {0};
    struct gs_principal principal = {0};
    const struct gs_auth_config config = {.off = true};
    assert_int_equal(gs_auth_init(&auth, &config, NULL), 0);
    assert_int_equal(gs_auth_authenticate(&auth, slice("whatever"), NOW, &principal), 0);
    assert_true(gs_principal_has(&principal, GS_SCOPE_ADMIN));
    assert_memory_equal(principal.subject.bytes, "anonymous", principal.subject.length);
    gs_principal_close(&principal);
    gs_auth_close(&auth);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(scopes),     cmocka_unit_test(patterns),       cmocka_unit_test(configuration),
        cmocka_unit_test(principals), cmocka_unit_test(bad_principals), cmocka_unit_test(off),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
