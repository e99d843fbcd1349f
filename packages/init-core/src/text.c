#include "text.h"

size_t text_length(const char *text)
{
	size_t length = 0;
	while (text[length])
		length++;
	return length;
}

bool text_equal(const char *left, const char *right)
{
	const char *rest = text_after(left, right);
	return rest && !*rest;
}

const char *text_after(const char *text, const char *prefix)
{
	for (; *prefix; prefix++, text++)
		if (*text != *prefix)
			return NULL;
	return text;
}

const char *text_basename(const char *path)
{
	const char *base = path;
	for (; *path; path++)
		if (*path == '/')
			base = path + 1;
	return base;
}

int32_t text_number(const char **cursor, int32_t limit)
{
	const char *at = *cursor;
	int32_t value = 0;
	if (*at < '0' || *at > '9')
		return -1;
	for (; *at >= '0' && *at <= '9'; at++) {
		/* Stop before the product can leave 32 bits: every limit in use is far below 2^31 / 10. */
		value = value * 10 + (*at - '0');
		if (value > limit)
			return -1;
	}
	*cursor = at;
	return value;
}

/* A product instead of a division, which would be a library call in the 32-bit ARM builds: they have no such instruction
   and, here, no library. */
char *text_decimal(char *to, uint32_t value)
{
	uint32_t tenth = (uint32_t)((uint64_t)value * 0xcccccccd >> 35);
	if (tenth)
		to = text_decimal(to, tenth);
	*to++ = (char)('0' + value - tenth * 10);
	*to = 0;
	return to;
}

char *text_copy(char *to, const char *from)
{
	while ((*to = *from++))
		to++;
	return to;
}

void clear(void *to, size_t bytes)
{
	volatile uintptr_t *at = to;
	do {
		*at++ = 0;
		bytes -= sizeof *at;
	} while (bytes);
}
