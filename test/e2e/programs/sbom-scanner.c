/* A scanner as BuildKit runs one: it looks at BUILDKIT_SCAN_SOURCE and writes a statement into BUILDKIT_SCAN_DESTINATION. Its document
   is named after what it sees there: whether the image's own file is there, and whether the init is. */
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

int main(void)
{
	char path[4096];
	const char *source = getenv("BUILDKIT_SCAN_SOURCE"), *destination = getenv("BUILDKIT_SCAN_DESTINATION");
	if (!source || !destination)
		return 1;
	snprintf(path, sizeof(path), "%s/say", source);
	int say = access(path, F_OK) == 0;
	snprintf(path, sizeof(path), "%s/initwrap", source);
	int init = access(path, F_OK) == 0;
	snprintf(path, sizeof(path), "%s/sbom.spdx.json", destination);
	FILE *out = fopen(path, "w");
	if (!out)
		return 2;
	fprintf(out,
		"{\"_type\":\"https://in-toto.io/Statement/v0.1\",\"predicateType\":\"https://spdx.dev/Document\",\"predicate\":"
		"{\"spdxVersion\":\"SPDX-2.3\",\"dataLicense\":\"CC0-1.0\",\"SPDXID\":\"SPDXRef-DOCUMENT\",\"name\":\"scan say=%d "
		"initwrap=%d\",\"documentNamespace\":\"https://example.com/scan\",\"creationInfo\":{\"created\":"
		"\"1970-01-01T00:00:00Z\",\"creators\":[\"Tool: test\"]}}}",
		say, init);
	return fclose(out) == 0 ? 0 : 3;
}
