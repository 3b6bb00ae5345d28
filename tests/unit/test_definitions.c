/* daemon/definitions.c: names, links, drafts, and failures of the disk. */
#include "test.h"

#include "daemon/definitions.h"
#include "fail.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static const char XML[] = "<domain type='kvm'><name>vm</name><memory>1</memory>"
			  "<os><type arch='x86_64'>hvm</type></os>"
			  "<devices><serial type='null'/></devices></domain>";

struct place {
	char top[64];
	char dir[96];
	char path[256];
};

static const char *path_of(struct place *place, const char *leaf)
{
	snprintf(place->path, sizeof(place->path), "%s/%.100s", place->dir, leaf);
	return place->path;
}

static int set_up(void **state)
{
	struct place *place = calloc(1, sizeof(*place));
	strcpy(place->top, "/tmp/test_definitions.XXXXXX");
	if (mkdtemp(place->top) == NULL)
		return -1;
	snprintf(place->dir, sizeof(place->dir), "%s/etc", place->top);
	fail_reset();
	*state = place;
	return 0;
}

/* What a test made it removes: a file that is left makes it fail. */
static int tear_down(void **state)
{
	struct place *place = *state;
	int failed = rmdir(place->dir) < 0 && errno != ENOENT;
	failed |= rmdir(place->top) < 0;
	free(place);
	return failed;
}

static void write_file(struct place *place, const char *leaf, const char *text)
{
	mkdir(place->dir, 0700);
	FILE *file = fopen(path_of(place, leaf), "w");
	assert_non_null(file);
	fputs(text, file);
	fclose(file);
}

static void remove_file(struct place *place, const char *leaf)
{
	assert_int_equal(unlink(path_of(place, leaf)), 0);
}

static void assert_reads(struct place *place, const char *leaf, const char *expected)
{
	struct error err = {0};
	char *text;
	size_t n;
	if (definitions_read(place->dir, leaf, &text, &n, &err) < 0)
		fail_msg("%s", err.message);
	assert_int_equal(n, strlen(expected));
	assert_memory_equal(text, expected, n);
	free(text);
}

static int keep(struct place *place, const char *name, const char *text, struct error *err)
{
	int code = definitions_draft(place->dir, name, text, strlen(text), err);
	return code < 0 ? code : definitions_keep_draft(place->dir, name, err);
}

static size_t count_files(struct place *place)
{
	struct strlist names = STRLIST_INIT;
	struct error err = {0};
	assert_int_equal(definitions_list(place->dir, &names, &err), 0);
	size_t count = names.count;
	strlist_fini(&names);
	return count;
}

static void the_list_is_sorted_and_of_definitions_only(void **state)
{
	struct place *place = *state;
	struct strlist names = STRLIST_INIT;
	struct error err = {0};
	static const char *const files[] = {
		"b.xml", "a.xml", "B.xml", ".a.xml.new", ".hidden.xml", "notes", "x.xml~", ".xml"};
	assert_int_equal(definitions_list(place->dir, &names, &err), 0); /* not there: empty */
	assert_int_equal(names.count, 0);
	for (size_t i = 0; i < 8; i++)
		write_file(place, files[i], "");
	assert_int_equal(definitions_list(place->dir, &names, &err), 0);
	assert_int_equal(names.count, 3);
	assert_string_equal(names.items[0], "B.xml");
	assert_string_equal(names.items[1], "a.xml");
	assert_string_equal(names.items[2], "b.xml");
	strlist_fini(&names);
	for (size_t i = 0; i < 8; i++)
		remove_file(place, files[i]);
	assert_int_equal(definitions_list("/dev/null", &names, &err), -ENOTDIR);
	assert_non_null(strstr(err.message, "/dev/null"));
}

static void what_is_kept_is_read_and_removed(void **state)
{
	struct place *place = *state;
	struct error err = {0};
	struct stat st;
	assert_int_equal(keep(place, "vm", "first", &err), 0); /* makes the directory */
	assert_reads(place, "vm.xml", "first");
	assert_int_equal(stat(path_of(place, "vm.xml"), &st), 0);
	assert_int_equal(st.st_mode & 0777, 0600);
	assert_int_equal(keep(place, "vm", "second", &err), 0);
	assert_reads(place, "vm.xml", "second");
	assert_int_equal(count_files(place), 1);
	assert_int_equal(definitions_check_removal(place->dir, "vm", &err), 0);
	assert_int_equal(definitions_remove(place->dir, "vm", &err), 0);
	assert_int_equal(definitions_remove(place->dir, "vm", &err), 0);
	assert_int_equal(count_files(place), 0);
}

static void a_draft_that_is_dropped_changes_nothing(void **state)
{
	struct place *place = *state;
	struct error err = {0};
	assert_int_equal(keep(place, "vm", "first", &err), 0);
	assert_int_equal(definitions_draft(place->dir, "vm", "second", 6, &err), 0);
	assert_reads(place, "vm.xml", "first");
	definitions_drop_draft(place->dir, "vm");
	assert_reads(place, "vm.xml", "first");
	remove_file(place, "vm.xml");
}

static void what_a_killed_process_left_is_replaced(void **state)
{
	struct place *place = *state;
	struct error err = {0};
	write_file(place, ".vm.xml.new", "half of a docu");
	assert_int_equal(keep(place, "vm", "whole", &err), 0);
	assert_reads(place, "vm.xml", "whole");
	remove_file(place, "vm.xml");
}

static void names_that_are_unsafe_stay_in_the_directory(void **state)
{
	struct place *place = *state;
	struct error err = {0};
	char leaf[DEFINITION_LEAF_SIZE];
	static const char *const names[] = {"../vm", "/etc/passwd", "..", ".", "a\nb",
		"a name that is longer than forty bytes, which are the most"};
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		definition_leaf(names[i], leaf);
		assert_null(strchr(leaf, '/'));
		assert_int_equal(keep(place, names[i], "text", &err), 0);
		assert_reads(place, leaf, "text");
		remove_file(place, leaf);
	}
}

static void links_are_refused(void **state)
{
	struct place *place = *state;
	struct error err = {0};
	char *text, target[256];
	size_t n;
	write_file(place, "target", "not to be touched");
	snprintf(target, sizeof(target), "%s", path_of(place, "target"));
	assert_int_equal(symlink(target, path_of(place, "vm.xml")), 0);
	assert_int_equal(definitions_read(place->dir, "vm.xml", &text, &n, &err), -ELOOP);
	assert_non_null(strstr(err.message, "symbolic link"));
	assert_int_equal(keep(place, "vm", "text", &err), -ELOOP);
	assert_int_equal(definitions_check_removal(place->dir, "vm", &err), -ELOOP);
	assert_int_equal(definitions_remove(place->dir, "vm", &err), -ELOOP);
	remove_file(place, "vm.xml");
	/* A draft's name that somebody has made a link is not written through either. */
	assert_int_equal(symlink(target, path_of(place, ".vm.xml.new")), 0);
	assert_int_equal(keep(place, "vm", "text", &err), 0);
	assert_reads(place, "target", "not to be touched");
	remove_file(place, "target");
	remove_file(place, "vm.xml");
}

static void what_is_no_file_is_refused(void **state)
{
	struct place *place = *state;
	struct error err = {0};
	char *text;
	size_t n;
	mkdir(place->dir, 0700);
	assert_int_equal(mkfifo(path_of(place, "vm.xml"), 0600), 0);
	assert_int_equal(definitions_read(place->dir, "vm.xml", &text, &n, &err), -EINVAL);
	assert_non_null(strstr(err.message, "no regular file"));
	assert_int_equal(keep(place, "vm", "text", &err), -EINVAL);
	assert_int_equal(definitions_remove(place->dir, "vm", &err), -EINVAL);
	remove_file(place, "vm.xml");
	assert_int_equal(definitions_read(place->dir, "vm.xml", &text, &n, &err), -ENOENT);
}

static void a_name_must_fit_its_file(void **state)
{
	struct document *document = NULL;
	struct diagnostics diagnostics = DIAGNOSTICS_INIT;
	assert_int_equal(
		definition_parse("vm.xml", XML, sizeof(XML) - 1, &diagnostics, &document), 0);
	assert_string_equal(document_domain(document)->name, "vm");
	document_free(document);
	assert_int_equal(
		definition_parse("other.xml", XML, sizeof(XML) - 1, &diagnostics, &document),
		-EINVAL);
	assert_int_equal(diagnostics.errors, 1);
	assert_non_null(strstr(diagnostics.entries[diagnostics.count - 1].message, "vm.xml"));
	diagnostics_fini(&diagnostics);
	assert_int_equal(definition_parse("vm.xml", XML, 20, &diagnostics, &document), -EINVAL);
	diagnostics_fini(&diagnostics);
}

/* Whatever fails: the old definition stands, or the new one, whole, and no draft is in its place.
 */
static void a_failing_disk_leaves_what_was(void **state)
{
	struct place *place = *state;
	static const enum fail_call calls[] = {FAIL_WRITE, FAIL_FSYNC, FAIL_RENAMEAT};
	for (size_t i = 0; i < sizeof(calls) / sizeof(calls[0]); i++) {
		struct error err = {0};
		fail_reset();
		assert_int_equal(keep(place, "vm", "first", &err), 0);
		fail_nth(calls[i], 1, ENOSPC);
		assert_int_equal(keep(place, "vm", "second", &err), -ENOSPC);
		assert_non_null(strstr(err.message, "vm.xml: No space left"));
		fail_reset();
		definitions_drop_draft(place->dir, "vm");
		assert_reads(place, "vm.xml", "first");
	}
	/* The directory's: the name has changed, though not for certain after a power failure. */
	struct error err = {0};
	fail_nth(FAIL_FSYNC, 2, EIO);
	assert_int_equal(keep(place, "vm", "second", &err), -EIO);
	assert_reads(place, "vm.xml", "second");
	remove_file(place, "vm.xml");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(
			the_list_is_sorted_and_of_definitions_only, set_up, tear_down),
		cmocka_unit_test_setup_teardown(
			what_is_kept_is_read_and_removed, set_up, tear_down),
		cmocka_unit_test_setup_teardown(
			a_draft_that_is_dropped_changes_nothing, set_up, tear_down),
		cmocka_unit_test_setup_teardown(
			what_a_killed_process_left_is_replaced, set_up, tear_down),
		cmocka_unit_test_setup_teardown(
			names_that_are_unsafe_stay_in_the_directory, set_up, tear_down),
		cmocka_unit_test_setup_teardown(links_are_refused, set_up, tear_down),
		cmocka_unit_test_setup_teardown(what_is_no_file_is_refused, set_up, tear_down),
		cmocka_unit_test_setup_teardown(a_name_must_fit_its_file, set_up, tear_down),
		cmocka_unit_test_setup_teardown(a_failing_disk_leaves_what_was, set_up, tear_down),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
