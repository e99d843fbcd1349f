/* All that the init says: the rows of words.txt, packed. A row is an occasion and holds a text for each personality. */
#ifndef INITWRAP_WORDS_H
#define INITWRAP_WORDS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* enum row and the sizes. */
#include "words-rows.h"

/* Writes the first `texts` of them to `to`, each with its NUL. */
void words_unpack(char *to, unsigned texts);

#endif
