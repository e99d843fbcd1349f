/* A program that handles SIGTERM itself: says goodbye and exits with a code of its own. */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static volatile sig_atomic_t stop;

static void on_term(int signal)
{
    (void)signal;
    stop = 1;
}

int main(void)
{
    sigset_t term, before;
    struct sigaction action = {.sa_handler = on_term};
    /* Blocked outside of sigsuspend, so that none can come between the check and the wait. */
    sigemptyset(&term);
    sigaddset(&term, SIGTERM);
    sigprocmask(SIG_BLOCK, &term, &before);
    sigaction(SIGTERM, &action, NULL);
    puts("ready");
    fflush(stdout);
    while (!stop)
        sigsuspend(&before);
    puts("goodbye");
    fflush(stdout);
    return 7;
}
