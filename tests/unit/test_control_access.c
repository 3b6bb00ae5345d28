/* control/access: who a caller is, and what the rules make of it. */
#include "test.h"

#include "control/access.h"

#include <errno.h>
#include <stdbool.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum { OWNER = 1000, VIEWERS = 100, OPERATORS = 101, ADMINS = 102, VM_ADMINS = 103, OTHERS = 104 };

static void make_rules(struct access *access)
{
	*access = (struct access){.owner = OWNER};
	assert_int_equal(access_allow(access, ROLE_VIEWER, VIEWERS, NULL), 0);
	assert_int_equal(access_allow(access, ROLE_OPERATOR, OPERATORS, NULL), 0);
	assert_int_equal(access_allow(access, ROLE_ADMIN, ADMINS, NULL), 0);
	assert_int_equal(access_allow(access, ROLE_ADMIN, VM_ADMINS, "vm"), 0);
}

static void the_highest_rule_that_applies_decides(void **state)
{
	static const struct {
		uid_t uid;
		gid_t groups[3];
		enum role on_all, on_vm, on_other, best;
	} cases[] = {
		{0, {OTHERS}, ROLE_ADMIN, ROLE_ADMIN, ROLE_ADMIN, ROLE_ADMIN},
		{OWNER, {OTHERS}, ROLE_ADMIN, ROLE_ADMIN, ROLE_ADMIN, ROLE_ADMIN},
		{1, {OTHERS}, ROLE_NONE, ROLE_NONE, ROLE_NONE, ROLE_NONE},
		{1, {VIEWERS}, ROLE_VIEWER, ROLE_VIEWER, ROLE_VIEWER, ROLE_VIEWER},
		{1, {OTHERS, OPERATORS}, ROLE_OPERATOR, ROLE_OPERATOR, ROLE_OPERATOR,
			ROLE_OPERATOR},
		{1, {OPERATORS, VIEWERS}, ROLE_OPERATOR, ROLE_OPERATOR, ROLE_OPERATOR,
			ROLE_OPERATOR},
		{1, {OTHERS, OTHERS, ADMINS}, ROLE_ADMIN, ROLE_ADMIN, ROLE_ADMIN, ROLE_ADMIN},
		{1, {VM_ADMINS}, ROLE_NONE, ROLE_ADMIN, ROLE_NONE, ROLE_ADMIN},
		{1, {VM_ADMINS, VIEWERS}, ROLE_VIEWER, ROLE_ADMIN, ROLE_VIEWER, ROLE_ADMIN},
	};
	struct access access;
	make_rules(&access);
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		gid_t groups[3];
		memcpy(groups, cases[i].groups, sizeof(groups));
		struct control_peer peer = {.uid = cases[i].uid, .groups = groups};
		while (peer.group_count < 3 && groups[peer.group_count] != 0)
			peer.group_count++;
		assert_int_equal(access_role(&access, &peer, NULL), cases[i].on_all);
		assert_int_equal(access_role(&access, &peer, "vm"), cases[i].on_vm);
		assert_int_equal(access_role(&access, &peer, "vm2"), cases[i].on_other);
		assert_int_equal(access_best_role(&access, &peer), cases[i].best);
	}
	access_fini(&access);
	assert_int_equal(access.count, 0);
}

static void nobody_but_root_without_rules(void **state)
{
	const struct access access = {0};
	gid_t group = 0;
	const struct control_peer root = {.uid = 0};
	const struct control_peer stranger = {.uid = 1, .groups = &group, .group_count = 1};
	assert_int_equal(access_role(&access, &root, "vm"), ROLE_ADMIN);
	assert_int_equal(access_role(&access, &stranger, "vm"), ROLE_NONE);
	assert_int_equal(access_best_role(&access, &stranger), ROLE_NONE);
}

static bool has_group(const struct control_peer *peer, gid_t group)
{
	for (size_t i = 0; i < peer->group_count; i++)
		if (peer->groups[i] == group)
			return true;
	return false;
}

static void the_kernel_says_who_it_is(void **state)
{
	struct control_peer peer;
	gid_t groups[256];
	int fds[2];
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds), 0);
	assert_int_equal(control_peer_of(fds[0], &peer), 0);
	assert_int_equal(peer.uid, getuid());
	assert_int_equal(peer.pid, getpid());
	int count = getgroups(256, groups);
	assert_int_equal(peer.group_count, count + 1);
	assert_true(has_group(&peer, getgid()));
	for (int i = 0; i < count; i++)
		assert_true(has_group(&peer, groups[i]));
	control_peer_fini(&peer);
	close(fds[0]);
	close(fds[1]);
	assert_int_equal(control_peer_of(fds[0], &peer), -EBADF);
}

static void roles_have_names(void **state)
{
	assert_string_equal(role_name(ROLE_NONE), "none");
	assert_string_equal(role_name(ROLE_VIEWER), "viewer");
	assert_string_equal(role_name(ROLE_OPERATOR), "operator");
	assert_string_equal(role_name(ROLE_ADMIN), "admin");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_highest_rule_that_applies_decides),
		cmocka_unit_test(nobody_but_root_without_rules),
		cmocka_unit_test(the_kernel_says_who_it_is),
		cmocka_unit_test(roles_have_names),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
