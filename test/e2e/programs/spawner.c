/* Leaves orphans behind, in the two ways that programs do:
 *   first   A starts B, B starts C, B exits before C; C becomes PID 1's child and exits later
 *   second  C exits while B does not wait for it; then B exits and leaves a zombie to PID 1
 * A, the main program, waits for every B, and only for those. Prints "ready" when all have exited. */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

static void b_exits_first(void)
{
    if (fork() == 0) {
        usleep(100000);
        _exit(0);
    }
    _exit(0);
}

static void c_exits_first(void)
{
    if (fork() == 0)
        _exit(0);
    usleep(100000);
    _exit(0);
}

int main(int argc, char **argv)
{
    int count = argc > 1 ? atoi(argv[1]) : 10;
    for (int i = 0; i < count; i++) {
        pid_t b = fork();
        if (b < 0)
            return 1;
        if (b == 0)
            (i % 2 ? b_exits_first : c_exits_first)();
        if (waitpid(b, NULL, 0) != b)
            return 1;
    }
    usleep(300000);
    puts("ready");
    fflush(stdout);
    for (;;)
        pause();
}
