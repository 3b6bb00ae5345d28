/* The input queue; see input.h. */
#include "device/input.h"

#include "util/fd.h"

#include <stdlib.h>
#include <string.h>

void input_init(struct input *input)
{
	*input = (struct input){0};
}

void input_fini(struct input *input)
{
	free(input->memory);
	*input = (struct input){0};
}

int input_space(struct input *input, struct iovec iov[2])
{
	if (input->memory == NULL && (input->memory = malloc(INPUT_SIZE)) == NULL)
		return 0;
	size_t room = INPUT_SIZE - (size_t)(input->head - input->tail);
	return iov_of_ring(input->memory, INPUT_SIZE, input->head, room, iov);
}

void input_commit(struct input *input, size_t n)
{
	input->head += n;
}

bool input_put(struct input *input, const struct stream_signal *before, const void *bytes, size_t n)
{
	struct iovec iov[2] = {{0}};
	if (n > INPUT_SIZE || (before != NULL && input->mark_count == INPUT_MAX_MARKS))
		return false;
	int parts = n > 0 ? input_space(input, iov) : 0;
	if (iov_total(iov, parts) < n)
		return false;
	if (before != NULL)
		input_mark(input, before);
	const char *from = bytes;
	parts = iov_limit(iov, parts, n);
	for (int i = 0; i < parts; i++) {
		memcpy(iov[i].iov_base, from, iov[i].iov_len);
		from += iov[i].iov_len;
	}
	input_commit(input, n);
	return true;
}

bool input_mark(struct input *input, const struct stream_signal *signal)
{
	if (input->mark_count == INPUT_MAX_MARKS)
		return false;
	input->marks[input->mark_count++] =
		(struct input_mark){.offset = input->head, .signal = *signal};
	return true;
}

int input_peek(const struct input *input, struct iovec iov[2])
{
	uint64_t end = input->mark_count > 0 ? input->marks[0].offset : input->head;
	size_t n = (size_t)(end - input->tail);
	return iov_of_ring(input->memory, INPUT_SIZE, input->tail, n, iov);
}

void input_consume(struct input *input, size_t n)
{
	input->tail += n;
	/* A queue that is empty for long should cost nothing; the next byte allocates anew. */
	if (input->tail == input->head) {
		free(input->memory);
		input->memory = NULL;
	}
}

const struct input_mark *input_due_mark(const struct input *input)
{
	if (input->mark_count == 0 || input->marks[0].offset != input->tail)
		return NULL;
	return &input->marks[0];
}

void input_drop_mark(struct input *input)
{
	input->mark_count--;
	memmove(&input->marks[0], &input->marks[1], input->mark_count * sizeof(input->marks[0]));
}

bool input_is_empty(const struct input *input)
{
	return input->head == input->tail && input->mark_count == 0;
}

size_t input_clear(struct input *input)
{
	size_t n = (size_t)(input->head - input->tail);
	input->mark_count = 0;
	input_consume(input, n);
	return n;
}
