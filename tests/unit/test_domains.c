/*
 * device/domains.c: domains that are defined, started, stopped, undefined and found; what is
 * refused meanwhile; what is kept for a next process. Changes of one that runs are
 * test_domains_change.c.
 */
#include "domains_bench.h"

#include <sys/stat.h>

#define NULL_DEVICE "<serial type='null'/>"

/* ---- one domain ------------------------------------------------------------------------------ */

static void a_domain_is_defined_and_runs(void **state)
{
	struct bench *bench = *state;
	struct error err = {0};
	assert_int_equal(define(bench, "vm", "<serial type='pty'/><parallel type='null'/>"), 0);
	struct served *served = domains_find(bench->domains, "vm");
	assert_non_null(served);
	assert_ptr_equal(bench->answer.served, served);
	assert_string_equal(bench->answer.names, "serial0 parallel0 ");
	assert_int_equal(served_state(served), SERVED_RUNNING);
	assert_string_equal(served_name(served), "vm");
	assert_string_equal(served_reason(served), "");
	assert_string_equal(served_origin(served), "");
	assert_true(exists(bench, "run/vm/live.xml"));
	assert_true(exists(bench, "run/vm/serial0.in"));
	char *live = served_format_live(served);
	assert_non_null(strstr(live, "/dev/pts/"));
	free(live);
	/* Without a name: the first console, here the serial's other face. */
	struct device *device = served_device(served, NULL, &err);
	assert_string_equal(device_config(device)->alias, "serial0");
	assert_ptr_equal(served_device(served, "console0", &err), device);
	assert_null(served_device(served, "serial7", &err));
	assert_int_equal(err.code, -ENOENT);
	assert_non_null(strstr(err.message, "serial7"));
}

static void what_is_stopped_is_gone_until_it_is_started(void **state)
{
	struct bench *bench = *state;
	struct error err = {0};
	define(bench, "vm", NULL_DEVICE);
	struct served *served = domains_find(bench->domains, "vm");
	uint64_t epoch = status_of(bench, "vm", "serial0").epoch;
	assert_int_equal(operate(bench, served, domains_start), -EALREADY);
	assert_int_equal(operate(bench, served, domains_stop), 0);
	assert_int_equal(served_state(served), SERVED_STOPPED);
	assert_null(served_active(served));
	assert_null(served_device(served, NULL, &err));
	assert_int_equal(err.code, -ENOTCONN);
	assert_int_equal(bench->endings, 1);
	assert_false(exists(bench, "run"));
	char *xml = served_format_live(served);
	assert_non_null(strstr(xml, "null"));
	free(xml);
	assert_int_equal(operate(bench, served, domains_stop), -EALREADY);
	/* Somebody stopped it: a new definition does not start it. */
	assert_int_equal(define(bench, "vm", NULL_DEVICE NULL_DEVICE), 0);
	assert_int_equal(served_state(served), SERVED_STOPPED);
	assert_int_equal(document_domain(served_document(served))->device_count, 3);
	assert_int_equal(operate(bench, served, domains_start), 0);
	assert_string_equal(bench->answer.names, "serial0 serial1 ");
	assert_true(status_of(bench, "vm", "serial0").epoch != epoch);
}

static void what_is_undefined_is_forgotten(void **state)
{
	struct bench *bench = *state;
	define(bench, "vm", NULL_DEVICE);
	assert_int_equal(operate(bench, domains_find(bench->domains, "vm"), domains_undefine), 0);
	assert_null(bench->answer.served);
	assert_null(domains_find(bench->domains, "vm"));
	assert_int_equal(domains_count(bench->domains), 0);
	assert_false(exists(bench, "run"));
	/* Likewise one that never ran. */
	domains_define(
		bench->domains, parse("vm", NULL_DEVICE), "/etc/vm.xml", false, on_done, bench);
	struct served *served = domains_find(bench->domains, "vm");
	assert_int_equal(served_state(served), SERVED_STOPPED);
	assert_string_equal(served_origin(served), "/etc/vm.xml");
	assert_int_equal(operate(bench, served, domains_undefine), 0);
	assert_int_equal(domains_count(bench->domains), 0);
}

static void one_that_was_not_to_start_is_started_by_its_next_definition(void **state)
{
	struct bench *bench = *state;
	domains_define(bench->domains, parse("vm", NULL_DEVICE), NULL, false, on_done, bench);
	assert_int_equal(bench->answer.code, 0);
	assert_int_equal(served_state(bench->answer.served), SERVED_STOPPED);
	assert_int_equal(define(bench, "vm", NULL_DEVICE), 0);
	assert_int_equal(served_state(bench->answer.served), SERVED_RUNNING);
}

static void a_start_that_fails_says_why_and_may_be_tried_again(void **state)
{
	struct bench *bench = *state;
	const char *devices = with_top(
		bench, NULL_DEVICE "<serial type='file'><source path='%s/there/file'/></serial>");
	assert_int_equal(define(bench, "vm", devices), -ENOENT);
	assert_non_null(strstr(bench->answer.message, "its directory does not exist"));
	struct served *served = domains_find(bench->domains, "vm");
	assert_ptr_equal(bench->answer.served, served);
	assert_int_equal(served_state(served), SERVED_FAILED);
	assert_string_equal(served_reason(served), bench->answer.message);
	assert_false(exists(bench, "run"));
	/* At once, and again: what had been begun has ended. */
	assert_int_equal(operate(bench, served, domains_start), -ENOENT);
	assert_int_equal(mkdir(path_of(bench, "there"), 0700), 0);
	assert_int_equal(operate(bench, served, domains_start), 0);
	assert_int_equal(served_state(served), SERVED_RUNNING);
	assert_string_equal(served_reason(served), "");
	assert_int_equal(operate(bench, served, domains_undefine), 0);
	remove_file(bench, "there/file");
	assert_int_equal(rmdir(path_of(bench, "there")), 0);
}

static void one_that_failed_is_started_by_its_next_definition(void **state)
{
	struct bench *bench = *state;
	assert_true(
		define(bench, "vm",
			with_top(bench,
				"<serial type='file'><source path='%s/no/file'/></serial>")) < 0);
	assert_int_equal(define(bench, "vm", NULL_DEVICE), 0);
	assert_int_equal(served_state(bench->answer.served), SERVED_RUNNING);
}

static void a_domain_that_another_process_serves_is_refused(void **state)
{
	struct bench *bench = *state;
	struct bench other = *bench;
	open_domains(&other);
	assert_int_equal(define(bench, "vm", NULL_DEVICE), 0);
	assert_int_equal(define(&other, "vm", NULL_DEVICE), -EBUSY);
	assert_non_null(strstr(other.answer.message, "is being served by process"));
	assert_int_equal(served_state(other.answer.served), SERVED_FAILED);
	close_domains(&other, false);
	assert_true(exists(bench, "run/vm/live.xml"));
}

/* ---- operations that meet -------------------------------------------------------------------- */

static void while_one_is_under_way_others_are_refused(void **state)
{
	struct bench *bench = *state;
	define(bench, "vm", NULL_DEVICE);
	define(bench, "other", NULL_DEVICE);
	struct served *served = domains_find(bench->domains, "vm");
	unsigned before = bench->answer.count;
	domains_stop(served, on_done, bench);
	assert_int_equal(bench->answer.count, before);
	assert_int_equal(served_state(served), SERVED_CHANGING);
	assert_int_equal(operate(bench, served, domains_stop), -EBUSY);
	assert_int_equal(operate(bench, served, domains_start), -EBUSY);
	assert_int_equal(operate(bench, served, domains_undefine), -EBUSY);
	assert_int_equal(define(bench, "vm", NULL_DEVICE), -EBUSY);
	assert_non_null(strstr(bench->answer.message, "vm is being changed"));
	assert_int_equal(operate(bench, domains_find(bench->domains, "other"), domains_stop), 0);
	until(bench, served_state(served) == SERVED_STOPPED);
	assert_int_equal(bench->answer.count, before + 6);
}

static void the_end_waits_for_what_is_under_way(void **state)
{
	struct bench *bench = *state;
	define(bench, "vm", NULL_DEVICE);
	define(bench, "other", NULL_DEVICE);
	define(bench, "third", NULL_DEVICE);
	unsigned before = bench->answer.count;
	domains_undefine(domains_find(bench->domains, "vm"), on_done, bench);
	domains_stop(domains_find(bench->domains, "third"), on_done, bench);
	domains_close(bench->domains, false);
	domains_start(domains_find(bench->domains, "other"), on_done, bench);
	assert_int_equal(bench->answer.code, -ESHUTDOWN);
	domains_define(bench->domains, parse("new", NULL_DEVICE), NULL, true, on_done, bench);
	assert_int_equal(bench->answer.code, -ESHUTDOWN);
	assert_int_equal(bench->answer.count, before + 2);
	until(bench, bench->closed == 1);
	assert_int_equal(bench->answer.count, before + 4);
	assert_int_equal(bench->answer.code, 0);
	bench->domains = NULL;
	assert_false(exists(bench, "run/vm"));
	assert_false(exists(bench, "run/other"));
}

static void ends_all(void *user, const struct domains_result *result)
{
	struct bench *bench = user;
	assert_int_equal(result->code, 0);
	domains_undefine(result->served, on_done, bench);
	domains_close(bench->domains, false);
}

static void a_done_may_do_anything(void **state)
{
	struct bench *bench = *state;
	define(bench, "vm", NULL_DEVICE);
	domains_stop(domains_find(bench->domains, "vm"), ends_all, bench);
	until(bench, bench->closed == 1);
	assert_int_equal(bench->answer.count, 2);
	bench->domains = NULL;
}

/* ---- many ------------------------------------------------------------------------------------ */

static void a_thousand_are_found_in_the_order_of_their_names(void **state)
{
	struct bench *bench = *state;
	enum { COUNT = 1000 };
	char name[16];
	for (unsigned i = 0; i < COUNT; i++) {
		snprintf(name, sizeof(name), "vm%u", i * 617 % COUNT);
		domains_define(
			bench->domains, parse(name, NULL_DEVICE), NULL, false, on_done, bench);
		assert_int_equal(bench->answer.code, 0);
	}
	assert_int_equal(domains_count(bench->domains), COUNT);
	for (unsigned i = 0; i + 1 < COUNT; i++)
		assert_true(strcmp(served_name(domains_at(bench->domains, i)),
				    served_name(domains_at(bench->domains, i + 1))) < 0);
	for (unsigned i = 0; i < COUNT; i++) {
		snprintf(name, sizeof(name), "vm%u", i);
		assert_string_equal(served_name(domains_find(bench->domains, name)), name);
		if (i % 2 == 0)
			operate(bench, domains_find(bench->domains, name), domains_undefine);
	}
	assert_int_equal(domains_count(bench->domains), COUNT / 2);
	assert_null(domains_find(bench->domains, "vm10"));
	assert_non_null(domains_find(bench->domains, "vm11"));
	assert_null(domains_find(bench->domains, "vm"));
}

/* ---- for a next process ---------------------------------------------------------------------- */

static void what_is_kept_is_gone_on_with(void **state)
{
	struct bench *bench = *state;
	const char *devices =
		with_top(bench, "<serial type='unix'><source mode='bind' path='%s/s'/>"
				"<log file='%s/raw'/></serial>");
	define(bench, "vm", devices);
	struct vmm vmm = vmm_attach(bench, "run/vm/serial0");
	vmm_says(&vmm, "one ");
	until(bench, status_of(bench, "vm", "serial0").head == 4);
	uint64_t epoch = status_of(bench, "vm", "serial0").epoch;
	close_domains(bench, true);
	assert_true(exists(bench, "run/vm/serial0.ring"));
	assert_true(exists(bench, "run/vm/state"));
	assert_false(exists(bench, "run/vm/live.xml"));
	assert_false(exists(bench, "s"));
	vmm_says(&vmm, "two ");
	open_domains(bench);
	assert_int_equal(define(bench, "vm", devices), 0);
	until(bench, status_of(bench, "vm", "serial0").head == 8);
	assert_int_equal(status_of(bench, "vm", "serial0").epoch, epoch);
	int peer = peer_connect(bench, "s");
	peer_reads(bench, peer, "one two ");
	vmm_leave(&vmm);
	close(peer);
	close_domains(bench, false);
	assert_false(exists(bench, "run/vm"));
	char raw[16] = "";
	int fd = open(path_of(bench, "raw"), O_RDONLY | O_CLOEXEC);
	assert_int_equal(read(fd, raw, sizeof(raw)), 8);
	assert_string_equal(raw, "one two ");
	close(fd);
	remove_log(bench, "raw");
}

/* A chatty guest does not hold up an end that keeps its FIFO. */
static void an_end_that_keeps_does_not_wait_for_the_guest(void **state)
{
	struct bench *bench = *state;
	define(bench, "vm", NULL_DEVICE);
	struct vmm vmm = vmm_attach(bench, "run/vm/serial0");
	until(bench, status_of(bench, "vm", "serial0").guest_present);
	uint64_t before = loop_now_ms(bench->loop);
	close_domains(bench, true);
	assert_in_range(loop_now_ms(bench->loop) - before, 0, 40);
	open_domains(bench);
	define(bench, "vm", NULL_DEVICE);
	vmm_leave(&vmm);
}

/* ---- logs ------------------------------------------------------------------------------------ */

static void assert_file(const struct bench *bench, const char *leaf, const char *text)
{
	char got[256] = "";
	int fd = open(path_of(bench, leaf), O_RDONLY | O_CLOEXEC);
	assert_true(fd >= 0);
	assert_true(read(fd, got, sizeof(got) - 1) >= 0);
	assert_string_equal(got, text);
	close(fd);
}

static off_t size_of(const struct bench *bench, const char *leaf)
{
	struct stat st;
	return stat(path_of(bench, leaf), &st) == 0 ? st.st_size : -1;
}

static void logs_that_were_moved_are_opened_anew(void **state)
{
	struct bench *bench = *state;
	char moved[160];
	define(bench, "vm", with_top(bench, "<serial type='null'><log file='%s/raw'/></serial>"));
	struct vmm vmm = vmm_attach(bench, "run/vm/serial0");
	vmm_says(&vmm, "before ");
	until(bench, size_of(bench, "raw") == 7);
	snprintf(moved, sizeof(moved), "%s", path_of(bench, "moved"));
	assert_int_equal(rename(path_of(bench, "raw"), moved), 0);
	domains_reopen_logs(bench->domains);
	vmm_says(&vmm, "after ");
	until(bench, size_of(bench, "raw") == 6);
	vmm_leave(&vmm);
	close_domains(bench, false);
	assert_file(bench, "moved", "before ");
	assert_file(bench, "raw", "after ");
	remove_log(bench, "moved");
	remove_log(bench, "raw");
}

int main(void)
{
#define with_bench(test) cmocka_unit_test_setup_teardown(test, setup, teardown)
	const struct CMUnitTest tests[] = {
		with_bench(a_domain_is_defined_and_runs),
		with_bench(what_is_stopped_is_gone_until_it_is_started),
		with_bench(what_is_undefined_is_forgotten),
		with_bench(one_that_was_not_to_start_is_started_by_its_next_definition),
		with_bench(a_start_that_fails_says_why_and_may_be_tried_again),
		with_bench(one_that_failed_is_started_by_its_next_definition),
		with_bench(a_domain_that_another_process_serves_is_refused),
		with_bench(while_one_is_under_way_others_are_refused),
		with_bench(the_end_waits_for_what_is_under_way),
		with_bench(a_done_may_do_anything),
		with_bench(a_thousand_are_found_in_the_order_of_their_names),
		with_bench(what_is_kept_is_gone_on_with),
		with_bench(an_end_that_keeps_does_not_wait_for_the_guest),
		with_bench(logs_that_were_moved_are_opened_anew),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
