/* The input queue; see input.h. */
#include "device/input.h"

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

static int span(const struct input *input, uint64_t from, size_t n, struct iovec iov[2])
{
	if (n == 0)
		return 0;
	size_t at = from % INPUT_SIZE;
	size_t to_end = INPUT_SIZE - at;
	iov[0].iov_base = input->memory + at;
	iov[0].iov_len = n < to_end ? n : to_end;
	if (n <= to_end)
		return 1;
	iov[1].iov_base = input->memory;
	iov[1].iov_len = n - to_end;
	return 2;
}

int input_space(struct input *input, struct iovec iov[2])
{
	if (input->memory == NULL && (input->memory = malloc(INPUT_SIZE)) == NULL)
		return 0;
	return span(input, input->head, INPUT_SIZE - (size_t)(input->head - input->tail), iov);
}

void input_commit(struct input *input, size_t n)
{
	input->head += n;
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
	return span(input, input->tail, (size_t)(end - input->tail), iov);
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
