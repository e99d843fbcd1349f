/* Every signal is blocked from the init's first system call on, and stays so: signals do not interrupt it, they queue
   in the kernel and are taken one by one, in one place. Blocked signals are kept even where the action is to ignore
   them, or is the default that PID 1 is spared, so none is lost before it is taken. (A fault of the init's own is not
   held back by the mask: the kernel kills it at once.)

   From here on nothing may make the init exit but the main child's end: if it did, the kernel would kill the whole
   container. Every error below is therefore survived. */
#include "supervise.h"

#include "log.h"
#include "reap.h"
#include "text.h"

HOT const struct signal_set every_signal = { { [0 ... sizeof(struct signal_set) / sizeof(long) - 1] = ~0ul } };

/* How often to look for processes that are not our children (docker exec's) to have gone; in nanoseconds. */
enum { POLL_INTERVAL = 20000000, SECOND = 1000000000 };

static struct kernel_time now(void)
{
	struct kernel_time time = { 0, 0 };
	SYS(NR_clock_gettime, 1 /* CLOCK_MONOTONIC */, &time);
	return time;
}

static void set_deadline(struct supervision *state, struct duration from_now)
{
	struct kernel_time time = now();
	time.seconds += from_now.seconds;
	time.nanoseconds += from_now.nanoseconds;
	if (time.nanoseconds >= SECOND) {
		time.nanoseconds -= SECOND;
		time.seconds++;
	}
	state->deadline = time;
}

/* Until the deadline; its seconds are negative when that has passed. */
static struct kernel_time remaining(const struct supervision *state)
{
	struct kernel_time time = now();
	time.seconds = state->deadline.seconds - time.seconds;
	time.nanoseconds = state->deadline.nanoseconds - time.nanoseconds;
	if (time.nanoseconds < 0) {
		time.nanoseconds += SECOND;
		time.seconds--;
	}
	return time;
}

static bool is_past(const struct supervision *state)
{
	return remaining(state).seconds < 0;
}

static bool is_timed(const struct supervision *state)
{
	return state->phase >= HOLDING;
}

static bool is_polling(const struct supervision *state)
{
	return state->ended && state->childless && state->self == 1;
}

/* The next pending signal, or EAGAIN at the deadline (or a poll, or after a second: a clock that failed, which counts as
   zero, must not make it wait for years), or another negative error. */
static long next_signal(const struct supervision *state, struct signal_info *info)
{
	struct kernel_time rest = { 0, POLL_INTERVAL };
	bool timed = is_timed(state);
	if (timed && !is_polling(state)) {
		rest = remaining(state);
		if (rest.seconds)
			rest = (struct kernel_time){ rest.seconds > 0, 0 };
	}
	return SYS(NR_rt_sigtimedwait, &every_signal, info, timed ? &rest : NULL, sizeof every_signal);
}

static bool is_stop(int number)
{
	return number == SIG_STOP || number == SIG_TSTP || number == SIG_TTIN || number == SIG_TTOU;
}

WITHOUT_RETURN static bool leads_group(const struct supervision *state)
{
	return state->options->group == GROUP_ALWAYS
	    || (state->options->group == GROUP_IF_LEADER && SYS(NR_getpgid, state->main) == state->main);
}

/* Sends to the main child or its group. */
WITHOUT_RETURN static void pass_on(struct supervision *state, int number)
{
	/* No such group, or not any more: the child may have moved to another. */
	if (!leads_group(state) || sys_kill(-state->main, number) < 0)
		sys_kill(state->main, number);
	state->forwarded++;
}

/* The same for a signal that came from sigqueue(3), which goes on with its value: for a group that takes a pidfd and Linux
   6.9, on older kernels the main child alone gets it. */
static long pass_on_value(struct supervision *state, int number, struct signal_info *info)
{
	long result = -E_SRCH;
	info->words[0] = number;
	if (leads_group(state)) {
		long descriptor = SYS(NR_pidfd_open, state->main, 0);
		result = SYS(NR_pidfd_send_signal, descriptor, number, info, PIDFD_WHOLE_GROUP);
		if (descriptor >= 0)
			SYS(NR_close, descriptor);
	}
	if (result < 0)
		result = SYS(NR_rt_sigqueueinfo, state->main, number, info);
	return result;
}

static bool has_value(const struct signal_info *info)
{
	return signal_code(info) < CODE_USER && signal_code(info) != CODE_TKILL;
}

static void send(struct supervision *state, int number, struct signal_info *info)
{
	/* Also when the child's queue is full (EAGAIN): then the signal without its value. */
	if (info && has_value(info) && pass_on_value(state, number, info) >= 0)
		state->forwarded++;
	else
		pass_on(state, number);

	if (is_stop(number))
		state->stop_sent = true;
	else if (number == SIG_CONT)
		state->stop_sent = false;
}

/* A stopped process does not die of a TERM before it is continued. Asks the kernel, and remembers the stop signals
   that the child may not have acted on yet. */
static void wake_if_stopped(struct supervision *state)
{
	struct signal_info info;
	info.words[SIGINFO_PID] = 0;
	SYS(NR_waitid, WAIT_FOR_PID, state->main, &info, WAIT_STOPPED | WAIT_NO_HANG | WAIT_NO_REAP, NULL);
	if (state->stop_sent || info.words[SIGINFO_PID])
		send(state, SIG_CONT, NULL);
}

/* Signals all descendants of `pid` by /proc, the children before their children; for an init that is not PID 1. */
static void signal_descendants(int pid, int number, int depth)
{
	char path[48];
	char text[256];
	char *end = text_decimal(text_copy(path, "/proc/"), (uint32_t)pid);
	text_copy(text_decimal(text_copy(end, "/task/"), (uint32_t)pid), "/children");

	long descriptor = sys_open(path, OPEN_READ);
	if (descriptor < 0)
		return;
	int child = 0;
	for (;;) {
		long size = SYS(NR_read, descriptor, text, sizeof text);
		if (size <= 0)
			break;
		for (long i = 0; i < size; i++) {
			if (text[i] >= '0' && text[i] <= '9') {
				child = child * 10 + (text[i] - '0');
			} else if (child) {
				if (depth < 32)
					signal_descendants(child, number, depth + 1);
				sys_kill(child, number);
				child = 0;
			}
		}
	}
	SYS(NR_close, descriptor);
}

/* To everything in the container, whatever its group or session; never beyond the init's own descendants. */
static void signal_everything(const struct supervision *state, int number)
{
	if (state->self == 1)
		sys_kill(-1, number);
	else
		signal_descendants(state->self, number, 0);
}

static void terminate_everything(struct supervision *state)
{
	state->told = true;
	signal_everything(state, SIG_TERM);
	signal_everything(state, SIG_CONT);
}

static int rewritten(const struct options *options, int number)
{
	int to = options->rewrite[number];
	return to ? to : number;
}

static void forward(struct supervision *state, int number, struct signal_info *info)
{
	const struct options *options = state->options;
	int to = rewritten(options, number);

	say(options, ROW_PASSING, to);
	if (to == REWRITE_DROP)
		say(options, ROW_DROPPED, number);
	else if (to != number)
		say_both(options, ROW_TRANSLATED, number, to);
	if (to != REWRITE_DROP) {
		send(state, to, info);
		if (to == SIG_TERM || to == SIG_INT || to == SIG_QUIT || to == SIG_HUP)
			wake_if_stopped(state);
		say(options, ROW_FORWARDED, to);
	}
	/* dumb-init suspends itself too, for a shell that runs it as a job. PID 1 is immune. */
	if (options->personality == DUMB_INIT && is_stop(number)) {
		say(options, ROW_SUSPENDING, 0);
		sys_kill(state->self, SIG_STOP);
	}
}

static void enter_grace(struct supervision *state)
{
	state->phase = GRACE;
	set_deadline(state, state->options->grace);
}

static void run_stage(struct supervision *state)
{
	const struct stage *stage = &state->options->stages[state->stage++];
	send(state, stage->signal, NULL);
	if (stage->signal != SIG_KILL && !is_stop(stage->signal))
		wake_if_stopped(state);
	say(state->options, ROW_STAGED, stage->signal);
	set_deadline(state, stage->wait);
	state->phase = state->stage < state->options->stage_count ? STAGING : STOPPING;
}

static void stop(struct supervision *state, struct signal_info *info)
{
	const struct options *options = state->options;
	int number = info->words[0];
	state->phase = STOPPING;
	if (options->stage_count) {
		state->stage = 0;
		run_stage(state);
		return;
	}
	if (!duration_is_zero(&options->grace)) {
		enter_grace(state);
		if (rewritten(options, number) == SIG_TERM) {
			say(options, ROW_TERMINATED, 0);
			state->forwarded++;
			terminate_everything(state);
			return;
		}
		/* The main child wants another signal to stop; the rest gets its TERM when the child has ended. */
	}
	forward(state, number, info);
}

static void receive(struct supervision *state, struct signal_info *info)
{
	const struct options *options = state->options;
	int number = info->words[0];
	int bit = number == SIG_HUP ? 1 : number == SIG_CONT ? 2 : 0;

	/* Of our own making: nobody reads what -v writes. */
	if (number == SIG_PIPE && signal_sender(info) == state->self && signal_code(info) == CODE_USER)
		return;
	if (options->pause) {
		state->ended = number == SIG_TERM || number == SIG_INT;
		return;
	}
	/* The main child's pid is free again: whoever has it now must not get its signals. */
	if (state->ended)
		return;
	if (options->personality == DUMB_INIT) {
		say(options, ROW_RECEIVED, number);
		if (state->hand_off & bit) {
			state->hand_off ^= (uint8_t)bit;
			say(options, ROW_TTY_HAND_OFF, number);
			return;
		}
	}
	if (number == SIG_TERM || rewritten(options, number) == SIG_TERM) {
		if (state->phase == HOLDING)
			return;
		if (state->phase == RUNNING && !duration_is_zero(&options->stop_delay)) {
			state->phase = HOLDING;
			state->held = *info;
			set_deadline(state, options->stop_delay);
			say(options, ROW_HELD, number);
			return;
		}
		if (state->phase == RUNNING) {
			stop(state, info);
			return;
		}
	}
	forward(state, number, info);
}

static void pass_deadline(struct supervision *state)
{
	switch (state->phase) {
	case HOLDING:
		stop(state, &state->held);
		break;
	case STAGING:
		run_stage(state);
		break;
	case GRACE:
	case KILLED: /* again, for what the first did not reach */
		say(state->options, ROW_KILLED, 0);
		state->phase = KILLED;
		set_deadline(state, (struct duration){ 1, 0 });
		signal_everything(state, SIG_KILL);
	}
}

/* Once the main child has ended: whether anything is still waited for. */
static bool may_end(struct supervision *state)
{
	const struct options *options = state->options;
	if (!state->ended)
		return false;
	if (duration_is_zero(&options->grace) || options->pause)
		return true;
	if (state->childless && (state->self != 1 || sys_kill(-1, 0) == -E_SRCH))
		return true;
	if (state->phase == KILLED) {
		/* The end of PID 1 kills the rest anyway. Elsewhere the dead hand us their children: kill those as well,
		   for a while; what cannot be killed is not waited for. */
		if (state->self == 1 || is_past(state))
			return true;
		signal_everything(state, SIG_KILL);
	} else if (!state->told) {
		say(options, ROW_TERMINATED_REST, 0);
		if (state->phase != GRACE)
			enter_grace(state);
		terminate_everything(state);
	}
	return false;
}

/* dumb-init takes the rest of the child's session down with it, and says so. */
static void say_goodbye(struct supervision *state)
{
	const struct options *options = state->options;
	if (options->personality != DUMB_INIT)
		return;
	if (options->session)
		sys_kill(-state->main, SIG_TERM);
	say(options, ROW_GOODBYE, exit_code(state));
}

/* A signal that concerns nobody but the child: it need not take the way through receive(). */
static bool is_plain(const struct supervision *state, int number, const struct signal_info *info)
{
	const struct options *options = state->options;
	const uint32_t special = 1u << SIG_HUP | 1u << SIG_INT | 1u << SIG_QUIT | 1u << SIG_TERM | 1u << SIG_PIPE
	                       | 1u << SIG_CHLD | 1u << SIG_CONT | 1u << SIG_TSTP | 1u << SIG_TTIN | 1u << SIG_TTOU;
	return (number > 31 || !(special >> number & 1)) && !options->rewrite[number] && !options->words && !state->ended
	    && !options->pause && !has_value(info);
}

void supervise(struct supervision *state)
{
	const struct options *options = state->options;
	struct signal_info info;
	while (!may_end(state)) {
		/* Whether or not signals are waiting: they may come for ever, faster than they can be passed on. */
		if (is_timed(state) && is_past(state))
			pass_deadline(state);
		long number = next_signal(state, &info);
		if (number > 0 && is_plain(state, (int)number, &info)) {
			pass_on(state, (int)number);
		} else if (number == SIG_CHLD) {
			say(options, ROW_RECEIVED_CHILD, SIG_CHLD);
			reap(state);
		} else if (number > 0) {
			receive(state, &info);
		}
	}
	say_goodbye(state);
}
