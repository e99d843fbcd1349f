#include "options.h"

#include "text.h"

/* One table for every command line understood and for the INITWRAP_ variables, whose names are the long names in capitals.
   In the table's order; those that are also variables come first, and among them stand together those that take a value
   and those that take a list. */
enum action {
	ACTION_GROUP = 1, ACTION_VERBOSE, ACTION_EXIT_MAP, ACTION_REWRITE, ACTION_STOP_PLAN, ACTION_PDEATHSIG, ACTION_GRACE,
	ACTION_STOP_DELAY, ACTION_REPORT, ACTION_NO_GROUP, ACTION_SINGLE, ACTION_SUBREAPER, ACTION_WARN, ACTION_PAUSE,
	ACTION_HELP, ACTION_VERSION, ACTION_LICENSE, ACTION_LICENSE_OF_CATATONIT, ACTIONS
};

enum { FIRST_WITH_VALUE = ACTION_EXIT_MAP, LAST_VARIABLE = ACTION_REPORT, LAST_LIST = ACTION_STOP_PLAN };

/* I, T, D, C: a bit for each personality. A row: the personalities that know the letter and, times 16, those that know the
   name; the letter; the name. As one string, for the names' lengths differ so much. */
#define ROW(personalities, letter, name) personalities letter name "\0"

static const char rows[] =
	ROW("\x1b", "g", "group")        /* ITC I */
	ROW("\x57", "v", "verbose")      /* ITD ID */
	ROW("\x13", "e", "exit-map")     /* IT I */
	ROW("\x55", "r", "rewrite")      /* ID ID */
	ROW("\x10", "\t", "stop-plan")   /* - I */
	ROW("\x13", "p", "pdeathsig")    /* IT I */
	ROW("\x10", "\t", "grace")       /* - I */
	ROW("\x10", "\t", "stop-delay")  /* - I */
	ROW("\x10", "\t", "report")      /* - I */
	ROW("\x10", "\t", "no-group")    /* - I */
	ROW("\x44", "c", "single-child") /* D D */
	ROW("\x02", "s", "")             /* T - */
	ROW("\x02", "w", "")             /* T - */
	ROW("\x08", "P", "")             /* C - */
	ROW("\x5f", "h", "help")         /* ITDC ID */
	ROW("\xfd", "V", "version")      /* IDC ITDC */
	ROW("\x13", "l", "license")      /* IT I */
	ROW("\x08", "L", "");            /* C - */

/* "5", "5s", "1.5s", "500ms", "2m", "1h", of at most 11 days. Reads up to a comma or the end. */
static bool parse_duration(const char **cursor, struct duration *to)
{
	enum { LONGEST_SECONDS = 1000000, PLACES = 9 };
	int32_t whole = text_number(cursor, LONGEST_SECONDS);
	const char *at = *cursor;
	uint32_t unit = 1;

	if (whole < 0)
		return false;
	to->nanoseconds = 0;
	if (*at == '.') {
		unit = 0;
		at++;
		if (*at < '0' || *at > '9')
			return false;
		for (int place = 0; place < PLACES; place++) {
			to->nanoseconds *= 10;
			if (*at >= '0' && *at <= '9')
				to->nanoseconds += *at++ - '0';
		}
	}

	/* "1.5m" is refused rather than taken for something else: the fraction counts seconds. */
	if (*at == 's') {
		at++;
	} else if (unit && *at == 'h') {
		unit = 3600;
		at++;
	} else if (unit && *at == 'm') {
		unit = 60;
		if (*++at == 's') {
			unit = 1;
			at++;
			to->nanoseconds = whole;
			for (whole = 0; to->nanoseconds >= 1000; whole++)
				to->nanoseconds -= 1000;
			to->nanoseconds *= 1000000;
		}
	}
	to->seconds = whole;
	if (unit > 1) {
		if ((uint32_t)whole * unit > LONGEST_SECONDS)
			return false;
		to->seconds = whole * (int32_t)unit;
	}
	*cursor = at;
	return !*at || *at == ',';
}

static bool is_list(int action)
{
	return action >= FIRST_WITH_VALUE && action <= LAST_LIST;
}

static int parse_code_or_signal(int action, const char **cursor)
{
	return action <= ACTION_EXIT_MAP ? text_number(cursor, 255) : signal_parse(cursor);
}

/* Applies one value, or one item of a list: FROM:TO of --rewrite, where TO 0 drops the signal and dumb-init knows numbers up
   to 31; FROM[:TO] of --exit-map, codes of 0 to 255, where TO is 0 when left out, which is tini's -e; SIGNAL[:DURATION] of
   --stop-plan. Moves the cursor past it; false when it is no good. */
static bool apply_item(struct options *options, int action, const char **cursor)
{
	if (action == ACTION_REPORT) {
		/* The init leaves the working directory, and writes at the end: a relative name would move. */
		options->report = *cursor;
		*cursor += text_length(*cursor);
		return *options->report == '/';
	}
	if (action >= ACTION_GRACE)
		return parse_duration(cursor, action == ACTION_GRACE ? &options->grace : &options->stop_delay);

	struct stage *stage = &options->stages[options->stage_count];
	int from = parse_code_or_signal(action, cursor), to = 0;
	bool pair = is_list(action) && **cursor == ':';
	if (pair) {
		++*cursor;
		if (action != ACTION_STOP_PLAN)
			to = parse_code_or_signal(action, cursor);
	}
	if ((from | to) < 0 || (!from && action > ACTION_EXIT_MAP))
		return false;

	switch (action) {
	case ACTION_GROUP:
		options->group = from ? GROUP_ALWAYS : GROUP_NEVER;
		break;
	case ACTION_VERBOSE:
		options->verbosity = (uint8_t)from;
		break;
	case ACTION_EXIT_MAP:
		options->exit_flip[from] = (uint8_t)(from ^ to);
		break;
	case ACTION_REWRITE:
		options->rewrite[from] = (uint8_t)(to ? to : REWRITE_DROP);
		return pair && (options->personality != DUMB_INIT || (from | to) <= 31);
	case ACTION_PDEATHSIG:
		options->parent_death_signal = (uint8_t)from;
		break;
	default:
		/* ACTION_STOP_PLAN */
		if (options->stage_count == STAGES_MAX)
			return false;
		options->stage_count++;
		stage->signal = (uint8_t)from;
		stage->wait = (struct duration){ 0, 0 };
		return !pair || parse_duration(cursor, &stage->wait);
	}
	return true;
}

/* Applies an option that has a value, or a flag that is set by a variable. False when the value is no good. */
static bool apply_value(struct options *options, int action, const char *value)
{
	/* A plan replaces the one before, as any value does; the other lists add up. */
	if (action == ACTION_STOP_PLAN)
		options->stage_count = 0;
	for (;;) {
		if (!apply_item(options, action, &value))
			return false;
		if (!*value)
			return true;
		if (*value++ != ',' || !is_list(action))
			return false;
	}
}

/* The byte that a flag sets, and to what; -v counts. */
static const struct flag {
	uint8_t offset, value;
} flags[] = {
	[ACTION_GROUP] = { offsetof(struct options, group), GROUP_ALWAYS },
	[ACTION_NO_GROUP] = { offsetof(struct options, group), GROUP_NEVER },
	[ACTION_SINGLE] = { offsetof(struct options, session), false },
	[ACTION_SUBREAPER] = { offsetof(struct options, subreaper), true },
	[ACTION_WARN] = { offsetof(struct options, warn_on_reap), true },
	[ACTION_PAUSE] = { offsetof(struct options, pause), true },
	[ACTION_HELP] = { offsetof(struct options, request), REQUEST_HELP },
	[ACTION_VERSION] = { offsetof(struct options, request), REQUEST_VERSION },
	[ACTION_LICENSE] = { offsetof(struct options, request), REQUEST_LICENSE },
	[ACTION_LICENSE_OF_CATATONIT] = { offsetof(struct options, request), REQUEST_LICENSE },
};

static void apply_flag(struct options *options, int action)
{
	if (action == ACTION_VERBOSE)
		options->verbosity++;
	else
		((uint8_t *)options)[flags[action].offset] = flags[action].value;
}

static void refuse(struct options *options, enum problem problem, const char *subject)
{
	options->request = REQUEST_WRONG;
	options->problem = (uint8_t)problem;
	options->subject = subject;
}

enum spelling { NAME, LETTER, VARIABLE };

/* The action that the text names as a letter, as NAME or NAME=VALUE, or as a variable without its prefix; its value, if it
   comes with one. ACTIONS when this personality has no such option. */
static int find(struct options *options, enum spelling spelling, const char *text, const char **value)
{
	int action = 1;
	for (const char *row = rows; *row; action++) {
		int known_to = (uint8_t)*row++ >> options->personality;
		char letter = *row++;
		const char *at = text;
		options->option = row;
		for (; *row && *at == (spelling == NAME ? *row : *row == '-' ? '_' : *row - 'a' + 'A'); row++)
			at++;
		bool equal = !*row;
		while (*row++)
			;
		if (spelling == LETTER ? (known_to & 1) && *text == letter
		    : equal && (spelling == NAME ? (known_to & 16) && at != text && (!*at || *at == '=')
				: *at == '=' && action <= LAST_VARIABLE)) {
			if (spelling != LETTER && *at)
				*value = at + 1;
			break;
		}
	}
	return action;
}

/* The other programs' own variables: what each does, as the flag that does the same; TINI_VERBOSITY alone has a value. The
   first letter of a variable tells whose it is. */
static const char peers_variables[] =
	"\x0c" "TINI_SUBREAPER=\0"
	"\x02" "TINI_VERBOSITY=\0"
	"\x01" "TINI_KILL_PROCESS_GROUP=\0"
	"\x02" "DUMB_INIT_DEBUG=1\0"
	"\x0b" "DUMB_INIT_SETSID=0\0"
	"\x02" "CATATONIT_DEBUG=\0";

_Static_assert(ACTION_GROUP == 1 && ACTION_VERBOSE == 2 && ACTION_SINGLE == 11 && ACTION_SUBREAPER == 12, "peers_variables");

static void parse_variable(struct options *options, const char *variable)
{
	HOT static const char prefix[] = "INITWRAP_";
	const char *value = NULL;
	const char *name = text_after(variable, prefix);
	if (name) {
		int action = find(options, VARIABLE, name, &value);
		/* Set but empty is as good as not set: a template can then always pass every variable. */
		if (value && *value && !apply_value(options, action, value)) {
			refuse(options, PROBLEM_VARIABLE, variable);
		}
		return;
	}
	/* The table is on a page that an ordinary run does without. */
	for (const char *row = peers_variables; options->personality != INITWRAP && *row; row += text_length(row) + 1) {
		uint8_t action = (uint8_t)*row++;
		value = text_after(variable, row);
		if (!value || *row != "ITDC"[options->personality])
			continue;
		if (action == ACTION_VERBOSE && options->personality == TINI) {
			int32_t number = text_number(&value, 9);
			options->verbosity = (uint8_t)(number < 0 ? 0 : number);
		} else if (options->personality != DUMB_INIT || !*value) { /* dumb-init compares all of it */
			apply_flag(options, action);
		}
	}
}

/* Reads the options up to the command; returns where that begins, or NULL after a mistake. */
static char **parse_arguments(struct options *options, char **argv)
{
	for (; *argv && argv[0][0] == '-' && argv[0][1]; argv++) {
		const char *word = *argv, *at = word + 1, *value = NULL;
		enum problem problem = PROBLEM_NONE;
		enum spelling spelling = *at == '-' ? NAME : LETTER;

		if (spelling == NAME && !*++at)
			return argv + 1;
		do {
			int action = find(options, spelling, at, &value);
			bool wanted = action >= FIRST_WITH_VALUE && action <= LAST_VARIABLE;
			if (spelling == LETTER) {
				options->letter = *at++;
				if (wanted && *at)
					value = at;
			}
			if (action == ACTIONS)
				problem = PROBLEM_UNKNOWN + spelling;
			else if (value && !wanted)
				problem = PROBLEM_ARGUMENT;
			else if (wanted && !value && !(value = *++argv))
				problem = PROBLEM_NO_ARGUMENT + spelling;
			else if (!value)
				apply_flag(options, action);
			else if (!apply_value(options, action, value)) {
				problem = PROBLEM_VALUE;
				word = value;
			}
			if (problem) {
				refuse(options, problem, word);
				return NULL;
			}
		} while (spelling == LETTER && !value && *at);
		options->letter = 0;
	}
	return argv;
}

static uint8_t personality_of(const char *name)
{
	HOT static const char names[][12] = { "tini", "dumb-init", "catatonit", "docker-init" };
	/* Prefixes: tini-static, tini-amd64 and dumb-init_1.2.5_x86_64 are names these programs are shipped under. */
	for (size_t i = 0; i < sizeof names / sizeof *names; i++)
		if (text_after(name, names[i]))
			return i + 1 > CATATONIT ? TINI : (uint8_t)(i + 1);
	return INITWRAP;
}

void options_parse(struct options *options, char **argv, char **environment)
{
	clear(options, sizeof *options);
	options->name = *argv ? text_basename(*argv++) : "";
	options->personality = personality_of(options->name);
	options->verbosity = options->personality == TINI;
	options->subreaper = options->personality != TINI;
	options->session = options->personality == DUMB_INIT;
	if (options->personality & TINI) /* and catatonit */
		options->group = GROUP_NEVER;

	for (; *environment; environment++)
		if (**environment == 'I' || options->personality != INITWRAP)
			parse_variable(options, *environment);
	if (options->request == REQUEST_WRONG)
		return;

	argv = parse_arguments(options, argv);
	if (!argv)
		return;
	options->command = argv;
	options->file = *argv;
	if (options->request == REQUEST_RUN && !*argv && !options->pause)
		options->request = REQUEST_NOTHING;

	if (options->personality == DUMB_INIT) {
		options->group = options->session ? GROUP_ALWAYS : GROUP_NEVER;
		/* A session of its own makes the child's group an orphaned one, which the kernel never stops by
		   the terminal's stop signals; so they become the one that always stops. */
		for (int stop = SIG_TSTP; options->session && stop <= SIG_TTOU; stop++)
			if (stop != SIG_CONT && !options->rewrite[stop])
				options->rewrite[stop] = SIG_STOP;
	}
}

/* The init itself has these packed, with all else it says, and does without this copy. */
#include "words-problems.h"

size_t options_problem(const struct options *options, char *to, size_t size)
{
	size_t length = 0;
	for (const char *at = problems[options->problem]; *at; at++) {
		const char letter[] = { *at == '%' ? options->letter : *at, 0 };
		const char *insert = letter;
		if (*at == '%' && *++at != 'l')
			insert = *at == '3' ? options->option : options->subject;
		while (*insert && length + 1 < size)
			to[length++] = *insert++;
	}
	to[length] = 0;
	return length;
}
