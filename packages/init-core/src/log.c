#include "log.h"

#include "sys/sys.h"
#include "text.h"

enum { LINE_SIZE = 2048 };

struct line {
	const struct options *options;
	const char *words;
	const int *numbers; /* those that are not said yet */
	size_t length;
	char text[LINE_SIZE];
};

static const char *text_of(const char *words, int number)
{
	for (; number; words++)
		number -= !*words;
	return words;
}

/* What the letters after a '%' mean: words.txt. A capital is the number of a text. */
static void add(struct line *line, const char *format)
{
	const struct options *options = line->options;
	for (; *format; format++) {
		char one[SIGNAL_NAME_SIZE];
		const char *text = one, *inner = NULL;
		one[0] = *format;
		one[1] = 0;
		if (*format == '%') {
			int number = *line->numbers;
			switch (*++format) {
			case 'l':
				one[0] = options->letter;
				break;
			case 'p':
				inner = text_of(line->words, ROW_PROBLEMS * WORDS_PERSONALITIES + options->problem);
				break;
			case 'e':
				inner = text_of(line->words, ROW_ERRORS * WORDS_PERSONALITIES + (number < WORDS_ERRORS ? number : 0));
				break;
			case 'i':
				text_decimal(one, (uint32_t)SYS0(NR_getpid));
				break;
			case 'k':
				one[0] = 0;
				line->numbers++;
				break;
			case 'd':
				text_decimal(one, (uint32_t)number);
				line->numbers++;
				break;
			case 'g':
				signal_name(one, number);
				line->numbers++;
				break;
			default:
				if (*format < 'A')
					text = (&options->name)[*format - '0'];
				else
					inner = text_of(line->words, ROW_HELP * WORDS_PERSONALITIES + *format - 'A') + 1;
			}
		}
		if (inner)
			add(line, inner);
		else
			while (*text && line->length < LINE_SIZE)
				line->text[line->length++] = *text++;
	}
}

__attribute__((noinline)) void say_to(int descriptor, const struct options *options, int text, const int *numbers)
{
	struct line line;
	char unpacked[WORDS_SIZE];
	bool told = text < ROW_CANNOT_FORK * WORDS_PERSONALITIES;

	line.options = options;
	line.words = options->words;
	line.numbers = numbers;
	line.length = 0;
	if (!line.words) {
		words_unpack(unpacked, text < ROW_HELP * WORDS_PERSONALITIES ? ROW_HELP * WORDS_PERSONALITIES : WORDS_TEXTS);
		line.words = unpacked;
	}

	/* A digit, how much it matters: words.txt. Only tini has told things beyond 1, and it tells them on stdout. */
	const char *format = text_of(line.words, text);
	int level = *format - '0';
	if (level < 0 || (told && level > options->verbosity))
		return;
	add(&line, format + 1);
	/* A message cut short still ends its line. */
	if (line.length == LINE_SIZE)
		line.text[LINE_SIZE - 1] = '\n';

	if (!descriptor)
		descriptor = level > 1 ? 1 : 2;
	struct {
		int32_t descriptor;
		int16_t wanted, got;
	} writable = { descriptor, 4 /* POLLOUT */, 0 };
	struct kernel_time at_once = { 0, 0 };
	if (!told || SYS(NR_ppoll, &writable, 1, &at_once, NULL, 0) > 0)
		SYS(NR_write, descriptor, line.text, line.length);
}

void say_both(const struct options *options, enum row row, int first, int second)
{
	int numbers[] = { first, second };
	/* In a normal run this is all that happens. It must not even touch the stack that say_to needs: its pages would stay. */
	if (row >= ROW_CANNOT_FORK || options->words)
		say_to(0, options, (int)row * WORDS_PERSONALITIES + options->personality, numbers);
}

void say(const struct options *options, enum row row, int number)
{
	say_both(options, row, number, number);
}
