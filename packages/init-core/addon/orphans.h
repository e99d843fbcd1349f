/* What the reaper of lib/register.ts asks the kernel, and how it learns what this process has forked. */
#ifndef INITWRAP_ADDON_ORPHANS_H
#define INITWRAP_ADDON_ORPHANS_H

#include <stdbool.h>
#include <stddef.h>

/* From here on every child made by fork(3), by whatever code and thread, is noted. False without memory. */
bool forks_watch(void);

/* The pids of children forked since the last call, up to `room` of them. Complete for children that have ended: a child
   notes itself before it does anything else. */
size_t forks_take(int *pids, size_t room);

/* Whether the calling thread has a child of this pid that has ended and was not waited for. Takes nothing. */
bool orphan_is_dead(int pid);

/* Whether any thread of this process has a child of this pid. */
bool is_child(int pid);

/* Waits for a dead child of the calling thread. */
bool orphan_collect(int pid);

/* Orphans below this process become its children from here on. */
bool become_subreaper(void);

#endif
