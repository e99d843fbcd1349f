/* What the init says, in the words of words.txt: each message is one write(2), so that lines of several processes never
   mix. In a normal run it says nothing. */
#ifndef INITWRAP_LOG_H
#define INITWRAP_LOG_H

#include "options.h"
#include "words.h"

/* Says what the personality has to say on an occasion: errors and answers always; what -v tells only when the level is asked
   for, and dropped rather than waited for when nobody empties the pipe: a log must never hold up a signal. */
void say(const struct options *options, enum row row, int number);

/* The same for what has two numbers in it. */
void say_both(const struct options *options, enum row row, int first, int second);

/* The same for the text of a number, which takes any amount of numbers, to a descriptor. */
void say_to(int descriptor, const struct options *options, int text, const int *numbers);

#endif
