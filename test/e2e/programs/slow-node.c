/* Stands where a frontend's Node.js is expected, and starts it fifteen seconds late: longer than BuildKit waits for the first bytes
   of a frontend. */
#include <unistd.h>

int main(int argc, char **argv)
{
	(void)argc;
	sleep(15);
	execv("/real/node", argv);
	return 127;
}
