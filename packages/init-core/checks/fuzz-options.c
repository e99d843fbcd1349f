/* libFuzzer target: options.c, signals.c and text.c under ASan and UBSan. The input is a command line and an environment,
   words separated by NUL, an empty word between the two. Run by checks/fuzz.sh. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../src/options.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *copy = malloc(size + 1);
	char *words[66] = { NULL };
	size_t argc = 0, environment = 0;
	memcpy(copy, data, size);
	copy[size] = 0;
	for (size_t at = 0; at < size && argc + environment < 60; at += strlen(copy + at) + 1) {
		if (!environment && !copy[at])
			environment = 1;
		else if (environment)
			words[argc + environment++] = copy + at;
		else
			words[argc++] = copy + at;
	}
	struct options options;
	char problem[64];
	options_parse(&options, words, environment ? words + argc + 1 : words + 65);
	if (options.request == REQUEST_WRONG && options_problem(&options, problem, sizeof problem) >= sizeof problem)
		abort();
	if (options.request == REQUEST_RUN && !options.pause && !*options.command)
		abort();
	if (options.stage_count > STAGES_MAX || options.grace.seconds < 0 || options.grace.nanoseconds < 0
	    || options.grace.nanoseconds > 999999999)
		abort();
	for (int i = 1; i <= SIGNAL_LAST; i++)
		if (options.rewrite[i] > SIGNAL_LAST && options.rewrite[i] != REWRITE_DROP)
			abort();
	int signal = (int)(size % SIGNAL_LAST) + 1;
	char name[SIGNAL_NAME_SIZE];
	signal_name(name, signal);
	const char *cursor = name;
	if (signal_parse(&cursor) != signal || *cursor)
		abort();
	free(copy);
	return 0;
}
