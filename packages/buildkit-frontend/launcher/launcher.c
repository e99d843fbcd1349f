/* Starts Node for a BuildKit frontend, having opened the connection first.

   BuildKit drops a frontend from which it has not seen the beginning of HTTP/2 in ten seconds, and on a busy machine Node takes
   longer than that to start. So the first bytes are written here: the client's preface and an empty SETTINGS frame, which is all
   that it waits for. packages/buildkit-frontend/src/http2.ts goes on from there.

   Source: RFC 9113, 3.4. */
#include "sys/sys.h"

START;

#define NODE "/node"
#define PREFACE "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
#define EMPTY_SETTINGS "\0\0\0\4\0\0\0\0\0"

enum { STDOUT = 1, STDERR = 2, EXIT_CANNOT_RUN = 126 };

_Noreturn static void give_up(const char *message, size_t size)
{
	SYS(NR_write, STDERR, message, size);
	sys_exit(EXIT_CANNOT_RUN);
}

#define GIVE_UP(message) give_up(message, sizeof(message) - 1)

/* A pipe or a socket of the builder: a write is interrupted only before its first byte. */
static void open_connection(void)
{
	static const char opening[] = PREFACE EMPTY_SETTINGS;
	const char *at = opening;
	size_t left = sizeof(opening) - 1;
	while (left > 0) {
		long written = SYS(NR_write, STDOUT, at, left);
		if (written == -E_INTR)
			continue;
		if (written < 0)
			GIVE_UP("initwrap: standard output is not the connection to BuildKit\n");
		at += written;
		left -= (size_t)written;
	}
}

/* Called by _start with what the kernel leaves on the stack: argc, argv, NULL, environment, NULL. */
__attribute__((used)) _Noreturn void start(long *stack)
{
	static char *const arguments[] = { (char *)NODE, (char *)"/frontend.cjs", (char *)"--opened", NULL };
	char **environment = (char **)(stack + 1) + stack[0] + 1;
	open_connection();
	SYS(NR_execve, NODE, arguments, environment);
	GIVE_UP("initwrap: cannot execute " NODE "\n");
}
