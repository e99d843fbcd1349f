/* Stops every other thread of this process, and lets them go on.

   A signal to a process is delivered to any thread that does not block it, and Node.js has about ten that block none. An
   init needs all signals to stay in the kernel until it takes them. So while it works the other threads stand still in
   a signal handler that has every signal blocked; when it returns, the kernel restores what each of them had blocked.
   Standing still they also start no children, whose exit codes an init would take. What they hold, such as the lock of
   malloc, they keep: between the two calls nothing may be used that another thread could hold. */
#ifndef INITWRAP_ADDON_THREADS_H
#define INITWRAP_ADDON_THREADS_H

#include <stdbool.h>

/* To be called with every signal blocked. False when not all of them stood still within five seconds, there are more than
   1024, or /proc is not mounted; then all go on. */
bool threads_stop(void);

void threads_go_on(void);

#endif
