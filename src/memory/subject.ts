/** Whether a subject matches a pattern: tokens between dots, `*` any one token, `>` one or more at the end. */
export function matches(pattern: string, subject: string): boolean {
  if (pattern === subject || pattern === ">") return true;
  const want = pattern.split(".");
  const got = subject.split(".");
  for (const [i, w] of want.entries()) {
    if (w === ">") return got.length > i;
    if (i >= got.length || (w !== "*" && w !== got[i])) return false;
  }
  return want.length === got.length;
}
