#include "log.h"

#include <stdarg.h>

#include "sys/sys.h"
#include "text.h"

enum { LINE_SIZE = 512 };

struct line {
	size_t length;
	char text[LINE_SIZE];
};

static const char *error_text(int error)
{
	switch (error) {
	case E_PERM:
		return "Operation not permitted";
	case E_NOENT:
		return "No such file or directory";
	case E_IO:
		return "Input/output error";
	case E_2BIG:
		return "Argument list too long";
	case E_NOEXEC:
		return "Exec format error";
	case E_AGAIN:
		return "Resource temporarily unavailable";
	case E_NOMEM:
		return "Cannot allocate memory";
	case E_ACCES:
		return "Permission denied";
	case E_NOTDIR:
		return "Not a directory";
	case E_ISDIR:
		return "Is a directory";
	case E_TXTBSY:
		return "Text file busy";
	default:
		return NULL;
	}
}

static void add(struct line *line, const char *text)
{
	while (*text && line->length < LINE_SIZE - 1)
		line->text[line->length++] = *text++;
}

static void add_number(struct line *line, int number)
{
	char digits[12];
	if (number < 0)
		add(line, "-");
	digits[text_decimal(digits, number < 0 ? 0u - (uint32_t)number : (uint32_t)number)] = 0;
	add(line, digits);
}

static void format_into(struct line *line, const char *format, va_list values)
{
	char one[SIGNAL_NAME_SIZE];
	for (; *format; format++) {
		one[0] = *format;
		one[1] = 0;
		const char *text = one;
		int number;
		if (*format == '%') {
			switch (*++format) {
			case 's':
				text = va_arg(values, const char *);
				break;
			case 'g':
				text = signal_name(one, va_arg(values, int));
				break;
			default:
				number = va_arg(values, int);
				text = *format == 'e' ? error_text(number) : NULL;
				if (text)
					break;
				if (*format == 'e')
					add(line, "error ");
				add_number(line, number);
				text = "";
			}
		}
		add(line, text);
	}
}

static void write_line(int descriptor, struct line *line)
{
	/* A message cut short still ends its line. */
	if (line->length == LINE_SIZE - 1)
		line->text[LINE_SIZE - 1 - 1] = '\n';
	SYS(NR_write, descriptor, line->text, line->length);
}

void say(int descriptor, const char *format, ...)
{
	struct line line;
	va_list values;
	line.length = 0;
	va_start(values, format);
	format_into(&line, format, values);
	va_end(values);
	write_line(descriptor, &line);
}

static void add_prefix(struct line *line, const struct options *options, const char *level)
{
	switch (options->personality) {
	case TINI:
		add(line, "[");
		add(line, level);
		add(line, " tini (");
		add_number(line, (int)SYS(NR_getpid, 0));
		add(line, ")] ");
		break;
	case DUMB_INIT:
		add(line, "[dumb-init] ");
		break;
	case CATATONIT:
		add(line, *level == 'F' ? "ERROR" : "DEBUG");
		add(line, " (catatonit:");
		add_number(line, (int)SYS(NR_getpid, 0));
		add(line, "): ");
		break;
	default:
		add(line, "initwrap: ");
	}
}

void complain(const struct options *options, const char *format, ...)
{
	struct line line;
	va_list values;
	line.length = 0;
	add_prefix(&line, options, "FATAL");
	va_start(values, format);
	format_into(&line, format, values);
	va_end(values);
	write_line(2, &line);
}

void tell(const struct options *options, int level, const char *format, ...)
{
	static const char levels[][6] = { "WARN ", "INFO ", "DEBUG", "TRACE" };
	/* Only tini counts its -v: for the others one is all. */
	if (options->verbosity < (options->personality == TINI ? level : 1))
		return;

	struct line line;
	va_list values;
	int descriptor = options->personality == TINI && level > 1 ? 1 : 2;
	struct {
		int32_t descriptor;
		int16_t wanted, got;
	} writable = { descriptor, 4 /* POLLOUT */, 0 };
	struct kernel_time at_once = { 0, 0 };

	line.length = 0;
	add_prefix(&line, options, levels[level - 1]);
	va_start(values, format);
	format_into(&line, format, values);
	va_end(values);
	if (SYS(NR_ppoll, &writable, 1, &at_once, NULL, 0) > 0)
		write_line(descriptor, &line);
}
