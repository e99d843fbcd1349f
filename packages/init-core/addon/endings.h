/* Signals whose default action ends a process, for PID 1, which the kernel spares it. */
#ifndef INITWRAP_ADDON_ENDINGS_H
#define INITWRAP_ADDON_ENDINGS_H

/* From here on, and until somebody sets another action, the signal ends the process with 128 + its number, at once, in
   whatever thread and state: as its default action does elsewhere. */
void end_by(int signal);

#endif
