/* What initwrap probe puts into a container to look at it from within: a static file, for the image may have no shell and no ps.

   `initwrap-prober processes` prints of every process /proc/PID/status and /proc/PID/cmdline as they are, behind a line
   `process PID`, and /proc/PID/cmdline behind `cmdline BYTES`. Its reader takes them apart: this file stays small.

   `initwrap-prober orphans COUNT OVER WATCH` starts COUNT processes whose parent ends at once, so that they become children of
   the container's PID 1. They end one after the other in the course of OVER milliseconds. Every 50 ms, and for WATCH
   milliseconds beyond, it prints `at MILLISECONDS zombies COUNT orphans COUNT`: all zombies of the container, and those of its
   own that still run.

   Both end with the line `end`: without it something is missing. What fails is a line `failed WHAT ERRNO`, and exit code 1.

   Source: proc(5); clone(2); waitpid(2), for who becomes the parent of an orphan. */
#include "sys/sys.h"
#include "text.h"

START;

enum { STDOUT = 1, ENTRIES = 4096, STATUS = 4096, LINE = 128, INTERVAL = 50 };

static void print(const char *bytes, size_t size)
{
	while (size > 0) {
		long written = SYS(NR_write, STDOUT, bytes, size);
		if (written == -E_INTR)
			continue;
		if (written < 0)
			sys_exit(1);
		bytes += written;
		size -= (size_t)written;
	}
}

static char *append(char *to, const char *text)
{
	while (*text)
		*to++ = *text++;
	*to = 0;
	return to;
}

static void print_number(const char *before, uint32_t number, const char *after)
{
	char line[LINE];
	char *end = append(text_decimal(append(line, before), number), after);
	print(line, (size_t)(end - line));
}

_Noreturn static void fail(const char *what, long error)
{
	char line[LINE];
	char *end = append(text_decimal(append(append(append(line, "failed "), what), " "), (uint32_t)-error), "\n");
	print(line, (size_t)(end - line));
	sys_exit(1);
}

/* Milliseconds of the monotonic clock, which wrap after 49 days: only differences are used. */
static uint32_t now(void)
{
	struct kernel_time time = { 0, 0 };
	SYS(NR_clock_gettime, 1 /* CLOCK_MONOTONIC */, &time);
	/* A product instead of a division: text.c says why. Exact for everything below a second. */
	uint32_t milliseconds = (uint32_t)((uint64_t)(uint32_t)time.nanoseconds * 1125899907 >> 50);
	return (uint32_t)time.seconds * 1000 + milliseconds;
}

static void sleep_until(uint32_t moment)
{
	for (;;) {
		int32_t left = (int32_t)(moment - now());
		if (left <= 0)
			return;
		struct kernel_time time = { 0, 0 };
		for (; left >= 1000; left -= 1000)
			time.seconds++;
		time.nanoseconds = (long)left * 1000000;
		SYS(NR_ppoll, 0, 0, &time, 0, 0);
	}
}

/* The content of /proc/PID/NAME, as far as it fits, with a 0 behind it; -1 when the process is gone. */
static long read_of(const char *pid, const char *name, char *content, size_t size)
{
	char path[LINE];
	append(append(append(append(path, "/proc/"), pid), "/"), name);
	int file = sys_open(path, OPEN_READ);
	if (file < 0)
		return -1;
	size_t used = 0;
	while (used < size - 1) {
		long got = SYS(NR_read, file, content + used, size - 1 - used);
		if (got == -E_INTR)
			continue;
		if (got <= 0)
			break;
		used += (size_t)got;
	}
	SYS(NR_close, file);
	content[used] = 0;
	return (long)used;
}

/* A line of /proc/PID/status by its name and colon; what follows them, or NULL. */
static const char *field_of(const char *status, const char *name)
{
	for (const char *line = status; *line; line++) {
		const char *value = text_after(line, name);
		if (value)
			return value;
		while (*line && *line != '\n')
			line++;
		if (!*line)
			return NULL;
	}
	return NULL;
}

struct counts {
	int32_t own;
	/* Of the prober, with its newline. */
	const char *name;
	uint32_t zombies, orphans;
};

typedef void (*visitor)(const char *pid, struct counts *counts);

/* struct linux_dirent64: getdents(2). */
enum { ENTRY_LENGTH = 16, ENTRY_NAME = 19 };

static void visit_processes(visitor visit, struct counts *counts)
{
	_Alignas(8) char entries[ENTRIES];
	int directory = sys_open("/proc", OPEN_READ);
	if (directory < 0)
		fail("open", directory);
	for (;;) {
		long size = SYS(NR_getdents64, directory, entries, sizeof(entries));
		if (size < 0)
			fail("getdents", size);
		if (size == 0)
			break;
		for (long at = 0; at < size;) {
			const char *name = entries + at + ENTRY_NAME;
			if (*name >= '1' && *name <= '9')
				visit(name, counts);
			at += *(const uint16_t *)(entries + at + ENTRY_LENGTH);
		}
	}
	SYS(NR_close, directory);
}

static void describe(const char *pid, struct counts *counts)
{
	char content[STATUS];
	(void)counts;
	long size = read_of(pid, "status", content, sizeof(content));
	if (size < 0)
		return;
	print("process ", 8);
	print(pid, text_length(pid));
	print("\n", 1);
	print(content, (size_t)size);
	size = read_of(pid, "cmdline", content, sizeof(content));
	size = size < 0 ? 0 : size;
	print_number("cmdline ", (uint32_t)size, "\n");
	print(content, (size_t)size);
	print("\n", 1);
}

static void count(const char *pid, struct counts *counts)
{
	char status[STATUS];
	const char *digits = pid;
	if (text_number(&digits, INT32_MAX / 10 - 1) == counts->own)
		return;
	if (read_of(pid, "status", status, sizeof(status)) < 0)
		return;
	const char *state = field_of(status, "State:\t");
	const char *name = field_of(status, "Name:\t");
	if (!state || !name)
		return;
	if (*state == 'Z')
		counts->zombies++;
	else if (text_after(name, counts->name))
		counts->orphans++;
}

static long clone_process(void)
{
	return CLONE_SAME_STACK(SIG_CHLD);
}

/* A process without a parent of ours, which ends at that moment. */
static void start_orphan(uint32_t moment)
{
	long child = clone_process();
	if (child < 0)
		fail("clone", child);
	if (child == 0) {
		long orphan = clone_process();
		if (orphan == 0) {
			for (int file = 0; file <= 2; file++)
				SYS(NR_close, file);
			sleep_until(moment);
			sys_exit(0);
		}
		sys_exit(orphan < 0 ? 1 : 0);
	}
	int32_t status = 0;
	long waited;
	do
		waited = SYS(NR_wait4, child, &status, 0, 0);
	while (waited == -E_INTR);
	if (waited < 0)
		fail("wait", waited);
	if (status != 0)
		fail("clone", -1);
}

static void watch_orphans(uint32_t amount, uint32_t over, uint32_t watch)
{
	char status[STATUS];
	if (read_of("self", "status", status, sizeof(status)) < 0)
		fail("open", -E_NOENT);
	char *name = (char *)field_of(status, "Name:\t");
	size_t length = 0;
	while (name[length] != '\n')
		length++;
	name[length + 1] = 0;
	/* Time for starting them all first: the curve begins when they are there. */
	uint32_t begin = now() + 100 + amount * 2;
	uint32_t step = 0;
	/* over / amount, without a division. */
	while ((step + 1) * amount <= over)
		step++;
	for (uint32_t i = 1; i <= amount; i++)
		start_orphan(begin + step * i);
	for (uint32_t at = 0; at <= over + watch; at += INTERVAL) {
		struct counts counts = { (int32_t)SYS0(NR_getpid), name, 0, 0 };
		sleep_until(begin + at);
		uint32_t moment = now() - begin;
		visit_processes(count, &counts);
		char line[LINE];
		char *end = append(text_decimal(append(line, "at "), moment), " zombies ");
		end = append(text_decimal(end, counts.zombies), " orphans ");
		end = append(text_decimal(end, counts.orphans), "\n");
		print(line, (size_t)(end - line));
	}
}

static uint32_t argument(const char *text, int32_t limit)
{
	const char *cursor = text;
	int32_t value = text ? text_number(&cursor, limit) : -1;
	if (value < 0 || *cursor)
		fail("arguments", -22 /* EINVAL */);
	return (uint32_t)value;
}

/* Called by _start with what the kernel leaves on the stack: argc, argv, NULL. */
__attribute__((used)) _Noreturn void start(long *stack)
{
	char **arguments = (char **)(stack + 1);
	const char *mode = stack[0] > 1 ? arguments[1] : "";
	if (text_equal(mode, "processes")) {
		visit_processes(describe, NULL);
	} else if (text_equal(mode, "orphans") && stack[0] == 5) {
		uint32_t amount = argument(arguments[2], 1000);
		uint32_t over = argument(arguments[3], 60000);
		uint32_t watch = argument(arguments[4], 60000);
		watch_orphans(amount, over, watch);
	} else {
		fail("arguments", -22 /* EINVAL */);
	}
	print("end\n", 4);
	sys_exit(0);
}
