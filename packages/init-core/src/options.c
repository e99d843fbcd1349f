#include "options.h"

#include "text.h"

/* One table for every command line understood and for the INITWRAP_ variables, whose names are the long names in
   capitals. A letter or long name counts only for the personalities in its column. */
enum action {
	ACTION_GROUP, ACTION_NO_GROUP, ACTION_SINGLE, ACTION_REWRITE, ACTION_EXIT_MAP, ACTION_PDEATHSIG,
	ACTION_STOP_PLAN, ACTION_GRACE, ACTION_STOP_DELAY, ACTION_REPORT, ACTION_SUBREAPER, ACTION_VERBOSE,
	ACTION_WARN, ACTION_PAUSE, ACTION_HELP, ACTION_VERSION, ACTION_LICENSE
};

enum { ANY = INITWRAP | TINI | DUMB_INIT | CATATONIT };

struct row {
	uint8_t action, letter_for, name_for;
	char letter;
	bool value, variable;
	char name[13];
};

static const struct row rows[] = {
	{ ACTION_GROUP, INITWRAP | TINI | CATATONIT, INITWRAP, 'g', false, true, "group" },
	{ ACTION_NO_GROUP, 0, INITWRAP, 0, false, false, "no-group" },
	{ ACTION_SINGLE, DUMB_INIT, DUMB_INIT, 'c', false, false, "single-child" },
	{ ACTION_REWRITE, INITWRAP | DUMB_INIT, INITWRAP | DUMB_INIT, 'r', true, true, "rewrite" },
	{ ACTION_EXIT_MAP, INITWRAP | TINI, INITWRAP, 'e', true, true, "exit-map" },
	{ ACTION_PDEATHSIG, INITWRAP | TINI, INITWRAP, 'p', true, true, "pdeathsig" },
	{ ACTION_STOP_PLAN, 0, INITWRAP, 0, true, true, "stop-plan" },
	{ ACTION_GRACE, 0, INITWRAP, 0, true, true, "grace" },
	{ ACTION_STOP_DELAY, 0, INITWRAP, 0, true, true, "stop-delay" },
	{ ACTION_REPORT, 0, INITWRAP, 0, true, true, "report" },
	{ ACTION_SUBREAPER, TINI, 0, 's', false, false, "" },
	{ ACTION_VERBOSE, INITWRAP | TINI | DUMB_INIT, INITWRAP | DUMB_INIT, 'v', false, true, "verbose" },
	{ ACTION_WARN, TINI, 0, 'w', false, false, "" },
	{ ACTION_PAUSE, CATATONIT, 0, 'P', false, false, "" },
	{ ACTION_HELP, ANY, INITWRAP | DUMB_INIT, 'h', false, false, "help" },
	{ ACTION_VERSION, INITWRAP | DUMB_INIT | CATATONIT, ANY, 'V', false, false, "version" },
	{ ACTION_LICENSE, TINI, INITWRAP, 'l', false, false, "license" },
	{ ACTION_LICENSE, CATATONIT, 0, 'L', false, false, "" },
};

enum { ROWS = sizeof rows / sizeof *rows };

bool duration_is_zero(struct duration duration)
{
	return !(duration.seconds | duration.nanoseconds);
}

/* "5", "5s", "1.5s", "500ms", "2m", "1h", of at most 11 days. Reads up to a comma or the end. */
static bool parse_duration(const char **cursor, struct duration *to)
{
	static const int32_t tenths[] = { 100000000, 10000000, 1000000, 100000, 10000, 1000, 100, 10, 1 };
	enum { LONGEST_SECONDS = 1000000 };
	int32_t whole = text_number(cursor, LONGEST_SECONDS);
	const char *at = *cursor;
	bool fraction = whole >= 0 && *at == '.';

	if (whole < 0)
		return false;
	to->nanoseconds = 0;
	if (fraction) {
		size_t digits = 0;
		for (at++; *at >= '0' && *at <= '9'; at++) {
			if (digits == sizeof tenths / sizeof *tenths)
				return false;
			to->nanoseconds += (*at - '0') * tenths[digits++];
		}
		if (!digits)
			return false;
	}

	bool milliseconds = at[0] == 'm' && at[1] == 's';
	int32_t unit = milliseconds ? 0 : *at == 'm' ? 60 : *at == 'h' ? 3600 : 1;
	if (milliseconds)
		at++;
	if (*at == 's' || unit > 1)
		at++;
	/* "1.5m" is refused rather than taken for something else: the fraction counts seconds. */
	if ((*at && *at != ',') || (fraction && unit != 1))
		return false;

	*cursor = at;
	to->seconds = 0;
	if (milliseconds) {
		for (; whole >= 1000; whole -= 1000)
			to->seconds++;
		to->nanoseconds = whole * 1000000;
		return true;
	}
	for (; unit > 0; unit--) {
		to->seconds += whole;
		if (to->seconds > LONGEST_SECONDS)
			return false;
	}
	return true;
}

static const char *item_end(const char *item)
{
	while (*item && *item != ',')
		item++;
	return item;
}

static const char *find(const char *from, const char *to, char letter)
{
	for (; from < to; from++)
		if (*from == letter)
			return from;
	return NULL;
}

/* FROM:TO[,FROM:TO...]; TO 0 drops the signal. dumb-init takes one pair of numbers up to 31. */
static bool parse_rewrite(struct options *options, const char *value)
{
	for (;;) {
		const char *end = item_end(value);
		const char *colon = find(value, end, ':');
		if (!colon)
			return false;
		int from = signal_parse(value, colon);
		int to = signal_parse(colon + 1, end);
		int last = options->personality == DUMB_INIT ? 31 : SIGNAL_LAST;
		if (from < 1 || from > last || to < 0 || to > last)
			return false;
		options->rewrite[from] = (uint8_t)(to ? to : REWRITE_DROP);
		if (!*end)
			return true;
		value = end + 1;
	}
}

/* FROM[:TO][,...], codes of 0 to 255; TO is 0 when left out, which is tini's -e. */
static bool parse_exit_map(struct options *options, const char *value)
{
	for (size_t i = 0; !options->exit_mapped && i < sizeof options->exit_flip; i++)
		((volatile uint8_t *)options->exit_flip)[i] = 0;
	options->exit_mapped = true;
	for (;;) {
		int32_t from = text_number(&value, 255);
		int32_t to = 0;
		if (from >= 0 && *value == ':') {
			value++;
			to = text_number(&value, 255);
		}
		if (from < 0 || to < 0)
			return false;
		options->exit_flip[from] = (uint8_t)(from ^ to);
		if (!*value)
			return true;
		if (*value++ != ',')
			return false;
	}
}

/* SIGNAL[:DURATION][,SIGNAL[:DURATION]...] */
static bool parse_stop_plan(struct options *options, const char *value)
{
	options->stage_count = 0;
	for (;;) {
		const char *end = item_end(value);
		const char *colon = find(value, end, ':');
		int signal = signal_parse(value, colon ? colon : end);
		struct stage *stage = &options->stages[options->stage_count];
		if (signal < 1 || options->stage_count == STAGES_MAX)
			return false;
		stage->signal = (uint8_t)signal;
		stage->wait = (struct duration){ 0, 0 };
		if (colon) {
			value = colon + 1;
			if (!parse_duration(&value, &stage->wait) || value != end)
				return false;
		}
		options->stage_count++;
		if (!*end)
			return true;
		value = end + 1;
	}
}

static bool parse_one_duration(struct duration *to, const char *value)
{
	return parse_duration(&value, to) && !*value;
}

static void apply_flag(struct options *options, uint8_t action)
{
	switch (action) {
	case ACTION_GROUP:
		options->group = GROUP_ALWAYS;
		break;
	case ACTION_NO_GROUP:
		options->group = GROUP_NEVER;
		break;
	case ACTION_SINGLE:
		options->session = false;
		break;
	case ACTION_SUBREAPER:
		options->subreaper = true;
		break;
	case ACTION_VERBOSE:
		options->verbosity++;
		break;
	case ACTION_WARN:
		options->warn_on_reap = true;
		break;
	case ACTION_PAUSE:
		options->pause = true;
		break;
	case ACTION_HELP:
		options->request = REQUEST_HELP;
		break;
	case ACTION_VERSION:
		options->request = REQUEST_VERSION;
		break;
	default:
		options->request = REQUEST_LICENSE;
	}
}

/* Applies an option that has a value, or a flag that is set by a variable. False when the value is no good. */
static bool apply_value(struct options *options, uint8_t action, const char *value)
{
	int number;
	switch (action) {
	case ACTION_GROUP:
	case ACTION_VERBOSE:
		number = text_number(&value, 9);
		if (number < 0 || *value)
			return false;
		if (action == ACTION_GROUP)
			options->group = number ? GROUP_ALWAYS : GROUP_NEVER;
		else
			options->verbosity = (uint8_t)number;
		return true;
	case ACTION_REWRITE:
		return parse_rewrite(options, value);
	case ACTION_EXIT_MAP:
		return parse_exit_map(options, value);
	case ACTION_PDEATHSIG:
		number = signal_parse(value, NULL);
		if (number < 1)
			return false;
		options->parent_death_signal = (uint8_t)number;
		return true;
	case ACTION_STOP_PLAN:
		return parse_stop_plan(options, value);
	case ACTION_GRACE:
		return parse_one_duration(&options->grace, value);
	case ACTION_STOP_DELAY:
		return parse_one_duration(&options->stop_delay, value);
	default:
		/* ACTION_REPORT. The init leaves the working directory, and writes at the end: a relative name would move. */
		options->report = value;
		return *value == '/';
	}
}

static void refuse(struct options *options, const char *problem, const char *subject)
{
	options->request = REQUEST_WRONG;
	options->problem = problem;
	options->subject = subject;
}

static const char bad_value[] = "bad value for %o: '%s'";

static uint8_t personality_of(const char *path)
{
	HOT static const char tini[] = "tini", docker_init[] = "docker-init", dumb_init[] = "dumb-init";
	HOT static const char catatonit[] = "catatonit";
	/* Prefixes: tini-static, tini-amd64 and dumb-init_1.2.5_x86_64 are names these programs are shipped under. */
	const char *name = path ? text_basename(path) : tini + sizeof tini - 1;
	if (text_after(name, tini) || text_equal(name, docker_init))
		return TINI;
	if (text_after(name, dumb_init))
		return DUMB_INIT;
	if (text_after(name, catatonit))
		return CATATONIT;
	return INITWRAP;
}

/* Whether the variable name at `at`, up to its '=', is `name` in capitals; its value or NULL. */
static const char *variable_value(const char *at, const char *name)
{
	for (; *name; name++, at++)
		if (*at != (*name == '-' ? '_' : *name - 'a' + 'A'))
			return NULL;
	return *at == '=' ? at + 1 : NULL;
}

static void parse_variable(struct options *options, const char *variable)
{
	HOT static const char prefix[] = "INITWRAP_";
	const char *value;
	const char *name = text_after(variable, prefix);
	if (name) {
		for (size_t i = 0; i < ROWS; i++) {
			if (!rows[i].variable || !(value = variable_value(name, rows[i].name)))
				continue;
			/* Set but empty is as good as not set: a template can then always pass every variable. */
			if (*value && !apply_value(options, rows[i].action, value)) {
				refuse(options, bad_value, value);
				options->option = variable;
			}
			return;
		}
		return;
	}
	if (options->personality == TINI && (name = text_after(variable, "TINI_"))) {
		if (text_after(name, "SUBREAPER="))
			options->subreaper = true;
		else if (text_after(name, "KILL_PROCESS_GROUP="))
			options->group = GROUP_ALWAYS;
		else if ((value = text_after(name, "VERBOSITY="))) {
			int32_t number = text_number(&value, 9);
			options->verbosity = (uint8_t)(number < 0 ? 0 : number);
		}
	} else if (options->personality == DUMB_INIT && (name = text_after(variable, "DUMB_INIT_"))) {
		if (text_equal(name, "DEBUG=1"))
			options->verbosity = 1;
		else if (text_equal(name, "SETSID=0"))
			options->session = false;
	} else if (options->personality == CATATONIT && text_after(variable, "CATATONIT_DEBUG=")) {
		options->verbosity = 1;
	}
}

/* Splits --name or --name=value; NULL when there is no such option for this personality. */
static const struct row *find_name(const struct options *options, const char *name, const char **value)
{
	for (size_t i = 0; i < ROWS; i++) {
		const char *rest = text_after(name, rows[i].name);
		if (!(rows[i].name_for & options->personality) || !rest || (*rest && *rest != '='))
			continue;
		*value = *rest ? rest + 1 : NULL;
		return &rows[i];
	}
	return NULL;
}

static const struct row *find_letter(const struct options *options, char letter)
{
	for (size_t i = 0; i < ROWS; i++)
		if ((rows[i].letter_for & options->personality) && rows[i].letter == letter)
			return &rows[i];
	return NULL;
}

/* Reads the options up to the command; returns where that begins, or NULL after a mistake. */
static char **parse_arguments(struct options *options, char **argv)
{
	for (; *argv && argv[0][0] == '-' && argv[0][1]; argv++) {
		const char *at = *argv + 1;
		const char *value = NULL;
		const struct row *row;

		if (at[0] == '-' && !at[1])
			return argv + 1;
		if (*at == '-') {
			row = find_name(options, at + 1, &value);
			if (!row) {
				refuse(options, "unrecognized option '%s'", *argv);
				return NULL;
			}
			if (value && !row->value) {
				refuse(options, "option '%s' doesn't allow an argument", *argv);
				return NULL;
			}
			if (row->value && !value && !(value = *++argv)) {
				refuse(options, "option '%s' requires an argument", argv[-1]);
				return NULL;
			}
			options->option = row->name;
			if (!value) {
				apply_flag(options, row->action);
			} else if (!apply_value(options, row->action, value)) {
				refuse(options, bad_value, value);
				return NULL;
			}
			continue;
		}
		for (; *at; at++) {
			row = find_letter(options, *at);
			if (!row) {
				refuse(options, "invalid option -- '%c'", at);
				return NULL;
			}
			options->option = row->name;
			options->letter = *at;
			if (!row->value) {
				apply_flag(options, row->action);
				continue;
			}
			value = at[1] ? at + 1 : *++argv;
			if (!value) {
				refuse(options, "option requires an argument -- '%c'", at);
				return NULL;
			}
			if (!apply_value(options, row->action, value)) {
				refuse(options, bad_value, value);
				return NULL;
			}
			break;
		}
	}
	return argv;
}

void options_parse(struct options *options, char **argv, char **environment)
{
	/* Not an initialiser: with a structure of this size that becomes a call to memset or a copy of 500 bytes. */
	for (size_t i = 0; i < offsetof(struct options, exit_flip) / sizeof(uintptr_t); i++)
		((volatile uintptr_t *)options)[i] = 0;

	options->personality = personality_of(*argv);
	if (options->personality == TINI) {
		options->verbosity = 1;
		options->group = GROUP_NEVER;
	} else {
		options->subreaper = true;
	}
	if (options->personality == CATATONIT)
		options->group = GROUP_NEVER;
	options->session = options->personality == DUMB_INIT;

	for (; *environment; environment++)
		if (**environment == 'I' || options->personality != INITWRAP)
			parse_variable(options, *environment);
	if (options->request == REQUEST_WRONG)
		return;

	if (*argv)
		argv++;
	argv = parse_arguments(options, argv);
	if (!argv)
		return;
	options->command = argv;
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

size_t options_problem(const struct options *options, char *to, size_t size)
{
	size_t length = 0;
	for (const char *at = options->problem; *at; at++) {
		const char *insert = at;
		size_t count = 1;
		if (*at == '%') {
			at++;
			insert = *at == 'o' ? options->option : options->subject;
			/* A letter, a variable up to its '=', or all of it. */
			for (count = 0; insert[count] && !(*at == 'o' && insert[count] == '='); count++)
				if (*at == 'c' && count == 1)
					break;
		}
		for (; count && length + 1 < size; count--)
			to[length++] = *insert++;
	}
	to[length] = 0;
	return length;
}
