#include "signals.h"

#include "text.h"

/* In the order of their numbers, from 1; each ends in a space, so that one string needs no pointers. */
#ifdef __mips__
static const char names[] = "HUP INT QUIT ILL TRAP ABRT EMT FPE KILL BUS SEGV SYS PIPE ALRM TERM USR1 USR2 CHLD PWR "
			    "WINCH URG IO STOP TSTP CONT TTIN TTOU VTALRM PROF XCPU XFSZ ";
#else
static const char names[] = "HUP INT QUIT ILL TRAP ABRT BUS FPE KILL USR1 SEGV USR2 PIPE ALRM TERM STKFLT CHLD CONT "
			    "STOP TSTP TTIN TTOU URG XCPU XFSZ VTALRM PROF WINCH IO PWR SYS ";
#endif

static char upper(char letter)
{
	return letter >= 'a' && letter <= 'z' ? (char)(letter - 'a' + 'A') : letter;
}

/* The end of `word` in `text` when it stands there in any case, or NULL. */
static const char *skip_word(const char *text, const char *word)
{
	for (; *word && *word != ' '; word++, text++)
		if (upper(*text) != *word)
			return NULL;
	return text;
}

static const char *next_name(const char *name)
{
	while (*name++ != ' ')
		;
	return name;
}

/* Moves the cursor to `at` if a list's item ends there. */
static bool ended(const char **cursor, const char *at)
{
	if (*at && *at != ':' && *at != ',')
		return false;
	*cursor = at;
	return true;
}

int signal_parse(const char **cursor)
{
	const char *text = *cursor, *at = text;
	int number = text_number(&at, SIGNAL_LAST);
	if (number >= 0)
		return ended(cursor, at) ? number : -1;

	if ((at = skip_word(text, "SIG")))
		text = at;
	number = 1;
	for (const char *name = names; *name; name = next_name(name), number++)
		if ((at = skip_word(text, name)) && ended(cursor, at))
			return number;

	int base = SIGNAL_RTMIN, sign = 1;
	if (!(at = skip_word(text, "RTMIN"))) {
		if (!(at = skip_word(text, "RTMAX")))
			return -1;
		base = SIGNAL_LAST;
		sign = -1;
	}
	number = 0;
	/* ',' is between '+' and '-', which are thus 1 less and 1 more. */
	if (*at == ',' - sign) {
		at++;
		number = text_number(&at, SIGNAL_LAST - SIGNAL_RTMIN);
	}
	return number >= 0 && ended(cursor, at) ? base + sign * number : -1;
}

void signal_name(char *to, int number)
{
	const char *name = names;
	for (int i = 1; i < number && *name; i++)
		name = next_name(name);
	if (number >= 1 && *name) {
		to = text_copy(to, "SIG");
		while (*name != ' ')
			*to++ = *name++;
		*to = 0;
		return;
	}
	if (number >= SIGNAL_RTMIN) {
		to = text_copy(to, "SIGRTMIN+");
		number -= SIGNAL_RTMIN;
		if (!number) {
			to[-1] = 0;
			return;
		}
	}
	text_decimal(to, (uint32_t)number);
}
