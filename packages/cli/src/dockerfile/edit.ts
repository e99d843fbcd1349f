/** Edits as data: ranges of the text and what stands there instead. Everything outside the ranges is kept byte for byte. */
export interface Edit {
  /** Offsets into the text that is edited; equal for an insertion. */
  readonly start: number;
  readonly end: number;
  readonly text: string;
  readonly purpose: EditPurpose;
}

export type EditPurpose =
  | "init-stages"
  | "init-lines"
  | "entrypoint-elements"
  | "entrypoint-exec-form"
  | "close-continuation";

/** The edited text, and where each edit's own text lies in it. */
export interface Edited {
  readonly text: string;
  readonly spans: readonly { readonly edit: Edit; readonly start: number; readonly end: number }[];
}

/** Applies edits that do not overlap; they may come in any order. Throws RangeError for overlapping ones. */
export function applyEdits(text: string, edits: readonly Edit[]): Edited {
  const spans: { edit: Edit; start: number; end: number }[] = [];
  let result = "";
  let at = 0;
  for (const edit of edits.toSorted((a, b) => a.start - b.start || a.end - b.end)) {
    if (edit.start < at || edit.end < edit.start || edit.end > text.length) throw new RangeError("edits overlap");
    result += text.slice(at, edit.start);
    spans.push({ edit, start: result.length, end: result.length + edit.text.length });
    result += edit.text;
    at = edit.end;
  }
  return { text: result + text.slice(at), spans };
}
