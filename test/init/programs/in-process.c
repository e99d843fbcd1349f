/* addon/in-process.c without Node.js around it, and without threads to stop: qemu-user has threads of its own in the
   process, which no signal of the program's reaches. Prints what was returned. */
#include <stdio.h>

#include "../../../packages/init-core/addon/in-process.h"
#include "../../../packages/init-core/addon/threads.h"

bool threads_stop(void) { return true; }
void threads_go_on(void) {}

int main(int count, char **words, char **environment)
{
	struct options options;
	struct in_process call = { 0 };
	(void)count;
	options_parse(&options, words, environment);
	if (options.request != REQUEST_RUN)
		return 2;
	int failure = supervise_in_process(&options, environment, &call);
	printf("%d %d %d %u %u\n", failure, call.exit_code, call.signal, call.forwarded, call.reaped);
	return 0;
}
