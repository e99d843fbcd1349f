/* The words are packed, for they are most of what the file would hold. A bit is guessed from how often it was 0 and 1 where
   the same came before it: no byte, the last one, two or three, or the same beginning of a word. Each of these five has
   counts in a hashed table; the logarithms of their ratios, weighted, add up to that of the guess, and by the guess the
   range of an arithmetic decoder is divided. ../words.mjs has the same model for packing.

   It takes a few milliseconds and a stack of a quarter of a megabyte, and is run only where something is to be said. */
#include "words.h"

#include "words-packed.h"

enum { CONTEXTS = 5, SLOTS_LOG = WORDS_SLOTS_LOG, MOST = sizeof words_logs - 1 };

void words_unpack(char *to, unsigned texts)
{
	uint8_t counts[1 << SLOTS_LOG][2];
	const uint8_t *from = words_packed;
	uint32_t range = 0, code = 0, last = 0, word = 0;

	for (size_t i = 0; i < sizeof counts; i++)
		((volatile uint8_t *)counts)[i] = 0;
	while (texts) {
		uint32_t node = 1;
		do {
			uint8_t *seen[CONTEXTS];
			int32_t sum = 0;
			for (unsigned k = 0; k < CONTEXTS; k++) {
				uint32_t context = k < CONTEXTS - 1 ? last & ((1u << 8 * k) - 1) : word;
				uint32_t hash = ((context + k) * 0x2f0b4c47u ^ node) * 0x9e3779b1u;
				seen[k] = counts[hash >> (32 - SLOTS_LOG)];
				sum += (words_logs[seen[k][1]] - words_logs[seen[k][0]]) * words_weights[k];
			}
			/* 2 to the power of -|sum|, by straight lines between whole powers; of it, nearly the chance of the
			   less likely bit, in 1/32768. */
			bool likely = sum > 0;
			uint32_t size = (uint32_t)(likely ? sum : -sum) >> 5;
			uint32_t rare = (32 - (size & 15)) << 10 >> (size >> 4);
			uint32_t chance = (rare * (65536 - rare) >> 16) + WORDS_LEAST;

			while (range < 1u << 24) {
				range = range << 8 | 255;
				code = code << 8 | *from++;
			}
			uint32_t bound = (range >> 15) * chance;
			bool bit = likely;
			if (code < bound) {
				range = bound - 1;
				bit = !bit;
			} else {
				range -= bound;
				code -= bound;
			}
			for (unsigned k = 0; k < CONTEXTS; k++) {
				if (seen[k][bit] < MOST)
					seen[k][bit]++;
				if (seen[k][!bit] > 1)
					seen[k][!bit] >>= 1;
			}
			node = node * 2 + bit;
		} while (node < 256);

		uint8_t byte = (uint8_t)node;
		*to++ = (char)byte;
		last = last << 8 | byte;
		word = byte > 64 ? (word + byte) * 0x2f0b4c47u : 0;
		if (!byte)
			texts--;
	}
}
