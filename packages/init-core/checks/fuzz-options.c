/* libFuzzer target: options.c, signals.c and text.c under ASan and UBSan. The input is a command line and an environment,
   words separated by NUL, an empty word between the two. Run by checks/fuzz.sh.

   Every word lies in memory of its own, so that reading one byte beyond its end is found. Besides, what was read must
   be within the bounds that the rest of the init relies on, and must be read back from what is written of it. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../src/options.h"
#include "../src/text.h"

enum { WORDS = 62, LONGEST = 1000000 /* seconds: options.c */ };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void expect(bool condition)
{
	if (!condition)
		abort();
}

static bool within(struct duration duration)
{
	return duration.seconds >= 0 && duration.seconds <= LONGEST && duration.nanoseconds >= 0
	    && duration.nanoseconds <= 999999999;
}

static bool is_signal(int number)
{
	return number >= 1 && number <= SIGNAL_LAST;
}

/* Any text as a signal: what is taken for one has a name that is the same signal, in capitals or not. */
static void check_signal(const char *word)
{
	char name[SIGNAL_NAME_SIZE];
	const char *cursor = word;
	int number = signal_parse(&cursor);
	expect(number >= -1 && number <= SIGNAL_LAST);
	if (number < 1)
		return;
	expect(cursor > word && cursor <= word + strlen(word) && (!*cursor || *cursor == ':' || *cursor == ','));
	signal_name(name, number);
	expect(strlen(name) < sizeof name);
	cursor = name;
	expect(signal_parse(&cursor) == number && !*cursor);
	for (char *at = name; *at; at++)
		if (*at >= 'A' && *at <= 'Z')
			*at += 'a' - 'A';
	cursor = name;
	expect(signal_parse(&cursor) == number && !*cursor);
}

static void check_number(const char *word)
{
	char digits[11];
	const char *cursor = word;
	int32_t number = text_number(&cursor, 99999999);
	expect(number >= -1 && number <= 99999999 && (number >= 0) == (cursor != word));
	if (number < 0)
		return;
	char *end = text_decimal(digits, (uint32_t)number);
	expect(end > digits && end <= digits + 10 && !*end);
	cursor = digits;
	expect(text_number(&cursor, 99999999) == number && !*cursor);
}

static void check_problem(const struct options *options)
{
	char whole[2048], part[64];
	size_t length = options_problem(options, whole, sizeof whole);
	expect(length < sizeof whole && whole[length] == 0 && length > 0);
	size_t cut = options_problem(options, part, sizeof part);
	expect(cut < sizeof part && part[cut] == 0 && cut <= length && !memcmp(part, whole, cut));
	expect(cut == length || cut == sizeof part - 1);
	expect(options_problem(options, part, 1) == 0 && !*part);
}

static void check_options(const struct options *options, char **words, size_t argc)
{
	expect(options->request <= REQUEST_NOTHING && options->group <= GROUP_NEVER);
	if (options->request == REQUEST_WRONG) {
		check_problem(options);
		return;
	}
	/* The command is a tail of the command line. */
	expect(options->command >= words && options->command <= words + argc);
	expect(options->request != REQUEST_RUN || options->pause || *options->command);
	expect(options->stage_count <= STAGES_MAX);
	for (size_t i = 0; i < options->stage_count; i++)
		expect(is_signal(options->stages[i].signal) && within(options->stages[i].wait));
	expect(within(options->grace) && within(options->stop_delay));
	expect(!options->parent_death_signal || is_signal(options->parent_death_signal));
	expect(!options->report || *options->report == '/');
	for (int i = 1; i <= SIGNAL_LAST; i++)
		expect(!options->rewrite[i] || is_signal(options->rewrite[i]) || options->rewrite[i] == REWRITE_DROP);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *words[WORDS + 2] = { NULL };
	size_t count = 0, argc = 0;
	bool divided = false;
	for (size_t at = 0; at < size && count < WORDS; count++) {
		size_t length = strnlen((const char *)data + at, size - at);
		if (!divided && !length) {
			/* words[argc] stays NULL: the end of argv. */
			divided = true;
			argc = count;
		} else {
			words[count] = malloc(length + 1);
			memcpy(words[count], data + at, length);
			words[count][length] = 0;
		}
		at += length + 1;
	}
	if (!divided)
		argc = count;

	for (size_t i = 0; i < count; i++) {
		if (words[i]) {
			check_signal(words[i]);
			check_number(words[i]);
		}
	}
	/* What the stack held before must not matter. */
	struct options options;
	memset(&options, 0xa5, sizeof options);
	options_parse(&options, words, divided ? words + argc + 1 : words + count);
	check_options(&options, words, argc);
	for (size_t i = 0; i < count; i++)
		free(words[i]);
	return 0;
}
