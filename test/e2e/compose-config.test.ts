/**
 * Compose projects read as `docker compose config` reads them: each service's context, Dockerfile, target, arguments, platforms,
 * contexts, entrypoint and init.
 */
import { mkdir, mkdtemp, realpath, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join, resolve } from "node:path";
import { describe, expect, it } from "vitest";
import type { BuildUnit } from "../../packages/cli/src/wrap/build-unit.ts";
import { readCompose } from "../../packages/cli/src/wrap/compose-project.ts";
import { requireEngine } from "../support/engine.ts";

interface Sample {
  readonly title: string;
  readonly files: Readonly<Record<string, string>>;
  /** What is named with -f; the folder unless given. */
  readonly named?: readonly string[];
  readonly env?: Readonly<Record<string, string>>;
}

const SAMPLES: readonly Sample[] = [
  {
    title: "short and long builds, names, defaults",
    files: {
      "compose.yaml": `services:
  a: { build: . }
  b: { build: ./b }
  c: { build: { context: c } }
  d: { build: { context: c, dockerfile: ../d/Dockerfile.d } }
  e: { build: { dockerfile: docker/e.Dockerfile } }
  f: { build: {} }
  g: { image: alpine }
  h: { build: { context: h, target: prod, args: { A: 1, B: "two", C: true, D: 1.50, E: 0x10, F: "" , H: 1e3 } } }
  i: { build: { context: h, args: [A=1, B=two=three, "C=", "D=a b"] } }
  j: { build: "./with space" }
  k: { build: { context: /abs, dockerfile: /abs2/Dockerfile } }
  l: { build: { context: ../up } }
  m: { build: { context: ~/home } }
`,
    },
    env: { HOME: "/home/someone" },
  },
  {
    title: "entrypoints and init",
    files: {
      "compose.yaml": `services:
  a:
    build: .
    entrypoint: /app --flag "two words" 'single \${X:-q}'
  b: { build: ., entrypoint: [a, "b c", $X] }
  c: { build: ., entrypoint: [] }
  d: { build: ., entrypoint: "" }
  e: { build: ., entrypoint: null }
  f: { build: ., init: true }
  g: { build: ., init: false }
  h: { build: ., init: "\${INIT:-true}" }
  i: { build: ., entrypoint: 'a\\ b c' }
  j: { build: ., entrypoint: ["x"], command: [] }
  k: { build: ., entrypoint: "sh -c 'echo $$HOME'" }
`,
    },
    env: { X: "x y" },
  },
  {
    title: "an override file",
    files: {
      "compose.yaml": `services:
  a:
    build: { context: a, dockerfile: D1, target: t1, args: { A: 1, B: 2 }, platforms: [linux/amd64] }
    entrypoint: [one, two]
    init: true
  b: { build: b, entrypoint: [one] }
  c: { build: { context: c, args: [A=1, B=2] } }
  d: { image: x }
  e: { build: { context: e, additional_contexts: { x: ./x } } }
  f: { build: f, platform: linux/arm64 }
  i: { build: { dockerfile_inline: "FROM a" } }
`,
      "compose.override.yaml": `services:
  a:
    build: { dockerfile: D2, args: { B: 3, C: 4 }, platforms: [linux/arm64, linux/amd64] }
    entrypoint: [three]
    init: false
  b: { build: { target: dev } }
  c: { build: { args: { B: 3 } } }
  d: { build: d }
  e: { build: { additional_contexts: ["y=./y"] } }
  f: { platform: linux/amd64 }
  g: { build: g }
  i: { build: { dockerfile_inline: "FROM b" } }
`,
    },
  },
  {
    title: "!reset and !override",
    files: {
      "compose.yaml": `services:
  a: { build: { context: a, dockerfile: D1, target: t1, args: { A: 1, B: 2 }, platforms: [linux/amd64] }, entrypoint: [one] , init: true }
  b: { build: { context: b, args: { A: 1, B: 2 } } , image: b }
  c: { build: { context: c, target: t, args: { A: 1 }, platforms: [linux/amd64] }, entrypoint: [x] }
  d: { build: d, image: d }
  e: { build: { context: e, args: { A: 1, B: 2 } } }
  f: { build: { context: f, args: [A=1, B=2] } }
  g: { build: { context: g, additional_contexts: { x: ./x } } }
`,
      "compose.override.yaml": `services:
  a: { build: { dockerfile: !reset null, target: !reset "", args: { A: !reset null }, platforms: !override [linux/arm64] }, entrypoint: !reset null, init: !reset false }
  b: { build: !override { context: b2 } }
  c: { build: { target: !override u, args: !override { B: 2 }, platforms: !reset [] }, entrypoint: !override [y] }
  d: { build: !reset null }
  e: { build: { args: !reset {} } }
  f: { build: { args: !override [C=3] } }
  g: { build: { additional_contexts: !override { y: ./y } } }
`,
    },
  },
  {
    title: "extends within a file, across files, twice",
    files: {
      "compose.yaml": `services:
  base: { build: { context: base, target: t, args: { A: 1 } }, entrypoint: [one], init: true }
  a: { extends: base, build: { args: { B: 2 } } }
  b: { extends: { service: base }, init: false }
  c: { extends: { file: sub/common.yaml, service: web }, build: { args: { C: 3 } } }
  d: { extends: { service: c }, entrypoint: [two] }
  e: { extends: { file: sub/common.yaml, service: deep } }
  f: { extends: { file: ./sub/common.yaml, service: inline } }
  g: { extends: { file: sub/common.yaml, service: web }, build: !override { context: g } }
  h: { extends: { file: sub/common.yaml, service: web }, build: !reset null, image: h }
  i: { extends: { file: sub/common.yaml, service: contexts }, build: { additional_contexts: { mine: ./mine } } }
`,
      "sub/common.yaml": `services:
  web: { build: { context: web, dockerfile: D, args: { A: "$X" } }, platform: linux/arm64 }
  deep: { extends: { file: deeper/base.yaml, service: web }, init: true }
  inline: { build: { context: ., dockerfile_inline: "FROM x\\nCMD y\\n" } }
  contexts: { build: { context: ctx, additional_contexts: { res: ./res } } }
`,
      "sub/deeper/base.yaml": `services:
  web: { build: { context: .., target: deep }, entrypoint: [deep] }
`,
      "sub/.env": "X=sub\n",
      ".env": "X=top\n",
    },
  },
  {
    title: "extends in an override file",
    files: {
      "compose.yaml": `services:
  a: { build: { context: a, target: one, args: { A: 1 } }, entrypoint: [x] }
  b: { build: b }
`,
      "compose.override.yaml": `services:
  a: { extends: { file: common.yaml, service: web }, build: { args: { B: 2 } } }
`,
      "common.yaml": `services:
  web: { build: { context: common, target: two, args: { C: 3 } }, entrypoint: [y], init: true }
`,
    },
  },
  {
    title: "include, short and long, with env files and folders",
    files: {
      "compose.yaml": `include:
  - inc/compose.yaml
  - path: other/compose.yaml
    project_directory: .
    env_file: other/my.env
  - path: [multi/a.yaml, multi/b.yaml]
  - path: ["deep/one.yaml"]
services:
  main: { build: { context: ., args: { X: "\${X}" } } }
`,
      ".env": "X=top\n",
      "inc/compose.yaml": `services:
  inc: { build: { context: ., args: { X: "\${X}", Y: "\${Y:-none}" } } }
`,
      "inc/.env": "X=inc\nY=incy\n",
      "other/compose.yaml": `services:
  other: { build: { context: here, args: { X: "\${X}", Z: "\${Z:-none}" } } }
`,
      "other/my.env": "Z=my\n",
      "multi/a.yaml": "services: { multi: { build: { context: m, args: { A: 1 } } } }\n",
      "multi/b.yaml": "services: { multi: { build: { target: t, args: { B: 2 } } } }\n",
      "deep/one.yaml": "include: [two/two.yaml]\nservices: { one: { build: . } }\n",
      "deep/two/two.yaml": "services: { two: { build: ., extends: { file: three.yaml, service: three } } }\n",
      "deep/two/three.yaml": "services: { three: { build: { target: three } } }\n",
    },
  },
  {
    title: "interpolation, in every form",
    files: {
      "compose.yaml": `services:
  a:
    build:
      context: "\${CTX}"
      dockerfile: \${FILE:-Dockerfile.dev}
      target: \${TARGET-default}
      args:
        A: "\${SET:-x}"
        B: "\${UNSET:-x}"
        C: "\${EMPTY:-x}"
        D: "\${EMPTY-x}"
        E: "\${UNSET-x}"
        F: "\${SET:+y}"
        G: "\${EMPTY:+y}"
        H: "\${EMPTY+y}"
        I: "\${UNSET:-\${SET:-z}}"
        J: "$$SET"
        K: "$SET-$SET"
        L: "\${SET:?needed}"
        M: "\${UNSET:-a b}"
        N: "\${UNSET:-{json: 1}}"
        O: "a$"
        P: "$$\${SET}"
        Q: "\${UNSET+y}"
        R: "\${lower}"
        S: "\${UNSET:-\${UNSET2}}"
        T: "\${UNSET:-$SET}"
        V: "\${UNSET:-http://x:80/?a=b}"
        W: "$\${SET}"
`,
    },
    env: { SET: "set", EMPTY: "", CTX: "ctx", lower: "low" },
  },
  {
    title: "args without a value",
    files: {
      "compose.yaml": `services:
  a: { build: { context: ., args: [SET, UNSET, EMPTY, "E="] } }
  b: { build: { context: ., args: { SET: , UNSET: null, EMPTY: ~, E: "" } } }
`,
      ".env": "SET=dot\n",
    },
    env: { EMPTY: "" },
  },
  {
    title: "a .env file in its syntax",
    files: {
      "compose.yaml": `services:
  a:
    build:
      context: .
      args: [A, B, C, D, E, F, G, H, I, J, K, L, M, N, O, P, Q, R, S, T, U, V, W, X, Y, Z]
`,
      ".env": `# comment
A=plain
B="double $A"
C='single $A'
D=with space # comment
E=with#hash
export F=exported
G = spaced
H=
I="multi
line"
J="tab\\there\\nnew"
K=\${A}-\${B}
L="a \\"quoted\\" b"
M='it'
N: yaml
O=\${UNSET:-def}
P=\\$A
Q="\\$A"
R='a\\nb'
S=a\\nb
T="x" # comment
U='x' # comment
V=$$A
W=a"b"c
X="a\\\\b"
Y=trailing   
Z=\${OUTER}-\${A:+alt}
`,
    },
    env: { OUTER: "outer" },
  },
  {
    title: "anchors, merges and extensions",
    files: {
      "compose.yaml": `x-build: &build
  context: shared
  args: &args
    A: 1
    B: 2
x-entry: &entry [one, two]
services:
  a: { build: *build, entrypoint: *entry }
  b:
    build:
      <<: *build
      target: b
      args:
        <<: *args
        B: 3
  c:
    <<: [&first { build: c1, init: true }, { build: c2, entrypoint: [x] }]
    init: false
`,
    },
  },
  {
    title: "inline Dockerfiles",
    files: {
      "compose.yaml": `services:
  a:
    build:
      context: ctx
      dockerfile_inline: |
        FROM alpine
        ARG X=\${X:-y}
        RUN echo $$HOME
        CMD ["a"]
  b:
    build:
      dockerfile_inline: "FROM scratch"
`,
    },
    env: { X: "v" },
  },
  {
    title: "additional contexts and remote ones",
    files: {
      "compose.yaml": `services:
  a: { build: { context: ., additional_contexts: { base: "docker-image://alpine", res: ./res, git: "https://github.com/a/b.git", svc: "service:b" } } }
  b: { build: { context: ., additional_contexts: [x=./x, y=oci-layout://./y] } }
  c: { build: "https://github.com/a/b.git#main:dir" }
  d: { build: { context: "git@github.com:a/b.git", dockerfile: x/Dockerfile } }
  e: { build: github.com/a/b }
  f: { build: "git://x/y.git" }
  g: { build: { context: "ssh://git@h/x.git" } }
`,
    },
  },
  {
    title: "profiles",
    files: {
      "compose.yaml": `services:
  a: { build: a }
  b: { build: b, profiles: [debug] }
  c: { build: c, profiles: [a, b] }
  d: { build: d, deploy: { replicas: 0 } }
  e: { build: e, scale: 0 }
`,
    },
  },
  {
    title: "several files, named, in other folders",
    files: {
      "base/compose.yaml": 'services: { a: { build: { context: ctx, args: { X: "${X}" } }, entrypoint: [a] } }\n',
      "base/.env": "X=base\n",
      "prod/prod.yaml": "services: { a: { build: { context: other }, entrypoint: !reset [] }, b: { build: b } }\n",
      "prod/.env": "X=prod\n",
    },
    named: ["base/compose.yaml", "prod/prod.yaml"],
  },
  {
    title: "COMPOSE_FILE in .env",
    files: {
      ".env": "COMPOSE_FILE=one.yaml:sub/two.yaml\nX=1\n",
      "one.yaml": "services: { a: { build: { context: a, args: [X] } } }\n",
      "sub/two.yaml": "services: { a: { build: { target: t } }, b: { build: b } }\n",
      "compose.yaml": "services: { no: { build: no } }\n",
    },
  },
  {
    title: "an include and an override of what is included",
    files: {
      "compose.yaml": "include: [inc.yaml]\nservices: { a: { build: a } }\n",
      "compose.override.yaml": "services: { inc: { build: { target: t, args: { A: 1 } }, init: true } }\n",
      "inc.yaml": "services: { inc: { build: { context: inc, args: { B: 2 } } } }\n",
    },
  },
  {
    title: "an include with its own override, and extends of an included service",
    files: {
      "compose.yaml":
        "include:\n  - path: [i/base.yaml, over.yaml]\nservices: { a: { extends: { file: i/base.yaml, service: inc }, build: { args: { C: 3 } } } }\n",
      "i/base.yaml": "services: { inc: { build: { context: inc, args: { B: 2 } } } }\n",
      "over.yaml": "services: { inc: { build: { context: over, args: { A: 1 } } } }\n",
    },
  },
  {
    title: "several documents in one file",
    files: {
      "compose.yaml": `services:
  a: { build: { context: a, args: { A: 1 } } }
---
services:
  a: { build: { target: t, args: { B: 2 } } }
  b: { build: b }
`,
    },
  },
  {
    title: "COMPOSE_ENV_FILES",
    files: {
      ".env": "A=dot\nB=dot\nCOMPOSE_ENV_FILES=one.env,two.env\n",
      "one.env": "A=one\nC=one\n",
      "two.env": "C=two\nD=$C\n",
      "compose.yaml": "services: { a: { build: { context: ., args: [A, B, C, D] } } }\n",
    },
  },
  {
    title: "COMPOSE_ENV_FILES from the environment",
    files: {
      ".env": "A=dot\nB=dot\n",
      "one.env": "A=one\nC=one\n",
      "two.env": "C=two\nD=$C\n",
      "compose.yaml": "services: { a: { build: { context: ., args: [A, B, C, D] } } }\n",
    },
    env: { COMPOSE_ENV_FILES: "one.env,two.env" },
  },
  {
    title: "COMPOSE_DISABLE_ENV_FILE",
    files: {
      ".env": "A=dot\n",
      "compose.yaml": "services: { a: { build: { context: ., args: [A, B] } } }\n",
    },
    env: { COMPOSE_DISABLE_ENV_FILE: "1" },
  },
  {
    title: "the project's name",
    files: {
      "compose.yaml":
        "name: my${X}\nservices: { a: { build: { context: ., args: { A: '$COMPOSE_PROJECT_NAME', B: \"${COMPOSE_PROFILES:-none}\" } } } }\n",
    },
    env: { X: "proj" },
  },
  {
    title: "the project's name from the environment",
    files: {
      "compose.yaml": "services: { a: { build: { context: ., args: { A: '$COMPOSE_PROJECT_NAME' } } } }\n",
    },
    env: { COMPOSE_PROJECT_NAME: "given" },
  },
  {
    title: "a path over a mapping, and a mapping over a path",
    files: {
      "compose.yaml": `services:
  a: { build: { context: a, target: t, dockerfile: D } }
  b: { build: b }
  c: { build: { context: c, dockerfile_inline: "FROM a" } }
  d: { build: { context: d, args: [A=1, B] }, entrypoint: sh -c x }
  e: { build: { context: e, args: { A: 1 } }, entrypoint: [a], platform: linux/arm64 }
  f: { build: { context: f, target: t } }
`,
      "compose.override.yaml": `services:
  a: { build: other }
  b: { build: { target: t } }
  c: { build: { dockerfile_inline: "FROM b" } }
  d: { build: { args: [A=2, C=3] }, entrypoint: [] }
  e: { build: { args: { A: } }, entrypoint: null, platform: "" }
  f: { build: { target: "" } }
`,
    },
  },
  {
    title: "an anchor across the whole file, merged in lists of anchors",
    files: {
      "compose.yaml": `x-a: &a { context: a, args: { A: "\${X:-x}" } }
x-b: &b { target: b, args: { B: 2 } }
x-s: &s
  build:
    <<: [*a, *b]
  init: true
services:
  one: *s
  two: { <<: *s, entrypoint: [two] }
  three:
    <<: *s
    build:
      <<: *b
      context: three
`,
    },
  },
  {
    title: "windows line ends and a byte order mark",
    files: {
      "compose.yaml": "\ufeffservices:\r\n  a:\r\n    build:\r\n      context: a\r\n      args:\r\n        - X=1\r\n",
      ".env": "\ufeffA=1\r\nB=2\r\n",
    },
  },
  {
    title: "json",
    files: {
      "compose.yaml": '{"services": {"a": {"build": {"context": "a", "args": {"A": 1.0, "B": true, "C": null}}}}}',
    },
  },
  {
    title: "an include's env file that is none, a list of them, and what the outer .env says",
    files: {
      "compose.yaml": `include:
  - { path: i/c.yaml, env_file: [i/one.env, i/two.env] }
  - { path: j/c.yaml, project_directory: j/deep }
`,
      ".env": "A=top\n",
      "i/.env": "A=i\nB=i\n",
      "i/one.env": "B=one\nC=one\n",
      "i/two.env": "C=two\nD=$A\n",
      "i/c.yaml": "services: { i: { build: { context: ., args: { A: '$A', B: '$B', C: '$C', D: '$D' } } } }\n",
      "j/c.yaml": "services: { j: { build: { context: x, args: { A: '$A', B: '$B' } } } }\n",
      "j/.env": "B=j\n",
      "j/deep/.env": "B=deep\n",
    },
  },
  {
    title: "extends with variables in it, and a chain over three files",
    files: {
      "compose.yaml": `services:
  a: { extends: { file: "\${DIR:-x}/a.yaml", service: "\${SVC:-one}" } }
`,
      "x/a.yaml": "services: { one: { extends: { file: y/b.yaml, service: two }, build: { args: { A: 1 } } } }\n",
      "x/y/b.yaml":
        "services: { two: { extends: three, build: { target: two } }, three: { build: { context: ../z, dockerfile: ../D, args: { C: 3 } } } }\n",
    },
  },
  {
    title: "nothing over something",
    files: {
      "compose.yaml": `services:
  a: { build: { context: a, target: t, dockerfile: D, args: { A: 1 }, platforms: [linux/arm64], additional_contexts: { x: ./x } }, init: true, platform: linux/arm64, entrypoint: [a] }
  b: { build: { context: b, target: t } }
  c: { build: { context: c, target: t, args: { A: 1, B: 2, SET: 3 } }, entrypoint: [a] }
  d: { build: { context: d, dockerfile_inline: "FROM x" }, entrypoint: [a], platform: linux/arm64 }
  e: { build: { context: e, args: [A=1, B=2, SET=3] }, entrypoint: [a] }
  f: { build: { context: f, dockerfile: D }, entrypoint: [a] }
  g: { extends: { service: c }, entrypoint: null, build: { args: { A: , SET: } } }
  h: { build: { context: h, args: { A: 1 } }, image: h }
`,
      "compose.override.yaml": `services:
  a: { build: { target: , dockerfile: , args: , platforms: , additional_contexts: }, init: , platform: , entrypoint: }
  b: { build: }
  c: { build: { args: { A: , SET: } }, entrypoint: "" }
  d: { build: { dockerfile_inline: }, entrypoint: [], platform: "" }
  e: { build: { args: [A, SET] } }
  f: { build: { context: , dockerfile: "" } }
  h: { build: { args: [A=2, A=3] } }
`,
    },
    env: { SET: "set" },
  },
  {
    title: "variables of .env beside those of the environment",
    files: {
      "compose.yaml": "services: { a: { build: { context: ., args: [A, B, C, D, E] } } }\n",
      ".env": "A=dot\nB=$A\nC=${EMPTY:-c}\nD=${EMPTY-d}\nE=${LATER:-none}\nLATER=late\n",
    },
    env: { A: "outer", EMPTY: "" },
  },
  {
    title: "a home and a folder above in what is extended and included",
    files: {
      "compose.yaml": `include: [{ path: sub/inc.yaml, project_directory: ./sub/../other }]
services:
  a: { extends: { file: ./sub/../sub/x.yaml, service: x } }
`,
      "sub/x.yaml": "services: { x: { build: { context: ~/h, dockerfile: ../D }, init: true }, y: { build: ~/y } }\n",
      "sub/inc.yaml": "services: { i: { build: ../i }, y: { extends: { file: x.yaml, service: y } } }\n",
      "other/x.yaml": "services: { y: { build: ~/z } }\n",
    },
  },
  {
    title: "numbers and odd scalars",
    files: {
      "compose.yaml": `services:
  a: { build: { context: ., args: { A: 0123, B: 1_000, C: yes, D: no, E: on, G: .5, H: 1.0, I: 10000000000000000000, J: "0o17", K: 0o17, L: ~, M: +1, N: 1e100, O: .inf, P: 12345678.9, Q: 0.1 , R: 100000000000000000000000, S: -0 , T: 1e21, U: 0xFF, V: 1.10, W: 10000000.0, X: 1e7, Y: 0.00001, Z: 123456.7, AA: 1234567.5, AB: 0b11, AC: -.inf, AD: .nan, AE: 1:30, AF: 08, AG: 1.e3, AH: 18446744073709551615, AI: -0x1F, AJ: 1.5_5, AK: TRUE, AL: Null, AM: 0., AN: 1e-7 } } }
  1b: { build: b }
  "2": { build: c }
`,
    },
  },
];

interface Reading {
  readonly context: string;
  readonly dockerfile: string | undefined;
  readonly inline: string | undefined;
  readonly target: string | undefined;
  readonly args: Readonly<Record<string, string>>;
  readonly platforms: readonly string[];
  readonly contexts: readonly string[];
  readonly entrypoint: readonly string[] | undefined;
  readonly init: boolean | undefined;
}

type Readings = Readonly<Record<string, Reading>>;

function ours(units: readonly BuildUnit[]): Readings {
  const readings = units.map(
    ({ name, context, dockerfile, target, args, platforms, namedContexts, entrypointOverride, init }) => {
      const reading: Reading = {
        context,
        dockerfile: dockerfile.kind === "file" ? dockerfile.path : undefined,
        inline: dockerfile.kind === "inline" ? dockerfile.text : undefined,
        target,
        args,
        platforms: [...platforms].sort(),
        contexts: [...namedContexts].sort(),
        entrypoint: entrypointOverride,
        init,
      };
      return [name, reading] as const;
    },
  );
  return Object.fromEntries(readings);
}

interface Resolved {
  readonly services: Readonly<
    Record<
      string,
      {
        readonly build?: {
          readonly context?: string;
          readonly dockerfile?: string;
          readonly dockerfile_inline?: string;
          readonly target?: string;
          readonly args?: Readonly<Record<string, string | null>>;
          readonly platforms?: readonly string[];
          readonly additional_contexts?: Readonly<Record<string, string>>;
        };
        readonly platform?: string;
        readonly entrypoint?: readonly string[] | null;
        readonly init?: boolean;
      }
    >
  >;
}

function theirs({ services }: Resolved): Readings {
  const readings = Object.entries(services).flatMap(([name, { build, platform, entrypoint, init }]) => {
    if (build === undefined) return [];
    const context = build.context ?? "";
    const isLocal = context.startsWith("/");
    const args = Object.entries(build.args ?? {}).filter(([, value]) => value !== null) as [string, string][];
    const reading: Reading = {
      context,
      dockerfile:
        build.dockerfile_inline === undefined && isLocal
          ? resolve(context, build.dockerfile ?? "Dockerfile")
          : undefined,
      inline: build.dockerfile_inline,
      target: build.target,
      args: Object.fromEntries(args),
      platforms: [...new Set(build.platforms ?? (platform === undefined ? [] : [platform]))].sort(),
      contexts: Object.keys(build.additional_contexts ?? {}).sort(),
      entrypoint: entrypoint ?? undefined,
      init,
    };
    return [[name, reading] as const];
  });
  return Object.fromEntries(readings);
}

async function project(files: Readonly<Record<string, string>>): Promise<string> {
  const folder = await realpath(await mkdtemp(join(tmpdir(), "initwrap-compose-")));
  for (const [name, text] of Object.entries(files)) {
    await mkdir(dirname(join(folder, name)), { recursive: true });
    await writeFile(join(folder, name), text);
  }
  return folder;
}

describe("a Compose project is read as docker compose config reads it", () => {
  it.for(SAMPLES)("$title", async ({ files, named = [], env = {} }, context) => {
    const engine = requireEngine(context, "newest");
    const folder = await project(files);
    const environment = { HOME: "/home/someone", ...env };
    const words = named.flatMap((name) => ["-f", name]);
    const { stdout } = await engine.docker(["compose", ...words, "--profile", "*", "config", "--format", "json"], {
      cwd: folder,
      env: environment,
    });
    const inputs = named.length === 0 ? [folder] : named.map((name) => join(folder, name));
    // A dollar is written as two, so that what is printed can be read again.
    const expected = theirs(JSON.parse(stdout.replaceAll("$$", () => "$")) as Resolved);
    expect(ours(readCompose(inputs, [], environment))).toEqual(expected);
  });
});
