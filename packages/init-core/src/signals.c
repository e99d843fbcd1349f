#include "signals.h"

#include "text.h"

/* In the order of their numbers, from 1; one string needs no pointers. */
#ifdef __mips__
static const char names[] = "HUP\0INT\0QUIT\0ILL\0TRAP\0ABRT\0EMT\0FPE\0KILL\0BUS\0SEGV\0SYS\0PIPE\0ALRM\0TERM\0USR1\0USR2\0"
			    "CHLD\0PWR\0WINCH\0URG\0IO\0STOP\0TSTP\0CONT\0TTIN\0TTOU\0VTALRM\0PROF\0XCPU\0XFSZ\0";
#else
static const char names[] = "HUP\0INT\0QUIT\0ILL\0TRAP\0ABRT\0BUS\0FPE\0KILL\0USR1\0SEGV\0USR2\0PIPE\0ALRM\0TERM\0STKFLT\0"
			    "CHLD\0CONT\0STOP\0TSTP\0TTIN\0TTOU\0URG\0XCPU\0XFSZ\0VTALRM\0PROF\0WINCH\0IO\0PWR\0SYS\0";
#endif

static char upper(char letter)
{
	return letter >= 'a' && letter <= 'z' ? (char)(letter - 'a' + 'A') : letter;
}

/* The end of `word` in `text` when it stands there in any case, or NULL. */
static const char *skip_word(const char *text, const char *word)
{
	for (; *word; word++, text++)
		if (upper(*text) != *word)
			return NULL;
	return text;
}

static bool is_end(char letter)
{
	return !letter || letter == ':' || letter == ',';
}

void signal_name(char *to, int number)
{
	if (number >= SIGNAL_RTMIN) {
		to = text_copy(to, "SIGRTMIN+");
		number -= SIGNAL_RTMIN;
		if (!number) {
			to[-1] = 0;
			return;
		}
	} else if (number >= 1) {
		const char *name = names;
		for (int i = 1; i < number && *name; i++)
			name += text_length(name) + 1;
		if (*name) {
			text_copy(text_copy(to, "SIG"), name);
			return;
		}
	}
	text_decimal(to, (uint32_t)number);
}

int signal_parse(const char **cursor)
{
	const char *text = *cursor, *at = text;
	int number = text_number(&at, SIGNAL_LAST);
	if (number < 0) {
		if ((at = skip_word(text, "SIG")))
			text = at;
		if ((at = skip_word(text, "RTMAX"))) {
			number = *at == '-' ? (at++, text_number(&at, SIGNAL_LAST - SIGNAL_RTMIN)) : 0;
			if (number < 0)
				return -1;
			number = SIGNAL_LAST - number;
		} else {
			char name[SIGNAL_NAME_SIZE];
			for (number = SIGNAL_LAST; number; number--) {
				signal_name(name, number);
				/* Two have none, and are written as digits. */
				if (*name == 'S' && (at = skip_word(text, name + 3)) && is_end(*at))
					break;
			}
			if (!number)
				return -1;
		}
	}
	*cursor = at;
	return is_end(*at) ? number : -1;
}
