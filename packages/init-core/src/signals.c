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

static bool ended(const char *at, const char *end)
{
	return at == end || !*at;
}

int signal_parse(const char *text, const char *end)
{
	const char *at = text;
	int number = text_number(&at, SIGNAL_LAST);
	if (number >= 0)
		return ended(at, end) ? number : -1;

	const char *bare = skip_word(text, "SIG");
	if (bare)
		text = bare;

	number = 1;
	for (const char *name = names; *name; number++) {
		at = skip_word(text, name);
		if (at && ended(at, end))
			return number;
		while (*name++ != ' ')
			;
	}

	int base = SIGNAL_RTMIN;
	char sign = '+';
	if (!(at = skip_word(text, "RTMIN"))) {
		if (!(at = skip_word(text, "RTMAX")))
			return -1;
		base = SIGNAL_LAST;
		sign = '-';
	}
	if (ended(at, end))
		return base;
	if (*at++ != sign)
		return -1;
	number = text_number(&at, SIGNAL_LAST - SIGNAL_RTMIN);
	if (number < 0 || !ended(at, end))
		return -1;
	return sign == '+' ? base + number : base - number;
}

char *signal_name(char *to, int number)
{
	char *at = to;
	const char *name = names;
	const char *prefix = "SIG";
	for (int i = 1; i < number && *name; i++)
		while (*name++ != ' ')
			;
	if (number >= SIGNAL_RTMIN)
		prefix = number == SIGNAL_RTMIN ? "SIGRTMIN" : "SIGRTMIN+";
	else if (number < 1 || !*name)
		prefix = "";
	while (*prefix)
		*at++ = *prefix++;
	if (number >= 1 && number < SIGNAL_RTMIN && *name)
		while (*name != ' ')
			*at++ = *name++;
	else if (number != SIGNAL_RTMIN)
		at += text_decimal(at, (uint32_t)(number > SIGNAL_RTMIN ? number - SIGNAL_RTMIN : number));
	*at = 0;
	return to;
}
