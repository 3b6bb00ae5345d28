/*
 * Runs every file of a corpus directory through a fuzz target, in an ordinary build. Usage:
 * replay_X DIRECTORY. Fails when the directory is missing or empty.
 */
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "fuzz.h"

enum { MAX_BYTES = 1024 * 1024 };

static int replay_file(const char *directory, const char *name)
{
	char path[4096];
	snprintf(path, sizeof(path), "%s/%s", directory, name);
	FILE *file = fopen(path, "rb");
	uint8_t *data = malloc(MAX_BYTES);
	if (file == NULL || data == NULL) {
		perror(path);
		exit(EXIT_FAILURE);
	}
	size_t n = fread(data, 1, MAX_BYTES, file);
	fclose(file);
	/* An input of exactly its size, so that a read beyond its end is seen. */
	uint8_t *exact = malloc(n != 0 ? n : 1);
	if (exact == NULL)
		exit(EXIT_FAILURE);
	memcpy(exact, data, n);
	free(data);
	LLVMFuzzerTestOneInput(exact, n);
	free(exact);
	return 1;
}

int main(int argc, char **argv)
{
	DIR *directory = argc == 2 ? opendir(argv[1]) : NULL;
	int count = 0;
	if (directory == NULL) {
		fprintf(stderr, "usage: %s CORPUS_DIRECTORY\n", argv[0]);
		return EXIT_FAILURE;
	}
	for (struct dirent *entry; (entry = readdir(directory)) != NULL;)
		if (entry->d_name[0] != '.')
			count += replay_file(argv[1], entry->d_name);
	closedir(directory);
	printf("%d inputs replayed\n", count);
	return count > 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
