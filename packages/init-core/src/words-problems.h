/* Made of words.txt by ../words.mjs. */
static const char *const problems[] = {
	"",
	"bad value in '%2'",
	"bad value for %3: '%2'",
	"option '%2' doesn't allow an argument",
	"unrecognized option '%2'",
	"invalid option -- '%l'",
	"option '%2' requires an argument",
	"option requires an argument -- '%l'"
};
