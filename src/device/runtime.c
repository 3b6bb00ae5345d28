/*
 * A domain's directory at run time; see runtime.h.
 *
 * The lock is flock(2) on RUNTIME/NAME/lock: the kernel gives it back however its holder ends, so a
 * lock that can be taken belongs to a dead process. The file holds the holder's process id for the
 * sentence that refuses a second one. Files of devices are not this module's: their owners make
 * and remove them.
 */
#include "device/runtime.h"

#include "util/dir.h"
#include "util/fd.h"
#include "util/hash.h"
#include "util/lock_file.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <linux/magic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

/* A directory that vanishes between two calls, by another's runtime_close(), is made again. */
enum { OPEN_ATTEMPTS = 100 };

static const char LOCK_LEAF[] = "lock";

/* ---- names ---------------------------------------------------------------------------------- */

__attribute__((format(printf, 3, 4))) static int format_path(
	char *ret, size_t size, const char *format, ...)
{
	va_list args;
	va_start(args, format);
	int n = vsnprintf(ret, size, format, args);
	va_end(args);
	return n < 0 || (size_t)n >= size ? -ENAMETOOLONG : 0;
}

int runtime_default_dir(char *ret, size_t size, struct error *err)
{
	const char *base = getenv("XDG_RUNTIME_DIR");
	if (geteuid() == 0)
		base = "/run";
	else if (base == NULL || base[0] != '/')
		return error_set(err, -ENOENT,
			"XDG_RUNTIME_DIR is not set, so there is no place for the runtime "
			"directory; set it or give --runtime-dir");
	if (format_path(ret, size, "%s/chardev", base) < 0)
		return error_set(err, -ENAMETOOLONG,
			"the runtime directory %.64s... has too long a name; give a shorter one "
			"with --runtime-dir",
			base);
	return 0;
}

int runtime_default_log_dir(char *ret, size_t size, struct error *err)
{
	const char *state = getenv("XDG_STATE_HOME");
	const char *home = getenv("HOME");
	int status;
	if (geteuid() == 0)
		status = format_path(ret, size, "/var/log/chardev");
	else if (state != NULL && state[0] == '/')
		status = format_path(ret, size, "%s/chardev", state);
	else if (home != NULL && home[0] == '/')
		status = format_path(ret, size, "%s/.local/state/chardev", home);
	else
		return error_set(err, -ENOENT,
			"neither XDG_STATE_HOME nor HOME is set, so there is no place for the "
			"domain's log; set one or give --log-dir");
	if (status < 0)
		return error_set(err, status,
			"the directory for the domain's log has too long a name; give a shorter "
			"one with --log-dir");
	return 0;
}

static bool is_safe(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
	       (c != '\0' && strchr("._-+@:", c) != NULL);
}

void runtime_name(const char *domain_name, char ret[RUNTIME_NAME_SIZE])
{
	enum { HASH_DIGITS = 16, PREFIX = RUNTIME_NAME_MAX_PLAIN - 1 - HASH_DIGITS };
	size_t n = strlen(domain_name);
	bool plain = n > 0 && n <= RUNTIME_NAME_MAX_PLAIN && domain_name[0] != '.' &&
		     domain_name[0] != '-';
	for (size_t i = 0; plain && i < n; i++)
		plain = is_safe(domain_name[i]);
	if (plain) {
		memcpy(ret, domain_name, n + 1);
		return;
	}
	char prefix[PREFIX + 1] = "";
	for (size_t i = 0; i < n && i < PREFIX; i++) {
		bool lead = i == 0 && (domain_name[0] == '.' || domain_name[0] == '-');
		prefix[i] = (char)(is_safe(domain_name[i]) && !lead ? domain_name[i] : '_');
	}
	/* '~' is in no plain name: a hashed name never meets another domain's plain one. */
	snprintf(ret, RUNTIME_NAME_SIZE, "%s~%016" PRIx64, prefix,
		hash_text(HASH_INIT, domain_name));
}

int runtime_path(const struct runtime *runtime, const char *leaf, char *ret, size_t size)
{
	return format_path(ret, size, "%s/%s", runtime->dir, leaf);
}

/* ---- making --------------------------------------------------------------------------------- */

/* RUNTIME/NAME is ours alone: what stands there must be a directory of this user. */
static int make_own_dir(const char *path, bool *ret_made, struct error *err)
{
	struct stat st;
	if (mkdir(path, 0700) == 0) {
		*ret_made = true;
		return 0;
	}
	int code = -errno;
	if (code == -EEXIST && lstat(path, &st) < 0)
		return -errno;
	if (code == -EEXIST && (!S_ISDIR(st.st_mode) || st.st_uid != geteuid()))
		return error_set(err, -EPERM,
			"%s is not a directory of this user; remove it or give another "
			"--runtime-dir",
			path);
	if (code != -EEXIST && code != -ENOENT)
		return error_set(
			err, code, "cannot make the directory %s: %s", path, error_text(code));
	return code == -EEXIST ? 0 : code;
}

static int refuse_busy(const struct runtime *runtime, pid_t holder, struct error *err)
{
	char pid[24] = "?";
	if (holder != 0)
		snprintf(pid, sizeof pid, "%d", (int)holder);
	return error_set(err, -EBUSY,
		"the domain %s is being served by process %s already (%s/%s); end that first",
		runtime->name, pid, runtime->dir, LOCK_LEAF);
}

/* 0 with the lock, -ENOENT when the directory vanished meanwhile, or a failure with a sentence. */
static int take_lock(struct runtime *runtime, struct error *err)
{
	char path[RUNTIME_PATH_SIZE];
	if (runtime_path(runtime, LOCK_LEAF, path, sizeof path) < 0)
		return error_set(err, -ENAMETOOLONG,
			"the runtime directory %s has too long a name; give a shorter one",
			runtime->dir);
	pid_t holder = 0;
	int code = lock_file_take(path, &runtime->lock_fd, &holder);
	if (code == 0 || code == -ENOENT)
		return code;
	if (code == -EWOULDBLOCK)
		return refuse_busy(runtime, holder, err);
	return error_set(err, code, "cannot lock %s: %s", path, error_text(code));
}

static void remove_made_dirs(const struct runtime *runtime)
{
	if (runtime->made_dir)
		rmdir(runtime->dir);
	if (runtime->made_base)
		rmdir(runtime->base);
	if (runtime->made_log_dir)
		rmdir(runtime->log_dir);
}

static int lock_domain(struct runtime *runtime, struct error *err)
{
	int code = -ENOENT;
	for (int i = 0; i < OPEN_ATTEMPTS && code == -ENOENT; i++) {
		code = dir_make(runtime->base, 0755, &runtime->made_base);
		if (code < 0)
			return error_set(err, code, "cannot make the runtime directory %s: %s",
				runtime->base, error_text(code));
		code = make_own_dir(runtime->dir, &runtime->made_dir, err);
		if (code == 0)
			code = take_lock(runtime, err);
	}
	if (code == -ENOENT)
		error_set(err, code,
			"the runtime directory %s vanishes while it is made; try again",
			runtime->dir);
	return code;
}

static int set_paths(struct runtime *runtime, const char *domain_name, const char *runtime_dir,
	const char *log_dir, struct error *err)
{
	int code = 0;
	runtime_name(domain_name, runtime->name);
	if (runtime_dir == NULL)
		code = runtime_default_dir(runtime->base, sizeof runtime->base, err);
	else if (format_path(runtime->base, sizeof runtime->base, "%s", runtime_dir) < 0)
		code = error_set(err, -ENAMETOOLONG,
			"the runtime directory %.64s... has too long a name; give a shorter one",
			runtime_dir);
	if (code == 0 && log_dir == NULL)
		code = runtime_default_log_dir(runtime->log_dir, sizeof runtime->log_dir, err);
	else if (code == 0 &&
		 format_path(runtime->log_dir, sizeof runtime->log_dir, "%s", log_dir) < 0)
		code = error_set(err, -ENAMETOOLONG,
			"the log directory %.64s... has too long a name; give a shorter one",
			log_dir);
	if (code == 0 && (format_path(runtime->dir, sizeof runtime->dir, "%s/%s", runtime->base,
				  runtime->name) < 0 ||
				 format_path(runtime->log_path, sizeof runtime->log_path,
					 "%s/%s.log", runtime->log_dir, runtime->name) < 0))
		code = error_set(err, -ENAMETOOLONG,
			"the directories %.64s and %.64s leave no room for names below them; give "
			"shorter ones",
			runtime->base, runtime->log_dir);
	return code;
}

int runtime_open(struct runtime *runtime, const char *domain_name, const char *runtime_dir,
	const char *log_dir, struct error *err)
{
	*runtime = (struct runtime){.lock_fd = -1};
	int code = set_paths(runtime, domain_name, runtime_dir, log_dir, err);
	if (code < 0)
		return code;
	code = lock_domain(runtime, err);
	if (code < 0) {
		remove_made_dirs(runtime);
		return code;
	}
	code = dir_make(runtime->log_dir, 0755, &runtime->made_log_dir);
	if (code < 0) {
		error_set(err, code, "cannot make the log directory %s: %s", runtime->log_dir,
			error_text(code));
		runtime_close(runtime);
		return code;
	}
	struct statfs fs;
	runtime->in_memory = statfs(runtime->dir, &fs) == 0 &&
			     (fs.f_type == TMPFS_MAGIC || fs.f_type == RAMFS_MAGIC);
	return 0;
}

/* ---- writing and removing ------------------------------------------------------------------- */

int runtime_write(
	const struct runtime *runtime, const char *leaf, const char *text, struct error *err)
{
	char path[RUNTIME_PATH_SIZE], fresh[RUNTIME_PATH_SIZE];
	int code = runtime_path(runtime, leaf, path, sizeof path);
	if (code == 0)
		code = format_path(fresh, sizeof fresh, "%s/.%s.new", runtime->dir, leaf);
	if (code < 0)
		return error_set(
			err, code, "cannot write %s/%s: %s", runtime->dir, leaf, error_text(code));
	/* What a killed process left; O_EXCL then makes sure that the mode is ours. */
	unlink(fresh);
	int fd = open(fresh, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
	code = fd < 0 ? -errno : fd_write_all(fd, text, strlen(text));
	fd_close(fd);
	if (code == 0 && rename(fresh, path) < 0)
		code = -errno;
	if (code == 0)
		return 0;
	if (fd >= 0)
		unlink(fresh);
	return error_set(err, code, "cannot write %s: %s", path, error_text(code));
}

static bool ends_with(const char *name, const char *end)
{
	size_t n = strlen(name), m = strlen(end);
	return n > m && strcmp(name + n - m, end) == 0;
}

static bool is_ours(const char *name)
{
	static const char *const ends[] = {
		".in", ".out", ".sock", ".guest", ".pty", ".ring", ".new"};
	static const char *const names[] = {"state", "live.xml"};
	for (size_t i = 0; i < sizeof ends / sizeof ends[0]; i++)
		if (ends_with(name, ends[i]))
			return true;
	for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
		if (strcmp(name, names[i]) == 0)
			return true;
	return false;
}

void runtime_sweep(const struct runtime *runtime)
{
	DIR *dir = opendir(runtime->dir);
	if (dir == NULL)
		return;
	for (const struct dirent *entry = readdir(dir); entry != NULL; entry = readdir(dir))
		if (is_ours(entry->d_name))
			unlinkat(dirfd(dir), entry->d_name, 0);
	closedir(dir);
}

void runtime_close(struct runtime *runtime)
{
	if (runtime->lock_fd < 0)
		return;
	char path[RUNTIME_PATH_SIZE];
	/* Last: whoever sees the lock gone may come in. rmdir() then fails, which is right. */
	if (runtime_path(runtime, LOCK_LEAF, path, sizeof path) == 0)
		unlink(path);
	runtime->made_dir = true; /* also when it was taken over */
	remove_made_dirs(runtime);
	runtime->lock_fd = fd_close(runtime->lock_fd);
}
