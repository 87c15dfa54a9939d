/* Member records: what is signed, what is read, and what is refused before and after the signature. */
#include "gossip/member.h"
#include "log_fixture.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static struct gs_member make_member(uint32_t addresses) {
    struct gs_member member = {.head = {.number = 7, .intent = GS_MEMBER_ALIVE}, .region = "eu-west"};
    member.head.key = fixture_region(0).keys.public_key;
    member.address_count = addresses;
    for (uint32_t i = 0; i < addresses; i++) {
        memset(member.addresses[i], 'a' + (int)i, GS_MEMBER_ADDRESS_MAX - 5);
        memcpy(member.addresses[i] + GS_MEMBER_ADDRESS_MAX - 5, ":8089", 6);
    }
    return member;
}

static struct gs_buffer write_member(const struct gs_member *member) {
    struct region region = fixture_region(0);
    struct gs_buffer bytes = {0};
    assert_int_equal(gs_member_write(member, &region.cluster, &region.keys, &bytes), 0);
    return bytes;
}

static int read_member(const struct gs_buffer *bytes, struct gs_member *ret_member) {
    struct region region = fixture_region(0);
    return gs_member_read(gs_slice_make(bytes->bytes, bytes->length), &region.cluster, ret_member);
}

static void test_round_trip(void **state) {
    (void)state;
    for (uint32_t addresses = 0; addresses <= GS_MEMBER_ADDRESSES_MAX; addresses++) {
        struct gs_member member = make_member(addresses);
        struct gs_member again;
        memset(member.region, 'r', addresses == GS_MEMBER_ADDRESSES_MAX ? GS_REGION_NAME_MAX : 3); /* the largest */
        member.head.intent = addresses % 2 == 0 ? GS_MEMBER_ALIVE : GS_MEMBER_LEAVING;
        member.head.number = addresses == 0 ? 1 : GS_MEMBER_NUMBER_MAX;
        struct gs_buffer bytes = write_member(&member);
        assert_true(bytes.length <= GS_MEMBER_BYTES_MAX);
        assert_int_equal(read_member(&bytes, &again), 0);
        assert_true(gs_member_same(&member, &again));
        assert_int_equal(again.head.number, member.head.number);
        gs_buffer_close(&bytes);
    }
}

static void test_same_is_all_but_the_number(void **state) {
    (void)state;
    struct gs_member a = make_member(2);
    struct gs_member b = a;
    b.head.number++;
    assert_true(gs_member_same(&a, &b));
    b.head.intent = GS_MEMBER_LEAVING;
    assert_false(gs_member_same(&a, &b));
    b = a;
    b.addresses[1][0] = 'x';
    assert_false(gs_member_same(&a, &b));
    b = a;
    b.address_count = 1;
    assert_false(gs_member_same(&a, &b));
    b = a;
    b.region[0] = 'x';
    assert_false(gs_member_same(&a, &b));
    b = a;
    b.head.key.bytes[0] ^= 1;
    assert_false(gs_member_same(&a, &b));
}

static void test_every_changed_bit_is_noticed(void **state) {
    (void)state;
    struct gs_member member = make_member(1);
    struct gs_buffer bytes = write_member(&member);
    for (size_t i = 0; i < 8 * bytes.length; i++) {
        struct gs_member read = {.address_count = 99};
        bytes.bytes[i / 8] ^= (uint8_t)(1 << i % 8);
        assert_int_not_equal(read_member(&bytes, &read), 0);
        assert_int_equal(read.address_count, 99);
        bytes.bytes[i / 8] ^= (uint8_t)(1 << i % 8);
    }
    gs_buffer_close(&bytes);
}

static void test_no_prefix_is_accepted(void **state) {
    (void)state;
    struct gs_member member = make_member(1);
    struct gs_buffer bytes = write_member(&member);
    struct gs_member_head head;
    gs_cluster cluster = fixture_region(0).cluster;
    for (size_t length = 0; length < bytes.length; length++) {
        assert_int_equal(gs_member_read_head(gs_slice_make(bytes.bytes, length), &cluster, &head), GS_EFORMAT);
    }
    gs_buffer_byte(&bytes, 0);
    assert_int_equal(gs_member_read_head(gs_slice_make(bytes.bytes, bytes.length), &cluster, &head), GS_EFORMAT);
    gs_buffer_close(&bytes);
}

static void test_another_cluster_and_another_key(void **state) {
    (void)state;
    struct region eu = fixture_region(0);
    struct region us = fixture_region(1);
    struct gs_member member = make_member(1);
    struct gs_member read;
    gs_cluster other = gs_cluster_from_name("another");
    struct gs_buffer bytes = {0};
    assert_int_equal(gs_member_write(&member, &other, &eu.keys, &bytes), 0);
    assert_int_equal(read_member(&bytes, &read), GS_ECLUSTER);
    bytes.length = 0;
    assert_int_equal(gs_member_write(&member, &eu.cluster, &us.keys, &bytes), 0); /* in another's name */
    assert_int_equal(read_member(&bytes, &read), GS_ESIGNATURE);
    bytes.bytes[0] = 2;
    assert_int_equal(read_member(&bytes, &read), GS_EVERSION);
    gs_buffer_close(&bytes);
}

static void test_what_may_not_be_said(void **state) {
    (void)state;
    struct region region = fixture_region(0);
    struct gs_buffer bytes = {0};
    for (int i = 0; i < 6; i++) {
        struct gs_member member = make_member(1);
        member.head.number = i == 0 ? 0 : i == 1 ? GS_MEMBER_NUMBER_MAX + 1 : 7;
        member.address_count = i == 2 ? GS_MEMBER_ADDRESSES_MAX + 1 : 1;
        member.addresses[0][0] = i == 3 ? '"' : i == 4 ? '\0' : 'a';
        member.region[0] = i == 5 ? ' ' : 'e';
        assert_int_equal(gs_member_write(&member, &region.cluster, &region.keys, &bytes), GS_EINVAL);
    }
    assert_int_equal(bytes.length, 0);
    assert_true(gs_member_address_valid("[fe80::1%eth0]:8089", 19));
    assert_true(gs_member_address_valid("eu-west.game_1.example:1", 24));
    assert_false(gs_member_address_valid("", 0));
    assert_false(gs_member_address_valid("a b:1", 5));
    assert_false(gs_member_address_valid("a\n:1", 4));
    assert_false(gs_member_address_valid("a\0:1", 4));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_round_trip),
        cmocka_unit_test(test_same_is_all_but_the_number),
        cmocka_unit_test(test_every_changed_bit_is_noticed),
        cmocka_unit_test(test_no_prefix_is_accepted),
        cmocka_unit_test(test_another_cluster_and_another_key),
        cmocka_unit_test(test_what_may_not_be_said),
    };
    return cmocka_run_group_tests_name("member", tests, NULL, NULL);
}
