/* How many bytes logs may take; see log_quota.h. */
#include "backend/log_quota.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

/* What is there, and what is about to be deleted of it. */
struct sum {
	uint64_t bytes;
	uint64_t releasing;
};

struct log_share {
	struct list link;
	struct log_quota *quota;
	struct list members;
	struct sum sum;
	unsigned users;
	char name[];
};

struct log_quota {
	uint64_t host_limit;
	uint64_t domain_limit;
	struct list shares;
	struct sum sum;
};

/* ---- who is asked ---------------------------------------------------------------------------- */

static bool can_release(const struct log_quota_member *member)
{
	return !member->asked && !member->unable &&
	       (member->usage.has_rotated || member->usage.current > 0);
}

/* Rotated files before current ones; of the former the oldest, of the latter the longest. */
static bool goes_before(const struct log_quota_member *a, const struct log_quota_member *b)
{
	if (b == NULL || a->usage.has_rotated != b->usage.has_rotated)
		return b == NULL || a->usage.has_rotated;
	if (a->usage.has_rotated)
		return a->usage.oldest_ms < b->usage.oldest_ms;
	return a->usage.current > b->usage.current;
}

static struct log_quota_member *first_of(
	const struct log_share *share, struct log_quota_member *first)
{
	list_for_each(node, &share->members) {
		struct log_quota_member *member = container_of(node, struct log_quota_member, link);
		if (can_release(member) && goes_before(member, first))
			first = member;
	}
	return first;
}

static struct log_quota_member *first_of_all(const struct log_quota *quota)
{
	struct log_quota_member *first = NULL;
	list_for_each(node, &quota->shares)
		first = first_of(container_of(node, struct log_share, link), first);
	return first;
}

static bool is_passed(const struct sum *sum, uint64_t limit, uint64_t more)
{
	return limit != 0 && sum->bytes - sum->releasing + more > limit;
}

static void ask(struct log_quota_member *member)
{
	const struct log_usage *usage = &member->usage;
	uint64_t bytes = usage->has_rotated ? usage->oldest : usage->current;
	if (bytes > usage->bytes)
		bytes = usage->bytes;
	member->asked = true;
	member->releasing = bytes;
	member->share->sum.releasing += bytes;
	member->share->quota->sum.releasing += bytes;
	member->release(member);
}

static void enforce(struct log_share *share, uint64_t more)
{
	struct log_quota *quota = share->quota;
	struct log_quota_member *member;
	while (is_passed(&share->sum, quota->domain_limit, more) &&
		(member = first_of(share, NULL)) != NULL)
		ask(member);
	while (is_passed(&quota->sum, quota->host_limit, more) &&
		(member = first_of_all(quota)) != NULL)
		ask(member);
}

/* ---- members --------------------------------------------------------------------------------- */

static void count(struct log_quota_member *member, const struct log_usage *usage)
{
	struct sum *domain = &member->share->sum, *host = &member->share->quota->sum;
	domain->bytes += usage->bytes - member->usage.bytes;
	host->bytes += usage->bytes - member->usage.bytes;
	member->usage = *usage;
	/* Never more than there is, whatever was deleted since it was asked for. */
	uint64_t releasing = member->releasing < usage->bytes ? member->releasing : usage->bytes;
	domain->releasing += releasing - member->releasing;
	host->releasing += releasing - member->releasing;
	member->releasing = releasing;
}

static void forget_request(struct log_quota_member *member)
{
	member->share->sum.releasing -= member->releasing;
	member->share->quota->sum.releasing -= member->releasing;
	member->releasing = 0;
	member->asked = false;
}

void log_quota_join(struct log_quota_member *member, struct log_share *share)
{
	member->share = share;
	list_init(&member->link);
	if (share == NULL)
		return;
	share->users++;
	list_append(&share->members, &member->link);
}

void log_quota_leave(struct log_quota_member *member)
{
	if (member->share == NULL)
		return;
	forget_request(member);
	count(member, &(struct log_usage){0});
	list_remove(&member->link);
	member->share = log_share_free(member->share);
}

void log_quota_update(struct log_quota_member *member, const struct log_usage *usage)
{
	if (member->share == NULL) {
		member->usage = *usage;
		return;
	}
	member->unable = false;
	count(member, usage);
	enforce(member->share, 0);
}

void log_quota_reserve(struct log_quota_member *member, uint64_t bytes)
{
	if (member->share != NULL)
		enforce(member->share, bytes);
}

void log_quota_released(struct log_quota_member *member, const struct log_usage *usage, bool failed)
{
	if (member->share == NULL)
		return;
	forget_request(member);
	member->unable = failed;
	count(member, usage);
	enforce(member->share, 0);
}

/* ---- shares and the whole -------------------------------------------------------------------- */

struct log_quota *log_quota_new(uint64_t host_limit, uint64_t domain_limit)
{
	struct log_quota *quota = calloc(1, sizeof(*quota));
	if (quota == NULL)
		return NULL;
	quota->host_limit = host_limit;
	quota->domain_limit = domain_limit;
	list_init(&quota->shares);
	return quota;
}

void log_quota_limit(struct log_quota *quota, uint64_t host_limit, uint64_t domain_limit)
{
	quota->host_limit = host_limit;
	quota->domain_limit = domain_limit;
	list_for_each(node, &quota->shares)
		enforce(container_of(node, struct log_share, link), 0);
}

uint64_t log_quota_bytes(const struct log_quota *quota)
{
	return quota->sum.bytes;
}

struct log_quota *log_quota_free(struct log_quota *quota)
{
	if (quota != NULL)
		assert(list_is_empty(&quota->shares));
	free(quota);
	return NULL;
}

struct log_share *log_quota_domain(struct log_quota *quota, const char *name)
{
	list_for_each(node, &quota->shares) {
		struct log_share *share = container_of(node, struct log_share, link);
		if (strcmp(share->name, name) == 0) {
			share->users++;
			return share;
		}
	}
	size_t n = strlen(name) + 1;
	struct log_share *share = calloc(1, sizeof(*share) + n);
	if (share == NULL)
		return NULL;
	memcpy(share->name, name, n);
	share->quota = quota;
	share->users = 1;
	list_init(&share->members);
	list_append(&quota->shares, &share->link);
	return share;
}

uint64_t log_share_bytes(const struct log_share *share)
{
	return share->sum.bytes;
}

struct log_share *log_share_free(struct log_share *share)
{
	if (share == NULL || --share->users > 0)
		return NULL;
	list_remove(&share->link);
	free(share);
	return NULL;
}
