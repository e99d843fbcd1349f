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

/* Digits by subtraction: dividing would pull a library call into the 32-bit ARM builds, which have no divide
   instruction and, here, no library. */
size_t text_decimal(char *to, uint32_t value)
{
	static const uint32_t powers[] = { 1000000000, 100000000, 10000000, 1000000, 100000, 10000, 1000, 100, 10, 1 };
	size_t length = 0;
	for (size_t i = 0; i < sizeof powers / sizeof *powers; i++) {
		char digit = '0';
		while (value >= powers[i]) {
			value -= powers[i];
			digit++;
		}
		if (digit != '0' || length || powers[i] == 1)
			to[length++] = digit;
	}
	return length;
}
