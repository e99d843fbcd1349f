#include "texts.h"

#include "log.h"
#include "sys/sys.h"
#include "text.h"

/* The versions whose command lines and texts are followed; scripts compare them, and docker info reads tini's. */
#define TINI_VERSION "tini version 0.19.0"
#define DUMB_INIT_VERSION "dumb-init v1.2.5\n"
#define CATATONIT_VERSION "tini version 0.1.7_catatonit\n"

static const char own_version[] = "initwrap " VERSION "\n";

static const char own_usage[] = "Usage: initwrap [OPTIONS] -- COMMAND [ARGS]\n";

static const char own_help[] =
	"Runs COMMAND as the init of a container: forwards signals, reaps orphans.\n"
	"\n"
	"  -g, --group            signal the command's process group, whoever leads it\n"
	"      --no-group         signal the command alone (default: its group, if it leads one)\n"
	"  -r, --rewrite A:B,...  send B for A; B 0 drops A\n"
	"  -e, --exit-map A:B,... exit with B for A (B left out: 0)\n"
	"  -p, --pdeathsig SIGNAL forward SIGNAL when the init's parent dies\n"
	"      --stop-plan PLAN   what TERM turns into: TERM:5,INT:2,KILL\n"
	"      --grace TIME       at the end or at TERM: TERM to all that is left, KILL after TIME\n"
	"      --stop-delay TIME  hold TERM back for TIME\n"
	"      --report FILE      write one line of JSON at the end\n"
	"  -v, --verbose          log events to stderr\n"
	"  -V, --version  -h, --help  -l, --license\n"
	"\n"
	"TIME: 5, 1.5s, 300ms, 2m, 1h. SIGNAL: TERM, SIGTERM, 15, RTMIN+3.\n"
	"Each option is also a variable: INITWRAP_STOP_PLAN, INITWRAP_GROUP=0, ...\n"
	"Exit: the command's code; 128+n killed by signal n; 126 not executable;\n"
	"127 not found; 125 initwrap's own failure.\n";

static const char tini_help[] =
	" (" TINI_VERSION ")\n"
	"Usage: tini [OPTIONS] PROGRAM -- [ARGS] | --version\n"
	"\n"
	"Execute a program under the supervision of a valid init process (tini)\n"
	"\n"
	"Command line options:\n"
	"\n"
	"  --version: Show version and exit.\n"
	"  -h: Show this help message and exit.\n"
	"  -s: Register as a process subreaper (requires Linux >= 3.4).\n"
	"  -p SIGNAL: Trigger SIGNAL when parent dies, e.g. \"-p SIGKILL\".\n"
	"  -v: Generate more verbose output. Repeat up to 3 times.\n"
	"  -w: Print a warning when processes are getting reaped.\n"
	"  -g: Send signals to the child's process group.\n"
	"  -e EXIT_CODE: Remap EXIT_CODE (from 0 to 255) to 0.\n"
	"  -l: Show license and exit.\n"
	"\n"
	"Environment variables:\n"
	"\n"
	"  TINI_SUBREAPER: Register as a process subreaper (requires Linux >= 3.4).\n"
	"  TINI_VERBOSITY: Set the verbosity level (default: 1).\n"
	"  TINI_KILL_PROCESS_GROUP: Send signals to the child's process group.\n"
	"\n";

static const char dumb_init_help[] =
	"Usage: dumb-init [option] command [[arg] ...]\n"
	"\n"
	"dumb-init is a simple process supervisor that forwards signals to children.\n"
	"It is designed to run as PID1 in minimal container environments.\n"
	"\n"
	"Optional arguments:\n"
	"   -c, --single-child   Run in single-child mode.\n"
	"                        In this mode, signals are only proxied to the\n"
	"                        direct child and not any of its descendants.\n"
	"   -r, --rewrite s:r    Rewrite received signal s to new signal r before proxying.\n"
	"                        To ignore (not proxy) a signal, rewrite it to 0.\n"
	"                        This option can be specified multiple times.\n"
	"   -v, --verbose        Print debugging information to stderr.\n"
	"   -h, --help           Print this help message and exit.\n"
	"   -V, --version        Print the current version and exit.\n"
	"\n"
	"Full help is available online at https://github.com/Yelp/dumb-init\n";

static const char dumb_init_usage[] =
	"Usage: dumb-init [option] program [args]\n"
	"Try dumb-init --help for full usage.\n";

static const char dumb_init_rewrite_usage[] =
	"Usage: -r option takes <signum>:<signum>, where <signum> is between 1 and 31.\n"
	"This option can be specified multiple times.\n"
	"Use --help for full usage.\n";

static const char catatonit_usage[] = "usage: catatonit [-ghLPV] [--] <progname> [<arguments>...]\n";

static const char catatonit_help[] =
	"\n"
	"options:\n"
	"  -g              Forward signals to pid1's process group.\n"
	"  -h              Print this help page.\n"
	"  -L              Print license information.\n"
	"  -P              Run in pause mode (no program is run and quit on SIGINT).\n"
	"  -V, --version   Print version information.\n";

/* tini's -l is compared with tini's licence file by its own checks; the text is the one initwrap is under as well. */
static const char license_of_tini[] = "The MIT License (MIT)\n\nCopyright (c) 2015 Thomas Orozco <thomas@orozco.fr>\n";
static const char license_of_initwrap[] = "MIT License\n\nCopyright (c) 2026 the initwrap authors\n";
static const char license[] =
	"\n"
	"Permission is hereby granted, free of charge, to any person obtaining a copy\n"
	"of this software and associated documentation files (the \"Software\"), to deal\n"
	"in the Software without restriction, including without limitation the rights\n"
	"to use, copy, modify, merge, publish, distribute, sublicense, and/or sell\n"
	"copies of the Software, and to permit persons to whom the Software is\n"
	"furnished to do so, subject to the following conditions:\n"
	"\n"
	"The above copyright notice and this permission notice shall be included in\n"
	"all copies or substantial portions of the Software.\n"
	"\n"
	"THE SOFTWARE IS PROVIDED \"AS IS\", WITHOUT WARRANTY OF ANY KIND, EXPRESS OR\n"
	"IMPLIED, INCLUDING BUT NOT LIMITED TO THE WARRANTIES OF MERCHANTABILITY,\n"
	"FITNESS FOR A PARTICULAR PURPOSE AND NONINFRINGEMENT. IN NO EVENT SHALL THE\n"
	"AUTHORS OR COPYRIGHT HOLDERS BE LIABLE FOR ANY CLAIM, DAMAGES OR OTHER\n"
	"LIABILITY, WHETHER IN AN ACTION OF CONTRACT, TORT OR OTHERWISE, ARISING FROM,\n"
	"OUT OF OR IN CONNECTION WITH THE SOFTWARE OR THE USE OR OTHER DEALINGS IN\n"
	"THE SOFTWARE.\n";

static void print(int descriptor, const char *text)
{
	size_t length = text_length(text);
	while (length) {
		long written = SYS(NR_write, descriptor, text, length);
		if (written <= 0)
			return;
		text += written;
		length -= (size_t)written;
	}
}

static void print_help(const struct options *options, const char *name, int descriptor)
{
	switch (options->personality) {
	case TINI:
		print(descriptor, text_basename(name));
		print(descriptor, tini_help);
		break;
	case DUMB_INIT:
		print(2, DUMB_INIT_VERSION);
		print(2, dumb_init_help);
		break;
	case CATATONIT:
		print(2, catatonit_usage);
		print(2, catatonit_help);
		break;
	default:
		print(descriptor, own_usage);
		print(descriptor, own_help);
	}
}

static void print_version(const struct options *options)
{
	switch (options->personality) {
	case TINI:
		print(1, TINI_VERSION "\n");
		break;
	case DUMB_INIT:
		print(2, DUMB_INIT_VERSION);
		break;
	case CATATONIT:
		print(1, CATATONIT_VERSION);
		break;
	default:
		print(1, own_version);
	}
}

/* A mistake, as the personality's own program would put it. */
static void print_problem(const struct options *options, const char *name)
{
	char problem[512];
	options_problem(options, problem, sizeof problem);
	if (options->personality == DUMB_INIT && *options->problem == 'b') {
		print(2, dumb_init_rewrite_usage);
		return;
	}
	if (options->personality == TINI && *options->problem == 'b') {
		say(2, "[FATAL tini (%d)] Not a valid option for -%s: %s\n", (int)SYS(NR_getpid, 0),
		    options->letter == 'p' ? "p" : "e", options->subject);
		return;
	}
	say(2, "%s: %s\n", options->personality == INITWRAP ? "initwrap" : text_basename(name), problem);
	switch (options->personality) {
	case TINI:
		print_help(options, name, 2);
		break;
	case CATATONIT:
		print(2, catatonit_usage);
		break;
	case INITWRAP:
		print(2, own_usage);
	}
}

static void print_missing_command(const struct options *options, const char *name)
{
	switch (options->personality) {
	case TINI:
		print_help(options, name, 2);
		break;
	case DUMB_INIT:
		print(2, dumb_init_usage);
		break;
	case CATATONIT:
		complain(options, "missing program name\n");
		print(2, catatonit_usage);
		break;
	default:
		complain(options, "no command given\n");
		print(2, own_usage);
	}
}

int present(const struct options *options, const char *name)
{
	switch (options->request) {
	case REQUEST_HELP:
		print_help(options, name, 1);
		return 0;
	case REQUEST_VERSION:
		print_version(options);
		return 0;
	case REQUEST_LICENSE:
		print(1, options->personality == TINI ? license_of_tini : license_of_initwrap);
		print(1, license);
		return 0;
	case REQUEST_WRONG:
		print_problem(options, name);
		break;
	default:
		print_missing_command(options, name);
	}
	return options->personality == INITWRAP ? 125 : 1;
}
