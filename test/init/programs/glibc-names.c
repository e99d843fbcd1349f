/*
 * What Debian's libstdc++ and libgcc take from glibc and musl has not, so that musl's loader can bind them. It is loaded under the
 * name of glibc's loader, which they ask for; musl takes the other names of glibc's files for its own.
 */
#define _GNU_SOURCE
#include <link.h>
#include <locale.h>
#include <stdint.h>
#include <sys/random.h>
#include <time.h>

/* Zero: there may be several threads. */
char __libc_single_threaded;

/* Of libgcc's own static half: no feature of the processor is known. */
unsigned __cpu_model[4];
int __cpu_indicator_init(void)
{
	return 0;
}

size_t __strftime_l(char *to, size_t size, const char *format, const struct tm *time, locale_t locale)
{
	return strftime_l(to, size, format, time, locale);
}

uint32_t arc4random(void)
{
	uint32_t word = 0;
	getrandom(&word, sizeof word, 0);
	return word;
}

/* What a thread has is not taken down with it. */
int __cxa_thread_atexit_impl(void (*end)(void *), void *object, void *library)
{
	(void)end, (void)object, (void)library;
	return 0;
}

/* As <dlfcn.h> of glibc 2.35 has it. */
struct dl_find_object {
	unsigned long long flags;
	void *start, *end, *link_map, *eh_frame;
	unsigned long long reserved[7];
};

struct search {
	uintptr_t address;
	struct dl_find_object found;
};

static int look(struct dl_phdr_info *info, size_t size, void *data)
{
	struct search *search = data;
	struct dl_find_object found = { .start = (void *)UINTPTR_MAX };
	int inside = 0;
	(void)size;
	for (int i = 0; i < info->dlpi_phnum; i++) {
		const ElfW(Phdr) *part = &info->dlpi_phdr[i];
		char *start = (char *)info->dlpi_addr + part->p_vaddr, *end = start + part->p_memsz;
		if (part->p_type == PT_GNU_EH_FRAME)
			found.eh_frame = start;
		if (part->p_type != PT_LOAD)
			continue;
		inside |= search->address >= (uintptr_t)start && search->address < (uintptr_t)end;
		if ((void *)start < found.start)
			found.start = start;
		if ((void *)end > found.end)
			found.end = end;
	}
	if (!inside || !found.eh_frame)
		return 0;
	search->found = found;
	return 1;
}

int _dl_find_object(void *address, struct dl_find_object *found)
{
	struct search search = { .address = (uintptr_t)address };
	if (!dl_iterate_phdr(look, &search))
		return -1;
	*found = search.found;
	return 0;
}
