/* argv, environment and the name the program was started by -> struct options.

   No I/O and no memory of its own: everything in the result points into argv, the environment or constants.
   The Node addon compiles this very file, so that a command line is accepted by the CLI exactly when the init
   will accept it. */
#ifndef INITWRAP_OPTIONS_H
#define INITWRAP_OPTIONS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "signals.h"

/* Whose command line, defaults, messages and exit codes to follow; chosen by argv[0]. In the order of words.txt. */
enum personality { INITWRAP, TINI, DUMB_INIT, CATATONIT };

/* What the command line asks for. In the order of the answers in words.txt. */
enum request { REQUEST_RUN, REQUEST_HELP, REQUEST_VERSION, REQUEST_LICENSE, REQUEST_WRONG, REQUEST_NOTHING };

/* What is wrong with the command line. In the order of words.txt. */
enum problem {
	PROBLEM_NONE,
	PROBLEM_VARIABLE,
	PROBLEM_VALUE,
	PROBLEM_ARGUMENT,
	PROBLEM_UNKNOWN, PROBLEM_UNKNOWN_LETTER,
	PROBLEM_NO_ARGUMENT, PROBLEM_NO_ARGUMENT_FOR_LETTER
};

/* Who gets the forwarded signals. */
enum group {
	GROUP_IF_LEADER, /* the main child's process group while the child leads one, else the child alone */
	GROUP_ALWAYS,    /* the group; the child alone only when there is no such group */
	GROUP_NEVER      /* the child alone */
};

struct duration {
	int32_t seconds;
	int32_t nanoseconds;
};

struct stage {
	struct duration wait; /* before the next stage */
	uint8_t signal;
};

enum { STAGES_MAX = 8, REWRITE_DROP = 255 };

struct options {
	/* In this order: %0 to %4 of words.txt. */
	const char *name;    /* argv[0] without its folders, "" when there is none */
	const char *file;    /* the command's first word */
	const char *subject; /* REQUEST_WRONG: what the user wrote, */
	const char *option;  /* and the option it was for */
	const char *report;  /* file for the report at the end, or NULL */

	char **command;      /* NULL-terminated, a tail of argv */
	const char *words;   /* unpacked, when the init has a lot to say: see words.h. Not set here */

	uint8_t request;     /* enum request */
	uint8_t problem;     /* enum problem */
	char letter;         /* the short option at fault, 0 when it was a long one or a variable */
	uint8_t personality; /* enum personality */
	uint8_t group;       /* enum group */
	uint8_t verbosity;
	uint8_t parent_death_signal; /* 0: none */
	bool subreaper;              /* adopt orphans when not PID 1 */
	bool session;                /* give the child a session of its own */
	bool pause;                  /* no command at all */
	bool warn_on_reap;
	uint8_t stage_count;
	struct duration grace, stop_delay;

	/* The large ones last: what is near the start takes shorter instructions to reach. */
	struct stage stages[STAGES_MAX];
	uint8_t rewrite[SIGNAL_LAST + 1]; /* 0: as it is, REWRITE_DROP: not at all */
	uint8_t exit_flip[256];           /* the exit code to give, XOR the child's */
};

static inline bool duration_is_zero(const struct duration *duration)
{
	return !(duration->seconds | duration->nanoseconds);
}

/* Fills `options`. `argv` and `environment` end in NULL; argv[0] may be missing. */
void options_parse(struct options *options, char **argv, char **environment);

/* The sentence for REQUEST_WRONG, NUL-terminated and cut to `size` bytes, without the program's name. */
size_t options_problem(const struct options *options, char *to, size_t size);

#endif
