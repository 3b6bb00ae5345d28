/*
 * device/active_change.c: a domain that runs gets another document. Who does not notice, who goes
 * on with what, and how all is as it was when something fails.
 */
#include "domains_bench.h"
#include "fail.h"

#include <sys/stat.h>

#define NULL_DEVICE "<serial type='null'/>"
/* serial0 and serial1 of the tests, as servers whose sockets stand in the test's directory. */
#define SERVER(n) "<serial type='unix'><source mode='bind' path='%s/s" n "'/></serial>"
#define SERVER_WITH(n, more) \
	"<serial type='unix'><source mode='bind' path='%s/s" n "'/>" more "</serial>"
#define PATIENCE(ms) "<c:overflow policy='drop' patience='" ms "ms'/>"

static int change(struct bench *bench, const char *devices)
{
	return define(bench, "vm", with_top(bench, devices));
}

/* ---- who notices ----------------------------------------------------------------------------- */

static void what_is_the_same_does_not_notice(void **state)
{
	struct bench *bench = *state;
	change(bench, SERVER("0") SERVER("1"));
	int peer = peer_connect(bench, "s0"), other = peer_connect(bench, "s1");
	struct vmm vmm = vmm_attach(bench, "run/vm/serial0");
	vmm_says(&vmm, "hello");
	peer_reads(bench, peer, "hello");
	until(bench, status_of(bench, "vm", "serial1").peers == 1);
	struct device *device = device_of(bench, "vm", "serial0");
	assert_int_equal(change(bench, SERVER("0") SERVER_WITH("1", PATIENCE("7"))), 0);
	assert_string_equal(bench->answer.names, "serial1 ");
	assert_ptr_equal(device_of(bench, "vm", "serial0"), device);
	assert_true(is_connected(peer));
	assert_false(is_connected(other));
	assert_int_equal(status_of(bench, "vm", "serial0").connects, 1);
	vmm_says(&vmm, "again");
	peer_reads(bench, peer, "again");
	assert_int_equal(bench->endings, 1);
	vmm_leave(&vmm);
	close(peer);
	close(other);
}

static void the_same_document_changes_nothing(void **state)
{
	struct bench *bench = *state;
	change(bench, SERVER("0") SERVER("1"));
	unsigned before = bench->answer.count;
	domains_define(bench->domains, parse("vm", with_top(bench, SERVER("0") SERVER("1"))),
		"/etc/x", true, on_done, bench);
	assert_int_equal(bench->answer.count, before + 1);
	assert_int_equal(bench->answer.code, 0);
	assert_string_equal(bench->answer.names, "");
	assert_string_equal(served_origin(domains_find(bench->domains, "vm")), "/etc/x");
	assert_int_equal(bench->endings, 0);
}

static void the_live_document_follows(void **state)
{
	struct bench *bench = *state;
	char text[8192] = "";
	change(bench, SERVER("0"));
	change(bench, SERVER("0") "<parallel type='pty'/>");
	int fd = open(path_of(bench, "run/vm/live.xml"), O_RDONLY | O_CLOEXEC);
	assert_true(read(fd, text, sizeof(text) - 1) > 0);
	close(fd);
	char *live = served_format_live(domains_find(bench->domains, "vm"));
	assert_string_equal(live, text);
	assert_non_null(strstr(live, "/dev/pts/"));
	free(live);
}

/* ---- what goes on ---------------------------------------------------------------------------- */

static void a_device_that_differs_goes_on_with_its_history(void **state)
{
	struct bench *bench = *state;
	change(bench, SERVER("0"));
	struct vmm vmm = vmm_attach(bench, "run/vm/serial0");
	vmm_says(&vmm, "one ");
	until(bench, status_of(bench, "vm", "serial0").head == 4);
	struct device_status before = status_of(bench, "vm", "serial0");
	vmm_says(&vmm, "two ");
	assert_int_equal(change(bench, SERVER("1")), 0);
	assert_string_equal(bench->answer.names, "serial0 ");
	vmm_says(&vmm, "three");
	until(bench, status_of(bench, "vm", "serial0").head == 13);
	struct device_status after = status_of(bench, "vm", "serial0");
	assert_int_equal(after.epoch, before.epoch);
	assert_int_equal(after.oldest, 0);
	assert_true(after.guest_present);
	assert_false(exists(bench, "s0"));
	int peer = peer_connect(bench, "s1");
	peer_reads(bench, peer, "one two three");
	/* And to the guest: it still holds the FIFO that is written to. */
	assert_int_equal(write(peer, "typed", 5), 5);
	char typed[8] = "";
	ssize_t n;
	while ((n = read(vmm.in, typed, sizeof(typed))) < 0)
		turn(bench);
	assert_string_equal(typed, "typed");
	vmm_leave(&vmm);
	close(peer);
}

/* Its log has every byte of the guest once, whatever was changed while it wrote. */
static void changes_under_way_lose_no_byte(void **state)
{
	struct bench *bench = *state;
	enum { ROUNDS = 20, PIECE = 20000 };
	static char piece[PIECE], got[ROUNDS * PIECE + 1];
	char devices[512];
	change(bench, "<serial type='null'><log file='%s/raw'/></serial>");
	struct vmm vmm = vmm_attach(bench, "run/vm/serial0");
	for (unsigned i = 0; i < ROUNDS; i++) {
		for (unsigned j = 0; j < PIECE; j++)
			piece[j] = (char)((i * PIECE + j) * 2654435761U >> 13);
		assert_int_equal(write(vmm.out, piece, PIECE), PIECE);
		turn(bench);
		snprintf(devices, sizeof(devices),
			"<serial type='null'><log file='%%s/raw'/>"
			"<c:overflow policy='drop' patience='%ums'/></serial>",
			i + 1);
		assert_int_equal(change(bench, devices), 0);
	}
	until(bench, status_of(bench, "vm", "serial0").head == ROUNDS * PIECE);
	vmm_leave(&vmm);
	close_domains(bench, false);
	int fd = open(path_of(bench, "raw"), O_RDONLY | O_CLOEXEC);
	assert_int_equal(read(fd, got, sizeof(got)), ROUNDS * PIECE);
	for (unsigned i = 0; i < ROUNDS * PIECE; i++)
		if (got[i] != (char)(i * 2654435761U >> 13))
			fail_msg("byte %u differs", i);
	close(fd);
	remove_log(bench, "raw");
}

static void assert_file(const struct bench *bench, const char *leaf, const char *text)
{
	char got[256] = "";
	int fd = open(path_of(bench, leaf), O_RDONLY | O_CLOEXEC);
	assert_true(fd >= 0);
	assert_true(read(fd, got, sizeof(got) - 1) >= 0);
	assert_string_equal(got, text);
	close(fd);
	remove_log(bench, leaf);
}

static void another_log_begins_with_what_is_to_come(void **state)
{
	struct bench *bench = *state;
	int fd = open(path_of(bench, "b"), O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
	assert_int_equal(write(fd, "of old times", 12), 12);
	close(fd);
	change(bench, "<serial type='null'><log file='%s/a'/></serial>");
	struct vmm vmm = vmm_attach(bench, "run/vm/serial0");
	vmm_says(&vmm, "one ");
	until(bench, status_of(bench, "vm", "serial0").head == 4);
	assert_int_equal(change(bench, "<serial type='null'><log file='%s/b'/></serial>"), 0);
	vmm_says(&vmm, "two ");
	until(bench, status_of(bench, "vm", "serial0").head == 8);
	vmm_leave(&vmm);
	close_domains(bench, false);
	assert_file(bench, "a", "one ");
	assert_file(bench, "b", "two ");
}

static void another_guest_port_is_another_epoch(void **state)
{
	struct bench *bench = *state;
	change(bench, NULL_DEVICE);
	struct vmm vmm = vmm_attach(bench, "run/vm/serial0");
	vmm_says(&vmm, "one ");
	until(bench, status_of(bench, "vm", "serial0").head == 4);
	uint64_t epoch = status_of(bench, "vm", "serial0").epoch;
	assert_int_equal(change(bench, "<serial type='null'><c:guest type='unix'/></serial>"), 0);
	struct device_status status = status_of(bench, "vm", "serial0");
	assert_true(status.epoch != epoch);
	assert_int_equal(status.head, 0);
	assert_false(exists(bench, "run/vm/serial0.in"));
	assert_false(exists(bench, "run/vm/serial0.out"));
	assert_true(exists(bench, "run/vm/serial0.sock"));
	vmm_leave(&vmm);
}

static void what_is_gone_leaves_nothing(void **state)
{
	struct bench *bench = *state;
	change(bench, SERVER("0") SERVER("1"));
	struct vmm vmm = vmm_attach(bench, "run/vm/serial1");
	vmm_says(&vmm, "one ");
	until(bench, status_of(bench, "vm", "serial1").head == 4);
	uint64_t epoch = status_of(bench, "vm", "serial1").epoch;
	assert_int_equal(change(bench, SERVER("0")), 0);
	assert_string_equal(bench->answer.names, "serial1 ");
	assert_null(device_of(bench, "vm", "serial1"));
	assert_false(exists(bench, "s1"));
	assert_false(exists(bench, "run/vm/serial1.in"));
	assert_false(exists(bench, "run/vm/serial1.out"));
	assert_false(exists(bench, "run/vm/serial1.ring"));
	assert_true(exists(bench, "run/vm/serial0.in"));
	/* It comes back as another. */
	assert_int_equal(change(bench, SERVER("0") SERVER("1")), 0);
	assert_true(status_of(bench, "vm", "serial1").epoch != epoch);
	assert_int_equal(status_of(bench, "vm", "serial1").head, 0);
	vmm_leave(&vmm);
}

/* The state file grows; who is in it stays where it is. */
static void many_may_be_added(void **state)
{
	struct bench *bench = *state;
	enum { COUNT = 60 };
	char devices[COUNT * 32] = NULL_DEVICE;
	change(bench, NULL_DEVICE);
	struct vmm vmm = vmm_attach(bench, "run/vm/serial0");
	vmm_says(&vmm, "one ");
	until(bench, status_of(bench, "vm", "serial0").head == 4);
	for (int i = 1; i < COUNT; i++)
		strcat(devices, "<parallel type='null'/>");
	assert_int_equal(change(bench, devices), 0);
	assert_int_equal(
		active_domain_count(served_active(domains_find(bench->domains, "vm"))), COUNT);
	vmm_says(&vmm, "two ");
	until(bench, status_of(bench, "vm", "serial0").head == 8);
	close_domains(bench, true);
	open_domains(bench);
	assert_int_equal(change(bench, devices), 0);
	assert_int_equal(status_of(bench, "vm", "serial0").head, 8);
	vmm_leave(&vmm);
}

/* What comes may have the place of what leaves. */
static void a_place_is_free_for_its_next_owner(void **state)
{
	struct bench *bench = *state;
	change(bench, SERVER("0") SERVER("1"));
	assert_int_equal(change(bench, SERVER("1") SERVER("0")), 0);
	assert_string_equal(bench->answer.names, "serial0 serial1 ");
	close(peer_connect(bench, "s0"));
	close(peer_connect(bench, "s1"));
}

static void others_are_refused_meanwhile(void **state)
{
	struct bench *bench = *state;
	change(bench, SERVER("0") SERVER("1"));
	struct served *served = domains_find(bench->domains, "vm");
	domains_define(bench->domains, parse("vm", with_top(bench, SERVER("0"))), NULL, true,
		on_done, bench);
	assert_int_equal(served_state(served), SERVED_CHANGING);
	/* What stays can be had. */
	assert_non_null(served_device(served, "serial0", NULL));
	assert_null(served_device(served, "serial1", NULL));
	assert_int_equal(operate(bench, served, domains_stop), -EBUSY);
	/* The end comes after it. */
	unsigned before = bench->answer.count;
	domains_close(bench->domains, false);
	until(bench, bench->closed == 1);
	assert_int_equal(bench->answer.count, before + 1);
	assert_int_equal(bench->answer.code, 0);
	bench->domains = NULL;
}

/* ---- back to what was ------------------------------------------------------------------------ */

#define IMPOSSIBLE "<parallel type='file'><source path='%s/none/file'/></parallel>"

static void a_change_that_fails_leaves_all_as_it_was(void **state)
{
	struct bench *bench = *state;
	change(bench, SERVER("0") SERVER("1") SERVER("2"));
	struct served *served = domains_find(bench->domains, "vm");
	const struct document *document = served_document(served);
	int peer = peer_connect(bench, "s0");
	struct vmm changed = vmm_attach(bench, "run/vm/serial1");
	struct vmm gone = vmm_attach(bench, "run/vm/serial2");
	vmm_says(&changed, "one ");
	vmm_says(&gone, "ONE ");
	until(bench, status_of(bench, "vm", "serial1").head == 4 &&
			     status_of(bench, "vm", "serial2").head == 4);
	uint64_t epoch = status_of(bench, "vm", "serial2").epoch;
	assert_int_equal(
		change(bench, SERVER("0") SERVER_WITH("1", PATIENCE("7")) IMPOSSIBLE), -ENOENT);
	assert_non_null(strstr(bench->answer.message, "parallel0: cannot make"));
	assert_null(strstr(bench->answer.message, "nor can"));
	assert_int_equal(served_state(served), SERVED_RUNNING);
	assert_ptr_equal(served_document(served), document);
	assert_true(is_connected(peer));
	assert_null(device_of(bench, "vm", "parallel0"));
	vmm_says(&changed, "two");
	vmm_says(&gone, "TWO");
	int peer1 = peer_connect(bench, "s1"), peer2 = peer_connect(bench, "s2");
	peer_reads(bench, peer1, "one two");
	peer_reads(bench, peer2, "ONE TWO");
	assert_int_equal(status_of(bench, "vm", "serial2").epoch, epoch);
	/* And the next one finds everything in order. */
	assert_int_equal(change(bench, SERVER("0") SERVER_WITH("1", PATIENCE("7"))), 0);
	assert_string_equal(bench->answer.names, "serial1 serial2 ");
	vmm_leave(&changed);
	vmm_leave(&gone);
	close(peer);
	close(peer1);
	close(peer2);
}

static void a_log_goes_on_after_a_change_that_failed(void **state)
{
	struct bench *bench = *state;
	change(bench, "<serial type='null'><log file='%s/a'/></serial>");
	struct vmm vmm = vmm_attach(bench, "run/vm/serial0");
	vmm_says(&vmm, "one ");
	until(bench, status_of(bench, "vm", "serial0").head == 4);
	assert_int_equal(
		change(bench, "<serial type='null'><log file='%s/b'/></serial>" IMPOSSIBLE),
		-ENOENT);
	vmm_says(&vmm, "two ");
	until(bench, status_of(bench, "vm", "serial0").head == 8);
	vmm_leave(&vmm);
	close_domains(bench, false);
	assert_file(bench, "a", "one two ");
	assert_file(bench, "b", "");
}

/* Its ring was the new one's for a moment; but the VMM still holds the FIFOs that are written to.
 */
static void a_guest_port_is_as_it_was_after_a_change_that_failed(void **state)
{
	struct bench *bench = *state;
	change(bench, SERVER("0"));
	struct vmm vmm = vmm_attach(bench, "run/vm/serial0");
	vmm_says(&vmm, "one ");
	until(bench, status_of(bench, "vm", "serial0").head == 4);
	assert_int_equal(
		change(bench, SERVER_WITH("0", "<c:guest type='unix'/>") IMPOSSIBLE), -ENOENT);
	assert_false(exists(bench, "run/vm/serial0.sock"));
	vmm_says(&vmm, "two");
	int peer = peer_connect(bench, "s0");
	peer_reads(bench, peer, "two");
	assert_int_equal(status_of(bench, "vm", "serial0").head, 3);
	vmm_leave(&vmm);
	close(peer);
}

static void one_that_cannot_be_opened_again_comes_back_with_the_next_change(void **state)
{
	struct bench *bench = *state;
	assert_int_equal(mkdir(path_of(bench, "d"), 0700), 0);
	change(bench,
		SERVER("0") "<serial type='unix'><source mode='bind' path='%s/d/s1'/></serial>");
	int peer = peer_connect(bench, "s0");
	struct vmm vmm = vmm_attach(bench, "run/vm/serial1");
	vmm_says(&vmm, "one ");
	until(bench, status_of(bench, "vm", "serial1").head == 4);
	uint64_t epoch = status_of(bench, "vm", "serial1").epoch;
	char from[160];
	snprintf(from, sizeof(from), "%s", path_of(bench, "d"));
	assert_int_equal(rename(from, path_of(bench, "e")), 0);
	assert_true(change(bench, SERVER("0") SERVER("1") IMPOSSIBLE) < 0);
	assert_non_null(strstr(bench->answer.message, "; nor can serial1: "));
	assert_int_equal(bench->troubles, 1);
	assert_null(device_of(bench, "vm", "serial1"));
	assert_true(is_connected(peer));
	vmm_says(&vmm, "two");
	assert_int_equal(change(bench, SERVER("0") SERVER("1")), 0);
	assert_string_equal(bench->answer.names, "serial1 ");
	int second = peer_connect(bench, "s1");
	peer_reads(bench, second, "one two");
	assert_int_equal(status_of(bench, "vm", "serial1").epoch, epoch);
	vmm_leave(&vmm);
	close(peer);
	close(second);
	remove_file(bench, "e/s1");
	assert_int_equal(rmdir(path_of(bench, "e")), 0);
}

/* Whatever allocation fails: the change is made, or it is not, and who stays does not notice. */
static void memory_that_is_short_harms_nobody(void **state)
{
	struct bench *bench = *state;
	const char *const sets[] = {
		SERVER("0") SERVER("1"),
		SERVER("0") SERVER_WITH("1", PATIENCE("7")) "<parallel type='null'/>",
	};
	change(bench, sets[0]);
	int peer = peer_connect(bench, "s0");
	until(bench, status_of(bench, "vm", "serial0").peers == 1);
	struct vmm vmm = vmm_attach(bench, "run/vm/serial0");
	unsigned failures = 0;
	bool hit = true;
	for (int n = 1; hit; n++) {
		unsigned before = bench->answer.count;
		struct document *document = parse("vm", with_top(bench, sets[n % 2]));
		fail_nth(FAIL_CALLOC, n, ENOMEM);
		int calls = fail_count(FAIL_CALLOC);
		domains_define(bench->domains, document, NULL, true, on_done, bench);
		until(bench, bench->answer.count > before);
		hit = fail_count(FAIL_CALLOC) - calls >= n;
		fail_reset();
		failures += bench->answer.code < 0;
		assert_int_equal(served_state(domains_find(bench->domains, "vm")), SERVED_RUNNING);
		assert_true(is_connected(peer));
		vmm_says(&vmm, "x");
		peer_reads(bench, peer, "x");
		/* From the same place each time. */
		assert_int_equal(change(bench, sets[(n + 1) % 2]), 0);
	}
	assert_true(failures > 5);
	assert_int_equal(status_of(bench, "vm", "serial0").connects, 1);
	vmm_leave(&vmm);
	close(peer);
}

int main(void)
{
#define with_bench(test) cmocka_unit_test_setup_teardown(test, setup, teardown)
	const struct CMUnitTest tests[] = {
		with_bench(what_is_the_same_does_not_notice),
		with_bench(the_same_document_changes_nothing),
		with_bench(the_live_document_follows),
		with_bench(a_device_that_differs_goes_on_with_its_history),
		with_bench(changes_under_way_lose_no_byte),
		with_bench(another_log_begins_with_what_is_to_come),
		with_bench(another_guest_port_is_another_epoch),
		with_bench(what_is_gone_leaves_nothing),
		with_bench(many_may_be_added),
		with_bench(a_place_is_free_for_its_next_owner),
		with_bench(others_are_refused_meanwhile),
		with_bench(a_change_that_fails_leaves_all_as_it_was),
		with_bench(a_log_goes_on_after_a_change_that_failed),
		with_bench(a_guest_port_is_as_it_was_after_a_change_that_failed),
		with_bench(one_that_cannot_be_opened_again_comes_back_with_the_next_change),
		with_bench(memory_that_is_short_harms_nobody),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
