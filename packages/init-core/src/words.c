/* The words are packed, for they are most of what the file would hold. A bit is guessed from how often it was 0 and 1 where
   the same came before it: no byte, the last one, two or three, or the same beginning of a word. Each of these five has
   counts in a hashed table; the logarithms of their ratios are votes, and their sum, weighted by how right each was so far,
   is the logarithm of the guess's ratio. By it the range of an arithmetic decoder is divided. ../words.mjs has the same
   model for packing.

   It takes a few milliseconds and is run only where something is to be said. The table takes 128 KiB of stack: a limit of
   256 (ulimit -s) must leave room for it, for there is no other memory, and beyond the limit the kernel kills. */
#include "words.h"

#include "text.h"
#include "words-packed.h"

enum { CONTEXTS = WORDS_CONTEXTS, SLOTS_LOG = WORDS_SLOTS_LOG, MOST = sizeof words_logs - 1 };

struct context {
	uint8_t *seen; /* how often 0, in the lower half, and 1 */
	int32_t vote, weight;
};

void words_unpack(char *to, unsigned texts)
{
	_Alignas(uintptr_t) uint8_t counts[1 << SLOTS_LOG];
	const uint8_t *from = words_packed;
	struct context contexts[CONTEXTS];
	uint32_t range = 0, code = 0, last = 0, word = 0;

	clear(counts, sizeof counts);
	for (int k = 0; k < CONTEXTS; k++)
		contexts[k].weight = WORDS_WEIGHT << 14;
	while (texts) {
		uint32_t node = 1;
		do {
			int32_t sum = 0;
			uint32_t mask = 0;
			for (unsigned k = 0; k < CONTEXTS; k++) {
				uint32_t context = k < CONTEXTS - 1 ? last & mask : word;
				uint32_t hash = ((context + k) * 0x2f0b4c47u ^ node) * 0x9e3779b1u;
				struct context *at = &contexts[k];
				at->seen = &counts[hash >> (32 - SLOTS_LOG)];
				at->vote = words_logs[*at->seen >> 4] - words_logs[*at->seen & MOST];
				sum += at->vote * at->weight;
				mask = mask << 8 | 255;
			}
			sum >>= 14;
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
			int32_t error = (int32_t)chance;
			if (code < bound) {
				range = bound - 1;
				bit = !bit;
				error -= 32768;
			} else {
				range -= bound;
				code -= bound;
			}
			if (!likely)
				error = -error;
			for (struct context *at = contexts; at < contexts + CONTEXTS; at++) {
				at->weight += error * at->vote >> WORDS_LEARNING;
				uint8_t seen[] = { *at->seen & MOST, *at->seen >> 4 };
				if (seen[bit] < MOST)
					seen[bit]++;
				if (seen[!bit] > 1)
					seen[!bit] >>= 1;
				*at->seen = (uint8_t)(seen[1] << 4 | seen[0]);
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
