/** Whether a subject matches a pattern: tokens between dots, `*` any one token, `>` one or more at the end. Takes nothing apart. */
export function matches(pattern: string, subject: string): boolean {
  if (pattern === subject || pattern === ">") return true;
  for (let p = 0, s = 0; ; ) {
    const [pe, se] = [endOf(pattern, p), endOf(subject, s)];
    const one = pe - p === 1 ? pattern[p] : "";
    if (one === ">") return true;
    if (one !== "*" && !(pe - p === se - s && subject.startsWith(pattern.slice(p, pe), s))) return false;
    if (pe === pattern.length) return se === subject.length;
    if (se === subject.length) return false;
    p = pe + 1;
    s = se + 1;
  }
}

function endOf(text: string, from: number): number {
  const dot = text.indexOf(".", from);
  return dot < 0 ? text.length : dot;
}
