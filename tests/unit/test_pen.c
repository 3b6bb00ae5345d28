/*
 * control/pen.c: who types. Each row is a story of letters, with what became of the pen after it;
 * the clock is the test's own.
 *
 * People are 1 to 3. "1a" asks, "1f" forces, "1g" gives, "1t" types, "1l" leaves; "+N;" lets N
 * seconds pass, after which what is due is done.
 */
#include "test.h"

#include "control/pen.h"

#include <stdio.h>
#include <string.h>

enum { PEOPLE = 3 };

struct stage {
	struct pen pen;
	struct pen_user people[PEOPLE];
	uint64_t now_ms;
	char text[256]; /* all changes */
};

static char name_of(const struct stage *stage, const struct pen_user *user)
{
	return user == NULL ? '-' : (char)('1' + (user - stage->people));
}

/* "1>2f": the pen went from 1 to 2 by force. "?2": 2 is first in the queue now. */
static void note(struct stage *stage, struct pen_change change)
{
	static const char how[PEN_HOW_COUNT] = {[PEN_TAKEN] = 't',
		[PEN_GIVEN] = 'g',
		[PEN_LEFT] = 'l',
		[PEN_WAITED] = 'w',
		[PEN_FORCED] = 'f'};
	size_t n = strlen(stage->text);
	if (change.how != PEN_KEPT) {
		assert_ptr_equal(change.to, stage->pen.holder);
		n += (size_t)snprintf(stage->text + n, sizeof(stage->text) - n, "%c>%c%c ",
			name_of(stage, change.from), name_of(stage, change.to), how[change.how]);
	}
	if (change.asked)
		snprintf(stage->text + n, sizeof(stage->text) - n, "?%c ",
			name_of(stage, pen_next(&stage->pen)));
}

static void act(struct stage *stage, struct pen_user *user, char what)
{
	static struct pen_change (*const calls[])(
		struct pen * pen, struct pen_user * user, uint64_t now_ms) = {['a'] = pen_ask,
		['f'] = pen_force,
		['g'] = pen_give,
		['t'] = pen_type,
		['l'] = pen_leave};
	note(stage, calls[(unsigned char)what](&stage->pen, user, stage->now_ms));
}

/* A holder waits for nothing; of those who wait each stands there once. */
static void check(const struct stage *stage)
{
	unsigned waiting = 0, queued = 0;
	for (int i = 0; i < PEOPLE; i++)
		waiting += pen_waits(&stage->people[i]);
	list_for_each(link, &stage->pen.waiting)
		queued++;
	assert_int_equal(waiting, queued);
	assert_true(stage->pen.holder == NULL || !pen_waits(stage->pen.holder));
	assert_true(stage->pen.holder != NULL || queued == 0);
}

static void play(struct stage *stage, const char *story)
{
	*stage = (struct stage){.now_ms = 1000};
	pen_init(&stage->pen);
	for (int i = 0; i < PEOPLE; i++)
		pen_user_init(&stage->people[i]);
	while (*story != '\0') {
		if (*story == ' ') {
			story++;
			continue;
		}
		if (*story == '+') {
			char *end;
			stage->now_ms += 1000 * strtoul(story + 1, &end, 10);
			note(stage, pen_expire(&stage->pen, stage->now_ms));
			story = end + 1;
		} else {
			act(stage, &stage->people[*story - '1'], story[1]);
			story += 2;
		}
		check(stage);
	}
}

static const struct {
	const char *story, *changes;
} table[] = {
	/* A free pen. */
	{"1a", "->1t "},
	{"1t", "->1t "},
	{"1f", "->1t "},
	{"1g", ""},
	{"1l", ""},
	{"1a 1a 1f 1t", "->1t "},
	{"1t 2t", "->1t "},
	{"1t 1g 2t", "->1t 1>-g ->2t "},
	{"1t 1g 1t", "->1t 1>-g ->1t "},
	{"1t 1l 2a", "->1t 1>-l ->2t "},
	/* It goes to who asked first. */
	{"1t 2a 1g", "->1t ?2 1>2g ?- "},
	{"1t 2a 1l", "->1t ?2 1>2l ?- "},
	{"1t 2a 3a 1g", "->1t ?2 1>2g ?3 "},
	{"1t 2a 3a 2a 1g 2g", "->1t ?2 1>2g ?3 2>3g ?- "},
	{"1t 2a 3a 3g 1g", "->1t ?2 1>2g ?- "},
	{"1t 2a 3a 2g 1g", "->1t ?2 ?3 1>3g ?- "},
	{"1t 2a 3a 2l 1g", "->1t ?2 ?3 1>3g ?- "},
	{"1t 2a 2l 1g", "->1t ?2 ?- 1>-g "},
	{"1t 2g 2l", "->1t "},
	/* Politely: 10 s after it was asked, or typed. */
	{"1t 2a +9; +1;", "->1t ?2 1>2w ?- "},
	{"1t 2a +9; 1t +9; +1;", "->1t ?2 1>2w ?- "},
	{"1t 2a +9; 1t +9; 1t +9; 1t +9;", "->1t ?2 "},
	{"1t +3600; 2a +9;", "->1t ?2 "},
	{"1t +3600; 2a +9; +1;", "->1t ?2 1>2w ?- "},
	{"1t 2a +9; 3a +1;", "->1t ?2 1>2w ?3 "},
	{"1t 2a +9; 3a 2g +1;", "->1t ?2 ?3 1>3w ?- "},
	{"1t 2a 3a +10; +9; +1;", "->1t ?2 1>2w ?3 2>3w ?- "},
	{"1t 2a +9; 2a +1;", "->1t ?2 1>2w ?- "},
	{"1t 2a +9; 2t +1;", "->1t ?2 1>2w ?- "},
	{"1t +3600;", "->1t "},
	{"+3600;", ""},
	/* One that asks again after it changed its mind begins anew. */
	{"1t 2a +9; 2g 2a +9;", "->1t ?2 ?- ?2 "},
	/* By force. */
	{"1t 2f", "->1t 1>2f "},
	{"1t 2a 2f", "->1t ?2 1>2f ?- "},
	{"1t 2a 3f +9; +1;", "->1t ?2 1>3f 3>2w ?- "},
	{"1t 2f 1t 1g 2g", "->1t 1>2f 2>-g "},
	{"1t 2f 1f", "->1t 1>2f 2>1f "},
};

static void the_pen_goes_as_its_story_says(void **state)
{
	for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
		struct stage stage;
		play(&stage, table[i].story);
		if (strcmp(stage.text, table[i].changes) != 0)
			fail_msg("%s: %s", table[i].story, stage.text);
	}
}

static void it_says_when_time_matters(void **state)
{
	struct stage stage;
	uint64_t due = 0;
	play(&stage, "1t");
	assert_false(pen_due(&stage.pen, &due));
	play(&stage, "1t 2a +3;");
	assert_true(pen_due(&stage.pen, &due));
	assert_int_equal(due, stage.now_ms + 7000);
	note(&stage, pen_expire(&stage.pen, due - 1));
	assert_ptr_equal(stage.pen.holder, &stage.people[0]);
	note(&stage, pen_expire(&stage.pen, due));
	assert_ptr_equal(stage.pen.holder, &stage.people[1]);
	assert_false(pen_due(&stage.pen, &due));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_pen_goes_as_its_story_says),
		cmocka_unit_test(it_says_when_time_matters),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
