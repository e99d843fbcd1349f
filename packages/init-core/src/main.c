/* initwrap: runs one command as the init of a container. The order of the steps is the design; each is explained in the
   file that implements it. */
#include "log.h"
#include "reap.h"
#include "spawn.h"
#include "supervise.h"
#include "sys/sys.h"
#include "text.h"

START;

enum { EXIT_OWN_FAILURE = 125, EXIT_OWN_FAILURE_OF_PEERS = 1 };

static int own_failure(const struct options *options)
{
	return options->personality == INITWRAP ? EXIT_OWN_FAILURE : EXIT_OWN_FAILURE_OF_PEERS;
}

/* Help and the like, and mistakes, which are a failure. */
_Noreturn static void answer(const struct options *options)
{
	enum row row = ROW_HELP + options->request - REQUEST_HELP;
	if (options->problem == PROBLEM_VALUE || options->problem == PROBLEM_VARIABLE)
		row = ROW_WRONG_VALUE;
	say(options, row, 0);
	sys_exit(options->request < REQUEST_WRONG ? 0 : own_failure(options));
}

/* With SIGCHLD ignored, which is inherited through exec, the kernel would discard every exit code. */
static bool stop_ignoring_children(void)
{
	/* Not one for both: qemu's user mode writes the old action before it reads the new one. */
	uintptr_t standard[SIGACTION_WORDS] = { 0 }, before[SIGACTION_WORDS];
	SYS(NR_rt_sigaction, SIG_CHLD, standard, before, sizeof(struct signal_set));
	return before[SIGACTION_HANDLER] == 1; /* SIG_IGN */
}

/* PID 1 is given the orphans; any other process has to ask for them. tini asks only with -s, and says so if not. */
static bool adopt_orphans(const struct options *options)
{
	int32_t already = 0;
	if (options->subreaper) {
		long error = SYS(NR_prctl, PR_BECOME_SUBREAPER, 1);
		if (error < 0 && options->personality == TINI) {
			say(options, ROW_CANNOT_ADOPT, (int)-error);
			return false;
		}
		say(options, ROW_ADOPTING, 0);
		return true;
	}
	SYS(NR_prctl, PR_IS_SUBREAPER, &already);
	if (!already && options->verbosity)
		say(options, ROW_NOT_ADOPTING, 0);
	return true;
}

/* A parent that died before the kernel was asked sends no signal any more, so the init sends it to itself. */
static void follow_parent(const struct options *options, int self)
{
	long parent = SYS0(NR_getppid);
	SYS(NR_prctl, PR_PARENT_DEATH_SIGNAL, options->parent_death_signal);
	if (SYS0(NR_getppid) != parent)
		sys_kill(self, options->parent_death_signal);
}

/* dumb-init gives up its terminal for the child's session to take. When it led the terminal's session, the kernel says
   so with HUP and CONT, which are not for the child. */
static uint8_t leave_terminal(const struct options *options, int self)
{
	long error = SYS(NR_ioctl, 0, TTY_LEAVE, 0);
	if (error < 0) {
		say(options, ROW_TTY_NOT_LEFT, (int)-error);
		return 0;
	}
	if (SYS(NR_getsid, 0) != self)
		return 0;
	say(options, ROW_TTY_LEFT, 0);
	return 3;
}

_Noreturn static void run(const struct options *options, struct inheritance *inheritance)
{
	struct supervision state;
	clear(&state, offsetof(struct supervision, deadline));
	state.options = options;
	state.self = (int)SYS0(NR_getpid);

	inheritance->children_ignored = stop_ignoring_children();
	state.reaped = reap_predecessors();
	if (options->parent_death_signal)
		follow_parent(options, state.self);
	if (state.self != 1 && !adopt_orphans(options))
		sys_exit(own_failure(options));
	if (options->session)
		state.hand_off = leave_terminal(options, state.self);

	if (!options->pause) {
		state.main = spawn(options, state.self, inheritance);
		if (state.main < 0) {
			say(options, ROW_CANNOT_FORK, -state.main);
			sys_exit(own_failure(options));
		}
		say(options, ROW_STARTED, state.main);
	}

	/* From here on the init may no longer give up: see supervise.c. */
	let_go();
	supervise(&state);

	int code = exit_code(&state);
	if (options->report)
		report(&state, code);
	sys_exit(code);
}

/* With the words at hand: a line of -v must not wait for their unpacking. */
__attribute__((noinline)) _Noreturn static void run_aloud(struct options *options, struct inheritance *inheritance)
{
	char words[WORDS_TOLD_SIZE];
	words_unpack(words, ROW_HELP * WORDS_PERSONALITIES);
	options->words = words;
	run(options, inheritance);
}

/* Called by _start with what the kernel leaves on the stack: argc, argv, NULL, environment, NULL. */
__attribute__((used)) _Noreturn void start(long *stack)
{
	struct inheritance inheritance;
	SYS(NR_rt_sigprocmask, MASK_SET, &every_signal, &inheritance.blocked, sizeof every_signal);

	char **argv = (char **)(stack + 1);
	inheritance.environment = argv + stack[0] + 1;

	struct options options;
	options_parse(&options, argv, inheritance.environment);
	if (options.request != REQUEST_RUN)
		answer(&options);
	/* tini without -v tells no more than warnings. */
	if (options.verbosity > (options.personality == TINI) || options.warn_on_reap)
		run_aloud(&options, &inheritance);
	run(&options, &inheritance);
}
